"""Secrets are taken out of every text by value, at the place where it leaves the process (threat 2)."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from dnsrun.model.text import escape

if TYPE_CHECKING:
    from dnsrun.model.entry import Entry, Record
    from dnsrun.model.playbook import SecretRef
    from dnsrun.ports.journal import Head, Journal

SHORTEST = 4  # shorter texts are no secrets, and would be found in everything


class Redactor:
    """Replaces the values that were revealed by the place where they came from."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def register(self, value: str, reference: SecretRef) -> None:
        """Take `value` out of every text from now on, also in the forms in which it travels."""
        label = f"[{re.sub(r'[^A-Za-z0-9_./ :-]', '?', str(reference))}]"
        for form in (form for line in (value, value.strip()) for form in _forms(line)):
            if len(form) >= SHORTEST:
                self._labels.setdefault(form, label)
        longest_first = sorted(self._labels, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        return self._pattern.sub(lambda found: self._labels[found[0]], text) if self._pattern else text

    def redact_entry(self, entry: Entry) -> Entry:
        """Return a journal entry with every text in it redacted."""
        if self._pattern is None:
            return entry
        texts = {field.name: self._redacted(getattr(entry, field.name)) for field in dataclasses.fields(entry)}
        return dataclasses.replace(entry, **texts)

    def _redacted(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redact(value)
        return tuple(map(self._redacted, value)) if isinstance(value, tuple) else value


def _forms(value: str) -> Iterator[str]:
    """Yield the value and the forms in which it travels: in URLs, in JSON, escaped for a terminal, in base64."""
    yield value
    yield quote(value, safe="")
    yield quote_plus(value)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield escape(value)
    yield from _base64_forms(value.encode())


def _base64_forms(octets: bytes) -> Iterator[str]:
    """Yield what stays the same of the base64 of any text that holds the octets, whatever stands around them."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            text = encode(bytes(shift) + octets).decode().rstrip("=")
            whole = (shift + len(octets)) % 3 == 0
            yield text[(0, 2, 3)[shift] : None if whole else -1]


class RedactedJournal:
    """A journal into which no secret goes; see `dnsrun.ports.journal.Journal`."""

    def __init__(self, journal: Journal, redactor: Redactor) -> None:
        self._journal = journal
        self._redactor = redactor

    def read(self, after: int = 0) -> Iterator[Record]:
        """Yield the records with seq > `after`."""
        return self._journal.read(after)

    def head(self) -> Head:
        """Return seq and digest of the last durable record."""
        return self._journal.head()

    def append(self, entry: Entry, *, head: Head) -> Record:
        """Append durably, without secrets."""
        return self._journal.append(self._redactor.redact_entry(entry), head=head)

    def put(self, blob: str, *, suffix: str) -> str:
        """Store text durably and return its digest."""
        return self._journal.put(blob, suffix=suffix)

    def get(self, digest: str) -> str:
        """Return stored text."""
        return self._journal.get(digest)

    def keep(self, folder: str, name: str, text: str) -> str:
        """Write a sheet for a person, without secrets, and return its path."""
        return self._journal.keep(folder, name, self._redactor.redact(text))
