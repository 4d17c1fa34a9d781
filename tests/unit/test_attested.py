"""A handed-over zone: read to the letter, or refused by file and line."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import dns.name
import pytest

from dnsrun.dnsio import attested
from dnsrun.dnsio.attested import Handed, read_attested
from dnsrun.errors import PlaybookError
from dnsrun.model.rrset import RRset, rrset
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
    assert [line.split(": ")[0] for line in found] == [
        f"client.zone:{n}:1" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15)
    ]
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
