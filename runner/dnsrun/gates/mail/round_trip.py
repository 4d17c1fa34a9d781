"""Gate `mail-round-trip`: a test message really arrives, from outside or to outside; timed, and deleted again."""

from __future__ import annotations

from collections.abc import Sequence

from dnsrun.gates.silence import NOT_ASKED
from dnsrun.model.observation import Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import SERVICE_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .asking import ACCOUNT, CA, PRIVATE, VIA


class MailRoundTrip:
    """Send through the servers of the view or of an account, wait for it in the other mailbox, delete it."""

    kind = "mail-round-trip"
    fragment = Fragment(
        "a test message really arrives; it is deleted again",
        {
            "direction": {
                "description": "in: to the domain; out: from it; both",
                "type": "string",
                "enum": ["in", "out", "both"],
            },
            "account": {**ACCOUNT, "description": "the mailbox in the domain, one of `mail: accounts:`"},
            "other": {
                **ACCOUNT,
                "description": "a mailbox elsewhere; `in` without it goes to the mail hosts",
            },
            "via": VIA,
            "allow_private": PRIVATE,
            "ca": CA,
            "timeout": {"description": "for one direction: 60s", "type": "string", "format": "duration"},
        },
        required=("direction", "account"),
        defaults={**SERVICE_TIMING, "every_s": 60, "successes": 1, "failures": 2},
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Send and wait, each direction once; touches the network, and the disk for certificates."""
        from .travelling import travelled

        return tuple(travelled(spec, case, view, net))

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - what arrived decides
        """Judge one round; pure."""
        lost = [one for one in seen if isinstance(one.got, Words) and one.got.fact("lost")]
        unknown = [one for one in seen if not isinstance(one.got, Words) or one.got.fact(NOT_ASKED)]
        notes = tuple(note for one in seen if isinstance(one.got, Words) and (note := one.got.fact("note")))
        if lost:
            return Verdict("fail", _line(lost), tuple(lost), warnings=notes)
        if unknown or not seen:
            return Verdict("unknown", _line(unknown) or "nothing was sent", tuple(unknown), warnings=notes)
        return Verdict("pass", _line(seen), seen, warnings=notes)


def _line(seen: Sequence[Observation]) -> str:
    return "; ".join(f"{one.of} {shorten(one.got.text, 400)}" for one in seen if isinstance(one.got, Words))
