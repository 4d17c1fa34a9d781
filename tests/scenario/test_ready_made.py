"""Every ready-made playbook is run whole, as it is printed: only its open questions are answered.

Whoever is asked to type, to copy mailboxes or to switch mail off does so; the zone of the end is compared whole.
"""

from __future__ import annotations

from pathlib import Path

import dns.tsig
import pytest

from dnsrun.engine.advance import Ended
from readymade import (
    MAIL_OLD,
    WEB_NEW,
    WEB_OLD,
    Client,
    Setting,
    answered,
    certificates,
    client_world,
    content,
    mail_at,
    ttls,
    webs,
)
from servers import Starter

DONE = Ended("done", "done")


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def pem(certified: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return certificate and key of the client's servers, which this machine trusts."""
    ca, pem = certified
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    return pem


SECRET = "bm90LWEtc2VjcmV0LW9mLWFueWJvZHktMDAwMDAwMDA="
MAIL_HOSTS = {"imap_host": "imap-7f3a.client.example.jp", "smtp_host": "mail.client.example.jp", "clients_by_address": "0"}
WEB_MOVED = {("@", "A"): {WEB_NEW}, ("www", "A"): {WEB_NEW}}
MAILBOXES = {"mailboxes": "imap-7f3a.client.example.jp", "submission": "mail.client.example.jp", "clients_by_address": "0"}


def run_all(made: Client, *phases: str) -> None:
    """Run these phases one after the other."""
    for name in phases:
        assert made.phase(name) == DONE


def test_web_move(tmp_path: Path, pem: Path) -> None:
    setting = Setting(typed={"host": "old"})
    with client_world(tmp_path, answered("web-move", MAILBOXES), setting) as made, webs(made, pem, WEB_OLD, WEB_NEW):
        before, lasting = content(made.old), ttls(made.old)
        run_all(made, "1", "2", "3", "5")
        assert content(made.old) == before | WEB_MOVED
        assert ttls(made.old) == lasting


def test_zone_move(tmp_path: Path, pem: Path, start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new host takes signed updates; a person sets the name servers."""
    monkeypatch.setenv("NEW_HOST_TSIG", SECRET)
    key = dns.tsig.Key("dnsrun.", SECRET, "hmac-sha256")
    setting = Setting(new=("ns1.host.example", "ns2.host.example"), typed={"old_host": "old"}, new_key=key)
    with client_world(tmp_path, answered("zone-move", MAIL_HOSTS), setting) as made, webs(made, pem, WEB_OLD, WEB_NEW):
        mail_at(made, start, pem, MAIL_OLD)
        before, lasting = content(made.old), ttls(made.old)
        run_all(made, "1", "2", "3", "4", "5")
        assert made.delegated() == set(setting.new)
        assert content(made.new) == before | WEB_MOVED
        assert {key: lasting[key] for key in before} == {key: ttls(made.new)[key] for key in before}


def test_zone_move_by_hand(tmp_path: Path, pem: Path, start: Starter) -> None:
    """Nobody of us can write at the old host, where a mailbox host has a name that nobody guesses."""
    setting = Setting(new=tuple(f"0{number}.dnsv.jp" for number in (1, 2, 3, 4)), typed={"onamae_dns": "new"})
    text = answered("zone-move-by-hand", MAIL_HOSTS)
    with client_world(tmp_path, text, setting) as made, webs(made, pem, WEB_OLD, WEB_NEW):
        mail_at(made, start, pem, MAIL_OLD)
        before = content(made.old)
        run_all(made, "copy the zone", "switch the name servers", "switch the A records", "finish")
        assert made.delegated() == set(setting.new)
        assert content(made.old) == before
        assert content(made.new) == before | WEB_MOVED
