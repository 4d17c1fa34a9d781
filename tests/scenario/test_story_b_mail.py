"""Story B with its mail: Postfix and Dovecot twice, nginx twice, PowerDNS, a Knot secondary that refuses NOTIFY.

While it runs somebody writes a message every second of the run's own clock; each one is accounted for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
import trustme

from dnsrun.engine.advance import Advance, DueAt, Ended, NeedsPerson, advance
from dnsrun.engine.run import Ports, Run
from dnsrun.engine.strays import strays
from dnsrun.journal.store import FileJournal
from dnsrun.model.act import Instruct, Refresh, RunCommand, SetService
from dnsrun.model.entry import Intended, PersonAnswered, Planned
from dnsrun.model.plan import Do
from dnsrun.model.playbook import Playbook
from mailstream import MailStream, numbers
from scenario.test_stories import DAY_S, MAIL_NAMES, ZONE_B, above
from servers import Dovecot, Knot, Nginx, Postfix, PowerDns, Primary, Secondary, Starter
from servers.waiting import eventually
from worlds import NEW, OLD, START, EnvSecrets, Workshop

DOMAIN, MAIL_HOST, PASSWORD = "client.example", "mail.client.example", "right-7"
PLAYBOOK = """dnsrun: 1
domain: client.example
goal: The mail moves to the new server.
vars: {mail_old: 192.0.2.10, mail_new: 203.0.113.20}
providers:
  dns: {use: powerdns, api_url: "API_URL", api_key: {env: VPS_KEY}, name_servers: [ns1.client.example]}
  nsx: {use: manual, panel: other, name_servers: [ns2.client.example]}
  old_plesk: {use: manual, panel: plesk11}
zone: {from: dns, secondaries: {dns: [nsx]}}
mail:
  mailboxes: [mail.client.example]
  submission: [mail.client.example]
  clients_by_address: 0
  moves: true
  accounts:
    test: {address: test@client.example, user: test, password: {env: MAIL_PASSWORD},
           imap: mail.client.example, submission: mail.client.example}
records:
  - {names: [mail, lists, webmail], type: A, was: "${mail_old}", value: "${mail_new}"}
phases:
  - name: lower TTLs
    steps: [{kind: lower-ttl, ttl: 600}, {kind: mailbox-sync, operator: us, text: first copy}]
  - name: switch the mail
    steps:
      - {kind: switch-records, names: [mail, lists, webmail]}
      - {kind: refresh-secondary, provider: nsx}
      - {kind: wait, for: 15m}
      - {kind: mailbox-sync, operator: us, text: last copy}
      - {kind: mail-service, provider: old_plesk, state: disabled, rcpt: test@client.example}
      - {kind: watch, for: 5m}
    gates:
      - {kind: http, url: "http://webmail.client.example/", status: 200, contains: Client}
      - {kind: smtp, rcpt: test@client.example, every: 1m, successes: 1, failures: 2}
      - {kind: submission, account: test, ca: "CA", every: 5m, successes: 1}
      - {kind: imap, account: test, ca: "CA", every: 5m, successes: 1}
      - {kind: mail-round-trip, direction: in, account: test, ca: "CA", every: 5m, successes: 1}
"""
ACCEPTED = {"manual-rollback": "the operators of nsx and of the old server are reachable"}
TTL_S, PLESK = 600, "old_plesk"


@dataclass
class MailHost:
    """One server with the domain's mail on it."""

    post: Postfix
    box: Dovecot
    web: Nginx

    def places(self, address: str) -> dict[tuple[str, int], tuple[str, int]]:
        ports = {25: self.post.port, 587: self.post.submission_port, 993: self.box.port, 80: self.web.port}
        return {(address, real): ("127.0.0.1", port) for real, port in ports.items()}

    def holds(self) -> list[int]:
        """Return the numbers of the stream's messages that lie here."""
        return numbers(self.box.messages("test"))


@dataclass(kw_only=True)
class MailStory(Workshop):
    """The workshop, its mail servers, and the hands of the people who are asked."""

    primary: PowerDns
    secondary: Knot
    old: MailHost
    new: MailHost
    stream: MailStream
    off_at: datetime | None = None
    forgets_the_secondary: bool = False

    def ports(self, playbook: Playbook, journal: FileJournal) -> Ports:
        return replace(super().ports(playbook, journal), secrets=EnvSecrets())

    def both(self, owner: str) -> tuple[set[str], set[str]]:
        name = f"{owner}.client.example"
        return self.primary.values(name, "A"), self.secondary.values(name, "A")

    def begin(self, number: int) -> Run:
        run = self.open(self.text)
        self.start(run, number, ACCEPTED)
        return run

    def go(self, run: Run, *, until_off: bool = False, looks: int = 3000) -> Advance:
        """Drive a phase; whoever is asked does what he is asked for."""
        for _ in range(looks):
            after = advance(run)
            if isinstance(after, NeedsPerson):
                self.help(run, after)
            elif isinstance(after, DueAt):
                if until_off and self.off_at:
                    return after
                self.clock.wait_until(after.when)
            else:
                return after
        raise AssertionError("the phase does not end")

    def help(self, run: Run, asked: NeedsPerson) -> None:
        plan = run.active_plan()
        assert plan
        move = plan.moves[asked.move]
        act = plan.acts[move.act] if isinstance(move, Do) else None
        if isinstance(act, Refresh) and not self.forgets_the_secondary:
            self.secondary.retransfer(DOMAIN)
        elif isinstance(act, SetService):
            self._switch(on=act.after)
        elif isinstance(act, Instruct):
            taken = [one.number for one in self.stream.letters if one.taken_by == OLD]
            eventually(lambda: set(taken) <= set(self.old.holds()), what="what the old server has taken")
            self.old.box.copy_mailbox("test", self.new.box)
        if asked.question:
            run.append(PersonAnswered(asked.move, "done", "us"))
        else:
            self.clock.wait_until(asked.when)

    def _switch(self, *, on: bool) -> None:
        if on:
            self.old.post.accept_domain(DOMAIN)
        elif self.off_at is None:
            self.off_at = self.clock.now()
            self.old.post.refuse_domain(DOMAIN, "450")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the certificates to trust, and one with its key for the mail host."""
    folder = tmp_path_factory.mktemp("certificates")
    folder.chmod(0o755)
    made = trustme.CA()
    made.cert_pem.write_to_path(folder / "ca.pem")
    made.issue_cert(MAIL_HOST).private_key_and_cert_chain_pem.write_to_path(folder / "mail.pem")
    return folder / "ca.pem", folder / "mail.pem"


@pytest.fixture
def story(
    tmp_path: Path, start: Starter, monkeypatch: pytest.MonkeyPatch, authority: tuple[Path, Path]
) -> Iterator[MailStory]:
    ca, pem = authority
    primary = start(PowerDns([Primary(DOMAIN, ZONE_B)]))
    monkeypatch.setenv("VPS_KEY", primary.api_key)
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    secondary = start(Knot([Secondary(DOMAIN, primary.endpoint, accepts_notify=False)]))
    old, new = (mail_host(start, pem) for _ in range(2))
    api = urlsplit(primary.api_url)
    api_place = (str(api.hostname), int(api.port or 80))
    places = {
        **above(start),
        ("198.51.100.53", 53): (primary.address, primary.port),
        ("198.51.100.54", 53): (secondary.address, secondary.port),
        api_place: api_place,
        **old.places(OLD),
        **new.places(NEW),
    }
    stream = MailStream(START, DOMAIN)
    made = MailStory(
        folder=tmp_path,
        places=places,
        clock=stream,
        stream=stream,
        text=PLAYBOOK.replace("API_URL", primary.api_url).replace("CA", str(ca)),
        primary=primary,
        secondary=secondary,
        old=old,
        new=new,
    )
    stream.connect(made.net, ("198.51.100.1",), {OLD: old.post.port, NEW: new.post.port})
    yield made
    stream.finish()


def mail_host(start: Starter, pem: Path) -> MailHost:
    box = start(Dovecot({"test": PASSWORD}, pem))
    return MailHost(start(Postfix("mail.client.example.", [DOMAIN], box, pem)), box, start(Nginx()))


def lowered(story: MailStory) -> None:
    """Lower the TTLs, and let the day pass before the quiet hour."""
    assert story.go(story.begin(1)) == Ended("done", "done")
    story.clock.advance(DAY_S)
    story.stream.writing = True
    story.clock.wait_until(story.clock.now() + timedelta(minutes=2))


def told(story: MailStory) -> None:
    """Print the fate of every message, and what each kind of cache lost."""
    letters, fate = story.stream.letters, {"old": 0, "new": 0, "bounced": 0}
    for letter in letters:
        where = "bounced" if letter.bounced else "old" if letter.taken_by == OLD else "new"
        fate[where] += 1
    late = sum(len(letter.tries) > 1 for letter in letters)
    words = f"{len(letters)} messages: {fate}, {late} at a later try; seconds broken: {story.stream.broken_seconds()}"
    print(words)  # noqa: T201 # a scenario tells what users would have seen


def test_every_message_of_the_switch_is_kept_and_none_bounces(story: MailStory) -> None:
    lowered(story)
    assert story.go(story.begin(2)) == Ended("done", "done")
    story.stream.finish()
    told(story)
    letters = story.stream.letters
    assert len(letters) > 20 * 60
    assert not [letter for letter in letters if letter.bounced or letter.waiting]
    assert story.off_at
    taken_late = [one for one in letters if one.taken_by == OLD and one.taken_at and one.taken_at >= story.off_at]
    assert not taken_late, "the old server took nothing once it was off"
    assert {one.taken_by for one in letters} == {OLD, NEW}
    by_old = [one.number for one in letters if one.taken_by == OLD]
    eventually(lambda: story.old.holds() == by_old, what="what the old server took, and no more")
    everything = [one.number for one in letters]
    eventually(lambda: story.new.holds() == everything, what="the last copy, which came after the last message")
    assert story.stream.broken_seconds() == dict.fromkeys(story.stream.broken_seconds(), 0)
    assert [story.both(name) for name in MAIL_NAMES] == [({NEW}, {NEW})] * 3


@pytest.mark.long
def test_a_forgotten_secondary_keeps_the_mail_on_at_the_old_server(story: MailStory) -> None:
    lowered(story)
    story.forgets_the_secondary = True
    run = story.begin(2)
    story.stream.writing = False
    until = story.clock.now() + timedelta(minutes=25)
    while story.clock.now() < until:
        after = advance(run)
        assert isinstance(after, (NeedsPerson, DueAt))
        if isinstance(after, NeedsPerson):
            story.help(run, after)
        else:
            story.clock.wait_until(after.when)
    assert story.both("mail") == ({NEW}, {OLD})
    assert story.off_at is None
    assert story.old.post.answer_to(f"test@{DOMAIN}") == 250


def test_a_new_server_that_turns_mail_away_is_found_before_anything_is_switched(story: MailStory) -> None:
    lowered(story)
    story.new.post.refuse_domain(DOMAIN, "550")
    run = story.begin(2)
    after = story.go(run)
    assert isinstance(after, Ended)
    assert after.outcome == "refused"
    assert "is refused: 550 5.7.1" in after.because
    assert story.both("mail") == ({OLD}, {OLD})
    story.stream.finish()
    told(story)
    assert {letter.taken_by for letter in story.stream.letters} == {OLD}
    assert not [letter for letter in story.stream.letters if len(letter.tries) > 1]


def test_nobody_has_to_write_the_gates_of_mail(story: MailStory) -> None:
    """M4: whatever moves mail is surrounded by real protocols, here for a playbook with a web gate alone."""
    written = ("kind: smtp", "kind: submission", "kind: imap", "kind: mail-round-trip")
    lines = story.text.splitlines(keepends=True)
    story.text = "".join(line for line in lines if not any(gate in line for gate in written))
    lowered(story)
    story.new.post.refuse_domain(DOMAIN, "550")
    after = story.go(story.begin(2))
    assert isinstance(after, Ended)
    assert after.outcome == "refused"
    assert "for postmaster@client.example is refused: 550" in after.because
    assert story.both("mail") == ({OLD}, {OLD})


@pytest.mark.long
@pytest.mark.parametrize("how", ["450", "550"])
def test_a_new_server_that_turns_mail_away_afterwards_brings_everything_back(
    story: MailStory, how: Literal["450", "550"]
) -> None:
    lowered(story)
    run = story.begin(2)
    story.go(run, until_off=True)
    story.new.post.refuse_domain(DOMAIN, how)
    broken_at = story.clock.now()
    after = story.go(run)
    assert isinstance(after, Ended)
    assert after.outcome == "rolled-back", after.because
    assert [story.both(name) for name in MAIL_NAMES] == [({OLD}, {OLD})] * 3
    assert story.old.post.answer_to(f"test@{DOMAIN}") == 250
    assert undone(run)[0] == PLESK, "mail at the old server is on before anybody is sent there"
    back_at = story.clock.now()
    by_new = [one for one in story.stream.letters if one.taken_by == NEW]
    eventually(lambda: len(by_new) <= len(story.new.holds()), what="what the new server took")
    left = strays(run)
    assert left
    assert (left.addresses, left.counts) == ((NEW,), {f"test@{DOMAIN}": f"{len(story.new.holds())} messages at {NEW}"})
    assert left.since < min(one.written_at for one in by_new)
    assert back_at + timedelta(seconds=TTL_S) <= left.until <= back_at + timedelta(seconds=2 * TTL_S)
    story.clock.wait_until(back_at + timedelta(seconds=TTL_S + 400))
    story.stream.finish()
    told(story)
    letters = story.stream.letters
    honest = [one for one in letters if one.sender != "stretches short TTLs to 15 minutes"]
    troubled = [one.written_at for one in honest if len(one.tries) > 1 or one.bounced]
    assert troubled
    assert min(troubled) >= broken_at
    assert (max(troubled) - back_at).total_seconds() <= TTL_S + 2, "S10"
    assert not [one for one in letters if one.waiting]
    assert bool([one for one in letters if one.bounced]) == (how == "550"), "who says 550 loses what comes meanwhile"


def undone(run: Run) -> list[str]:
    """Return at whom the acts of the rollback were done, in order."""
    entries = [record.entry for record in run.journal.read()]
    at = next(at for at, one in enumerate(entries) if isinstance(one, Planned) and one.direction == "back")
    back = entries[at]
    assert isinstance(back, Planned)
    plan = run.plan(back.plan)
    moves = [plan.moves[one.move] for one in entries[at:] if isinstance(one, Intended)]
    acts = [plan.acts[move.act] for move in moves if isinstance(move, Do)]
    return [act.provider for act in acts if not isinstance(act, (RunCommand, Instruct))]
