"""A move of the mail leaves nobody and no message behind: programs that use addresses, and the last copy."""

from __future__ import annotations

from collections.abc import Iterator

from dnsrun.model.playbook import Mark, Step

from .facts import SWITCH, Facts, Finding

_SYNC = "mailbox-sync"


def check(facts: Facts) -> Iterator[Finding]:
    """Find mail programs that would stay at the old server, and mail switched off before the last copy."""
    steps = [step for phase in facts.phases for step in phase.steps]
    moves = bool(facts.mail and facts.mail.moves)
    yield from _by_address(facts, steps, moves=moves)
    for at, step in enumerate(steps):
        if moves and _switches_off(step):
            yield from _last_copy(step, steps[:at], steps[at + 1 :])


def _switches_off(step: Step) -> bool:
    return step.kind == "mail-service" and step.options["state"] == "disabled"


def _by_address(facts: Facts, steps: list[Step], *, moves: bool) -> Iterator[Finding]:
    count = facts.mail.clients_by_address if facts.mail else 0
    marks: list[Mark] = [step.mark for step in steps if _switches_off(step)]
    if moves:
        marks += [spec.mark for spec in facts.records]
    if count and marks:
        yield Finding(
            marks[0],
            f"clients_by_address says that {count} mail programs or devices use the old server's IP address: no record "
            "moves them, and they lose their mail; set them to the host name, then write 0",
        )


def _last_copy(off: Step, before: list[Step], after: list[Step]) -> Iterator[Finding]:
    for step in after:
        if step.kind == _SYNC:
            yield Finding(
                step.mark, "the old server may let nobody in once its mail is switched off; copy the mailboxes before"
            )
    since = max((at for at, step in enumerate(before) if step.kind == SWITCH), default=-1)
    if since >= 0 and all(step.kind != _SYNC for step in before[since + 1 :]):
        yield Finding(
            off.mark,
            "messages that came to the old server since the records changed would stay there; put "
            "{kind: mailbox-sync, operator: us} before this step, after the records",
        )
