"""Views of the domain for the engine, and the servers that a provider's writes move. Touches the network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dnsrun.dnsio.patience import patiently
from dnsrun.dnsio.views import ServerView, current_view, future_view, named_view
from dnsrun.model.act import SetDelegation
from dnsrun.model.observation import Endpoint, Observation, Question
from dnsrun.model.playbook import NameServer, Side
from dnsrun.model.rrset import Change, RRsetKey
from dnsrun.ports.net import Net, View

from .run import Run


def current(run: Run, net: Net | None = None) -> ServerView:
    """Return the view of the live delegation: every address of every server. Raises `OutsideError`.

    Looks anew, and lets `recent` know.

    A rollback goes on also where the parent delegates to servers that have no address (fault 54).
    """
    extra = {server.name: server.addresses for spec in run.playbook.providers.values() for server in spec.name_servers}
    back = run.state.going_back is not None
    now_s = run.ports.clock.monotonic_s()
    view = current_view(net or run.ports.net, run.apex, run.ports.roots, extra_addresses=extra, may_be_empty=back)
    run.seen = (now_s, replace(view, net=run.ports.net))
    run.sides.clear()
    return view


def recent(run: Run, *, at_most_s: float) -> ServerView:
    """Return the view of the live delegation as seen `at_most_s` seconds ago, else look anew.

    A poll need not ask the roots. Raises `OutsideError`.
    """
    now_s = run.ports.clock.monotonic_s()
    if run.seen is None or now_s - run.seen[0] > at_most_s:
        return current(run)
    return run.seen[1]


def recent_side(run: Run, side: Side, net: Net, *, at_most_s: float) -> ServerView:
    """Return the servers of one side, asked through `net`, as seen `at_most_s` seconds ago, else look anew."""
    base = recent(run, at_most_s=at_most_s)
    meant = (side, run.switched, _is_settled(run))
    if meant not in run.sides:
        run.sides[meant] = side_view(run, side, base=base)
    return replace(run.sides[meant], net=net)


def side_view(run: Run, side: Side, *, base: ServerView) -> ServerView:
    """Return the servers of one side: `base` for those delegated to, else the old host's or the new one's.

    Touches the network.
    """
    zone = run.playbook.zone
    live: Side = "new" if run.switched else "old"
    if side == "live" or zone.to is None or (side == live and _is_settled(run)):
        return base
    servers = run.playbook.providers[zone.to].name_servers if side == "new" else _left_servers(run, base)
    return named_view(base, servers, name=side)


def _is_settled(run: Run) -> bool:
    """Tell whether no change of the delegation is under way, so that the live servers are those of one side."""
    active = run.state.active
    plan = run.active_plan()
    acts = plan.acts if active and plan else ()
    return not any(isinstance(act, SetDelegation) and act.moves_servers for act in acts)


def _left_servers(run: Run, base: ServerView) -> tuple[NameServer, ...]:
    """Return the name servers of the host that the zone leaves, as the parent delegated to them."""
    left = run.left_delegation or base.parent.delegation
    given = run.playbook.providers[run.playbook.zone.provider].name_servers
    known = {server.name: server.addresses for server in given} | dict(left.glue)
    return tuple(NameServer(name, known.get(name, ())) for name in sorted(left.ns | known.keys()))


def future(view: View, changes: Iterable[Change]) -> View:
    """Return the same servers with planned RRsets laid over their answers."""
    return future_view(view, tuple(changes))


def own_servers(run: Run, provider: str, view: ServerView) -> tuple[Endpoint, ...]:
    """Return the servers that a write at this provider moves by itself.

    Its own word, else the name servers that the playbook gives it, else all that are no secondary's. Of a zone that
    moves each host has its own servers, delegated to or not.
    """
    own = run.ports.providers[provider].own_servers
    if own:
        return own
    zone = run.playbook.zone
    if zone.to and provider in {zone.to, zone.provider}:
        view = side_view(run, "new" if provider == zone.to else "old", base=view)
    named = {server.name for server in run.playbook.providers[provider].name_servers}
    if named:
        return tuple(server for server in view.servers if server.name in named)
    secondaries = {name for names in run.playbook.zone.secondaries.values() for name in names}
    others = {server.name for name in secondaries for server in run.playbook.providers[name].name_servers}
    return tuple(server for server in view.servers if server.name not in others)


def ask_at(run: Run, keys: Iterable[RRsetKey], servers: Iterable[Endpoint]) -> tuple[Observation, ...]:
    """Ask every key at every server; what one fails now and then again."""
    net, ends = run.ports.net, tuple(servers)
    return patiently(
        net.ask(Question(key, server) for key in keys for server in ends),
        lambda places: net.ask(Question(key, server, "tcp") for key, server in places),
    )
