"""SPF on any text: no record makes the evaluation raise or run on, and what it says fits a terminal."""

from __future__ import annotations

from collections import Counter

import dns.name
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from hypothesis import example, given
from hypothesis import strategies as st

from dnsrun.errors import OutsideError
from dnsrun.gates.mail.spfcheck import MOST_HOSTS, MOST_LOOKUPS, check_host
from dnsrun.gates.mail.spfsenders import named_senders
from dnsrun.model.rrset import rrset
from dnsrun.model.spfrecord import SpfSyntaxError, read_spf
from dnsrun.model.text import escape

DOMAIN = dns.name.from_text("client.example")
# Every term may ask once and for ten hosts or names; the record itself, and PTR with its names for the macro %{p}.
MOST_QUESTIONS = 1 + MOST_LOOKUPS * (2 + MOST_HOSTS)

_names = st.sampled_from(
    ["client.example", "a.example", "gone.example", "%{i}.x.example", "%{p}.x.example", "%{l}", "%{d200r-+,/_=.}.b", ""]
)
_terms = st.one_of(
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from(["", "+", "-", "~", "?"]),
        st.sampled_from(["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists", "redirect", "exp", "x"]),
        st.sampled_from(["", ":", "="]),
        _names,
        st.sampled_from(["", "/24", "//64", "/24//64", "/33", "//", "/"]),
    ),
    st.text(max_size=20),
)
_records = st.one_of(st.text(max_size=120), st.lists(_terms, max_size=15).map(" ".join)).map("v=spf1 {}".format)
_addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)


def _txt(text: str) -> frozenset[Rdata]:
    octets = text.encode("utf-8", "replace")[:2000]
    chunks = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
    quoted = " ".join('"' + "".join(f"\\{octet:03d}" for octet in chunk) + '"' for chunk in chunks)
    return rrset("client.example", 60, "TXT", quoted).rdatas


class _Names:
    """Every name has the record, twenty mail hosts, names that lead nowhere; some nobody answers for."""

    def __init__(self, record: str, *, silent: bool) -> None:
        self.asked: Counter[RdataType] = Counter()
        self._silent = silent
        hosts = [f"10 m{number}.example." for number in range(MOST_HOSTS)]
        self._held = {
            RdataType.TXT: _txt(record),
            RdataType.MX: rrset("x.example", 60, "MX", *hosts).rdatas,
            RdataType.PTR: rrset("x.example", 60, "PTR", *(f"p{number}.example." for number in range(20))).rdatas,
            RdataType.A: rrset("x.example", 60, "A", "203.0.113.1").rdatas,
        }

    def __call__(self, owner: Name, rdtype: RdataType) -> frozenset[Rdata]:
        self.asked[rdtype] += 1
        if self._silent and len(owner) % 2:
            raise OutsideError(f"nobody tells {owner}", retryable=True, certainty="not-applied")
        return self._held.get(rdtype, frozenset())


@given(record=_records, ip=_addresses, sender=st.text(max_size=80), silent=st.booleans())
@example(record="v=spf1 include:%{d}", ip="::1", sender="@", silent=False)
@example(record="v=spf1 " + "mx:%{p}.a.example " * 12, ip="192.0.2.1", sender="", silent=False)
@example(record="v=spf1 exists:%{l}.x.example", ip="192.0.2.1", sender="\udc80@x", silent=False)
def test_any_record_gets_one_of_seven_results_within_bounds(record: str, ip: str, sender: str, silent: bool) -> None:
    names = _Names(record, silent=silent)
    result = check_host(ip, DOMAIN, sender, names)
    assert result.value in {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"}
    assert names.asked.total() <= MOST_QUESTIONS
    assert escape(str(result)) == str(result)
    assert all(len(term) <= 80 for term in result.path)


@given(record=_records, silent=st.booleans())
@example(record="v=spf1 " + " ".join(f"ip4:10.{one}.0.0/16" for one in range(200)), silent=False)
def test_the_senders_that_a_record_names_are_bounded(record: str, silent: bool) -> None:
    names = _Names(record, silent=silent)
    named = named_senders(DOMAIN, names)
    assert len(named.addresses) <= 200
    assert names.asked[RdataType.TXT] <= 1 + MOST_LOOKUPS
    assert all(escape(term) == term for term in named.unreadable)


@given(record=_records, ip=_addresses)
def test_a_record_that_cannot_be_read_is_a_permerror_for_every_sender(record: str, ip: str) -> None:
    names = _Names(record, silent=False)
    joined = _txt(record)
    try:
        read_spf(b"".join(next(iter(joined)).strings).decode("latin-1"))  # type: ignore[attr-defined] # it is TXT
    except SpfSyntaxError:
        assert check_host(ip, DOMAIN, "", names).value == "permerror"


def test_first_and_last_addresses_of_networks_and_hosts_of_includes_are_named() -> None:
    texts = {
        "client.example.": "v=spf1 a:web.client.example ip4:198.51.100.0/24 include:_spf.%{d} exists:%{i}.x.example",
        "_spf.client.example.": "v=spf1 ip6:2001:db8::25 ptr redirect=%{l}.example",
    }

    def lookup(owner: Name, rdtype: RdataType) -> frozenset[Rdata]:
        if rdtype == RdataType.A and owner.to_text() == "web.client.example.":
            return rrset(owner, 60, "A", "192.0.2.10", "192.0.2.9").rdatas
        text = texts.get(owner.to_text()) if rdtype == RdataType.TXT else None
        return _txt(text) if text else frozenset()

    named = named_senders(DOMAIN, lookup)
    assert list(named.addresses) == ["192.0.2.10", "192.0.2.9", "198.51.100.0", "198.51.100.255", "2001:db8::25"]
    assert list(named.unreadable) == ["ptr", "redirect=%{l}.example", "exists:%{i}.x.example"]
