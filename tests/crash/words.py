"""The playbook and the zone of the crash runs: every kind of step and of change, in as few records as it takes."""

from __future__ import annotations

from worlds import NEW, OLD

ZONE = f"""
client.example. 3600 SOA ns1.client.example. nobody. 7 1800 900 604800 300
client.example. 3600 NS ns1.client.example.
client.example. 3600 NS ns2.client.example.
ns1.client.example. 3600 A 198.51.100.53
ns2.client.example. 3600 A 198.51.100.54
client.example. 3600 MX 10 mail.client.example.
mail.client.example. 3600 A 192.0.2.25
www.client.example. 3600 A {OLD}
late.client.example. 3600 A {OLD}
kind.client.example. 3600 CNAME www.client.example.
gone.client.example. 3600 TXT "old words"
*.wild.client.example. 3600 TXT "kept" "in two"
"""
LAST_PHASE = 4
_PLAYBOOK = """dnsrun: 1
domain: client.example
goal: Everything that can happen in a run that keeps its zone.
vars: {old: 192.0.2.10, new: 203.0.113.20}
providers:
  first: {use: rfc2136, server: 198.51.100.53, name_servers: [ns1.client.example]}
  second: {use: rfc2136, server: 198.51.100.54, name_servers: [ns2.client.example]}
  panel: {use: manual, panel: plesk11}
zone: {from: first, secondaries: {first: [second]}}
mail: {mailboxes: [mail.client.example]}
records:
  - {names: [www, late], type: A, was: "${old}", value: "${new}"}
  - {names: [fresh], type: A, value: "${new}"}
  - {names: [kind], type: CNAME, was: www.client.example., absent: true}
  - {names: [kind], type: A, value: "${new}"}
  - {names: [gone], type: TXT, was: old words, absent: true}
phases:
  - name: lower
    steps: [{kind: lower-ttl}]
  - name: switch
    gates:
      - {kind: http, url: "http://www.client.example/", status: 200, successes: 1}
      - {kind: confirm, question: "Is the client told?"}
    steps:
      - kind: manual
        operator: them
        text: open the door
        undo: close the door
        proof: {kind: command, run: [test, -e, OUTSIDE/door], successes: 1}
      - {kind: switch-records, names: [www, fresh, kind, gone]}
      - {kind: wait, for: 20s}
      - {kind: command, run: [sh, -c, "echo run >>OUTSIDE/done"], undo: [sh, -c, "echo undo >>OUTSIDE/done"]}
      - {kind: manual, operator: us, text: shake hands, irreversible: a hand once shaken stays so}
  - name: late
    gates: [{kind: untouched, off: "this zone changes all the time"}]
    steps:
      - {kind: switch-records, names: [late]}
      - {kind: refresh-secondary, provider: second}
      - {kind: watch, for: 1m}
      - {kind: mailbox-sync, operator: us, text: copy the mailboxes}
      - {kind: mail-service, provider: panel, state: disabled}
  - name: finish
    steps: [{kind: restore-ttl}, {kind: finish}]
"""


def playbook_text(outside: str) -> str:
    """Return the playbook; its commands work in the folder `outside`."""
    return _PLAYBOOK.replace("OUTSIDE", outside)


# Zones as `zone_text` gives them, SOA aside, at the end of what the name says.
def _zone(*changed: str) -> frozenset[str]:
    kept = (
        "client.example. 3600 IN NS ns1.client.example.",
        "client.example. 3600 IN NS ns2.client.example.",
        "ns1.client.example. 3600 IN A 198.51.100.53",
        "ns2.client.example. 3600 IN A 198.51.100.54",
        "client.example. 3600 IN MX 10 mail.client.example.",
        "mail.client.example. 3600 IN A 192.0.2.25",
        '*.wild.client.example. 3600 IN TXT "kept" "in two"',
    )
    return frozenset((*kept, *changed))


def _named(name: str, ttl_s: int, rdtype: str, value: str) -> str:
    return f"{name}.client.example. {ttl_s} IN {rdtype} {value}"


def _before(ttl_s: int) -> tuple[str, ...]:
    return (
        _named("www", ttl_s, "A", OLD),
        _named("kind", ttl_s, "CNAME", "www.client.example."),
        _named("gone", ttl_s, "TXT", '"old words"'),
    )


def _after(www_ttl_s: int) -> tuple[str, ...]:
    return (_named("www", www_ttl_s, "A", NEW), _named("fresh", 600, "A", NEW), _named("kind", 600, "A", NEW))


ORIGINAL = _zone(*_before(3600), _named("late", 3600, "A", OLD))
LOWERED = _zone(*_before(600), _named("late", 600, "A", OLD))
SWITCHED = _zone(*_after(600), _named("late", 600, "A", OLD))
LATE = _zone(*_after(600), _named("late", 600, "A", NEW))
FINISHED = _zone(*_after(3600), _named("late", 3600, "A", NEW))
AT_THE_END_OF = {0: ORIGINAL, 1: LOWERED, 2: SWITCHED, 3: LATE, 4: FINISHED}
