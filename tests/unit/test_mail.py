"""The names that mail rides on, and changes of them that nobody owned up to."""

from __future__ import annotations

import pytest

from dnsrun.model.playbook import MailSpec, RecordSpec
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.mail import mail_conflicts, mail_names
from dnsrun.plan.records import desired
from planworld import entry, name, zone

OLD, NEW = "192.0.2.25", "203.0.113.25"
MAIL = MailSpec(mailboxes=(name("imap"),), submission=(name("smtp"),))
ZONE = zone("@ 300 MX 10 mail", *(f"{owner} 300 A {OLD}" for owner in ("mail", "box", "imap", "smtp", "www")))


def conflicts(held: ZoneSnapshot, spec: RecordSpec, mail: MailSpec | None = MAIL) -> tuple[str, ...]:
    return mail_conflicts(desired([spec], held, new_ttl_s=600).changes, [spec], mail, held)


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

    assert {name("imap"), name("pop")} <= set(mail_names(MAIL, held))


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
    assert (name("box") in mail_names(None, zone(line, f"box 300 A {OLD}"))) == found


def test_a_domain_that_takes_no_mail_has_no_mail_names() -> None:
    """Null MX, RFC 7505."""
    assert mail_names(None, zone("@ 300 MX 0 .")) == {}


def test_a_text_beside_a_mail_name_and_a_ttl_alone_move_no_mail() -> None:
    assert conflicts(ZONE, entry("mail", "TXT", values=('"x"',))) == ()
    assert conflicts(ZONE, entry("mail", "A", values=(OLD,), ttl_s=60)) == ()
