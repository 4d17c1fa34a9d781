"""Instructions for people: exact, in both languages, and reversible."""

from __future__ import annotations

import re

import dns.name
import pytest

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import SocketNet
from dnsrun.errors import OutsideError
from dnsrun.model.playbook import Mark, ProviderSpec, SecretRef
from dnsrun.model.rrset import Change, RRset, rrset
from dnsrun.ports.provider import Context
from dnsrun_providers import instructions
from dnsrun_providers.manual import PLUGIN, Manual

APEX = dns.name.from_text("client.example.jp.")


class NoSecrets:
    def reveal(self, reference: SecretRef) -> str:
        raise AssertionError(f"nobody asked for {reference}")


def manual(language: str = "en") -> Manual:
    spec = ProviderSpec("panel", "manual", {"panel": "other"}, (), Mark("a.yaml", 1, 1))
    clock = SystemClock()
    opened = PLUGIN.open(spec, Context(SocketNet(clock), clock, NoSecrets(), language))
    assert isinstance(opened, Manual)
    return opened


def text_of(*changes: Change, language: str = "en", apex: dns.name.Name = APEX) -> str:
    return manual(language).apply(apex, changes).ask_person or ""


def change(before: RRset | None, after: RRset | None) -> Change:
    side = before or after
    assert side
    return Change(side.key, before, after)


SWITCH = change(
    rrset("www.client.example.jp", 3600, "A", "192.0.2.10"), rrset("www.client.example.jp", 600, "A", "203.0.113.20")
)


def test_an_instruction_says_what_stands_there_and_what_is_to_stand_there() -> None:
    assert text_of(SWITCH) == (
        "Change the DNS records of client.example.jp by hand, exactly as follows.\n\n"
        "1. Open the page where the DNS records of client.example.jp are edited. Keep a picture of it as it is now.\n\n"
        "2. A   name www   (in full: www.client.example.jp)\n"
        "   now: 192.0.2.10   TTL 3600 s\n"
        "   then: 203.0.113.20   TTL 600 s\n\n"
        "3. Save. Type nothing else and leave all other records as they are. "
        "dnsrun asks the servers until they show it.\n\n"
        'If what you see is not what stands below "now", stop and say so: somebody else has changed it.'
    )


def test_the_undo_is_the_same_with_now_and_then_exchanged() -> None:
    undo = text_of(SWITCH.reverse())
    assert "   now: 203.0.113.20   TTL 600 s\n   then: 192.0.2.10   TTL 3600 s" in undo


def test_japanese_is_given_where_it_is_asked_for() -> None:
    text = text_of(SWITCH, language="ja")
    assert "   現在: 192.0.2.10   TTL 3600 秒\n   変更後: 203.0.113.20   TTL 600 秒" in text
    assert "名前 www   (完全な名前: www.client.example.jp)" in text


def test_an_alias_is_removed_before_the_address_is_typed_and_absence_is_said() -> None:
    alias = rrset("blog.client.example.jp", 600, "CNAME", "old.example.")
    address = rrset("blog.client.example.jp", 600, "A", "192.0.2.1")
    text = text_of(change(None, address), change(alias, None))
    assert text.index("2. CNAME") < text.index("3. A")
    assert text.count("(no such record)") == 2


def test_every_value_stands_on_its_own_line_and_the_apex_is_an_at_sign() -> None:
    mx = rrset(APEX, 3600, "MX", "10 a.example.", "20 b.example.")
    text = text_of(change(mx, mx.with_ttl(600)))
    assert "name @   (in full: client.example.jp)" in text
    assert re.findall(r"then: (.*?)   TTL 600 s", text) == ["10 a.example.", "20 b.example."]
    assert "the value stays, only the TTL changes" in text


def test_an_international_name_is_shown_in_both_forms() -> None:
    """Threat 23."""
    apex = dns.name.from_text("日本.example.")
    text = text_of(change(None, rrset(apex, 60, "A", "192.0.2.1")), apex=apex)
    assert "xn--wgv71a.example (日本.example)" in text


def test_text_from_the_zone_is_no_template_and_moves_no_terminal() -> None:
    """Threats 7 and 16."""
    text = text_of(change(None, rrset("t.client.example.jp", 60, "TXT", '"{zone} {0}\\027]0;x\\007"')))
    assert "{zone} {0}" in text
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_refresh_says_off_and_on_again(language: str) -> None:
    text = manual(language).refresh(APEX).ask_person or ""
    assert "client.example.jp" in text
    assert ("off, and at once on again" if language == "en" else "無効にし、すぐに有効に") in text


def test_every_panel_has_all_words_in_both_languages() -> None:
    for panel in instructions.names():
        for language in ("en", "ja"):
            assert instructions.writing(panel, language, APEX, (SWITCH,)).count("203.0.113.20") == 1
            assert instructions.refreshing(panel, language, APEX)


def test_a_panel_cannot_be_read_and_says_what_to_do() -> None:
    with pytest.raises(OutsideError, match="give a zone file or a transfer"):
        manual().read_zone(APEX)
