"""Whatever is typed, the reader answers with a playbook or with problems that have a place in the file."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from answers import answered
from dnsrun.errors import PlaybookError
from dnsrun.model.codec import decode, encode
from dnsrun.model.playbook import Mark, Phase, Playbook
from dnsrun.model.text import escape
from dnsrun.playbook.examples import examples
from dnsrun.playbook.read import read_playbook
from dnsrun.playbook.unanswered import OPEN
from dnsrun.wiring.plugins import kinds
from playbook_words import TODAY, read

READY_MADE = [answered(name) for name in examples()]
HEAD = "dnsrun: 1\ndomain: client.example.jp\nproviders: {host: {use: manual}}\nzone: {from: host}\n"

MARK = Mark("", 1, 1)
TEXTS = st.text(max_size=40)
_KNOWN = """
dnsrun domain goal vars providers zone from mail records phases gates ttl use kind names type was value values
replace absent steps name url for provider proof A TXT MX CNAME SRV HTTPS NAPTR LOC manual http switch-records
watch all-caches @ www 1 true 10 192.0.2.1 ${a} api_key env
"""
WORDS = st.sampled_from(_KNOWN.split())
TREES = st.recursive(
    WORDS | TEXTS | st.integers() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | TEXTS, inner, max_size=5),
    max_leaves=20,
)


def outcome(text: str) -> Playbook | PlaybookError:
    try:
        return read(text)
    except PlaybookError as err:
        error = err
    lines = len(text.splitlines()) + 2
    assert all(0 < problem.line <= lines and problem.column > 0 for problem in error.problems)
    assert all(escape(problem.text) == problem.text for problem in error.problems)
    return error


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_any_text_gives_a_playbook_or_problems(text: str) -> None:
    assert isinstance(outcome(text), PlaybookError)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(WORDS, TREES, max_size=6))
def test_any_tree_gives_a_playbook_or_problems(tree: dict[str, Any]) -> None:
    outcome(HEAD + "".join(f"{key}: {json.dumps(value)}\n" for key, value in tree.items() if key.isalpha()))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(READY_MADE), st.data())
def test_a_damaged_playbook_gives_a_playbook_or_problems(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, min(at + 30, len(text))))
    put = data.draw(st.text(max_size=5) | WORDS | st.sampled_from(list("{}[]:,&*!|>'\"%@`#-?\n\t ")))
    outcome(text[:at] + put + text[until:])


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["A", "AAAA", "MX", "TXT", "CNAME", "SRV", "CAA", "HTTPS", "NAPTR", "LOC", "DS", "TYPE4711"]), TEXTS
)
def test_any_value_of_any_type_gives_a_playbook_or_problems(rdtype: str, value: str) -> None:
    outcome(HEAD + f"records:\n  - {{names: [a], type: {rdtype}, affects: mail, value: {json.dumps(value)}}}\n")


@settings(max_examples=100, deadline=None)
@given(TEXTS | st.text("www.@-_*\\0xn\uff57\u3002ß日", max_size=20))
def test_any_name_gives_a_name_below_the_domain_or_problems(name: str) -> None:
    found = outcome(HEAD + f"records:\n  - {{names: [{json.dumps(name)}], type: TXT, value: x}}\n")
    if isinstance(found, Playbook):
        (owner,) = found.records[0].names
        assert owner.is_subdomain(found.domain)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='"'), min_size=1, max_size=600))
def test_any_txt_value_is_published_octet_for_octet(value: str) -> None:
    if re.search(r"\$\{[A-Za-z_][A-Za-z0-9_-]*\}", value) or value in OPEN:
        return  # a variable, or an open question
    found = read(HEAD + f"records:\n  - {{names: [a], type: TXT, value: {json.dumps(value, ensure_ascii=False)}}}\n")
    assert [b"".join(getattr(rdata, "strings", ())) for rdata in found.records[0].values or ()] == [value.encode()]


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_a_literal_secret_is_never_repeated(secret: str) -> None:
    """Threat 1."""
    literal = json.dumps(f"canary{secret}canary")
    use = f'{{use: powerdns, url: "https://pdns.example/", api_key: {literal}}}'
    found = outcome(HEAD.replace("{use: manual}", use))
    assert isinstance(found, PlaybookError)
    assert "canary" not in str(found)


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True).filter(lambda label: label[2:4] != "--")
ADDRESSES = st.ip_addresses(v=4).map(str)
ENTRIES = st.fixed_dictionaries(
    {"type": st.just("A"), "was": ADDRESSES, "values": st.lists(ADDRESSES, min_size=1, max_size=3, unique=True)},
    optional={"ttl": st.integers(0, 2**31 - 1), "aaaa": st.just("keep")},
) | st.fixed_dictionaries({"type": st.just("TXT"), "value": st.text(st.characters(categories=["L", "N"]), min_size=1)})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LABELS, ENTRIES), max_size=5, unique_by=lambda pair: pair[0]))
def test_a_playbook_in_yaml_and_in_json_is_the_same(entries: list[tuple[str, dict[str, Any]]]) -> None:
    content: dict[str, Any] = {
        "dnsrun": 1,
        "domain": "client.example.jp",
        "providers": {"host": {"use": "manual"}},
        "zone": {"from": "host"},
    }
    if entries:
        content["records"] = [{"names": [label], **entry} for label, entry in entries]
    written = (yaml.safe_dump(content, allow_unicode=True), json.dumps(content, ensure_ascii=False))
    in_yaml, in_json = (read(text) for text in written)
    assert [replace(spec, mark=MARK) for spec in in_yaml.records] == [replace(s, mark=MARK) for s in in_json.records]
    assert len(in_yaml.records) == len(entries)
    assert replace(in_yaml, records=(), text="", digest="", phases=()) == replace(
        in_json, records=(), text="", digest="", phases=(), providers=in_yaml.providers
    )


@pytest.mark.parametrize("text", READY_MADE, ids=examples())
def test_phases_survive_the_journal(text: str) -> None:
    """Stored as data and read back, steps and gates are the same."""
    phases = read_playbook(text, "client.yaml", kinds(), today=TODAY).phases
    assert decode(tuple[Phase, ...], json.loads(json.dumps(encode(phases)))) == phases
