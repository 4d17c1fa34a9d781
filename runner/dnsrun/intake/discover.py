"""Find out what can be found out about a domain by asking its servers. Touches the network, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from dns.name import Name
from dns.rcode import Rcode
from dns.rcode import to_text as rcode_text
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.SOA import SOA

from dnsrun.dnsio.capture import capture, probed_zone
from dnsrun.dnsio.nsecwalk import Chain, walk_chain
from dnsrun.dnsio.parent import Parent
from dnsrun.dnsio.probing import Found, Probing, found, many_words, probe
from dnsrun.dnsio.views import ServerView, current_view
from dnsrun.dnsio.walk import Roots, Walk
from dnsrun.dnsio.wire import transfer
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Question
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.net import Net

from .findings import Findings, Limit, Server
from .reading import spf_among, spf_terms, spf_text

_MOST_DIFFERENCES = 20
_MOST_SPF_RECORDS = 10
_SERVICE_LEVELS = ("_domainkey", "_tcp", "_udp", "_tls")


def discover(net: Net, roots: Roots, domain: Name, *, now: datetime) -> Findings:
    """Ask the parent, every server of the delegation and the primary; take the zone where one gives it, else probe.

    Servers that do not answer with authority are named, and asked no further. Raises `OutsideError` when the domain is
    not delegated, or no server answers for it with authority.
    """
    view = current_view(net, domain, roots)
    soa = RRsetKey(domain, RdataType.SOA)
    seen = {one.server: one for one in view.ask([soa])}
    answering = tuple(server for server in view.servers if _soa_of(seen[server]))
    if not answering:
        said = "; ".join(f"{one.server} {_says(one)}" for one in seen.values())
        raise OutsideError(
            f"no server answers for {_shown(domain)} with authority: {said}", retryable=True, certainty="not-applied"
        )
    view = replace(view, servers=answering)
    mname = next(primary for server in answering if (primary := _soa_of(seen[server]))).mname
    beside = {one.server: one for one in net.ask(Question(soa, server) for server in _beside(view, mname, seen))}
    given: dict[Endpoint, ZoneSnapshot] = {}
    servers, others = (_servers(net, domain, each, now, given) for each in (seen, beside))
    zone, differences, limits = _zone(view, next(iter(given.values()), None), now)
    spf = dict(_spf_records(zone, Walk(net, roots), limits))
    return Findings(
        apex=domain,
        parent=view.parent,
        servers=servers,
        not_checked=view.not_checked,
        nameless=view.nameless,
        primary=mname,
        beside=others,
        zone=zone,
        differences=_first(
            (*view.parent.differences, *_of_sets(view.parent, zone), *_of_serials(servers), *differences)
        ),
        limits=tuple(limits),
        spf=spf,
    )


def _soa_of(one: Observation) -> SOA | None:
    got = one.got
    if not isinstance(got, Answer) or not got.aa or got.rrset is None:
        return None
    return next((rdata for rdata in got.rrset.rdatas if isinstance(rdata, SOA)), None)


def _says(one: Observation) -> str:
    """Return why an answer is none with authority, in words."""
    got = one.got
    if isinstance(got, NoReply):
        return f"gives no answer ({got.why})"
    if not isinstance(got, Answer) or got.kind == "data":
        return "answers without authority"
    if got.kind == "error":
        return f"answers {rcode_text(Rcode(got.rcode))}"
    return f"answers {got.kind}, without the zone's SOA"


def _beside(view: ServerView, mname: Name, known: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """Yield the addresses of the primary that no delegated server has."""
    addresses = {server.address for server in known}
    try:
        found_ = view.addresses(mname.to_text())
    except OutsideError:
        return
    yield from (Endpoint(mname, address) for address in found_ if address not in addresses)


def _servers(
    net: Net, apex: Name, seen: Mapping[Endpoint, Observation], now: datetime, given: dict[Endpoint, ZoneSnapshot]
) -> tuple[Server, ...]:
    return tuple(_server(net, apex, seen[endpoint], now, given) for endpoint in sorted(seen, key=str))


def _server(net: Net, apex: Name, one: Observation, now: datetime, given: dict[Endpoint, ZoneSnapshot]) -> Server:
    """Return what a server is; a zone that it gives is kept in `given`."""
    soa = _soa_of(one)
    if soa is None:
        return Server(one.server, None, _says(one), "not asked")
    try:
        rrsets = transfer(net, one.server, apex)
    except OutsideError as err:
        return Server(one.server, soa.serial, transfer=str(err).rpartition(": ")[2])
    held = {rrset.key: rrset for rrset in rrsets}
    given[one.server] = ZoneSnapshot(apex, held, f"transfer from {one.server}", now, "complete")
    return Server(one.server, soa.serial)


def _zone(view: ServerView, given: ZoneSnapshot | None, now: datetime) -> tuple[ZoneSnapshot, list[str], list[Limit]]:
    """Return the zone, where servers contradict it or each other, and what is not known."""
    if given is not None:
        captured = capture(view, given)
        return captured.snapshot, [*captured.findings, *captured.warnings], []
    chain = _chain(view)
    probing = probe(view, view.apex, chain.types if chain else (), words=many_words())
    if chain:
        keys = (RRsetKey(name, rdtype) for name, types in chain.types.items() for rdtype in types)
        probing = replace(probing, seen=(*probing.seen, *view.ask(keys)))
    proved = found(probing, view.apex)
    differences = [*proved.disputed, *_denied_by_some(probing, proved)]
    return probed_zone(proved, view.apex, now), differences, [*_limits(probing, proved, view.apex, chain)]


def _spf_records(zone: ZoneSnapshot, walk: Walk, limits: list[Limit]) -> Iterator[tuple[Name, str]]:
    """Yield the SPF records that the domain's leads to, with their domains; adds to `limits`.

    Known operators are not followed. At most as many as a receiver would ask (RFC 7208 section 4.6.4).
    """
    waiting, met = [spf_text(zone) or ""], {zone.apex}
    while waiting:
        for term in spf_terms(waiting.pop(0)):
            if term.domain is None or term.operator or term.domain in met or len(met) > _MOST_SPF_RECORDS:
                continue
            met.add(term.domain)
            try:
                text = spf_among(_texts_at(zone, term.domain, walk))
            except OutsideError as err:
                limits.append(Limit("spf", {"domain": _shown(term.domain), "why": str(err)}))
                continue
            if text is None:
                limits.append(Limit("spf", {"domain": _shown(term.domain), "why": "there is none"}))
            else:
                yield term.domain, text
                waiting.append(text)


def _texts_at(zone: ZoneSnapshot, owner: Name, walk: Walk) -> Iterable[Rdata]:
    held = zone.rrsets.get(RRsetKey(owner, RdataType.TXT))
    return held.rdatas if held else walk.find(owner, RdataType.TXT)


def _chain(view: ServerView) -> Chain | None:
    """Return the names of a zone that is signed; None for one that is not."""
    keys = view.ask([RRsetKey(view.apex, RdataType.DNSKEY)])
    signed = sorted(str(one.server) for one in keys if isinstance(one.got, Answer) and one.got.kind == "data")
    servers = [server for server in view.servers if str(server) in signed]
    return walk_chain(view.net, servers[0], view.apex) if servers else None


def _limits(probing: Probing, proved: Found, apex: Name, chain: Chain | None) -> Iterator[Limit]:
    if chain and not chain.stopped:
        yield Limit("walked", {"count": str(len(chain.types))})
        return
    yield Limit("unlisted", {"count": str(len({one.of.owner for one in probing.seen if isinstance(one.of, RRsetKey)}))})
    yield Limit("selectors")
    if chain:
        yield Limit("not_walked", {"why": chain.stopped})
    wild = sorted({key.owner for key in proved.rrsets if key.owner.is_wild()})
    for name in wild:
        yield Limit("wildcard", {"name": _shown(name)})
    for level in _unseen_below(probing, proved, apex, wild):
        yield Limit("below", {"name": _shown(level)})


def _unseen_below(probing: Probing, proved: Found, apex: Name, wild: Sequence[Name]) -> Iterator[Name]:
    """Yield levels that exist without data of their own though nothing was found below them (RFC 8020)."""
    if any(name.parent() == apex for name in wild):
        return  # the wildcard answers for every level
    there = {one.of.owner for one in probing.seen if isinstance(one.of, RRsetKey) and _is_there(one)}
    for level in sorted({name.parent() for name in probing.controls.values()}):
        is_service = len(level) == len(apex) + 1 and level.labels[0].decode("ascii", "replace") in _SERVICE_LEVELS
        if is_service and level in there and not any(key.owner.is_subdomain(level) for key in proved.rrsets):
            yield level


def _is_there(one: Observation) -> bool:
    return isinstance(one.got, Answer) and one.got.aa and one.got.kind == "nodata"


def _denied_by_some(probing: Probing, proved: Found) -> Iterator[str]:
    """Yield a sentence for each RRset that one server serves and another says not to exist."""
    for one in sorted(probing.seen, key=lambda one: str(one.server)):
        got = one.got
        if not isinstance(one.of, RRsetKey) or one.of not in proved.rrsets:
            continue
        if isinstance(got, Answer) and got.aa and got.kind in ("nodata", "nxdomain"):
            yield f"{one.of}: {one.server} says that it does not exist, {proved.servers[one.of]} has it"


def _of_sets(parent: Parent, zone: ZoneSnapshot) -> Iterator[str]:
    """Compare the name servers that the parent gives with those that the zone gives itself."""
    rrset: RRset | None = zone.rrsets.get(RRsetKey(zone.apex, RdataType.NS))
    own = {rdata.target for rdata in rrset.rdatas if isinstance(rdata, NS)} if rrset else set()
    above = parent.delegation.ns
    if own and own != above:
        yield f"the parent delegates to {_listed(above)}, the zone itself names {_listed(own)}"


def _of_serials(servers: Iterable[Server]) -> Iterator[str]:
    serials = {str(server.endpoint): server.serial for server in servers if server.serial is not None}
    if len(set(serials.values())) > 1:
        told = ", ".join(f"{server} {serial}" for server, serial in sorted(serials.items()))
        yield f"the servers do not serve the same serial: {told}"


def _first(differences: Sequence[str]) -> tuple[str, ...]:
    """Return what a person can still read."""
    more = len(differences) - _MOST_DIFFERENCES
    return (*differences[:_MOST_DIFFERENCES], f"and {more} more") if more > 0 else tuple(differences)


def _listed(names: Iterable[Name]) -> str:
    return ", ".join(sorted(_shown(name) for name in names))


def _shown(name: Name) -> str:
    return name.to_text(omit_final_dot=True)
