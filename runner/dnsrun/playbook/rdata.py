"""Values of records: text to RDATA by type.

Host names in values are absolute: with a final dot, or of two labels at least. A TXT value is one text as it is to be
read by others: no quotes around it, semicolons as they are, cut into strings of 255 octets here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import dns.name
import dns.rdata
import dns.rdatatype
from dns.exception import DNSException
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.TXT import TXT

from dnsrun.model.content import HOSTS_OWN
from dnsrun.model.rrset import IN

from .names import IDNA, absolute_host, host_flaw
from .problems import Wrong
from .wording import meant, quoted

_USUAL_TYPES = (
    "A", "AAAA", "CAA", "CNAME", "DNAME", "DS", "HTTPS", "LOC", "MX", "NAPTR", "NS", "PTR", "SRV", "SSHFP", "SVCB",
    "TLSA", "TXT",
)  # fmt: skip
_TO_HOSTS = frozenset({RdataType.MX, RdataType.NS})
_ONE_STRING = 255
_MOST_OCTETS = 65535
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def record_type(text: str) -> RdataType:
    """Return the RR type; refuses types that are no data or belong to the DNS host."""
    try:
        rdtype = dns.rdatatype.from_text(text)
    except (DNSException, ValueError) as err:
        raise Wrong(f"the type {quoted(text)} is not known{meant(text.upper(), _USUAL_TYPES)}") from err
    if rdtype in HOSTS_OWN:
        raise Wrong(f"{dns.rdatatype.to_text(rdtype)} belongs to the DNS host, which keeps it by itself; leave it out")
    if dns.rdatatype.is_metatype(rdtype) or rdtype == RdataType.TYPE0:
        raise Wrong(f"the type {quoted(text)} holds no data{meant('', _USUAL_TYPES)}")
    return rdtype


def rdata(rdtype: RdataType, text: str, domain: Name) -> Rdata:
    """Return the RDATA for one value; raises `Wrong`."""
    if rdtype in (RdataType.TXT, RdataType.SPF):
        return _txt(rdtype, text)
    found = _parse(rdtype, text, origin=None)
    for name in _names(found):
        _check_target(name, rdtype, domain)
    return found if all(name.is_absolute() for name in _names(found)) else _parse(rdtype, text, origin=dns.name.root)


def targets(value: Rdata) -> Iterator[Name]:
    """Yield the names that a value points at; the root stands for none."""
    return (name for name in _names(value) if name != dns.name.root)


def _txt(rdtype: RdataType, text: str) -> Rdata:
    if len(text) > 1 and text[0] == text[-1] == '"':
        raise Wrong(
            "the quotation marks inside would become part of the record; write the text itself. "
            "Long texts are cut into strings by dnsrun"
        )
    octets = text.encode("utf-8")
    if len(octets) + len(octets) // _ONE_STRING + 1 > _MOST_OCTETS:
        raise Wrong("is too long; a record holds 65535 octets at most")
    strings = [octets[at : at + _ONE_STRING] for at in range(0, len(octets), _ONE_STRING)] or [b""]
    return TXT(IN, rdtype, strings)


def _parse(rdtype: RdataType, text: str, *, origin: Name | None) -> Rdata:
    kind = dns.rdatatype.to_text(rdtype)
    if _CONTROL.search(text):
        raise Wrong(f"{quoted(text)} is not one {kind} value; write each value as an entry of its own in values")
    try:
        found = dns.rdata.from_text(IN, rdtype, text, origin=origin, relativize=False, idna_codec=IDNA)
    except (DNSException, ValueError, IndexError) as err:
        raise Wrong(f"{quoted(text)} is not a value of type {kind}{_why(err, kind)}") from err
    if found.rdcomment is not None:
        raise Wrong(
            f"{quoted(text)}: what follows the semicolon would be lost; put it into quotation marks or remove it"
        )
    return found


_SHAPES = {
    "A": "an IPv4 address, such as 192.0.2.10",
    "AAAA": "an IPv6 address, such as 2001:db8::10",
    "CAA": '0 issue "ca.example"',
    "CNAME": "a host name, such as www.example.jp.",
    "DS": "key tag, algorithm, digest type and digest, such as 12345 13 2 0123...",
    "HTTPS": "priority, name and parameters, such as 1 . alpn=h2",
    "MX": "preference and host name, such as 10 mail.example.jp.",
    "NS": "a host name, such as ns1.example.jp.",
    "PTR": "a host name, such as www.example.jp.",
    "SRV": "priority, weight, port and host name, such as 0 5 443 www.example.jp.",
    "TLSA": "usage, selector, matching type and data, such as 3 1 1 0123...",
}


def _why(err: Exception, kind: str) -> str:
    if kind in _SHAPES:
        return f"; write {_SHAPES[kind]}"
    return f" ({quoted(str(err))[1:-1]}); write it as in a zone file"


def _names(value: Rdata) -> Iterator[Name]:
    """Yield the names inside a value, lists of names included."""
    slots = {slot for base in type(value).__mro__ for slot in getattr(base, "__slots__", ())}
    for slot in sorted(slots):
        content = getattr(value, slot, None)
        parts = content if isinstance(content, tuple) else (content,)
        yield from (part for part in parts if isinstance(part, Name))


def _check_target(name: Name, rdtype: RdataType, domain: Name) -> None:
    whole = name if name.is_absolute() else absolute_host(name, domain)
    kind = dns.rdatatype.to_text(rdtype)
    if len(whole.labels) > 1 and whole.labels[-2].isdigit():
        raise Wrong(f"{quoted(whole.to_text(omit_final_dot=True))} is an address; {kind} leads to the name of a host")
    if rdtype in _TO_HOSTS and whole != dns.name.root and (flaw := host_flaw(whole)):
        raise Wrong(f"{quoted(whole.to_text(omit_final_dot=True))} is not a host name: {flaw}")
