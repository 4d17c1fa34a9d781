"""Mail goes back to the old server, whatever such servers say otherwise each time they are asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import worlds
from cli.conftest import Project
from mailwords import Script, smtp
from webworld import raw

MAIL_OLD, MAIL_NEW = "192.0.2.25", "203.0.113.25"
PLAYBOOK = worlds.PLAYBOOK.partition("records:")[0].replace(
    "mail: {", f"mail: {{moves: true, senders: [{{address: {MAIL_OLD}, until: 2026-03-01}}], "
) + (f"records:\n  - {{names: [mail], type: A, was: {MAIL_OLD}, value: {MAIL_NEW}}}\n")
GREYLISTED = "451 4.7.1 Greylisted, please try again in 300 seconds"
BLOCKED = "554 5.7.1 Service unavailable; Client host [198.51.100.7] blocked using zen.spamhaus.org; id={}"


@pytest.fixture
def old_server() -> Script:
    return smtp()


@pytest.fixture
def moved(project: Project, old_server: Script) -> Iterator[Project]:
    """Mail is about to move from one server to another."""
    project.write(PLAYBOOK)
    with raw(old_server) as old, raw(smtp()) as new:
        project.world.places |= {(MAIL_OLD, 25): old, (MAIL_NEW, 25): new}
        assert project("apply", "--phase", "1", "--yes").code == 0
        project.world.clock.advance(26 * 3600)
        yield project


@pytest.mark.parametrize(
    ("at_first", "later"),
    [
        (GREYLISTED, "250 2.1.5 Ok"),
        ("250 2.1.5 Ok", GREYLISTED),
        (BLOCKED.format("a1"), BLOCKED.format("b2")),
        (BLOCKED.format("a1"), "250 2.1.5 Ok"),
        ("550 5.1.1 no such user (id a1)", "550 5.1.1 no such user (id b2)"),
    ],
    ids=["greylisted at first", "greylisted later", "blocked", "blocked at first", "no postmaster"],
)
def test_what_the_old_server_says_otherwise_each_time_keeps_no_mail_from_going_back(
    moved: Project, old_server: Script, at_first: str, later: str
) -> None:
    old_server.replies = {**old_server.replies, "RCPT": at_first}
    assert moved("apply", "--phase", "2", "--yes").code == 0
    old_server.replies = {**old_server.replies, "RCPT": later}

    result = moved("rollback", "--yes")

    assert result.code == 3, result.all
    assert moved.world.values(moved.world.ns1, "mail.client.example.") == [f"600 {MAIL_OLD}"]


def test_mail_that_was_no_better_before_is_no_finding_of_verify_and_watch(moved: Project, old_server: Script) -> None:
    """A server that takes no mail for postmaster, and one that nobody can be asked about from here."""
    refusing = "550 5.1.1 no such user"
    old_server.replies = {**old_server.replies, "RCPT": refusing}
    with raw(smtp(RCPT=refusing)) as new:
        moved.world.places[MAIL_NEW, 25] = new
        before = moved("verify")
        assert moved("apply", "--phase", "2", "--yes").code == 0
        verified, watched = moved("verify"), moved("watch")

    assert before.code == 0, before.all
    assert refusing in before.out
    assert verified.code == 0, verified.all
    assert watched.code == 0, watched.all


def test_a_new_server_without_a_postmaster_is_refused_with_the_way_on(moved: Project) -> None:
    with raw(smtp(RCPT="550 5.4.1 Recipient address rejected: Access denied")) as new:
        moved.world.places[MAIL_NEW, 25] = new
        result = moved("apply", "--phase", "2", "--yes")

    assert result.code == 5, result.all
    assert "550 5.4.1 Recipient address rejected" in " ".join(result.out.split())
    assert "`gates: [{kind: smtp, rcpt: MAILBOX}]`" in " ".join(result.out.split())
    assert moved.world.values(moved.world.ns1, "mail.client.example.") == [f"600 {MAIL_OLD}"]
