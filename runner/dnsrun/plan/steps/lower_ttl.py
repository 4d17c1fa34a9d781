"""`lower-ttl`: make caches forget sooner, before anything else changes. Never raises a TTL, never changes data."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.choice import Choice, choice_of
from dnsrun.model.playbook import Playbook, Step
from dnsrun.model.rrset import Change, RRsetKey, target_of
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.mail import CARRYING, mail_graph
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, StepKind, names_of, number_of

POINTERS = frozenset({RdataType.CNAME, RdataType.MX, RdataType.SRV})
DAY_S = 86_400


def compile_step(step: Step, scene: Scene) -> Compiled:
    """Lower every RRset that the playbook changes, and every link that leads to one (T4), to the low TTL."""
    wanted_s = number_of(step.options, "ttl", scene.playbook.low_ttl_s)
    floor_s = scene.floor_s
    low_s = max(wanted_s, floor_s)
    names = names_of(step.options)
    keys = _chosen(names, scene.zone) if names is not None else lowered_keys(scene.playbook, scene.zone, step)
    apex_ns = RRsetKey(scene.zone.apex, RdataType.NS)
    keys -= {apex_ns} if not scene.capabilities[scene.live].apex_ns else frozenset()
    live = [scene.zone.rrsets[key] for key in sorted(keys, key=RRsetKey.order) if key in scene.zone.rrsets]
    high = [rrset for rrset in live if rrset.ttl_s > low_s]
    raised = [rrset for rrset in high if scene.raised_ttls.get(rrset.key) == rrset.ttl_s]
    changes = tuple(Change(rrset.key, rrset, rrset.with_ttl(low_s)) for rrset in high if rrset not in raised)
    notes = (f"this host does not go below {floor_s} s, so {low_s} s is used",) * (floor_s > wanted_s)
    notes += tuple(f"{rrset.key}: this host serves {rrset.ttl_s} s whatever is asked for" for rrset in raised)
    nothing = "" if changes else "; ".join(notes) if raised else f"every TTL that matters is already {low_s} s or less"
    return Compiled(scene.write(changes), notes=notes, nothing=nothing)


def lowered_keys(playbook: Playbook, zone: ZoneSnapshot, step: Step | None = None) -> frozenset[RRsetKey]:
    """Return the RRsets that the records change, and the CNAME, MX and SRV RRsets that lead to them.

    Those that have been switched before a `step` are left out. Where the zone moves also the apex NS, MX and what mail
    rides on are there: these must come back soon when it goes back.
    """
    before = _switched_before(step, playbook) if step else ()
    every = (key for spec in playbook.records for key in spec.rrset_keys())
    changed = {key for key in every if not any(key in choice for choice in before)}
    if playbook.zone.to:
        changed |= _of_a_move(playbook, zone)
    names = {key.owner for key in changed}
    keys = set(changed)
    while found := set(_pointing_at(names, zone)) - keys:
        keys |= found
        names |= {key.owner for key in found}
    return frozenset(keys)


def _switched_before(step: Step, playbook: Playbook) -> tuple[Choice, ...]:
    steps = takewhile(lambda one: one != step, (one for phase in playbook.phases for one in phase.steps))
    return tuple(choice_of(one) for one in steps if one.kind == "switch-records")


def _of_a_move(playbook: Playbook, zone: ZoneSnapshot) -> set[RRsetKey]:
    mail = {key for key in mail_graph(playbook.mail, zone).keys if key.rdtype in CARRYING}
    return {RRsetKey(zone.apex, RdataType.NS)} | mail


def _pointing_at(names: set[Name], zone: ZoneSnapshot) -> Iterable[RRsetKey]:
    for key, rrset in zone.rrsets.items():
        if key.rdtype in POINTERS and any(target_of(rdata) in names for rdata in rrset.rdatas):
            yield key


def _chosen(names: frozenset[Name], zone: ZoneSnapshot) -> frozenset[RRsetKey]:
    untouchable = {RdataType.SOA, RdataType.RRSIG, RdataType.NSEC, RdataType.NSEC3, RdataType.DNSKEY}
    return frozenset(key for key in zone.rrsets if key.owner in names and key.rdtype not in untouchable)


KIND = StepKind(
    "lower-ttl",
    Fragment(
        "Lower TTLs so that caches follow quickly later; phases that change these records wait for the old TTL",
        {
            "names": {
                "type": "array",
                "items": {"type": "string", "format": "owner-name"},
                "description": "Names whose records get the low TTL; without it all records that this playbook changes",
            },
            "ttl": {"type": "integer", "minimum": 60, "maximum": DAY_S, "description": "The low TTL in seconds"},
            "wait_at_least": {
                "type": "string",
                "format": "duration",
                "description": "How long to wait after lowering before a record is changed (24h)",
            },
        },
    ),
    compile_step,
)
