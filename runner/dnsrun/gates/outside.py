"""Hosts and records of other zones, found from the roots down with one memory for a round."""

from __future__ import annotations

from dns.name import Name

from dnsrun.dnsio.views import FutureView, ServerView
from dnsrun.dnsio.walk import Walk
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Answer, NoReply, Observation, Words
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.ports.net import Net, View

_ALIAS = "alias"


class Outside:
    """Finds hosts and records; made for one round. A view without the roots is asked for addresses itself."""

    def __init__(self, view: View, net: Net) -> None:
        self._view = view
        base = view.base if isinstance(view, FutureView) else view
        self._walk = Walk(net, base.roots) if isinstance(base, ServerView) else None

    def host(self, name: Name) -> Words | NoReply:
        """Return a host's addresses in words for `addresses_in` and `is_alias`. Touches the network."""
        try:
            if self._walk is None:
                return Words(" ".join(self._view.addresses(name.to_text())))
            opening = (_ALIAS,) if self._walk.is_alias(name) else ()
            return Words(" ".join((*opening, *self._walk.addresses(name))))
        except OutsideError:
            return NoReply("timeout")

    def answer(self, key: RRsetKey) -> Answer | NoReply:
        """Return what is found at a key, aliases followed, as an answer to it. Touches the network."""
        if self._walk is None:
            return NoReply("unreachable")
        try:
            rdatas = self._walk.find(key.owner, key.rdtype)
        except OutsideError:
            return NoReply("timeout")
        return Answer(0, True, RRset(key, 0, rdatas), "data") if rdatas else Answer(0, True, None, "nodata")  # noqa: FBT003


def addresses_in(seen: Observation) -> tuple[str, ...] | None:
    """Return the addresses that a host was found to have; None when that could not be found out."""
    if not isinstance(seen.got, Words):
        return None
    return tuple(word for word in seen.got.text.split() if word != _ALIAS)


def is_alias(seen: Observation) -> bool:
    """Tell whether a host was found to be a CNAME."""
    return isinstance(seen.got, Words) and seen.got.text.split()[:1] == [_ALIAS]
