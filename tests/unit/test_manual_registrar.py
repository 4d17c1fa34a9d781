"""Instructions to set name servers by hand: exact, in both languages, and reversible."""

from __future__ import annotations

import re

import dns.name
import pytest

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import SocketNet
from dnsrun.model.playbook import Mark, ProviderSpec, SecretRef
from dnsrun.model.zone import Delegation
from dnsrun.ports.provider import Context
from dnsrun_providers.manual_registrar import PLUGIN, ManualRegistrar
from dnsrun_providers.panels import names

DOMAIN = dns.name.from_text("client.example.jp.")
NS1 = dns.name.from_text("ns1.client.example.jp.")
DS = f"4711 13 2 {'ab' * 32}"


def to(*ns: str, ds: tuple[str, ...] = (), glue: tuple[str, ...] = ()) -> Delegation:
    return Delegation(frozenset(map(dns.name.from_text, ns)), {NS1: glue} if glue else {}, frozenset(ds), 86400)


OLD = to("ns1.old.example.", "ns.both.example.")
NEW = to("ns1.new.example.", "ns.both.example.")


class NoSecrets:
    def reveal(self, reference: SecretRef) -> str:
        raise AssertionError(f"nobody asked for {reference}")


def registrar(panel: str = "other", language: str = "en") -> ManualRegistrar:
    spec = ProviderSpec("registrar", "manual-registrar", {"panel": panel}, (), Mark("a.yaml", 1, 1))
    clock = SystemClock()
    opened = PLUGIN.open(spec, Context(SocketNet(clock), clock, NoSecrets(), language))
    assert isinstance(opened, ManualRegistrar)
    return opened


def text_of(
    before: Delegation, after: Delegation, *, panel: str = "other", language: str = "en", domain: dns.name.Name = DOMAIN
) -> str:
    return registrar(panel, language).replace_delegation(domain, before=before, after=after).ask_person or ""


def lines(text: str, word: str) -> list[str]:
    return re.findall(rf"^   {word}: (.*)$", text, re.MULTILINE)


def test_an_instruction_says_what_stands_there_what_must_stand_there_and_what_is_cleared() -> None:
    assert text_of(OLD, NEW, domain=dns.name.from_text("client.example.")) == (
        "Change the name servers of client.example by hand at the control panel, exactly as follows.\n\n"
        "1. Open the page where the name servers of client.example are set. Keep a picture of it as it is now.\n\n"
        '2. Name servers: enter those below "then", clear those below "clear", leave every further field empty.\n'
        "   now: ns.both.example\n"
        "   now: ns1.old.example\n"
        "   then: ns.both.example\n"
        "   then: ns1.new.example\n"
        "   clear: ns1.old.example\n\n"
        "3. Save.\n\n"
        "Keep pictures of the screens after it. dnsrun asks every server of the parent zone until they show it.\n\n"
        'If what you see is not what stands below "now", stop and say so: somebody else has changed it.'
    )


@pytest.mark.parametrize("panel", names("delegate"))
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_panel_gives_the_same_lines_and_the_undo_is_their_reverse(panel: str, language: str) -> None:
    now, then, clear = ("now", "then", "clear") if language == "en" else ("現在", "変更後", "消去")
    there = text_of(OLD, NEW, panel=panel, language=language)
    back = text_of(NEW, OLD, panel=panel, language=language)
    assert lines(there, now) == lines(back, then) == ["ns.both.example", "ns1.old.example"]
    assert lines(there, then) == lines(back, now) == ["ns.both.example", "ns1.new.example"]
    assert (lines(there, clear), lines(back, clear)) == (["ns1.old.example"], ["ns1.new.example"])


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_jp_domain_is_told_of_the_hours_without_updates(language: str) -> None:
    assert "03:00" in text_of(OLD, NEW, language=language)
    assert "03:00" not in text_of(OLD, NEW, language=language, domain=dns.name.from_text("client.example."))


def test_a_host_inside_the_domain_is_registered_before_it_is_entered() -> None:
    after = to("ns1.client.example.jp.", "ns.both.example.", glue=("203.0.113.53", "2001:db8::53"))
    text = text_of(OLD, after)
    assert lines(text, "now")[0] == "(none)"
    assert lines(text, "then")[:2] == ["2001:db8::53", "203.0.113.53"]
    assert text.index("2001:db8::53") < text.index("Open the page where the name servers")


def test_a_host_that_is_no_longer_used_stays_registered() -> None:
    """Incident 17."""
    before = to("ns1.client.example.jp.", "ns.both.example.", glue=("203.0.113.53",))
    text = text_of(before, NEW)
    assert "Leave registered hosts that are no longer used as they are: ns1.client.example.jp" in text
    assert "203.0.113.53" not in text


def test_ds_lines_come_whole_and_field_by_field_and_the_name_servers_stay() -> None:
    text = text_of(OLD, to("ns1.old.example.", "ns.both.example.", ds=(DS,)))
    assert lines(text, "then") == [DS]
    assert f"key tag 4711, algorithm 13, digest type 2, digest {'AB' * 32}" in text
    assert "The name servers stay. Change nothing there:" in text
    assert "clear" not in text


def test_taking_ds_out_says_which_and_that_none_stays() -> None:
    text = text_of(to("ns1.old.example.", ds=(DS,)), to("ns1.old.example."))
    assert (lines(text, "now"), lines(text, "then")) == ([DS], ["(none)"])


def test_ds_that_stay_are_said_to_stay() -> None:
    text = text_of(to("ns1.old.example.", ds=(DS,)), to("ns1.new.example.", ds=(DS,)))
    assert "The DS records (DNSSEC) stay. Change nothing there:" in text
    assert DS not in lines(text, "then")


def test_at_onamae_the_way_and_the_old_entries_are_named() -> None:
    text = text_of(to("01.dnsv.jp.", "02.dnsv.jp."), NEW, panel="onamae", language="ja")
    assert "ドメイン設定 → ネームサーバーの設定 → ネームサーバーの変更" in text
    assert lines(text, "消去") == ["01.dnsv.jp", "02.dnsv.jp"]


def test_a_panel_shows_its_delegation_to_people_only_and_may_take_a_day() -> None:
    assert registrar().read_delegation(DOMAIN) is None
    assert registrar().capabilities.needs_person
    assert registrar("sakura").capabilities.declared_delay_s == 86_400
