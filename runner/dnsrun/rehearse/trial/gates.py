"""The gates of a trial: the real ones, told whom to trust; programs are the only ones that are not run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from dnsrun.clock import Clock
from dnsrun.gates import options
from dnsrun.model.observation import Endpoint, Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec, Playbook
from dnsrun.ports.gate import Gate, GateCase
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.net import Net, View

from .services import gates_of
from .wrapped import Wrapped

_SERVICES = (
    "http", "tls", "smtp", "submission", "imap", "pop3", "mail-round-trip", "old-server-refuses",
)  # fmt: skip
_ASSUMED = (
    "web and mail servers answer as the gates expect, at every address of their hosts before and after, with "
    "certificates of the rehearsal's own"
)


@dataclass(slots=True)
class Played(Wrapped):
    """A gate on a service. It asks servers of the stage, which the trial's authority vouches for, without a proxy."""

    trusted: Callable[[], str]
    clock: Clock

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask one round; it happens at the trial's time. Touches the network (loopback), and the disk."""
        told = {**spec.options, "via": ""}
        # Certificates take a tenth of a second to make: not for a page without TLS.
        if not options.text(spec, "url").startswith("http:"):
            told["ca"] = self.trusted()
        now = self.clock.now()
        seen = self.real.observe(replace(spec, options=told), case, view, net)
        return tuple(
            replace(one, at=now, got=_at_once(one.got) if isinstance(one.got, Words) else one.got) for one in seen
        )


def _at_once(words: Words) -> Words:
    """Return what a service said without how long this machine took for it: the clock of a trial stands still."""
    took = words.fact("seconds")
    if took is None:
        return words
    facts = tuple((name, "0" if name == "seconds" else value) for name, value in words.facts)
    return Words(words.text.replace(f"after {took} s", "after 0 s"), facts)


@dataclass(frozen=True, slots=True)
class Waved:
    """A gate that cannot be rehearsed at all: it passes, and that is said."""

    kind: str
    fragment: Fragment
    clock: Clock

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:  # noqa: ARG002 - nobody is asked
        """Ask nobody."""
        nobody = Endpoint(case.apex, "0.0.0.0")  # noqa: S104 - names no address
        return (Observation(spec.name, nobody, self.clock.now(), Words("not rehearsed"), "process"),)

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - nothing was asked
        """Pass, and say that this proves nothing."""
        return Verdict("pass", f"{spec.name} is not rehearsed", warnings=(f"{spec.name}: not rehearsed",))


def rehearsed(gates: Mapping[str, Gate], trusted: Callable[[], str], clock: Clock) -> Mapping[str, Gate]:
    """Return the gates for a trial. `trusted` returns the file of the authority that services are vouched for by."""
    played = {kind: Played(gates[kind], trusted, clock) for kind in _SERVICES}
    return {**gates, **played, "command": Waved("command", gates["command"].fragment, clock)}


def left_out(playbook: Playbook) -> tuple[str, ...]:
    """Return what the gates and steps of a playbook do that a trial does not, in words. Pure."""
    gates = gates_of(playbook.phases)
    steps = [step for phase in playbook.phases for step in phase.steps]
    said = {option for gate in gates for option in gate.options} | {option for step in steps for option in step.options}
    found = {
        "the real certificates: until when, and by whom (CAA)": any(gate.kind == "tls" for gate in gates),
        "whether the passwords of mail accounts are right": "account" in said,
        "the programs of gates: counted as passed": any(gate.kind == "command" for gate in gates),
        "the programs of steps: counted as done": any(step.kind == "command" for step in steps),
        "the proxy of `via`: mail servers are asked directly": "via" in said,
    }
    return tuple(words for words, holds in found.items() if holds)


def made_up(playbook: Playbook) -> tuple[str, ...]:
    """Return what a trial makes up about services, in words; nothing where no gate asks one."""
    asks = playbook.mail is not None or any(gate.kind in _SERVICES for gate in gates_of(playbook.phases))
    return (_ASSUMED,) if asks else ()
