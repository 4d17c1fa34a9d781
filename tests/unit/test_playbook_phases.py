"""Default phases, what their numbers mean, and the gates of the top level."""

from __future__ import annotations

import pytest

from dnsrun.errors import UsageError
from dnsrun.playbook.defaults import phase_named
from playbook_words import read

HEAD = """\
dnsrun: 1
domain: client.example.jp
providers: {host: {use: manual}}
zone: {from: host}
records:
  - {names: [www], type: A, was: 192.0.2.1, value: 192.0.2.2}
"""
WRITTEN = (
    HEAD
    + """\
phases:
  - {name: lower, steps: [{kind: lower-ttl}]}
  - {name: the switch, steps: [{kind: switch-records}, {kind: wait, for: 1h}]}
  - {name: look, steps: [{kind: watch, for: 2h}]}
  - {name: close, steps: [{kind: restore-ttl}, {kind: finish}]}
"""
)
TURNED = (
    HEAD
    + """\
phases:
  - {name: the switch, steps: [{kind: switch-records}]}
  - {name: by hand, steps: [{kind: manual, operator: us, text: x}]}
"""
)

MOVING = """\
dnsrun: 1
domain: client.example.jp
providers:
  old: {use: manual}
  new: {use: manual, name_servers: [ns1.new.example, ns2.new.example]}
  registrar: {use: manual-registrar}
zone: {from: old, to: new, registrar: registrar}
"""
MOVING_FIRST = (
    MOVING
    + """\
phases:
  - {name: copy, steps: [{kind: lower-ttl}, {kind: copy-zone}]}
  - {name: name servers, steps: [{kind: switch-ns}]}
  - {name: look, steps: [{kind: watch, for: 2h}]}
  - {name: close, steps: [{kind: finish}]}
"""
)


def test_left_out_phases_are_the_five_usual_ones() -> None:
    phases = read(HEAD).phases
    assert [(phase.number, phase.name) for phase in phases] == [
        (1, "lower TTLs"),
        (2, "switch A"),
        (3, "verify"),
        (4, "switch NS"),
        (5, "finish"),
    ]
    assert [[step.kind for step in phase.steps] for phase in phases] == [
        ["lower-ttl"],
        ["switch-records"],
        ["watch"],
        [],
        ["restore-ttl", "finish"],
    ]
    assert phases[2].steps[0].options == {"for": "all-caches"}


def test_left_out_phases_of_a_zone_that_moves_copy_it_in_1_and_switch_in_4() -> None:
    phases = read(MOVING).phases
    assert [[step.kind for step in phase.steps] for phase in phases] == [
        ["lower-ttl", "copy-zone"],
        ["switch-records"],
        ["watch"],
        ["switch-ns", "watch"],
        ["restore-ttl", "finish"],
    ]
    assert phases[3].steps[1].options == {"for": "all-caches"}
    assert phase_named(read(MOVING), "4").name == "switch NS"


@pytest.mark.parametrize(("word", "name"), [("1", "copy"), ("3", "look")])
def test_a_number_means_the_same_where_the_zone_moves(word: str, name: str) -> None:
    assert phase_named(read(MOVING_FIRST), word).name == name


@pytest.mark.parametrize("word", ["2", "4"])
def test_name_servers_are_never_switched_by_a_number_that_means_something_else(word: str) -> None:
    with pytest.raises(UsageError, match=f"number {word} usually means"):
        phase_named(read(MOVING_FIRST), word)


@pytest.mark.parametrize(("word", "name"), [("1", "lower TTLs"), ("4", "switch NS"), ("Verify", "verify")])
def test_a_default_phase_is_found_by_number_and_name(word: str, name: str) -> None:
    assert phase_named(read(HEAD), word).name == name


@pytest.mark.parametrize(("word", "name"), [("1", "lower"), ("2", "the switch"), ("3", "look"), ("close", "close")])
def test_a_number_is_taken_where_the_phase_does_the_usual_thing(word: str, name: str) -> None:
    assert phase_named(read(WRITTEN), word).name == name


@pytest.mark.parametrize(
    ("text", "word", "message"),
    [
        (WRITTEN, "4", 'number 4 usually means "switch NS", .* say --phase "close"'),
        (TURNED, "1", 'number 1 usually means "lower TTLs", .* say --phase "the switch"'),
        (TURNED, "2", 'say --phase "by hand"'),
        (TURNED, "3", 'no phase 3; its phases are: "the switch", "by hand"'),
        (TURNED, "the swich", 'did you mean "the switch"'),
        (TURNED, "zzz", "its phases are"),
        (TURNED, "²", "its phases are"),
    ],
)
def test_a_number_that_means_something_else_is_answered_with_the_name(text: str, word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        phase_named(read(text), word)


def test_gates_of_the_top_level_hold_where_records_change_and_in_the_watch_after() -> None:
    playbook = read(HEAD + "gates: [{kind: http, url: 'https://www.client.example.jp/'}]\n")
    assert [[gate.name for gate in phase.gates] for phase in playbook.phases] == [[], ["http"], ["http"], [], []]


def test_gates_of_the_top_level_hold_where_name_servers_change() -> None:
    playbook = read(MOVING + "gates: [{kind: http, url: 'https://www.client.example.jp/'}]\n")
    assert [[gate.name for gate in phase.gates] for phase in playbook.phases] == [[], ["http"], ["http"], ["http"], []]


def test_a_gate_that_is_off_is_off_in_every_phase() -> None:
    playbook = read(HEAD + "gates: [{kind: untouched, off: the host rewrites TXT}]\n")
    assert [gate.off for phase in playbook.phases for gate in phase.gates] == ["the host rewrites TXT"] * 5


def test_gates_without_a_name_get_one_that_is_unique_in_the_phase() -> None:
    gate = "{kind: confirm, text: go}"
    playbook = read(
        HEAD
        + f"gates: [{gate}]\nphases:\n  - name: one\n"
        + f"    gates: [{gate}, {{kind: confirm, text: go, name: confirm 2}}]\n"
        + f"    steps: [{{kind: switch-records, gates: [{gate}]}}]\n"
    )
    (phase,) = playbook.phases
    assert [gate.name for gate in phase.gates] == ["confirm", "confirm 3", "confirm 2"]
    assert [gate.name for gate in phase.steps[0].gates] == ["confirm 4"]
