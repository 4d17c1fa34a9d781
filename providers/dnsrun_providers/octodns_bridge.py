"""Any host that octoDNS has a provider for: the bridge that lets nothing get lost on the way.

- Each read and each write has a fresh instance of the class: octoDNS's providers remember zones.
- A read is `listed`: types that the class does not support are `blind`, and nobody says when there are any. Records
  of types that only octoDNS or the host knows, and values that octoDNS does not tell surely, are `unmodelled`.
- A write names each RRset. What octoDNS would write comes from exactly these changes: whatever else it would delete,
  create or set is no part of its plan. SOA and NS at the apex are never passed through.
- An RRset that does not come out of octoDNS as it went in, as it is or as it is to be, is refused before anything is
  written. `extras`: `("octodns", JSON)` holds the host's settings beside a record (comments, tags, health checks);
  they are written back. Where they make the host answer otherwise (proxied, automatic TTL, geo, pools), it is refused.
- What octoDNS does not tell shows when a zone is held against its servers: records that are switched off (`disabled` at
  PowerDNS) are listed as if they were served, several weighted sets of Route 53 as one. Either is a difference at the
  capture, and a conflict at a write. PowerDNS's comments are not told; a write leaves them.
- Between reading and writing there is no lock: no compare-and-set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun import retry
from dnsrun.clock import Clock
from dnsrun.errors import OutsideError, UsageError, WriteConflict
from dnsrun.model.observation import Endpoint
from dnsrun.model.playbook import ProviderSpec, SecretRef
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.model.text import shorten
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.model.zonetext import name_from_text
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.provider import Capabilities, Context, Plugin, Receipt

from .live import foreign, impossible, not_there
from .octodns_calls import CallFailed, calling
from .octodns_classes import arguments, blind_of, is_octodns, load_class, lowest_ttl_s, types_of

_OPTION = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "format": "secret"},
        {"type": "array", "items": {"type": "string"}},
    ]
}

FRAGMENT = Fragment(
    summary="Any host that octoDNS has a provider for (Route 53, Cloudflare, Gandi, ...).",
    properties={
        "class": {
            "type": "string",
            "description": "The provider's class as octoDNS configures it: octodns_route53.Route53Provider.",
        },
        "options": {
            "type": "object",
            "additionalProperties": _OPTION,
            "description": "What the class is made with; secrets as references: {api_key: {env: NAME}}.",
        },
    },
    required=("class",),
)

CAPABILITIES = Capabilities(apex_ns=False, declared_delay_s=60, reads="listed")


# At a name where the host holds a record of a kind of its own, these are what that record stands for.
_COVERED_BY_OWN_KINDS = frozenset({RdataType.A, RdataType.AAAA, RdataType.CNAME})


@dataclass(frozen=True, slots=True)
class Made:
    """A class of octoDNS and the options it is made with."""

    kind: type[Any]
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Populated:
    """A zone as one fresh instance has read it. `own_kinds` are names with records of kinds that DNS does not know."""

    provider: Any
    zone: Any
    rrsets: Mapping[RRsetKey, RRset]
    records: Mapping[RRsetKey, Any]
    unmodelled: tuple[str, ...]
    own_kinds: frozenset[Name]


class OctodnsBridge:
    """A zone at a host that octoDNS reaches. octoDNS opens its own sockets.

    `make` is called once, when the class is first needed; it may raise `UsageError`. No text shows `secrets`.
    """

    def __init__(self, make: Callable[[], Made], *, clock: Clock, secrets: tuple[str, ...] = ()) -> None:
        self._make = make
        self._clock = clock
        self._secrets = secrets

    @property
    def capabilities(self) -> Capabilities:
        """What the class says of itself. Loads octoDNS; raises `UsageError` when the class cannot be had."""
        made = self._made
        return replace(CAPABILITIES, types=types_of(made.kind), min_ttl_s=lowest_ttl_s(made.kind, made.options))

    @property
    def own_servers(self) -> tuple[Endpoint, ...]:
        """Empty: only the playbook knows them."""
        return ()

    def read_zone(self, apex: Name) -> ZoneSnapshot:
        """Read what the class lists, without SOA and NS at the apex. Touches the network; repeats what may help.

        RRsets without RDATA are there, but octoDNS does not tell surely what they hold. Raises `OutsideError`.
        """
        found = retry.read(lambda: self._populated(apex), clock=self._clock)
        return ZoneSnapshot(
            apex=apex,
            rrsets=found.rrsets,
            source=f"octoDNS {self._made.kind.__name__}",
            taken_at=self._clock.now(),
            completeness="listed",
            unmodelled=found.unmodelled,
            blind=blind_of(self._made.kind),
        )

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        """Write the changes whose `after` is not live yet, and nothing else.

        Touches the network. Raises `WriteConflict` when a live RRset is neither before nor after, `OutsideError`
        otherwise: also for whatever octoDNS or the host would not keep as it is, before anything is written.
        """
        self._check(apex, changes)
        found = retry.read(lambda: self._populated(apex), clock=self._clock)
        left = not_there(changes, found.rrsets)
        if not left:
            return Receipt()
        if unsure := [str(change.key) for change in left if _is_unsure(found.rrsets.get(change.key))]:
            raise WriteConflict(f"octoDNS does not tell surely what {', '.join(unsure)} holds; nothing was changed")
        if others := foreign(left, found.rrsets):
            raise WriteConflict(f"octoDNS did not change {apex}: {others}; nothing was changed")
        plan = self._plan(apex, found, left)
        try:
            with calling(self._secrets):
                found.provider.apply(plan)
        except CallFailed as failed:
            raise self._write_error(apex, left, failed) from None
        return Receipt()

    @cached_property
    def _made(self) -> Made:
        with self._reading("octoDNS cannot be loaded"):
            return self._make()

    @contextmanager
    def _reading(self, doing: str) -> Iterator[None]:
        try:
            with calling(self._secrets):
                yield
        except CallFailed as failed:
            raise failed.read_error(doing) from None

    def _populated(self, apex: Name) -> _Populated:
        made = self._made
        with self._reading(f"{made.kind.__name__} of octoDNS cannot read {apex}"):
            provider = made.kind("dnsrun", **made.options)
            zone = _new_zone(apex)
            # As a target: classes that only write files say then that nothing is there.
            exists = provider.populate(zone, target=True, lenient=True)
            if exists is False:
                raise impossible(f"{made.kind.__name__} of octoDNS finds no zone {apex}")
            return _taken(apex, provider, zone)

    def _check(self, apex: Name, changes: Iterable[Change]) -> None:
        """Refuse what octoDNS cannot carry, without asking anybody."""
        with self._reading("octoDNS refuses the change"):
            zone, types = _new_zone(apex), types_of(self._made.kind)
            for change in changes:
                self._check_key(apex, change.key, types)
                for rrset in filter(None, (change.before, change.after)):
                    _check_rrset(self._made.kind, zone, rrset)

    def _check_key(self, apex: Name, key: RRsetKey, types: frozenset[RdataType]) -> None:
        if key.rdtype == RdataType.SOA:
            raise impossible(f"the SOA of {apex} is the host's own")
        if not key.owner.is_subdomain(apex):
            raise impossible(f"{key.owner} is outside the zone {apex}")
        if key == RRsetKey(apex, RdataType.NS):
            raise impossible(
                f"the name servers (NS) of {apex} are never changed through octoDNS: at some hosts that changes the "
                "delegation. Change them at the host"
            )
        if key.rdtype not in types:
            raise impossible(f"{self._made.kind.__name__} of octoDNS does not take {key}: it does not know the type")

    def _plan(self, apex: Name, found: _Populated, changes: Iterable[Change]) -> Any:
        """Return octoDNS's plan for exactly these changes; raises `OutsideError` when the host would not keep them."""
        try:
            with calling(self._secrets):
                return _plan(found, changes)
        except CallFailed as failed:
            raise impossible(f"octoDNS refuses to change {apex}: {failed.text}") from None

    def _write_error(self, apex: Name, changes: tuple[Change, ...], failed: CallFailed) -> OutsideError:
        """Return the error for a write: certainly without effect when a fresh instance sees none after a refusal."""
        was_refused = failed.is_answer or not failed.may_help
        is_untouched = was_refused and self._is_untouched(apex, changes)
        return OutsideError(
            f"{self._made.kind.__name__} of octoDNS could not write {apex}: {failed.text}",
            retryable=failed.may_help,
            certainty="not-applied" if is_untouched else "in-doubt",
            retry_after_s=failed.retry_after_s,
        )

    def _is_untouched(self, apex: Name, changes: tuple[Change, ...]) -> bool:
        try:
            live = self._populated(apex).rrsets
        except OutsideError:
            return False
        return not not_there((change.reverse() for change in changes), live)


def _new_zone(apex: Name) -> Any:
    from octodns.zone import Zone  # type: ignore[import-untyped] # octoDNS has no types

    return Zone(apex.canonicalize().to_text(), [])


def _taken(apex: Name, provider: Any, zone: Any) -> _Populated:
    from .octodns_records import held

    rrsets: dict[RRsetKey, RRset] = {}
    records: dict[RRsetKey, Any] = {}
    raw: list[str] = []
    own_kinds: set[Name] = set()
    for record in sorted(zone.records):
        one = held(record)
        if one.raw:
            raw.append(one.raw)
        if one.key is None or one.rrset is None:
            own_kinds.add(name_from_text(record.fqdn))
        elif one.key != RRsetKey(apex, RdataType.NS):
            rrsets[one.key], records[one.key] = one.rrset, record
    return _Populated(provider, zone, rrsets, records, tuple(raw), frozenset(own_kinds))


def _check_rrset(kind: type[Any], zone: Any, rrset: RRset) -> None:
    from .octodns_records import Unfit, answers_otherwise, to_record

    if rrset.key.rdtype == RdataType.PTR and len(rrset.rdatas) > 1 and not kind.SUPPORTS_MULTIVALUE_PTR:
        raise impossible(f"{kind.__name__} of octoDNS keeps one value of {rrset.key}, of {len(rrset.rdatas)}")
    try:
        to_record(zone, rrset, {})
    except Unfit as unfit:
        raise impossible(str(unfit)) from None
    if why := answers_otherwise(rrset.extras):
        raise impossible(f"{rrset.key} is not answered as it is written ({why}): change it at the host")


def _plan(found: _Populated, changes: Iterable[Change]) -> Any:
    """Build the plan from a copy of the whole zone: classes that write it as a whole write what they have read."""
    from octodns.provider.plan import Plan  # type: ignore[import-untyped] # octoDNS has no types

    existing, desired = found.zone.copy(), found.zone.copy()
    for zone in (existing, desired):
        if zone.root_ns:
            zone.remove_record(zone.root_ns)
    new = {change.key: _laid(found, desired, change) for change in sorted(changes, key=_removals_first)}
    desired = found.provider._process_desired_zone(desired)  # noqa: SLF001 - where a class says what it would alter
    planned = [_planned(found, desired, key, record) for key, record in new.items()]
    return Plan(existing, desired, planned, exists=True)


def _removals_first(change: Change) -> bool:
    return change.after is not None


def _laid(found: _Populated, desired: Any, change: Change) -> Any:
    """Lay a change over the desired zone; return the new record, None for a removal."""
    from .octodns_records import answers_otherwise, octodns_of, to_record

    key, live = change.key, found.rrsets.get(change.key)
    if live and (why := answers_otherwise(live.extras)):
        raise impossible(f"{key} is not answered as it is written ({why}): change it at the host")
    if key.owner in found.own_kinds and key.rdtype in _COVERED_BY_OWN_KINDS:
        raise impossible(f"{key} stands beside a record of the host's own kind: change it at the host")
    if change.after is None:
        desired.remove_record(found.records[key])
        return None
    record = to_record(desired, change.after, octodns_of((live or change.after).extras))
    desired.add_record(record, replace=True, lenient=True)
    return record


def _planned(found: _Populated, desired: Any, key: RRsetKey, record: Any) -> Any:
    from octodns.record import Create, Delete, Update  # type: ignore[import-untyped] # octoDNS has no types

    from .octodns_records import is_same

    old = found.records.get(key)
    if record is None:
        change = Delete(old)
    else:
        kept = desired.get_type(record.name, RdataType.to_text(key.rdtype))
        if kept is None or not is_same(kept, record):
            raise impossible(f"{type(found.provider).__name__} of octoDNS would write something else for {key}")
        change = Update(old, kept) if old else Create(kept)
    if not found.provider._include_change(change):  # noqa: SLF001 - where a class says what it would not write
        raise impossible(f"{type(found.provider).__name__} of octoDNS would leave {key} as it is")
    return change


def _is_unsure(live: RRset | None) -> bool:
    return live is not None and not live.rdatas


def _open(spec: ProviderSpec, context: Context) -> OctodnsBridge:
    said_at = f"{spec.mark}: {spec.name}"
    path, options = str(spec.options["class"]), spec.options.get("options", {})
    if not is_octodns(path):
        raise UsageError(
            f"{said_at}: {shorten(path)} is not of octoDNS: write octodns_route53.Route53Provider or alike"
        )
    given: Mapping[str, object] = options if isinstance(options, Mapping) else {}
    references = [value for value in given.values() if isinstance(value, SecretRef)]
    revealed = {reference: context.secrets.reveal(reference) for reference in references}
    plain = {name: revealed[value] if isinstance(value, SecretRef) else value for name, value in given.items()}

    def make() -> Made:
        kind = load_class(path, said_at)
        return Made(kind, arguments(kind, plain, said_at))

    return OctodnsBridge(make, clock=context.clock, secrets=tuple(revealed.values()))


PLUGIN = Plugin("octodns", frozenset({"zone"}), FRAGMENT, CAPABILITIES, _open)
