"""A mail server moves: nothing is written while SPF would turn away who sends before or after, or in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dnsrun.engine.advance import Ended
from dnsrun.engine.run import Run
from dnsrun.engine.start import prepare
from dnsrun.engine.verify import verify_next
from dnsrun.model.entry import Judged
from switchworld import NEW_SERVERS, NS_ONLY, OLD_SERVERS, switch_world
from worlds import CLIENT_ZONE, PLAYBOOK, Workshop, World, world

OLD_MAIL, NEW_MAIL = "192.0.2.25", "203.0.113.25"
KEPT = "v=spf1 mx ip4:192.0.2.25 -all"
_HEAD = PLAYBOOK[: PLAYBOOK.index("mail:")]
_TEXT = '  - {names: ["@"], type: TXT, was: "BEFORE", value: "AFTER", affects: mail}\n'


def playbook(*, text: tuple[str, str] | None = None, until: str = "switch") -> str:
    """Return the playbook of a mail server that moves, then of an SPF record that changes."""
    senders = f"[{{address: {OLD_MAIL}, until: {until}}}, {{address: {NEW_MAIL}}}]"
    record = _TEXT.replace("BEFORE", text[0]).replace("AFTER", text[1]) if text else ""
    return (
        f"{_HEAD}mail: {{mailboxes: [mail.client.example], moves: true, senders: {senders}}}\n"
        f"records:\n  - {{names: [mail], type: A, was: {OLD_MAIL}, value: {NEW_MAIL}}}\n{record}"
        "gates:\n  - {kind: spf}\n  - {kind: smtp, off: no mail server here}\n"
    )


def phases(*names: str) -> str:
    """Return phases that switch the records of one name each."""
    gated = "gates: [{kind: spf}, {kind: smtp, off: no mail server here}]"
    lines = (
        f"  - {{name: 'switch {one}', {gated}, steps: [{{kind: switch-records, names: ['{one}']}}]}}\n" for one in names
    )
    return "phases:\n" + "".join(lines)


def whole(*names: str, text: tuple[str, str] | None = None, until: str = "switch") -> str:
    return playbook(text=text, until=until).split("gates:\n")[0] + phases(*names)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as one:
        yield one


def phase(here: Workshop, run: Run, number: int) -> Ended:
    accepted = {hazard.name: "known" for hazard in prepare(run, number).plan.hazards}
    here.start(run, number, accepted)
    after = here.drive(run)
    assert isinstance(after, Ended), after
    return after


def said(run: Run) -> list[str]:
    """Return what the gate said, without repetitions."""
    entries = (record.entry for record in run.journal.read())
    return list(dict.fromkeys(one.because for one in entries if isinstance(one, Judged) and one.gate == "spf"))


def test_a_record_that_forgets_the_leaving_server_stops_the_move_before_anything_is_written(here: World) -> None:
    run = here.open(whole("mail"))
    assert phase(here, run, 1).outcome == "refused"
    because = (
        "192.0.2.25 sends mail for client.example, and SPF does not let it pass: -all: fail; add it to the SPF record, "
        "or say in `mail: senders:` from and until when it sends"
    )
    assert said(run) == [because]
    assert here.values(here.ns1, "mail.client.example.") == ["3600 192.0.2.25"]


def test_a_new_sender_is_not_let_pass_by_a_phase_before_it_moves(here: World) -> None:
    run = here.open(whole("@", "mail", text=("v=spf1 mx -all", KEPT)))
    assert phase(here, run, 1).outcome == "refused"
    assert said(run)[-1].startswith("203.0.113.25 sends mail for client.example")


def test_a_sender_that_begins_with_a_later_phase_is_not_asked_for_before(here: World) -> None:
    text = whole("@", "mail", text=("v=spf1 mx -all", KEPT))
    run = here.open(text.replace(f"{{address: {NEW_MAIL}}}", f"{{address: {NEW_MAIL}, from: switch mail}}"))
    assert [phase(here, run, number).outcome for number in (1, 2)] == ["done", "done"]
    assert said(run)[-1] == "the senders of client.example fare as before (addresses tried: 2)"


def test_both_at_once_go_through(here: World) -> None:
    text = whole("mail", text=("v=spf1 mx -all", KEPT)).replace("names: ['mail']", "names: [mail, '@']")
    run = here.open(text)
    assert phase(here, run, 1).outcome == "done"
    assert said(run) == ["the senders of client.example fare as before (addresses tried: 2)"]
    assert here.values(here.ns1, "mail.client.example.") == ["3600 203.0.113.25"]


def test_the_old_server_is_dropped_from_the_record_once_caches_have_followed(tmp_path: Path) -> None:
    with world(tmp_path, CLIENT_ZONE.replace("v=spf1 mx -all", KEPT)) as here:
        run = here.open(whole("mail", "@", text=(KEPT, "v=spf1 mx -all")))
        assert phase(here, run, 1).outcome == "done"
        assert phase(here, run, 2).outcome == "refused"
        assert said(run)[-1].startswith("192.0.2.25 sends mail for client.example")
        here.clock.wait_until(here.clock.now() + timedelta(seconds=3600 + 180))
        assert phase(here, run, 2).outcome == "done"


@pytest.mark.parametrize(("until", "outcome"), [("2026-03-01", "pass"), ("2026-03-02", "fail"), ("always", "fail")])
def test_the_gate_alone_knows_who_has_stopped_sending(here: World, until: str, outcome: str) -> None:
    run = here.open(whole("mail", until=until))
    verdicts = [one.verdict.outcome for one in verify_next(run, prepare(run, 1)) if one.gate.kind == "spf"]
    assert verdicts == [outcome]


SWITCH = (
    NS_ONLY[: NS_ONLY.index("gates:")].replace("[mail.client.example]}", "[mail.client.example], senders: [SENDER]}")
    + "phases:\n  - {name: copy, steps: [{kind: copy-zone}]}\n  - {name: switch, steps: [{kind: switch-ns}]}\n"
)


@pytest.mark.parametrize(
    ("sender", "outcome"), [("{address: 203.0.113.9}", "refused"), ("{address: 192.0.2.25}", "done")]
)
def test_without_being_written_the_gate_stands_before_a_switch_of_the_name_servers(
    tmp_path: Path, sender: str, outcome: str
) -> None:
    with switch_world(tmp_path) as there:
        run = there.open(SWITCH.replace("SENDER", sender))
        assert phase(there, run, 1).outcome == "done"
        assert phase(there, run, 2).outcome == outcome
        assert there.delegated() == set(OLD_SERVERS if outcome == "refused" else NEW_SERVERS)
