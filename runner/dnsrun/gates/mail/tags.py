"""Lists of `tag=value;` as DKIM keys and DMARC records hold them (RFC 6376 section 3.2). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from dns.rdata import Rdata
from dns.rdtypes.ANY.TXT import TXT

from dnsrun.model.text import shorten

_TAG = re.compile(r"[ \t]*([A-Za-z]\w*)[ \t]*=([ \t\x21-\x3a\x3c-\x7e]*)", re.ASCII)


class TagError(ValueError):
    """The text is no list of tags; the message says where."""


def joined_texts(rdatas: Iterable[Rdata]) -> tuple[str, ...]:
    """Return TXT records as texts, the strings of each joined, sorted; one character an octet."""
    texts = (b"".join(rdata.strings).decode("latin-1") for rdata in rdatas if isinstance(rdata, TXT))
    return tuple(sorted(texts))


def read_tags(text: str) -> Mapping[str, str]:
    """Return the tags in their order; raises `TagError`. Tags count by letter case, and once each."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip(" \t\r\n"):
            continue
        match = _TAG.fullmatch(part)
        if match is None:
            raise TagError(f"{shorten(part.strip(), 40)} is no tag=value")
        if match[1] in found:
            raise TagError(f"{match[1]}= stands there twice")
        found[match[1]] = match[2].strip(" \t")
    return found
