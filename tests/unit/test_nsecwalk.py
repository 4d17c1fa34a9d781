"""The names of a signed zone are read from its proofs, and a chain that leads nowhere is left."""

from __future__ import annotations

import dns.name
import pytest
from dns.rdatatype import RdataType

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.dnsio.nsecwalk import Chain, walk_chain
from dnsrun.model.observation import Endpoint
from dnsrun.rehearse.authority import Authority

APEX = dns.name.from_text("client.example")
SERVER = Endpoint(dns.name.from_text("ns1.client.example"), "192.0.2.53")
HEAD = "@ 300 SOA ns1 nobody 1 3600 600 86400 300\n@ 300 NS ns1\nns1 300 A 192.0.2.53\nwww 300 A 192.0.2.10\n"


def chain(*proofs: str) -> Chain:
    """Walk a zone that holds these NSEC records."""
    with Authority({APEX: HEAD + "".join(f"{proof}\n" for proof in proofs)}) as server:
        net = MappedNet({(SERVER.address, 53): (server.address, server.port)}, SystemClock())
        return walk_chain(net, SERVER, APEX)


def name(word: str) -> dns.name.Name:
    return dns.name.from_text(word, origin=APEX)


def test_a_whole_chain_gives_every_name_with_its_types() -> None:
    found = chain("@ 300 NSEC ns1 NS SOA RRSIG NSEC", "ns1 300 NSEC www A RRSIG", "www 300 NSEC @ A CAA TYPE1234")
    assert found.stopped == ""
    assert found.types == {
        APEX: (RdataType.NS, RdataType.SOA),
        name("ns1"): (RdataType.A,),
        name("www"): (RdataType.A, RdataType.CAA, RdataType.make(1234)),
    }


@pytest.mark.parametrize(
    ("proofs", "why"),
    [
        (("@ 300 NSEC www A", "www 300 NSEC www A"), "leads from www.client.example. to www.client.example."),
        (("@ 300 NSEC www A", "www 300 NSEC elsewhere.test. A"), "to elsewhere.test., which is no way on"),
        (("@ 300 NSEC www A",), "gives no NSEC for www.client.example."),
        (("@ 300 NSEC \\000 A",), "proves as little as it can"),
        (("@ 300 NSEC3PARAM 1 0 0 -",), "NSEC3, which hashes its names"),
        ((), "gives no NSEC for client.example."),
    ],
)
def test_a_chain_that_does_not_come_back_says_why(proofs: tuple[str, ...], why: str) -> None:
    assert why in chain(*proofs).stopped


def test_names_made_for_the_question_are_not_taken_for_names_of_the_zone() -> None:
    assert chain("@ 300 NSEC \\000 A").types == {}


def test_a_server_that_cannot_be_reached_ends_the_walk() -> None:
    found = walk_chain(MappedNet({}, SystemClock()), SERVER, APEX)
    assert found.types == {}
    assert "ns1.client.example" in found.stopped
