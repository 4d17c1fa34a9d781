"""Who changes a name that mail rides on says so (as far as the playbook alone shows the mail)."""

from __future__ import annotations

from collections.abc import Iterator

from dns.rdatatype import RdataType, to_text

from dnsrun.model.playbook import MailSpec, RecordSpec
from dnsrun.playbook.names import shown
from dnsrun.playbook.wording import meant, quoted

from .facts import Facts, Finding

_CARRYING = frozenset({RdataType.A, RdataType.AAAA, RdataType.CNAME})


def check(facts: Facts) -> Iterator[Finding]:
    """Find entries that touch mail without owning up to it, and senders that begin with no phase."""
    yield from _beginnings(facts)
    if facts.mail and facts.mail.moves:
        return
    for spec in facts.records:
        if not spec.affects_mail and (why := _touches(spec, facts.mail)):
            yield Finding(
                spec.mark,
                f"{why}; say affects: mail here when the mailboxes stay where they are, or moves: true below mail",
            )


def _beginnings(facts: Facts) -> Iterator[Finding]:
    names = frozenset(phase.name for phase in facts.phases)
    for sender in facts.mail.senders if facts.mail and names else ():
        if sender.mark and sender.since is not None and sender.since not in names:
            yield Finding(
                sender.mark,
                f"there is no phase {quoted(sender.since)} with which {sender.address} could begin to send"
                f"{meant(sender.since, names)}",
            )


def _touches(spec: RecordSpec, mail: MailSpec | None) -> str | None:
    if spec.rdtype == RdataType.MX:
        return f"{shown(spec.names[0])} MX decides where mail goes"
    listed = {*mail.mailboxes, *mail.submission} if mail and spec.rdtype in _CARRYING else set()
    touched = next((name for name in spec.names if name in listed), None) if listed else None
    return (
        f"mail programs use {shown(touched)} (below mail), and its {to_text(spec.rdtype)} changes" if touched else None
    )
