"""Silence is evidence only when something comparable answers: controls, shared by all gates.

Comparable is what was asked in the same round over the same transport, port and address family. A refused or
reset connection is no silence: it is evidence by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Question, Words
from dnsrun.model.rrset import RRsetKey
from dnsrun.ports.net import Net, View

_CONTROLS_PER_PATH = 3

# The `of` of an observation that only says: this address cannot be asked from here.
NOT_CHECKED = "not checked"

# Facts of a service that said nothing of its own: why it was not asked, or how it breaks its protocol.
NOT_ASKED, BROKEN = "not_asked", "broken"


class Path(NamedTuple):
    """What must be equal for one server to tell another one's silence from a dead network."""

    transport: Literal["udp", "tcp"]
    port: int
    is_v6: bool


def path(seen: Observation) -> Path:
    """Return the path that an observation was made on."""
    return Path(transport(seen), seen.server.port, seen.server.is_v6)


def transport(seen: Observation) -> Literal["udp", "tcp"]:
    """Return the bare transport of an observation, which may say more (`udp without EDNS`)."""
    return "udp" if seen.transport.startswith("udp") else "tcp"


def is_silence(seen: Observation) -> bool:
    """Tell whether nothing usable came back; a refused connection is something."""
    return isinstance(seen.got, NoReply) and seen.got.why != "refused"


def answered(seen: Iterable[Observation]) -> frozenset[Path]:
    """Return the paths on which anything answered in this round: silence on them is evidence."""
    return frozenset(_paths(one for one in seen if _is_answer(one.got)))


def ask_controls(view: View, net: Net, apex: Name, seen: Sequence[Observation]) -> tuple[Observation, ...]:
    """Ask the parent's servers on every path that holds nothing but silence. Touches the network."""
    dead = frozenset(_paths(filter(is_silence, seen))) - answered(seen)
    questions = [question for one in dead for question in _questions(view.controls, apex, one)]
    if not questions:
        return ()
    return tuple(replace(one, control=True) for one in net.ask(questions))


def not_asked(view: View, seen: Sequence[Observation]) -> tuple[Observation, ...]:
    """Return an observation for each address of the set that cannot be asked from here."""
    if not seen:
        return ()
    nothing = NoReply("unreachable")
    return tuple(Observation(NOT_CHECKED, server, seen[0].at, nothing, control=True) for server in view.not_checked)


def unchecked(seen: Iterable[Observation]) -> tuple[str, ...]:
    """Return what `not_asked` noted, for `Verdict.not_checked`."""
    return tuple(str(one.server) for one in seen if one.control and one.of == NOT_CHECKED)


def no_reply(error: OSError) -> NoReply:
    """Return what a failed connection says."""
    if isinstance(error, TimeoutError):
        return NoReply("timeout")
    if isinstance(error, ConnectionError):
        return NoReply("refused")
    return NoReply("unreachable")


def _is_answer(got: Answer | Words | NoReply) -> bool:
    return isinstance(got, Answer) or (isinstance(got, Words) and got.fact(NOT_ASKED) is None)


def _paths(seen: Iterable[Observation]) -> set[Path]:
    # A round may hold many thousand observations of a few servers: each is read once.
    ends = {(one.transport, id(one.server)): one for one in seen}
    return {path(one) for one in ends.values()}


def _questions(controls: Iterable[Endpoint], apex: Name, dead: Path) -> list[Question]:
    fitting = [one for one in controls if (one.port, one.is_v6) == (dead.port, dead.is_v6)]
    return [Question(RRsetKey(apex, RdataType.NS), one, dead.transport) for one in fitting[:_CONTROLS_PER_PATH]]
