"""Is a captured zone the one that the world is served? Decided from observations alone; no network here.

The RDATA of every RRset must be the same at every delegated server. TTLs and the SOA serial may differ, what the
servers make themselves (signatures, proofs, their keys) is not compared, at a zone cut only the referral is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA

from dnsrun.errors import Refused
from dnsrun.model.content import HOSTS_OWN, Content
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.text import shorten
from dnsrun.model.zone import ZoneSnapshot

from .probing import Found, Probing, found

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """One RRset at one server that is not as captured; both in words."""

    server: Endpoint
    key: RRsetKey
    captured: str
    answered: str

    def __str__(self) -> str:
        return f"{self.key} at {self.server}: captured {self.captured}, answered {self.answered}"


@dataclass(frozen=True, slots=True)
class Capture:
    """A captured zone and how it stood up to the world.

    `agreed` counts RRsets times servers. `findings` are sentences that forbid to use it; `warnings` do not.
    """

    snapshot: ZoneSnapshot
    agreed: int = 0
    differences: tuple[Difference, ...] = ()
    findings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def or_refuse(self) -> Capture:
        """Return it, or raise `Refused` with all findings."""
        if self.findings:
            apex = self.snapshot.apex.to_text(omit_final_dot=True)
            listed = "\n".join(f"  {finding}" for finding in self.findings)
            raise Refused(
                f"the capture of {apex} ({self.snapshot.source}) cannot be trusted; nothing was changed:\n{listed}"
            )
        return self


def keys_to_ask(claimed: ZoneSnapshot, volatile: frozenset[Name]) -> tuple[RRsetKey, ...]:
    """Return the RRsets that servers can be asked about, in canonical order."""
    held = Content(claimed)
    return tuple(
        key
        for key in sorted(claimed.rrsets, key=RRsetKey.order)
        if claimed.rrsets[key].rdatas and _is_compared(key, held, volatile)
    )


def judge_capture(
    claimed: ZoneSnapshot,
    seen: Iterable[Observation],
    probing: Probing,
    *,
    volatile: frozenset[Name] = frozenset(),
) -> Capture:
    """Judge a zone that a transfer, a provider or a person claims to be whole (faults 30, 31). Pure.

    `seen` answers `keys_to_ask` at every server, `probing` the usual names. RRsets that the claim leaves out and
    cannot know (SOA, apex NS, types that its source is blind for) are added from `probing`.
    """
    observations = tuple(seen)
    proved = found(probing, claimed.apex)
    differences, agreed = _compare(claimed, observations)
    missing = _missing(claimed, proved, volatile)
    serials = _serials(probing, claimed.apex)
    findings = (
        *_unanswered(observations, probing),
        *_told(differences, serials),
        *_told_missing(missing, claimed, proved),
        *_serial_finding(claimed, serials),
    )
    snapshot, warnings = _completed(claimed, proved), list(_serial_warnings(claimed, serials))
    if claimed.completeness == "attested" and claimed.rrsets.keys() <= proved.rrsets.keys():
        snapshot = replace(snapshot, completeness="probed")
        warnings.append("the file holds nothing beyond what anybody can ask for: it counts as probed")
    return Capture(snapshot, agreed, differences, findings, tuple(warnings))


def _compare(claimed: ZoneSnapshot, seen: Iterable[Observation]) -> tuple[tuple[Difference, ...], int]:
    held = Content(claimed)
    differences, agreed = [], 0
    for one in seen:
        if isinstance(one.of, str) or isinstance(one.got, NoReply):
            continue
        captured = claimed.rrsets[one.of]
        if _is_same(captured, one, is_cut=held.is_cut(one.of)):
            agreed += 1
        else:
            differences.append(Difference(one.server, one.of, _values(captured), _answered(one)))
    differences.sort(key=lambda one: (one.key.order(), str(one.server)))
    return tuple(differences), agreed


def _is_same(captured: RRset, seen: Observation, *, is_cut: bool) -> bool:
    got = seen.got
    if not isinstance(got, Answer) or not captured.same_data(got.rrset):
        return False
    if is_cut:
        return got.kind == "referral" or got.aa
    return got.kind == "data" and got.aa


def _is_compared(key: RRsetKey, held: Content, volatile: frozenset[Name]) -> bool:
    if key.rdtype in HOSTS_OWN or (volatile and key.owner in volatile):
        return False
    return not held.is_hidden(key)


def _missing(claimed: ZoneSnapshot, proved: Found, volatile: frozenset[Name]) -> tuple[RRsetKey, ...]:
    held = Content(claimed)
    return tuple(
        key
        for key in sorted(proved.rrsets.keys() - claimed.rrsets.keys(), key=RRsetKey.order)
        if not _may_be_added(claimed, key)
        if _is_compared(key, held, volatile) or key == RRsetKey(claimed.apex, RdataType.SOA)
    )


def _may_be_added(claimed: ZoneSnapshot, key: RRsetKey) -> bool:
    """Tell whether the source could not know the RRset: it lists some types only, or leaves the apex to the host."""
    if claimed.completeness == "complete":
        return False
    at_apex = key.owner == claimed.apex and key.rdtype in (RdataType.SOA, RdataType.NS)
    return at_apex or key.rdtype in claimed.blind


def _completed(claimed: ZoneSnapshot, proved: Found) -> ZoneSnapshot:
    added = {key for key in proved.rrsets.keys() - claimed.rrsets.keys() if _may_be_added(claimed, key)}
    if not added:
        return claimed
    return replace(
        claimed,
        rrsets={**claimed.rrsets, **{key: proved.rrsets[key] for key in added}},
        sources={**claimed.sources, **{key: f"asked at {proved.servers[key]}" for key in added}},
    )


def _serials(probing: Probing, apex: Name) -> Mapping[Endpoint, int]:
    serials = {}
    for one in probing.seen:
        if one.of == RRsetKey(apex, RdataType.SOA) and isinstance(one.got, Answer) and one.got.aa and one.got.rrset:
            soa = next(iter(one.got.rrset.rdatas))
            if isinstance(soa, SOA):
                serials[one.server] = soa.serial
    return dict(sorted(serials.items(), key=lambda item: str(item[0])))


def _serial_finding(claimed: ZoneSnapshot, serials: Mapping[Endpoint, int]) -> Iterator[str]:
    has_stale_soa = claimed.serial is not None and claimed.serial not in serials.values()
    if claimed.completeness == "attested" and has_stale_soa:
        live = ", ".join(sorted({str(serial) for serial in serials.values()})) or "unknown"
        yield f"the file's SOA serial is {claimed.serial}, the live one is {live}: the file is not of today"


def _serial_warnings(claimed: ZoneSnapshot, serials: Mapping[Endpoint, int]) -> Iterator[str]:
    for server, serial in serials.items():
        if claimed.serial is not None and serial != claimed.serial and claimed.completeness != "attested":
            yield f"{server} serves serial {serial}, captured was {claimed.serial}"


def _unanswered(seen: Iterable[Observation], probing: Probing) -> Iterator[str]:
    silent: dict[Endpoint, str] = {}
    for one in (*seen, *probing.seen):
        if isinstance(one.got, NoReply):
            silent.setdefault(one.server, one.got.why)
    for server, why in sorted(silent.items(), key=lambda item: str(item[0])):
        yield f"{server} does not answer everything ({why}): whether it agrees is not known"


def _told(differences: tuple[Difference, ...], serials: Mapping[Endpoint, int]) -> Iterator[str]:
    if not differences:
        return
    servers = {one.server for one in differences}
    agreeing = serials.keys() - servers
    named = ", ".join(sorted(map(str, servers)))
    if not agreeing:
        why = "every server differs from it: it is not of today, or not of this zone"
    elif max(serials[one] for one in agreeing) != min(serials.get(one, 0) for one in servers):
        why = f"the servers do not serve the same serial: {named} may be stale"
    else:
        why = f"one serial, two answers: {named} may give different answers to different askers (split view, geo)"
    yield f"{len(differences)} differences between the capture and what is served; {why}"
    yield from map(str, differences[:_SHOWN])
    if len(differences) > _SHOWN:
        yield f"and {len(differences) - _SHOWN} more"


def _told_missing(missing: tuple[RRsetKey, ...], claimed: ZoneSnapshot, proved: Found) -> Iterator[str]:
    if missing and not claimed.rrsets:
        yield "the listing is empty, but the zone is not"
    for key in missing[:_SHOWN]:
        yield f"{key} is served ({_values(proved.rrsets[key])}) and not in the capture: the capture is not whole"
    if len(missing) > _SHOWN:
        yield f"and {len(missing) - _SHOWN} more that are not in the capture"


def _values(rrset: RRset) -> str:
    return shorten(", ".join(rrset.texts()))


def _answered(seen: Observation) -> str:
    got = seen.got
    if not isinstance(got, Answer):
        return "nothing"
    if got.rrset is None:
        return got.kind if got.kind != "error" else f"the error {got.rcode}"
    kind = "" if got.rrset.key == seen.of else f"{RdataType.to_text(got.rrset.key.rdtype)} "
    return f"{kind}{_values(got.rrset)}" + ("" if got.aa or got.kind == "referral" else " without authority")
