"""One command for several domains: one after the other, each error told, one exit code for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dnsrun.errors import DnsrunError, Exit

from .ending import tell_error
from .session import Session
from .targets import Target

GOES_ON = (Exit.DONE, Exit.NOT_YET)


def each(
    session: Session, targets: Iterable[Target], work: Callable[[Target], Exit], *, stop_at_first: bool = False
) -> Exit:
    """Work on every target and return the gravest code.

    `stop_at_first`: begin nothing more after the first that is neither done nor too early; say what was not begun.
    """
    codes: list[Exit] = []
    waiting = list(targets)
    while waiting:
        target = waiting.pop(0)
        try:
            codes.append(work(target))
        except DnsrunError as err:
            codes.append(tell_error(session, err, of=target.shown))
        if stop_at_first and codes[-1] not in GOES_ON and waiting:
            names = ", ".join(each.shown for each in waiting)
            session.console.err((f"not begun after that: {names}", "skipped"))
            break
    return Exit.worst(codes)
