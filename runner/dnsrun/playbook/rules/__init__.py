"""Rules beyond the schema that the playbook alone can show; what needs the live zone belongs to the planner."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import asked, cname, mail, mailmove, moving, notices, phases, rrsets, together
from .facts import Facts, Finding

RULES: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    rrsets.check,
    cname.check,
    mail.check,
    mailmove.check,
    phases.check,
    together.check,
    moving.check,
    asked.check,
    notices.check,
)
