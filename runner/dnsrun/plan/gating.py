"""Which gates surround what a phase does, whose servers they ask, and how often. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dns.name import Name

from dnsrun.model.playbook import GateSpec, MailSpec, Phase, Side
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.kinds import DNS_TIMING

from .ttl import EQUAL_ROUNDS, ROUND_SPACING_S

DNS_GATES = ("records", "untouched")
MOVE_GATES = ("parity", "delegation", "dnssec", "spf")
MAIL_POLICY_GATES = ("spf", "dkim", "dmarc")
PERSON_GATES = ("confirm",)
KNOW_THE_MOVE = frozenset({*MOVE_GATES, *MAIL_POLICY_GATES, "old-side", "resolvers"})
MAIL_GATES = frozenset({"smtp", "submission", "imap", "pop3", "mail-round-trip"})
NOT_SERVICES = frozenset({*DNS_GATES, *MOVE_GATES, *MAIL_POLICY_GATES, *PERSON_GATES, "serial", "resolvers"})
WATCH_EVERY_S = 60
WATCH_FAILURES = 2
MOST_LATE_S = 3600
# Whole zones and delegations change only when somebody changes them, and asking costs thousands of answers.
SLOW_S = {"parity": 900, "dnssec": 900, "delegation": 300} | dict.fromkeys(MAIL_POLICY_GATES, 300)


def built_in(kind: str, side: Side = "live") -> GateSpec:
    """Return a built-in DNS gate with its default timing, asking the servers of one side."""
    timing = DNS_TIMING
    return GateSpec(
        kind,
        kind if side == "live" or kind in MOVE_GATES else f"{kind} ({side} side)",
        {},
        every_s=timing["every_s"],
        within_s=timing["within_s"],
        successes=timing["successes"],
        failures=timing["failures"],
        side=side,
    )


def mail_gates(mail: MailSpec | None, domain: Name, without: frozenset[str]) -> tuple[GateSpec, ...]:
    """Return what is asked around a change that touches mail, or moves its names: protocols, not records (M4).

    `without` are the kinds that the playbook writes itself or switches off.
    """
    if mail is None:
        return ()
    asked: list[tuple[str, str, Name | None]] = [("smtp", "mail is taken", None)]
    asked += [("imap", f"mailboxes at {host.to_text(omit_final_dot=True)}", host) for host in mail.mailboxes]
    asked += [("submission", f"sending through {host.to_text(omit_final_dot=True)}", host) for host in mail.submission]
    postmaster = {"rcpt": f"postmaster@{domain.to_text(omit_final_dot=True)}"}  # taken everywhere: RFC 5321 4.5.1
    return tuple(
        GateSpec(kind, name, {"host": host.to_text(omit_final_dot=True)} if host else postmaster, lenient=True)
        for kind, name, host in asked
        if kind not in without
    )


def looking_at(resolvers: tuple[str, ...]) -> tuple[GateSpec, ...]:
    """Return the gate that looks at the playbook's resolvers; none without them."""
    if not resolvers:
        return ()
    return (replace(built_in("resolvers"), options={"servers": resolvers}, advisory=True),)


def at_side(gates: Iterable[GateSpec], side: Side) -> tuple[GateSpec, ...]:
    """Return the gates asking one side's servers."""
    return tuple(gate if gate.side == side else replace(gate, side=side) for gate in gates)


def starting_the_clock(gates: Iterable[GateSpec]) -> tuple[GateSpec, ...]:
    """A TTL phase exists to start a timer (T1), which counts from the first of k equal rounds."""
    return tuple(
        replace(gate, every_s=ROUND_SPACING_S, successes=EQUAL_ROUNDS) if gate.kind == "records" else gate
        for gate in gates
    )


def waiting_for_late(gates: Iterable[GateSpec], zone: ZoneSnapshot) -> tuple[GateSpec, ...]:
    """Return the gates after a write, `records` with the time that a secondary has to follow by itself (fault 39).

    That is what the SOA of the zone says, at most `MOST_LATE_S`: for longer no users shall get now this, now that.
    """
    late_s = min(zone.follows_within_s or 0, MOST_LATE_S)
    return tuple(replace(gate, late_s=late_s) if gate.kind == "records" else gate for gate in gates)


def watching(gates: Iterable[GateSpec]) -> tuple[GateSpec, ...]:
    """Return the gates with the timing of a wait or watch; who asks for longer pauses gets them."""
    return tuple(
        replace(
            gate,
            every_s=max(gate.every_s, SLOW_S.get(gate.kind, WATCH_EVERY_S)),
            successes=1,
            failures=WATCH_FAILURES,
        )
        for gate in gates
    )


def switched_off(phase: Phase) -> frozenset[str]:
    """Return the kinds of built-in gates that the playbook switches off in a phase."""
    of_steps = (gate for step in phase.steps for gate in step.gates)
    return frozenset(gate.kind for gate in (*phase.gates, *of_steps) if gate.off)


def written_kinds(phase: Phase) -> frozenset[str]:
    """Return the kinds of gates that the playbook writes in a phase, switched off or not."""
    of_steps = (gate for step in phase.steps for gate in step.gates)
    return frozenset(gate.kind for gate in (*phase.gates, *of_steps))


def afterwards(written: Iterable[GateSpec]) -> tuple[GateSpec, ...]:
    """Return those of the written gates that run after a write."""
    return tuple(gate for gate in written if gate.at != "before" and not gate.off and gate.kind not in PERSON_GATES)
