"""Random worlds as frozen data: a zone, a playbook that moves part of it, how long others take, what goes wrong.

The same seed gives the same world; nothing here touches anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from dnsrun.rehearse.kinds import POPULATION
from dnsrun.rehearse.trial.setting import Delays

Shape = Literal["web", "mail", "servers", "everything"]
Hand = Literal["old_host", "new_host", "registrar"]
What = Literal[
    "kill", "kill-before", "busy", "in-doubt", "lost", "stale", "edit", "edit-ours", "pending", "down", "ask-rollback",
    "late", "later", "forgotten", "mistyped",
]  # fmt: skip
SHAPES: tuple[Shape, ...] = ("web", "mail", "servers", "everything")
HARMLESS: frozenset[What] = frozenset({"kill", "kill-before", "busy", "in-doubt", "lost", "late"})
"""What the run overcomes by itself: it ends at the target all the same."""
WEB_OLD, WEB_NEW, MAIL_OLD, MAIL_NEW = "192.0.2.10", "203.0.113.20", "192.0.2.25", "203.0.113.25"
_TTLS_S = (60, 300, 900, 3_600, 14_400, 86_400)
_MOMENTS = (("Planned", 3), ("Intended", 6), ("Done", 6), ("Judged", 12), ("DueSet", 3), ("RollbackBegun", 1))
_LATE_S = (0, 0, 5, 90, 1_000, 40_000)
_PEOPLE_S = (60, 600, 3_000, 20_000)
_FLOORS_S = (120, 300, 600, 3_600)
_SERVERS = {host: f"name_servers: [ns1.{host}-host.example, ns2.{host}-host.example]" for host in ("old", "new")}
_BY_API: Mapping[Hand, str] = {
    "old_host": f"{{use: rfc2136, server: 192.0.2.53, {_SERVERS['old']}}}",
    "new_host": f"{{use: rfc2136, server: 203.0.113.53, {_SERVERS['new']}}}",
    "registrar": "{use: parent-rfc2136, zone: example., server: 198.51.100.2}",
}
_BY_HAND: Mapping[Hand, str] = {
    "old_host": f"{{use: manual, {_SERVERS['old']}}}",
    "new_host": f"{{use: manual, {_SERVERS['new']}}}",
    "registrar": "{use: manual-registrar}",
}
_CAPTURE = "capture: {file: client.zone, given_by: the operator, on: 2026-11-20, covers: all}"
_GATE = '{kind: http, url: "http://www.client.example/", status: 200, contains: Client}'


@dataclass(frozen=True, slots=True)
class Mishap:
    """Something that goes wrong `late_s` seconds after the n-th (`count`, from 1) journal entry of a kind."""

    what: What
    after: str
    count: int
    late_s: int = 0

    def __str__(self) -> str:
        return f"{self.what} {self.late_s} s after {self.after} {self.count}"


@dataclass(frozen=True, slots=True)
class SoakWorld:
    """One world. `zone` is master-file text, `kinds` are the caches' names, `ns_ttl_s` the delegation's TTL.

    `signed`: the parent has a DS. `hands`: where a person types. `floors_s`: below which TTL (seconds) a host serves
    nothing that is written to it, whatever is asked for.
    """

    seed: int
    shape: Shape
    zone: str
    playbook: str
    ns_ttl_s: int
    delays: Delays
    kinds: tuple[str, ...]
    mishaps: tuple[Mishap, ...]
    spares: tuple[str, ...]
    signed: bool = False
    hands: tuple[Hand, ...] = ()
    floors_s: tuple[tuple[Hand, int], ...] = ()

    def __str__(self) -> str:
        goes_wrong = ", ".join(map(str, self.mishaps)) or "nothing goes wrong"
        size = len(self.zone.splitlines()) - 1
        hands = f"; {' and '.join(self.hands)} by hand within {self.delays.person_s} s" if self.hands else ""
        floors = "".join(f"; {host} serves no TTL below {floor_s} s" for host, floor_s in self.floors_s)
        return f"seed {self.seed}: {self.shape}, {size} RRs, {', '.join(self.kinds)}{hands}{floors}; {goes_wrong}"


def soak_world(
    seed: int,
    *,
    shape: Shape | None = None,
    rrsets: int | None = None,
    hands: tuple[Hand, ...] | None = None,
    plain: bool = False,
) -> SoakWorld:
    """Return the world of a seed. `shape`, `rrsets` and `hands` overrule the dice.

    Two of three have one mishap or two; in every third people type, and a fourth of the hosts has a floor. `plain`:
    nothing of all that.
    """
    dice = Random(seed)
    drawn = dice.choice(SHAPES)
    shape, ns_ttl_s = shape or drawn, dice.choice((600, 3_600, 86_400))
    zone, spares = _zone(dice, rrsets or dice.randrange(14, 60), ns_ttl_s)
    mishaps = tuple(_mishap(dice, shape) for _ in range(dice.choice((0, 1, 2))))
    people = Random(f"people {seed}")  # dice of their own: a plain world is the same world
    drawn_hands = _hands(people, shape)
    hands = () if plain else drawn_hands if hands is None else hands
    return SoakWorld(
        seed=seed,
        shape=shape,
        zone=zone,
        playbook=_playbook(dice, shape, hands),
        ns_ttl_s=ns_ttl_s,
        delays=Delays(
            secondary_s=dice.choice((1, 5, 20)),
            registrar_s=dice.choice((30, 900, 3_000)),
            person_s=people.choice(_PEOPLE_S),
        ),
        kinds=tuple(sorted(dice.sample(sorted(POPULATION), 3))),
        mishaps=() if plain else (*mishaps, *_slips(people, hands)),
        spares=spares,
        hands=hands,
        floors_s=() if plain else _floors(people, shape),
    )


def _hands(dice: Random, shape: Shape) -> tuple[Hand, ...]:
    """Return where a person types: nowhere in two of three worlds."""
    where: tuple[Hand, ...] = ("old_host", "new_host", "registrar") if _moves(shape) else ("old_host",)
    count = dice.randint(1, len(where)) if dice.random() < 1 / 3 else 0
    return tuple(sorted(dice.sample(where, count)))


def _floors(dice: Random, shape: Shape) -> tuple[tuple[Hand, int], ...]:
    hosts: tuple[Hand, ...] = ("old_host", "new_host") if _moves(shape) else ("old_host",)
    return tuple((host, dice.choice(_FLOORS_S)) for host in hosts if dice.random() < 1 / 4)


def _slips(dice: Random, hands: tuple[Hand, ...]) -> Iterator[Mishap]:
    """Yield what people do otherwise than they are told, in every second world where people type."""
    if hands and dice.random() < 1 / 2:
        what: What = dice.choice(("late", "later", "forgotten", "mistyped"))
        after, most = dice.choice((("Planned", 3), ("Done", 3), ("RollbackBegun", 1)))
        yield Mishap(what, after, dice.randint(1, most))


def _moves(shape: Shape) -> bool:
    return shape in {"servers", "everything"}


def _mishap(dice: Random, shape: Shape) -> Mishap:
    kinds: list[What] = ["kill", "kill-before", "busy", "in-doubt", "lost", "stale", "edit", "edit-ours", "down"]
    kinds += ["ask-rollback", *(("pending",) if _moves(shape) else ())]
    what: What = dice.choice(kinds)
    after, most = dice.choice(_MOMENTS)
    return Mishap(what, after, dice.randint(1, most), dice.choice(_LATE_S) if not what.startswith("kill") else 0)


def _zone(dice: Random, rrsets: int, ns_ttl_s: int) -> tuple[str, tuple[str, ...]]:
    """Return a zone of about so many RRsets, and names in it that no step is about, wildcards with a label for `*`."""
    low = dice.choice((300, 3_600))
    lines = [
        "$ORIGIN client.example.",
        f"@ {dice.choice(_TTLS_S)} SOA ns1.old-host.example. hostmaster 2026010101 14400 3600 1209600 {low}",
        *(f"@ {ns_ttl_s} NS ns{number}.old-host.example." for number in (1, 2)),
        f"@ {dice.choice(_TTLS_S)} A {WEB_OLD}",
        f"www {dice.choice(_TTLS_S)} A {WEB_OLD}",
        f"@ {dice.choice(_TTLS_S)} MX 10 mail",
        f"mail {dice.choice(_TTLS_S)} A {MAIL_OLD}",
        f"imap {dice.choice(_TTLS_S)} CNAME mail",
        f'@ {dice.choice(_TTLS_S)} TXT "v=spf1 ip4:{MAIL_OLD} ip4:{MAIL_NEW} -all"',
        f'gone {dice.choice(_TTLS_S)} TXT "old words"',
    ]
    made = list(_more(dice, rrsets - 9))
    asked = [name for _, name in made if not name.startswith("www.cut")]  # nobody serves what is delegated further
    spares = tuple(dice.sample(asked, min(3, len(asked))))
    return "\n".join([*lines, *(line for line, _ in made)]) + "\n", spares


def _more(dice: Random, count: int) -> Iterator[tuple[str, str]]:
    """Yield lines, each with a name that users may ask for."""
    hosts = ["www", "mail"]
    for number in range(count):
        ttl_s, address = dice.choice(_TTLS_S), f"192.0.2.{100 + number % 100}"
        kind = dice.choice(("host", "host", "host6", "text", "chain", "chain", "wildcard", "cut", "deep", "service"))
        name = f"{kind}{number}"
        if kind in {"host", "host6", "deep"}:
            name = f"a.b.{name}" if kind == "deep" else name
            hosts.append(name)
            yield f"{name} {ttl_s} " + (f"AAAA 2001:db8::{number:x}" if kind == "host6" else f"A {address}"), name
        elif kind == "chain":
            yield f"{name} {ttl_s} CNAME {dice.choice(hosts)}", name
            hosts.append(name)
        elif kind == "wildcard":
            data = dice.choice((f"A {address}", 'TXT "anybody"', f"CNAME {dice.choice(hosts)}"))
            yield f"*.{name} {ttl_s} {data}", f"any.{name}"
        elif kind == "cut":
            yield f"{name} {ttl_s} NS ns1.other.example.", f"www.{name}"
        elif kind == "service":
            yield f"_sip._tcp.{name} {ttl_s} SRV 0 5 5060 www", name
        else:
            yield f'{name} {ttl_s} TXT "words {number}"', name


def _playbook(dice: Random, shape: Shape, hands: tuple[Hand, ...]) -> str:
    moves = _moves(shape)
    names: tuple[Hand, ...] = ("old_host", "new_host", "registrar") if moves else ("old_host",)
    providers = {name: (_BY_HAND if name in hands else _BY_API)[name] for name in names}
    capture = f", {_CAPTURE}" if "old_host" in hands else ""
    to = ", to: new_host, registrar: registrar" if moves else ""
    records = {"web": _web(dice), "mail": _mail(dice), "servers": [], "everything": _web(dice)}[shape]
    mail_moves = "true" if shape == "mail" else "false"
    return "\n".join(
        [
            "dnsrun: 1",
            "domain: client.example",
            f"goal: A world of the kind {shape}.",
            "providers:",
            *(f"  {name}: {spec}" for name, spec in providers.items()),
            f"zone: {{from: old_host{to}{capture}}}",
            f"ttl: {dice.choice((60, 300))}",
            f"mail: {{mailboxes: [imap.client.example], moves: {mail_moves}}}",
            *(["records:"] if records else []),
            *(f"  - {record}" for record in records),
            "phases:",
            *_phases(dice, shape),
            "",
        ]
    )


def _web(dice: Random) -> list[str]:
    found = [f'{{names: ["@", www], type: A, was: {WEB_OLD}, value: {WEB_NEW}}}']
    if dice.random() < 0.5:
        found.append(f"{{names: [fresh], type: A, value: {WEB_NEW}}}")
    if dice.random() < 0.5:
        found.append("{names: [gone], type: TXT, was: old words, absent: true}")
    return found


def _mail(dice: Random) -> list[str]:
    affects = dice.choice(("", ", affects: mail"))
    return [f"{{names: [mail], type: A, was: {MAIL_OLD}, value: {MAIL_NEW}{affects}}}"]


def _phases(dice: Random, shape: Shape) -> Iterator[str]:
    moves, switches = _moves(shape), shape != "servers"
    copy = ", {kind: copy-zone}" if moves else ""
    watch = dice.choice(("5m", "20m", "2h"))
    yield f"  - {{name: prepare, steps: [{{kind: lower-ttl}}{copy}]}}"
    if switches:
        yield "  - name: records"
        yield f"    steps: [{{kind: switch-records}}, {{kind: watch, for: {watch}}}]"
        yield f"    gates: [{_GATE}]"
    if moves:
        yield "  - name: name servers"
        yield "    steps: [{kind: switch-ns}, {kind: watch, for: all-caches}]"
        yield f"    gates: [{_GATE}]"
    yield "  - {name: finish, steps: [{kind: restore-ttl}, {kind: finish}]}"
