"""How far a change of the delegation has come, judged from what every server of the parent zone serves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .observation import Endpoint
from .zone import Delegation

State = Literal["not-started", "propagating", "done", "partial", "wrong"]


@dataclass(frozen=True, slots=True)
class Handover:
    """The state of a change of delegation.

    `not-started`: every parent server serves what was there before. `propagating`: some serve the old, some the new.
    `done`: all serve the new one. `partial`: some serve a subset or a superset of the new name servers, or the right
    ones with other glue or DS. `wrong`: some serve name servers of neither set, which is an incident (D2, fault 54).
    `odd` names what those servers serve, `silent` the servers that did not say.
    """

    state: State
    odd: Mapping[Endpoint, Delegation] = field(default_factory=dict)
    silent: tuple[Endpoint, ...] = ()

    def __str__(self) -> str:
        words = {
            "not-started": "every parent server still serves the old name servers",
            "propagating": "some parent servers serve the new name servers, some the old ones",
            "done": "every parent server serves the new name servers",
        }
        if self.state in words:
            return words[self.state]
        server, served = next(iter(self.odd.items()))
        names = ", ".join(sorted(name.to_text(omit_final_dot=True) for name in served.ns))
        what = "neither the old nor the new name servers" if self.state == "wrong" else "not exactly the new ones"
        shown = f"{server} serves {what}: {names}" + (f" (DS {', '.join(sorted(served.ds))})" if served.ds else "")
        return f"{shown}; caches keep that up to {served.ttl_s} s" if self.state == "wrong" else shown


def handover(
    served: Mapping[Endpoint, Delegation], silent: Iterable[Endpoint], before: Delegation, after: Delegation
) -> Handover:
    """Return the state, from what each parent server serves; a silent server keeps it from being `done`."""
    missing = tuple(silent)
    new = [server for server, one in served.items() if one.same(after)]
    old = [server for server, one in served.items() if one.same(before) and not one.same(after)]
    odd = {server: one for server, one in served.items() if not (one.same(before) or one.same(after))}
    if odd:
        known = before.ns | after.ns
        wrong = {server: one for server, one in odd.items() if not (one.ns <= known and one.ns & after.ns)}
        wrong = {server: one for server, one in wrong.items() if one.ns != before.ns}
        return Handover("wrong" if wrong else "partial", wrong or odd, missing)
    if old:
        return Handover("propagating" if new else "not-started", silent=missing)
    return Handover("propagating" if missing else "done", silent=missing)
