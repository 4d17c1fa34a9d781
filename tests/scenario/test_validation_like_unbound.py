"""The validating kind of cache and a real validating Unbound say the same of signed, unsigned and broken domains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dns.name
import pytest
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from dnsrun.clock import SystemClock, now_utc
from dnsrun.dnsio.net import MappedNet
from dnsrun.rehearse.cache import POPULATION, CachingResolver
from dnsrun.rehearse.users import through
from movecases import OLD, PARENT, ROOT
from servers import Unbound
from signedworld import DOMAINS, anchor, apex_of, signed_world

QUESTIONS = (
    ("www", "A", "NOERROR"),
    ("www", "TXT", "NOERROR"),
    ("missing", "A", "NXDOMAIN"),
    ("alias", "A", "NOERROR"),
    ("alias", "TXT", "NOERROR"),
    ("any.wild", "A", "NOERROR"),
    ("any.wild", "TXT", "NOERROR"),
    ("no.data", "A", "NOERROR"),
    ("@", "NS", "NOERROR"),
)
SOUND = ("good", "unsigned")


@dataclass
class Both:
    """A real resolver and the model before the same servers."""

    real: Unbound
    model: CachingResolver


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with signed_world(now_utc()) as servers:
        stubs = {".": [servers[ROOT].endpoint], "example.": [servers[PARENT].endpoint]}
        stubs |= {apex_of(domain).to_text(): [servers[OLD].endpoint] for domain in DOMAINS}
        places = {(address, 53): (server.address, server.port) for address, server in servers.items()}
        send = through(MappedNet(places, SystemClock()))
        model = CachingResolver([ROOT], send, now_utc, POPULATION["validating"], anchor=anchor())
        with Unbound(stubs, anchor=f". DS {anchor()[0].to_text()}") as real:
            yield Both(real, model)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(("owner", "rdtype", "rcode"), QUESTIONS)
def test_both_give_what_is_proved_and_nothing_else(
    both: Both, domain: str, owner: str, rdtype: str, rcode: str
) -> None:
    name = dns.name.from_text(owner, apex_of(domain))
    real = both.real.ask(name, rdtype, recurse=True).rcode()
    model = both.model.resolve(name, RdataType[rdtype]).rcode
    assert (real, model) == ((Rcode[rcode],) * 2 if domain in SOUND else (Rcode.SERVFAIL,) * 2)
