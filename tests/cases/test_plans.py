"""A playbook and a zone in, the exact moves or the exact message out: one YAML file under `plans/` for each subject.

Keys of a case: `name` · `playbook` (below the file's `head`, or its own) · `zone` (lines `owner ttl type rdata`; an SOA
is there) · `phase` · `after` (phases done before, planned and applied here) · `live` (lines that replace what the zone
then holds; `-` for absent) · `host` (capabilities of every provider) · `samples` ({"www A": {server: [[seconds from
now, ttl]]}}) · `settled_s` (when earlier phases were seen everywhere, seconds from now).
What comes out: `moves`, and if given `notes`, `hazards`, `earliest_s` (from now), `because`, `worst_recovery_s`,
`closes`; or `refused` or `conflicts`, the exact sentences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from dnsrun.errors import Conflict, Refused
from dnsrun.model.entry import TtlSample
from dnsrun.model.plan import Plan
from dnsrun.model.rrset import Change, key
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.planner import plan_phase
from dnsrun.plan.situation import Situation
from dnsrun.plan.ttl import Samples
from dnsrun.ports.provider import Capabilities
from planworld import NOON, name, playbook, shown, situation, zone

Case = dict[str, Any]


def cases() -> Iterator[Any]:
    for file in sorted((Path(__file__).parent / "plans").glob("*.yaml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for case in content["cases"]:
            common = {word: value for word, value in content.items() if word not in {"head", "cases"}}
            whole = common | case | {"playbook": case.get("head", content["head"]) + case.get("playbook", "")}
            yield pytest.param(whole, id=f"{file.stem}: {case['name']}")


def ready(case: Case) -> Situation:
    """Return the situation after the phases of `after` have been done."""
    book = playbook(case["playbook"])
    host = Capabilities(reads="complete", compare_and_set=True, **case.get("host", {}))
    known = situation(
        book, zone(*case["zone"]), capabilities=dict.fromkeys(book.providers, host), samples=samples_of(case)
    )
    for number in case.get("after", ()):
        changes = plan_phase(number, known).changes()
        known = replace(
            known,
            zone=known.zone.apply(changes),
            standing=(*known.standing, *changes),
            written=(*known.written, *changes),
            done=known.done | {number},
            settled_at=NOON + timedelta(seconds=case.get("settled_s", 0)),
        )
    return replace(known, zone=edited(known.zone, case.get("live", ())))


def edited(held: ZoneSnapshot, lines: list[str]) -> ZoneSnapshot:
    gone = [line.split() for line in lines if line.endswith(" -")]
    keys = [key(name(owner), rdtype) for owner, rdtype, _ in gone]
    new = zone(*(line for line in lines if not line.endswith(" -")), soa="").rrsets
    changes = [Change(one, None, None) for one in keys]
    return held.apply([*changes, *(Change(each.key, None, each) for each in new.values())])


def samples_of(case: Case) -> Samples:
    found: dict[Any, tuple[TtlSample, ...]] = {}
    for what, servers in case.get("samples", {}).items():
        owner, rdtype = what.split()
        of = key(name(owner), rdtype)
        for server, seen in servers.items():
            series = (TtlSample(of, server, ttl_s, "v", NOON + timedelta(seconds=at)) for at, ttl_s in seen)
            found[of, server] = tuple(series)
    return found


def outcome(plan: Plan) -> Case:
    return {
        "moves": shown(plan),
        "notes": list(plan.notes),
        "hazards": [f"{hazard.name}: {hazard.text}" for hazard in plan.hazards],
        "earliest_s": (plan.earliest - NOON).total_seconds() if plan.earliest else None,
        "because": list(plan.earliest_because),
        "worst_recovery_s": plan.worst_recovery_s,
        "closes": plan.closes,
    }


def planned(case: Case) -> Case:
    known = ready(case)
    try:
        plan = plan_phase(case["phase"], known)
    except Conflict as err:
        return {"conflicts": str(err).splitlines()}
    except Refused as err:
        return {"refused": str(err)}
    return outcome(plan)


@pytest.mark.parametrize("case", list(cases()))
def test_a_phase_becomes_exactly_this(case: Case) -> None:
    found = planned(case)
    wanted = {word: case[word] for word in (*outcome_words(), "conflicts", "refused") if word in case}

    assert wanted, "a case says what comes out"
    assert {word: found.get(word) for word in wanted} == wanted


def outcome_words() -> tuple[str, ...]:
    return ("moves", "notes", "hazards", "earliest_s", "because", "worst_recovery_s", "closes")
