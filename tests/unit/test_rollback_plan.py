"""The way back as a plan: three-way, by class, TTLs low, and nothing that we did not write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, WriteZone
from dnsrun.model.plan import Check, Do, Move, Plan
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.rollback import Undone, plan_rollback
from planworld import APEX, change_text, name, playbook, rrset, shown, situation, zone

OLD, NEW = "192.0.2.10", "203.0.113.20"
HEAD = """
dnsrun: 1
domain: client.example
providers: {host: {use: manual}, nsx: {use: manual}}
"""
BOOK = playbook(HEAD + "zone: {from: host}\n")
WITH_SECONDARY = playbook(HEAD + "zone: {from: host, secondaries: {host: [nsx]}}\n")
HTTP = GateSpec("http", "http", {"url": "https://www.client.example/"})


def change(before: RRset | None, after: RRset | None) -> Change:
    either = before or after
    assert either is not None
    return Change(either.key, before, after)


def write(*changes: Change) -> WriteZone:
    return WriteZone("host", APEX, changes)


def undone(number: int, *acts: Act, performed: Iterable[int] | None = None, gates: tuple[GateSpec, ...] = ()) -> Undone:
    moves: tuple[Move, ...] = (
        *(Check(gate, "baseline", ()) for gate in gates),
        *(Do(index) for index in range(len(acts))),
    )
    plan = Plan("run1", number, f"phase {number}", "forward", acts, moves, f"c{number}")
    facts = {gate.name: (("status", "200"),) for gate in gates}
    return Undone(plan, frozenset(range(len(acts)) if performed is None else performed), facts)


def back(live: ZoneSnapshot, *phases: Undone, raise_ttls: bool = False, book: object = BOOK) -> Plan:
    known = situation(BOOK, live)
    return plan_rollback(phases, replace(known, playbook=book), raise_ttls=raise_ttls)  # type: ignore[arg-type] # a Playbook


def a(owner: str, value: str, ttl_s: int = 600) -> RRset:
    return rrset(owner, ttl_s, "A", value)


LOWERED = change(a("www", OLD, 3600), a("www", OLD, 600))
SWITCHED = change(a("www", OLD, 600), a("www", NEW, 600))
CREATED = change(None, a("new", NEW))
REMOVED = change(a("gone", OLD), None)


# Three-way


def test_what_we_wrote_goes_back_to_what_was_there() -> None:
    live = zone(f"www 600 A {NEW}", f"new 600 A {NEW}", f"other 600 A {OLD}")

    assert shown(back(live, undone(2, write(SWITCHED, CREATED, REMOVED)))) == [
        f"write at host: gone A absent → {OLD} (600); new A {NEW} → absent; www A {NEW} → {OLD} (600)",
        "back: records of 0",
        "back: untouched of 0",
    ]


def test_what_somebody_else_changed_since_is_left_and_named() -> None:
    """P3, fault 56: the rest goes back."""
    live = zone("www 600 A 198.51.100.9", f"new 600 A {NEW}")

    plan = back(live, undone(2, write(SWITCHED, CREATED, REMOVED)))

    assert shown(plan)[0] == f"write at host: gone A absent → {OLD} (600); new A {NEW} → absent"
    assert plan.left == ("www.client.example A is 198.51.100.9 now, set by somebody else; it was left alone",)


def test_a_value_that_somebody_added_to_ours_is_somebody_elses_change() -> None:
    """P3."""
    plan = back(zone(f"www 600 A {NEW}", "www 600 A 198.51.100.9"), undone(2, write(SWITCHED)))

    assert plan.acts == ()
    assert len(plan.left) == 1


def test_a_record_of_ours_that_somebody_removed_is_not_put_back() -> None:
    """P3, P4."""
    plan = back(zone(), undone(2, write(SWITCHED)))

    assert plan.acts == ()
    assert plan.left == ("www.client.example A is absent now, set by somebody else; it was left alone",)


def test_what_is_back_already_is_not_written_again() -> None:
    """P7: a rollback can be run again."""
    plan = back(zone(f"www 600 A {OLD}", f"gone 600 A {OLD}"), undone(2, write(SWITCHED, CREATED, REMOVED)))

    assert (plan.acts, plan.left) == ((), ())
    assert shown(plan) == ["back: records", "back: untouched"]


def test_a_secondary_that_is_not_back_yet_is_refreshed_though_its_primary_is() -> None:
    """Fault 7: the first rollback died between the two."""
    plan = back(zone(f"www 600 A {OLD}"), undone(2, write(SWITCHED)), book=WITH_SECONDARY)

    assert shown(plan)[0] == "refresh nsx"


def test_an_act_that_was_never_begun_is_not_undone() -> None:
    live = zone(f"www 600 A {NEW}", f"new 600 A {NEW}")

    plan = back(live, undone(2, write(SWITCHED), write(CREATED), performed=[0]))

    assert shown(plan)[0] == f"write at host: www A {NEW} → {OLD} (600)"


def test_a_half_applied_batch_goes_back_as_far_as_it_came() -> None:
    """Fault 27."""
    plan = back(zone(f"www 600 A {OLD}", f"new 600 A {NEW}"), undone(2, write(SWITCHED, CREATED)))

    assert shown(plan)[0] == f"write at host: new A {NEW} → absent"


# TTLs


def test_rolling_back_the_switch_keeps_the_low_ttl() -> None:
    assert shown(back(zone(f"www 600 A {NEW}"), undone(2, write(SWITCHED))))[0] == (
        f"write at host: www A {NEW} → {OLD} (600)"
    )


def test_rolling_back_lowered_ttls_leaves_them_low() -> None:
    plan = back(zone(f"www 600 A {OLD}"), undone(1, write(LOWERED)))

    assert plan.acts == ()


def test_rolling_back_both_phases_without_all_keeps_ttls_low() -> None:
    """`--to-phase 0` is not `--all`."""
    plan = back(zone(f"www 600 A {NEW}"), undone(2, write(SWITCHED)), undone(1, write(LOWERED)))

    assert [line for line in shown(plan) if line.startswith("write")] == [f"write at host: www A {NEW} → {OLD} (600)"]


def test_rolling_back_everything_raises_ttls_in_a_write_of_its_own_at_the_end() -> None:
    plan = back(zone(f"www 600 A {NEW}"), undone(2, write(SWITCHED)), undone(1, write(LOWERED)), raise_ttls=True)

    assert [line for line in shown(plan) if line.startswith("write")] == [
        f"write at host: www A {NEW} → {OLD} (600)",
        "write at host: www A ttl 600 → 3600",
    ]


def test_a_record_that_was_removed_comes_back_low_and_is_raised_last() -> None:
    low = change(a("gone", OLD, 3600), a("gone", OLD, 600))
    phases = (undone(2, write(REMOVED)), undone(1, write(low)))

    assert [change_text(one) for one in back(zone(), *phases).changes()] == [f"gone A absent → {OLD} (600)"]
    assert [change_text(one) for one in back(zone(), *phases, raise_ttls=True).changes()] == [
        f"gone A absent → {OLD} (600)",
        "gone A ttl 600 → 3600",
    ]


def test_a_ttl_that_the_switch_itself_set_goes_back_with_its_data() -> None:
    """P1: the state at the checkpoint."""
    faster = change(a("www", OLD, 600), a("www", NEW, 60))

    assert (
        shown(back(zone(f"www 60 A {NEW}"), undone(2, write(faster))))[0] == f"write at host: www A {NEW} → {OLD} (600)"
    )


# Several phases


def test_several_phases_go_back_to_before_the_oldest_in_one_write() -> None:
    first, second = change(a("www", OLD), a("www", "192.0.2.20")), change(a("www", "192.0.2.20"), a("www", NEW))

    plan = back(zone(f"www 600 A {NEW}"), undone(3, write(second)), undone(2, write(first)))

    assert shown(plan)[0] == f"write at host: www A {NEW} → {OLD} (600)"
    assert plan.covers == (3, 2)


def test_a_value_of_an_earlier_phase_is_ours_too() -> None:
    """A later phase that never showed must not look like somebody else's edit."""
    first, second = change(a("www", OLD), a("www", "192.0.2.20")), change(a("www", "192.0.2.20"), a("www", NEW))

    plan = back(zone("www 600 A 192.0.2.20"), undone(3, write(second)), undone(2, write(first)))

    assert plan.left == ()
    assert shown(plan)[0] == f"write at host: www A 192.0.2.20 → {OLD} (600)"


def test_going_back_one_phase_keeps_what_earlier_ones_wrote() -> None:
    kept = change(a("api", OLD), a("api", NEW))
    newest = undone(3, write(SWITCHED))
    standing = replace(newest, plan=replace(newest.plan, guards=(kept, LOWERED)))

    plan = back(zone(f"www 600 A {NEW}", f"api 600 A {NEW}"), standing)

    assert [change_text(one) for one in plan.changes()] == [f"www A {NEW} → {OLD} (600)"]
    assert kept in plan.guards


# Order by class


def test_services_come_back_before_the_check_and_the_data_and_ttls_last() -> None:
    """Where the old service was switched off, it must be on before anybody is led to it, and before it is judged."""
    acts = (RunCommand(("stop-old",), ("start-old",)), write(SWITCHED), Instruct("us", "close", None, "open again"))
    phases = (undone(2, *acts, gates=(HTTP,)), undone(1, write(LOWERED)))

    plan = back(zone(f"www 600 A {NEW}"), *phases, raise_ttls=True, book=WITH_SECONDARY)

    assert shown(plan) == [
        "ask us: open again",
        "run start-old",
        "safe: http of 0,1,2,3,4,5",
        f"write at host: www A {NEW} → {OLD} (600)",
        "refresh nsx",
        "write at host: www A ttl 600 → 3600",
        "refresh nsx",
        "back: records of 0,1,2,3,4,5",
        "back: untouched of 0,1,2,3,4,5",
        "back: http of 0,1,2,3,4,5",
    ]


def test_a_secondary_that_the_phase_refreshed_is_refreshed_again() -> None:
    plan = back(zone(f"www 600 A {NEW}"), undone(2, write(SWITCHED), Refresh("nsx", APEX)))

    assert shown(plan)[:2] == [f"write at host: www A {NEW} → {OLD} (600)", "refresh nsx"]


def test_what_cannot_be_taken_back_is_named() -> None:
    acts = (RunCommand(("mail-all",), None), Instruct("client", "tell the staff", None, None))

    plan = back(zone(), undone(2, *acts))

    assert plan.acts == ()
    assert plan.left == (
        "`mail-all` was run and cannot be taken back",
        '"tell the staff" was done by client and cannot be taken back',
    )


def test_the_old_service_must_answer_as_it_did_before_not_as_the_new_one_should() -> None:
    """Nothing goes back to a server that does not answer now as at the checkpoint."""
    plan = back(zone(f"www 600 A {NEW}"), undone(2, write(SWITCHED), gates=(HTTP,)))

    safe = next(move for move in plan.moves if isinstance(move, Check) and move.when == "safe")
    assert safe.gate.options["as_before"] == {"status": "200"}
    assert safe.gate.successes == 1


# P4

OWNERS = ("www", "api", "new", "@")
VALUES = (None, OLD, NEW, "198.51.100.9")
CHANGES = st.lists(st.tuples(st.sampled_from(OWNERS), st.sampled_from(VALUES), st.sampled_from(VALUES)), max_size=4)


@given(
    phases=st.lists(CHANGES, min_size=1, max_size=3),
    live=st.dictionaries(st.sampled_from((*OWNERS, "foreign")), st.sampled_from(VALUES), max_size=5),
    raise_ttls=st.booleans(),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_rollback_only_ever_touches_rrsets_that_we_wrote_and_recognise(
    phases: list[list[tuple[str, str | None, str | None]]], live: dict[str, str | None], raise_ttls: bool
) -> None:
    """P3, P4: whatever is there, whatever is missing; and it aims at what was there before the oldest phase."""
    held = zone(*(f"{owner} 300 A {value}" for owner, value in live.items() if value))
    history = [[_made(*one) for one in phase if one[1] != one[2]] for phase in phases]
    newest_first = [undone(number, write(*made)) for number, made in reversed(list(enumerate(history, start=1)))]

    plan = back(held, *newest_first, raise_ttls=raise_ttls)
    again = back(held.apply(plan.changes()), *newest_first, raise_ttls=raise_ttls)

    ours: dict[RRsetKey, list[Change]] = {}
    for one in (one for made in history for one in made):
        ours.setdefault(one.key, []).append(one)
    for one in plan.changes():
        known = [_data(value) for each in ours[one.key] for value in (each.before, each.after)]
        assert _data(held.rrsets.get(one.key)) in known
        assert _data(one.after) == _data(ours[one.key][0].before)
    assert again.acts == (), "a second rollback changes nothing (P7)"
    assert name("foreign") not in {one.key.owner for one in plan.changes()}


def _made(owner: str, before: str | None, after: str | None) -> Change:
    return change(a(owner, before) if before else None, a(owner, after) if after else None)


def _data(held: RRset | None) -> tuple[str, ...]:
    return held.texts() if held else ()


def test_a_ttl_that_the_host_raised_is_ours_and_goes_back() -> None:
    """Fault 32: nobody else has set it."""
    raised = replace(undone(1, write(LOWERED)), served={0: (a("www", OLD, 900),)})
    plan = back(zone(f"www 900 A {OLD}"), raised, raise_ttls=True)

    assert [change_text(one) for one in plan.changes()] == ["www A ttl 900 → 3600"]
    assert plan.left == ()


def test_a_ttl_that_somebody_else_has_set_is_left_and_named() -> None:
    """P3 holds for TTLs, too: only a TTL of ours is raised again."""
    plan = back(zone(f"www 120 A {OLD}"), undone(1, write(LOWERED)), raise_ttls=True)
    assert not plan.changes()
    assert any("TTL 120" in left for left in plan.left)
