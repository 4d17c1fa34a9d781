"""What only people know: the open questions of a playbook, and how an answer is written. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.model.rrset import RRsetKey

from .findings import Findings
from .operators import operator_of
from .reading import exchanges, web_names
from .words import Say

OPEN = '"?"'
ASKED = ("sending_devices", "local_mail", "office_dns", "dns_ends_with_hosting", "logins", "by", "on")
NOBODY = frozenset({"none", "-", "なし"})  # answers that take the line out
_YES_NO = frozenset({"local_mail", "office_dns", "dns_ends_with_hosting"})
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_PARTS = re.compile(r"[\s,、]+")


@dataclass(frozen=True, slots=True)
class Question:
    """One question: the word of its place in the playbook, and what is asked. `form`: what the answer is made of."""

    key: str
    text: str
    form: Literal["value", "hosts", "yes-no"] = "value"

    def is_answered_by(self, answer: str) -> bool:
        """Tell whether the answer is one that the question offers, whatever follows from it."""
        return self.form == "yes-no" and answer in ("yes", "no")

    def written(self, answer: str) -> str:
        """Return an answer as YAML; without one the sign of an open question."""
        if not answer.strip():
            return f"[{OPEN}]" if self.form == "hosts" else OPEN
        if self.form == "hosts":
            return f"[{', '.join(scalar(part) for part in _PARTS.split(answer.strip()) if part)}]"
        return scalar(answer.strip())


def scalar(text: str) -> str:
    """Return a text as a YAML scalar that means this text and nothing else."""
    if _PLAIN.fullmatch(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)


def questions(findings: Findings, panels: Sequence[str], today: date, say: Say) -> tuple[Question, ...]:
    """Return what the client must be asked, in the order of the playbook."""
    return tuple(_questions(findings, panels, today, say))


def _questions(findings: Findings, panels: Sequence[str], today: date, say: Say) -> Iterator[Question]:
    servers = listed(findings.parent.delegation.ns)
    yield Question("goal", say("question.goal"))
    if known_panel(findings) is None:
        yield Question("panel", say("question.panel", servers=servers, panels=", ".join(panels)))
    if takes_mail(findings):
        yield from _of_mail(findings, say)
    if web_names(findings.zone, RdataType.A):
        yield Question("web_new", say("question.web_new"))
    if web_names(findings.zone, RdataType.AAAA):
        yield Question("web_new_v6", say("question.web_new_v6"))
    if has_https(findings):
        yield Question("https", say("question.https"))
    if web_names(findings.zone, RdataType.A):
        yield Question("contains", say("question.contains"))
    yield from _of_people(servers, today, say)


def _of_people(servers: str, today: date, say: Say) -> Iterator[Question]:
    for key in ASKED:
        form: Literal["value", "yes-no"] = "yes-no" if key in _YES_NO else "value"
        yield Question(key, say(f"question.{key}", servers=servers, day=today.isoformat()), form)


def _of_mail(findings: Findings, say: Say) -> Iterator[Question]:
    yield Question("mailboxes", say("question.mailboxes"), "hosts")
    yield Question("submission", say("question.submission"), "hosts")
    if unknown := [one.host for one in exchanges(findings.zone) if one.kind == "unknown"]:
        yield Question("front", say("question.front", hosts=listed(unknown)), "hosts")
    yield Question("clients_by_address", say("question.clients_by_address"))


def takes_mail(findings: Findings) -> bool:
    """Tell whether the domain may have mail: only a null MX says that it has none (RFC 7505)."""
    return all(one.kind != "null" for one in exchanges(findings.zone))


def has_https(findings: Findings) -> bool:
    """Tell whether a name of the web site has an HTTPS record, which may name addresses of its own."""
    owners = [one.key.owner for one in web_names(findings.zone, RdataType.A)]
    return any(RRsetKey(owner, RdataType.HTTPS) in findings.zone.rrsets for owner in owners)


def known_panel(findings: Findings) -> str | None:
    """Return the panel that all name servers belong to, None when it is not known or there are several."""
    operators = {operator_of(name, "ns") for name in findings.parent.delegation.ns}
    only = operators.pop() if len(operators) == 1 else None
    return only.panel if only else None


def listed(names: Sequence[Name] | frozenset[Name]) -> str:
    """Return names without their final dots, sorted."""
    return ", ".join(sorted(name.to_text(omit_final_dot=True) for name in names))
