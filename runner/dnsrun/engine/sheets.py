"""Sheets: files beside the journal that a person prints, imports at a panel or types from. Touches the disk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from dnsrun.errors import JournalError
from dnsrun.model.act import Act, Instruct, SetDelegation, SetService, WriteZone
from dnsrun.model.plan import Plan
from dnsrun.ports.provider import Receipt, ServiceProvider

from .run import Run

_AT_HOSTS = (WriteZone, SetDelegation, SetService)  # acts that name whose hands perform them

Files = Iterable[tuple[str, str]]


def with_sheets(run: Run, receipt: Receipt, plan: Plan, provider: str) -> str:
    """Return what a person is told, with the paths of the files that go with it; these are written first."""
    way = "-back" if plan.direction == "back" else ""
    paths = keep(run, receipt.files, f"phase-{plan.phase}{way}-{provider}")
    return "\n".join((receipt.ask_person or "", *("" for _ in paths[:1]), *(f"   {path}" for path in paths)))


def keep(run: Run, files: Files, place: str) -> list[str]:
    """Write files to a folder of the sheets; return their paths, seen from the project folder.

    What cannot be written is said in place of the paths: no step waits for a sheet.
    """
    try:
        return [run.journal.keep(place, name, text) for name, text in files]
    except JournalError as err:
        return [f"(not kept: {err})"]


def undo_folder(phase: int) -> str:
    """Return the folder of the sheets for going back from a phase by hand."""
    return f"phase-{phase}-undo"


def undone_by_hand(run: Run, plan: Plan) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return what a person does to take the plan's writes back, newest first, and the files that go with it.

    Empty where dnsrun can do it. What is only copied to a host that nobody asks yet stays there.
    """
    receipts = [(act, receipt) for act in reversed(plan.acts) if (receipt := _undo(run, plan, act))]
    text = "\n\n".join(receipt.ask_person or "" for _, receipt in receipts)
    files = tuple((f"{_who(act)}-{name}", content) for act, receipt in receipts for name, content in receipt.files)
    return text, files


def _undo(run: Run, plan: Plan, act: Act) -> Receipt | None:
    if isinstance(act, Instruct):
        return Receipt(ask_person=f"{act.operator}: {act.undo_text}") if act.undo_text else None
    if not isinstance(act, _AT_HOSTS) or not run.ports.capabilities[act.provider].needs_person:
        return None
    if isinstance(act, SetDelegation):
        registrar = run.ports.registrars[act.provider]
        return registrar.replace_delegation(act.domain, before=act.after, after=act.before)
    if isinstance(act, SetService):
        host = cast("ServiceProvider", run.ports.providers[act.provider])
        return host.set_service(act.domain, act.service, on=act.before)
    live = {change.key for change in plan.changes(provider=plan.live or act.provider) if not change.ttl_only}
    at_live = act.provider == (plan.live or act.provider)
    back = tuple(change.reverse() for change in reversed(act.changes) if at_live or change.key in live)
    return run.ports.providers[act.provider].apply(act.apex, back) if back else None


def _who(act: Act) -> str:
    return act.provider if isinstance(act, _AT_HOSTS) else "us"
