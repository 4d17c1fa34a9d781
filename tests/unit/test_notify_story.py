"""What a journal gives to tell, and in which forms."""

from __future__ import annotations

import json
from datetime import timedelta
from email import message_from_bytes, policy

import dns.name
import pytest

from dnsrun.errors import Exit
from dnsrun.model.entry import (
    Astray,
    DueSet,
    Entry,
    Judged,
    Opened,
    PersonAsked,
    PhaseEnded,
    Planned,
    Record,
    Resumed,
    RollbackAsked,
    RollbackBegun,
    RunEnded,
)
from dnsrun.model.plan import Check, Hold, Move, Plan
from dnsrun.model.playbook import NOTICES, EmailSpec, GateSpec, Mark, SecretRef, WebhookSpec
from dnsrun.model.times import full_time
from dnsrun.notify.letters import body, letter
from dnsrun.notify.story import Message, Story, follow
from planworld import NOON

OPENED = Opened(
    "run1", "client.example", "p", "client.yaml", ((1, "lower TTLs"), (2, "switch A"), (4, "switch NS")), "1"
)
HOOK = WebhookSpec(SecretRef("env", ("HOOK",)), "slack", frozenset(NOTICES), allow_private=False, mark=Mark("f", 1, 1))
GO = GateSpec("confirm", "go", {})
UNANSWERED = Judged(0, "go", "unknown", 'a person must answer: "Go?"', not_yet=False, asked=0)


def told(*entries: Entry, moves: tuple[Move, ...] = ()) -> list[Message]:
    plan = Plan("run1", 2, "switch A", "forward", (), moves, "c")
    story, found = Story(), []
    for seq, entry in enumerate((OPENED, *entries), start=1):
        record = Record(seq, NOON + timedelta(seconds=seq), "", entry, "")
        story, message = follow(story, record, lambda _: plan)
        found += [message] if message else []
    return found


def planned(phase: int, *covers: int) -> Planned:
    return Planned(phase, "back" if covers else "forward", "digest", "c", covers)


def test_a_phase_with_a_watch_tells_that_it_has_ended() -> None:
    watch = Hold("watch", None, (), ())
    (message,) = told(planned(2), DueSet(0, NOON, "until"), PhaseEnded(2, "done", "done"), moves=(watch,))
    assert message.notices == ("watch-ended", "done")
    assert message.text == 'phase 2 "switch A" is done; its watch has ended'


def test_a_wait_is_no_watch() -> None:
    wait = Hold("wait", 60, (), ())
    (message,) = told(planned(2), DueSet(0, NOON, "wait"), PhaseEnded(2, "done", "done"), moves=(wait,))
    assert message.notices == ("done",)


def test_the_last_phase_tells_that_the_run_is_finished() -> None:
    (message,) = told(planned(4), RunEnded("finished"), PhaseEnded(4, "done", "done"))
    assert message.text == 'phase 4 "switch NS" is done; the run is finished'


def test_a_rollback_that_somebody_asked_for_is_no_failed_gate() -> None:
    (message,) = told(
        planned(2), RollbackAsked("newest", None, "me"), RollbackBegun((2,), "asked"), planned(2, 2),
        PhaseEnded(2, "rolled-back", ""),
    )  # fmt: skip
    assert (message.notices, message.exit) == (("rolled-back",), Exit.ROLLED_BACK)


def test_several_phases_that_go_back_together_are_told_once() -> None:
    found = told(
        planned(4), RollbackBegun((4, 2), "gate failed"), planned(4, 4, 2), PhaseEnded(4, "rolled-back", ""),
        PhaseEnded(2, "rolled-back", "www A: somebody else's"),
    )  # fmt: skip
    assert [message.notices for message in found] == [("gate-failed",), ("rolled-back",)]
    assert found[1].text == (
        'phase 4 "switch NS", phase 2 "switch A" was rolled back and checked: www A: somebody else\'s'
    )


@pytest.mark.parametrize(
    ("outcome", "notice", "code"),
    [("paused", "paused", 6), ("rollback-incomplete", "rollback-incomplete", 4), ("refused", "gate-failed", 5)],
)
def test_other_endings(outcome: str, notice: str, code: int) -> None:
    (message,) = told(planned(2), PhaseEnded(2, outcome, "why"))  # type: ignore[arg-type] # parametrised
    assert (message.notices, message.exit) == ((notice,), code)
    assert message.text.endswith(": why")


def test_a_question_is_told_once_until_somebody_resumes() -> None:
    ask = Check(GO, "before", ())
    found = told(planned(2), UNANSWERED, UNANSWERED, Resumed(2), UNANSWERED, moves=(ask,))
    assert [message.text for message in found] == ['phase 2 "switch A" needs a person: a person must answer: "Go?"'] * 2


def test_an_instruction_keeps_its_lines_and_can_steer_no_terminal() -> None:
    (message,) = told(planned(2), PersonAsked(0, "client", "first\nsecond\x1b[31m"))
    assert message.text == 'phase 2 "switch A" needs a person: client: first\nsecond\\x1b[31m'


def seen(*servers: str, what: str = "park.example", ttl_s: int = 900) -> Astray:
    return Astray(0, tuple((server, what) for server in servers), len(servers), ttl_s)


def test_a_placeholder_is_told_when_it_is_seen_and_when_it_is_gone() -> None:
    first, over = told(planned(4), seen("a.nic.example", "b.nic.example"), seen("a.nic.example"), Astray(0))
    assert (first.notices, first.exit, over.notices, over.exit) == (
        ("incident",), Exit.FINDINGS, ("incident",), Exit.DONE,
    )  # fmt: skip
    assert first.text.startswith(
        'INCIDENT in phase 4 "switch NS": a.nic.example of the parent zone (and 1 more) gives park.example, neither '
        "the old nor the new name servers; caches keep that up to 900 s."
    )
    assert "it is over" not in first.text
    assert over.text.startswith('phase 4 "switch NS": the incident is over, no server of the parent zone gives')
    assert full_time(over.at + timedelta(seconds=900)) in over.text


def test_a_parent_that_goes_back_and_forth_is_told_once() -> None:
    found = told(planned(4), *[seen("a.nic.example"), Astray(0)] * 9)
    assert [message.text.startswith("INCIDENT") for message in found] == [True, False]


def test_other_name_servers_and_those_of_the_way_back_are_told_again() -> None:
    other = seen("a.nic.example", what="other.example")
    found = told(planned(4), seen("a.nic.example"), other, Astray(0), planned(4, 4), seen("a.nic.example"), Astray(0))
    assert [message.text.startswith("INCIDENT") for message in found] == [True, True, False, True, False]


def test_slack_gets_no_markup_of_ours() -> None:
    (message,) = told(planned(2), PhaseEnded(2, "paused", "<!channel> & more"))
    assert json.loads(body(message, "paused", HOOK)) == {
        "text": 'client.example: phase 2 "switch A" is paused, a person must decide: &lt;!channel&gt; &amp; more'
    }


def test_a_mail_reads_in_any_program() -> None:
    spec = EmailSpec(
        to=("ops@example.net",), sender="dnsrun@example.net", server=dns.name.from_text("smtp.example.net"), port=587,
        user="", password=None, on=frozenset(NOTICES), allow_private=False, mark=Mark("f", 1, 1),
    )  # fmt: skip
    (message,) = told(planned(2), PhaseEnded(2, "paused", "株式会社"))
    octets = letter(message, "paused", spec)
    read = message_from_bytes(octets, policy=policy.default)
    assert read["Subject"] == "client.example: paused (phase 2)"
    assert read["Auto-Submitted"] == "auto-generated"
    assert "株式会社" in read.get_content()
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
