"""Ten thousand questions to real servers: each answered once, and rightly."""

from __future__ import annotations

import dns.name
import pytest
from dns.rdatatype import RdataType

from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import SocketNet
from dnsrun.model.expected import NODATA, NXDOMAIN, Expected, Matched
from dnsrun.model.observation import Answer, Endpoint, Observation, Question
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


class LimitedBind(Bind):
    """BIND that answers five equal questions a second, and of the others every `slip`th with an empty answer."""

    def __init__(self, zone: Primary, *, slip: int) -> None:
        super().__init__([zone])
        self._slip = slip

    def _options(self) -> str:
        limits = f"rate-limit {{ responses-per-second 5; slip {self._slip}; }};"
        return super()._options().replace("recursion no;", f"recursion no; {limits}")


@pytest.mark.parametrize("slip", [2, 0])
def test_a_server_that_limits_equal_answers_is_judged_exactly(start: Starter, slip: int) -> None:
    """NXDOMAIN and NODATA of a zone are all equal to a rate limit: it drops them, or cuts them down to nothing."""
    zone = small_zone(*(f"h{n} A 10.0.0.{n}" for n in range(200)), ttl_s=300)
    bind = start(LimitedBind(Primary("big.example", zone), slip=slip))
    names = [
        Expected(owner, (RdataType.A, RdataType.TXT), {RdataType.A: rrset(owner, 300, "A", f"10.0.0.{n}")}, NODATA)
        for n in range(200)
        for owner in [dns.name.from_text(f"h{n}.big.example.")]
    ]
    names += [Expected(dns.name.from_text(f"x{n}.big.example."), (RdataType.A,), {}, NXDOMAIN) for n in range(200)]
    wrong = Expected(dns.name.from_text("h1.big.example."), (RdataType.MX,), {}, NXDOMAIN)
    seen = list(SocketNet(SystemClock()).compare({bind.endpoint: [*names, wrong]}))
    assert sum(one.count for one in seen if isinstance(one, Matched)) == 600
    (other,) = [one for one in seen if isinstance(one, Observation)]
    assert (other.of, other.got) == (key("h1.big.example", "MX"), Answer(0, True, None, "nodata", 300))
    assert sum(one.count for one in seen if isinstance(one, Matched) and one.transport == "tcp") > 100
