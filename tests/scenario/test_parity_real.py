"""Gate `parity` with new servers of three makes: what is planted is found, what servers do differently is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dnsrun.gates.delegation.gate import DelegationGate
from dnsrun.gates.parity.gate import Parity
from dnsrun.model.observation import Verdict
from dnsrun.rehearse.authority import Authority
from gateworld import APEX
from moveworld import EXAMPLE, NEW, NEW_NS, OLD, OLD_NS, PARENT, RECORDS, MoveWorld, move_case, parent_text, zone_text
from servers import Bind, Knot, PowerDns, Primary, RunningServer, Starter

Make = Callable[[list[Primary]], RunningServer]
MAKES: dict[str, Make] = {"bind": Bind, "knot": Knot, "powerdns": PowerDns}

WIDE = (
    RECORDS
    + r"""
_25._tcp.mail 3600 TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
_sip._tls 3600 SRV 10 5 443 sip.elsewhere.example.
@ 3600 CAA 0 issue "ca.example"
svc 3600 SVCB 1 www.client.example. alpn=h2
svc 3600 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.10
ptr 3600 PTR www
host 3600 SSHFP 4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
naptr 3600 NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:a@client.example!" .
loc 3600 LOC 35 0 0.000 N 139 0 0.000 E 10m
long 3600 TXT "one" "two" "three"
signed 3600 NS ns.elsewhere.example.
signed 3600 DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
null 3600 MX 0 .
*.deep.wild2 3600 CNAME www
x.y.deep.wild2 3600 A 192.0.2.99
MixedCase 3600 A 192.0.2.101
"""
)


@contextmanager
def hosts(start: Starter, new: dict[str, str], old: str) -> Iterator[MoveWorld]:
    """Start an old server, the parent, and two new ones: make and zone of each in `new`."""
    with Authority({APEX: old}) as first, Authority({EXAMPLE: parent_text(*OLD_NS)}) as parent:
        places = {(end.address, 53): ("127.0.0.1", first.port) for end in OLD}
        places |= {(end.address, 53): ("127.0.0.1", parent.port) for end in PARENT}
        for end, (make, text) in zip(NEW, new.items(), strict=True):
            server = start(MAKES[make]([Primary("client.example", text)]))
            places[end.address, 53] = (server.address, server.port)
        told = {end.name.to_text(omit_final_dot=True): (end.address,) for end in (*OLD, *NEW)}
        yield MoveWorld((first,), (), (parent,), places, move_case(old), dict(told))


def verdict_of(start: Starter, make: str, old: str, new: str) -> Verdict:
    """Return the verdict of parity when one new server holds `new` and another, of another make, is right."""
    right = zone_text(WIDE, ns=NEW_NS, ttl_s=300)
    other = "knot" if make == "bind" else "bind"
    with hosts(start, {other: right, make: new}, old) as world:
        return world.verdict(Parity())


@pytest.mark.parametrize("make", MAKES)
def test_the_same_zone_passes_at_every_make(start: Starter, make: str) -> None:
    """Every type of N1 at every name, wildcards, empty non-terminals (N3), zone cuts and aliases."""
    right = zone_text(WIDE, ns=NEW_NS, ttl_s=300)
    with hosts(start, {make: right, "bind" if make == "knot" else "knot": right}, zone_text(WIDE)) as world:
        verdict = world.verdict(Parity())
        assert (verdict.outcome, verdict.warnings, verdict.evidence) == ("pass", (), ()), verdict.because
        delegation = world.verdict(DelegationGate())
        assert (delegation.outcome, delegation.warnings) == ("pass", ()), delegation.because


PLANTED = (
    ("imap-7f 300 A 192.0.2.26\n", "", "imap-7f A should be 192.0.2.26, is no such name at "),
    ("mail 300 A 192.0.2.25", "mail 300 A 192.0.2.99", "mail A should be 192.0.2.25, is 192.0.2.99 at "),
    ("host 300 SSHFP", "host 7200 SSHFP", "host SSHFP should be kept 600 s at most, is 7200 s at "),
    ("a.b.c 300 TXT deep\n", "", 'a.b.c TXT should be "deep", is no such name at '),
    ("www 300 AAAA 2001:db8::10\n", "", "www AAAA should be 2001:db8::10, is nothing at "),
    ('long 300 TXT "one" "two"', 'long 300 TXT "onetwo"', 'long TXT should be "one" "two" "three", is '),
    ("*.wild 300 MX 10 mail\n", "", "*.wild MX should be 10 mail.client.example., is nothing at "),
    ("naptr 300", "dev 300 A 192.0.2.111\nnaptr 300", "dev A should be no such name, is 192.0.2.111 at "),
)


@pytest.mark.parametrize("make", MAKES)
def test_every_planted_difference_is_named_with_both_answers_and_no_other(start: Starter, make: str) -> None:
    """Fault 41: one server of two. Each sentence names record, both answers and the server; nothing is invented."""
    new = zone_text(WIDE, ns=NEW_NS, ttl_s=300)
    for right, wrong, _ in PLANTED:
        assert right in new
        new = new.replace(right, wrong)
    verdict = verdict_of(start, make, zone_text(WIDE), new)
    said = verdict.because.split("; ")
    assert verdict.outcome == "fail"
    for *_, words in PLANTED:
        assert any(one.startswith(words) and one.endswith(" at ns2.new.example") for one in said), (words, said)
    assert len(said) == len(PLANTED) + 1  # the wildcard is asked for itself and for a name that it answers for


@pytest.mark.parametrize("make", MAKES)
def test_fault_61_a_wildcard_that_hides_a_missing_record_is_found(start: Starter, make: str) -> None:
    """N2: the wildcard gives the very value of the record that is missing."""
    new = zone_text(WIDE, ns=NEW_NS, ttl_s=300).replace("imap-7f 300 A 192.0.2.26", "* 300 A 192.0.2.26")
    verdict = verdict_of(start, make, zone_text(WIDE), new)
    assert verdict.outcome == "fail"
    assert "imap-7f is not there itself, a wildcard answers for it at ns2.new.example" in verdict.because
    assert "any other name A should be no such name, is 192.0.2.26 at ns2.new.example" in verdict.because


def test_fault_41_one_server_with_an_empty_zone_fails_and_is_named(start: Starter) -> None:
    """The Azure case of 2019-05-02: it answers for the SOA with authority, and denies every name."""
    empty = zone_text("", ns=NEW_NS, ttl_s=300)
    verdict = verdict_of(start, "powerdns", zone_text(WIDE), empty)
    assert verdict.outcome == "fail"
    assert "@ A should be 192.0.2.10, is nothing at ns2.new.example" in verdict.because
    assert "ns1" not in verdict.because
    assert verdict.because.split("; ")[-1].startswith("and ")
