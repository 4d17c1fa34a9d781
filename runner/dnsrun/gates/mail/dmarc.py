"""Gate `dmarc`: what receivers are to do with mail that is not the domain's can be read as before (RFC 7489)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import dns.name
from dns.exception import DNSException
from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.errors import OutsideError
from dnsrun.gates import options
from dnsrun.gates.findings import Found, conclude, warning
from dnsrun.gates.silence import unchecked
from dnsrun.model.observation import Endpoint, Observation, Verdict
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import DNS_TIMING, Fragment
from dnsrun.ports.net import Net, View

from .asking import HOST
from .policy import at_every_server, defect, untold
from .spfcheck import Lookup
from .tags import TagError, joined_texts, read_tags
from .told import Asking, Told

_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(;|$)")
_POLICIES = ("none", "quarantine", "reject")
_PATTERNS = {
    "sp": "none|quarantine|reject",
    "adkim": "[rs]",
    "aspf": "[rs]",
    "pct": "[0-9]|[1-9][0-9]|100",
    "fo": "[01ds](:[01ds])*",
    "rf": "afrf",
    "ri": "[0-9]{1,10}",
}
_ADDRESS = re.compile(r"mailto:[^@\s,!]+@([A-Za-z0-9.-]+)(![0-9]+[kmgt]?)?", re.ASCII | re.IGNORECASE)


class Dmarc:
    """The domain has one DMARC record that can be read; whoever gets its reports has agreed to it."""

    kind = "dmarc"
    fragment = Fragment(
        "the domain's word on mail that only pretends to be its own can be read (DMARC)",
        {"domain": {**HOST, "description": "whose record: the playbook's domain unless said"}},
        defaults=DNS_TIMING,
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask every server, those of before, and receivers of reports in other domains. Touches the network."""
        asking = Asking(spec, case, view, net)
        _found(spec, asking)
        return asking.seen()

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:
        """Judge one round; pure."""
        good = f"{_shown(_domain(spec, case))} has one DMARC record"
        return conclude(_found(spec, Told(spec, case, seen)), seen, good, not_checked=unchecked(seen))


def _found(spec: GateSpec, told: Told) -> list[Found]:
    domain = _domain(spec, told.case)
    return at_every_server(told, lambda end: _at(domain, told, end))


def _at(domain: Name, told: Told, end: Endpoint) -> Iterator[Found]:
    now, before = told.now(end), told.before(end)
    record, problem, is_known = _record(domain, now)
    as_before = _record(domain, before) == (record, problem, is_known) if before else None
    shown = f"the DMARC record of {_shown(domain)}"
    if not is_known:
        yield untold(f"{shown} is not known: {problem}", as_before=as_before)
    elif problem:
        yield defect(f"{shown} {problem}", as_before=as_before)
    else:
        yield from (warning(f"{shown}: {words}") for words in _weaknesses(read_tags(record)))
        yield from (warning(words) for words in _unagreed(domain, read_tags(record), now))


def _record(domain: Name, look_up: Lookup) -> tuple[str, str, bool]:
    """Return the record, what is wrong with it, and whether that is known at all."""
    try:
        rdatas = look_up(dns.name.from_text("_dmarc", domain), RdataType.TXT)
    except OutsideError as err:
        return "", shorten(str(err)), False
    texts = [text for text in joined_texts(rdatas) if _VERSION.match(text)]
    if len(texts) != 1:
        return "", f"stands there {len(texts)} times: receivers take none" if texts else "is missing", True
    return texts[0], _problem(texts[0]), True


def _problem(text: str) -> str:
    """Return why receivers give a record up (RFC 7489 section 6.6.3); empty when they do not."""
    try:
        policy = read_tags(text).get("p", "")
    except TagError as err:
        return f"cannot be read: {err}"
    if policy.lower() in _POLICIES:
        return ""
    return f"has p={shorten(policy, 40)}, which is none of {', '.join(_POLICIES)}" if policy else "has no policy (p=)"


def _weaknesses(tags: Mapping[str, str]) -> Iterator[str]:
    """Yield what receivers ignore, or may."""
    if list(tags)[1:2] != ["p"]:
        yield "p= belongs right behind v="
    for tag, pattern in _PATTERNS.items():
        if tag in tags and not re.fullmatch(pattern, "".join(tags[tag].split()), re.ASCII | re.IGNORECASE):
            yield f"{tag}={shorten(tags[tag], 40)} means nothing, and is ignored"
    for tag in ("rua", "ruf"):
        for address in _listed(tags.get(tag, "")):
            if not _ADDRESS.fullmatch(address):
                yield f"{tag}= has {shorten(address, 60)}, which is no mailto: address"


def _unagreed(domain: Name, tags: Mapping[str, str], look_up: Lookup) -> Iterator[str]:
    """Yield receivers of reports in other domains that have not agreed (RFC 7489 section 7.1)."""
    addresses = (*_listed(tags.get("rua", "")), *_listed(tags.get("ruf", "")))
    hosts = {found[1].lower() for address in addresses if (found := _ADDRESS.fullmatch(address))}
    for host in sorted(hosts):
        if problem := _unagreed_at(domain, host, look_up):
            yield f"DMARC reports to {host} are not sent: {problem}"


def _unagreed_at(domain: Name, host: str, look_up: Lookup) -> str:
    try:
        target = dns.name.from_text(host)
        if target.is_subdomain(domain) or domain.is_subdomain(target):
            return ""
        agreement = domain.relativize(dns.name.root).concatenate(dns.name.from_text("_report._dmarc", target))
        rdatas = look_up(agreement, RdataType.TXT)
    except DNSException:
        return "it is no domain"
    except OutsideError as err:
        return shorten(str(err))
    if any(_VERSION.match(text) for text in joined_texts(rdatas)):
        return ""
    return f"it does not say that it takes them ({_shown(agreement)} TXT v=DMARC1)"


def _listed(value: str) -> list[str]:
    return [one.strip() for one in value.split(",") if one.strip()]


def _domain(spec: GateSpec, case: GateCase) -> Name:
    given = options.text(spec, "domain")
    return dns.name.from_text(given) if given else case.apex


def _shown(name: Name) -> str:
    return shorten(name.to_text(omit_final_dot=True))
