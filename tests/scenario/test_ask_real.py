"""Ten thousand questions to real servers: each answered once, and rightly."""

from __future__ import annotations

import dns.name
import pytest

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import SocketNet
from dnsrun.model.observation import Answer, Endpoint, Question
from dnsrun.model.rrset import key, rrset
from dnsrun.ports.net import Rate
from servers import Bind, Knot, Primary, Starter, small_zone

_HOSTS = 5_000


@pytest.mark.parametrize("in_flight", [64, 1024])
def test_ten_thousand_questions_are_answered_exactly_once(start: Starter, in_flight: int) -> None:
    """A window of 1,024 overflows the servers' buffers: what is lost is asked again."""
    text = small_zone(*(f"h{n} A 10.0.{n >> 8}.{n & 255}" for n in range(_HOSTS)), ttl_s=300)
    servers = [start(Bind([Primary("big.example", text)])), start(Knot([Primary("big.example", text)]))]
    endpoints = [Endpoint(dns.name.root, "127.0.0.1", server.port) for server in servers]
    keys = [key(f"h{n}.big.example", "A") for n in range(_HOSTS)]
    questions = [Question(one, endpoint) for one in keys for endpoint in endpoints]
    seen = list(SocketNet(SystemClock()).ask(questions, limit=Rate(None, in_flight)))
    assert len(seen) == len({(one.of, one.server) for one in seen}) == 2 * _HOSTS
    answers = {one.of: one.got for one in seen}
    for n, one in enumerate(keys):
        got = answers[one]
        assert isinstance(got, Answer), (one, got)
        assert got.rrset == rrset(one.owner, 300, "A", f"10.0.{n >> 8}.{n & 255}")
