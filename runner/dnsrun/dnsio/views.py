"""Views: the servers of a zone as they answer now, and the same with planned RRsets laid over their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from dnsrun.errors import OutsideError
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Question, Transport
from dnsrun.model.playbook import NameServer
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.ports.net import Net, View

from .parent import Parent, find_delegation
from .walk import Roots, Walk, in_order

_ADDRESS_TYPES = (RdataType.A, RdataType.AAAA)
_MOST_ALIASES = 10
_NONE: Mapping[Name, tuple[str, ...]] = {}

Ask = Callable[[Iterable[RRsetKey]], Iterator[Observation]]


@dataclass(frozen=True, slots=True)
class ServerView:
    """Servers of one zone, asked directly; see `dnsrun.ports.net.View`.

    `apex` is the zone, `parent` what its parent zone serves, `seen_at` (UTC) when the servers were found.
    `nameless` are server names without any address.
    """

    name: str
    net: Net = field(repr=False)
    roots: Roots = field(repr=False)
    apex: Name
    parent: Parent
    servers: tuple[Endpoint, ...]
    not_checked: tuple[Endpoint, ...]
    nameless: tuple[Name, ...]
    seen_at: datetime

    @property
    def controls(self) -> tuple[Endpoint, ...]:
        """Every address of every server of the parent zone."""
        return self.parent.servers

    def ask(self, keys: Iterable[RRsetKey], *, transport: Transport = "udp") -> Iterator[Observation]:
        """Ask every key at every server; the caller may stop at any time. Touches the network."""
        return self.net.ask(Question(key, server, transport) for key in keys for server in self.servers)

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return a host's addresses as the zone's servers tell them, or for others the servers from the roots down."""
        return _addresses(dns.name.from_text(host), self.apex, self.ask, self.outside())

    def outside(self) -> Callable[[Name], tuple[str, ...]]:
        """Return how to find addresses of hosts in other zones; remembers zones until it is thrown away."""
        return Walk(self.net, self.roots).addresses


@dataclass(frozen=True, slots=True)
class FutureView:
    """What a view's servers will answer once `changes` are made.

    A planned RRset answers in place of the server, without a question. An RRset that is to go answers NODATA:
    whether its name goes too is not known here. Other types at names that the changes touch are asked, and what
    an alias or a new name does to them is applied.
    """

    base: ServerView
    changes: Mapping[RRsetKey, RRset | None]
    name: str = "future"

    @property
    def apex(self) -> Name:
        """The zone's apex."""
        return self.base.apex

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """The same servers."""
        return self.base.servers

    @property
    def controls(self) -> tuple[Endpoint, ...]:
        """The same controls."""
        return self.base.controls

    @property
    def not_checked(self) -> tuple[Endpoint, ...]:
        """The same addresses."""
        return self.base.not_checked

    def ask(self, keys: Iterable[RRsetKey], *, transport: Transport = "udp") -> Iterator[Observation]:
        """Answer from the changes where they decide; ask the rest. The caller may stop at any time."""
        to_ask = []
        for key in keys:
            planned = self._planned(key)
            if planned is None:
                to_ask.append(key)
                continue
            for server in self.servers:
                yield Observation(key, server, self.base.seen_at, planned, transport)
        if to_ask:
            grown = self._names_that_will_exist()
            for seen in self.base.ask(to_ask, transport=transport):
                yield _as_it_will_be(seen, grown)

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return a host's addresses as clients will see them."""
        return _addresses(dns.name.from_text(host), self.apex, self.ask, self.base.outside())

    def _planned(self, key: RRsetKey) -> Answer | None:
        """Return the answer that the changes decide alone."""
        alias = RRsetKey(key.owner, RdataType.CNAME)
        for one in (key, alias):
            if planned := self.changes.get(one):
                return Answer(0, aa=True, rrset=planned, kind="data")
        if key in self.changes or alias in self.changes:
            return Answer(0, aa=True, rrset=None, kind="nodata")
        return None

    def _names_that_will_exist(self) -> frozenset[Name]:
        """Return the owners of planned RRsets and the names above them (RFC 4592 section 2.2.2)."""
        planned = (key.owner for key, after in self.changes.items() if after is not None)
        return frozenset(name for owner in planned for name in _up_to(owner, self.apex))


def future_view(view: View, changes: Iterable[Change]) -> View:
    """Return `view` with the RRsets of `changes` in place of what its servers hold; no network.

    `view` must come from this module.
    """
    planned = {change.key: change.after for change in changes}
    if isinstance(view, FutureView):
        return replace(view, changes={**view.changes, **planned})
    if not isinstance(view, ServerView):
        raise TypeError(f"cannot lay changes over a {type(view).__name__}")
    return FutureView(view, planned)


def current_view(
    net: Net,
    domain: Name,
    roots: Roots,
    *,
    extra_addresses: Mapping[Name, tuple[str, ...]] = _NONE,
    may_be_empty: bool = False,
) -> ServerView:
    """Return the view of the live delegation: NS of all parent servers and of the zone's apex, every address.

    `extra_addresses` serve where DNS tells no address of a server. IPv6 addresses without a route from here are
    in `not_checked`. Touches the network; raises `OutsideError` when the delegation cannot be found, or when no server
    has an address unless the view `may_be_empty`.
    """
    walk = Walk(net, roots)
    parent = find_delegation(net, domain, roots, walk=walk)
    finder = _ServerFinder(walk, domain, parent, extra_addresses)
    finder.find()
    if not finder.endpoints and not may_be_empty:
        raise _unknown(f"no name server of {domain} has an address")
    hidden = finder.hidden
    return ServerView(
        name="current",
        net=net,
        roots=roots,
        apex=domain,
        parent=parent,
        servers=tuple(one for one in finder.endpoints if one not in hidden),
        not_checked=tuple(one for one in finder.endpoints if one in hidden),
        nameless=tuple(sorted(finder.names - {one.name for one in finder.endpoints})),
        seen_at=finder.seen_at,
    )


def named_view(base: ServerView, servers: Iterable[NameServer], *, name: str) -> ServerView:
    """Return a view of servers that need not be delegated to: those of the host that a zone moves to, or has left.

    Addresses are the playbook's, else those of the roots downward; for names inside the domain that `base`'s servers
    tell. Touches the network; a server without an address is in `nameless`.
    """
    walk = Walk(base.net, base.roots)
    found: dict[Name, tuple[str, ...]] = {}
    for server in servers:
        found[server.name] = in_order(server.addresses) if server.addresses else _looked_up(server.name, base, walk)
    endpoints = tuple(Endpoint(host, address) for host in sorted(found) for address in found[host])
    soa = RRsetKey(base.apex, RdataType.SOA)
    hidden = {
        seen.server
        for seen in base.net.ask(Question(soa, server) for server in endpoints if server.is_v6)
        if seen.got == NoReply("unreachable")
    }
    return replace(
        base,
        name=name,
        servers=tuple(one for one in endpoints if one not in hidden),
        not_checked=tuple(one for one in endpoints if one in hidden),
        nameless=tuple(host for host in sorted(found) if not found[host]),
    )


def _looked_up(host: Name, base: ServerView, walk: Walk) -> tuple[str, ...]:
    try:
        inside = host.is_subdomain(base.apex)
        return base.addresses(host.to_text()) if inside else in_order(walk.addresses(host))
    except OutsideError:
        return ()


class _ServerFinder:
    """Collects server names and addresses from the parent and from the zone itself until nothing new comes."""

    def __init__(self, walk: Walk, domain: Name, parent: Parent, extra: Mapping[Name, tuple[str, ...]]) -> None:
        self._walk = walk
        self._domain = domain
        self._extra = extra
        self._addresses: dict[Name, set[str]] = {}
        delegation = parent.delegation
        self._glue = delegation.glue
        self.names: set[Name] = set(delegation.ns)
        self.endpoints: tuple[Endpoint, ...] = ()
        self.hidden: set[Endpoint] = set()
        self._asked: set[tuple[RRsetKey, Endpoint]] = set()
        self.seen_at = datetime.min.replace(tzinfo=UTC)

    def find(self) -> None:
        while True:
            self._place()
            if not (questions := self._new_questions()):
                return
            for seen in self._walk.net.ask(questions):
                self._take(seen)

    def _place(self) -> None:
        for name in self.names:
            known = self._addresses.setdefault(name, set(self._glue.get(name, ())))
            if not known and not name.is_subdomain(self._domain):
                known.update(self._from_roots(name))
            if not known:
                known.update(self._extra.get(name, ()))
        self.endpoints = tuple(
            Endpoint(name, address) for name in sorted(self.names) for address in in_order(self._addresses[name])
        )

    def _from_roots(self, name: Name) -> tuple[str, ...]:
        try:
            return self._walk.addresses(name)
        except OutsideError:
            return ()

    def _new_questions(self) -> list[Question]:
        inside = sorted(name for name in self.names if name.is_subdomain(self._domain))
        keys = [RRsetKey(self._domain, RdataType.NS)]
        keys += [RRsetKey(name, rdtype) for name in inside for rdtype in _ADDRESS_TYPES]
        new = [(key, server) for key in keys for server in self.endpoints if (key, server) not in self._asked]
        self._asked.update(new)
        return [Question(key, server) for key, server in new]

    def _take(self, seen: Observation) -> None:
        self.seen_at = seen.at
        if seen.got == NoReply("unreachable") and seen.server.is_v6:
            self.hidden.add(seen.server)
        if not isinstance(seen.got, Answer) or not seen.got.aa or seen.got.rrset is None:
            return
        for rdata in seen.got.rrset.rdatas:
            if isinstance(rdata, NS):
                self.names.add(rdata.target)
            elif isinstance(rdata, A | AAAA):
                self._addresses[seen.got.rrset.key.owner].add(rdata.address)


def _up_to(owner: Name, apex: Name) -> Iterator[Name]:
    for depth in range(len(owner), len(apex) - 1, -1):
        yield owner.split(depth)[1]


def _as_it_will_be(seen: Observation, grown: frozenset[Name]) -> Observation:
    got = seen.got
    if isinstance(seen.of, str) or seen.of.owner not in grown:
        return seen
    if isinstance(got, Answer) and got.kind == "nxdomain":
        return replace(seen, got=replace(got, rcode=0, kind="nodata"))
    return seen


def _addresses(host: Name, apex: Name, ask: Ask, outside: Callable[[Name], tuple[str, ...]]) -> tuple[str, ...]:
    found: set[str] = set()
    for rdtype in _ADDRESS_TYPES:
        waiting, met = [host], {host}
        while waiting:
            name = waiting.pop()
            if len(met) > _MOST_ALIASES:
                raise _unknown(f"{host} is an alias that leads nowhere")
            addresses, aliases = _one_step(RRsetKey(name, rdtype), apex, ask, outside)
            found.update(addresses)
            waiting += (alias for alias in aliases if alias not in met)
            met.update(aliases)
    return in_order(found)


def _one_step(
    key: RRsetKey, apex: Name, ask: Ask, outside: Callable[[Name], tuple[str, ...]]
) -> tuple[set[str], set[Name]]:
    """Return the addresses of one type and the aliases at one name, as any server tells them."""
    if not key.owner.is_subdomain(apex):
        return _of_type(key.rdtype, outside(key.owner)), set()
    answers = [seen.got for seen in ask([key]) if isinstance(seen.got, Answer)]
    if any(answer.kind == "referral" for answer in answers):
        return _of_type(key.rdtype, outside(key.owner)), set()  # delegated further down
    decisive = [answer for answer in answers if answer.aa and answer.kind != "error"]
    if not decisive:
        raise _unknown(f"no server of {apex} answers for {key}")
    rdatas = {rdata for answer in decisive if answer.rrset for rdata in answer.rrset.rdatas}
    addresses = {rdata.address for rdata in rdatas if isinstance(rdata, A | AAAA)}
    return addresses, {rdata.target for rdata in rdatas if isinstance(rdata, CNAME)}


def _of_type(rdtype: RdataType, addresses: Iterable[str]) -> set[str]:
    return {address for address in addresses if (":" in address) == (rdtype == RdataType.AAAA)}


def _unknown(why: str) -> OutsideError:
    certainty: Literal["not-applied"] = "not-applied"
    return OutsideError(why, retryable=True, certainty=certainty)
