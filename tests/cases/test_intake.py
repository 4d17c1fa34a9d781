"""Every case under tests/cases/intake: a zone in, lines of the playbook and the questions out. Needs no Python."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dns.name
import dns.zone
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dnsrun.dnsio.parent import Parent
from dnsrun.errors import PlaybookError
from dnsrun.intake import operators
from dnsrun.intake.findings import Findings, Limit, Server
from dnsrun.intake.questions import questions, scalar
from dnsrun.intake.words import Language, speaking
from dnsrun.intake.writer import playbook_text
from dnsrun.model.observation import Endpoint
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.playbook.problems import Problems
from dnsrun.playbook.read import read_playbook
from dnsrun.playbook.tree import MapNode, ScalarNode, read_tree
from dnsrun.playbook.unanswered import NOT_ANSWERED
from dnsrun.wiring.plugins import kinds
from worlds import APEX, START

TODAY = date(2026, 3, 2)
GOLDEN = Path(__file__).parent / "intake"
PANELS = tuple(kinds().providers["manual"].properties["panel"]["enum"])
ANSWERS = {
    "goal": "The web site moves: to server B",
    "panel": "other",
    "mailboxes": "imap.client.example",
    "submission": "smtp.client.example",
    "front": "mx1.relay.example, mx2.relay.example",
    "clients_by_address": "0",
    "web_new": "203.0.113.20",
    "web_new_v6": "2001:db8::20",
    "https": "keep",
    "contains": "Client",
    "sending_devices": 'the printer, "2F": scans #1',
    "local_mail": "no",
    "office_dns": "no",
    "dns_ends_with_hosting": "no",
    "logins": "registrar: the client",
    "by": "佐藤様",
    "on": "2026-03-01",
}


def findings(zone_text: str, ns: list[str]) -> Findings:
    """Return what asking such a zone would find."""
    servers = tuple(Endpoint(dns.name.from_text(name), f"198.51.100.{at}") for at, name in enumerate(ns, start=53))
    head = "@ 3600 SOA ns1.client.example. nobody 7 1800 900 604800 300\n"
    head += "".join(f"@ 3600 NS {name}.\n" for name in ns)
    zone = dns.zone.from_text(head + zone_text, origin=APEX, relativize=False)
    held: dict[RRsetKey, RRset] = {}
    for name, rdataset in zone.iterate_rdatasets():
        one = RRset(RRsetKey(name, rdataset.rdtype), rdataset.ttl, frozenset(rdataset))
        held[one.key] = one
    sources = dict.fromkeys(held, f"asked at {ns[0]}")
    delegation = Delegation(frozenset(one.name for one in servers), {}, frozenset(), 86400)
    above = Endpoint(dns.name.from_text("ns.example"), "198.51.100.2")
    return Findings(
        apex=APEX,
        parent=Parent(dns.name.from_text("example"), (above,), {above: delegation}, {}),
        servers=tuple(Server(one, 7, transfer="it answers REFUSED") for one in servers),
        not_checked=(),
        nameless=(),
        primary=dns.name.from_text("ns1.client.example"),
        beside=(),
        zone=ZoneSnapshot(APEX, held, "public questions", START, "probed", sources=sources),
        differences=(),
        limits=(Limit("unlisted", {"count": "600"}), Limit("selectors")),
    )


def written(found: Findings, language: Language = "en", answers: Mapping[str, str] | None = None) -> str:
    return playbook_text(found, language=language, panels=PANELS, today=TODAY, answers=answers or {})


def problems(text: str) -> list[str]:
    try:
        read_playbook(text, "client.yaml", kinds(), today=TODAY)
    except PlaybookError as err:
        return [problem.text for problem in err.problems]
    return []


def cases() -> Iterator[Any]:
    for file in sorted(GOLDEN.glob("*.yaml")):
        for case in yaml.safe_load(file.read_text("utf-8"))["cases"]:
            yield pytest.param(case, id=f"{file.stem}: {case['name']}")


@pytest.mark.parametrize("case", list(cases()))
def test_a_zone_gives_these_lines_and_questions(case: dict[str, Any]) -> None:
    found = findings(case["zone"], case["ns"])
    text = written(found)
    unwrapped = re.sub(r"\n *#   (?=\S)", " ", text)
    assert [line for line in case["has"] if f"\n{line}" not in unwrapped] == []
    assert [part for part in case["lacks"] if part in text] == []
    assert [one.key for one in questions(found, PANELS, TODAY, speaking("en"))] == case["questions"]


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("case", list(cases()))
def test_every_question_is_refused_unanswered_and_the_answered_playbook_passes(
    case: dict[str, Any], language: Language
) -> None:
    found = findings(case["zone"], case["ns"])
    asked = questions(found, PANELS, TODAY, speaking(language))
    refused = problems(written(found, language))
    assert len(refused) == len(asked)
    for question in asked:
        assert any(question.text[:60] in problem for problem in refused), question
    assert all(problem.startswith(NOT_ANSWERED) for problem in refused)
    assert problems(written(found, language, ANSWERS)) == []


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_whole_playbook_of_story_a(language: Language) -> None:
    """Read it as the freelancer does who gets it."""
    zone = """@ 3600 A 192.0.2.10
www 3600 A 192.0.2.10
@ 3600 MX 10 mx1.relay.example.
@ 3600 MX 20 mx2.relay.example.
@ 3600 TXT "v=spf1 mx include:_spf.relay.example -all"
imap 3600 A 192.0.2.10
smtp 3600 CNAME imap
"""
    expected = GOLDEN / f"story-a.{language}.txt"
    assert written(findings(zone, ["ns1.client.example", "ns2.client.example"]), language) == expected.read_text(
        "utf-8"
    )


@pytest.mark.parametrize("answer", ["none", "None", "なし"])
def test_no_relay_is_an_answer_that_takes_the_line_out(answer: str) -> None:
    found = findings("@ 3600 MX 10 mx1.relay.example.\n", ["ns1.dns.ne.jp"])
    text = written(found, answers={**ANSWERS, "front": answer})
    assert "front:" not in text
    assert problems(text) == []


@pytest.mark.parametrize("language", ["en", "ja"])
def test_what_a_server_says_stays_within_its_comment(language: Language) -> None:
    found = findings("@ 3600 A 192.0.2.10\n", ["ns1.dns.ne.jp"])
    rude = replace(
        found,
        differences=("\x1b[2Jgone\rmoves: true\x85x: y",),
        limits=(Limit("spf", {"domain": "a", "why": "\u202e"}),),
    )
    assert not {"\x1b", "\r", "\x85", "\u202e"} & set(written(rude, language))
    assert problems(written(rude, language, ANSWERS)) == []


def test_every_panel_of_the_dictionary_is_one_that_playbooks_know() -> None:
    read = yaml.safe_load((Path(operators.__file__).parent / "operators.yaml").read_text("utf-8"))
    assert {entry["panel"] for entry in read["ns"]} <= set(PANELS)


@given(st.text())
def test_any_answer_is_written_so_that_it_is_read_as_that_answer(answer: str) -> None:
    text = f"goal: {scalar(answer)}\n"
    try:
        tree = read_tree(text, Problems("x"), "x")
    except PlaybookError:  # characters that no file may hold are refused by name
        assert not answer.isprintable()
        return
    assert isinstance(tree, MapNode)
    value = tree.get("goal")
    assert isinstance(value, ScalarNode)
    assert value.text == answer
