"""Parity of a zone of 10,000 records at BIND and Knot, 18,400 questions to each, differences planted at Knot (S2, S3).

Peers: dnspython, one question after the other, each answer compared with what is expected; and dnsperf, which only
counts answers. For S3 the window may grow until receive buffers overflow. A run that does not find exactly what was
planted ends the benchmark.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.query
from dns.message import Message

import pairs
from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import SocketNet
from dnsrun.model.expected import Matched
from dnsrun.model.observation import Answer, Endpoint
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.net import Rate
from pairs import Pair, must_be
from planted import DOMAIN, Planted, plant, zone_text
from servers import Bind, Knot, Primary

_OVERFLOWING = Rate(per_second=None, in_flight=1024)
_DNSPERF_IN_FLIGHT = 64
_DNSPERF_RUNS = 5  # of all questions; one alone is over in a moment


@dataclass(slots=True)
class Parity:
    """Two servers, what is expected of them, and what the runs took in CPU seconds."""

    planted: Planted
    right: Endpoint
    wrong: Endpoint
    cpu_s: list[float] = field(default_factory=list)

    @property
    def questions(self) -> int:
        """How many questions a run asks, at both servers together."""
        return 2 * len(self.planted.questions())

    def ours(self, limit: Rate | None = None) -> float:
        net = SocketNet(SystemClock())
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        matched = 0
        found: set[tuple[Endpoint, RRsetKey | str]] = set()
        expected = {server: self.planted.expected() for server in (self.right, self.wrong)}
        for one in net.compare(expected, limit=limit):
            if isinstance(one, Matched):
                matched += one.count
            else:
                found.add((one.server, one.of))
        taken_s = time.perf_counter() - begun_s
        self.cpu_s.append(time.process_time() - begun_cpu_s)
        self._check(found, matched)
        return taken_s

    def dnspython(self) -> float:
        keys = self.planted.questions()
        wanted = {name.owner: name for name in self.planted.expected()}
        begun_s = time.perf_counter()
        found: set[tuple[Endpoint, RRsetKey | str]] = set()
        for server in (self.right, self.wrong):
            for key in keys:
                query = dns.message.make_query(key.owner, key.rdtype, flags=0, use_edns=0, payload=1232)
                response = dns.query.udp(query, server.address, port=server.port, timeout=5)
                if response.flags & dns.flags.TC:
                    response = dns.query.tcp(query, server.address, port=server.port, timeout=5)
                if not _is_as_expected(response, key, wanted[key.owner].answer(key.rdtype)):
                    found.add((server, key))
        taken_s = time.perf_counter() - begun_s
        self._check(found, self.questions - len(found))
        return taken_s

    def dnsperf(self) -> float:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as questions:
            questions.writelines(f"{key.owner} {key.rdtype.name}\n" for key in self.planted.questions())
            questions.flush()
            return sum(self._dnsperf(server, questions.name) for server in (self.right, self.wrong))

    def _dnsperf(self, server: Endpoint, questions: str) -> float:
        where = ["-s", server.address, "-p", str(server.port), "-d", questions]
        how = ["-n", str(_DNSPERF_RUNS), "-q", str(_DNSPERF_IN_FLIGHT), "-e"]
        said = subprocess.run(["dnsperf", *where, *how], capture_output=True, text=True, check=True).stdout
        lost, seconds = (re.search(rf"{what}:? +([0-9.]+)", said) for what in ("Queries lost", r"Run time \(s\)"))
        must_be(exact=lost is not None and lost[1] == "0" and seconds is not None, what="dnsperf lost questions")
        return float(seconds[1]) / _DNSPERF_RUNS if seconds else 0.0

    def _check(self, found: AbstractSet[tuple[Endpoint, RRsetKey | str]], matched: int) -> None:
        planted = {(self.wrong, key) for key in self.planted.differing}
        must_be(
            exact=found == planted, what=f"{len(planted - found)} differences missed, {len(found - planted)} invented"
        )
        must_be(exact=matched + len(found) == self.questions, what="not every question is accounted for")


def _is_as_expected(response: Message, key: RRsetKey, expected: Answer) -> bool:
    if response.rcode() != expected.rcode or bool(response.flags & dns.flags.AA) != expected.aa:
        return False
    if expected.rrset is None:
        return not response.answer
    if len(response.answer) != 1:
        return False
    (found,) = response.answer
    held = expected.rrset
    return (found.name, found.rdtype, found.ttl, frozenset(found)) == (
        key.owner,
        held.key.rdtype,
        held.ttl_s,
        held.rdatas,
    )


def _pairs(parity: Parity) -> list[Pair]:
    # A ratio is of times: 1/15 is fifteen times as fast.
    return [
        Pair("parity (S2)", parity.ours, parity.dnspython, "dnspython", 1 / 15, 1 / 8, warm_up=False),
        Pair("parity (S2)", parity.ours, parity.dnsperf, "dnsperf, which compares nothing", 1 / 0.30, 1 / 0.20),
        Pair("parity under loss (S3)", lambda: parity.ours(_OVERFLOWING), parity.ours, "S2", 2.0, 2.0),
    ]


def main() -> int:
    rounds = pairs.rounds(5)
    planted = plant()
    with (
        Bind([Primary(DOMAIN, zone_text(planted.right))]) as bind,
        Knot([Primary(DOMAIN, zone_text(planted.wrong))]) as knot,
    ):
        parity = Parity(planted, bind.endpoint, knot.endpoint)
        print(f"{parity.questions} questions, {len(planted.differing)} of them answered otherwise by {knot.software}")
        code = pairs.compare(_pairs(parity), rounds)
        per_question_us = statistics.median(parity.cpu_s) / parity.questions * 1e6
        print(f"CPU of dnsrun: {per_question_us:.1f} microseconds a question")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
