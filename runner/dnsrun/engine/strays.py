"""Mail that came to servers which a rollback left again: from when until when, where, and how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dnsrun.model.entry import Done, Intended, Planned, RollbackBegun
from dnsrun.model.plan import Plan
from dnsrun.model.playbook import GateSpec
from dnsrun.plan.mail import mail_graph
from dnsrun.plan.records import ADDRESSES
from dnsrun.plan.ttl import margin_s

from .cases import logins
from .eyes import recent
from .run import Run, merged

_SEEN_S = 10.0


@dataclass(frozen=True, slots=True)
class Strays:
    """A period (UTC) whose mail may lie at `addresses`; `counts`: an account's mail address, and what is there."""

    since: datetime
    until: datetime
    addresses: tuple[str, ...]
    counts: Mapping[str, str]


def strays(run: Run) -> Strays | None:
    """Return where mail may lie after the newest rollback, None where mail did not move.

    `until`: no honest cache leads there any more (D4). Touches the disk, and the network to count messages, where
    the playbook names accounts.
    """
    plans, since, back_at = _taken_back(run)
    held = [*_led_to(run, plans)]
    if not held or since is None or back_at is None:
        return None
    addresses = tuple(dict.fromkeys(address for address, _ in held))
    ttl_s = max(ttl_s for _, ttl_s in held)
    return Strays(
        since, back_at + timedelta(seconds=ttl_s + margin_s(ttl_s)), addresses, dict(_counts(run, addresses, since))
    )


def _taken_back(run: Run) -> tuple[list[Plan], datetime | None, datetime | None]:
    """Return the plans that the newest rollback took back, when the first of them wrote, when the last act was back."""
    wrote: dict[int, tuple[Plan, datetime]] = {}
    taken: list[tuple[Plan, datetime]] = []
    now: Planned | None = None
    back_at = None
    for record in run.journal.read():
        entry = record.entry
        if isinstance(entry, Planned):
            now = entry
        elif isinstance(entry, Intended) and now and now.direction == "forward" and now.phase not in wrote:
            wrote[now.phase] = run.plan(now.plan), record.at
        elif isinstance(entry, RollbackBegun):
            taken = [wrote.pop(number) for number in entry.phases if number in wrote]
        elif isinstance(entry, Done) and now and now.direction == "back":
            back_at = record.at
    return [plan for plan, _ in taken], min((at for _, at in taken), default=None), back_at


def _led_to(run: Run, plans: list[Plan]) -> Iterator[tuple[str, int]]:
    """Yield each address that senders were led to by what was taken back, with the TTL of that record in seconds."""
    for plan in plans:
        zone = run.zone(plan.checkpoint)
        changed = merged(plan.changes(provider=plan.live or run.playbook.zone.provider))
        after = mail_graph(run.playbook.mail, zone.apply(changed))
        keys = {change.key for change in changed if not change.ttl_only}
        roads = [ride.path for ride in after.rides if ride.role == "receiving" and ride.key in keys]
        for ride in after.rides:
            led = any(ride.path[: len(road)] == road for road in roads)
            rrset = zone.apply(changed).rrsets.get(ride.key) if ride.key else None
            if led and rrset is not None and rrset.key.rdtype in ADDRESSES:
                yield from ((text, rrset.ttl_s) for text in rrset.texts())


def _counts(run: Run, addresses: tuple[str, ...], since: datetime) -> Iterator[tuple[str, str]]:
    accounts = {name: login for name, login in logins(run).items() if login.account.imap}
    if not accounts:
        return
    from dnsrun.gates.mail.strays import count_since

    view = recent(run, at_most_s=_SEEN_S)
    for name, login in accounts.items():
        spec = _gate_of(run, name)
        found = (count_since(login, address, since, spec, (view, run.ports.net)) for address in addresses)
        yield login.account.address, "; ".join(found)


def _gate_of(run: Run, account: str) -> GateSpec:
    """Return a gate of the playbook that logs in with an account: it says which certificates to trust."""
    gates = (gate for phase in run.playbook.phases for gate in phase.gates if gate.options.get("account") == account)
    return next(gates, GateSpec("imap", "imap", {}))
