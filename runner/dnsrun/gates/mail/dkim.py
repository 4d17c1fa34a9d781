"""Gate `dkim`: the keys that verify the domain's signatures are there, whole, and the same as before (M3, RFC 6376).

Selectors cannot be found by asking: they are those of the gate, or those that the captured zone holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.errors import OutsideError
from dnsrun.gates import options
from dnsrun.gates.findings import Found, conclude, failing, unsure, warning
from dnsrun.gates.silence import unchecked
from dnsrun.model.observation import Endpoint, Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import DNS_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .asking import HOST
from .dkimkey import WEAK_BITS, DkimKeyError, read_key
from .policy import at_every_server, defect, untold
from .spfcheck import Lookup
from .tags import joined_texts
from .told import Asking, Told

_BELOW = "_domainkey"
_HELD = frozenset({RdataType.TXT, RdataType.CNAME})


class Dkim:
    """Every selector leads to a key that verifiers take, and to the key of before unless the plan changes it."""

    kind = "dkim"
    fragment = Fragment(
        "the keys that verify the domain's signed mail are there, and unchanged (DKIM)",
        {
            "selectors": {
                "description": "the words before ._domainkey: those in the zone unless said",
                "type": "array",
                "items": {"type": "string", "pattern": r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", "x-says": "a selector"},
                "minItems": 1,
            },
            "domain": {**HOST, "description": "whose keys: the playbook's domain unless said"},
        },
        defaults=DNS_TIMING,
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask every server, and those of before, for every key. Touches the network."""
        asking = Asking(spec, case, view, net)
        _found(spec, asking)
        return asking.seen()

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round; pure."""
        told = Told(spec, case, seen)
        good = f"the DKIM keys are there and as before: {', '.join(_selectors(spec, told))}"
        return conclude(_found(spec, told), seen, good, not_checked=unchecked(seen))


def _found(spec: GateSpec, told: Told) -> list[Found]:
    return at_every_server(told, lambda end: _at(spec, told, end))


def _at(spec: GateSpec, told: Told, end: Endpoint) -> Iterator[Found]:
    selectors, before = _selectors(spec, told), told.before(end)
    if not selectors:
        yield unsure("no DKIM selector is known: ask whoever sends the mail, and write selectors: [..] at this gate")
    for selector in selectors:
        owner = dns.name.from_text(f"{selector}.{_BELOW}", _domain(spec, told.case))
        now = _texts(owner, told.now(end))
        then = _texts(owner, before) if before else None
        yield from _judged(now, then, _texts(owner, told.planned), new=told.writes(owner))


@dataclass(frozen=True, slots=True)
class _Texts:
    """The TXT records at a selector's name; `untold`: why they are not known."""

    owner: Name
    texts: tuple[str, ...] = ()
    untold: str = ""

    @property
    def shown(self) -> str:
        return f"the DKIM key {self.owner.to_text(omit_final_dot=True)}"


def _texts(owner: Name, look_up: Lookup) -> _Texts:
    try:
        return _Texts(owner, joined_texts(look_up(owner, RdataType.TXT)))
    except OutsideError as err:
        return _Texts(owner, untold=shorten(str(err)))


def _judged(now: _Texts, before: _Texts | None, planned: _Texts, *, new: bool) -> Iterator[Found]:
    """Judge a key; `new`: the plan writes at its name, which is for nothing when no key comes of it."""
    as_before = None if before is None or (before.untold and not now.untold) else now == before
    excused = False if new else as_before
    if now.untold:
        yield untold(f"{now.shown} is not known: {now.untold}", as_before=excused)
        return
    if problem := _problem(now.texts):
        yield defect(f"{now.shown} {problem}", as_before=excused)
        return
    if as_before is False and now != planned:
        yield failing(f"{now.shown} is another one than before: signatures fail until it is the same again")
    key = read_key(now.texts[0])
    if not key.bits:
        yield warning(f"{now.shown} is revoked (p= is empty): what is signed with it fails")
    elif key.kind == "rsa" and key.bits < WEAK_BITS:
        yield warning(f"{now.shown} is weak: {key}, usual is {WEAK_BITS} at least")
    if key.is_testing:
        yield warning(f"{now.shown} is marked as a test (t=y): verifiers treat its mail as unsigned")


def _problem(texts: tuple[str, ...]) -> str | None:
    """Return what keeps verifiers from using what is there."""
    if len(texts) != 1:
        return f"has {len(texts)} TXT records, and may have one" if texts else "is missing"
    try:
        read_key(texts[0])
    except DkimKeyError as err:
        return f"cannot be used: {err}"
    return None


def _domain(spec: GateSpec, case: GateCase) -> Name:
    given = options.text(spec, "domain")
    return dns.name.from_text(given) if given else case.apex


def _selectors(spec: GateSpec, told: Told) -> tuple[str, ...]:
    return options.texts(spec, "selectors") or _held_selectors(_domain(spec, told.case), told.content)


def _held_selectors(domain: Name, zone: ZoneSnapshot) -> tuple[str, ...]:
    """Return the selectors that a zone holds for a domain."""
    above = dns.name.from_text(_BELOW, domain)
    owners = {key.owner for key in zone.rrsets if key.rdtype in _HELD and key.owner != above}
    below = (owner.relativize(above) for owner in owners if owner.is_subdomain(above))
    return tuple(sorted(name.to_text() for name in below if b"*" not in name.labels))
