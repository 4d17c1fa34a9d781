"""Views of the domain for the engine, and the servers that a provider's writes move. Touches the network."""

from __future__ import annotations

from collections.abc import Iterable

from dnsrun.dnsio.views import ServerView, current_view, future_view
from dnsrun.model.observation import Endpoint, Observation, Question
from dnsrun.model.rrset import Change, RRsetKey
from dnsrun.ports.net import Net, View

from .run import Run


def current(run: Run, net: Net | None = None) -> ServerView:
    """Return the view of the live delegation: every address of every server. Raises `OutsideError`."""
    extra = {server.name: server.addresses for spec in run.playbook.providers.values() for server in spec.name_servers}
    return current_view(net or run.ports.net, run.apex, run.ports.roots, extra_addresses=extra)


def recent(run: Run, *, at_most_s: float) -> ServerView:
    """Return the view of the live delegation as seen `at_most_s` seconds ago, else look anew.

    A poll need not ask the roots. Raises `OutsideError`.
    """
    now_s = run.ports.clock.monotonic_s()
    if run.seen is None or now_s - run.seen[0] > at_most_s:
        run.seen = (now_s, current(run))
    return run.seen[1]


def future(view: View, changes: Iterable[Change]) -> View:
    """Return the same servers with planned RRsets laid over their answers."""
    return future_view(view, tuple(changes))


def own_servers(run: Run, provider: str, view: View) -> tuple[Endpoint, ...]:
    """Return the servers that a write at this provider moves by itself.

    Its own word, else the name servers that the playbook gives it, else all that are no secondary's.
    """
    own = run.ports.providers[provider].own_servers
    if own:
        return own
    named = {server.name for server in run.playbook.providers[provider].name_servers}
    if named:
        return tuple(server for server in view.servers if server.name in named)
    secondaries = {name for names in run.playbook.zone.secondaries.values() for name in names}
    others = {server.name for name in secondaries for server in run.playbook.providers[name].name_servers}
    return tuple(server for server in view.servers if server.name not in others)


def ask_at(run: Run, keys: Iterable[RRsetKey], servers: Iterable[Endpoint]) -> tuple[Observation, ...]:
    """Ask every key at every server."""
    places = tuple(servers)
    return tuple(run.ports.net.ask(Question(key, server) for key in keys for server in places))
