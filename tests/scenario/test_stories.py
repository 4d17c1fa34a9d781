"""The records part of both stories on real servers: root, parent and child are different programs and processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dnsrun.engine.advance import Ended, NeedsPerson
from dnsrun.engine.progress import Staying
from dnsrun.errors import Conflict
from dnsrun.model.entry import RollbackAsked
from servers import Bind, Key, Knot, PowerDns, Primary, Secondary, Starter
from servers.running import RunningServer
from worlds import NEW, OLD, PARENT_ZONE, ROOT_ZONE, START, PacedClock, Web, Workshop

KEY = Key("dnsrun.")
DAY_S = 25 * 3600
STORY_A = """dnsrun: 1
domain: client.example
goal: The main site moves to server B. Mail stays where it is.
vars: {web_old: 192.0.2.10, web_new: 203.0.113.20}
providers:
  vps: {use: rfc2136, server: 198.51.100.53, key_name: dnsrun., key_secret: {env: VPS_KEY}}
zone: {from: vps}
mail:
  mailboxes: [imap.client.example]
  front: [mx1.relay.example, mx2.relay.example]
records:
  - {names: ["@", www], type: A, was: "${web_old}", value: "${web_new}"}
gates:
  - {kind: http, url: "http://www.client.example/", status: 200, contains: "Client"}
"""
ZONE_A = """
@ 3600 SOA ns1.client.example. nobody.client.example. 7 1800 900 604800 300
@ 3600 NS ns1.client.example.
@ 3600 NS ns2.client.example.
ns1 3600 A 198.51.100.53
ns2 3600 A 198.51.100.54
@ 3600 A 192.0.2.10
www 3600 A 192.0.2.10
@ 3600 MX 10 mx1.relay.example.
@ 3600 MX 20 mx2.relay.example.
@ 3600 TXT "v=spf1 mx include:_spf.relay.example -all"
imap 3600 A 192.0.2.10
smtp 3600 CNAME imap
sv-07 3600 A 192.0.2.10
k1._domainkey 3600 TXT "v=DKIM1; k=rsa; p=MIIB"
*.dev 3600 A 192.0.2.77
"""
STORY_B = """dnsrun: 1
domain: client.example
goal: The mail moves to the new server.
vars: {mail_old: 192.0.2.10, mail_new: 203.0.113.20}
providers:
  old_plesk: {use: powerdns, api_url: "API_URL", api_key: {env: VPS_KEY}, name_servers: [ns1.client.example]}
  nsx: {use: manual, panel: other, name_servers: [ns2.client.example]}
zone: {from: old_plesk, secondaries: {old_plesk: [nsx]}}
mail: {mailboxes: [mail.client.example], moves: true}
records:
  - {names: [mail, lists, webmail], type: A, was: "${mail_old}", value: "${mail_new}"}
phases:
  - name: lower TTLs
    steps: [{kind: lower-ttl, ttl: 600}]
  - name: switch the mail
    steps:
      - {kind: switch-records, names: [mail, lists, webmail]}
      - {kind: refresh-secondary, provider: nsx}
      - {kind: wait, for: 15m}
    gates:
      - {kind: http, url: "http://webmail.client.example/", status: 200}
      - {kind: smtp, off: no mail server here}
"""
ZONE_B = """
@ 3600 SOA ns1.client.example. nobody.client.example. 7 1800 900 604800 300
@ 3600 NS ns1.client.example.
@ 3600 NS ns2.client.example.
ns1 3600 A 198.51.100.53
ns2 3600 A 198.51.100.54
@ 3600 A 192.0.2.80
www 3600 A 192.0.2.80
@ 3600 MX 10 mail.client.example.
mail 3600 A 192.0.2.10
lists 3600 A 192.0.2.10
webmail 3600 A 192.0.2.10
"""
MAIL_NAMES = ("mail", "lists", "webmail")


@dataclass(kw_only=True)
class Story(Workshop):
    """A workshop whose servers are real."""

    primary: RunningServer
    secondary: Knot
    web_old: Web
    web_new: Web

    def both(self, owner: str) -> tuple[set[str], set[str]]:
        """Return what primary and secondary answer for an A record."""
        name = f"{owner}.client.example"
        return self.primary.values(name, "A"), self.secondary.values(name, "A")


def above(start: Starter) -> dict[tuple[str, int], tuple[str, int]]:
    """Start root (BIND) and parent (Knot) and return their places."""
    root = start(Bind([Primary(".", ROOT_ZONE)]))
    parent = start(Knot([Primary("example", PARENT_ZONE)]))
    return {("198.51.100.1", 53): (root.address, root.port), ("198.51.100.2", 53): (parent.address, parent.port)}


def webs(stack: ExitStack) -> tuple[Web, Web]:
    return stack.enter_context(Web()), stack.enter_context(Web())


def story(folder: Path, start: Starter, stack: ExitStack, primary: RunningServer, secondary: Knot) -> Story:
    old, new = webs(stack)
    places = above(start) | {
        ("198.51.100.53", 53): (primary.address, primary.port),
        ("198.51.100.54", 53): (secondary.address, secondary.port),
        (OLD, 80): old.place,
        (NEW, 80): new.place,
    }
    return Story(
        folder=folder,
        places=places,
        clock=PacedClock(START),
        primary=primary,
        secondary=secondary,
        web_old=old,
        web_new=new,
    )


@pytest.fixture
def story_a(tmp_path: Path, start: Starter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    monkeypatch.setenv("VPS_KEY", KEY.secret)
    secondary = Knot()
    primary = start(Bind([Primary("client.example", ZONE_A, key=KEY, notify=(secondary.endpoint,))]))
    start(secondary).add(Secondary("client.example", primary.endpoint, key=KEY))
    with ExitStack() as stack:
        yield story(tmp_path, start, stack, primary, secondary)


@pytest.fixture
def story_b(tmp_path: Path, start: Starter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    primary = start(PowerDns([Primary("client.example", ZONE_B)]))
    monkeypatch.setenv("VPS_KEY", primary.api_key)
    secondary = start(Knot([Secondary("client.example", primary.endpoint, accepts_notify=False)]))
    with ExitStack() as stack:
        made = story(tmp_path, start, stack, primary, secondary)
        api = urlsplit(primary.api_url)
        made.places[str(api.hostname), int(api.port or 80)] = (str(api.hostname), int(api.port or 80))
        made.text = STORY_B.replace("API_URL", primary.api_url)
        yield made


def test_story_a_switches_the_web_and_leaves_the_mail(story_a: Story) -> None:
    before = {name: story_a.both(name) for name in ("imap", "sv-07", "k1._domainkey")}
    for number in (1, 2):
        run = story_a.open(STORY_A)
        prepared = story_a.start(run, number)
        assert story_a.drive(run) == Ended("done", "done")
        story_a.clock.advance(DAY_S)
    assert story_a.both("www") == ({NEW}, {NEW})
    assert {name: story_a.both(name) for name in before} == before
    notes = "\n".join(prepared.plan.notes)
    assert "mailboxes are on imap.client.example (192.0.2.10)" in notes
    assert "sv-07.client.example A stays 192.0.2.10" in notes


def test_story_a_comes_back_by_itself_when_the_new_server_breaks(story_a: Story) -> None:
    run = story_a.open(STORY_A)
    story_a.start(run, 1)
    story_a.drive(run)
    story_a.clock.advance(DAY_S)
    run = story_a.open(STORY_A)
    story_a.start(run, 2)
    while story_a.primary.values("www.client.example", "A") != {NEW}:
        story_a.clock.wait_until(story_a.step(run))
    story_a.web_new.status = 503
    after = story_a.drive(run)
    assert isinstance(after, Ended)
    assert after.outcome == "rolled-back"
    assert story_a.both("www") == ({OLD}, {OLD})


def test_story_a_changing_the_mailbox_host_unsaid_is_refused_with_the_path(story_a: Story) -> None:
    text = STORY_A.replace('names: ["@", www]', 'names: ["@", www, imap]')
    text = text.replace("mailboxes: [imap.client.example]", "submission: [smtp.client.example]").split("gates:")[0] + (
        "phases:\n  - {name: switch, steps: [{kind: switch-records}]}\n"
    )
    with pytest.raises(Conflict, match=r"imap\.client\.example A carries mail: .*smtp\.client\.example"):
        story_a.start(story_a.open(text), 1)


def operator_refreshes(made: Story) -> None:
    made.secondary.retransfer("client.example")


def lower(made: Story) -> None:
    run = made.open(made.text)
    made.start(run, 1, {"manual-rollback": "the operator of nsx is reachable"})
    after = made.drive(run)
    assert isinstance(after, NeedsPerson)
    operator_refreshes(made)
    assert made.until_ended(run) == Ended("done", "done")
    made.clock.advance(DAY_S)


def test_story_b_waits_for_the_secondary_and_counts_15_minutes_from_its_refresh(story_b: Story) -> None:
    lower(story_b)
    run = story_b.open(story_b.text)
    story_b.start(run, 2, {"manual-rollback": "the operator of nsx is reachable"})
    after = story_b.drive(run)
    assert isinstance(after, NeedsPerson)
    assert story_b.both("mail") == ({NEW}, {OLD}), "stale before the operator's step, and no failure"
    story_b.clock.advance(3600)
    assert isinstance(story_b.drive(run), NeedsPerson), "forgotten: later steps are not allowed"
    assert not [event for event in story_b.events if isinstance(event, Staying)]
    operator_refreshes(story_b)
    refreshed_at = story_b.clock.now()
    assert story_b.until_ended(run) == Ended("done", "done")
    assert (story_b.clock.now() - refreshed_at).total_seconds() >= 15 * 60
    assert [story_b.both(name) for name in MAIL_NAMES] == [({NEW}, {NEW})] * 3
    assert story_b.primary.values("www.client.example", "A") == {"192.0.2.80"}


def test_story_b_rollback_refreshes_the_secondary_again(story_b: Story) -> None:
    """The written instruction forgets it: without the second refresh the secondary stays wrong."""
    lower(story_b)
    run = story_b.open(story_b.text)
    story_b.start(run, 2, {"manual-rollback": "the operator of nsx is reachable"})
    assert isinstance(story_b.drive(run), NeedsPerson)
    operator_refreshes(story_b)
    while not [event for event in story_b.events if isinstance(event, Staying)]:
        story_b.clock.wait_until(story_b.step(run))
    run.append(RollbackAsked("newest", None, "me"))
    after = story_b.drive(run)
    assert isinstance(after, NeedsPerson), "rolling back until the secondary is proved"
    assert story_b.both("mail") == ({OLD}, {NEW})
    operator_refreshes(story_b)
    after = story_b.until_ended(run)
    assert isinstance(after, Ended)
    assert after.outcome == "rolled-back"
    assert [story_b.both(name) for name in MAIL_NAMES] == [({OLD}, {OLD})] * 3
