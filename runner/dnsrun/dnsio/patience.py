"""Servers that fail now and then are asked again for what they failed (fault 46)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from dnsrun.model.observation import Answer, Endpoint, Observation
from dnsrun.model.rrset import RRsetKey

_TRIES = 9
Place = tuple[RRsetKey, Endpoint]


def patiently(
    first: Iterable[Observation], again: Callable[[Sequence[Place]], Iterable[Observation]]
) -> tuple[Observation, ...]:
    """Return one observation for each question: the first answer that is no error, as far as one comes.

    `again` asks once more, nine times at most. A server that answers nothing but errors is not asked again. What
    `first` and `again` do touches the network.
    """
    seen = {(one.of, one.server): one for one in first}
    for _ in range(_TRIES):
        failed = {each for each, one in seen.items() if isinstance(one.got, Answer) and one.got.kind == "error"}
        at_times = {server for _, server in seen.keys() - failed}
        places = [(of, server) for of, server in seen if isinstance(of, RRsetKey) and (of, server) in failed]
        places = [place for place in places if place[1] in at_times]
        if not places:
            break
        seen.update({(one.of, one.server): one for one in again(places) if (one.of, one.server) in failed})
    return tuple(seen.values())
