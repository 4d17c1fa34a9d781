"""The contract that every provider of a zone keeps, as a pytest class to derive from.

::

    class TestMyHost(ProviderContract):
        @pytest.fixture
        def host(self, my_server) -> Host:
            return MyHost(my_server)

Each case gets a `host` with a zone of its own and judges by `Host.truth`, a second path to what the host
really serves: never by the provider that wrote. pytest itself is not imported here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import ClassVar, Protocol

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.clock import SystemClock
from dnsrun.errors import OutsideError, WriteConflict
from dnsrun.model.rrset import Change, RRset, RRsetKey, rrset
from dnsrun.ports.provider import Capabilities, ZoneProvider

from .torture import LONG_TEXT_OCTETS, added, long_text, removed, replaced, torture, usual_text
from .verified import Word

Zone = Mapping[RRsetKey, RRset]
_BETWEEN_LOOKS = timedelta(milliseconds=50)


class Host(Protocol):
    """A host with one zone that holds an SOA and an apex NS RRset of at least one name, and nothing that matters.

    `plugin` is the provider's name, `word` and `what` say what it is run against: they go into the result file.
    """

    plugin: str
    word: Word
    what: str
    apex: Name

    def open(self) -> ZoneProvider:
        """Return a fresh provider for the zone."""
        ...

    def truth(self) -> Zone:
        """Return what the host serves now, read by another path than the provider's."""
        ...

    def edit(self, change: Change) -> None:
        """Change an RRset as somebody else would, by another path than the provider's."""
        ...


class ProviderContract:
    """Derive from it and give a fixture `host`; pytest runs every case.

    `refused_names` are names of the torture zone (relative, as text) that the host refuses by itself, with an error;
    where it refuses one type there only, name and type: `plain TXT`.
    """

    refused_names: ClassVar[frozenset[str]] = frozenset()

    exercised_by: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "types": ("test_every_type_is_read_back_as_it_was_written", "test_other_types_are_refused_aloud"),
        "min_ttl_s": ("test_the_lowest_ttl_is_served_and_a_lower_one_is_raised_to_it",),
        "ttl_scope": ("test_a_ttl_alone_changes_and_comes_back",),
        "atomic_batch": ("test_a_call_that_fails_half_way_is_reported",),
        "compare_and_set": ("test_somebody_elses_value_is_not_overwritten",),
        "apex_ns": ("test_apex_name_servers_are_replaced_and_come_back",),
        "declared_delay_s": ("test_writing_twice_changes_nothing",),
        "reads": ("test_the_whole_zone_is_read",),
        "writes": ("test_writing_twice_changes_nothing",),
        "needs_person": (),
        "serves_before_delegation": ("test_every_type_is_read_back_as_it_was_written",),  # nobody delegates the zone
        "saving_may_delegate": (),  # a person's panel
        "services": (),  # seen from outside, by the gates of mail
        "glue": (),  # of a registrar, as `ds` is: RegistrarContract
        "ds": (),
    }

    def test_every_declared_capability_is_exercised(self, host: Host) -> None:
        """A field of `Capabilities` without a case, or a case that a subclass switched off, fails."""
        capabilities = host.open().capabilities
        unknown = {field.name for field in dataclasses.fields(Capabilities)} - self.exercised_by.keys()
        assert not unknown, f"no case exercises {sorted(unknown)}"
        assert capabilities.writes, "a host that cannot be written cannot keep this contract"
        assert not capabilities.needs_person, "what a person does cannot be tested here"
        for name, cases in self.exercised_by.items():
            missing = [case for case in cases if not callable(getattr(self, case, None))]
            assert not missing, f"{name} is declared, but {missing} is switched off"

    def test_every_type_is_read_back_as_it_was_written(self, host: Host) -> None:
        """Names, values, TTLs and TXT strings come out as they went in; all of it can be removed again."""
        wanted = self.torture(host)
        before = host.truth()
        changes = tuple(map(added, wanted))
        self.write(host, *changes)
        seen = host.truth()
        for rrset_wanted in wanted:
            assert seen.get(rrset_wanted.key) == rrset_wanted
        self.write(host, *(change.reverse() for change in changes))
        assert without_soa(host.truth()) == without_soa(before)

    def test_what_the_host_does_not_take_is_refused_aloud(self, host: Host) -> None:
        """The RRsets left out of the torture zone are refused with an error and leave no trace."""
        before = host.truth()
        for refused in torture(host.apex, None):
            if self._is_refused(host, refused):
                error = self.failure(host, added(refused))
                assert error is not None, f"{refused.key} is taken: it need not be left out"
                assert error.certainty == "not-applied"
        assert host.truth() == before

    def test_other_types_are_refused_aloud(self, host: Host) -> None:
        """Where the host takes some types only, the others are refused with an error and leave no trace."""
        types = host.open().capabilities.types
        before = host.truth()
        for refused in torture(host.apex, None):
            if types is not None and refused.key.rdtype not in types:
                error = self.failure(host, added(refused))
                assert error is not None, f"{refused.key} is taken, and its type is not declared"
                assert error.certainty == "not-applied"
        assert host.truth() == before

    def test_the_whole_zone_is_read(self, host: Host) -> None:
        """What the provider reads is what is served, with the grade it declares.

        Blind types aside, and the apex NS of a host that neither lists nor writes it.
        """
        self.write(host, *map(added, self.torture(host)))
        provider, truth = host.open(), host.truth()
        snapshot = provider.read_zone(host.apex)
        assert snapshot.completeness == provider.capabilities.reads
        seen = {key: bare(found) for key, found in snapshot.rrsets.items()}
        expected = {key: found for key, found in truth.items() if key.rdtype not in snapshot.blind}
        apex_ns = RRsetKey(host.apex, RdataType.NS)
        if apex_ns not in seen and not provider.capabilities.apex_ns:
            del expected[apex_ns]
        assert seen == expected

    def test_writing_twice_changes_nothing(self, host: Host) -> None:
        """The second write of new data, of a new TTL and of a removal leaves everything, the serial too."""
        first = rrset(self.at(host, "twice"), 600, "A", "192.0.2.1", "192.0.2.2")
        steps = (added(first), replaced(first, first.with_ttl(300)), removed(first.with_ttl(300)))
        for change in steps:
            self.write(host, change)
            seen = host.truth()
            host.open().apply(host.apex, (change,))
            assert host.truth() == seen

    def test_what_was_not_named_is_kept(self, host: Host) -> None:
        """Neighbours stay: other types at the name, names below it and beside it."""
        label = self.at(host, "kept")
        neighbours = (
            rrset(label, 300, "TXT", '"stays"'),
            rrset(self.at(host, "below.kept"), 300, "A", "192.0.2.3"),
            rrset(self.at(host, "kept2"), 300, "A", "192.0.2.4"),
        )
        self.write(host, *map(added, neighbours))
        before = host.truth()
        new = rrset(label, 60, "A", "192.0.2.5")
        self.write(host, added(new))
        assert without_soa(host.truth()) == {**without_soa(before), new.key: new}
        self.write(host, removed(new))
        assert without_soa(host.truth()) == without_soa(before)

    def test_data_at_the_apex_are_written(self, host: Host) -> None:
        """TXT, MX and A at the apex, where NS and SOA stay."""
        before = host.truth()
        new = (
            rrset(host.apex, 600, "TXT", '"v=spf1 -all"', '"other"'),
            rrset(host.apex, 600, "MX", "10 mx.other.example."),
            rrset(host.apex, 600, "A", "192.0.2.6"),
        )
        self.write(host, *map(added, new))
        assert without_soa(host.truth()) == {**without_soa(before), **{each.key: each for each in new}}
        self.write(host, *map(removed, new))
        assert without_soa(host.truth()) == without_soa(before)

    def test_apex_name_servers_are_replaced_and_come_back(self, host: Host) -> None:
        """All of them, some of them, the TTL alone; exactly the old set afterwards. Refused where undeclared."""
        key = RRsetKey(host.apex, RdataType.NS)
        old = host.truth()[key]
        kept = min(old.texts())
        for new in (
            rrset(host.apex, old.ttl_s, "NS", "ns1.new.example.", "ns2.new.example."),
            rrset(host.apex, old.ttl_s + 60, "NS", kept, "ns3.new.example."),
            old.with_ttl(old.ttl_s + 120),
        ):
            if not host.open().capabilities.apex_ns:
                self.assert_refused(host, replaced(old, new))
                continue
            self.write(host, replaced(old, new))
            assert host.truth()[key] == new
            self.write(host, replaced(new, old))
            assert host.truth()[key] == old

    def test_a_wildcard_is_an_ordinary_name(self, host: Host) -> None:
        """It is written, changed and removed as such, and the names it covers are not."""
        wildcard = rrset(self.at(host, "*"), 600, "A", "192.0.2.7")
        covered = rrset(self.at(host, "covered"), 600, "A", "192.0.2.8")
        self.write(host, added(wildcard))
        self.write(host, added(covered))
        assert (host.truth()[wildcard.key], host.truth()[covered.key]) == (wildcard, covered)
        self.write(host, removed(covered))
        assert covered.key not in host.truth()
        assert host.truth()[wildcard.key] == wildcard

    def test_long_text_keeps_its_chunks(self, host: Host) -> None:
        """Around multiples of 255 octets, split as usual and oddly.

        A host that is only `listed` may refuse the odd split, not lose it.
        """
        for octets in LONG_TEXT_OCTETS:
            text = long_text(self.at(host, f"text{octets}"), octets)
            if host.open().capabilities.reads == "listed" and self.failure(host, added(text)):
                self.assert_refused(host, added(text))
                text = usual_text(text.key.owner, octets)
            self.write(host, added(text))
            assert host.truth()[text.key] == text
            self.write(host, replaced(text, text.with_ttl(300)))
            assert host.truth()[text.key] == text.with_ttl(300)

    def test_an_alias_becomes_an_address_and_back(self, host: Host) -> None:
        """Both in one call, in either order of the changes."""
        alias = rrset(self.at(host, "type"), 600, "CNAME", "elsewhere.example.")
        address = rrset(self.at(host, "type"), 300, "A", "192.0.2.9")
        self.write(host, added(alias))
        self.write(host, added(address), removed(alias))
        assert (host.truth().get(alias.key), host.truth().get(address.key)) == (None, address)
        self.write(host, added(alias), removed(address))
        assert (host.truth().get(alias.key), host.truth().get(address.key)) == (alias, None)

    def test_a_ttl_alone_changes_and_comes_back(self, host: Host) -> None:
        """The data stay as they are, in either direction; where the zone has one TTL, all of it follows."""
        old = rrset(self.at(host, "ttl"), 3600, "MX", "10 a.example.", "20 b.example.")
        other = rrset(self.at(host, "ttl2"), 3600, "A", "192.0.2.10")
        self.write(host, added(old), added(other))
        scope = host.open().capabilities.ttl_scope
        for ttl_s in (600, 3600):
            self.write(host, replaced(host.truth()[old.key], old.with_ttl(ttl_s)))
            assert host.truth()[old.key] == old.with_ttl(ttl_s)
            assert host.truth()[other.key].ttl_s == (3600 if scope == "rrset" else ttl_s)

    def test_the_lowest_ttl_is_served_and_a_lower_one_is_raised_to_it(self, host: Host) -> None:
        """`min_ttl_s` is what the host really does (fault 32)."""
        lowest = host.open().capabilities.min_ttl_s
        at_limit = rrset(self.at(host, "floor"), lowest, "A", "192.0.2.11")
        self.write(host, added(at_limit))
        assert host.truth()[at_limit.key] == at_limit
        if lowest:
            below = rrset(self.at(host, "below"), lowest - 1, "A", "192.0.2.12")
            host.open().apply(host.apex, (added(below),))
            self.wait(host, lambda: below.key in host.truth())
            assert host.truth()[below.key].ttl_s == lowest

    def test_a_call_that_fails_half_way_is_reported(self, host: Host) -> None:
        """Of two changes the second is impossible: an error, and nothing, or nothing untold, is written (fault 27)."""
        foreign = rrset(self.at(host, "half2"), 600, "A", "192.0.2.99")
        host.edit(added(foreign))
        before = host.truth()
        first = rrset(self.at(host, "half1"), 600, "A", "192.0.2.13")
        second = rrset(self.at(host, "half2"), 600, "A", "192.0.2.14")
        error = self.failure(host, added(first), added(second))
        assert error is not None, "half of the call could not be done and nobody was told"
        capabilities = host.open().capabilities
        if capabilities.atomic_batch or capabilities.compare_and_set or error.certainty == "not-applied":
            assert host.truth() == before
        assert host.truth()[foreign.key] == foreign

    def test_somebody_elses_value_is_not_overwritten(self, host: Host) -> None:
        """Changed, added or removed behind our back: a conflict, and what they did stays."""
        ours = rrset(self.at(host, "ours"), 600, "A", "192.0.2.15")
        theirs = rrset(self.at(host, "ours"), 600, "A", "192.0.2.98")
        new = rrset(self.at(host, "ours"), 600, "A", "192.0.2.16")
        self.write(host, added(ours))
        host.edit(replaced(ours, theirs))
        self.assert_conflict(host, replaced(ours, new))
        self.assert_conflict(host, removed(ours))
        self.assert_conflict(host, added(new))
        host.edit(removed(theirs))
        self.assert_conflict(host, replaced(ours, new))

    def test_the_serial_advances_with_every_write(self, host: Host) -> None:
        """Secondaries fetch only what has a new serial; data, TTL, removal each count (RFC 1982)."""
        first = rrset(self.at(host, "serial"), 600, "A", "192.0.2.17")
        for change in (added(first), replaced(first, first.with_ttl(60)), removed(first.with_ttl(60))):
            before = serial(host.truth())
            self.write(host, change)
            assert 0 < (serial(host.truth()) - before) % 2**32 < 2**31

    def test_removing_what_is_absent_changes_nothing(self, host: Host) -> None:
        """Somebody was quicker: what is wanted is there already."""
        before = host.truth()
        host.open().apply(host.apex, (removed(rrset(self.at(host, "absent"), 600, "A", "192.0.2.18")),))
        assert host.truth() == before

    # --- for the cases, and for the cases that a plugin adds

    def torture(self, host: Host) -> tuple[RRset, ...]:
        """Return the torture zone's RRsets that this host takes."""
        all_of_them = torture(host.apex, host.open().capabilities.types)
        return tuple(each for each in all_of_them if not self._is_refused(host, each))

    def _is_refused(self, host: Host, each: RRset) -> bool:
        label = str(each.key.owner.relativize(host.apex))
        return bool({label, f"{label} {RdataType.to_text(each.key.rdtype)}"} & self.refused_names)

    def at(self, host: Host, label: str) -> Name:
        """Return the name below the zone's apex."""
        return dns.name.from_text(label, origin=host.apex)

    def write(self, host: Host, *changes: Change) -> None:
        """Write with a fresh provider and wait, as long as the host declares, until the truth shows it."""
        host.open().apply(host.apex, changes)
        wanted = {change.key: change.after for change in changes}
        self.wait(host, lambda: all(host.truth().get(key) == after for key, after in wanted.items()))

    def wait(self, host: Host, condition: Callable[[], bool]) -> None:
        """Return when `condition` holds or the declared delay has passed: the case then says what is wrong."""
        clock = SystemClock()
        deadline_s = clock.monotonic_s() + host.open().capabilities.declared_delay_s
        deadline_s = min(deadline_s, clock.monotonic_s() + 600)
        while not condition() and clock.monotonic_s() < deadline_s:
            clock.wait_until(clock.now() + _BETWEEN_LOOKS)

    def failure(self, host: Host, *changes: Change) -> OutsideError | None:
        """Return the error of a write, None when there is none."""
        try:
            host.open().apply(host.apex, changes)
        except OutsideError as error:
            return error
        return None

    def assert_refused(self, host: Host, change: Change) -> None:
        """Write and demand an error that names the record, or its name, with nothing written."""
        before = host.truth()
        error = self.failure(host, change)
        assert error is not None, f"{change.key} cannot be written here, and nobody said so"
        assert error.certainty == "not-applied"
        assert change.key.owner.to_text(omit_final_dot=True) in str(error)
        assert host.truth() == before

    def assert_conflict(self, host: Host, change: Change) -> None:
        """Write and demand a conflict that names the record, with nothing written."""
        before = host.truth()
        error = self.failure(host, change)
        assert isinstance(error, WriteConflict), f"{change.key} is somebody else's now, and {error!r} came back"
        assert str(change.key) in str(error)
        assert host.truth() == before


def bare(found: RRset) -> RRset:
    """Return the RRset without what only the provider knows."""
    return dataclasses.replace(found, extras=())


def without_soa(zone: Zone) -> Zone:
    """Return the zone without its SOA, whose serial moves."""
    return {key: found for key, found in zone.items() if key.rdtype != RdataType.SOA}


def serial(zone: Zone) -> int:
    """Return the zone's serial."""
    soa: Iterable[RRset] = (found for key, found in zone.items() if key.rdtype == RdataType.SOA)
    ((rdata,),) = (found.rdatas for found in soa)
    return int(rdata.to_text().split()[2])
