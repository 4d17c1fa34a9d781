"""Which names are asked for, and where SPF leads."""

from __future__ import annotations

import dns.name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given
from hypothesis import strategies as st

from dnsrun.dnsio.probing import _spf_targets, many_words, usual_names
from dnsrun.model.rrset import IN

APEX = dns.name.from_text("client.example")


def led_to(*strings: bytes) -> set[str]:
    rdata = TXT(IN, RdataType.TXT, strings)
    return {target.to_text() for target in _spf_targets(rdata)}


def test_the_names_asked_once_hold_those_asked_in_every_phase() -> None:
    words = many_words()
    many = {dns.name.from_text(word, origin=APEX) for word in (*words.hosts, *words.texts, *words.services)}
    assert set(usual_names(APEX)) <= many
    assert len(many) > 450
    assert dns.name.from_text("hdems._domainkey", origin=APEX) in many


def test_every_word_is_a_name_and_stands_once() -> None:
    words = many_words()
    everything = (*words.hosts, *words.texts, *words.services, *words.tlsa)
    assert len(everything) == len({dns.name.from_text(word, origin=APEX) for word in everything})


def test_spf_leads_to_the_domains_of_its_terms() -> None:
    text = b"v=spf1 a mx a:a.example mx:b.example/24 ?include:c.example exists:d.example redirect=e.example -all"
    assert led_to(text) == {f"{letter}.example." for letter in "abcde"}


def test_a_term_may_be_cut_between_two_strings() -> None:
    assert led_to(b"v=spf1 include:spf.cli", b"ent.example -all") == {"spf.client.example."}


def test_macros_and_other_texts_lead_nowhere() -> None:
    assert led_to(b"v=spf1 include:%{ir}.example exists:%{i}._spf.x.example include:a..b -all") == set()
    assert led_to(b"include:a.example") == set()


@given(st.binary(max_size=200))
def test_no_text_breaks_the_reading(text: bytes) -> None:
    assert all(target.endswith(".") for target in led_to(b"v=spf1 include:", text))
