"""What a caching resolver tells its users, with the time that it will go on telling so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import dns.message
import dns.rcode
from dns.exception import DNSException
from dns.message import Message

from dnsrun.errors import OutsideError
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation
from dnsrun.model.rrset import IN, RRset, RRsetKey
from dnsrun.ports.net import Net

from .answers import alias_chain

TIMEOUT_S = 3.0


def ask_caches(
    net: Net, resolvers: Iterable[Endpoint], keys: Iterable[RRsetKey], at: datetime
) -> Iterator[Observation]:
    """Ask each resolver each question with recursion (RD=1), one after the other, and yield what it says.

    TTLs are the seconds that its cache keeps what it said, the shortest along a chain of aliases. A resolver that
    stays silent once is asked no more. Touches the network; what caches say never decides anything (T3).
    """
    wanted = tuple(keys)
    for resolver in resolvers:
        silent: NoReply | None = None
        for key in wanted:
            got = silent or _ask(net, resolver, key)
            silent = got if isinstance(got, NoReply) and got.why != "malformed" else None
            yield Observation(key, resolver, at, got)


def _ask(net: Net, resolver: Endpoint, key: RRsetKey) -> Answer | NoReply:
    query = dns.message.make_query(key.owner, key.rdtype, IN)
    try:
        message = next(iter(net.exchange(resolver, query, timeout_s=TIMEOUT_S, transport="udp")), None)
    except (OutsideError, OSError):
        return NoReply("timeout")
    except DNSException:
        return NoReply("malformed")
    return _read(message, key) if message is not None else NoReply("timeout")


def _read(message: Message, key: RRsetKey) -> Answer:
    rcode = message.rcode()
    if rcode == dns.rcode.NXDOMAIN:
        return Answer(rcode, aa=False, rrset=None, kind="nxdomain")
    if rcode != dns.rcode.NOERROR:
        return Answer(rcode, aa=False, rrset=None, kind="error")
    chain = alias_chain(message, key.owner)
    found = message.get_rrset(message.answer, chain[-1], IN, key.rdtype)
    if found is None:
        return Answer(rcode, aa=False, rrset=None, kind="nodata")
    ttls = [rrset.ttl for rrset in message.answer if rrset.name in chain]
    return Answer(rcode, aa=False, rrset=RRset(key, min(ttls), frozenset(found)), kind="data")
