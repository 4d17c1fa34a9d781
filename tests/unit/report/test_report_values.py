"""Reports as values: every kind of entry is told, no text is markup, times and names are as they should be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import dns.name
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, SetDelegation, SetService, WriteZone
from dnsrun.model.entry import (
    Accepted,
    Astray,
    Captured,
    Done,
    DueSet,
    Entry,
    Failed,
    GateOff,
    HazardAccepted,
    Intended,
    Judged,
    Observed,
    Opened,
    PersonAnswered,
    PersonAsked,
    PhaseEnded,
    Planned,
    Record,
    Resumed,
    RollbackAsked,
    RollbackBegun,
    RunEnded,
    TtlSample,
)
from dnsrun.model.plan import Check, Do, Hazard, Hold, Plan
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import Change, key, rrset
from dnsrun.model.text import escape
from dnsrun.model.zone import Delegation
from dnsrun.report.data import as_data
from dnsrun.report.make import report
from dnsrun.report.markdown import as_markdown, inert, line
from dnsrun.report.source import Source, runs_of
from dnsrun.report.text import as_text
from dnsrun.report.timeline import TELLERS
from dnsrun.report.value import Report
from dnsrun.report.words import act_back, act_headline, act_lines, act_proof

APEX = dns.name.from_text("client.example")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OLD, NEW = rrset("www.client.example", 600, "A", "192.0.2.10"), rrset("www.client.example", 600, "A", "203.0.113.20")
WEB = GateSpec("http", "web", {})
DELEGATION = Delegation(frozenset({dns.name.from_text("ns1.old.example")}), {}, frozenset(), 86400)
OPENED = Opened("ab" * 8, "client.example", "cd" * 32, "client.yaml", ((1, "switch A"), (2, "finish")), "0.1.0")
FORWARD = Plan(
    run="ab" * 8,
    phase=1,
    phase_name="switch A",
    direction="forward",
    acts=(WriteZone("host", APEX, (Change(OLD.key, OLD, NEW),)),),
    moves=(
        Check(WEB, "before", (0,)),
        Do(0),
        Check(GateSpec("records", "records", {}), "after", (0,)),
        Hold("watch", 600, (WEB,), (0,)),
    ),
    checkpoint="",
    worst_recovery_s=600,
    hazards=(Hazard("manual-rollback", "to go back, a person must act"),),
)
BACK = Plan(
    run="ab" * 8,
    phase=1,
    phase_name="switch A",
    direction="back",
    acts=(WriteZone("host", APEX, (Change(OLD.key, NEW, OLD),)),),
    moves=(Do(0), Check(GateSpec("records", "records", {}), "back", (0,))),
    checkpoint="",
    covers=(1,),
    left=("mail.client.example A is 192.0.2.99 now, set by somebody else; it was left alone",),
)
BEGUN: tuple[Entry, ...] = (OPENED, Planned(1, "forward", "forward", ""))
SAMPLE = TtlSample(key("www.client.example", "A"), "ns1 192.0.2.53", 600, "-", START)
EXAMPLES: tuple[Entry, ...] = (
    replace(OPENED, playbook="ef" * 32),
    Captured(1, "checkpoint", "host", "", "probed", 7, DELEGATION, ("x A was absent, is 192.0.2.1",)),
    Planned(1, "back", "back", ""),
    HazardAccepted(1, "manual-rollback", "the client is there"),
    GateOff(1, "spf", "no mail here"),
    Intended(1, 1),
    Accepted(1, "req-7"),
    Observed((SAMPLE,)),
    Failed(1, 1, "timed out at the host", retryable=True, in_doubt=True),
    Done(1, "applied", ("www A is served with TTL 900",)),
    Astray(1, (("b.nic.example (198.51.100.2)", "park1.registrar.example"),), 1, 900),
    passing := Judged(0, "web", "pass", "answers 200", not_yet=False, asked=1, warnings=("slow",), not_checked=("v6",)),
    DueSet(3, START + timedelta(hours=1), "watch for 600 s"),
    RollbackAsked("to-phase", 1, "taro"),
    RollbackBegun((1,), "web answers 503"),
    PersonAsked(1, "panel", "type this"),
    PersonAnswered(1, "declined", "taro"),
    Resumed(1),
    PhaseEnded(1, "paused", "web answers 503"),
    RunEnded("finished"),
)


def records(entries: Iterable[Entry], step_s: int = 10) -> tuple[Record, ...]:
    return tuple(
        Record(number, START + timedelta(seconds=step_s * number), "", entry, f"{number}")
        for number, entry in enumerate(entries, 1)
    )


def report_on(*entries: Entry, opened: Opened = OPENED, is_internal: bool = False) -> Report:
    begun = (opened, *BEGUN[1:], *entries)
    run = runs_of(records(begun))[-1]
    plans = {"forward": FORWARD, "back": BACK}
    return report(Source(run, plans, None, START + timedelta(days=1), is_internal=is_internal))


def test_there_is_an_example_of_every_kind_of_entry() -> None:
    assert {type(entry) for entry in EXAMPLES} == set(get_args(Entry))
    assert set(TELLERS) == set(get_args(Entry))


@pytest.mark.parametrize("entry", EXAMPLES, ids=lambda entry: type(entry).__name__)
def test_every_kind_of_entry_is_told(entry: Entry) -> None:
    """What is journaled is said somewhere: a report with it differs in more than the number of records."""
    without, told = report_on(), report_on(entry)
    same = replace(told, records=without.records, as_of=without.as_of)
    assert same != without
    assert isinstance(entry, Observed) == (same.timeline == without.timeline), "only TTL readings are told elsewhere"
    for text in (as_text(told), as_markdown(told)):
        assert text.count("\n") > 20


ACTS: tuple[Act, ...] = (
    FORWARD.acts[0],
    SetDelegation(
        "registrar", APEX, DELEGATION, replace(DELEGATION, ns=frozenset({dns.name.from_text("ns1.new.example")}))
    ),
    Refresh("second", APEX),
    SetService("old", APEX, "mail", before=True, after=False, proof=None, undo_proof=None),
    RunCommand(("/bin/tell", "x"), ("/bin/untell", "x")),
    Instruct("client", "press update", None, "press it again"),
)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: type(act).__name__)
def test_every_act_is_told(act: Act) -> None:
    assert {type(each) for each in ACTS} == set(get_args(Act))
    assert act_headline(act)[0].isupper() or act_headline(act)[0] == '"'
    assert act_proof(act)
    if not isinstance(act, (Refresh, SetService)):
        assert act_lines(act, APEX)
    if not isinstance(act, Refresh):
        assert act_back(act, APEX)


def test_a_new_delegation_is_told_with_both_sets() -> None:
    assert act_lines(ACTS[1], APEX) == ("name servers: ns1.old.example → ns1.new.example",)
    assert act_back(ACTS[1], APEX) == ("name servers: ns1.new.example → ns1.old.example",)


FAILING = replace(passing, outcome="fail", because="answers 503", differing=("web: 503",))
IN_WATCH = replace(FAILING, move=3)
SWITCHED: tuple[Entry, ...] = (
    passing,
    Intended(1, 1),
    Done(1, "applied"),
    replace(passing, move=3, warnings=(), not_checked=()),
    IN_WATCH,
    IN_WATCH,
    RollbackBegun((1,), "answers 503"),
    Planned(1, "back", "back", "", (1,)),
    Intended(0, 1),
    Done(0, "applied"),
    Judged(1, "records", "pass", "ns1 ok", not_yet=False, asked=1),
    PhaseEnded(1, "rolled-back", ""),
)


# A placeholder at the parent

PARKED = "park1.registrar.example, park2.registrar.example"
SEEN = Astray(0, (("a.nic.example (198.51.100.1)", PARKED), ("b.nic.example (198.51.100.2)", PARKED)), 2, 900)
SWITCHES = ACTS[1]


def report_of_switch(*entries: Entry) -> Report:
    plan = replace(FORWARD, acts=(SWITCHES,), moves=(Do(0),))
    run = runs_of(records((*BEGUN, Intended(0, 1), *entries)))[-1]
    return report(Source(run, {"forward": plan}, None, START + timedelta(days=1)))


def test_a_placeholder_is_told_with_where_in_place_of_what_and_for_how_long() -> None:
    made = report_of_switch(SEEN, Astray(0), Done(0, "applied"))
    seen, over = (row for row in made.timeline if row.kind == "incident")
    assert seen.says == (
        "INCIDENT: 2 servers of the parent zone gave name servers that are neither those of before nor the new ones."
    )
    assert seen.details == (
        f"{PARKED} at a.nic.example (198.51.100.1), b.nic.example (198.51.100.2)",
        "asked for was: name servers: ns1.old.example → ns1.new.example",
        "caches keep these name servers for up to 15 min, and what those answer for its own TTL",
        "dnsrun wrote nothing because of it, and went on asking the parent's servers",
    )
    assert over.says.startswith("The incident is over, 10 s after it was seen")
    assert over.until == over.at + timedelta(seconds=900)
    for text in (as_text(made), as_markdown(made)):
        assert "caches may have kept these name servers until" in text
        assert "Not planned by anybody (phase 1)" in text
    assert [row["kind"] for row in as_data(made)["timeline"]].count("incident") == 2


def test_a_placeholder_that_changes_keeps_its_beginning_and_the_longest_ttl() -> None:
    less = Astray(0, SEEN.served[:1], 1, 60)
    made = report_of_switch(SEEN, less, Astray(0))
    rows = [row for row in made.timeline if row.kind == "incident"]
    assert [row.says.split(":")[0] for row in rows] == [
        "INCIDENT", "The incident changed", "The incident is over, 20 s after it was seen",
    ]  # fmt: skip
    assert "the server a.nic.example (198.51.100.1) of the parent zone" in rows[1].says
    assert rows[2].until == rows[2].at + timedelta(seconds=900)


def test_a_placeholder_that_was_not_seen_to_be_gone_is_said_so() -> None:
    made = report_of_switch(replace(SEEN, servers=40), PhaseEnded(1, "refused", "the registry refused"))
    (gap,) = (gap for gap in made.gaps if gap.kind == "incident")
    assert gap.phase == 1
    assert "; more at 38 other servers, from " in gap.says
    assert gap.says.endswith("on; it was not seen to be over")
    assert "; INCIDENT since " in made.result
    assert "INCIDENT" not in report_of_switch(SEEN, Astray(0)).result


def at(entry: int) -> datetime:
    """Return when the n-th entry of SWITCHED was written."""
    return START + timedelta(seconds=10 * (len(BEGUN) + entry))


def test_the_cause_is_the_check_with_its_last_good_and_first_bad_round() -> None:
    (cause,) = report_on(*SWITCHED).causes
    assert (cause.came_from, cause.gate, cause.times, cause.seen) == ("check", "web", 2, ("web: 503",))
    assert (cause.last_good, cause.first_bad, cause.decided_at) == (at(4), at(5), at(7))
    assert cause.guarded == ("www A: 192.0.2.10 → 203.0.113.20",)


def test_clients_are_affected_from_the_write_until_the_ttl_after_every_server_showed_it_back() -> None:
    """D4."""
    (cause,) = report_on(*SWITCHED).causes
    assert cause.affected is not None
    assert (cause.affected.since, cause.affected.until) == (at(2), at(11) + timedelta(seconds=600))
    (open_cause,) = report_on(*SWITCHED[:-1]).causes
    assert open_cause.affected is not None
    assert open_cause.affected.until is None


def test_rounds_with_the_same_outcome_are_one_line_with_a_count() -> None:
    watched = (replace(passing, move=3, warnings=(), not_checked=()),) * 5
    told = [row for row in report_on(*watched, IN_WATCH, *watched, IN_WATCH).timeline if row.kind == "check"]
    assert [(row.times, "FAILED" in row.says, "again" in row.says) for row in told] == (
        [(5, False, False), (1, True, False), (5, False, True), (1, True, False)]
    )


def test_what_the_rollback_left_alone_is_named() -> None:
    assert [gap.says for gap in report_on(*SWITCHED).gaps if gap.kind == "left alone"] == list(BACK.left)


def test_a_failed_call_is_a_cause_whose_words_stay_with_us() -> None:
    """Threat 27."""
    error = "HTTP 500 from zone 4711"
    failed = (
        Intended(1, 1),
        Failed(1, 1, error, retryable=False, in_doubt=False),
        PhaseEnded(1, "paused", f"www A at host: {error}"),
    )
    (cause,) = report_on(*failed).causes
    assert (cause.came_from, cause.says) == ("call", "www A at host: the host answered with an error")
    assert "4711" not in as_text(report_on(*failed))
    assert "4711" in as_text(report_on(*failed, is_internal=True))


def test_programs_and_paths_stay_with_us_however_long_they_are() -> None:
    """Threat 27."""
    program = RunCommand(("/home/canary/bin/tell", *("canary" * 9,) * 9), ("/home/canary/bin/untell",))
    plan = replace(FORWARD, acts=(program,))
    opened = replace(OPENED, path="/home/canary/clients/client.yaml")
    run = runs_of(
        records((opened, BEGUN[1], Intended(1, 1), PhaseEnded(1, "paused", f"`{' '.join(program.argv)}`: no")))
    )[-1]
    for is_internal in (False, True):
        source = Source(run, {"forward": plan}, None, START, is_internal=is_internal)
        for text in (as_text(report(source)), as_markdown(report(source)), str(as_data(report(source)))):
            assert ("canary" in text) is is_internal


def test_an_internationalised_domain_is_shown_both_ways() -> None:
    """Threat 23: also one that mixes scripts."""
    told = report_on(opened=replace(OPENED, domain="xn--pple-43d.example"))
    assert (told.domain, told.unicode) == ("xn--pple-43d.example", "\u0430pple.example")
    for text in (as_text(told), as_markdown(told)):
        assert "\u0430pple.example (xn--pple-43d.example)" in text.splitlines()[0]
    assert report_on().unicode == ""


def test_data_has_no_value_that_json_lacks() -> None:
    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(name, str) and plain(each) for name, each in value.items())
        return all(map(plain, value)) if isinstance(value, list) else isinstance(value, str | int | None)

    assert plain(as_data(report_on(*SWITCHED)))


STEERING = "\x1b]0;owned\x07 \x9b31m \u202e \u2028 line\nbreak\t"


def test_no_text_steers_a_terminal() -> None:
    """Threat 16: also in a file, which no console has escaped."""
    entries: tuple[Entry, ...] = (
        HazardAccepted(1, STEERING, STEERING),
        Failed(1, 1, STEERING, retryable=True, in_doubt=False),
        replace(FAILING, gate=STEERING, because=STEERING, differing=(STEERING,), warnings=(STEERING,)),
        PersonAsked(1, STEERING, STEERING),
        PhaseEnded(1, "paused", STEERING),
    )
    told = report_on(*entries, opened=replace(OPENED, phases=((1, STEERING),), run=STEERING), is_internal=True)
    for text in (as_text(told), as_markdown(told)):
        assert "owned" in text
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", text)


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"])))
@example("<img src=x onerror=alert(1)> <b>x</b> &lt;i&gt; <http://x.example/>")
@example("[x](javascript:alert(1)) ![x](http://x.example/x.png) `a` ``b`` **c** _d_ ~~e~~")
@example("<div class=x")
@example("<!-- x")
@example("a | b \\| c \\\\| d")
def test_no_text_is_markup_in_a_cell_or_at_the_beginning_of_a_line(text: str) -> None:
    """Threat 17."""
    shown = escape(text)
    table = f"| a | b |\n| --- | --- |\n| x | {inert(text)} |\n"
    cells = [token for token in MARKDOWN.parse(table) if token.type == "inline"]
    assert {child.type for token in cells for child in token.children or ()} <= {"text", "text_special"}
    assert "".join(child.content for child in cells[3].children or ()) == shown.strip()
    tokens = MARKDOWN.parse(f"- {line(text)}\n")
    assert {token.type for token in tokens} <= {
        "bullet_list_open",
        "list_item_open",
        "paragraph_open",
        "inline",
        "paragraph_close",
        "list_item_close",
        "bullet_list_close",
    }


@given(st.text(alphabet="<>[]()!`*_#|\\~$&;:/.w@-+=0123 \nhtpsjavcri", max_size=40))
def test_no_text_made_of_markup_is_markup(text: str) -> None:
    """Threat 17."""
    test_no_text_is_markup_in_a_cell_or_at_the_beginning_of_a_line.hypothesis.inner_test(text)  # type: ignore[attr-defined] # hypothesis keeps the function there
