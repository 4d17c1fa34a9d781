"""What servers of the parent serve though nobody planned it, as it is journaled: once, and when it changes. Pure."""

from __future__ import annotations

from dnsrun.journal.fold import Incident
from dnsrun.model.entry import Astray
from dnsrun.model.handover import Handover
from dnsrun.model.text import shorten
from dnsrun.model.zone import Delegation

MOST_SERVERS = 32  # a parent of 13 servers with two addresses each is written down whole
MOST_WORDS = 300  # in the name servers that one server serves: they come from outside


def astray(move: int, found: Handover, known: Incident | None) -> Astray | None:
    """Return what is to be journaled of a look at the parent, None when it holds no news.

    `known` is the incident that goes on. A server that is silent now is not known to have stopped.
    """
    served = {server: what for server, what in known.last.served if server in _silent(found)} if known else {}
    wrong = found.odd if found.state == "wrong" else {}
    served |= {str(server): _words(one) for server, one in wrong.items()}
    ttl_s = max((one.ttl_s for one in wrong.values()), default=known.ttl_s if known and served else 0)
    now = Astray(move, tuple(sorted(served.items())[:MOST_SERVERS]), len(served), ttl_s)
    if known is None:
        return now if served else None
    last = known.last
    is_known = (now.served, now.servers) == (last.served, last.servers) and ttl_s <= known.ttl_s
    return None if is_known else now


def _silent(found: Handover) -> frozenset[str]:
    return frozenset(map(str, found.silent))


def _words(one: Delegation) -> str:
    """Return the name servers, and the DS where there is one."""
    names = ", ".join(sorted(name.to_text(omit_final_dot=True) for name in one.ns))
    return shorten(names + (f" (DS {', '.join(sorted(one.ds))})" if one.ds else ""), MOST_WORDS)
