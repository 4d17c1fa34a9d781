"""What goes wrong, arranged in a play: each function prepares one mishap; and to which plays it can happen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from dnsrun.gates import options
from dnsrun.model.observation import Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.model.rrset import Change, from_texts
from dnsrun.ports.gate import Gate, GateCase
from dnsrun.ports.net import Net, View
from dnsrun.rehearse.lab import Place
from dnsrun.rehearse.responses import Faults

from .drive import Play
from .services import gates_of
from .setting import ADDRESS_TYPES
from .stage import PlayedHost
from .truth import Truth
from .wrapped import Wrapped

TEN_MINUTES_S = 600
DAY_S = 86_400
Mishap = Callable[[Play], None]
Gates = Callable[[Play, Mapping[str, Gate]], Mapping[str, Gate]]
_PLACEHOLDER_S = 300
_FLAPPING = 0.2
_CALLS_IN_HALF_AN_HOUR = 30
_EVERY, _BLIPS_END = 5, 40
_NOBODY: Place = ("127.0.0.1", 1)  # tcpmux, RFC 1078: nobody offers that any more
_LIVE = ("switch-ns", "switch-records")


# To whom it can happen


def moves(play: Play) -> bool:
    """Tell whether the zone moves to another host."""
    return play.setting.playbook.zone.to is not None


def moves_by_itself(play: Play) -> bool:
    """Tell whether the zone moves, and a registrar is told so without a person."""
    registrar = play.run.ports.registrars.get(play.setting.playbook.zone.registrar or "")
    return moves(play) and registrar is not None and not registrar.capabilities.needs_person


def by_hand(play: Play) -> bool:
    """Tell whether a person writes at some host."""
    return any(one.capabilities.needs_person for one in play.run.ports.providers.values())


def writes(play: Play) -> bool:
    """Tell whether a host is written to without a person."""
    hosts = (play.run.ports.providers[name].capabilities for name in play.stage.hosts)
    return any(one.writes and not one.needs_person for one in hosts)


def has_secondary(play: Play) -> bool:
    """Tell whether a host has more than one server."""
    return any(len(host.servers) > 1 for host in play.stage.hosts.values())


def waits_for_late(play: Play) -> bool:
    """Tell whether ten minutes is merely late: by the SOA of the zone, and by the gates that the playbook writes."""
    written = (gate for gate in gates_of(play.setting.playbook.phases) if gate.kind == "records")
    follows_s = (host.content.follows_within_s or 0 for host in play.stage.hosts.values())
    return all(seconds > TEN_MINUTES_S for seconds in (*follows_s, *(gate.within_s for gate in written)))


def has_v6(play: Play) -> bool:
    """Tell whether a new name server has an IPv6 address, and an IPv4 address besides."""
    known = [play.setting.addresses(server) for server in _newest_host(play).servers]
    return any(len({":" in address for address in addresses}) == 2 for addresses in known)


def has_a_name_to_hide(play: Play) -> bool:
    """Tell whether the zone has a name that could go missing behind a wildcard."""
    return _hideable(play) is not None


def fetches_pages(play: Play) -> bool:
    """Tell whether a gate looks at a page."""
    return any(gate.kind == "http" for phase in play.setting.playbook.phases for gate in phase.gates)


def needs_a_certificate(play: Play) -> bool:
    """Tell whether a gate wants a certificate of a server that is new."""
    return bool(_newly_certified(play))


def always(play: Play) -> bool:  # noqa: ARG001 - every playbook
    """Tell that it can happen to everybody."""
    return True


def both(*needs: Callable[[Play], bool]) -> Callable[[Play], bool]:
    """Return whether all of these can happen."""
    return lambda play: all(need(play) for need in needs)


# What happens


def nothing(play: Play) -> None:
    """Arrange nothing beforehand."""


def stale(play: Play) -> None:
    """Have a name server never follow."""
    hosts = [host for host in play.stage.hosts.values() if len(host.servers) > 1]
    play.troubles.stale.add(hosts[0].servers[-1])


def stale_for_a_while(play: Play) -> None:
    """Have a name server follow ten minutes late."""
    stale(play)
    host = next(host for host in play.stage.hosts.values() if host.servers[-1] in play.troubles.stale)

    def recover() -> None:
        play.troubles.stale.clear()
        host.catch_up()

    play.agenda.later(TEN_MINUTES_S, recover)


def empty(play: Play) -> None:
    """Have a new name server hold an empty zone."""
    play.troubles.empty.add(_newest_host(play).servers[-1])


def hidden(play: Play) -> None:
    """Have the new host's servers leave out a name for which a wildcard answers, with the same data if it can be."""
    play.troubles.hidden = _hideable(play)


def lame(play: Play) -> None:
    """Have a new name server know nothing of the zone."""
    _misbehave(play, _newest_host(play), Faults(rcode=Rcode.REFUSED))


def uncertified(play: Play) -> None:
    """Have nobody put certificates on the new web server; it answers well otherwise."""
    addresses = _newly_certified(play)
    play.agenda.change(lambda: play.services.bare.update(addresses))


def without_tcp(play: Play) -> None:
    """Have a new name server cut answers of more than 512 octets down to nothing, and nobody get there over TCP."""
    _misbehave(play, _newest_host(play), Faults(reset_tcp=True, udp_size=512))


def without_edns(play: Play) -> None:
    """Have a new name server answer FORMERR to EDNS."""
    _misbehave(play, _newest_host(play), Faults(no_edns=True))


def dead_v6(play: Play) -> None:
    """Have nobody answer at the IPv6 addresses of a new name server."""
    _lead_v6(play, _NOBODY, _newest_host(play).servers)


def no_v6(play: Play) -> None:
    """Have IPv6 lead nowhere from here."""
    _lead_v6(play, None, (server for host in play.stage.hosts.values() for server in host.servers))


def flapping(play: Play) -> None:
    """Have a name server answer SERVFAIL to every fifth question or so; which ones follows from the seed."""
    host = next(host for host in reversed(play.stage.hosts.values()) if len(host.servers) > 1)
    play.troubles.flaps = True
    _misbehave(play, host, Faults(rcode=Rcode.SERVFAIL, rcode_share=_FLAPPING, seed=play.seed))


def purged(play: Play) -> None:
    """Have the old host delete the zone as soon as the parent delegates elsewhere (incident 16)."""

    def purge() -> None:
        for name in (name for name in play.stage.hosts if name != play.setting.playbook.zone.to):
            play.stage.hosts[name].purge()

    _once(play, lambda: not play.stage.delegation.ns & play.setting.delegation.ns, purge)


def placeholder(play: Play) -> None:
    """Have the registry show a placeholder in between; one cache of each kind is started anew in these minutes."""
    play.troubles.placeholder_s = _PLACEHOLDER_S

    def start_anew() -> None:
        for cache in play.population.caches:
            if cache.number == 0:
                cache.start_anew()

    _once(play, lambda: play.stage.is_parked, start_anew)


def floor(play: Play) -> None:
    """Have hosts serve no TTL below ten minutes."""
    play.troubles.floors_s = dict.fromkeys(play.stage.hosts, TEN_MINUTES_S)


def pending(play: Play) -> None:
    """Have the registrar take half a day longer."""
    play.troubles.pending_s = DAY_S // 2


def rejected(play: Play) -> None:
    """Have the registry turn the order down."""
    play.troubles.rejects = True


def locked(play: Play) -> None:
    """Have the registrar lock the domain in the first night."""

    def lock() -> None:
        play.troubles.locked = True

    _in_the_night(play, lock)


def forgotten(play: Play) -> None:
    """Have nobody do what is to be done by hand."""
    play.troubles.forgets = True


def mistyped(play: Play) -> None:
    """Have whoever types leave out a line."""
    play.troubles.mistypes = True


def late(play: Play) -> None:
    """Have whoever works by hand take most of a day longer."""
    play.troubles.late_s = DAY_S * 3 // 4


def half(play: Play) -> None:
    """Have the host break off in the middle of its first batch."""
    play.troubles.halves = 1


def busy(play: Play) -> None:
    """Have the host answer three calls with 429."""
    play.troubles.refusals = 3


def busy_for_long(play: Play) -> None:
    """Have the host answer 429 for half an hour."""
    play.troubles.refusals = _CALLS_IN_HALF_AN_HOUR


def broken_once(play: Play) -> None:
    """Have the host answer one call with 500."""
    play.troubles.errors = 1


def broken(play: Play) -> None:
    """Have the host answer three calls with 500."""
    play.troubles.errors = 3


def expired(play: Play) -> None:
    """Have the token expire after the first call."""
    play.troubles.denied_from = 2


def lying(what: Literal["nothing", "something else"]) -> Mishap:
    """Have the host say that it has written new data, and write this."""

    def arrange(play: Play) -> None:
        play.troubles.lies = what

    return arrange


def doubtful(when: Literal["at once", "later"]) -> Mishap:
    """Have the host give no answer to new data, and write them then."""

    def arrange(play: Play) -> None:
        play.troubles.doubts = when

    return arrange


def replayed(play: Play) -> None:
    """Have new data reach the host once more 90 s later, as when something on the way sends a POST again."""
    play.troubles.replays = True


def killed(number: int) -> Mishap:
    """Have the process end after a call."""

    def arrange(play: Play) -> None:
        play.troubles.kill_at = number

    return arrange


def colleague(play: Play) -> None:
    """Have somebody change a record that the playbook does not speak of, at the old host, in the first night."""
    _in_the_night(play, lambda: edit(play))


def edit(play: Play) -> None:
    """Have somebody change, at the old host, an address that neither the playbook nor anybody's users speak of."""
    host = play.stage.hosts[play.setting.playbook.zone.provider]
    spoken = {key for spec in play.setting.playbook.records for key in spec.rrset_keys()}
    asked = {(want.name, want.rdtype) for want in play.population.wants}
    for key, held in sorted(host.content.rrsets.items(), key=lambda pair: pair[0].order()):
        if key.rdtype == RdataType.A and key not in spoken and (key.owner, key.rdtype) not in asked:
            change = Change(key, held, from_texts(key, held.ttl_s, [play.setting.spare[0]]))
            play.foreign.append(change)
            host.write([change])
            return


def _newest_host(play: Play) -> PlayedHost:
    return play.stage.hosts[play.setting.playbook.zone.to or play.setting.playbook.zone.provider]


def _hideable(play: Play) -> Name | None:
    """Return a host straight below the apex that holds addresses and nothing else, nor anything below it.

    One whose data a wildcard of the zone has, too, if there is one: nobody who asks for it can tell.
    """
    zone, servers = play.setting.zone, {name for host in play.stage.hosts.values() for name in host.servers}
    wild = Name((b"*", *zone.apex.labels))
    data: dict[Name, dict[RdataType, frozenset[str]]] = {}
    for key, held in zone.rrsets.items():
        data.setdefault(key.owner, {})[key.rdtype] = frozenset(held.texts())
    above = {name.parent() for name in data if name != zone.apex}
    hosts = [name for name, held in data.items() if name.parent() == zone.apex and set(held) <= set(ADDRESS_TYPES)]
    found = [name for name in hosts if name != wild and name not in above | servers]
    return min(found, key=lambda name: (data[name] != data.get(wild), name), default=None)


def _newly_certified(play: Play) -> frozenset[str]:
    """Return the new addresses of hosts whose certificates gates look at."""
    asking = (gate for gate in gates_of(play.setting.playbook.phases) if _looks_at_certificates(gate))
    truth = Truth(play.setting)
    pairs = [truth.of(host, rdtype) for gate in asking for host in options.hosts(gate) for rdtype in ADDRESS_TYPES]
    return frozenset[str]().union(*(new - old for old, new in pairs))


def _looks_at_certificates(gate: GateSpec) -> bool:
    return gate.kind == "tls" or (gate.kind == "http" and options.text(gate, "url").startswith("https:"))


def _lead_v6(play: Play, place: Place | None, servers: Iterable[Name]) -> None:
    """Have the IPv6 addresses of servers lead to another place; None: nowhere."""
    addresses = [address for server in servers for address in play.setting.addresses(server) if ":" in address]

    def begin() -> None:
        for address in addresses:
            play.stage.places.pop((address, 53))
            if place is not None:
                play.stage.places[address, 53] = place

    play.agenda.change(begin)


def _misbehave(play: Play, host: PlayedHost, faults: Faults) -> None:
    server = host.authorities[host.servers[-1]]

    def begin() -> None:
        server.faults = faults

    play.agenda.change(begin)


def _in_the_night(play: Play, what: Callable[[], None]) -> None:
    play.agenda.later(timedelta(hours=12).total_seconds(), what)


def _once(play: Play, has_come: Callable[[], bool], what: Callable[[], None]) -> None:
    """Have something happen straight after the change of the world that brings this about."""
    left = [what]

    def look() -> None:
        if left and has_come():
            play.agenda.later(0, left.pop())

    play.agenda.witness(lambda _: None, look)


# Gates that say no


def says_no(then: Mishap) -> Gates:
    """Return what has a gate say no after the last write that users see; at that moment `then` happens."""

    def wrap(play: Play, gates: Mapping[str, Gate]) -> Mapping[str, Gate]:
        return {**gates, "records": SaysNo(gates["records"], play, then)}

    return wrap


@dataclass(slots=True)
class SaysNo(Wrapped):
    """A gate kind that fails after the last phase that users see has written, though all is well."""

    play: Play
    then: Mishap
    _left: list[Mishap] = field(init=False)

    def __post_init__(self) -> None:
        self._left = [self.then]

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Have the mishap happen when its time has come, then ask as ever."""
        if self._is_meant(case) and self._left:
            self._left.pop()(self.play)
        return self.real.observe(spec, case, view, net)

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Say no once it has happened."""
        verdict = self.real.judge(spec, case, seen)
        if verdict.outcome == "pass" and not self._left and self._is_meant(case):
            return Verdict("fail", f"{spec.name} fails, as the fault wants", seen)
        return verdict

    def _is_meant(self, case: GateCase) -> bool:
        last = _last_live(self.play)
        return case.phase == last and self.play.has_written and self.play.goes_forward


def _last_live(play: Play) -> int:
    phases = play.setting.playbook.phases
    return max((phase.number for phase in phases if any(step.kind in _LIVE for step in phase.steps)), default=0)


def blips(play: Play, gates: Mapping[str, Gate]) -> Mapping[str, Gate]:  # noqa: ARG001 - the same for every play
    """Have every fifth look at a page fail."""
    return {**gates, "http": Blips(gates["http"])}


@dataclass(slots=True)
class Blips(Wrapped):
    """A gate kind, every fifth round of which fails for a while: in a watch over a day nobody looks that often."""

    _rounds: int = 0

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask as ever, and count."""
        self._rounds += 1
        return self.real.observe(spec, case, view, net)

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Say no every fifth time."""
        verdict = self.real.judge(spec, case, seen)
        if verdict.outcome == "pass" and self._rounds % _EVERY == 0 and self._rounds <= _BLIPS_END:
            return Verdict("fail", f"{spec.name}: answers 503 once", seen)
        return verdict
