"""`check_host` of RFC 7208: may this address send mail for this domain, and which terms of the record say so?

Pure but for the `lookup` that is given. Work is bounded whatever a record says (section 4.6.4): ten terms that ask,
ten mail hosts a term, ten names of an address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal
from urllib.parse import quote

import dns.name
import dns.reversename
from dns.exception import DNSException
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from dnsrun.errors import OutsideError
from dnsrun.model.spfrecord import Macro, MacroText, Mechanism, SpfRecord, SpfSyntaxError, read_spf, spf_texts
from dnsrun.model.text import shorten

MOST_LOOKUPS, MOST_VOIDS, MOST_HOSTS, MOST_NAMES = 10, 2, 10, 10
_LONGEST_NAME = 253
_SHOWN = 80

Value = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
# Returns the RDATA of a type at a name, aliases followed; nothing where there is none. Raises `OutsideError`.
Lookup = Callable[[Name, RdataType], frozenset[Rdata]]
_QUALIFIERS: dict[str, Value] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What SPF says of one sender.

    `path`: the terms that decided, the record's own first; `why`: words where no term says it. `lookups` counts the
    terms that asked (at most 10 are allowed), `voids` those that found nothing (at most 2).
    """

    value: Value
    path: tuple[str, ...] = ()
    why: str = ""
    lookups: int = 0
    voids: int = 0

    def __str__(self) -> str:
        way = f"{' → '.join(self.path)}: {self.value}" if self.path else self.value
        return f"{way} ({self.why})" if self.why else way


def check_host(ip: str, domain: Name, sender: str, lookup: Lookup) -> SpfResult:
    """Return what the domain's SPF record says of mail that comes from `ip` with this envelope sender.

    `ip` is an IPv4 or IPv6 address, `domain` an absolute name, `sender` an address (`postmaster` where it has no
    local part). The name that the sender greets with is taken to be the sender's domain. Never raises for what
    records and names hold, nor for what `lookup` cannot find out.
    """
    return _Evaluation(_canonical(ip), sender, lookup).run(domain)


class _Ends(Exception):
    """The evaluation as a whole is over."""

    def __init__(self, value: Value, why: str) -> None:
        super().__init__(why)
        self.value = value
        self.why = why


class _Evaluation:
    """One evaluation: what includes and redirects share, are its counts and its way."""

    def __init__(self, ip: IPv4Address | IPv6Address, sender: str, lookup: Lookup) -> None:
        self._ip = ip
        local, _, host = sender.rpartition("@")
        self._local, self._host = local or "postmaster", host
        self._lookup = lookup
        self._lookups = 0
        self._voids = 0
        self._path: list[str] = []
        self._names: tuple[Name, ...] | None = None

    def run(self, domain: Name) -> SpfResult:
        try:
            value, why = self._check(domain)
        except _Ends as end:
            value, why = end.value, end.why
        return SpfResult(value, tuple(self._path), why, self._lookups, self._voids)

    def _check(self, domain: Name) -> tuple[Value, str]:
        """Evaluate one domain (section 4); leaves in the path what decided."""
        record = self._record(domain)
        if record is None:
            return "none", f"{_shown(domain)} has no SPF record"
        for mechanism in record.mechanisms:
            depth = len(self._path)
            self._path.append(shorten(mechanism.written, _SHOWN))
            if self._matches(mechanism, domain):
                return _QUALIFIERS[mechanism.qualifier], ""
            del self._path[depth:]
        if record.goes_on is None:
            return "neutral", "nothing in the record speaks of this address"
        return self._redirected(record.goes_on, domain)

    def _redirected(self, target: MacroText, domain: Name) -> tuple[Value, str]:
        self._path.append(shorten(f"redirect={target.written}", _SHOWN))
        self._count()
        onto = self._target(target, domain)
        value, why = self._check(onto) if onto else ("none", "")
        if value == "none":
            raise _Ends("permerror", why or "leads to no domain")
        return value, why

    def _record(self, domain: Name) -> SpfRecord | None:
        if len(domain.labels) < 3:  # the root counts as one
            return None
        texts = spf_texts(self._ask(domain, RdataType.TXT))
        if len(texts) > 1:
            raise _Ends("permerror", f"{_shown(domain)} has {len(texts)} SPF records, and may have one")
        if not texts:
            return None
        try:
            return read_spf(texts[0])
        except SpfSyntaxError as err:
            raise _Ends("permerror", f"the SPF record of {_shown(domain)} cannot be read: {shorten(str(err))}") from err

    def _matches(self, mechanism: Mechanism, domain: Name) -> bool:
        if mechanism.name == "all":
            return True
        if mechanism.network is not None:
            return self._ip.version == mechanism.network.version and self._ip in mechanism.network
        self._count()
        target = self._target(mechanism.target, domain) if mechanism.target else domain
        if target is None:  # a name that cannot exist is one that does not
            self._void()
            return mechanism.name == "include" and self._included(None)
        match mechanism.name:
            case "include":
                return self._included(target)
            case "a":
                return self._is_at(target, mechanism, term=True)
            case "mx":
                return self._is_mail_host(target, mechanism)
            case "exists":
                return bool(self._found(target, RdataType.A))
            case _:
                return any(name.is_subdomain(target) for name in self._own_names())

    def _included(self, target: Name | None) -> bool:
        value, why = self._check(target) if target else ("none", "it leads to no domain")
        if value == "none":
            raise _Ends("permerror", why)
        return value == "pass"

    def _is_at(self, host: Name, mechanism: Mechanism, *, term: bool = False) -> bool:
        rdtype = RdataType.A if self._ip.version == 4 else RdataType.AAAA
        rdatas = self._found(host, rdtype) if term else self._ask(host, rdtype)
        bits = self._ip.max_prefixlen - (mechanism.v4_bits if self._ip.version == 4 else mechanism.v6_bits)
        found = (ip_address(rdata.address) for rdata in rdatas if isinstance(rdata, A | AAAA))
        return any(int(one) >> bits == int(self._ip) >> bits for one in found)

    def _is_mail_host(self, domain: Name, mechanism: Mechanism) -> bool:
        hosts = sorted({rdata.exchange for rdata in self._found(domain, RdataType.MX) if isinstance(rdata, MX)})
        if len(hosts) > MOST_HOSTS:
            raise _Ends("permerror", f"{_shown(domain)} has {len(hosts)} mail hosts, {MOST_HOSTS} are allowed here")
        for host in hosts:
            if host != dns.name.root and self._is_at(host, mechanism):
                self._path.append(_shown(host))
                return True
        return False

    def _own_names(self) -> tuple[Name, ...]:
        """Return the names of the address that lead back to it (section 5.5); errors say that there are none."""
        if self._names is None:
            where = dns.reversename.from_address(str(self._ip))
            try:
                named = self._found(where, RdataType.PTR)
            except _Ends as end:
                if end.value == "permerror":
                    raise
                named = frozenset()
            names = sorted({rdata.target for rdata in named if isinstance(rdata, PTR)})[:MOST_NAMES]
            self._names = tuple(name for name in names if self._leads_back(name))
        return self._names

    def _leads_back(self, name: Name) -> bool:
        try:
            return self._is_at(name, Mechanism("", "+", "ptr"))
        except _Ends:
            return False

    def _target(self, text: MacroText, domain: Name) -> Name | None:
        """Return the name that a text with macros means; None when it is none (sections 4.3 and 7.3)."""
        whole = "".join(piece if isinstance(piece, str) else self._value(piece, domain) for piece in text.pieces)
        whole = whole.removesuffix(".")
        while len(whole) > _LONGEST_NAME and "." in whole:
            whole = whole.partition(".")[2]
        try:
            return dns.name.Name([*(label.encode() for label in whole.split(".")), b""])
        except (DNSException, UnicodeError):
            return None

    def _value(self, macro: Macro, domain: Name) -> str:
        parts = _split(self._letter(macro.letter, domain), macro.delimiters)
        if macro.is_reversed:
            parts.reverse()
        value = ".".join(parts[-macro.keep :] if macro.keep else parts)
        return quote(value, safe="-._~") if macro.escaped else value

    def _letter(self, letter: str, domain: Name) -> str:
        current = domain.to_text(omit_final_dot=True)
        host = self._host or current
        match letter:
            case "s":
                return f"{self._local}@{host}"
            case "l":
                return self._local
            case "o" | "h":
                return host
            case "d":
                return current
            case "i":
                is_v4 = self._ip.version == 4
                return str(self._ip) if is_v4 else ".".join(self._ip.exploded.replace(":", ""))
            case "v":
                return "in-addr" if self._ip.version == 4 else "ip6"
            case _:
                return self._best_name(domain)

    def _best_name(self, domain: Name) -> str:
        self._count()
        names = self._own_names()
        fitting = (*(one for one in names if one == domain), *(one for one in names if one.is_subdomain(domain)))
        return (*fitting, *names)[0].to_text(omit_final_dot=True) if names else "unknown"

    def _found(self, owner: Name, rdtype: RdataType) -> frozenset[Rdata]:
        """Ask what a term asks; finding nothing counts."""
        rdatas = self._ask(owner, rdtype)
        if not rdatas:
            self._void()
        return rdatas

    def _ask(self, owner: Name, rdtype: RdataType) -> frozenset[Rdata]:
        try:
            return self._lookup(owner, rdtype)
        except OutsideError as err:
            raise _Ends("temperror", shorten(str(err))) from err

    def _count(self) -> None:
        self._lookups += 1
        if self._lookups > MOST_LOOKUPS:
            raise _Ends("permerror", f"more than {MOST_LOOKUPS} terms need look-ups")

    def _void(self) -> None:
        self._voids += 1
        if self._voids > MOST_VOIDS:
            raise _Ends("permerror", f"more than {MOST_VOIDS} terms lead to nothing")


def _canonical(ip: str) -> IPv4Address | IPv6Address:
    """Return the address; an IPv4 address inside an IPv6 one counts as IPv4 (section 5)."""
    address = ip_address(ip)
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _split(text: str, delimiters: str) -> list[str]:
    parts, part = [], ""
    for char in text:
        if char in delimiters:
            parts.append(part)
            part = ""
        else:
            part += char
    return [*parts, part]


def _shown(name: Name) -> str:
    return shorten(name.to_text(omit_final_dot=True), _SHOWN)
