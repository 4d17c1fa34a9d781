"""The names that mail rides on, and changes of them that nobody owned up to."""

from __future__ import annotations

from dataclasses import replace

import dns.name
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsrun.model.playbook import MailSpec, RecordSpec
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.mail import Elsewhere, mail_conflicts, mail_graph, mail_tree, mailboxes_unsaid
from dnsrun.plan.records import desired
from planworld import entry, name, playbook, rrset, zone

OLD, NEW = "192.0.2.25", "203.0.113.25"
MAIL = MailSpec(mailboxes=(name("imap"),), submission=(name("smtp"),))
ZONE = zone("@ 300 MX 10 mail", *(f"{owner} 300 A {OLD}" for owner in ("mail", "box", "imap", "smtp", "www")))


def conflicts(held: ZoneSnapshot, spec: RecordSpec, mail: MailSpec | None = MAIL) -> tuple[str, ...]:
    return mail_conflicts(desired([spec], held, new_ttl_s=600).changes, [spec], mail, mail_graph(mail, held))


def moving(owner: str, *, affects_mail: bool = False) -> RecordSpec:
    return entry(owner, "A", was=(OLD,), values=(NEW,), affects_mail=affects_mail)


@pytest.mark.parametrize(
    ("owner", "reason"),
    [
        ("mail", "MX of client.example → mail.client.example"),
        ("imap", "`mail.mailboxes`"),
        ("smtp", "`mail.submission`"),
    ],
)
def test_changing_only_an_address_under_mail_is_refused_unless_said(owner: str, reason: str) -> None:
    """M4: the first story began with a name that nobody thought of."""
    (sentence,) = conflicts(ZONE, moving(owner))

    assert sentence.startswith(f"client.yaml:9:5: {owner}.client.example A carries mail")
    assert reason in sentence
    assert "`affects: mail`" in sentence
    assert conflicts(ZONE, moving(owner, affects_mail=True)) == ()


def test_a_web_name_on_the_same_address_is_no_mail_name() -> None:
    assert conflicts(ZONE, moving("www")) == ()


def test_mail_that_moves_as_a_whole_needs_no_word_at_each_entry() -> None:
    assert conflicts(ZONE, moving("mail"), MailSpec(moves=True)) == ()


def test_without_a_mail_section_the_zone_itself_tells() -> None:
    assert len(conflicts(ZONE, moving("mail"), None)) == 1
    assert conflicts(ZONE, moving("imap"), None) == ()


def test_a_mail_name_needs_was() -> None:
    new_mx = entry("@", "MX", values=("10 mail", "20 mail2"), affects_mail=True)

    (sentence,) = conflicts(ZONE, new_mx)
    assert "`was`" in sentence


def test_the_mx_itself_is_on_the_graph() -> None:
    spec = entry("@", "MX", was=("10 mail",), values=("10 mail2",))

    assert "MX of client.example" in conflicts(ZONE, spec)[0]


def test_a_name_behind_an_alias_is_found() -> None:
    """M4: imap is an alias, chains included; only the address behind it changes."""
    held = zone("imap 300 CNAME pop", "pop 300 CNAME box", f"box 300 A {OLD}")

    (sentence,) = conflicts(held, moving("box"))

    assert "box.client.example A carries mail" in sentence
    assert "`mail.mailboxes`" in sentence
    assert "→ box.client.example" in sentence


def test_aliases_in_a_circle_end() -> None:
    held = zone("imap 300 CNAME pop", "pop 300 CNAME imap")

    assert {name("imap"), name("pop")} <= set(mail_graph(MAIL, held).hosts)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("_imaps._tcp 300 SRV 0 1 993 box", True),
        ("_SUBMISSION._tcp 300 SRV 0 1 587 box", True),
        ("_sip._tcp 300 SRV 0 1 5060 box", False),
        ("@ 300 MX 0 .", False),
        ("sub 300 MX 10 box", True),
    ],
)
def test_services_of_mail_lead_to_mail_names_others_do_not(line: str, found: bool) -> None:
    assert (name("box") in mail_graph(None, zone(line, f"box 300 A {OLD}")).servers) == found


def test_a_domain_that_takes_no_mail_has_no_mail_names() -> None:
    """Null MX, RFC 7505."""
    assert mail_graph(None, zone("@ 300 MX 0 .")).servers == ()


def test_a_text_beside_a_mail_name_and_a_ttl_alone_move_no_mail() -> None:
    assert conflicts(ZONE, entry("mail", "TXT", values=('"x"',))) == ()
    assert conflicts(ZONE, entry("mail", "A", values=(OLD,), ttl_s=60)) == ()


SENDING = (
    '@ 300 TXT "v=spf1 a include:_spf.client.example mx a:%{i}.client.example -all"',
    '@ 300 TXT "site-verification=1"',
    '_spf 300 TXT "v=spf1 a:out.client.example/28 ?all"',
    f"out 300 A {OLD}",
    f"@ 300 A {OLD}",
)


@pytest.mark.parametrize(
    ("owner", "way"),
    [
        ("@", "SPF of client.example → `a` → client.example → A 192.0.2.25"),
        ("out", "SPF of _spf.client.example → `a:out.client.example/28` → A 192.0.2.25"),
    ],
)
def test_an_address_that_spf_names_sends_mail(owner: str, way: str) -> None:
    """M2: with the address changes who may send."""
    (sentence,) = conflicts(zone(*SENDING), moving(owner), None)

    assert f"carries mail: {way};" in sentence


def test_mail_programs_that_use_the_bare_domain_are_seen_in_a_plan_that_only_changes_its_address() -> None:
    """The first story's second way: the client changes one A record, and mail breaks again."""
    held = zone(f"@ 300 A {OLD}", f"www 300 A {OLD}", "@ 300 MX 10 mx.relay.example.")

    (sentence,) = conflicts(held, moving("@"), MailSpec(mailboxes=(name("@"),)))

    assert "mail programs open client.example (`mail.mailboxes`) → A 192.0.2.25" in sentence


def test_what_a_text_record_says_beside_spf_is_not_mail() -> None:
    old = ('"v=spf1 a -all"', '"site-verification=1"')
    held = zone(*(f"@ 300 TXT {text}" for text in old))
    verified = entry("@", "TXT", was=old, values=(old[0], '"site-verification=2"'))
    sends = entry("@", "TXT", was=old, values=('"v=spf1 mx -all"', old[1]))

    assert conflicts(held, verified) == ()
    assert "carries mail: SPF of client.example: v=spf1 a -all" in conflicts(held, sends)[0]


@pytest.mark.parametrize(
    ("owner", "rdtype", "old", "new"),
    [
        ("k9q._domainkey", "TXT", '"v=DKIM1; p=MIIB"', '"v=DKIM1; p=MIIC"'),
        ("s1._domainkey", "CNAME", "s1.sender.example.", "s2.sender.example."),
        ("_dmarc", "TXT", '"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'),
        ("_mta-sts", "TXT", '"v=STSv1; id=1"', '"v=STSv1; id=2"'),
        ("mta-sts", "A", OLD, NEW),
        ("_smtp._tls", "TXT", '"v=TLSRPTv1; rua=mailto:a@x.example"', '"v=TLSRPTv1; rua=mailto:b@x.example"'),
        ("_25._tcp.mail", "TLSA", "3 1 1 " + "aa" * 32, "3 1 1 " + "bb" * 32),
        ("autodiscover", "CNAME", "autodiscover.a.example.", "autodiscover.b.example."),
        ("autoconfig", "A", OLD, NEW),
        ("_autodiscover._tcp", "SRV", "0 0 443 a.example.", "0 0 443 b.example."),
    ],
)
def test_whatever_senders_and_mail_programs_look_up_is_mail(owner: str, rdtype: str, old: str, new: str) -> None:
    """M3."""
    held = zone(f"{owner} 300 {rdtype} {old}")

    assert len(conflicts(held, entry(owner, rdtype, was=(old,), values=(new,)))) == 1
    made = conflicts(zone("@ 300 A 192.0.2.1"), entry(owner, rdtype, values=(new,)))
    assert len(made) == (rdtype != "A" and "auto" not in owner[:4] and rdtype != "TLSA")


def test_a_mail_host_that_only_a_wildcard_answers_is_found_there() -> None:
    held = zone("@ 300 MX 10 mail", f"*.client.example. 300 A {OLD}")

    (sentence,) = conflicts(held, moving("*"))

    assert "carries mail: MX of client.example → mail.client.example → A 192.0.2.25" in sentence


def test_a_domain_without_mx_takes_mail_at_its_own_address() -> None:
    """RFC 5321 section 5.1; only where the playbook says that there is mail."""
    held = zone(f"@ 300 A {OLD}")

    assert "client.example has no MX → A 192.0.2.25" in conflicts(held, moving("@"))[0]
    assert conflicts(held, moving("@"), None) == ()


def test_a_proxied_address_under_mail_is_refused() -> None:
    held = zone("@ 300 MX 10 mail")
    proxied = replace(rrset("mail", 300, "A", OLD), extras=(("proxied", "true"),))
    held = replace(held, rrsets={**held.rrsets, proxied.key: proxied})

    (sentence,) = conflicts(held, moving("mail", affects_mail=True))
    assert "a proxy for web pages passes no mail" in sentence


def tree(held: ZoneSnapshot, text: str, *, most: int = 12) -> tuple[str, ...]:
    book = playbook(
        f"dnsrun: 1\ndomain: client.example\nproviders: {{host: {{use: manual, panel: other}}}}\n"
        f"zone: {{from: host}}\n{text}"
    )
    hosts = {dns.name.from_text("mx1.relay.example"): "elsewhere: 198.51.100.25"}
    found = Elsewhere(hosts, {"192.0.2.7": "is named out.client.example"})
    return mail_tree(mail_graph(book.mail, held), book, found, most=most)


STORY = zone(
    "@ 300 A 192.0.2.10", "www 300 A 192.0.2.10", "@ 300 MX 10 mx1.relay.example.", "imap 300 A 192.0.2.10",
    "smtp 300 CNAME imap", '@ 300 TXT "v=spf1 include:_spf.relay.example -all"',
    'k9q._domainkey 300 TXT "v=DKIM1; p=MI"',
)  # fmt: skip
PLAYBOOK = """mail: {mailboxes: [imap.client.example], submission: [smtp.client.example], front: [mx1.relay.example]}
records: [{names: [www], type: A, was: 192.0.2.10, value: 203.0.113.20}]
"""


def test_the_tree_shows_each_way_once_and_who_shares_a_server_that_is_left() -> None:
    left = "A 192.0.2.10 = what www.client.example leaves: that server must stay"
    sends = "mail programs send through smtp.client.example (`mail.submission`) → imap.client.example"
    front = "(a relay in front of the mailboxes, elsewhere: 198.51.100.25)"
    assert tree(STORY, PLAYBOOK) == (
        f"receiving  MX of client.example → mx1.relay.example {front}",
        f"reading    mail programs open imap.client.example (`mail.mailboxes`) → {left}",
        f"           {sends} → {left}",
        "sending    SPF of client.example: v=spf1 include:_spf.relay.example -all",
        "           SPF of client.example → `include:_spf.relay.example` (elsewhere)",
        '           DKIM: k9q._domainkey.client.example → TXT "v=DKIM1; p=MI"',
    )


def test_a_declared_sender_is_shown_with_the_name_that_receivers_look_up() -> None:
    text = PLAYBOOK.replace("front:", "senders: [{address: 192.0.2.7}, {address: 192.0.2.8}], front:")

    assert tree(STORY, text)[-2:] == (
        "           192.0.2.7 sends (`mail.senders`, until always); is named out.client.example",
        "           192.0.2.8 sends (`mail.senders`, until always); its name was not looked up",
    )


def test_a_long_tree_is_cut_but_not_what_changes() -> None:
    text = PLAYBOOK.replace("records: [", "records: [{names: [smtp], type: CNAME, was: imap.client.example., "
                            "value: new.client.example., affects: mail}, ")  # fmt: skip
    lines = tree(STORY, text, most=1)

    assert len(lines) == 2 + 1
    assert lines[-1] == "… and 4 more (-v)"


def test_a_domain_without_mail_has_no_tree() -> None:
    assert tree(zone("@ 300 A 192.0.2.10", "@ 300 MX 0 ."), "") == ()


def switched(mail: MailSpec | None, held: ZoneSnapshot) -> list[str]:
    return list(mailboxes_unsaid(mail, mail_graph(mail, held), held))


def test_name_servers_are_not_switched_while_nobody_knows_where_the_mailboxes_are() -> None:
    """The first story: the MX is a relay, and mail programs use names that no public record leads to."""
    relay = zone("@ 300 MX 10 mx1.relay.example.")

    assert "does not say where the mailboxes are" in switched(None, relay)[0]
    assert "goes to mx1.relay.example, which may be a relay" in switched(MailSpec(), relay)[0]
    assert switched(MailSpec(mailboxes=(dns.name.from_text("imap.host.example"),)), relay) == []
    assert switched(MailSpec(), zone("@ 300 MX 10 mail", f"mail 300 A {OLD}")) == []
    assert switched(None, zone("@ 300 A 192.0.2.1")) == []


def test_a_mailbox_host_that_the_captured_zone_does_not_hold_is_named() -> None:
    (sentence,) = switched(MAIL, zone(f"imap 300 A {OLD}"))

    assert "mail programs send through smtp.client.example" in sentence
    assert "has no address in the zone as it was captured" in sentence


LABELS = st.sampled_from(["@", "a", "b", "mail", "*", "autodiscover", "_dmarc", "x._domainkey", "_25._tcp.mail"])
LINES = st.one_of(
    st.tuples(LABELS, LABELS).map(lambda pair: f"{pair[0]} 300 CNAME {pair[1]}"),
    st.tuples(LABELS, LABELS).map(lambda pair: f"{pair[0]} 300 MX 10 {pair[1]}"),
    LABELS.map(lambda owner: f"{owner} 300 A {OLD}"),
    st.tuples(
        LABELS, st.text(st.characters(codec="ascii", exclude_characters='"\\', min_codepoint=32), max_size=40)
    ).map(lambda pair: f'{pair[0]} 300 TXT "v=spf1 {pair[1]}"'),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=12))
def test_any_zone_has_a_graph_whose_every_link_is_there(lines: list[str]) -> None:
    """Chains in circles, wildcards, SPF that nobody can read: every ride ends, and its RRset is the zone's."""
    held = zone(*lines)
    graph = mail_graph(MAIL, held)

    assert all(ride.path and all(ride.path) for ride in graph.rides)
    assert set(graph.keys) <= set(held.rrsets)
    assert {name("imap"), name("smtp")} <= set(graph.hosts)
