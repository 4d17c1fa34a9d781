"""`dnsrun plan`: one screen of what would happen, when, by whom, and how to get back. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import click

from dnsrun.engine.mailhosts import elsewhere
from dnsrun.engine.start import Prepared, prepare
from dnsrun.errors import DnsrunError, Exit
from dnsrun.model.codec import encode
from dnsrun.model.plan import Plan
from dnsrun.model.playbook import AskedSpec, Phase
from dnsrun.model.times import duration, full_time
from dnsrun.plan.ahead import after
from dnsrun.plan.mail import mail_graph, mail_tree
from dnsrun.plan.planner import plan_phase
from dnsrun.plan.situation import Situation

from .batch import each
from .drive import Work, open_work
from .handing import Handing, cheaper, handing
from .session import Session, asking, common, pass_session
from .show import because, details
from .targets import Target, named, playbook_of

_FEW_WAYS, _ALL_WAYS = 12, 1000


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A phase that is done, or as it would be planned now; `problem` says why it cannot be."""

    phase: Phase
    plan: Plan | None = None
    problem: str = ""
    done: bool = False
    handing: Handing | None = None


@click.command(name="plan")
@click.argument("playbooks", nargs=-1, metavar="[PLAYBOOK|DOMAIN]...")
@click.option("-v", "--verbose", is_flag=True, help="Every change, and every gate.")
@asking
@common
@pass_session
def command(session: Session, playbooks: tuple[str, ...], *, verbose: bool) -> Exit:
    """Show every phase: what changes, when it may start, what is done by hand, how to get back. Reads only."""
    return each(session, named(session, playbooks), lambda target: show_plan(session, target, verbose=verbose))


def show_plan(session: Session, target: Target, *, verbose: bool) -> Exit:
    """Print the plan of one domain. Touches the network, writes nothing."""
    work = open_work(session, playbook_of(session, target))
    session.console.passing(f"{target.shown}: asking the servers")
    if work.run.state.active or work.run.state.going_back:
        return _show_open(work, verbose=verbose)
    prepared, foreseen = _foresee(work)
    now = work.run.ports.clock.now()
    tree = _mail(work, prepared, verbose=verbose or session.as_json) if prepared else ()
    if session.as_json:
        session.console.json(_as_data(work, prepared, foreseen, tree))
        return Exit.DONE
    _head(work, prepared)
    if tree:
        session.console.out("  Mail, as far as the zone and the playbook show it:")
    for line in tree:
        session.console.out(f"    {line}")
    following = next((each_ for each_ in foreseen if each_.plan and (each_.plan.moves or each_.plan.closes)), None)
    said: set[str] = set()
    for each_ in foreseen:
        news = _without(each_, said)
        _phase(work, news, now, is_next=each_ is following, verbose=verbose)
    _foot(work)
    return Exit.DONE


def _foresee(work: Work) -> tuple[Prepared | None, list[Foreseen]]:
    """Plan the next phase on the world as it is, and those after it as if each had been done."""
    run = work.run
    first: Prepared | None = None
    ahead: Situation | None = None
    found: list[Foreseen] = []
    for phase in run.playbook.phases:
        if run.state.phase(phase.number).outcome == "done":
            found.append(Foreseen(phase, done=True))
            continue
        plan: Plan | None
        if ahead is None:
            first = prepare(run, phase.number)
            ahead, plan, problem = first.situation, first.plan, ""
        else:
            plan, problem = _foreseen(phase, ahead)
        known = handing(run, plan, ahead, work.polite) if plan else None
        found.append(Foreseen(phase, plan, problem, handing=known))
        ahead = after(ahead, plan) if plan else ahead
    return first, found


def _foreseen(phase: Phase, situation: Situation) -> tuple[Plan | None, str]:
    try:
        return plan_phase(phase.number, situation), ""
    except DnsrunError as err:
        return None, str(err)


def _head(work: Work, prepared: Prepared | None) -> None:
    console, playbook = work.session.console, work.run.playbook
    console.out((f"{work.domain} · {len(playbook.phases)} phase{'s' * (len(playbook.phases) != 1)}", "strong"))
    if playbook.goal:
        console.out(f"  {' '.join(playbook.goal.split())}")
    if prepared is None:
        return
    zone = prepared.zone
    serial = f", serial {zone.serial}" if zone.serial is not None else ""
    console.out(f"  The zone holds {len(zone.rrsets)} record sets ({zone.completeness}: {zone.source}{serial}).")
    for told in _told(playbook.asked):
        console.out(f"  {told}")
    for edit in prepared.foreign:
        console.out((f"  Changed by somebody else since the last capture: {edit}", "changed"))
    for warning in (*playbook.warnings, *prepared.warnings):
        console.out((f"  Warning: {warning}", "changed"))
    if less := cheaper(prepared.situation):
        console.out((f"  {less}", "strong"))


def _told(asked: AskedSpec | None) -> Iterator[str]:
    """Say what people answered, who and when: it is their word, and no server's."""
    if asked is None:
        return
    yield f"Told by {' '.join(asked.by.split())} on {asked.on.isoformat()}:"
    if asked.sending_devices:
        yield f"  also sends mail: {' '.join(asked.sending_devices.split())}"
    for answer, what in (
        (asked.local_mail, "the new web host keeps mail for the domain to itself"),
        (asked.office_dns, "the office has a DNS server of its own for the domain"),
        (asked.dns_ends_with_hosting, "the name servers stop with the hosting contract"),
    ):
        if answer is not None:
            yield f"  {what}: {'yes' if answer else 'no'}"
    if asked.logins:
        yield f"  log-ins: {' '.join(asked.logins.split())}"


def _mail(work: Work, prepared: Prepared, *, verbose: bool) -> tuple[str, ...]:
    """Return what mail rides on, as lines. Touches the network for hosts outside the zone."""
    playbook = work.run.playbook
    graph = mail_graph(playbook.mail, prepared.zone)
    return mail_tree(graph, playbook, elsewhere(work.run, graph), most=_ALL_WAYS if verbose else _FEW_WAYS)


def _without(foreseen: Foreseen, said: set[str]) -> Foreseen:
    """Return a phase without the notes that an earlier one has given; adds its own to `said`."""
    plan = foreseen.plan
    if plan is None:
        return foreseen
    notes = tuple(note for note in plan.notes if note not in said)
    said.update(notes)
    return replace(foreseen, plan=replace(plan, notes=notes))


def _phase(work: Work, foreseen: Foreseen, now: datetime, *, is_next: bool, verbose: bool) -> None:
    console, phase, plan = work.session.console, foreseen.phase, foreseen.plan
    title = f'phase {phase.number} "{phase.name}"'
    if foreseen.done:
        console.out((f"{title}: done", "ok"))
    elif plan is None:
        console.out((f"{title}: cannot be planned yet", "failed"))
        for line in foreseen.problem.split("\n"):
            console.out(f"  {line}")
    elif not plan.moves and not plan.closes:
        console.out((f"{title}: nothing to do", "skipped"))
        for note in dict.fromkeys(plan.notes):
            console.out(f"  {note}")
    else:
        console.out((title, "strong"), f"   {_start(plan, now, is_next=is_next)}")
        for reason in because(plan):
            console.out(f"  {reason}")
        shown = details(plan, work.run.apex, work.run.ports.capabilities, verbose=verbose, known=foreseen.handing)
        for line in shown:
            console.out(line)


def _start(plan: Plan, now: datetime, *, is_next: bool) -> str:
    """Return when a phase may start; for one that is not next, if every phase before it starts as early as it can."""
    if plan.earliest is None or plan.earliest <= now:
        return "may start now" if is_next else "may start when the phase before it is done"
    left = duration((plan.earliest - now).total_seconds())
    return f"not before {full_time(plan.earliest)}, in {left}"


def _foot(work: Work) -> None:
    console, domain = work.session.console, work.domain
    console.out(
        f"How to get back: `dnsrun rollback {domain}` takes back the newest phase that wrote, "
        "`--to-phase N` everything after N, `--all` everything. No waiting, no windows."
    )


def _show_open(work: Work, *, verbose: bool) -> Exit:
    """Print the plan that is being carried out."""
    console, run = work.session.console, work.run
    plan = run.active_plan()
    if work.session.as_json:
        console.json({"domain": work.domain, "open": encode(plan) if plan else None})
        return Exit.DONE
    if plan is None:
        console.out(f"{work.domain} · a rollback has been asked for; run `dnsrun resume {work.domain}`")
        return Exit.DONE
    back = "being rolled back" if plan.direction == "back" else "open"
    console.out((f'{work.domain} · phase {plan.phase} "{plan.phase_name}" is {back}', "strong"))
    for line in details(plan, run.apex, run.ports.capabilities, verbose=verbose):
        console.out(line)
    console.out(f"Go on with `dnsrun resume {work.domain}`, or back with `dnsrun rollback {work.domain}`.")
    return Exit.DONE


def _switch_data(known: Handing | None) -> dict[str, Any] | None:
    if known is None:
        return None
    return asdict(known) | {"takes": known.takes.total_seconds()}


def _as_data(work: Work, prepared: Prepared | None, foreseen: list[Foreseen], mail: tuple[str, ...]) -> dict[str, Any]:
    phases = [
        {
            "number": each_.phase.number,
            "name": each_.phase.name,
            "done": each_.done,
            "problem": each_.problem or None,
            "plan": encode(each_.plan) if each_.plan else None,
            "switch": _switch_data(each_.handing),
        }
        for each_ in foreseen
    ]
    return {
        "domain": work.domain,
        "goal": work.run.playbook.goal,
        "asked": encode(work.run.playbook.asked) if work.run.playbook.asked else None,
        "completeness": prepared.zone.completeness if prepared else None,
        "foreign": list(prepared.foreign) if prepared else [],
        "warnings": list(prepared.warnings) if prepared else [],
        "cheaper": cheaper(prepared.situation) if prepared else "",
        "mail": list(mail),
        "phases": phases,
    }
