"""What a gate found, as lines."""

from __future__ import annotations

import pytest

from dnsrun.cli.findings import LONGEST, fitted, listed, parts_of, summed_up

DKIM = 'k9q._domainkey TXT should be "v=DKIM1; p=abc", is no such name at all 2 servers'
CUT = 'sel2._domainkey TXT should be "v=DKIM1; k=rsa; pppp…, is nothing at ns1'
A = "mail A should be 192.0.2.25, is nothing at ns1"


@pytest.mark.parametrize("findings", [[A], [A, DKIM], [DKIM, A], [CUT, A], [CUT, DKIM, A], [A, "and 3 more"]])
def test_findings_come_apart_but_never_within_a_text_record(findings: list[str]) -> None:
    assert parts_of("; ".join(findings)) == findings


def test_an_escaped_quote_does_not_end_a_text() -> None:
    text = 'a TXT should be "say \\"v=1; b\\"; c", is nothing'
    assert parts_of(f"{text}; {A}") == [text, A]


def test_one_finding_is_a_sentence_and_several_are_a_list() -> None:
    assert listed("Paused", A) == [f"Paused: {A}."]
    assert listed("Paused", f"{A}; {DKIM}") == ["Paused:", f"  {A}", f"  {DKIM}"]


def test_a_summary_says_how_many_more_there_are() -> None:
    assert summed_up(A) == A
    assert summed_up(f"{A}; {DKIM}; {A}") == f"{A}; and 2 more, `dnsrun verify` lists them"


def test_long_findings_are_broken_between_words() -> None:
    lines = fitted(f"{A} " * 5, LONGEST)
    assert max(map(len, lines)) <= LONGEST
    assert all(line.startswith("  ") for line in lines[1:])
    assert fitted("x" * 200, LONGEST) == ["x" * 200], "a value is never torn apart"
