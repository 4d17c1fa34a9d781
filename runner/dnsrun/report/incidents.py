"""Name servers that nobody planned, served by the parent while a change of them was under way, as told. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from dnsrun.journal.fold import Incident, RunState
from dnsrun.model.act import SetDelegation
from dnsrun.model.entry import Astray
from dnsrun.model.times import duration, full_time

from .source import Source
from .value import Gap, Happening
from .words import delegation_lines

_DONE = "dnsrun wrote nothing because of it, and went on asking the parent's servers"


def seen(known: Incident | None, entry: Astray, act: SetDelegation | None, at: datetime) -> Happening:
    """Return the line of what is served, where, in place of what; `known` is the incident if it goes on."""
    begins = "The incident changed" if known else "INCIDENT"
    where = f"the server {entry.served[0][0]}" if entry.servers == 1 else f"{entry.servers} servers"
    says = f"{begins}: {where} of the parent zone gave name servers that are neither those of before nor the new ones."
    wanted = (f"asked for was: {line}" for line in delegation_lines(act.before, act.after)) if act else ()
    kept = f"caches keep these name servers for up to {duration(entry.ttl_s)}, and what those answer for its own TTL"
    return Happening(at, "incident", says, (*_served(entry), *wanted, kept, _DONE))


def over(known: Incident, at: datetime) -> Happening:
    """Return the line of an incident's end."""
    lasted = duration((at - known.since).total_seconds())
    says = (
        f"The incident is over, {lasted} after it was seen: no server of the parent zone gave these name servers any "
        "more."
    )
    return Happening(at, "incident", says, until=at + timedelta(seconds=known.ttl_s))


def going_on(state: RunState) -> str:
    """Return that an incident is not known to be over, as the end of a sentence; empty when there is none."""
    if state.incident is None:
        return ""
    return f"; INCIDENT since {full_time(state.incident.since)}: the parent zone gives name servers that nobody planned"


def gap(known: Incident, phase: int, until: datetime | None) -> Gap:
    """Return an incident as what was not dnsrun's doing; `until` None: it was not seen to be over."""
    begins = f"the parent zone gave {'; '.join(_served(known.last))}, from {full_time(known.since)}"
    if until is None:
        return Gap("incident", phase, f"{begins} on; it was not seen to be over")
    forgotten = full_time(until + timedelta(seconds=known.ttl_s))
    return Gap("incident", phase, f"{begins} until {full_time(until)}; caches may have kept it until {forgotten}")


def gaps(source: Source) -> Iterator[Gap]:
    """Yield every incident of a run, oldest first."""
    phase = 0
    for state, record in source.steps():
        phase = _phase(state) or phase
        if isinstance(record.entry, Astray) and not record.entry.served and state.incident:
            yield gap(state.incident, phase, record.at)
    if source.state.incident:
        yield gap(source.state.incident, phase, None)


def _phase(state: RunState) -> int:
    return state.active.planned.phase if state.active else 0


def _served(entry: Astray) -> tuple[str, ...]:
    """Return what is served and at which servers, an item for each set of name servers."""
    groups: dict[str, list[str]] = {}
    for server, what in entry.served:
        groups.setdefault(what, []).append(server)
    left = entry.servers - len(entry.served)
    more = (f"more at {left} other servers",) if left else ()
    return (*(f"{what} at {', '.join(servers)}" for what, servers in groups.items()), *more)
