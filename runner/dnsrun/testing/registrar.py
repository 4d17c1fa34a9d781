"""The contract that a registrar keeps which writes by itself, as a pytest class to derive from.

As `ProviderContract`: each case gets a `host` with a domain of its own, and judges by `RegistrarHost.truth`, the parent
zone read by another path than the registrar's. pytest itself is not imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import ClassVar, Protocol

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.clock import SystemClock
from dnsrun.errors import WriteConflict
from dnsrun.model.rrset import Change, RRset, RRsetKey, rrset
from dnsrun.model.zone import Delegation
from dnsrun.ports.provider import RegistrarProvider

from .contract import Zone, serial, without_soa
from .verified import Word

_BETWEEN_LOOKS = timedelta(milliseconds=50)
_DS = f"4711 13 2 {'ab' * 32}"
_OTHER_DS = f"815 8 2 {'cd' * 32}"


class RegistrarHost(Protocol):
    """A parent zone that delegates `domain` to two name servers outside it, without DS, and other domains too.

    `plugin` is the registrar's name, `word` and `what` say what it is run against: they go into the result file.
    """

    plugin: str
    word: Word
    what: str
    domain: Name

    def open(self) -> RegistrarProvider:
        """Return a fresh registrar."""
        ...

    def truth(self) -> Zone:
        """Return the parent zone, read by another path than the registrar's."""
        ...

    def edit(self, change: Change) -> None:
        """Change an RRset of the parent zone as somebody else would."""
        ...


class RegistrarContract:
    """Derive from it and give a fixture `host`; pytest runs every case."""

    exercised_by: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "glue": ("test_glue_comes_and_goes_with_its_name_servers",),
        "ds": ("test_ds_comes_and_goes",),
        "compare_and_set": ("test_somebody_elses_delegation_is_not_overwritten",),
        "declared_delay_s": ("test_two_name_servers_become_four_and_two_again",),
        "atomic_batch": ("test_everything_changes_at_once_and_comes_back",),
    }

    def test_every_declared_capability_is_exercised(self, host: RegistrarHost) -> None:
        """A registrar that declares glue or DS shows it here; one that needs a person cannot keep this contract."""
        capabilities = host.open().capabilities
        assert capabilities.writes
        assert not capabilities.needs_person, "what a person does cannot be tested here"
        for name, cases in self.exercised_by.items():
            missing = [case for case in cases if not callable(getattr(self, case, None))]
            assert not missing, f"{name} is declared, but {missing} is switched off"

    def test_what_is_there_is_read(self, host: RegistrarHost) -> None:
        """NS, glue and DS with their TTLs."""
        assert host.open().read_delegation(host.domain) == held(host)

    def test_two_name_servers_become_four_and_two_again(self, host: RegistrarHost) -> None:
        """The serial advances each time, and nothing else in the parent zone changes."""
        first, untouched = held(host), others(host)
        four = delegation(first, *first.ns, named("ns3.other.example."), named("ns4.other.example."))
        for before, after in ((first, four), (four, first)):
            seen = serial(host.truth())
            self.replace(host, before, after)
            assert held(host) == after
            assert 0 < (serial(host.truth()) - seen) % 2**32 < 2**31
            assert others(host) == untouched

    def test_glue_comes_and_goes_with_its_name_servers(self, host: RegistrarHost) -> None:
        """Name servers inside the domain bring their addresses, both families, and take them away."""
        if not host.open().capabilities.glue:
            return
        first, untouched = held(host), others(host)
        ns1, ns2 = (dns.name.from_text(label, origin=host.domain) for label in ("ns1", "ns2"))
        inside = delegation(first, ns1, ns2, glue={ns1: ("192.0.2.1", "2001:db8::1"), ns2: ("192.0.2.2",)})
        renumbered = delegation(first, ns1, ns2, glue={ns1: ("192.0.2.9",), ns2: ("192.0.2.2", "192.0.2.3")})
        for before, after in ((first, inside), (inside, renumbered), (renumbered, first)):
            self.replace(host, before, after)
            assert held(host).same(after)
            assert host.open().read_delegation(host.domain) == held(host)
        assert others(host) == untouched
        assert not [key for key in host.truth() if key.owner in (ns1, ns2)], "glue stays behind"

    def test_ds_comes_and_goes(self, host: RegistrarHost) -> None:
        """One, two, another, none; the name servers stay."""
        if not host.open().capabilities.ds:
            return
        first, untouched = held(host), others(host)
        steps = [delegation(first, *first.ns, ds=ds) for ds in ((_DS,), (_DS, _OTHER_DS), (_OTHER_DS,), ())]
        for before, after in zip([first, *steps], steps, strict=False):
            self.replace(host, before, after)
            assert held(host).same(after)
        assert others(host) == untouched

    def test_everything_changes_at_once_and_comes_back(self, host: RegistrarHost) -> None:
        """Name servers, glue and DS in one call; where it is declared atomic, with one step of the serial."""
        capabilities = host.open().capabilities
        if not (capabilities.glue and capabilities.ds):
            return
        first, whole = held(host), without_soa(host.truth())
        ns1 = dns.name.from_text("ns1", origin=host.domain)
        after = delegation(first, ns1, *first.ns, glue={ns1: ("192.0.2.1",)}, ds=(_DS,))
        seen = serial(host.truth())
        self.replace(host, first, after)
        assert held(host).same(after)
        if capabilities.atomic_batch:
            assert (serial(host.truth()) - seen) % 2**32 == 1
        self.replace(host, after, first)
        assert without_soa(host.truth()) == whole

    def test_asking_twice_changes_nothing(self, host: RegistrarHost) -> None:
        """The second call finds what is wanted and leaves it, the serial too."""
        first = held(host)
        after = delegation(first, named("ns1.new.example."), named("ns2.new.example."))
        self.replace(host, first, after)
        seen = host.truth()
        host.open().replace_delegation(host.domain, before=first, after=after)
        assert host.truth() == seen

    def test_somebody_elses_delegation_is_not_overwritten(self, host: RegistrarHost) -> None:
        """Name servers or DS that are neither the old nor the new ones: a conflict that names them, nothing written."""
        first = held(host)
        after = delegation(first, named("ns1.new.example."), named("ns2.new.example."))
        key = RRsetKey(host.domain, RdataType.NS)
        ours = host.truth()[key]
        theirs = rrset(host.domain, ours.ttl_s, "NS", "ns1.foreign.example.")
        signed = rrset(host.domain, ours.ttl_s, "DS", _DS)
        for edit in (Change(key, ours, theirs), Change(signed.key, None, signed)):
            host.edit(edit)
            seen = host.truth()
            error = self.conflict(host, first, after)
            assert str(edit.key) in str(error)
            assert host.truth() == seen
            host.edit(edit.reverse())

    # --- for the cases, and for the cases that a plugin adds

    def replace(self, host: RegistrarHost, before: Delegation, after: Delegation) -> None:
        """Ask a fresh registrar and wait, as long as it declares, until the parent zone shows it."""
        registrar, clock = host.open(), SystemClock()
        registrar.replace_delegation(host.domain, before=before, after=after)
        deadline_s = clock.monotonic_s() + min(registrar.capabilities.declared_delay_s, 600)
        self._until(lambda: held(host).same(after), clock, deadline_s)

    def conflict(self, host: RegistrarHost, before: Delegation, after: Delegation) -> WriteConflict:
        """Return the conflict that a call must end with."""
        try:
            host.open().replace_delegation(host.domain, before=before, after=after)
        except WriteConflict as error:
            return error
        raise AssertionError("the delegation is somebody else's now, and nobody was told")

    def _until(self, condition: Callable[[], bool], clock: SystemClock, deadline_s: float) -> None:
        while not condition() and clock.monotonic_s() < deadline_s:
            clock.wait_until(clock.now() + _BETWEEN_LOOKS)


def held(host: RegistrarHost) -> Delegation:
    """Return the delegation as the parent zone holds it."""
    zone = host.truth()
    ns, ds = (zone.get(RRsetKey(host.domain, rdtype)) for rdtype in (RdataType.NS, RdataType.DS))
    assert ns is not None, f"{host.domain} is not delegated"
    names = frozenset(map(named, ns.texts()))
    glue = {name: addresses(zone, name) for name in names if name.is_subdomain(host.domain)}
    texts = frozenset(ds.texts()) if ds else frozenset[str]()
    return Delegation(names, glue, texts, ns.ttl_s, ds.ttl_s if ds else 0)


def delegation(
    like: Delegation, *ns: Name, glue: Mapping[Name, tuple[str, ...]] | None = None, ds: tuple[str, ...] = ()
) -> Delegation:
    """Return a delegation with the TTL of another."""
    return Delegation(frozenset(ns), glue or {}, frozenset(ds), like.ttl_s)


def others(host: RegistrarHost) -> Zone:
    """Return what the parent zone holds apart from the domain."""
    zone = without_soa(host.truth())
    return {key: found for key, found in zone.items() if not key.owner.is_subdomain(host.domain)}


def addresses(zone: Zone, name: Name) -> tuple[str, ...]:
    """Return the addresses that a zone holds for a name."""
    found: list[RRset | None] = [zone.get(RRsetKey(name, rdtype)) for rdtype in (RdataType.A, RdataType.AAAA)]
    return tuple(text for one in found if one for text in one.texts())


def named(text: str) -> Name:
    """Return the absolute name."""
    return dns.name.from_text(text)
