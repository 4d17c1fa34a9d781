"""What a plan's screen says of going back."""

from __future__ import annotations

from dnsrun.cli.show import details
from dnsrun.plan.planner import plan_phase
from dnsrun.ports.provider import Capabilities
from planworld import APEX, playbook, situation, zone

HEAD = """
dnsrun: 1
domain: client.example
providers: {host: {use: manual}}
zone: {from: host}
records:
  - {names: [www], type: A, was: 192.0.2.10, value: 203.0.113.20}
"""
ONE_STEP = f"{HEAD}phases: [{{name: switch, steps: [{{kind: switch-records}}]}}]\n"
FOUR_STEPS = f"""{HEAD}
  - {{names: [shop], type: A, was: 192.0.2.10, value: 203.0.113.20}}
  - {{names: [old], type: TXT, was: x, absent: true}}
phases:
  - name: switch
    steps:
      - {{kind: lower-ttl, names: [www], ttl: 300}}
      - {{kind: switch-records, names: [www]}}
      - {{kind: switch-records, names: [shop]}}
      - {{kind: switch-records, names: [old]}}
"""


def going_back(text: str) -> list[str]:
    held = zone("www 900 A 192.0.2.10", "shop 600 A 192.0.2.10", 'old 60 TXT "x"')
    shown = details(plan_phase(1, situation(playbook(text), held)), APEX, {"host": Capabilities()})
    return shown[next(number for number, line in enumerate(shown) if "If it fails" in line) :]


def test_each_step_that_writes_says_what_failing_there_costs_at_worst() -> None:
    """What was written before a step is taken back with it, so the costs never fall from one step to the next."""
    assert going_back(FOUR_STEPS) == [
        "  If it fails: back by itself, last visitor well again after 10 min at most.",
        "    at www   A (TTL only): no visitor notices",
        "    at www   A: after 5 min at most",
        "    at shop   A: after 10 min at most",
        "    at old   TXT: after 10 min at most",
    ]


def test_a_phase_of_one_step_says_it_once() -> None:
    assert going_back(ONE_STEP) == ["  If it fails: back by itself, last visitor well again after 15 min at most."]
