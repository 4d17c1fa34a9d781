"""A caching resolver as users sit behind one: iterates from the roots, keeps what it learns for its TTL.

It speaks real messages through a function that it is given, and ages what it keeps on a clock that
it is given, so that a day of caching can be lived through in a second. For one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from random import Random

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
from dns.message import Message
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.SOA import SOA
from dns.rrset import RRset

from .cuts import Cut, Cuts
from .failures import Failures
from .kinds import ORDINARY, POPULATION, CacheKind
from .sections import address_texts, find_rrset, is_between, targets
from .validation import BogusError, Proofs
from .zonestore import ancestry

__all__ = ["ORDINARY", "POPULATION", "CacheAnswer", "CacheKind", "CachingResolver", "Send"]

Send = Callable[[str, Message], Message | None]
"""Ask the server at an address; None for no answer. Truncated answers are fetched again by the callee."""

_MAX_SENDS = 64  # messages for one question of a user
_MAX_CHAIN = 11  # links of one alias chain
_MAX_DEPTH = 3  # addresses of name servers of addresses of name servers ...
_PAYLOAD = 1232
_ADDRESS_TYPES = (RdataType.A, RdataType.AAAA)
_PROVING = (RdataType.DS, RdataType.DNSKEY)


@dataclass(frozen=True, slots=True)
class CacheAnswer:
    """What the user gets.

    `rrset` is the RRset asked for, at the end of its alias chain, with the TTL it was fetched with;
    None when there is none, and `rcode` tells why. `remaining_ttl_s` is how many whole seconds the
    shortest-lived link may still be served. `from_cache`: nobody was asked. `is_stale`: some link has
    run out and is served since nobody gives better (RFC 8767). `refused`: why answers that came were not believed,
    in words; empty where nobody was of use, or all is well.
    """

    rcode: Rcode
    rrset: RRset | None
    remaining_ttl_s: int
    from_cache: bool
    is_stale: bool = False
    refused: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    rcode: Rcode
    rrset: RRset | None
    expires_at: datetime
    is_stale: bool = False

    def alias(self) -> Name | None:
        target = self.rrset[0] if self.rrset is not None else None
        return target.target if isinstance(target, CNAME) else None


@dataclass(slots=True)
class _Work:
    """What one question of a user may still cost."""

    sends: int = _MAX_SENDS
    depth: int = 0


_Store = dict[Name, dict[RdataType, _Entry]]
# The type under which NXDOMAIN is kept: it holds for every type of the name.
_WHOLE_NAME = RdataType.NONE


class CachingResolver:
    """Answer questions from cache, or by iteration from `root_addresses` through `send`.

    Data of authoritative answers and what comes with referrals (NS, glue) are kept apart: the
    latter only lead to servers and are never given to users (RFC 2181 section 5.4.1). A kind that
    validates does so below `anchor`, a DS RRset. The servers of a zone are asked in the order of
    their names, or, with a `seed`, each time in an order that follows from it.
    """

    def __init__(
        self,
        root_addresses: Sequence[str],
        send: Send,
        clock_now: Callable[[], datetime],
        kind: CacheKind = ORDINARY,
        *,
        anchor: RRset | None = None,
        seed: int | None = None,
    ) -> None:
        self.kind = kind
        self._root_addresses = tuple(root_addresses)
        self._send = send
        self._now = clock_now
        self._data: _Store = {}
        self._glue: _Store = {}
        self._glue_heard: frozenset[Hashable] | None = None  # kept until something else is heard
        self._dice = None if seed is None else Random(seed)  # noqa: S311 - no secret
        self._cuts = Cuts(kind)
        self._failures = Failures(kind)
        self._proofs = Proofs(anchor) if kind.validates and anchor is not None else None
        self._refused: dict[tuple[Name, RdataType], str] = {}

    def resolve(self, name: Name, rdtype: RdataType) -> CacheAnswer:
        """Answer one question of a user; `name` is absolute, `rdtype` a type of data (not ANY).

        Asks at most 64 messages through `send`; a question that cannot be answered is SERVFAIL, or what
        has run out where the kind serves that. Never raises for what servers say.
        """
        return self._resolve(name, rdtype, _Work())

    def way_ends(self) -> datetime | None:
        """Return when the next of what leads to servers runs out: zone cuts, glue. None: nothing does."""
        now = self._now()
        glue = (entry.expires_at for kept in self._glue.values() for entry in kept.values())
        return min((end for end in chain(self._cuts.ends(), glue) if end > now), default=None)

    def way(self) -> tuple[Hashable, Hashable]:
        """Return what was heard last of cuts and glue, whether it has run out or not; equal: it leads to the same."""
        if self._glue_heard is None:
            self._glue_heard = frozenset(
                (server, rdtype, frozenset(address_texts(entry.rrset)))
                for server, kept in self._glue.items()
                for rdtype, entry in kept.items()
            )
        return self._cuts.newest(), self._glue_heard

    def proofs_until(self, name: Name) -> Iterator[datetime]:
        """Yield until when (UTC) keys and DS RRsets are kept, or their absence, by which data of a name is judged."""
        for zone in ancestry(name, dns.name.root):
            kept = self._data.get(zone, {})
            yield from (kept[rdtype].expires_at for rdtype in _PROVING if rdtype in kept)

    def _resolve(self, name: Name, rdtype: RdataType, work: _Work) -> CacheAnswer:
        now = self._now()
        from_cache, is_stale = True, False
        expires_at = None
        for _ in range(_MAX_CHAIN + 1):
            entry = self._find(name, rdtype, now)
            if entry is None:
                asked, entry = self._fetch_or_stale(name, rdtype, work)
                from_cache = from_cache and not asked
            if entry is None:
                break
            is_stale = is_stale or entry.is_stale
            expires_at = entry.expires_at if expires_at is None else min(expires_at, entry.expires_at)
            target = None if rdtype == RdataType.CNAME else entry.alias()
            if target is None:
                remaining_s = max(0, int((expires_at - now).total_seconds()))
                return CacheAnswer(entry.rcode, entry.rrset, remaining_s, from_cache, is_stale)
            name = target
        return CacheAnswer(Rcode.SERVFAIL, None, 0, from_cache, refused=self._refused.get((name, rdtype), ""))

    def _find(self, name: Name, rdtype: RdataType, now: datetime) -> _Entry | None:
        kept = self._data.get(name, {})
        for wanted in (rdtype, RdataType.CNAME, _WHOLE_NAME):
            entry = kept.get(wanted)
            if entry is None or entry.expires_at <= now:
                continue
            # An absent CNAME says nothing about other types.
            if wanted in (rdtype, _WHOLE_NAME) or entry.rrset is not None:
                return entry
        return None

    def _fetch_or_stale(self, name: Name, rdtype: RdataType, work: _Work) -> tuple[bool, _Entry | None]:
        """Ask, unless that came to nothing just now; say whether somebody was asked, and what there is to serve."""
        now = self._now()
        asked = self._failures.may_try(name, rdtype, now)
        if asked:
            self._refused.pop((name, rdtype), None)
        entry = self._fetch(name, rdtype, work) if asked else None
        if entry is not None:
            return asked, entry
        # What is looked up on the way to servers is tried again with the next question of a user.
        if asked and not work.depth:
            self._failures.note_failure(name, rdtype, now)
        return asked, self._stale(name, rdtype, now)

    def _stale(self, name: Name, rdtype: RdataType, now: datetime) -> _Entry | None:
        """Return the newest of what has run out and may be served all the same, None where nothing may."""
        since = now - timedelta(seconds=self.kind.stale_s)
        old = self._find(name, rdtype, since)
        if old is None or not self.kind.stale_s:
            return None
        return replace(old, expires_at=now + timedelta(seconds=self.kind.stale_answer_ttl_s), is_stale=True)

    def _fetch(self, name: Name, rdtype: RdataType, work: _Work) -> _Entry | None:
        """Ask from the nearest known zone cut downward until somebody answers."""
        cut = self._cuts.nearest(name, rdtype, self._now())
        given_up: set[Name] = set()
        while True:
            if cut is None:
                zone, addresses = dns.name.root, iter(self._root_addresses)
            else:
                zone, addresses = cut.zone, self._addresses(cut, work)
            tried, found = self._ask(zone, addresses, name, rdtype, work)
            if isinstance(found, Cut):
                cut = found
            elif found is None and cut is not None and zone not in given_up and self._may_ask_parent(zone, tried=tried):
                given_up.add(zone)
                cut = self._cuts.nearest(zone, RdataType.DS, self._now())
            else:
                return found

    def _may_ask_parent(self, zone: Name, *, tried: bool) -> bool:
        """Tell whether the parent may help when no server of `zone` did; it may have glue, or other servers."""
        if tried and self.kind.asks_parent_again:
            self._cuts.forget(zone)
        return not tried or self.kind.asks_parent_again

    def _addresses(self, cut: Cut, work: _Work) -> Iterator[str]:
        """Yield addresses of the cut's servers: known ones first, then those that must be looked up."""
        now = self._now()
        unknown = []
        for server in self._in_order(cut.servers):
            known = list(self._known_addresses(server, now))
            yield from known
            # The address of a server inside the zone comes from the zone's own servers, or as glue.
            if not known and not server.is_subdomain(cut.zone):
                unknown.append(server)
        if work.depth < _MAX_DEPTH:
            for server in unknown:
                work.depth += 1
                answer = self._resolve(server, RdataType.A, work)
                work.depth -= 1
                yield from address_texts(answer.rrset)

    def _in_order(self, servers: tuple[Name, ...]) -> Sequence[Name]:
        return servers if self._dice is None else self._dice.sample(servers, len(servers))

    def _known_addresses(self, server: Name, now: datetime) -> Iterator[str]:
        stores = (self._data.get(server, {}), self._glue.get(server, {}))
        for rdtype in _ADDRESS_TYPES:
            for kept in stores:
                entry = kept.get(rdtype)
                if entry is not None and now < entry.expires_at:
                    yield from address_texts(entry.rrset)
                    break

    def _ask(
        self, zone: Name, addresses: Iterable[str], name: Name, rdtype: RdataType, work: _Work
    ) -> tuple[bool, _Entry | Cut | None]:
        """Ask one server after the other until one is of use; say whether there was one to ask."""
        tried = False
        for address in addresses:
            if work.sends <= 0:
                return True, None
            tried = True
            if not self._failures.may_ask(address, self._now()):
                continue
            work.sends -= 1
            query = _query(name, rdtype, want_dnssec=self._proofs is not None)
            response = self._send(address, query)
            self._failures.note_server(address, self._now(), answered=response is not None)
            if response is not None and query.is_response(response):
                found = self._learn(zone, name, rdtype, response, work)
                if found is not None:
                    return True, found
        return tried, None

    def _learn(self, zone: Name, name: Name, rdtype: RdataType, response: Message, work: _Work) -> _Entry | Cut | None:
        """Keep what the servers of `zone` may say; None when the answer is of no use: a lame server, bogus data."""
        if response.flags & dns.flags.TC or response.rcode() not in (Rcode.NOERROR, Rcode.NXDOMAIN):
            return None
        if not response.flags & dns.flags.AA:
            return self._learn_referral(zone, name, response)
        if self._proofs is not None:
            now, source = self._now(), self._keys(work)
            if flaw := self._proofs.flaw(zone, name, rdtype, response, now=now, source=source):
                self._refused[name, rdtype] = flaw
                return None
        self._learn_child_ns(zone, name, rdtype, response)
        first, owner = self._learn_chain(zone, name, rdtype, response)
        if owner is None:
            return first
        absence = self._learn_absence(zone, owner, rdtype, response)
        return first or absence

    def _keys(self, work: _Work) -> _Keys:
        return _Keys(
            lambda name, rdtype: self._resolve(name, rdtype, work),
            lambda zone: self._cuts.nearest(zone, RdataType.DS, self._now()),
        )

    def _learn_chain(
        self, zone: Name, name: Name, rdtype: RdataType, response: Message
    ) -> tuple[_Entry | None, Name | None]:
        """Keep the links of the answer section that belong to `zone`.

        Returns the first link, and the name at which the answer ends without data (None: it has data).
        """
        first = None
        owner = name
        for _ in range(_MAX_CHAIN):
            wanted = find_rrset(response.answer, owner, rdtype)
            link = wanted if wanted is not None else find_rrset(response.answer, owner, RdataType.CNAME)
            if link is None or not owner.is_subdomain(zone):
                return first, owner
            entry = self._keep(self._data, link)
            first = first or entry
            target = None if wanted is not None else entry.alias()
            if target is None:
                return first, None
            owner = target
        return first, None

    def _learn_absence(self, zone: Name, owner: Name, rdtype: RdataType, response: Message) -> _Entry | None:
        soa = next((r for r in response.authority if r.rdtype == RdataType.SOA), None)
        ttl_s = 0  # RFC 2308 section 5: without an SOA it is not to be kept
        if soa is not None and owner.is_subdomain(soa.name) and soa.name.is_subdomain(zone):
            rdata = soa[0]
            ttl_s = self.kind.negative_s(soa.ttl, rdata.minimum if isinstance(rdata, SOA) else 0)
        elif response.answer:
            return None  # neither data nor denial for this name: a wrong owner, or the end of a chain
        rcode = response.rcode()
        entry = _Entry(rcode, None, self._now() + timedelta(seconds=ttl_s))
        self._put(self._data, owner, _WHOLE_NAME if rcode == Rcode.NXDOMAIN else rdtype, entry)
        return entry

    def _learn_child_ns(self, zone: Name, name: Name, rdtype: RdataType, response: Message) -> None:
        """Take the child's own NS RRset in or beside an answer; it never lengthens one that is kept for users."""
        now = self._now()
        for rrset in (*response.answer, *response.authority):
            if rrset.rdtype != RdataType.NS or not is_between(rrset.name, zone, name):
                continue
            if rdtype != RdataType.NS and self.kind.child_ns == "asked":
                continue  # nor do users get it: who asks for NS has the servers asked
            if self._cuts.hear_child(rrset, now, asked=rdtype == RdataType.NS):
                self._learn_glue(zone, targets(rrset), response)
            kept = self._data.get(rrset.name, {}).get(RdataType.NS)
            if kept is None or kept.expires_at <= now:
                self._keep(self._data, rrset)

    def _learn_referral(self, zone: Name, name: Name, response: Message) -> Cut | None:
        for rrset in response.authority:
            downward = rrset.name != zone and is_between(rrset.name, zone, name)
            if rrset.rdtype == RdataType.NS and downward:
                cut = self._cuts.refer(rrset, self._now())
                self._learn_glue(zone, cut.servers, response)
                return cut
        return None

    def _learn_glue(self, zone: Name, servers: tuple[Name, ...], response: Message) -> None:
        for rrset in response.additional:
            if rrset.rdtype in _ADDRESS_TYPES and rrset.name in servers and rrset.name.is_subdomain(zone):
                before = self._glue.get(rrset.name, {}).get(rrset.rdtype)
                if before is None or before.rrset is not rrset:
                    self._glue_heard = None
                self._keep(self._glue, rrset)

    def _keep(self, store: _Store, rrset: RRset) -> _Entry:
        now = self._now()
        expires_at = now + timedelta(seconds=self.kind.positive_s(rrset.ttl))
        if rrset.rdtype == RdataType.NS:  # one RRset: for users it lives as long as it leads to servers
            expires_at = self._cuts.child_expires_at(rrset.name, now) or expires_at
        entry = _Entry(Rcode.NOERROR, rrset, expires_at)
        self._put(store, rrset.name, rrset.rdtype, entry)
        return entry

    def _put(self, store: _Store, owner: Name, key: RdataType, entry: _Entry) -> None:
        """Keep an entry; what it disproves and what has run out goes, so that it is never served as stale."""
        now = self._now()
        kept = store.setdefault(owner, {})
        if key in (_WHOLE_NAME, RdataType.CNAME):
            kept = store[owner] = {other: held for other, held in kept.items() if now < held.expires_at}
        if key != _WHOLE_NAME:
            kept.pop(_WHOLE_NAME, None)
        kept[key] = entry


@lru_cache(maxsize=4_096)
def _query(name: Name, rdtype: RdataType, *, want_dnssec: bool) -> Message:
    """Return the message that asks this; its id need not be hard to guess, since nobody here forges answers."""
    return dns.message.make_query(name, rdtype, flags=0, use_edns=0, payload=_PAYLOAD, want_dnssec=want_dnssec)


@dataclass(frozen=True, slots=True)
class _Keys:
    """Where the keys to validate with come from."""

    look_up: Callable[[Name, RdataType], CacheAnswer]
    nearest_cut: Callable[[Name], Cut | None]

    def rrset(self, name: Name, rdtype: RdataType) -> RRset | None:
        """Look an RRset up, at the cost of the question that is being answered; raises `BogusError`."""
        answer = self.look_up(name, rdtype)
        if answer.rcode == Rcode.SERVFAIL:
            raise BogusError(answer.refused or f"nobody answers for {dns.rdatatype.to_text(rdtype)} of {name}")
        return answer.rrset

    def parent_of(self, zone: Name) -> Name:
        """Return the zone that `zone` is delegated from: the last cut on the way to its DS RRset."""
        cut = self.nearest_cut(zone)
        return dns.name.root if cut is None else cut.zone
