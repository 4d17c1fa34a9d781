"""Web and mail servers of a trial: the real gates speak with them, and fail for the reason that is really there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dns.name
import pytest

from dnsrun.gates.all import built_in
from dnsrun.model.observation import Verdict, Words
from dnsrun.model.playbook import Json, SecretRef
from dnsrun.model.rrset import rrset
from dnsrun.ports.gate import GateCase, Login
from dnsrun.rehearse import scenery
from dnsrun.rehearse.kinds import POPULATION
from dnsrun.rehearse.trial.agenda import Agenda
from dnsrun.rehearse.trial.drills import Drill, script_of
from dnsrun.rehearse.trial.endpoints.certificates import Certificates
from dnsrun.rehearse.trial.endpoints.street import Street
from dnsrun.rehearse.trial.gates import left_out, rehearsed
from dnsrun.rehearse.trial.services import Services, services_of
from dnsrun.rehearse.trial.setting import Setting
from dnsrun.rehearse.trial.stillnet import StillNet
from gateworld import case, change, spec
from mailwords import MailView
from trialworld import DAY_S, PLAIN, START, Trials

WEB_OLD, WEB_NEW, MAIL_OLD, MAIL_NEW, ELSEWHERE = (
    "192.0.2.10", "203.0.113.20", "192.0.2.25", "203.0.113.25", "192.0.2.80",
)  # fmt: skip
MAIL_HOST = "mail.client.example"
ZONE = (
    scenery.FIRST_ZONE.replace("MX   10 mx1.relay.example.", "MX   10 mail")
    .replace("@       MX   20 mx2.relay.example.\n", "")
    .replace("v=spf1 mx include:_spf.relay.example", f"v=spf1 ip4:{MAIL_OLD} ip4:{MAIL_NEW}")
    + f"mail A {MAIL_OLD}\n"
)
PLAYBOOK = """dnsrun: 1
domain: client.example
goal: Web site and mail move.
providers:
  host: {use: rfc2136, server: 192.0.2.53, name_servers: [ns1.old-host.example, ns2.old-host.example]}
  old_mail: {use: manual, panel: other}
zone: {from: host}
mail:
  mailboxes: [mail.client.example]
  submission: [mail.client.example]
  clients_by_address: 0
  moves: true
  accounts:
    inside:
      {address: test@client.example, password: {env: MAIL}, imap: mail.client.example, submission: mail.client.example}
    outside:
      address: test@elsewhere.example
      password: {env: MAIL}
      imap: imap.elsewhere.example
      submission: smtp.elsewhere.example
      submission_port: 465
records:
  - {names: [www], type: A, was: 192.0.2.10, value: 203.0.113.20}
  - {names: [mail], type: A, was: 192.0.2.25, value: 203.0.113.25}
phases:
  - name: lower TTLs
    steps: [{kind: lower-ttl}]
  - name: switch
    steps:
      - {kind: switch-records}
      - {kind: wait, for: 15m}
      - {kind: mailbox-sync, operator: us, text: Copy the mailboxes.}
      - {kind: mail-service, provider: old_mail, state: disabled}
      - {kind: watch, for: 5m}
    gates:
      - {kind: http, successes: 1, every: 10m, url: "https://www.client.example/", contains: "Client"}
      - {kind: http, url: "https://www.client.example/shop", contains: "Shop", absent: "Client"}
      - {kind: http, url: "http://www.client.example/", redirect_to: "https://www.client.example/", status: 301}
      - {kind: tls, successes: 1, every: 10m, host: www.client.example, days: 30}
      - {kind: tls, successes: 1, every: 10m, host: mail.client.example, port: 993}
      - {kind: smtp, successes: 1, every: 10m, rcpt: test@client.example, tls: required}
      - {kind: submission, successes: 1, every: 10m, account: inside}
      - {kind: imap, successes: 1, every: 10m, account: inside}
      - {kind: pop3, successes: 1, every: 10m, host: mail.client.example, account: inside}
      - {kind: mail-round-trip, direction: both, account: inside, other: outside}
  - name: finish
    steps: [{kind: restore-ttl}, {kind: finish}]
"""
ONE = replace(PLAIN, kinds=(POPULATION["bind"],))


@dataclass
class Town:
    """The services of the playbook above, and a gate's way to them."""

    setting: Setting
    services: Services
    street: Street
    agenda: Agenda
    secrets: object

    def look(
        self, kind: str, *addresses: str, account: object = None, options: dict[str, Json] | None = None
    ) -> Verdict:
        """Have the real gate ask once; the host of the gate is at these addresses."""
        gate = rehearsed(built_in(), self.street.trusted, self.agenda)[kind]
        net = StillNet({}, self.agenda, lambda: self.agenda.version, self.street.place)
        hosts = dict.fromkeys(("www.client.example", MAIL_HOST), addresses)
        for name, known in self.setting.outside.items():
            hosts[name.to_text(omit_final_dot=True)] = known.addresses
        written = replace(spec(gate, **(options or {})), name=kind)
        view = MailView(net, hosts=hosts, mx=("10 mail.client.example.",))
        return gate.judge(written, self.case(), gate.observe(written, self.case(), view, net))

    def case(self) -> GateCase:
        mail = self.setting.playbook.mail
        assert mail
        moves = change(rrset(MAIL_HOST, 600, "A", MAIL_OLD), rrset(MAIL_HOST, 600, "A", MAIL_NEW))
        accounts = {name: Login(one, self.secrets) for name, one in mail.accounts.items()}  # type: ignore[arg-type]
        return case(moves, accounts=accounts)


def trials(folder: Path, text: str = PLAYBOOK) -> Trials:
    return Trials(folder, text=text, zone=ZONE)


def town_of(folder: Path, text: str = PLAYBOOK) -> Iterator[Town]:
    play = trials(folder, text).play()
    services = services_of(play.setting)
    secrets = play._cast.secrets
    phase = play.setting.playbook.phases[1]
    with Street(play.setting, services, secrets, lambda: phase) as street:
        yield Town(play.setting, services, street, Agenda(START), secrets)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    yield from town_of(tmp_path)


WEB: dict[str, Json] = {"url": "https://www.client.example/", "contains": "Client"}
RCPT: dict[str, Json] = {"rcpt": "test@client.example"}
INSIDE: dict[str, Json] = {"account": "inside"}


@pytest.mark.parametrize(
    ("kind", "at", "options", "words"),
    [
        ("http", WEB_NEW, WEB, "answers 200"),
        ("http", WEB_NEW, {"url": "https://www.client.example/shop?all=1", "contains": "Shop"}, "answers 200"),
        (
            "http",
            WEB_NEW,
            {"url": "http://www.client.example/", "redirect_to": "https://www.client.example/", "status": 301},
            "answers 301",
        ),
        ("tls", WEB_NEW, {"host": "www.client.example"}, "a certificate for www.client.example until 9999-12-31"),
        ("tls", MAIL_NEW, {"host": MAIL_HOST, "port": 993}, f"a certificate for {MAIL_HOST}"),
        ("smtp", MAIL_NEW, {**RCPT, "tls": "required"}, "is taken"),
        ("smtp", MAIL_NEW, {"address": MAIL_NEW, "tls": "required"}, "is greeted"),
        ("submission", MAIL_NEW, INSIDE, "logs in"),
        ("submission", MAIL_NEW, {**INSIDE, "port": 465}, "logs in"),
        ("submission", MAIL_NEW, {"host": MAIL_HOST}, "offers TLS and a log-in"),
        ("imap", MAIL_NEW, INSIDE, "opens the mailbox, 0 messages"),
        ("imap", MAIL_NEW, {**INSIDE, "port": 143}, "opens the mailbox, 0 messages"),
        ("pop3", MAIL_NEW, {**INSIDE, "host": MAIL_HOST}, "opens the mailbox, 0 messages"),
        ("pop3", MAIL_NEW, {**INSIDE, "host": MAIL_HOST, "port": 110}, "opens the mailbox, 0 messages"),
        ("mail-round-trip", MAIL_NEW, {**INSIDE, "direction": "in"}, "mail in arrives after 0 s"),
        (
            "mail-round-trip",
            MAIL_NEW,
            {**INSIDE, "direction": "both", "other": "outside"},
            "mail in arrives after 0 s; mail out arrives after 0 s",
        ),
    ],
)
def test_a_gate_finds_what_the_playbook_wants(
    town: Town, kind: str, at: str, options: dict[str, Json], words: str
) -> None:
    verdict = town.look(kind, at, options=options)
    assert (verdict.outcome, verdict.warnings) == ("pass", ()), verdict.because
    assert words in verdict.because


OF_EACH_KIND: list[tuple[str, dict[str, Json]]] = [
    ("http", WEB),
    ("tls", {"host": "www.client.example"}),
    ("smtp", RCPT),
    ("submission", INSIDE),
    ("imap", INSIDE),
    ("pop3", {**INSIDE, "host": MAIL_HOST}),
    ("mail-round-trip", {**INSIDE, "direction": "in"}),
]


@pytest.mark.parametrize(("kind", "options"), OF_EACH_KIND)
def test_an_address_that_is_down_refuses_connections(town: Town, kind: str, options: dict[str, Json]) -> None:
    town.services.down |= {WEB_NEW, MAIL_NEW}
    verdict = town.look(kind, WEB_NEW if kind in {"http", "tls"} else MAIL_NEW, options=options)
    assert verdict.outcome == "fail"
    assert "refuses the connection" in verdict.because


@pytest.mark.parametrize(("kind", "options"), [one for one in OF_EACH_KIND if one[0] != "smtp"])
def test_where_the_certificate_is_missing_another_is_shown(town: Town, kind: str, options: dict[str, Json]) -> None:
    town.services.bare |= {WEB_NEW, MAIL_NEW}
    verdict = town.look(kind, WEB_NEW if kind in {"http", "tls"} else MAIL_NEW, options=options)
    assert verdict.outcome == "fail"
    assert re.search(r"the certificate is not valid: Hostname mismatch.*'(www|mail)\.client\.example'", verdict.because)


def test_senders_take_mail_hosts_without_a_certificate_and_the_gate_warns(town: Town) -> None:
    town.services.bare.add(MAIL_NEW)
    verdict = town.look("smtp", MAIL_NEW, options=RCPT)
    assert (verdict.outcome, len(verdict.warnings)) == ("pass", 1)
    assert "Hostname mismatch" in verdict.warnings[0]


def test_an_address_shows_only_the_sites_of_its_hosts(town: Town) -> None:
    secure = town.look("http", ELSEWHERE, options=WEB)
    assert "Hostname mismatch" in secure.because
    plain = town.look("http", ELSEWHERE, options={"url": "http://www.client.example/"})
    assert (plain.outcome, plain.because) == ("fail", f"http://www.client.example/ answers 404 at {ELSEWHERE}")


def test_mail_is_not_spoken_where_no_mail_host_is(town: Town) -> None:
    assert "refuses the connection" in town.look("imap", ELSEWHERE, options=INSIDE).because


def test_the_old_server_refuses_once_its_mail_is_switched_off(town: Town) -> None:
    asked: dict[str, Json] = {"address": MAIL_OLD, **RCPT}
    before = town.look("old-server-refuses", MAIL_OLD, options=asked)
    assert (before.outcome, before.not_yet) == ("fail", True)
    town.services.switch("old_mail", on=False)
    after = town.look("old-server-refuses", MAIL_OLD, options=asked)
    assert after.outcome == "pass"
    assert "450 4.2.1 mail for this domain is switched off here" in after.because
    assert "is refused: 450" in town.look("smtp", MAIL_OLD, options=RCPT).because
    assert "refuses the log-in" in town.look("imap", MAIL_OLD, options=INSIDE).because
    assert "refuses the log-in" in town.look("pop3", MAIL_OLD, options={**INSIDE, "host": MAIL_HOST}).because
    assert "refuses the log-in" in town.look("submission", MAIL_OLD, options=INSIDE).because
    assert town.look("smtp", MAIL_NEW, options=RCPT).outcome == "pass"


@pytest.mark.parametrize(("how", "words"), [("5xx", "550 5.2.1"), ("closed", "it closes the connection")])
def test_the_old_server_refuses_as_the_playbook_says(tmp_path: Path, how: str, words: str) -> None:
    text = PLAYBOOK.replace("state: disabled}", f"state: disabled, how: [{how}]}}")
    for town in town_of(tmp_path, text):
        town.services.switch("old_mail", on=False)
        verdict = town.look("old-server-refuses", MAIL_OLD, options={"address": MAIL_OLD, "how": (how,)})
        assert verdict.outcome == "pass"
        assert words in verdict.because


def test_a_wrong_password_is_refused(town: Town) -> None:
    class Wrong:
        def reveal(self, reference: SecretRef) -> str:
            return "wrong-7"

    town.secrets = Wrong()
    for kind in ("submission", "imap", "mail-round-trip"):
        verdict = town.look(kind, MAIL_NEW, options={**INSIDE, "direction": "in"})
        assert verdict.outcome == "fail"
        assert "no such user or password" in verdict.because


def test_what_a_gate_sees_happens_at_the_time_of_the_trial(town: Town) -> None:
    gate = rehearsed(built_in(), town.street.trusted, town.agenda)["tls"]
    net = StillNet({}, town.agenda, lambda: town.agenda.version, town.street.place)
    view = MailView(net, hosts={"www.client.example": (WEB_NEW,)})
    town.agenda.wait_until(START.replace(year=2035))
    seen = gate.observe(spec(gate, host="www.client.example"), town.case(), view, net)
    assert {one.at.year for one in seen if isinstance(one.got, Words)} == {2035}


def test_the_same_names_have_the_same_certificates(tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        certificates = Certificates(tmp_path / name)
        certificates.at(WEB_NEW, lambda _: True)
        made.append(
            [Path(certificates.trusted).read_bytes(), *(f.read_bytes() for f in sorted((tmp_path / name).iterdir()))]
        )
    assert made[0] == made[1]


def test_a_name_longer_than_a_common_name_may_be_has_a_certificate(tmp_path: Path) -> None:
    long = f"{'a' * 60}.{'b' * 60}.client.example"
    folder = tmp_path / "made"
    folder.mkdir()
    assert Certificates(folder)._made(long, long).cert_store_stats()
    assert dns.name.from_text(long)


def test_what_cannot_be_played_is_said(tmp_path: Path) -> None:
    assert left_out(trials(tmp_path).playbook()) == (
        "the real certificates: until when, and by whom (CAA)",
        "whether the passwords of mail accounts are right",
    )
    text = PLAYBOOK.replace(
        "tls: required}", 'tls: required, via: "socks5://198.51.100.5:1080"}\n      - {kind: command, run: ["true"]}'
    )
    assert left_out(trials(tmp_path, text).playbook())[-2:] == (
        "the programs of gates: counted as passed",
        "the proxy of `via`: mail servers are asked directly",
    )


def test_keys_and_hosts_beyond_the_zone_are_made_up_and_that_is_said(tmp_path: Path) -> None:
    alias = "s1._domainkey CNAME s1._domainkey.elsewhere.example.\n"
    setting = Trials(tmp_path, text=PLAYBOOK, zone=ZONE + alias).setting()
    assert "there are DKIM keys at s1._domainkey.elsewhere.example" in setting.assumed
    assert setting.outside[dns.name.from_text("imap.elsewhere.example")].addresses
    assert any(re.match("addresses of .*imap.elsewhere.example", text) for text in setting.assumed)


def test_mail_and_web_move_with_every_service_gate_and_the_journal_is_the_same_each_time(tmp_path: Path) -> None:
    """P10: nothing that a server says differs from one run to the next."""
    made = trials(tmp_path)
    found = made.found(ONE)
    assert [phase.outcome for phase in found.played.phases] == ["done", "done", "done"], found.played.phases
    assert (found.played.ending, found.broken_user_seconds) == ("target", 0)
    made.found(ONE, name="again")
    assert made.journal() == made.journal("again")
    assert b"mail out arrives after 0 s" in made.journal()


def test_a_certificate_that_is_missing_at_the_new_address_is_found_by_the_gate_itself(tmp_path: Path) -> None:
    text = scenery.playbook_text().replace(
        '{kind: http, url: "http://www.client.example/", status: 200, contains: "Client"}',
        "{kind: tls, host: www.client.example}",
    )
    found = Trials(tmp_path, text=text).found(script_of(Drill(2, "tls", "tls", "after"), PLAIN, by_hand=False))
    assert (found.played.outcome, found.played.ending) == ("rolled-back", "checkpoint")
    assert "Hostname mismatch, certificate is not valid for 'www.client.example'" in found.played.phases[-1].failed
    assert f"{WEB_NEW} has no certificate for www.client.example" in {span.why for span in found.spans}
    assert found.worst_s < DAY_S
