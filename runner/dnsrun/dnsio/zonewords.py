"""What is wrong at a place of a zone file: what was found there, why that does not do, what is expected. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dns.rdatatype
from dns.rdatatype import RdataType

from dnsrun.model.text import escape, shorten

_LONGEST = 60
# What dnspython says of any text at all: what was found and what is expected says more.
_SAYS_NOTHING = frozenset(
    {
        "Text input is malformed",
        "DNS resource record type is unknown",
        "DNS TTL value is not well-formed",
        "expecting an identifier",
        "expecting an integer",
        "expecting a string",
        "the record ends early",
    }
)
EXTRA = "expected EOL or EOF"  # as dnspython begins to say that something stands behind a record


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a record: what it is called, and what may stand there."""

    what: str
    expected: str


NAME = Place("the name of a record", "a name, such as www, or @ for the domain itself")
TTL = Place("a TTL", "seconds, such as 3600 or 1h")
TYPE = Place("a TTL, IN or the type of a record", "a type, such as A, MX or TXT")
ORIGIN = Place("the name after $ORIGIN", "a name that ends with a dot")
_HOST = "a host name, such as www.example.net."
_DATA: Mapping[RdataType, str] = {
    RdataType.A: "an IPv4 address, such as 192.0.2.10",
    RdataType.AAAA: "an IPv6 address, such as 2001:db8::10",
    RdataType.MX: "a preference and a host name, such as 10 mail.example.net.",
    RdataType.NS: _HOST,
    RdataType.CNAME: _HOST,
    RdataType.PTR: _HOST,
    RdataType.SRV: "priority, weight, port and a host name, such as 0 5 443 www.example.net.",
    RdataType.TXT: 'texts of at most 255 octets each, such as "v=spf1 mx -all"',
    RdataType.CAA: 'a number, a tag and a text, such as 0 issue "ca.example.net"',
    RdataType.SOA: "the primary, a mailbox, and serial, refresh, retry, expire and minimum",
}


def data_of(rdtype: RdataType) -> Place:
    """Return the place of a record's data."""
    name = dns.rdatatype.to_text(rdtype)
    return Place(f"the data of type {name}", _DATA.get(rdtype, "its form in a zone file"))


def quoted(text: str) -> str:
    """Return a text from the file, as it is shown."""
    return f'"{shorten(text, _LONGEST)}"'


def wrong_at(place: Place, found: str | None, err: Exception) -> str:
    """Return what is wrong; `found` None is the end of the line.

    The reason that dnspython gives stays where it says something.
    """
    why, shown = _why(err), "the end of the line" if found is None else quoted(found)
    if str(err).startswith(EXTRA):
        return f"found {shown} after {place.what}; expected the end of the line"
    if why and found is None:
        return f"{place.what} cannot be read{why}; expected {place.expected}"
    return f"found {shown} where {place.what} is to stand{why}; expected {place.expected}"


def not_closed(text: str, err: Exception) -> str:
    """Return what is wrong with a line in which nothing can be told apart."""
    return f"quotes, parentheses or backslashes do not match{_why(err)}: {quoted(text)}; close them, or take them out"


def _why(err: Exception) -> str:
    reason = escape(str(err)).rstrip(".")
    return "" if reason in _SAYS_NOTHING else f" ({reason})"
