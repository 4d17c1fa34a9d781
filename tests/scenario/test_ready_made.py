"""Every ready-made playbook is run whole, as it is printed: only its open questions are answered.

Whoever is asked to type, to copy mailboxes or to switch mail off does so; the zone of the end is compared whole.
"""

from __future__ import annotations

from pathlib import Path

import dns.tsig
import pytest

from answers import DKIM_1, DKIM_2, MX_NEW, PROOF, SPF_NEW, answered
from dnsrun.engine.advance import Advance, Ended
from readymade import (
    MAIL_NEW,
    MAIL_OLD,
    NAME,
    PASSWORD,
    WEB_NEW,
    WEB_OLD,
    Client,
    Setting,
    certificates,
    client_world,
    content,
    mail_at,
    ttls,
    webs,
)
from servers import Starter

DONE = Ended("done", "done")
SECRET = "bm90LWEtc2VjcmV0LW9mLWFueWJvZHktMDAwMDAwMDA="
WEB_MOVED = {("@", "A"): {WEB_NEW}, ("www", "A"): {WEB_NEW}}


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def pem(certified: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return certificate and key of the client's servers, which this machine trusts."""
    ca, pem = certified
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    return pem


def run_all(made: Client, *phases: str) -> None:
    """Run these phases one after the other."""
    for name in phases:
        assert made.phase(name) == DONE


def takes_mail(made: Client, address: str) -> bool:
    """Tell whether the mail server at an address takes mail for the domain."""
    return made.mail[address].post.answer_to(f"postmaster@{NAME}") == 250


def assert_refused(after: Advance, because: str) -> None:
    assert isinstance(after, Ended)
    assert after.outcome == "refused"
    assert because in after.because


def test_web_move(tmp_path: Path, pem: Path) -> None:
    setting = Setting(typed={"host": "old"})
    with (
        client_world(tmp_path, answered("web-move"), setting) as made,
        webs(made, pem, WEB_OLD, WEB_NEW) as (_, web_new),
    ):
        before, lasting = content(made.old), ttls(made.old)
        run_all(made, "1", "2", "3", "5")
        assert content(made.old) == before | WEB_MOVED
        assert ttls(made.old) == lasting
        assert web_new.heard


def test_zone_move(tmp_path: Path, pem: Path, start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new host takes signed updates; a person sets the name servers."""
    monkeypatch.setenv("NEW_HOST_TSIG", SECRET)
    key = dns.tsig.Key("dnsrun.", SECRET, "hmac-sha256")
    setting = Setting(new=("ns1.host.example", "ns2.host.example"), typed={"old_host": "old"}, new_key=key)
    with (
        client_world(tmp_path, answered("zone-move"), setting) as made,
        webs(made, pem, WEB_OLD, WEB_NEW) as (_, web_new),
    ):
        mail_at(made, start, pem, MAIL_OLD)
        before, lasting = content(made.old), ttls(made.old)
        run_all(made, "1", "2", "3", "4", "5")
        assert made.delegated() == set(setting.new)
        assert content(made.new) == before | WEB_MOVED
        assert {key: ttls(made.new)[key] for key in before} == {key: lasting[key] for key in before}
        assert web_new.heard
        assert takes_mail(made, MAIL_OLD)


@pytest.mark.long
def test_zone_move_by_hand(tmp_path: Path, pem: Path, start: Starter) -> None:
    """Nobody of us can write at the old host, where a mailbox host has a name that nobody guesses."""
    setting = Setting(new=tuple(f"0{number}.dnsv.jp" for number in (1, 2, 3, 4)), typed={"onamae_dns": "new"})
    text = answered("zone-move-by-hand")
    with client_world(tmp_path, text, setting) as made, webs(made, pem, WEB_OLD, WEB_NEW) as (_, web_new):
        mail_at(made, start, pem, MAIL_OLD)
        before = content(made.old)
        run_all(made, "copy the zone", "switch the name servers", "switch the A records", "finish")
        assert made.delegated() == set(setting.new)
        assert content(made.old) == before
        assert content(made.new) == before | WEB_MOVED
        assert {key: ttls(made.new)[key] for key in before} == {key: ttls(made.old)[key] for key in before}
        assert web_new.heard
        assert takes_mail(made, MAIL_OLD)


MAIL_MOVED = {(name, "A"): {MAIL_NEW} for name in ("mail", "lists", "webmail")}
SWITCH = Setting(old=("ns1.host.example",), copies="ns2.copies.example", typed={"primary": "old"})


def test_mail_switch(tmp_path: Path, pem: Path, start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    with client_world(tmp_path, answered("mail-switch"), SWITCH) as made:
        mail_at(made, start, pem, MAIL_OLD, MAIL_NEW)
        before, lasting = content(made.old), ttls(made.old)
        run_all(made, "1", "switch the mail", "finish")
        assert content(made.old) == content(made.secondary) == before | MAIL_MOVED
        assert ttls(made.old) == lasting
        assert (takes_mail(made, MAIL_OLD), takes_mail(made, MAIL_NEW)) == (False, True)


NOT_YET = {"mx_new": "0 not-yet.invalid", "dkim_1": "not-yet.invalid", "dkim_2": "not-yet.invalid"}
MICROSOFT = f"""
{MX_NEW[2:]}. 300 A {MAIL_NEW}
autodiscover.outlook.com. 300 A 203.0.113.80
spf.protection.outlook.com. 300 TXT "v=spf1 ip4:203.0.113.0/24 -all"
{DKIM_1}. 300 TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
"""
MOVED_TO_MICROSOFT = {
    ("@", "TXT"): {f'"{SPF_NEW}"', f'"{PROOF}"'},
    ("@", "MX"): {f"{MX_NEW}."},
    ("autodiscover", "CNAME"): {"autodiscover.outlook.com."},
    ("selector1._domainkey", "CNAME"): {DKIM_1 + "."},
    ("selector2._domainkey", "CNAME"): {DKIM_2 + "."},
}


@pytest.mark.long
def test_microsoft_365(tmp_path: Path, pem: Path, start: Starter) -> None:
    """What the tenant shows only later is written into the playbook later, and nothing goes there before that."""
    setting = Setting(typed={"dns": "old"}, outside=MICROSOFT)
    with client_world(tmp_path, answered("microsoft-365", **NOT_YET), setting) as made:
        mail_at(made, start, pem, MAIL_OLD, MAIL_NEW)
        before, lasting = content(made.old), ttls(made.old)
        proved = {("@", "TXT"): MOVED_TO_MICROSOFT["@", "TXT"]}
        run_all(made, "prove the domain")
        assert_refused(made.phase("prepare"), "the DKIM key selector1._domainkey.client.example.jp is missing")
        assert content(made.old) == before | proved
        made.text = answered("microsoft-365", mx_new=NOT_YET["mx_new"])
        assert made.phase("prepare", accept_changes=True) == DONE
        assert_refused(made.phase("switch the mail"), "not-yet.invalid")
        assert content(made.old)["@", "MX"] == before["@", "MX"]
        made.text = answered("microsoft-365")
        assert made.phase("switch the mail", accept_changes=True) == DONE
        run_all(made, "finish")
        assert content(made.old) == before | MOVED_TO_MICROSOFT
        assert {key: ttls(made.old)[key] for key in lasting} == lasting
        assert (takes_mail(made, MAIL_OLD), takes_mail(made, MAIL_NEW)) == (False, True)
