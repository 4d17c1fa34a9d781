"""`dnsrun help`: help for a command, and the glossary: the user's word, and the term of RFC 9499 beside it."""

from __future__ import annotations

import difflib

import click

from dnsrun.errors import Exit, UsageError

from .session import Session, common, pass_session

WORDS: tuple[tuple[str, str, str], ...] = (
    ("domain itself, @", "apex", "the top name of the zone; what a record of `@` belongs to"),
    ("name", "owner name", "what a record belongs to, such as www.client.example"),
    ("record, record set", "RR, RRset", "all values of one name and one type; dnsrun changes whole sets"),
    ("value", "RDATA", "what a record says, such as an address"),
    ("name servers", "authoritative servers", "the servers that answer for the zone, of their own knowledge"),
    ("name servers at the registrar", "delegation", "the name servers that the parent zone hands the world to"),
    ("addresses of name servers", "glue", "given by the parent where a name server's name is below the domain itself"),
    ("DNS host", "DNS operator", "who runs the name servers; often not who sold the domain"),
    ("registrar", "registrar", "who takes the delegation; tells the registry, which runs the top-level domain"),
    ("parent", "parent zone", "the zone above, such as jp or com; its servers hand the world to your name servers"),
    (
        "DS",
        "DS, delegation signer",
        "says at the parent which key signs the zone; a wrong one is an outage",
    ),
    ("old side, new side", "-", "the name servers that a zone leaves, and those that it moves to"),
    ("copy the zone", "-", "the new host gets all records, before the name servers are switched and anybody asks it"),
    (
        "switch the name servers",
        "change of delegation",
        "the parent names the new ones; caches follow one by one",
    ),
    ("second host, copy", "secondary", "a name server that copies the zone from a primary (transfer, NOTIFY)"),
    ("resolver, cache", "recursive resolver", "asks on behalf of users and keeps answers for their TTL"),
    ("TTL", "TTL", "for how many seconds caches may keep an answer; what was handed out cannot be called back"),
    ("no cache holds it any more", "TTL expiry", "the time has a formula: last server seen with it, TTL, a margin"),
    (
        "no such name / no such record",
        "NXDOMAIN / NODATA",
        "two different answers; caches keep them too (negative TTL)",
    ),
    (
        "same answers everywhere",
        "parity",
        "every server gives the same records, name by name and type by type",
    ),
    (
        "until caches ask nobody else",
        "-",
        "the longest TTL of the name servers, then of what they said",
    ),
    ("back on both sides", "-", "the right records are written at the new side, too, then the name servers go back"),
    (
        "name that nobody knew",
        "-",
        "only the old side holds it; it comes back when caches drop the new servers",
    ),
    (
        "incident",
        "-",
        "the parent names name servers that this run did not ask for: somebody else's switch, or a placeholder",
    ),
    ("capture", "snapshot", "the zone as it was read, with how true that is: complete, listed, attested, probed"),
    ("checkpoint", "snapshot", "the capture straight before a phase; what a rollback goes back to"),
    ("phase, step", "-", "a phase is run by one `apply`; its steps are done in order and go back together"),
    ("gate", "-", "a check that decides: before a write in the future view, after it on the live servers"),
    ("future view", "-", "the servers that will answer, with the planned records laid over their answers"),
    ("baseline", "-", "what a gate saw straight before the phase; what was broken already is not our doing"),
    ("risk (hazard)", "-", "a named danger that you accept singly, with a reason that stays in the journal"),
    ("by hand", "-", "a person does it; dnsrun says what to do, and proves it by asking DNS"),
    ("foreign edit", "-", "a change by somebody else; kept and named, never overwritten"),
    ("stays behind", "-", "another name that has the old address and is not in the playbook"),
)


@click.command(name="help")
@click.argument("topic", required=False)
@common
@pass_session
@click.pass_context
def command(context: click.Context, session: Session, topic: str | None) -> Exit:
    """Explain: `help words` is the glossary, `help COMMAND` a command."""
    if topic == "words":
        _glossary(session)
        return Exit.DONE
    parent = context.parent
    group = parent.command if parent else None
    if parent is None or not isinstance(group, click.Group):
        return Exit.DONE
    if topic is None:
        _print(session, group.get_help(parent))
        return Exit.DONE
    found = group.get_command(parent, topic)
    if found is None:
        near = difflib.get_close_matches(topic, (*group.list_commands(parent), "words"), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "; try `dnsrun help words`"
        raise UsageError(f"there is no help on that word{hint}")
    _print(session, found.get_help(click.Context(found, info_name=topic, parent=parent)))
    return Exit.DONE


def _print(session: Session, text: str) -> None:
    for line in text.splitlines():
        session.console.out(line)


def _glossary(session: Session) -> None:
    if session.as_json:
        session.console.json([{"word": word, "term": term, "means": means} for word, term, means in WORDS])
        return
    for word, term, means in WORDS:
        beside = f" ({term})" if term not in ("-", word) else ""
        session.console.out((f"{word}{beside}", "strong"), f": {means}")
