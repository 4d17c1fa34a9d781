"""A zone that moves: who takes it, who switches the name servers, and the order of the steps."""

from __future__ import annotations

from collections.abc import Iterator

from dnsrun.playbook.wording import quoted

from .facts import SWITCH, Facts, Finding, called

COPY, SWITCH_NS = "copy-zone", "switch-ns"
_DELEGATING = frozenset({SWITCH_NS, "remove-ds", "add-ds"})
_TWO_SERVERS = 2


def check(facts: Facts) -> Iterator[Finding]:
    """Find what is missing for the move, or moves something in the wrong order."""
    yield from _hosts(facts)
    yield from _registrar(facts)
    yield from _servers(facts)
    if facts.phases:
        yield from _steps(facts)
        yield from _together(facts)


def _hosts(facts: Facts) -> Iterator[Finding]:
    zone, mark = facts.zone, facts.zone_mark
    used = {name: spec.use for name, spec in facts.providers.items()}
    if zone.to is not None and zone.to == zone.provider:
        yield Finding(mark, f"the zone moves from {quoted(zone.to)} to itself; leave 'to' out when it stays")
    if zone.to is None and (zone.extras == "remove" or zone.keep):
        yield Finding(mark, "'extras' is about a zone that moves; say where to with 'to', or leave it out")
    if zone.to is not None and used.get(zone.to) == "public":
        yield Finding(mark, f"nobody of us can write at {quoted(zone.to)} (use: public); name a host we can write at")
    for role, name in (("from", zone.provider), ("to", zone.to)):
        if name is not None and used.get(name) in facts.registrars:
            yield Finding(mark, f"{quoted(name)} (use: {used[name]}) holds no zone; name a host in {quoted(role)}")


def _registrar(facts: Facts) -> Iterator[Finding]:
    zone, mark = facts.zone, facts.zone_mark
    if zone.to is not None and zone.registrar is None:
        yield Finding(mark, "'registrar' is missing in 'zone'; say who switches the name servers")
    spec = facts.providers.get(zone.registrar or "")
    if spec and spec.use not in facts.registrars:
        choice = ", ".join(sorted(facts.registrars))
        yield Finding(mark, f"{quoted(spec.name)} (use: {spec.use}) is no registrar; use one of: {choice}")


def _servers(facts: Facts) -> Iterator[Finding]:
    host = facts.providers.get(facts.zone.to or "")
    if host is None:
        return
    if len({server.name for server in host.name_servers}) < _TWO_SERVERS:
        yield Finding(
            host.mark,
            f"the zone moves to {quoted(host.name)}; list its name servers, two at least: name_servers: [..., ...]",
        )
    for server in host.name_servers:
        if server.name.is_subdomain(facts.domain) and not server.addresses:
            name = server.name.to_text(omit_final_dot=True)
            yield Finding(
                host.mark,
                f"{name} lies inside the domain; give its addresses (glue): {{name: {name}, addresses: [...]}}",
            )


def _steps(facts: Facts) -> Iterator[Finding]:
    kinds = [step.kind for phase in facts.phases for step in phase.steps]
    for phase in facts.phases:
        for step in phase.steps:
            if step.kind in {COPY, SWITCH_NS} and facts.zone.to is None:
                yield Finding(step.mark, f"{called(phase)}: '{step.kind}' needs 'to' in 'zone': where the zone moves")
            elif step.kind in _DELEGATING and facts.zone.to is None and facts.zone.registrar is None:
                yield Finding(step.mark, f"{called(phase)}: '{step.kind}' needs 'registrar' in 'zone'")
    if facts.zone.to is None:
        return
    for kind in (COPY, SWITCH_NS):
        if kinds.count(kind) != 1:
            found = "no phase has" if kind not in kinds else "more than one step is"
            yield Finding(facts.zone_mark, f"the zone moves, but {found} {{kind: {kind}}}; there must be exactly one")
    if COPY in kinds and SWITCH_NS in kinds and kinds.index(SWITCH_NS) < kinds.index(COPY):
        yield Finding(facts.zone_mark, "the name servers are switched before the zone is copied; copy first")


def _together(facts: Facts) -> Iterator[Finding]:
    """D5: one class of change in a phase."""
    for phase in facts.phases:
        kinds = {step.kind for step in phase.steps}
        if {SWITCH, SWITCH_NS} <= kinds:
            yield Finding(phase.mark, f"{called(phase)} changes records and name servers; give each its own phase (D5)")
        if {SWITCH_NS, "finish"} <= kinds:
            yield Finding(phase.mark, f"{called(phase)} switches and closes the run; give 'finish' its own phase (D1)")
