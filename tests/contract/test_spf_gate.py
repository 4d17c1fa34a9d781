"""The gates of mail policy on BIND and Knot: strings of TXT, aliases and wildcards as real servers serve them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dnsrun.gates.mail.dkim import Dkim
from dnsrun.gates.mail.dmarc import Dmarc
from dnsrun.gates.mail.spf import Spf
from dnsrun.model.observation import Verdict
from dnsrun.ports.gate import Gate
from gateworld import FixedView, case, net, server, spec, zone
from servers import Bind, Knot
from servers.starter import Starter
from servers.zones import Primary

NS = (server("ns1.client.example", "198.51.100.53"), server("ns2.client.example", "198.51.100.54"))
RECORDS = """
@ 300 IN SOA ns1 hostmaster 7 3600 600 86400 300
@ 300 IN NS ns1
@ 300 IN NS ns2
ns1 300 IN A 198.51.100.53
ns2 300 IN A 198.51.100.54
@ 300 IN MX 10 mail
mail 300 IN A 192.0.2.25
@ 300 IN TXT "v=spf1 mx inclu" "de:_spf.client.example exists:%{i}._list.client.example -all"
_spf 300 IN CNAME _spf.parts
_spf.parts 300 IN TXT "v=spf1 ip4:198.51.100.0/28 -all"
*._list 300 IN A 127.0.0.2
s1._domainkey 300 IN CNAME s1.keys
s1.keys 300 IN TXT "v=DKIM1; k=ed25519; " "p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
_dmarc 300 IN TXT "v=DMARC1; p=reject; rua=mailto:dmarc@reports.client.example"
"""


@pytest.fixture(scope="module")
def places() -> Iterator[dict[tuple[str, int], tuple[str, int]]]:
    with ExitStack() as stack:
        start = Starter(stack)
        primary = Primary("client.example.", RECORDS)
        bind, knot = start(Bind([primary])), start(Knot([primary]))
        yield {(NS[0].address, 53): ("127.0.0.1", bind.port), (NS[1].address, 53): ("127.0.0.1", knot.port)}


Places = dict[tuple[str, int], tuple[str, int]]


def judged(places: Places, gate: Gate, senders: frozenset[str] = frozenset(), **options: tuple[str, ...]) -> Verdict:
    view = FixedView(net(places), NS)
    told, written = case(checkpoint=zone(), senders=senders), spec(gate, **options)
    return gate.judge(written, told, gate.observe(written, told, view, view.net))


def test_senders_pass_by_mail_host_include_behind_an_alias_and_wildcard(places: Places) -> None:
    verdict = judged(places, Spf(), frozenset({"192.0.2.25", "198.51.100.15", "203.0.113.1"}))
    assert verdict.outcome == "pass", verdict.because
    assert verdict.warnings == (
        "client.example: anybody may send, says SPF (exists:%{i}._list.client.example: pass)",
        "client.example: who may send by exists:%{i}._list.client.example cannot be read from the SPF record",
    )


def test_a_sender_that_only_has_an_ipv6_address_is_refused_by_both(places: Places) -> None:
    refused = judged(places, Spf(), frozenset({"2001:db8::25"}), domains=("_spf.parts.client.example.",))
    assert refused.outcome == "fail"
    assert (
        "2001:db8::25 sends mail for _spf.parts.client.example, and SPF does not let it pass: -all" in refused.because
    )


def test_keys_behind_an_alias_and_policies_are_read(places: Places) -> None:
    key = judged(places, Dkim(), selectors=("s1",))
    assert (key.outcome, key.because, key.warnings) == ("pass", "the DKIM keys are there and as before: s1", ())
    policy = judged(places, Dmarc())
    assert (policy.outcome, policy.because, policy.warnings) == ("pass", "client.example has one DMARC record", ())
    assert judged(places, Dkim(), selectors=("s2",)).warnings == (
        "the DKIM key s2._domainkey.client.example is missing, as before",
    )
