"""A handed-over zone: read to the letter, or refused by file and line."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import dns.name
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsrun.dnsio import attested
from dnsrun.dnsio.attested import Handed, read_attested
from dnsrun.errors import PlaybookError
from dnsrun.model.rrset import RRset, rrset
from dnsrun.model.text import escape
from dnsrun.model.zone import ZoneSnapshot

APEX = dns.name.from_text("client.example.")
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
ZONE = """\
; the zone as we run it
$ORIGIN example.
$TTL 1h
client  IN SOA ns1.client hostmaster.client ( 2026112001 ; serial
        3600 600 1209600 300 )
        IN NS  ns1.client
        NS  ns.elsewhere.org.
$ORIGIN client.example.
@  300  IN  MX 10 mail
www     600 A 192.0.2.1
        300 IN A 192.0.2.2
mail IN 2h A 192.0.2.3
long TXT ( "v=DKIM1; k=rsa; p=AAAA"
           "BBBB" )   ; two chunks
*.wild CNAME www
odd TYPE65400 \\# 2 0a0b
"""
RECORDS = [
    rrset(APEX, 3600, "SOA", "ns1.client.example. hostmaster.client.example. 2026112001 3600 600 1209600 300"),
    rrset(APEX, 3600, "NS", "ns1.client.example.", "ns.elsewhere.org."),
    rrset(APEX, 300, "MX", "10 mail.client.example."),
    rrset("www.client.example", 300, "A", "192.0.2.1", "192.0.2.2"),
    rrset("mail.client.example", 7200, "A", "192.0.2.3"),
    rrset("long.client.example", 3600, "TXT", '"v=DKIM1; k=rsa; p=AAAA" "BBBB"'),
    rrset("*.wild.client.example", 3600, "CNAME", "www.client.example."),
    rrset("odd.client.example", 3600, "TYPE65400", "\\# 2 0a0b"),
]


def read(text: str, file: str = "zones/client.zone") -> ZoneSnapshot:
    return read_attested(text, APEX, Handed(file, "operator of the VPS", date(2026, 11, 20)), taken_at=NOW)


def problems(text: str, file: str = "client.zone") -> list[str]:
    with pytest.raises(PlaybookError) as caught:
        read(text, file)
    return list(map(str, caught.value.problems))


def by_key(*rrsets: RRset) -> dict[object, RRset]:
    return {one.key: one for one in rrsets}


def test_a_zone_file_is_read_to_the_letter_and_says_who_gave_it() -> None:
    zone = read(ZONE)
    assert zone.rrsets == by_key(*RECORDS)
    assert (zone.completeness, zone.taken_at) == ("attested", NOW)
    assert zone.source == "zones/client.zone, given by operator of the VPS on 2026-11-20"


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_ends_of_lines_do_not_matter(end: str) -> None:
    text = "@ 60 A 192.0.2.1\nwww 60 A 192.0.2.2\n"
    assert len(read(text.strip().replace("\n", end or "\n") + end).rrsets) == 2


@pytest.mark.parametrize(
    ("file", "first"),
    [("client.csv", ""), ("client.txt", "name,type,ttl,value\n"), ("X.CSV", "\ufeffName,Type,TTL,Value\n")],
)
def test_csv_is_read_with_or_without_its_first_line(file: str, first: str) -> None:
    zone = read(
        first + "@,MX,300,10 mail.client.example\nwww.client.example.,a,1h,192.0.2.1\n\n"
        'txt,TXT,60,v=spf1 mx -all\nkey,TXT,60,"""one"" ""two"""\n"a,b",TXT,60,"quote "" and , comma"\n',
        file,
    )
    assert zone.rrsets == by_key(
        rrset(APEX, 300, "MX", "10 mail.client.example."),
        rrset("www.client.example", 3600, "A", "192.0.2.1"),
        rrset("txt.client.example", 60, "TXT", '"v=spf1 mx -all"'),
        rrset("key.client.example", 60, "TXT", '"one" "two"'),
        rrset("a,b.client.example", 60, "TXT", '"quote \\" and , comma"'),
    )


def test_a_long_text_in_csv_is_cut_into_chunks_of_255() -> None:
    zone = read(f"t,TXT,60,{'x' * 600}\n", "client.csv")
    (text,) = zone.rrsets[rrset("t.client.example", 60, "TXT", '""').key].texts()
    assert [len(chunk) for chunk in text.strip('"').split('" "')] == [255, 255, 90]


def test_all_problems_are_told_by_file_and_line() -> None:
    """Threat 13: nothing else is read, and generators do not run."""
    text = """\
  60 A 192.0.2.1
@ 60 A 192.0.2.300
$INCLUDE /etc/passwd
$GENERATE 1-1000000 h$ 60 A 192.0.2.1
a A 192.0.2.1
other.example. 60 A 192.0.2.1
notclient.example. 60 A 192.0.2.1
b 60 CH A 192.0.2.1
c 60
d 60 NOSUCHTYPE x
e 60 MX 10
f 60 A 192.0.2.1 extra
$ORIGIN
g 60 A 192.0.2.1
h 60 A (
"""
    found = problems(text)
    places = "1:1 2:8 3:1 4:1 5:1 6:1 7:1 8:1 9:5 10:6 11:11 12:18 13:8 15:1"
    assert [line.split(": ")[0] for line in found] == [f"client.zone:{place}" for place in places.split()]
    assert "no owner name" in found[0]
    assert "$INCLUDE is not read" in found[2]
    assert "$GENERATE is not read" in found[3]
    assert "no TTL" in found[4]
    assert "notclient.example. is not within client.example." in found[6]


def test_problems_of_csv_are_told_by_line() -> None:
    found = problems(
        "name,type,ttl,value\nwww.client.example,A,60,192.0.2.1\nwww,A,60\nwww,A,x,192.0.2.1\nwww,A,60,192.0.2.1.5\n"
        "other.example.,A,60,192.0.2.1\nwww,NOPE,60,x\n"
    )
    assert [line.split(": ")[0] for line in found] == [f"client.zone:{n}:1" for n in (2, 3, 4, 5, 6, 7)]
    assert "write www.client.example. or www" in found[0]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "www 60 A 192.0.2.300",
            (
                '1:10: found "192.0.2.300" where the data of type A is to stand; expected an IPv4 address, such as '
                "192.0.2.10"
            ),
        ),
        (
            "@ 60 MX 10",
            (
                "1:11: found the end of the line where the data of type MX is to stand; expected a preference and a "
                "host name, such as 10 mail.example.net."
            ),
        ),
        (
            "@ 60 MX 70000 mail",
            (
                '1:9: found "70000" where the data of type MX is to stand (70000 is not an unsigned 16-bit integer); '
                "expected a preference and a host name, such as 10 mail.example.net."
            ),
        ),
        (
            "<html><body>404</body></html>",
            (
                "1:30: found the end of the line where a TTL, IN or the type of a record is to stand; expected a type, "
                "such as A, MX or TXT"
            ),
        ),
        ("a 60 A 192.0.2.1 x", '1:18: found "x" after the data of type A; expected the end of the line'),
        ("$TTL soon", '1:6: found "soon" where a TTL is to stand; expected seconds, such as 3600 or 1h'),
        ("$TTL 1h now", '1:9: found "now" after a TTL; expected the end of the line'),
        (
            f"t 60 TXT {'x' * 300}",
            (
                "1:310: the data of type TXT cannot be read (string too long); expected texts of at most 255 octets "
                'each, such as "v=spf1 mx -all"'
            ),
        ),
        (
            "a 60 A 192.0.2.1)",
            '1:1: quotes, parentheses or backslashes do not match: "a 60 A 192.0.2.1)"; close them, or take them out',
        ),
        (
            't 60 TXT "v=spf1',
            (
                "1:1: quotes, parentheses or backslashes do not match (newline in quoted string): "
                '"t 60 TXT "v=spf1"; close them, or take them out'
            ),
        ),
    ],
    ids=lambda text: text[:24],
)
def test_what_is_wrong_is_told_with_what_was_found_and_what_is_expected(line: str, told: str) -> None:
    assert problems(f"{line}\n") == [f"client.zone:{told}"]


def test_a_mistake_inside_parentheses_is_told_at_its_own_line() -> None:
    (told,) = problems("@ 60 SOA ns1 host (\n  1 7200\n  often 1209600 300 )\n")
    assert told.startswith(
        'client.zone:3:3: found "often" where the data of type SOA is to stand; expected the primary'
    )


def test_below_the_problems_stands_what_was_not_done() -> None:
    with pytest.raises(PlaybookError) as caught:
        read("www 60 A 192.0.2.300\nmail 60 A 192.0.2.400\n", "client.zone")
    *told, undone = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in told] == ["client.zone:1:10", "client.zone:2:11"]
    assert undone == (
        "None of client.zone was taken, and nothing was changed. Correct the file, or have it exported again, and run "
        "the same command"
    )


@given(text=st.text(st.sampled_from('@aw.\\"();$ \n\t01:\x00é') | st.characters(), max_size=60))
@settings(deadline=None)
def test_whatever_a_file_holds_is_read_or_told_in_lines_that_are_there(text: str) -> None:
    try:
        read(text, "client.zone")
    except PlaybookError as err:
        for problem in err.problems:
            assert 1 <= problem.line <= len(text.splitlines()) + 1
            assert problem.column >= 1
            assert escape(str(problem)) == str(problem)


def test_a_steering_character_is_shown_escaped() -> None:
    """Threat 16."""
    assert all(line.isprintable() for line in problems("a 60 \x1b[31mX y\n") + problems("\x1b[2J,A,x,y\n", "x.csv"))


def test_too_many_records_or_too_large_a_file_is_refused_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threats 13 and 22."""
    monkeypatch.setattr(attested, "MOST_RECORDS", 1000)
    started_s = time.monotonic()
    assert "more than 1000 records" in problems("".join(f"h{n} 60 A 192.0.2.1\n" for n in range(5000)))[-1]
    monkeypatch.setattr(attested, "MOST_CHARACTERS", 1000)
    assert "at most 1000 are read" in problems("; " + "x" * 2000 + "\n")[0]
    assert time.monotonic() - started_s < 5


def test_reading_stops_after_many_problems() -> None:
    assert len(problems("broken\n" * 10_000)) == 50
