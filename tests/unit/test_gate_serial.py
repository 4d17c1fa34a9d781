"""Gate `serial`: who is behind, told with RFC 1982 arithmetic; and the proof of a refresh."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest

from dnsrun.gates.all import built_in
from dnsrun.gates.serial import SerialGate
from dnsrun.model.observation import Answer, Endpoint, Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import key, rrset
from dnsrun.ports.gate import GateCase
from dnsrun.rehearse.authority import Authority
from gateworld import APEX, NOON, OLD, WEB_MOVES, FixedView, case, net, server, silent, spec

GATE = SerialGate()
SPEC = spec(GATE)
NS1, NS2 = server("ns1.client.example", "192.0.2.53"), server("nsx.secondary.example", "198.51.100.53")
CASE = case(WEB_MOVES)  # its checkpoint has serial 7


def gave(at: Endpoint, serial: int, **answer: object) -> Observation:
    soa = rrset(APEX, 60, "SOA", f"a. b. {serial} 1 1 1 1")
    words = {"rcode": 0, "aa": True, "kind": "data", "rrset": soa} | answer
    return Observation(soa.key, at, NOON, Answer(**words), "udp")  # type: ignore[arg-type] # fields of Answer


def judge(*seen: Observation, of: GateCase = CASE, **options: tuple[str, ...]) -> Verdict:
    return GATE.judge(spec(GATE, **options), of, seen)


@pytest.mark.parametrize(
    ("first", "second", "outcome", "because"),
    [
        (8, 8, "pass", "ns1 has serial 8, nsx has serial 8"),
        (8, 7, "fail", "ns1 has serial 8, nsx still has serial 7"),
        (6, 6, "fail", "ns1 still has serial 6, nsx still has serial 6"),
    ],
)
def test_a_serial_behind_the_newest_is_not_yet(first: int, second: int, outcome: str, because: str) -> None:
    verdict = judge(gave(NS1, first), gave(NS2, second))
    assert (verdict.outcome, verdict.because, verdict.not_yet) == (outcome, because, outcome == "fail")


def test_serials_go_round() -> None:
    """RFC 1982: 5 comes after 4294967290; half the space apart there is no order."""
    soa = rrset(APEX, 60, "SOA", "a. b. 4294967290 1 1 1 1")
    high = replace(CASE, checkpoint=replace(CASE.checkpoint, rrsets={soa.key: soa}))
    verdict = judge(gave(NS1, 5), gave(NS2, 4294967290), of=high)
    assert verdict.because == "ns1 has serial 5, nsx still has serial 4294967290"
    apart = judge(gave(NS1, 8), gave(NS2, 8 + 2**31))
    assert (apart.outcome, apart.not_yet) == ("fail", False)


def test_a_waiting_server_is_shown_and_not_judged_unless_it_is_named() -> None:
    waiting = replace(CASE, waits_for=frozenset({NS2.name}))
    seen = (gave(NS1, 8), gave(NS2, 7))
    verdict = judge(*seen, of=waiting)
    assert verdict.outcome == "pass"
    assert verdict.because == "ns1 has serial 8, nsx still has serial 7, waits for its refresh"
    assert judge(*seen, of=waiting, server=("nsx.secondary.example.",)).not_yet
    assert judge(*seen, of=waiting, server=("ns1.client.example.",)).outcome == "pass"
    assert judge(*seen, of=waiting, server=("ns9.client.example.",)).outcome == "unknown"


def test_lame_fails_and_silence_needs_a_control() -> None:
    """Fault 45."""
    lame = judge(gave(NS1, 8), gave(NS2, 8, aa=False))
    assert lame.because == "ns1 has serial 8, nsx answers without authority for @ SOA"
    assert judge(silent(key(APEX, "SOA"), NS2)).outcome == "unknown"
    assert judge(gave(NS1, 8), silent(key(APEX, "SOA"), NS2)).outcome == "fail"


def at_server(kind: str) -> GateSpec:
    return GateSpec(kind, f"{kind} at ns2", {"server": (NS2.name.to_text(),)})


def test_serial_and_content_of_one_server_are_judged_though_it_waits_for_its_refresh() -> None:
    before = f"@ 60 SOA ns1 h 7 1 1 1 1\n@ 60 NS ns1\nwww 600 A {OLD}"
    after = before.replace("h 7", "h 8").replace(OLD, "203.0.113.20")
    waiting = replace(CASE, waits_for=frozenset({NS2.name}))
    with ExitStack() as stack:
        primary, secondary = (stack.enter_context(Authority({APEX: text})) for text in (after, before))
        places = {(NS1.address, 53): ("127.0.0.1", primary.port), (NS2.address, 53): ("127.0.0.1", secondary.port)}
        view = FixedView(net(places), (NS1, NS2))

        def proofs() -> list[Verdict]:
            gates = built_in()
            return [
                gates[one.kind].judge(one, waiting, gates[one.kind].observe(one, waiting, view, view.net))
                for one in (at_server("serial"), at_server("records"))
            ]

        assert [(one.outcome, one.not_yet) for one in proofs()] == [("fail", True), ("fail", True)]
        secondary.set_zone(APEX, after)
        assert [one.outcome for one in proofs()] == ["pass", "pass"]


def test_servers_that_cannot_be_reached_are_judged_by_the_parent() -> None:
    parent = server("a.nic.example", "203.0.113.53")
    with Authority({APEX.parent(): "@ 60 SOA a b 1 1 1 1 1\n@ 60 NS a\nclient 60 NS ns1.client"}) as played:
        view = FixedView(net({(parent.address, 53): ("127.0.0.1", played.port)}), (NS1,), (parent,))
        assert GATE.judge(SPEC, CASE, GATE.observe(SPEC, CASE, view, view.net)).outcome == "fail"
        alone = replace(view, controls=())
        assert GATE.judge(SPEC, CASE, GATE.observe(SPEC, CASE, alone, alone.net)).outcome == "unknown"
