"""The playbook that `dnsrun init` writes: from findings and answers to commented text. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from dns.name import Name
from dns.rdatatype import RdataType, to_text

from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.text import escape, shorten
from dnsrun.playbook.names import relative_text, shown

from .findings import Findings, Server
from .operators import operator_of
from .questions import ASKED, NOBODY, Question, has_https, known_panel, listed, questions, scalar, takes_mail
from .reading import (
    Exchange,
    exchanges,
    mail_hosts,
    mail_services,
    other_exchanges,
    same_address,
    spf_terms,
    spf_text,
    web_names,
)
from .telling import mx_told, source_told, summary
from .words import Language, speaking

_WIDTH = 110
_MOST_SHOWN = 300
_NOT_SHOWN = frozenset({RdataType.RRSIG, RdataType.NSEC, RdataType.NSEC3, RdataType.NSEC3PARAM, RdataType.DNSKEY})


def playbook_text(
    findings: Findings,
    *,
    language: Language,
    panels: Sequence[str],
    today: date,
    answers: Mapping[str, str],
) -> str:
    """Return the playbook's text. `answers` by the key of their question; the others stay open."""
    return "\n".join(_Writer(findings, language, panels, today, answers).lines()) + "\n"


class _Writer:
    """Writes one playbook, part after part."""

    def __init__(
        self, findings: Findings, language: Language, panels: Sequence[str], today: date, answers: Mapping[str, str]
    ) -> None:
        self._findings = findings
        self._zone = findings.zone
        self._apex = findings.apex
        self._language = language
        self._today = today
        self._answers = answers
        self._say = speaking(language)
        self._questions = {one.key: one for one in questions(findings, panels, today, self._say)}

    def lines(self) -> Iterator[str]:
        """Yield the lines of the playbook."""
        yield from self._head()
        yield "dnsrun: 1"
        yield f"domain: {self._apex.to_text(omit_final_dot=True)}"
        yield from self._ask("goal", "goal: ")
        for part in (self._host(), self._mail(), self._records(), self._gates(), self._asked(), self._found()):
            lines = list(part)
            yield from ("", *lines) if lines else ()

    # words

    def _remark(self, text: str, indent: str = "", *, hang: str = "") -> Iterator[str]:
        """Yield a comment; what came from outside stays within its lines."""
        for number, line in enumerate(text.split("\n")):
            begin = f"{indent}# " if not number else f"{indent}# {hang}"
            if self._language == "ja":  # no spaces to break lines at
                yield f"{begin}{escape(line)}"
                continue
            wrapped = textwrap.wrap(escape(line), _WIDTH - len(begin), break_long_words=False, break_on_hyphens=False)
            for at, part in enumerate(wrapped or [""]):
                yield f"{begin if not at else f'{indent}# {hang}'}{part}".rstrip()

    def _ask(self, key: str, before: str, *, beside: str = "") -> Iterator[str]:
        """Yield a question and its line, with the answer if there is one; `beside` stands in its list anyway."""
        question: Question = self._questions[key]
        indent = before[: len(before) - len(before.lstrip())]
        yield from self._remark(f"? {question.text}", indent, hang="  ")
        value = question.written(self._answers.get(key, ""))
        yield f"{before}[{beside}, {value[1:]}" if beside else f"{before}{value}"

    def _record(self, one: RRset) -> str:
        values = shorten(", ".join(one.texts()))
        return f"{relative_text(one.key.owner, self._apex)} {to_text(one.key.rdtype)} {values}"

    # parts

    def _head(self) -> Iterator[str]:
        say, findings = self._say, self._findings
        yield from self._remark(say("head", domain=shown(self._apex), day=self._today.isoformat()))
        yield "#"
        for line in summary(findings, self._language):
            yield from self._remark(line, hang="  " if line.startswith("  ") else "")

    def _host(self) -> Iterator[str]:
        say, servers = self._say, self._findings.parent.delegation.ns
        yield "providers:"
        yield "  host:"
        yield "    use: manual"
        yield from self._operators(servers)
        panel = known_panel(self._findings)
        if panel is None:
            yield from self._ask("panel", "    panel: ")
        else:
            if panel == "other":
                yield from self._remark(say("panel_other"), "    ")
            yield f"    panel: {panel}"
        yield f"    name_servers: [{', '.join(_host(name) for name in sorted(servers))}]"
        yield ""
        yield "zone:"
        yield "  from: host"
        yield from self._capture()

    def _operators(self, servers: Iterable[Name]) -> Iterator[str]:
        by_word: dict[str, list[Name]] = {}
        for name in sorted(servers):
            operator = operator_of(name, "ns")
            word = f"known {operator.name}" if operator else "inside" if name.is_subdomain(self._apex) else "unknown"
            by_word.setdefault(word, []).append(name)
        for word, names in by_word.items():
            kind, _, operator_name = word.partition(" ")
            yield from self._remark(self._say(f"ns_{kind}", servers=listed(names), operator=operator_name), "    ")

    def _capture(self) -> Iterator[str]:
        giver = self._findings.giver
        if giver is not None:
            yield from self._remark(self._say("transfer", server=giver.endpoint), "  ")
            yield f"  capture: {{transfer: {_server(giver)}}}"
            return
        yield from self._remark(self._say("no_capture"), "  ")
        yield "  # capture:"
        yield f"  #   file: zones/{_plain(self._apex)}.zone"
        yield "  #   given_by: ..."
        yield f"  #   on: {self._today.isoformat()}"
        yield "  #   covers: all"

    def _mail(self) -> Iterator[str]:
        found = exchanges(self._zone)
        if not takes_mail(self._findings):
            for line in mx_told(self._findings, self._say):
                yield from self._remark(line)
            return
        yield "mail:"
        for line in mx_told(self._findings, self._say):
            yield from self._remark(line, "  ", hang="  ")
        if hosts := mail_hosts(self._zone):
            names = ", ".join(self._with_addresses(name) for name in hosts)
            yield from self._remark(self._say("hosts_found", names=names), "  ", hang="  ")
        for word, rrsets in (("services_found", mail_services(self._zone)), ("other_mx", other_exchanges(self._zone))):
            if rrsets:
                records = "; ".join(map(self._record, rrsets))
                yield from self._remark(self._say(word, records=records), "  ", hang="  ")
        yield from self._ask("mailboxes", "  mailboxes: ")
        yield from self._ask("submission", "  submission: ")
        yield from self._front(found)
        yield from self._senders()
        yield from self._ask("clients_by_address", "  clients_by_address: ")
        yield from self._remark(self._say("moves"), "  ")
        yield "  moves: false"

    def _with_addresses(self, name: Name) -> str:
        keys = (RRsetKey(name, rdtype) for rdtype in (RdataType.A, RdataType.AAAA, RdataType.CNAME))
        values = ", ".join(text for key in keys if (one := self._zone.rrsets.get(key)) for text in one.texts())
        return f"{name.to_text(omit_final_dot=True)} ({values})"

    def _front(self, found: Sequence[Exchange]) -> Iterator[str]:
        known = ", ".join(_host(one.host) for one in found if one.is_front)
        if "front" in self._questions and self._answers.get("front", "").casefold() not in NOBODY:
            yield from self._ask("front", "  front: ", beside=known)
        elif known:
            yield f"  front: [{known}]"

    def _senders(self) -> Iterator[str]:
        text = spf_text(self._zone)
        if text is None:
            yield from self._remark(self._say("no_spf"), "  ")
            return
        yield from self._remark(self._say("spf", text=shorten(text)), "  ", hang="  ")
        yield from self._terms(text)
        for domain, further in self._findings.spf.items():
            told = self._say("spf_of", domain=domain.to_text(omit_final_dot=True), text=shorten(further))
            yield from self._remark(told, "  ", hang="  ")
            yield from self._terms(further)

    def _terms(self, text: str) -> Iterator[str]:
        for term in spf_terms(text):
            name = term.operator.name if term.operator else ""
            known = "spf_sender" if name else "spf_followed" if term.domain in self._findings.spf else "spf_other"
            word = known if term.readable else "spf_unreadable"
            yield from self._remark(self._say(word, term=shorten(term.text), name=name), "  ", hang="  ")

    def _records(self) -> Iterator[str]:
        addresses = web_names(self._zone, RdataType.A)
        if not addresses:
            yield from self._remark(self._say("no_web", domain=shown(self._apex)))
            return
        yield "records:"
        yield from self._entry(addresses, "web_new")
        if has_https(self._findings):
            yield from self._ask("https", "    https: ")
        if v6 := web_names(self._zone, RdataType.AAAA):
            yield from self._entry(v6, "web_new_v6")
        if behind := same_address(self._zone, addresses):
            names = ", ".join(relative_text(name, self._apex) for name in behind)
            yield from self._remark(self._say("stay_behind", names=names), "  ", hang="  ")
        yield ""
        yield from self._remark(self._say("phases"))

    def _entry(self, moved: Sequence[RRset], question: str) -> Iterator[str]:
        records = ", ".join(f"{relative_text(one.key.owner, self._apex)} {', '.join(one.texts())}" for one in moved)
        source = source_told(self._findings, moved[0].key, self._say)
        yield from self._remark(
            self._say("web_old", records=self._say("asked_at", record=records, source=source)), "  "
        )
        names = ", ".join(scalar(relative_text(one.key.owner, self._apex)) for one in moved)
        values = [scalar(text) for text in moved[0].texts()]
        yield f"  - names: [{names}]"
        yield f"    type: {to_text(moved[0].key.rdtype)}"
        yield f"    was: {values[0] if len(values) == 1 else '[' + ', '.join(values) + ']'}"
        yield from self._ask(question, "    value: ")

    def _gates(self) -> Iterator[str]:
        if "contains" not in self._questions:
            return
        owner = web_names(self._zone, RdataType.A)[-1].key.owner
        yield "gates:"
        yield from self._remark(self._say("gate"), "  ")
        yield "  - kind: http"
        yield f"    url: https://{_plain(owner)}/"
        yield "    status: 200"
        yield from self._ask("contains", "    contains: ")

    def _asked(self) -> Iterator[str]:
        yield from self._remark(self._say("asked"))
        yield "asked:"
        for key in ASKED:
            yield from self._ask(key, f"  {key}: ")

    def _found(self) -> Iterator[str]:
        rrsets = sorted(self._zone.rrsets.values(), key=lambda one: one.key.order())
        kept = [one for one in rrsets if one.key.rdtype not in _NOT_SHOWN]
        yield from self._remark(self._say("found", count=len(kept)))
        for one in kept[:_MOST_SHOWN]:
            name = relative_text(one.key.owner, self._apex)
            for text in one.texts():
                yield f"#   {escape(name)} {one.ttl_s} {to_text(one.key.rdtype)} {shorten(text)}"
        if len(kept) > _MOST_SHOWN:
            yield from self._remark(self._say("not_shown", count=len(kept) - _MOST_SHOWN), hang="  ")


def _plain(name: Name) -> str:
    return name.to_text(omit_final_dot=True)


def _host(name: Name) -> str:
    """Return a host name as a playbook writes it; one of a single label keeps its final dot."""
    text = name.to_text(omit_final_dot=True)
    return scalar(text if "." in text else name.to_text())


def _server(server: Server) -> str:
    name = server.endpoint.name
    return _host(name) if len(name) > 1 else scalar(server.endpoint.address)
