"""What a mail server means when it refuses: the mailbox, everybody's first try, or this very machine. Pure."""

from __future__ import annotations

import re

from dnsrun.gates.services import not_asked
from dnsrun.model.observation import NoReply, Words
from dnsrun.model.text import shorten

_LATER = re.compile(r"gr[ea]y-?list", re.IGNORECASE)
_ABOUT_US = re.compile(
    r"client host|client address|your (?:ip|host|address|reverse)|spamhaus|block-? ?list|black-? ?list"
    r"|\b(?:rbl|dnsbl|ptr|helo|ehlo)\b",
    re.IGNORECASE,
)
_TLS_FIRST = "530"  # RFC 3207 section 4


def is_about_us(code: int, said: str) -> bool:
    """Tell whether a refusal says nothing of what happens to other senders' mail, or to ours when it comes again."""
    return bool(_ABOUT_US.search(said)) or (400 <= code < 500 and bool(_LATER.search(said)))


def is_greylisting(words: Words) -> bool:
    """Tell whether the server only wants to be asked again, as of everybody whom it does not know."""
    return (words.fact("rcpt_code") or "").startswith("4") and bool(_LATER.search(words.fact("rcpt_said") or ""))


def fair(got: Words | NoReply) -> Words | NoReply:
    """Return what a server said, if it holds for other senders too; else that it could not be asked.

    Networks of homes and offices are on block lists, and servers that want TLS first would take mail over it.
    """
    if not isinstance(got, Words):
        return got
    code = got.fact("rcpt_code") or got.fact("greeting") or ""
    said = shorten(got.fact("rcpt_said") or got.fact("banner") or "", 120)
    if code.startswith(("4", "5")) and _ABOUT_US.search(said):
        return not_asked(f"turns this machine away, which says nothing of other senders: {code} {said}")
    if code == _TLS_FIRST:
        return not_asked(f"wants TLS first, which did not come about: {got.fact('tls') or 'it was not tried'}")
    return got
