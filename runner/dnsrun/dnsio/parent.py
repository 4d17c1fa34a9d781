"""The delegation of a domain as every server of the parent zone serves it. Touches the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NS import NS

from dnsrun.errors import OutsideError
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Question
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import Delegation
from dnsrun.ports.net import Net

from .walk import Roots, Walk, glue_in, in_order


@dataclass(frozen=True, slots=True)
class Parent:
    """What the parent zone says of a domain.

    `servers`: every address of every server of the parent zone `apex`. `served`: the delegation at each that
    gave one. `silent`: why the others gave none, in words. `differences`: where servers contradict each other,
    one sentence each. `shared`: the servers answer for the domain itself too, so that parent and child cannot be
    told apart.
    """

    apex: Name
    servers: tuple[Endpoint, ...]
    served: Mapping[Endpoint, Delegation]
    silent: Mapping[Endpoint, str]
    differences: tuple[str, ...] = ()
    shared: bool = False

    @property
    def delegation(self) -> Delegation:
        """The delegation; where servers differ everything that any of them serves, and the longest TTL."""
        served = tuple(self.served.values())
        return Delegation(
            ns=frozenset[Name]().union(*(one.ns for one in served)),
            glue=_merged(one.glue for one in served),
            ds=frozenset[str]().union(*(one.ds for one in served)),
            ttl_s=max(one.ttl_s for one in served),
            ds_ttl_s=max(one.ds_ttl_s for one in served),
        )


def find_delegation(net: Net, domain: Name, roots: Roots, *, walk: Walk | None = None) -> Parent:
    """Return what every server of the parent zone serves as the delegation of `domain`.

    The parent zone is found from the roots. Raises `OutsideError` when it cannot be found, when none of its
    servers answers, or when none delegates the domain. Touches the network.
    """
    walk = walk or Walk(net, roots)
    zone = walk.zone_above(domain)
    servers = walk.servers(zone)
    ns, ds = (_asked(net, RRsetKey(domain, rdtype), servers) for rdtype in (RdataType.NS, RdataType.DS))
    referred = {server: one for server, one in ns.items() if _delegates(one, domain, "referral")}
    # A server of both zones answers for the child; another parent server is better evidence.
    chosen = referred or {server: one for server, one in ns.items() if _delegates(one, domain, "data")}
    if not chosen:
        raise _not_delegated(domain, zone.apex, ns)
    served = {server: _delegation(walk, domain, server, one, ds[server], zone.apex) for server, one in chosen.items()}
    others = [one for server, one in ns.items() if server not in chosen and not _delegates(one, domain, "data")]
    silent = {one.server: _says(one) for one in others if isinstance(one.got, NoReply)}
    odd = tuple(f"{_says(one)}, others delegate {domain}" for one in others if one.server not in silent)
    return Parent(zone.apex, servers, served, silent, (*_differences(served), *odd), shared=not referred)


def _asked(net: Net, key: RRsetKey, servers: Sequence[Endpoint]) -> dict[Endpoint, Observation]:
    seen = {one.server: one for one in net.ask(Question(key, server) for server in servers)}
    return {server: seen[server] for server in servers}


def _delegates(seen: Observation, domain: Name, kind: str) -> bool:
    got = seen.got
    return isinstance(got, Answer) and got.kind == kind and got.rrset is not None and _is_ns_of(got.rrset, domain)


def _is_ns_of(rrset: RRset, domain: Name) -> bool:
    return rrset.key == RRsetKey(domain, RdataType.NS)


def _delegation(
    walk: Walk, domain: Name, server: Endpoint, ns: Observation, ds: Observation, parent: Name
) -> Delegation:
    rrset = ns.got.rrset if isinstance(ns.got, Answer) else None
    assert rrset is not None  # noqa: S101 - `_delegates` has seen it
    names = frozenset(rdata.target for rdata in rrset.rdatas if isinstance(rdata, NS))
    in_domain = [name for name in names if name.is_subdomain(domain)]
    glue = _glue(walk, server, domain, in_domain, parent) if in_domain else {}
    signed = ds.got.rrset if isinstance(ds.got, Answer) and ds.got.kind == "data" else None
    is_ds = signed is not None and signed.key.rdtype == RdataType.DS
    if signed is None or not is_ds:
        return Delegation(names, glue, frozenset(), rrset.ttl_s)
    return Delegation(names, glue, frozenset(signed.texts()), rrset.ttl_s, signed.ttl_s)


def _glue(
    walk: Walk, server: Endpoint, domain: Name, names: Iterable[Name], parent: Name
) -> dict[Name, tuple[str, ...]]:
    try:
        return glue_in(walk.query(server, domain, RdataType.NS), names, within=parent)
    except OutsideError:
        return {}


def _merged(glues: Iterable[Mapping[Name, tuple[str, ...]]]) -> dict[Name, tuple[str, ...]]:
    merged: dict[Name, tuple[str, ...]] = {}
    for glue in glues:
        for name, addresses in glue.items():
            merged[name] = in_order((*merged.get(name, ()), *addresses))
    return merged


def _differences(served: Mapping[Endpoint, Delegation]) -> tuple[str, ...]:
    (first, expected), *others = served.items()
    return tuple(
        f"{server} serves {what} {theirs}, {first} serves {ours}"
        for server, other in others
        for what, theirs, ours in zip(("NS", "glue", "DS", "the TTL"), _shown(other), _shown(expected), strict=True)
        if theirs != ours
    )


def _shown(delegation: Delegation) -> tuple[str, str, str, str]:
    glue = (f"{name} {' '.join(addresses)}" for name, addresses in sorted(delegation.glue.items()))
    names = sorted(str(name).lower() for name in delegation.ns)
    return (
        " ".join(names),
        ", ".join(glue) or "none",
        ", ".join(sorted(delegation.ds)) or "none",
        f"{delegation.ttl_s} s",
    )


def _says(seen: Observation) -> str:
    got = seen.got
    if isinstance(got, NoReply):
        return f"{seen.server} gives no answer ({got.why})"
    return f"{seen.server} answers {got.kind}" if isinstance(got, Answer) else str(seen.server)


def _not_delegated(domain: Name, parent: Name, seen: Mapping[Endpoint, Observation]) -> OutsideError:
    said = "; ".join(map(_says, seen.values())) or f"no server of {parent} is known by address"
    answered = any(isinstance(one.got, Answer) for one in seen.values())
    return OutsideError(
        f"{domain} is not delegated by {parent}: {said}", retryable=not answered, certainty="not-applied"
    )
