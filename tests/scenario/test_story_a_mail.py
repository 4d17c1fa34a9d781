"""Story A with its mail: a relay in the MX, mailboxes behind a name that no dictionary has, on real servers.

BIND and Knot on both sides of the move, Postfix twice, Dovecot, nginx twice. Mail programs open the mailbox in every
second of virtual time, each behind a cache of its own kind; somebody elsewhere writes a message a second.
"""

from __future__ import annotations

import imaplib
import json
import os
import smtplib
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import dns.name
import dns.query
import dns.rcode
import dns.update
import pytest
import trustme

import worlds
from cli.conftest import Project, Result
from dnsrun.model.times import full_time
from dnsrun.rehearse.cache import CacheKind
from dnsrun.rehearse.users import through
from dnsrun.rehearse.website import DOWN, GOOD, Site
from everysecond import Users
from mailstream import MailStream, numbers
from scenario.test_stories_ns import (
    KEY,
    MAIL,
    MOVE_A,
    NEW_PLACES,
    OLD_PLACES,
    ONLY_A,
    RECORDS_A,
    ROOTS,
    ZONE_A,
    LivedClock,
    Move,
    content,
    move,
)
from servers import Bind, Dovecot, Knot, Nginx, Postfix, Primary, Secondary, Starter
from servers.running import RunningServer
from servers.waiting import eventually
from worlds import NEW, OLD, START

DOMAIN, PASSWORD = "client.example", "right-7"
IMAP, SUBMISSION = "imap-7f3a.client.example", "smtp-7f3a.client.example"
RELAYS = ("198.51.100.25", "198.51.100.26")
NS_TTL_S, TTL_S, NEGATIVE_S = 300, 60, 70  # of the delegation, and what the new host gives
COPY, SWITCH = "copy the zone", "switch the name servers"
# What the operator of the VPS hands over as the whole zone: a DKIM key that nobody could guess, and no mailbox host.
FORGETFUL = "".join(line for line in ZONE_A.splitlines(keepends=True) if "7f3a" not in line)
RELAY_SAID = "mailboxes: [mx1.relay.example]"  # "the mail is on another server", as the client said and the MX looks
ACCOUNT = f"""{RELAY_SAID}
  accounts:
    test: {{address: test@{DOMAIN}, user: test, password: {{env: MAIL_PASSWORD}},
           imap: {IMAP}, submission: {SUBMISSION}}}"""
DECLARED = ACCOUNT.replace(RELAY_SAID, f"mailboxes: [{IMAP}]\n  submission: [{SUBMISSION}]")
BEFORE = ('{kind: imap, account: test, ca: "CA"}', '{kind: submission, account: test, ca: "CA"}')
AFTER = tuple(gate.replace("}", ", at: after}") for gate in BEFORE)
OFF = '{kind: parity, off: "compared by hand"}'


@dataclass(frozen=True)
class Seat:
    """Where a mail program sits: behind which kind of cache, and how many seconds ago that was filled."""

    kind: CacheKind
    filled_s: int

    def __str__(self) -> str:
        return f"{self.kind.name}, filled {self.filled_s} s before"


ORDINARY, STRETCHES = CacheKind("ordinary"), CacheKind("stretches short TTLs to 15 minutes", min_ttl_s=900)
SEATS = (
    Seat(STRETCHES, 299),
    Seat(ORDINARY, 298),
    Seat(CacheKind("keeps absences for 10 seconds", max_negative_ttl_s=10), 290),
    Seat(CacheKind("keeps nothing long", max_ttl_s=30), 110),
    Seat(ORDINARY, 60),
    Seat(ORDINARY, 5),
)


class Program(Site):
    """What a mail program meets at the mailbox server: a real log-in once a minute, else as the last one went."""

    def __init__(self, try_it: Callable[[], None]) -> None:
        super().__init__("a mailbox")
        self._try_it = try_it
        self._visits = 0
        self._last = DOWN

    def get(self) -> int:
        if self._visits % 60 == 0:
            try:
                self._try_it()
                self._last = GOOD
            except (OSError, imaplib.IMAP4.error, smtplib.SMTPException):
                self._last = DOWN
        self._visits += 1
        return self._last


class MailClock(MailStream, LivedClock):
    """Somebody writes, and mail programs look in, in every second of the waits; before each, a `hand` may act."""

    hand: Callable[[], None] | None = None

    def wait_until(self, when: datetime) -> None:
        if self.hand:
            self.hand()
        super().wait_until(when)


@dataclass(frozen=True)
class Servers:
    """The mailboxes, which are at neither web server, the relay before them, and the web servers."""

    box: Dovecot
    post: Postfix
    relay: Postfix
    web_old: Nginx
    web_new: Nginx
    ca: Path

    def places(self) -> dict[tuple[str, int], tuple[str, int]]:
        here = "127.0.0.1"
        of_relays = {(address, 25): (here, self.relay.port) for address in RELAYS}
        of_webs = {(OLD, 80): self.web_old.place, (NEW, 80): self.web_new.place}
        of_mail = {(MAIL, 587): (here, self.post.submission_port), (MAIL, 993): (here, self.box.port)}
        return of_relays | of_webs | of_mail


@dataclass
class Story:
    """The name servers of both hosts, and a project folder with the command in it."""

    move: Move
    project: Project

    def write(self, text: str, zone: str | None = ZONE_A) -> None:
        """Write the playbook, and the file that the operator of the VPS gave."""
        self.project.write(text)
        if zone is not None:
            (self.project.playbook.parent / "client.zone").write_text(zone)

    def apply(self, phase: str, *options: str) -> Result:
        return self.project("apply", "--phase", phase, "--yes", *options)

    def assert_not_switched(self) -> None:
        assert self.move.delegated() == set(OLD_PLACES)
        assert self.move.old.serial(DOMAIN) == 7, "nothing was written at the VPS"


Seated = Mapping[Seat, tuple[Users, Users]]


@dataclass
class MailStory(Story):
    """The same with the mail servers, and with the people who read and write."""

    clock: MailClock
    servers: Servers

    def write(self, text: str, zone: str | None = ZONE_A) -> None:
        super().write(text.replace('"CA"', f'"{self.servers.ca}"'), zone)

    def sit(self) -> Seated:
        """Have everybody read and send, those with the oldest caches first; ends when all have begun."""
        begin = self.clock.now() + timedelta(seconds=max(seat.filled_s for seat in SEATS))
        seated: dict[Seat, tuple[Users, Users]] = {}
        for seat in SEATS:
            self.clock.wait_until(begin - timedelta(seconds=seat.filled_s))
            seated[seat] = self.sits(seat.kind)
        self.clock.wait_until(begin)
        return seated

    def sits(self, kind: CacheKind = ORDINARY) -> tuple[Users, Users]:
        """Have somebody read and send through caches that begin empty now."""
        return self._people(IMAP, self._read, kind), self._people(SUBMISSION, self._send, kind)

    def _people(self, host: str, try_it: Callable[[], None], kind: CacheKind) -> Users:
        send = through(self.move.net)
        users = Users(dns.name.from_text(host), {MAIL: Program(try_it)}, ROOTS, send, self.clock.now(), kind)
        self.clock.users.append(users)
        return users

    def _read(self) -> None:
        with imaplib.IMAP4_SSL("127.0.0.1", self.servers.box.port, ssl_context=self._trust(), timeout=5) as line:
            line.login("test", PASSWORD)

    def _send(self) -> None:
        port = self.servers.post.submission_port
        with smtplib.SMTP("127.0.0.1", port, local_hostname="pc.example", timeout=5) as line:
            line.starttls(context=self._trust())
            line.login("test", PASSWORD)

    def _trust(self) -> ssl.SSLContext:
        trust = ssl.create_default_context(cafile=self.servers.ca)
        trust.check_hostname = False  # it connects to where the server really listens
        return trust

    def went_back_at(self) -> datetime:
        """Return when the way back was planned: what was wrong was known, and nothing was written yet."""
        records = map(json.loads, (self.project.state / "journal.jsonl").read_text().splitlines())
        back = (one for one in records if one["entry"]["is"] == "Planned" and one["entry"]["direction"] == "back")
        return datetime.fromisoformat(next(back)["at"])

    def assert_all_mail_is_there(self) -> None:
        """The MX leads to the relay on both sides: nothing that strangers write is lost, late or returned."""
        self.clock.finish()
        letters = self.clock.letters
        assert letters
        assert not [letter for letter in letters if len(letter.tries) > 1 or letter.bounced]
        written = [letter.number for letter in letters]
        eventually(lambda: numbers(self.servers.box.messages("test")) == written, what="every message in the mailbox")
        print(f"{len(written)} messages, all in the mailbox, each taken at the first try")  # noqa: T201 # their fate


def broken_after(seated: Seated, since: datetime) -> dict[Seat, int]:
    """Return for how many seconds after a time reading or sending still failed, and print it by kind of cache."""
    found = {}
    for seat, people in seated.items():
        last = [users.visits.outages[-1].last_at for users in people if users.visits.outages]
        found[seat] = max(0, *(int((at - since).total_seconds()) for at in last)) if last else 0
        read, sent = (users.visits.broken for users in people)
        words = f"{seat}: {read} s no reading, {sent} s no sending, the last one {found[seat]} s after going back"
        print(words)  # noqa: T201 # a scenario tells what users would have seen
    return found


def assert_mail_is_back_soon(seated: Seated, went_back_at: datetime) -> None:
    """S10, for those who had asked the new servers already; who is behind an honest cache waits no longer."""
    lasted = broken_after(seated, went_back_at)
    honest = [seconds for seat, seconds in lasted.items() if seat.kind != STRETCHES]
    assert max(honest) <= max(TTL_S, NEGATIVE_S) + 2
    assert sum(seconds > 0 for seconds in honest) > 1


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """What the mail and the web run on: nothing of it changes in any of the tests."""
    folder = tmp_path_factory.mktemp("certificates")
    folder.chmod(0o755)
    made = trustme.CA()
    made.cert_pem.write_to_path(folder / "ca.pem")
    pem = folder / "mail.pem"
    made.issue_cert(IMAP, SUBMISSION).private_key_and_cert_chain_pem.write_to_path(pem)
    with ExitStack() as stack:
        start = Starter(stack)
        box = start(Dovecot({"test": PASSWORD}, pem))
        post = start(Postfix(f"{IMAP}.", [DOMAIN], box, pem))
        relay = start(Postfix("mx1.relay.example.", [DOMAIN], box, pem, routes={DOMAIN: post.port}))
        yield Servers(box, post, relay, start(Nginx()), start(Nginx()), folder / "ca.pem")


@pytest.fixture
def story(tmp_path: Path, start: Starter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """The VPS, whose zone nobody of us can list or write, and the new host."""
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    second = Knot()
    vps = start(Bind([Primary(DOMAIN, ZONE_A, key=KEY, notify=(second.endpoint,))]))
    start(second).add(Secondary(DOMAIN, vps.endpoint, key=KEY))
    folder = tmp_path / "clients"
    (folder / "playbooks").mkdir(parents=True)
    monkeypatch.chdir(folder)
    with ExitStack() as stack:
        made = move(tmp_path, start, stack, monkeypatch, vps, second, negative_s=NEGATIVE_S)
        environment = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
        yield Story(made, Project(folder, cast("worlds.World", made), environment))


@pytest.fixture
def mail(story: Story, servers: Servers) -> Iterator[MailStory]:
    """The mailbox is empty, and everybody lives by the clock of the run."""
    servers.box.empty_mailbox("test")
    clock = MailClock(START, DOMAIN)
    story.move.places |= servers.places()
    story.move.clock = clock
    clock.connect(story.move.net, ROOTS, dict.fromkeys(RELAYS, servers.relay.port))
    yield MailStory(story.move, story.project, clock, servers)
    clock.finish()


def playbook(mail: str, *gates: str) -> str:
    """Return story A's playbook with other words about the mailboxes, and with gates at the switch."""
    before, front = MOVE_A.index("  mailboxes:"), MOVE_A.index("  front:")
    text = MOVE_A[:before] + (f"  {mail}\n" if mail else "") + MOVE_A[front:]
    steps = "steps: [{kind: switch-ns}, {kind: watch, for: all-caches}]\n"
    return text.replace(steps, f"{steps}    gates: [{', '.join(gates)}]\n") if gates else text


def test_what_is_only_known_from_public_questions_is_never_switched_to(story: Story) -> None:
    """No dictionary has the mailbox host: such a zone is neither copied nor delegated to."""
    story.write("\n".join(line for line in MOVE_A.splitlines() if "capture:" not in line), None)
    probed = story.apply(COPY)
    assert probed.code == 5
    assert "only known from public questions" in probed.all
    assert story.apply(SWITCH).code == 5
    story.assert_not_switched()


def test_who_was_not_asked_where_the_mailboxes_are_does_not_switch(story: Story) -> None:
    story.write(playbook(""))
    assert story.apply(COPY).code == 0
    relayed = story.apply(SWITCH)
    assert relayed.code == 5
    assert "goes to mx1.relay.example, which may be a relay in front of the mailboxes" in " ".join(relayed.all.split())
    story.write(MOVE_A[: MOVE_A.index("mail:")] + MOVE_A[MOVE_A.index("records:") :])
    unasked = story.apply(SWITCH, "--accept-changes")
    assert unasked.code == 5
    assert "the playbook does not say where the mailboxes are" in " ".join(unasked.all.split())
    story.assert_not_switched()


def test_the_hosts_that_the_operator_tells_are_named_when_the_file_lacks_them(story: Story) -> None:
    story.write(MOVE_A, FORGETFUL)
    refused = story.apply(COPY)
    assert refused.code == 5
    for line in (f"{IMAP} A is served ({MAIL})", f"{SUBMISSION} CNAME is served ({IMAP}.)"):
        assert f"{line} and not in the capture: the capture is not whole" in " ".join(refused.all.split())
    story.assert_not_switched()


def test_the_hosts_that_the_operator_tells_are_named_when_the_new_host_lacks_them(story: Story) -> None:
    story.write(MOVE_A)
    refused = story.apply(SWITCH)
    assert refused.code == 5
    missing = refused.all[refused.all.index("missing at onamae_dns") :].splitlines()
    assert [line.split() for line in missing if "7f3a" in line] == [
        ["imap-7f3a", "A", MAIL],
        ["smtp-7f3a", "CNAME", f"{IMAP}."],
    ]
    story.assert_not_switched()


def test_a_mailbox_host_that_the_copy_lacks_is_back_within_the_negative_ttl(mail: MailStory) -> None:
    """The client says "elsewhere", the operator forgets the host; only a mail program's settings have its name."""
    mail.write(playbook(ACCOUNT, *BEFORE), FORGETFUL)
    assert mail.apply(COPY).code == 0
    early = mail.sits()
    foreseen = mail.project("verify")
    assert foreseen.code == 6
    assert f"imap (phase 2, before it runs): {IMAP}:993 {IMAP} has no address" in foreseen.all
    refused = mail.apply(SWITCH)
    assert refused.code == 5, refused.all
    assert f"{IMAP} has no address" in refused.all
    mail.assert_not_switched()
    mail.clock.wait_until(mail.clock.now() + timedelta(seconds=2 * NS_TTL_S))
    assert [users.visits.broken for users in early] == [0, 0], "S10: what a gate sees before costs nobody anything"
    mail.clock.users.clear()

    mail.write(playbook(ACCOUNT, OFF, *AFTER), FORGETFUL)
    web = mail.move.users("www.client.example", OLD)
    seated = mail.sit()
    mail.clock.writing = True
    switched = mail.apply(SWITCH, "--accept-changes")
    assert switched.code == 3, switched.all
    assert f"imap-7f3a → {MAIL}; smtp-7f3a → {IMAP}.; name servers → ns1.client.example" in switched.err
    assert mail.move.new.values(IMAP, "A") == {MAIL}
    mail.assert_not_switched()
    mail.clock.wait_until(mail.clock.now() + timedelta(seconds=NS_TTL_S + 2 * NEGATIVE_S))
    assert_mail_is_back_soon(seated, mail.went_back_at())
    assert web.visits.broken == 0
    mail.assert_all_mail_is_there()


def test_a_mailbox_host_that_somebody_deletes_at_the_new_host_is_back_within_the_negative_ttl(mail: MailStory) -> None:
    """Declared, captured and copied; gone when the name servers have moved. What others change at the VPS stays."""
    mail.write(playbook(DECLARED, OFF, *AFTER))
    assert mail.apply(COPY).code == 0
    seated = mail.sit()
    mail.clock.writing = True

    def meddles() -> None:
        if mail.move.delegated() == set(NEW_PLACES):
            mail.clock.hand = None
            somebody_changes(mail.move.new, lambda message: message.delete("imap-7f3a"))
            somebody_changes(mail.move.old, lambda message: message.add("late", 300, "A", "192.0.2.88"))

    mail.clock.hand = meddles
    switched = mail.apply(SWITCH)
    assert switched.code == 3, switched.all
    assert f"ROLLING BACK  imap-7f3a → {MAIL}; name servers → ns1.client.example" in switched.err
    assert mail.move.new.values(IMAP, "A") == {MAIL}
    assert mail.move.delegated() == set(OLD_PLACES)
    assert mail.move.old.values(f"late.{DOMAIN}", "A") == {"192.0.2.88"}
    mail.clock.wait_until(mail.clock.now() + timedelta(seconds=NS_TTL_S + 2 * NEGATIVE_S))
    assert_mail_is_back_soon(seated, mail.went_back_at())
    mail.assert_all_mail_is_there()


def test_a_mailbox_host_that_nobody_names_waits_for_the_delegation_as_is_said(mail: MailStory) -> None:
    """No gate can know it: the web site is right at once, and the client telephones."""
    mail.write(playbook(RELAY_SAID, OFF), FORGETFUL)
    assert mail.apply(COPY).code == 0
    web = mail.move.users("www.client.example", OLD)
    mail.clock.writing = True
    switched = mail.apply(SWITCH)
    assert switched.code == 0, switched.all
    seated = mail.sit()
    back = mail.project("rollback", DOMAIN, "--yes")
    assert back.code == 3, back.all
    longest = "A name that only vps holds and that nobody knew of may be missing for 12 min at most."
    assert longest in back.err
    said = datetime.fromisoformat(json.loads(mail.project("status", "--json").out)[0]["move"]["unknown_until"])
    assert f"A name that nobody knew of may be missing until {full_time(said)}" in back.out
    assert mail.move.new.values(IMAP, "A") == set()
    mail.clock.wait_until(mail.clock.now() + timedelta(seconds=2 * NS_TTL_S))
    went_back_at = mail.went_back_at()
    lasted = broken_after(seated, went_back_at)
    longest_s = max(seconds for seat, seconds in lasted.items() if seat.kind != STRETCHES)
    assert NS_TTL_S < longest_s <= (said - went_back_at).total_seconds(), "neither too little nor too much was said"
    assert web.visits.broken == 0
    mail.assert_all_mail_is_there()


def only_a(mailbox: str) -> str:
    """Return the playbook in which the client changes two records at the VPS; mail programs open this host."""
    return ONLY_A.replace(f"mailboxes: [{IMAP}]", f"mailboxes: [{mailbox}]")


def test_only_the_a_record_is_not_changed_while_mail_programs_open_the_bare_domain(story: Story) -> None:
    """The second way on: no name server changes, and the mail breaks all the same."""
    story.write(only_a(DOMAIN))
    for command in (("check",), ("plan",), ("apply", "--phase", "switch the A records", "--yes")):
        refused = story.project(*command)
        assert refused.code == 2
        assert f"mail programs use {DOMAIN} (below mail), and its A changes; say affects: mail here" in refused.all
    assert content(story.move.old.transfer(DOMAIN, KEY))[f"{DOMAIN}.", "A"] == {OLD}
    story.assert_not_switched()


def test_only_the_a_record_is_not_changed_while_the_mailbox_host_is_another_name_for_the_domain(story: Story) -> None:
    """Only the zone shows it, so that the whole path is told."""
    somebody_changes(story.move.old, lambda message: message.add("imap", 300, "CNAME", f"{DOMAIN}."))
    followed = story.move.old_second
    eventually(lambda: followed.values(f"imap.{DOMAIN}", "CNAME") == {f"{DOMAIN}."}, what="the second server")
    before = content(story.move.old.transfer(DOMAIN, KEY))
    story.write(only_a(f"imap.{DOMAIN}"), f"{RECORDS_A}imap 300 CNAME @\n")
    assert story.project("check").code == 0
    path = f"mail programs open imap.{DOMAIN} (`mail.mailboxes`) → {DOMAIN} → A {OLD}; changing it moves mail"
    for command in (("plan",), ("apply", "--phase", "switch the A records", "--yes")):
        refused = story.project(*command)
        assert refused.code == 5
        assert f"{DOMAIN} A carries mail: {path}" in refused.all
    assert content(story.move.old.transfer(DOMAIN, KEY)) == before
    assert story.move.delegated() == set(OLD_PLACES)


def somebody_changes(server: RunningServer, how: Callable[[dns.update.UpdateMessage], None]) -> None:
    """Have somebody change the zone where it is held, as at a panel."""
    message = dns.update.UpdateMessage(f"{DOMAIN}.", keyring=KEY.tsig())
    how(message)
    answer = dns.query.tcp(message, server.address, port=server.port, timeout=5)
    assert answer.rcode() == dns.rcode.NOERROR
