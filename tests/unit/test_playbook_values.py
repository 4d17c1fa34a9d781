"""What the parts of a good playbook become."""

from __future__ import annotations

from datetime import UTC, date, datetime

import dns.name
import pytest
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.TXT import TXT

from dnsrun.model.codec import decode
from dnsrun.model.playbook import (
    AskedSpec,
    CaptureSpec,
    GateSpec,
    Json,
    MailAccount,
    MailSpec,
    NameServer,
    Playbook,
    RecordSpec,
    SecretRef,
    Sender,
)
from playbook_words import read

HEAD = """\
dnsrun: 1
domain: client.example.jp
providers: {host: {use: manual}}
zone: {from: host}
"""


def name(text: str) -> Name:
    return dns.name.from_text(text)


def records(text: str) -> tuple[RecordSpec, ...]:
    return read(f"{HEAD}records:\n{text}").records


def gate(text: str) -> GateSpec:
    (found,) = read(f"{HEAD}phases: [{{name: p, steps: [{{kind: wait, for: 1h}}], gates: [{text}]}}]").phases[0].gates
    return found


def strings_of(spec: RecordSpec) -> tuple[bytes, ...]:
    """Return the strings of the entry's one TXT value."""
    (value,) = tuple(spec.values or frozenset())
    assert isinstance(value, TXT)
    return value.strings


def value_texts(spec: RecordSpec) -> list[str]:
    return sorted(value.to_text() for value in spec.values or ())


def test_the_whole_head_of_a_playbook() -> None:
    playbook = read("""\
dnsrun: 1
domain: Client.Example.JP.
goal: Move it.
vars: {old: 192.0.2.53, user: dns}
providers:
  api: {use: powerdns, url: "https://pdns.example/", api_key: {command: [pass, show, "${user}"]}}
  old:
    use: rfc2136
    server: "${old}"
    port: 5353
    name_servers: [ns1.old.example, {name: ns2.client.example.jp, addresses: ["${old}"]}]
zone:
  from: old
  secondaries: {old: [api]}
  capture: {file: zones/a.zone, given_by: Somebody, on: 2026-11-22, covers: all}
  volatile: [_acme-challenge, "@"]
  ttl_low_since: 2026-11-20T09:00:00+09:00
  require_v6: true
mail:
  mailboxes: [imap.client.example.jp]
  submission: [smtp.client.example.jp.]
  front: [mx.relay.example]
  senders: [{address: "2001:DB8::1"}, {address: 192.0.2.7, until: 2027-01-31}]
  clients_by_address: 3
  moves: true
  accounts:
    test: {address: t@client.example.jp, password: {env: T}, imap: imap.client.example.jp, imap_port: 143}
    far: {address: x@far.example, user: x, password: {file: far}, submission: smtp.far.example, submission_port: 465}
ttl: 300
""")
    assert playbook.domain == name("client.example.jp.")
    assert (playbook.goal, playbook.low_ttl_s, playbook.records) == ("Move it.", 300, ())
    assert playbook.providers["api"].options == {
        "url": "https://pdns.example/",
        "api_key": SecretRef("command", ("pass", "show", "dns")),
    }
    assert playbook.providers["old"].options == {"server": "192.0.2.53", "port": 5353}
    assert playbook.providers["old"].name_servers == (
        NameServer(name("ns1.old.example.")),
        NameServer(name("ns2.client.example.jp."), ("192.0.2.53",)),
    )
    zone = playbook.zone
    assert (zone.provider, zone.secondaries, zone.require_v6) == ("old", {"old": ("api",)}, True)
    assert zone.capture == CaptureSpec("zones/a.zone", "Somebody", date(2026, 11, 22), covers_all=True)
    assert zone.volatile == {name("_acme-challenge.client.example.jp."), name("client.example.jp.")}
    assert zone.ttl_low_since == datetime(2026, 11, 20, tzinfo=UTC)
    assert playbook.mail == MailSpec(
        mailboxes=(name("imap.client.example.jp."),),
        submission=(name("smtp.client.example.jp."),),
        front=(name("mx.relay.example."),),
        senders=(Sender("2001:db8::1", "always"), Sender("192.0.2.7", "2027-01-31")),
        clients_by_address=3,
        moves=True,
        accounts={
            "test": MailAccount(
                "test",
                "t@client.example.jp",
                "t@client.example.jp",
                SecretRef("env", ("T",)),
                imap=name("imap.client.example.jp."),
                imap_port=143,
            ),
            "far": MailAccount(
                "far",
                "x@far.example",
                "x",
                SecretRef("file", ("far",)),
                submission=name("smtp.far.example."),
                submission_port=465,
            ),
        },
    )


@pytest.mark.parametrize(
    ("server", "text"),
    [("ns1.old.example", "ns1.old.example."), ("192.0.2.53", "192.0.2.53"), ('"2001:DB8::1"', "2001:db8::1")],
)
def test_a_transfer_comes_from_a_host_or_an_address(server: str, text: str) -> None:
    playbook = read(HEAD.replace("{from: host}", f"{{from: host, capture: {{transfer: {server}}}}}"))
    assert playbook.zone.capture == CaptureSpec(transfer_from=text)


@pytest.mark.parametrize(
    ("written", "reference"),
    [
        ("{env: PDNS_KEY}", SecretRef("env", ("PDNS_KEY",))),
        ("{file: ../pdns.key}", SecretRef("file", ("../pdns.key",))),
        ("{keyring: dnsrun pdns}", SecretRef("keyring", ("dnsrun pdns",))),
    ],
)
def test_a_secret_is_a_reference(written: str, reference: SecretRef) -> None:
    use = f'{{use: powerdns, url: "https://pdns.example/", api_key: {written}}}'
    playbook = read(HEAD.replace("{use: manual}", use))
    assert playbook.providers["host"].options["api_key"] == reference


def test_an_entry_declares_whole_rrsets() -> None:
    (spec,) = records(
        "  - {names: ['@', www], type: a, was: [192.0.2.1, 192.0.2.2], values: [192.0.2.3, 192.0.2.4], ttl: 0}"
    )
    assert spec.names == (name("client.example.jp."), name("www.client.example.jp."))
    assert spec.rdtype == RdataType.A
    assert sorted(value.to_text() for value in spec.was or ()) == ["192.0.2.1", "192.0.2.2"]
    assert value_texts(spec) == ["192.0.2.3", "192.0.2.4"]
    assert (spec.ttl_s, spec.replaces, spec.absent, spec.affects_mail) == (0, (), False, False)
    assert (spec.mark.line, spec.mark.column) == (6, 5)


def test_replace_names_old_and_new_value() -> None:
    (spec,) = records("  - {names: ['@'], type: TXT, replace: {'v=spf1 a -all': 'v=spf1 mx -all'}}")
    assert [(old.to_text(), new.to_text()) for old, new in spec.replaces] == [('"v=spf1 a -all"', '"v=spf1 mx -all"')]
    assert spec.values is None


def test_absent_removes_what_was() -> None:
    (spec,) = records("  - {names: [old], type: CNAME, absent: true, was: www.other.example}")
    assert (spec.absent, spec.values) == (True, None)
    assert [value.to_text() for value in spec.was or ()] == ["www.other.example."]


def test_twins_that_stay_are_kept() -> None:
    first, second = records(
        "  - {names: [a], type: A, value: 192.0.2.1, aaaa: keep, https: keep}\n"
        "  - {names: [b], type: AAAA, value: '2001:db8::1', a: keep, affects: mail}"
    )
    assert first.keeps == {RdataType.AAAA, RdataType.HTTPS, RdataType.SVCB}
    assert (second.keeps, second.affects_mail) == (frozenset({RdataType.A}), True)


@pytest.mark.parametrize(
    ("rdtype", "written", "text"),
    [
        ("CNAME", "www.other.example", "www.other.example."),
        ("MX", "10 mail.client.example.jp", "10 mail.client.example.jp."),
        ("MX", "0 .", "0 ."),
        ("SRV", "0 5 443 www.other.example.", "0 5 443 www.other.example."),
        ("HTTPS", "1 . alpn=h2", '1 . alpn="h2"'),
        ("CAA", '0 issue "ca.example; account=1"', '0 issue "ca.example; account=1"'),
        ("AAAA", "2001:DB8:0::1", "2001:db8::1"),
        ("CNAME", "ブログ.example", "xn--qckyd1c.example."),
        ("TYPE65280", r"\# 2 abcd", r"\# 2 abcd"),
    ],
)
def test_a_value_is_read_by_its_type(rdtype: str, written: str, text: str) -> None:
    (spec,) = records(f"  - {{names: [sub], type: {rdtype}, value: '{written}', affects: mail}}")
    assert value_texts(spec) == [text]


@pytest.mark.parametrize(
    ("length", "strings"),
    [(254, [254]), (255, [255]), (256, [255, 1]), (509, [255, 254]), (510, [255, 255]), (511, [255, 255, 1])],
)
def test_a_long_text_is_cut_into_strings_of_255_octets(length: int, strings: list[int]) -> None:
    (spec,) = records(f"  - {{names: [k], type: TXT, value: {'x' * length}}}")
    assert [len(string) for string in strings_of(spec)] == strings


def test_a_text_is_cut_by_octets_and_kept_byte_for_byte() -> None:
    text = "v=x; " + "日本" * 60
    (spec,) = records(f"  - {{names: [k], type: TXT, value: '{text}'}}")
    assert b"".join(strings_of(spec)) == text.encode()


@pytest.mark.parametrize("text", ["{{7*7}}", "${env.TOKEN}", "%{i}", "no", "010", "1:30", "~"])
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    """Threats 6 and 7: nothing is evaluated."""
    (spec,) = records(f"  - names: [k]\n    type: TXT\n    value: {text if text[0] not in '{%' else repr(text)}")
    assert strings_of(spec) == (text.encode(),)


def test_what_looks_like_a_variable_is_warned_of() -> None:
    playbook = read(HEAD + 'records:\n  - {names: [k], type: TXT, value: "a ${env.TOKEN} b"}\n')
    assert playbook.warnings == ("client.yaml:6:36: '${env.TOKEN}' is not a variable and stays as it is written",)


def test_a_variable_never_adds_structure() -> None:
    """Threat 8: a newline and a key in a variable's text are part of one text."""
    playbook = read(HEAD + 'vars: {evil: "x\\ndomain: other.example"}\ngoal: "a ${evil}"\n')
    assert playbook.goal == "a x\ndomain: other.example"
    assert playbook.domain == name("client.example.jp.")


def test_two_dollars_write_one() -> None:
    assert read(HEAD + 'vars: {a: x}\ngoal: "$${a} ${a}"\n').goal == "${a} x"


def test_variables_fill_values_and_the_keys_of_replace() -> None:
    playbook = read(
        HEAD
        + "vars: {old: 192.0.2.1, new: 192.0.2.2, low: 300}\nttl: ${low}\nrecords:\n"
        + '  - {names: [a], type: A, replace: {"${old}": "${new}"}}\n'
    )
    assert playbook.low_ttl_s == 300
    assert [(old.to_text(), new.to_text()) for old, new in playbook.records[0].replaces] == [("192.0.2.1", "192.0.2.2")]


def test_a_gate_has_the_defaults_of_its_kind() -> None:
    found = gate("{kind: serial}")
    assert (found.every_s, found.within_s, found.successes, found.failures) == (5, 300, 1, 3)
    found = gate('{kind: http, url: "https://www.client.example.jp/"}')
    assert (found.every_s, found.within_s, found.successes, found.failures) == (10, 300, 3, 3)
    assert (found.at, found.on_fail, found.advisory, found.off) == (None, "rollback", False, None)


def test_a_gate_says_its_own_timing() -> None:
    found = gate(
        "{kind: tls, host: www.other.example, at: after, every: 90s, within: 1h, successes: 2, failures: 9, "
        "on_fail: pause, advisory: true, name: certificate}"
    )
    assert found == GateSpec(
        "tls", "certificate", {"host": "www.other.example."}, "after", 90, 3600, 2, 9, "pause", advisory=True
    )


def test_options_of_steps_are_plain_data() -> None:
    playbook = read(
        HEAD
        + """\
phases:
  - name: one
    steps:
      - {kind: lower-ttl, names: ["@", www, mail.client.example.jp.], ttl: 60, wait_at_least: 1d}
      - {kind: watch, for: all-caches}
      - {kind: watch, for: 90s}
      - {kind: command, run: [a, "b c", 1]}
      - {kind: refresh-secondary, provider: host}
"""
    )
    assert [step.options for step in playbook.phases[0].steps] == [
        {
            "names": ("client.example.jp.", "www.client.example.jp.", "mail.client.example.jp."),
            "ttl": 60,
            "wait_at_least": 86400,
        },
        {"for": "all-caches"},
        {"for": 90},
        {"run": ("a", "b c", "1")},
        {"provider": "host"},
    ]


def test_the_proof_of_a_manual_step_is_a_gate_as_data() -> None:
    playbook = read(
        HEAD
        + """\
phases:
  - name: one
    steps:
      - kind: manual
        operator: the client
        text: Do it.
        proof: {kind: http, url: "https://www.client.example.jp/", status: 200, every: 30s}
"""
    )
    proof = playbook.phases[0].steps[0].options["proof"]
    options: dict[str, Json] = {"url": "https://www.client.example.jp/", "status": 200}
    assert decode(GateSpec, proof) == GateSpec("http", "http", options, every_s=30)


def test_the_digest_is_that_of_the_text() -> None:
    def digest(text: str) -> str:
        return read(text).digest

    assert digest(HEAD) == digest(HEAD)
    assert digest(HEAD) != digest(HEAD + "# seen\n")


def test_the_apex_is_the_same_in_every_spelling() -> None:
    """Fault 60: U-label, A-label, upper case, final dot."""

    def domain(text: str) -> Playbook:
        return read(HEAD.replace("client.example.jp", text))

    spellings = ["日本語.jp", "xn--wgv71a119e.jp", "XN--WGV71A119E.JP", "日本語.JP."]
    assert len({domain(text).domain for text in spellings}) == 1


def test_names_are_taken_by_idna_2008() -> None:
    (spec,) = records("  - {names: [straße], type: A, value: 192.0.2.1}")
    assert spec.names == (name("xn--strae-oqa.client.example.jp."),)


ASKED = """dnsrun: 1
domain: client.example.jp
providers: {host: {use: manual}, next: {use: manual, name_servers: [ns1.next.example, ns2.next.example]},
  reg: {use: manual-registrar}}
zone: {from: host%s}
asked: {by: Ms Sato, on: 2026-11-20, sending_devices: the printer, local_mail: no, office_dns: yes,
  dns_ends_with_hosting: yes, logins: us}
"""


def test_what_people_answered_is_kept_with_who_and_when() -> None:
    asked = read(ASKED % "").asked
    assert asked == AskedSpec(
        "Ms Sato",
        date(2026, 11, 20),
        sending_devices="the printer",
        local_mail=False,
        office_dns=True,
        dns_ends_with_hosting=True,
        logins="us",
    )


def test_answers_that_only_people_can_act_upon_are_warned_about() -> None:
    office, ends = read(ASKED % "").warnings
    assert office.startswith("the office has a DNS server of its own for the domain")
    assert "move the zone (`zone.to`) before that contract ends" in ends
    _, ends = read(ASKED % ", to: next, registrar: reg").warnings
    assert "do not end it before `finish` says so" in ends
