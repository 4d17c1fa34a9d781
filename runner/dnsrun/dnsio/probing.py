"""Public questions for usual names: what a zone surely holds, never all that it holds.

Names below are asked at every server, with a random name at each level as the control: what that one
is answered too is a wildcard's, and says nothing about the name (N2).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from itertools import groupby

import dns.name
from dns.exception import DNSException
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.txtbase import TXTBase

from dnsrun.model.observation import Answer, Observation
from dnsrun.model.rrset import RRset, RRsetKey, target_of
from dnsrun.ports.net import View

_HOSTS = (
    "www mail mx mx1 mx2 smtp imap pop pop3 webmail relay autodiscover autoconfig mta-sts lists list ml mailman "
    "lyncdiscover enterpriseregistration enterpriseenrollment email send bounce "
    "web www2 old new test dev stg staging demo beta admin blog shop store secure sp m img images static assets cdn "
    "files download upload support help form app api my portal intra login status git docs "
    "ns ns1 ns2 dns1 dns2 ftp ssh vpn gw remote server host cpanel plesk panel"
)
_TEXTS = (
    "_dmarc _mta-sts _smtp._tls default._bimi _domainkey _acme-challenge default._domainkey dkim._domainkey "
    "mail._domainkey google._domainkey selector1._domainkey selector2._domainkey s1._domainkey s2._domainkey "
    "k1._domainkey k2._domainkey k3._domainkey resend._domainkey"
)
_SERVICES = (
    "_autodiscover._tcp _imap._tcp _imaps._tcp _pop3s._tcp _submission._tcp _submissions._tcp _caldavs._tcp "
    "_carddavs._tcp _sip._tls _sip._tcp _sipfederationtls._tcp _xmpp-client._tcp _xmpp-server._tcp"
)
_AT_APEX = tuple(
    map(RdataType.make, ("SOA", "NS", "A", "AAAA", "MX", "TXT", "CAA", "SPF", "HTTPS", "DNSKEY", "CDS", "TLSA"))
)
_AT_HOSTS = (RdataType.A, RdataType.AAAA, RdataType.MX, RdataType.TXT)
_AT_TEXTS = (RdataType.TXT,)
_AT_SERVICES = (RdataType.SRV,)
_AT_TLSA = (RdataType.TLSA,)
_ANYWHERE = (*_AT_HOSTS, *_AT_SERVICES)
# An alias answers for every type, so that CNAME needs no question of its own.

_MOST_STEPS = 8  # from a name to the one it leads to
# RFC 7208 section 5: what an SPF record leads to. Macros (%) name nothing that can be asked for.
_SPF_TERM = re.compile(rb"[ ?~+-](?:include:|exists:|redirect=|a:|mx:|ptr:)([^ /%]+)(?=[ /]|$)", re.IGNORECASE)

_Wanted = tuple[Name, tuple[RdataType, ...]]  # a name and the types to ask there


@dataclass(frozen=True, slots=True)
class Words:
    """Names to ask for, relative to the apex, by what is asked there: host data, TXT, SRV, TLSA."""

    hosts: tuple[str, ...]
    texts: tuple[str, ...]
    services: tuple[str, ...]
    tlsa: tuple[str, ...] = ()


USUAL = Words(tuple(_HOSTS.split()), tuple(_TEXTS.split()), tuple(_SERVICES.split()))


@cache
def many_words() -> Words:
    """Return every name that is worth a question once (`names.yaml`); reads a file of the package."""
    import yaml

    text = resources.files(__package__).joinpath("names.yaml").read_text(encoding="utf-8")
    read = {group: tuple(words.split()) for group, words in yaml.load(text, Loader=yaml.BaseLoader).items()}  # noqa: S506 - every scalar stays a text
    selectors = tuple(f"{selector}._domainkey" for selector in read["dkim_selectors"])
    hosts = dict.fromkeys((*read["mail"], *read["web"], *read["infra"]))
    return Words(tuple(hosts), (*read["texts"], *selectors), read["services"], read["tlsa"])


def usual_names(apex: Name) -> tuple[Name, ...]:
    """Return the owner names that zones usually hold, below `apex`; pure."""
    return tuple(_below(word, apex) for words in (USUAL.hosts, USUAL.texts, USUAL.services) for word in words)


@dataclass(frozen=True, slots=True)
class Probing:
    """What was asked and answered. `controls` are the random names by the level they were asked at."""

    seen: tuple[Observation, ...]
    controls: Mapping[Name, Name]


@dataclass(frozen=True, slots=True)
class Found:
    """RRsets that probing proves, and from which server. `disputed` names those that servers answer differently."""

    rrsets: Mapping[RRsetKey, RRset]
    servers: Mapping[RRsetKey, str]
    disputed: tuple[str, ...] = ()


def probe(view: View, apex: Name, names: Iterable[Name] = (), *, words: Words = USUAL) -> Probing:
    """Ask for `words`, `names`, and what they lead to within the zone, at every server. Touches the network.

    Below a name that no server knows nothing is asked (RFC 8020), nor further types at it.
    """
    wanted = _wanted(apex, names, words)
    levels = {name.parent() for name in wanted if name != apex}
    controls = {level: _below("x" + secrets.token_hex(8), level) for level in sorted(levels)}
    wanted |= dict.fromkeys(controls.values(), _ANYWHERE)
    seen: list[Observation] = []
    denied: set[Name] = set()
    for _, of_depth in groupby(sorted(wanted.items(), key=_depth), key=_depth):
        seen += _ask_names(view, of_depth, denied)
    known, new = set(wanted), seen
    for _ in range(_MOST_STEPS):
        led_to = sorted({name for name in _targets(new) if name.is_subdomain(apex)} - known)
        if not led_to:
            break
        known.update(led_to)
        new = list(_ask_names(view, ((name, _AT_HOSTS) for name in led_to), denied))
        seen = [*seen, *new]
    return Probing(tuple(seen), controls)


def _wanted(apex: Name, names: Iterable[Name], words: Words) -> dict[Name, tuple[RdataType, ...]]:
    hosts = [_below(word, apex) for word in words.hosts] + [name for name in names if name.is_subdomain(apex)]
    wanted: dict[Name, tuple[RdataType, ...]] = dict.fromkeys(hosts, _AT_HOSTS)
    wanted |= dict.fromkeys((_below(word, apex) for word in words.texts), _AT_TEXTS)
    wanted |= dict.fromkeys((_below(word, apex) for word in words.services), _AT_SERVICES)
    wanted |= dict.fromkeys((_below(word, apex) for word in words.tlsa), _AT_TLSA)
    for name in tuple(wanted):
        for depth in range(len(apex) + 1, len(name)):
            wanted.setdefault(name.split(depth)[1], _AT_TEXTS)
    wanted[apex] = _AT_APEX
    return wanted


def _depth(wanted: _Wanted) -> int:
    return len(wanted[0])


def _ask_names(view: View, wanted: Iterable[_Wanted], denied: set[Name]) -> Iterator[Observation]:
    """Ask the first type at each name, and the others where some server may know the name; adds to `denied`."""
    alive: list[_Wanted] = []  # no dict: hashing names is what costs here
    for name, types in wanted:
        if name.parent() in denied:
            denied.add(name)
        else:
            alive.append((name, types))
    first = list(view.ask(RRsetKey(name, types[0]) for name, types in alive))
    known = {one.of.owner for one in first if isinstance(one.of, RRsetKey) and not _denies(one)}
    there = []
    for name, types in alive:
        if name in known:
            there.append((name, types))
        else:
            denied.add(name)
    yield from first
    yield from view.ask(RRsetKey(name, rdtype) for name, types in there for rdtype in types[1:])


def _denies(one: Observation) -> bool:
    return isinstance(one.got, Answer) and one.got.kind == "nxdomain" and one.got.aa


def found(probing: Probing, apex: Name) -> Found:
    """Return the RRsets that the answers prove; those of a wildcard under its own name (`*`). Pure."""
    data = sorted(_data(probing), key=lambda item: item[1])
    levels = {control: level for level, control in probing.controls.items()}
    wild: dict[RRsetKey, RRset] = {}
    rrsets: dict[RRsetKey, RRset] = {}
    servers: dict[RRsetKey, str] = {}
    disputed: dict[str, None] = {}
    # Controls first, from the apex down: a wildcard answers below every level that does not exist.
    for one, server in sorted(data, key=lambda item: _turn(item[0].key.owner, levels)):
        level = levels.get(one.key.owner)
        if one.key.owner != apex and _is_synthesised(one, wild):
            continue
        proved = one
        if level is not None:
            proved = replace(one, key=RRsetKey(_below("*", level), one.key.rdtype))
            wild[RRsetKey(level, one.key.rdtype)] = one
        if proved.key not in rrsets:
            rrsets[proved.key] = proved
            servers[proved.key] = server
        elif not proved.same_data(rrsets[proved.key]):
            disputed[f"{proved.key}: {server} does not answer as {servers[proved.key]} does"] = None
    return Found(rrsets, servers, tuple(disputed))


def _turn(owner: Name, levels: Mapping[Name, Name]) -> tuple[bool, int]:
    return owner not in levels, len(levels.get(owner, owner))


def _is_synthesised(rrset: RRset, wild: Mapping[RRsetKey, RRset]) -> bool:
    """Tell whether the nearest wildcard above gives the same answer."""
    owner = rrset.key.owner
    while wild and len(owner) > 1:
        owner = owner.parent()
        if nearest := wild.get(RRsetKey(owner, rrset.key.rdtype)):
            return nearest.rdatas == rrset.rdatas
    return False


def _data(probing: Probing) -> Iterator[tuple[RRset, str]]:
    for one in probing.seen:
        if isinstance(one.got, Answer) and one.got.kind == "data" and one.got.aa and one.got.rrset is not None:
            yield one.got.rrset, str(one.server)


def _targets(seen: Iterable[Observation]) -> Iterator[Name]:
    for rrset, _ in _data(Probing(tuple(seen), {})):
        for rdata in rrset.rdatas:
            yield from _spf_targets(rdata) if isinstance(rdata, TXTBase) else filter(None, (target_of(rdata),))


def _spf_targets(rdata: TXTBase) -> Iterator[Name]:
    """Yield the domains that an SPF record names."""
    text = b"".join(rdata.strings)
    if not text.lower().startswith(b"v=spf1"):
        return
    for found in _SPF_TERM.finditer(text):
        with suppress(DNSException, UnicodeError):
            yield dns.name.from_text(found.group(1).decode("ascii"))


def _below(words: str, level: Name) -> Name:
    return dns.name.from_text(words, origin=level)
