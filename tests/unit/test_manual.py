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
from dnsrun_providers.manual import PLUGIN, Manual
from dnsrun_providers.panels import names

APEX = dns.name.from_text("client.example.jp.")


class NoSecrets:
    def reveal(self, reference: SecretRef) -> str:
        raise AssertionError(f"nobody asked for {reference}")


def manual(language: str = "en", panel: str = "other") -> Manual:
    spec = ProviderSpec("panel", "manual", {"panel": panel}, (), Mark("a.yaml", 1, 1))
    clock = SystemClock()
    opened = PLUGIN.open(spec, Context(SocketNet(clock), clock, NoSecrets(), language))
    assert isinstance(opened, Manual)
    return opened


def text_of(*changes: Change, language: str = "en", apex: dns.name.Name = APEX, panel: str = "other") -> str:
    return manual(language, panel).apply(apex, changes).ask_person or ""


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


@pytest.mark.parametrize("panel", names("write"))
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_panel_says_where_what_and_how_it_is_saved(panel: str, language: str) -> None:
    text = text_of(SWITCH, language=language, panel=panel)
    assert text.count("203.0.113.20") == 1
    assert text.count("client.example.jp") >= 3
    assert "3. " in text


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("changes", [(SWITCH,), (SWITCH.reverse(),)])
def test_at_onamae_the_check_box_is_warned_of_first_and_again_before_saving(
    language: str, changes: tuple[Change, ...]
) -> None:
    """Ticked, saving records switches the name servers: also on the way back."""
    text = text_of(*changes, language=language, panel="onamae")
    warning, saving = (
        place for place in range(len(text)) if text.startswith("DNSレコード設定用ネームサーバー変更確認", place)
    )
    assert warning < text.index("192.0.2.10") < saving
    assert text.count("UNTICK" if language == "en" else "チェックを") >= 2
    assert ("WARNING: " if language == "en" else "【注意】") in text[:warning]


def test_plesk_is_told_to_press_the_button_and_that_the_ttl_is_the_zones() -> None:
    text = text_of(SWITCH, language="ja", panel="plesk11")
    assert text.count("「更新」ボタン") == 2
    assert "TTLはゾーン全体で一つ" in text


def test_what_is_known_of_a_panel_is_what_the_planner_sees() -> None:
    seen = {name: manual(panel=name).capabilities for name in names("write", "refresh")}
    assert seen["onamae"].saving_may_delegate
    assert not seen["other"].saving_may_delegate
    assert seen["xserver"].min_ttl_s == 60
    assert seen["plesk11"].ttl_scope == "zone"
    assert {one.serves_before_delegation for one in seen.values()} == {None}
    assert [name for name, one in seen.items() if not one.writes] == ["nsx"]


def test_a_panel_of_secondaries_has_its_own_words_and_takes_no_records() -> None:
    assert "ゾーンの無効化" in (manual("ja", "nsx").refresh(APEX).ask_person or "")
    with pytest.raises(OutsideError, match="only copies zones"):
        manual(panel="nsx").apply(APEX, (SWITCH,))


# --- more than fits on a screen

MANY = tuple(rrset(f"h{number}.client.example.jp", 600, "A", f"192.0.2.{number}") for number in range(1, 12))


def test_many_changes_are_one_table_with_sheets() -> None:
    receipt = manual().apply(APEX, tuple(change(None, one) for one in MANY))
    text = receipt.ask_person or ""
    assert "2. 11 changes: - must be gone, + must be there" in text
    assert "   +  A  h1   600  192.0.2.1\n" in text
    assert [name for name, _ in receipt.files] == ["client.example.jp.csv", "client.example.jp.zone"]
    assert "the files client.example.jp.csv, client.example.jp.zone." in text


def test_few_changes_need_no_sheet() -> None:
    assert manual().apply(APEX, tuple(change(None, one) for one in MANY[:10])).files == ()


def test_the_table_shows_removals_first_and_a_ttl_that_moves() -> None:
    lowered = change(MANY[0], MANY[0].with_ttl(60))
    moved = change(MANY[1], rrset(MANY[1].key.owner, 60, "A", "203.0.113.2"))
    text = text_of(lowered, moved, *(change(one, None) for one in MANY[2:]))
    assert text.index("-  A  h11  600       192.0.2.11") < text.index("=  A  h1   600 → 60  192.0.2.1")
    assert "   -  A  h2   600       192.0.2.2\n   +  A  h2   60        203.0.113.2" in text
    assert "marked - or = is not there" in text


def test_when_nothing_is_to_stand_there_there_is_no_sheet() -> None:
    receipt = manual().apply(APEX, tuple(change(one, None) for one in MANY))
    assert receipt.files == ()
    assert "files" not in (receipt.ask_person or "")


def test_a_panel_cannot_be_read_and_says_what_to_do() -> None:
    with pytest.raises(OutsideError, match="give a zone file or a transfer"):
        manual().read_zone(APEX)
