"""What was found, in sentences: for the screen, and for the comments of the playbook. Pure; nothing is escaped here."""

from __future__ import annotations

from collections.abc import Iterator

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.rrset import RRsetKey

from .findings import Findings, Server
from .questions import listed
from .reading import Exchange, exchanges, web_names
from .words import Language, Say, speaking


def summary(findings: Findings, language: Language) -> Iterator[str]:
    """Yield what was found out about the servers and how true it is, line by line; pure, not escaped."""
    say, parent = speaking(language), findings.parent
    yield say(
        "delegation",
        parent=_parent(parent.apex),
        servers=listed(parent.delegation.ns),
        ttl=parent.delegation.ttl_s,
        count=len(parent.servers),
    )
    for server in (*findings.servers, *findings.beside):
        yield f"  {_of_server(server, language)}"
    for endpoint in findings.not_checked:
        yield f"  {say('not_checked', server=endpoint)}"
    for name in findings.nameless:
        yield f"  {say('nameless', server=name.to_text(omit_final_dot=True))}"
    if findings.primary is not None:
        beside = findings.primary not in {server.endpoint.name for server in findings.servers}
        word = "primary_beside" if beside else "primary"
        yield say(word, primary=findings.primary.to_text(omit_final_dot=True))
    yield say("disagree") if findings.differences else say("agree")
    yield from (f"  {line}" for line in findings.differences)
    yield say("complete", server=findings.giver.endpoint) if findings.giver else say("probed")
    if findings.limits:
        yield say("limits")
    yield from (f"  {say(f'limit.{limit.word}', **limit.facts)}" for limit in findings.limits)


def _of_server(server: Server, language: Language) -> str:
    say = speaking(language)
    if server.serial is None:
        return say("lame", server=server.endpoint, says=server.says)
    gives = say("refuses", why=server.transfer) if server.transfer else say("gives")
    return f"{say('server', server=server.endpoint, serial=server.serial)}; {gives}"


def _parent(apex: Name) -> str:
    return apex.to_text(omit_final_dot=True) if len(apex) > 1 else "."


def mx_told(findings: Findings, say: Say) -> Iterator[str]:
    """Yield a sentence for each value of the domain's MX: its source, and who takes the mail there."""
    found = exchanges(findings.zone)
    if not found:
        yield say("no_mx")
    source = source_told(findings, RRsetKey(findings.apex, RdataType.MX), say)
    for one in found:
        record = say("asked_at", record=f"MX {one.preference} {one.host.to_text()}", source=source)
        is_null = one.kind == "null"
        yield say("null_mx", record=record) if is_null else say("mx", record=record, what=_role(findings, one, say))


def _role(findings: Findings, one: Exchange, say: Say) -> str:
    if one.operator is not None:
        return say(f"role.{one.operator.role}", name=one.operator.name)
    if one.kind == "unknown":
        return say("role.unknown")
    web = {text for rrset in web_names(findings.zone, RdataType.A) for text in rrset.texts()}
    same = say("role.web") if web & set(one.addresses) else ""
    return say("role.inside", addresses=", ".join(one.addresses) or say("role.no_address"), web=same)


def source_told(findings: Findings, key: RRsetKey, say: Say) -> str:
    """Return where an RRset was seen."""
    asked = findings.zone.sources.get(key)
    if asked is not None:
        return say("source_asked", server=asked.removeprefix("asked at "))
    giver = findings.giver
    return say("source_given", server=giver.endpoint) if giver else findings.zone.source
