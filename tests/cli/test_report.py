"""The report as it is handed to a client: whole, inert in every format, without what is not the client's."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from markdown_it import MarkdownIt

from cli.conftest import Project
from cli.test_transcript import Plot
from dnsrun.journal.store import FileJournal
from dnsrun.model.entry import Failed, Opened, PersonAnswered, RollbackAsked
from worlds import APEX, NEW, OLD, PLAYBOOK

HERE = Path(__file__).parent
FORMATS = ("text", "markdown", "json")
GUARDED = PLAYBOOK.replace(
    '  - {kind: http, url: "http://www.client.example/", status: 200}\n',
    '  - {kind: http, name: web, url: "http://www.client.example/", status: 200}\n'
    '  - {kind: serial, off: "the second host numbers its zones by itself"}\n',
)
GUARDED = GUARDED.replace("from: old, secondaries: {old: [second]}", "from: old")
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "`code` ``more`` | pipe | <http://evil.example/>",
    "http://evil.example/ www.evil.example mailto:x@evil.example",
    "# heading **bold** _it_ ~~gone~~ $x$ &lt;b&gt;",
)


@pytest.fixture(autouse=True)
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def failed(project: Project) -> Project:
    """A switch whose new server breaks down after it, taken back by itself."""
    world = project.world
    clock = world.clock = Plot(world.clock.now())
    project.write(GUARDED)
    clock.begin({1: lambda: bool(world.ns2.refresh(APEX))})
    assert project("apply", "--phase", "1", "--yes").code == 0
    clock.advance(timedelta(hours=26).total_seconds())

    def follows_and_breaks() -> None:
        world.ns2.refresh(APEX)
        world.web_new.status = 503

    clock.begin({2: follows_and_breaks, 7: lambda: bool(world.ns2.refresh(APEX))})
    assert project("apply", "client.example", "--phase", "2", "--yes").code == 3
    return project


def comparable(text: str) -> str:
    """Return a report without what is new in each run: its identifier."""
    return re.sub(r"\b[0-9a-f]{16}\b(?=, begun)", "RUN", text)


@pytest.mark.parametrize(("format_", "name"), [("text", "report.txt"), ("markdown", "report.md")])
def test_the_report_on_a_rollback_reads_as_it_should(failed: Project, format_: str, name: str) -> None:
    result = failed("report", "--format", format_)
    assert result.code == 0, result.err
    assert comparable(result.out).splitlines() == (HERE / name).read_text(encoding="utf-8").splitlines(), result.out


def test_text_stays_within_100_columns(failed: Project) -> None:
    assert max(map(len, failed("report").out.splitlines())) <= 100


def test_json_says_the_same_under_stable_keys(failed: Project) -> None:
    plain, named = failed("report", "--json"), failed("report", "client.example", "--format", "json")
    assert plain.out == named.out
    data = json.loads(plain.out)
    assert " ".join(data) == (
        "format domain unicode goal run playbook version made_with made_at records as_of result timeline causes checks "
        "safeguards locks gaps phases commands way_back by_hand other_runs unclear"
    )
    (cause,) = data["causes"]
    assert (cause["came_from"], cause["gate"], cause["phase"]) == ("check", "web", 2)
    assert cause["guarded"] == [f"@, www A: {OLD} → {NEW}"]
    assert cause["affected"]["since"] < cause["first_bad"] < cause["decided_at"] < cause["affected"]["until"]
    assert [(gap["kind"], gap["phase"]) for gap in data["gaps"]] == [("gate off", 1), ("gate off", 2)]
    assert [(phase["number"], phase["state"]) for phase in data["phases"]] == (
        [(1, "done"), (2, "rolled back"), (3, "later"), (4, "no work"), (5, "later")]
    )
    assert [command["line"] for command in data["commands"]] == (
        ["dnsrun plan client.example", "dnsrun apply client.example --phase 2"]
    )
    for told in data["timeline"]:
        assert told["at"].endswith("Z")


def test_the_commands_of_the_report_work(failed: Project) -> None:
    failed.world.web_new.status = 200
    follows: Callable[[], object] = partial(failed.world.ns2.refresh, APEX)
    cast("Plot", failed.world.clock).begin(dict.fromkeys(range(1, 50), follows))
    for command in json.loads(failed("report", "--json").out)["commands"]:
        arguments = command["line"].split()[1:]
        result = failed(*arguments, *(("--yes",) if "apply" in arguments else ()))
        assert result.code == 0, result.all
    data = json.loads(failed("report", "--json").out)
    assert data["result"].startswith('Phase 2 "switch A" is done')
    (back, everything) = data["way_back"]
    assert f"@, www A: {NEW} → {OLD}" in back["does"]
    assert everything["line"].endswith("--all")
    assert failed(*back["line"].split()[1:], "--yes").code == 3


@pytest.mark.parametrize("format_", FORMATS)
def test_a_report_can_be_written_to_a_file(failed: Project, format_: str) -> None:
    path = failed.folder / "report.out"
    result = failed("report", "--format", format_, "--output", str(path))
    assert (result.code, result.out) == (0, "")
    assert str(path) in result.err
    assert path.read_text(encoding="utf-8").rstrip() == failed("report", "--format", format_).out.rstrip()
    refused = failed("report", "--output", str(failed.folder / "nowhere" / "x"))
    assert refused.code == 2
    assert "the report cannot be written" in refused.err


def test_phase_1_done_says_until_when_the_switch_is_locked(project: Project) -> None:
    assert project("apply", "--phase", "1", "--yes").code == 0
    data = json.loads(project("report", "--json").out)
    (lock,) = data["locks"]
    assert lock["until"] == data["commands"][1]["not_before"] == data["phases"][1]["not_before"]
    assert project("apply", "--phase", "2", "--yes").code == 75
    text = project("report").out
    assert "Nothing has failed in this run" in text
    assert re.search(r"switch A +next, not before 2026-03-03 \d\d:\d\d JST", text)


def test_a_phase_that_is_refused_says_that_nothing_was_changed(lowered: Project) -> None:
    lowered.world.web_new.status = 503
    assert lowered("apply", "--phase", "2", "--yes").code == 5
    data = json.loads(lowered("report", "--json").out)
    assert "was refused, and what users get was not changed" in data["result"]
    (cause,) = data["causes"]
    assert (cause["came_from"], cause["affected"]) == ("check", None)
    assert "answers 503" in cause["says"]


def test_a_finished_run_has_nothing_left_to_type(lowered: Project) -> None:
    for phase in ("2", "3", "5"):
        assert lowered("apply", "--phase", phase, "--yes").code == 0, phase
    data = json.loads(lowered("report", "--json").out)
    assert data["result"] == "The run is finished."
    assert data["commands"] == data["way_back"] == data["by_hand"] == []
    assert data["locks"][0]["until"] is None
    assert "Nothing: no phase is left." in lowered("report").out


def test_what_waits_for_a_person_stands_in_the_procedure(project: Project) -> None:
    from cli.test_by_hand import BY_HAND

    project.write(BY_HAND)
    reason = "the client is at the phone"
    assert project("apply", "--yes", "--accept", f"manual-rollback={reason}").code == 6
    data = json.loads(project("report", "--json").out)
    (task,) = data["by_hand"]
    assert task["who"] == "panel"
    assert NEW in task["text"]
    (risk,) = [gap for gap in data["gaps"] if gap["kind"] == "risk accepted"]
    assert reason in risk["says"]
    assert "a person must act at panel" in risk["says"]
    assert data["commands"][0]["line"] == "dnsrun resume client.example"
    assert 'Phase 1 "switch A" is under way.' in project("report").out


def test_a_rollback_that_is_not_complete_says_so(project: Project) -> None:
    from cli.test_by_hand import BY_HAND, typed_in

    project.write(BY_HAND)
    project("apply", "--yes", "--accept", "manual-rollback=fine")
    typed_in(project, OLD, NEW)
    assert project("resume", "client.example").code == 0
    assert project("rollback", "--yes").code == 4
    data = json.loads(project("report", "--json").out)
    assert data["result"].startswith("The rollback is not complete")
    assert data["phases"][0]["state"] == "going back"
    (cause,) = data["causes"]
    assert (cause["came_from"], cause["affected"]["until"]) == ("person", None)
    text = project("report").out
    assert 'Phase 1 "switch A" is being taken back, as a person asked' in text
    assert "on; the way back is not finished" in text
    assert re.search(rf"^ +then: {re.escape(OLD)}   TTL", text, re.MULTILINE), "the sheet is kept line by line"
    assert f"       then: {OLD}   TTL" in project("report", "--format", "markdown").out


def test_the_newest_run_is_told_and_others_by_their_name(failed: Project) -> None:
    journal = FileJournal(failed.state, failed.world.clock)
    first = json.loads(failed("report", "--json").out)["run"]
    digest = journal.put(GUARDED, suffix="yaml")
    opened = Opened("ab" * 8, "client.example", digest, "client.yaml", ((1, "lower TTLs"),), "0.1.0")
    journal.append(opened, head=journal.head())
    newest = json.loads(failed("report", "--json").out)
    assert (newest["run"], newest["causes"], newest["other_runs"]) == ("ab" * 8, [], [first])
    older = json.loads(failed("report", "--json", "--run", first[:6]).out)
    assert (older["run"], len(older["causes"])) == (first, 1)
    unknown = failed("report", "--run", "zz")
    assert unknown.code == 2
    assert first in unknown.err


@pytest.mark.parametrize("damage", ["cut", "changed", "plan changed", "plan gone"])
def test_a_journal_that_cannot_be_trusted_gives_no_report(failed: Project, damage: str) -> None:
    """Threat 15, fault 58: the same sentence as other commands, and nothing that looks like a report."""
    path = failed.state / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    plan = next(file for file in (failed.state / "captures").glob("*.plan.json") if NEW in file.read_text())
    match damage:
        case "cut":
            path.write_text("".join(lines[:-2]))
        case "changed":
            path.write_text("".join(lines).replace("answers 503", "answers 200"))
        case "plan changed":
            plan.write_text(plan.read_text().replace(NEW, OLD))
        case "plan gone":
            plan.unlink()
    result = failed("report")
    assert (result.code, result.out) == (failed("report", "--json").code, "")
    assert result.code != 0
    if damage in {"cut", "changed"}:
        assert result.err == failed("status").err
    else:
        assert "nothing was changed" in result.err


def test_without_a_journal_there_is_nothing_to_report(project: Project) -> None:
    for arguments in ((), ("client.example",)):
        refused = project("report", *arguments)
        assert refused.code == 2
        assert "nothing to report" in refused.err
    assert project("report", "--json", "--format", "text").code == 2


def hostile_playbook() -> str:
    values = "\n".join(f"  - {{names: [t{n}], type: TXT, value: {json.dumps(text)}}}" for n, text in enumerate(HOSTILE))
    goal = json.dumps("\x1b]0;owned\x07 \u202e <b>goal</b> [x](javascript:alert(1)) | `x`")
    text = PLAYBOOK.replace("goal: The web site moves.", f"goal: {goal}")
    return text.replace("records:\n", f"records:\n{values}\n")


@pytest.fixture
def hostile(project: Project) -> Project:
    """Records, a goal and a reason that try to be something else than text."""
    project.write(hostile_playbook())
    assert project("apply", "--phase", "1", "--yes").code == 0, project("apply", "--phase", "1", "--yes").all
    project.world.clock.advance(26 * 3600)
    result = project("apply", "--phase", "2", "--yes")
    assert result.code == 0, result.all
    return project


@pytest.mark.parametrize("format_", FORMATS)
def test_nothing_from_outside_steers_a_terminal(hostile: Project, format_: str) -> None:
    """Threat 16."""
    out = hostile("report", "--format", format_).out
    assert "onerror" in out
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)


def test_nothing_from_outside_is_markup_in_markdown(hostile: Project) -> None:
    """Threat 17: parsed, the report holds headings, tables, lists and text, and every value as it was given."""
    text = hostile("report", "--format", "markdown").out
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    assert {token.type.removesuffix("_open").removesuffix("_close") for token in tokens} <= (
        {"heading", "paragraph", "bullet_list", "list_item", "table", "thead", "tbody", "tr", "th", "td", "inline"}
        | {"code_block"}
    )
    assert {child.type for child in inline} <= {"text", "text_special", "softbreak"}
    shown = "".join(child.content for child in inline)
    for value in HOSTILE:
        assert value in shown
    assert not re.search(r"(?i)https?://|www\.|<(?!/?$)", text.replace("| --- ", ""))


def test_internal_names_are_for_those_who_ask_for_them(failed: Project) -> None:
    """Threats 2, 27: no login, path, secret, key name or error text of a host's API goes to the client."""
    journal = FileJournal(failed.state, failed.world.clock)
    digest = journal.put(GUARDED, suffix="yaml")
    run = json.loads(failed("report", "--json").out)["run"]
    private = "/home/canary/clients/client.yaml"
    error = "HTTP 422 from https://api.host.example/v1/zones/canary-zone-4711: key canary-key"
    for entry in (
        Opened(run, "client.example", digest, private, ((1, "lower TTLs"), (2, "switch A")), "0.1.0"),
        Failed(0, 1, error, retryable=False, in_doubt=False),
        PersonAnswered(0, "done", "canary-login"),
        RollbackAsked("all", None, "canary-login"),
    ):
        journal.append(entry, head=journal.head())
    for format_ in FORMATS:
        assert "canary" not in failed("report", "--format", format_).all
        told = failed("report", "--format", format_, "--internal").out.replace("\\", "").replace("&#58;", ":")
        assert "canary-login" in told
        assert "canary-zone-4711" in told


def test_no_secret_is_in_a_report(project: Project) -> None:
    """Threats 1, 2, 27."""
    keyed = "server: 198.51.100.53, key_name: canary-name., key_secret: {env: TSIG},"
    project.write(PLAYBOOK.replace("server: 198.51.100.53,", keyed))
    project.environment["TSIG"] = "Y2FuYXJ5LWM0bjRyeQ=="
    journal = FileJournal(project.state, project.world.clock)
    digest = journal.put(project.playbook.read_text(), suffix="yaml")
    opened = Opened("cd" * 8, "client.example", digest, "client.yaml", ((1, "lower TTLs"),), "0.1.0")
    journal.append(opened, head=journal.head())
    for format_ in FORMATS:
        told = project("report", "--format", format_).all
        assert "The web site moves." in told
        for secret in ("Y2FuYXJ5", "canary-name", "TSIG"):
            assert secret not in told


def test_both_sides_are_in_the_report_of_the_world(failed: Project) -> None:
    """What the report says of the way back is what the servers hold."""
    for server in (failed.world.ns1, failed.world.ns2):
        assert failed.world.values(server) == [f"600 {OLD}"]
    text = failed("report").out
    assert f"@, www A: {NEW} → {OLD}" in text
    assert failed.world.ns1.serial(APEX) > 7
