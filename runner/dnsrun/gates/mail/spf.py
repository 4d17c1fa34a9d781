"""Gate `spf`: who sends the domain's mail is allowed to, at every name server (M2, RFC 7208). Built in before a switch.

Judged is each server by itself against what was served before: a record that is broken in the same way as before only
warns, and every address that the record named before must fare no worse. Senders that the playbook names must pass,
whatever was before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.gates import options
from dnsrun.gates.findings import Found, conclude, failing, warning
from dnsrun.gates.silence import unchecked
from dnsrun.model.observation import Endpoint, Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.spfrecord import spf_texts
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import DNS_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .policy import at_every_server, defect, untold
from .spfcheck import Lookup, SpfResult, check_host
from .spfsenders import named_senders
from .told import Asking, Told

_NOBODY = "0.0.0.0"  # noqa: S104 - sends nothing (RFC 6890): with it every term of a record is tried
_FROM_BEST = ("pass", "neutral", "none", "softfail", "fail", "permerror")
_BROKEN = frozenset({"none", "permerror"})


class Spf:
    """Every sending domain has one SPF record that can be read, and its senders pass."""

    kind = "spf"
    fragment = Fragment(
        "who sends the domain's mail is allowed to, at every name server (SPF)",
        {
            "domains": {
                "description": "the domains after the @: those with an SPF record unless said",
                "type": "array",
                "items": {"type": "string", "format": "host-name"},
                "minItems": 1,
            },
            "senders": {
                "description": "addresses that must pass, besides those of `mail: senders:`",
                "type": "array",
                "items": {"type": "string", "format": "address"},
                "minItems": 1,
            },
        },
        defaults=DNS_TIMING,
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask every server, and those of before, what the judgement comes to ask. Touches the network."""
        asking = Asking(spec, case, view, net)
        _Judgement(spec, asking).found()
        return asking.seen()

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round; pure."""
        judgement = _Judgement(spec, Told(spec, case, seen))
        found = judgement.found()
        return conclude(found, seen, judgement.good(), not_checked=unchecked(seen))


@dataclass(frozen=True, slots=True)
class _Sight:
    """One sending domain, seen through one server now and before; `before` None: nobody knows."""

    domain: Name
    server: Endpoint
    now: Lookup
    before: Lookup | None

    @property
    def shown(self) -> str:
        return self.domain.to_text(omit_final_dot=True)

    def check(self, address: str) -> tuple[SpfResult, SpfResult | None]:
        """Return what SPF says of an address now and before."""
        sender = f"postmaster@{self.shown}"
        before = check_host(address, self.domain, sender, self.before) if self.before else None
        return check_host(address, self.domain, sender, self.now), before


class _Judgement:
    """One round, weighed; asks as it goes."""

    def __init__(self, spec: GateSpec, told: Told) -> None:
        self._told = told
        self._case = told.case
        self._given = tuple(sorted(options.names(spec, "domains")))
        self._domains = self._given or _sending_domains(told.content)
        self._senders = told.case.senders | frozenset(options.texts(spec, "senders"))
        self._checked: set[str] = set()

    def found(self) -> list[Found]:
        """Return what is not as it should be."""
        return at_every_server(self._told, self._at)

    def good(self) -> str:
        """Return what is said when nothing is wrong."""
        shown = ", ".join(name.to_text(omit_final_dot=True) for name in self._domains)
        return f"the senders of {shown} fare as before (addresses tried: {len(self._checked)})"

    def _at(self, end: Endpoint) -> Iterator[Found]:
        for domain in self._domains:
            sight = _Sight(domain, end, self._told.now(end), self._told.before(end))
            broken = list(self._record(sight))
            yield from broken
            yield from self._declared(sight)
            if all(one.level == "warning" for one in broken):
                yield from self._named_before(sight)

    def _record(self, sight: _Sight) -> Iterator[Found]:
        now, before = sight.check(_NOBODY)
        if now.value == "pass":
            yield warning(f"{sight.shown}: anybody may send, says SPF ({now})")
        elif now.value == "temperror":
            yield untold(f"{sight.shown}: the SPF record could not be tried: {now}", as_before=_as_before(now, before))
        elif now.value in _BROKEN and not (_as_before(now, before) and self._is_without_mail(sight.domain)):
            text = now.why if now.value == "none" else f"{sight.shown}: SPF is broken: {now}"
            yield defect(text, as_before=_as_before(now, before))
        for term in named_senders(sight.domain, sight.now).unreadable:
            yield warning(f"{sight.shown}: who may send by {term} cannot be read from the SPF record")

    def _declared(self, sight: _Sight) -> Iterator[Found]:
        """Who is named in the playbook passes; a record that is broken as before is told of once, elsewhere."""
        for address in sorted(self._demanded(sight.domain)):
            now, before = sight.check(address)
            self._checked.add(address)
            if now.value == "temperror":
                yield untold(f"{sight.shown}: {address} could not be tried: {now}", as_before=_as_before(now, before))
            elif now.value != "pass" and not (now.value in _BROKEN and _as_before(now, before)):
                yield failing(
                    f"{address} sends mail for {sight.shown}, and SPF does not let it pass: {now}; add it to the SPF "
                    "record, or say in `mail: senders:` from and until when it sends"
                )

    def _named_before(self, sight: _Sight) -> Iterator[Found]:
        """No address that the record named before fares worse now, unless it has left (M2)."""
        if sight.before is None:
            return
        known = named_senders(sight.domain, sight.before).addresses.keys()
        for address in sorted(known - self._demanded(sight.domain) - self._case.left):
            now, before = sight.check(address)
            self._checked.add(address)
            if before is None or now.value == "pass" or _as_before(now, before):
                continue
            if "temperror" in (now.value, before.value):
                yield untold(f"{sight.shown}: {address} could not be tried: {now}", as_before=_as_before(now, before))
            elif _FROM_BEST.index(now.value) > _FROM_BEST.index(before.value):
                yield failing(
                    f"mail of {sight.shown} from {address} is worse off: SPF was {before}, is {now}; add it to the SPF "
                    "record, or say in `mail: senders:` when it has stopped sending (until: a day)"
                )

    def _demanded(self, domain: Name) -> frozenset[str]:
        """Return the senders of the playbook: they send for the domain itself, or for those that the gate names."""
        return self._senders if domain in (self._given or (self._case.apex,)) else frozenset()

    def _is_without_mail(self, domain: Name) -> bool:
        return not self._demanded(domain) and RRsetKey(domain, RdataType.MX) not in self._told.content.rrsets


def _sending_domains(zone: ZoneSnapshot) -> tuple[Name, ...]:
    """Return the domain itself and every name with an SPF record; names with _ or * are no domains of mail."""
    found = {rrset.key.owner for rrset in zone.rrsets.values() if spf_texts(rrset.rdatas)}
    named = {name for name in found if all(label[:1] not in (b"_", b"*") for label in name.labels)}
    return (zone.apex, *sorted(named - {zone.apex}))


def _as_before(now: SpfResult, before: SpfResult | None) -> bool | None:
    """Tell whether the same terms say the same as before; None when nobody knows."""
    return None if before is None else str(now) == str(before)
