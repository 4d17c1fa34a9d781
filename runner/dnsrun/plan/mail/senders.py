"""Who may send for a name, as the text of its SPF record says (RFC 7208). Pure; nothing is looked up."""

from __future__ import annotations

from collections.abc import Iterator

import dns.name
from dns.exception import DNSException
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.txtbase import TXTBase

from dnsrun.model.rrset import RRset

_VERSION = "v=spf1"
_OF_HOSTS = frozenset({"a", "include", "exists", "redirect"})


def spf_texts(rrset: RRset | None) -> tuple[str, ...]:
    """Return the SPF policies of a TXT RRset, sorted; one is right, two are an error (RFC 7208 section 4.5)."""
    if rrset is None or rrset.key.rdtype != RdataType.TXT:
        return ()
    texts = (_text(rdata) for rdata in rrset.rdatas if isinstance(rdata, TXTBase))
    return tuple(sorted(text for text in texts if text.lower() == _VERSION or text.lower().startswith(f"{_VERSION} ")))


def spf_hosts(text: str, owner: Name) -> Iterator[tuple[str, Name]]:
    """Yield each term of a policy that leads to a name, and that name.

    Left out: macros, which no zone can tell, and `mx`, whose hosts are those of the MX.
    """
    for term in text.split()[1:]:
        word, sign, target = term.lstrip("+-~?").lower().replace("=", ":", 1).partition(":")
        word = word.partition("/")[0]
        target = target.partition("/")[0]
        if word not in _OF_HOSTS or "%" in target or (word != "a" and not target):
            continue
        try:
            yield term, dns.name.from_text(target) if sign and target else owner
        except DNSException:
            continue


def _text(rdata: TXTBase) -> str:
    return b"".join(rdata.strings).decode("ascii", errors="replace")
