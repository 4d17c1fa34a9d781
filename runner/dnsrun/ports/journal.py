"""The journal of one domain and the hold on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from dnsrun.model.entry import Entry, Record

Head = tuple[int, str]  # seq and digest of the last record; (0, "") for an empty journal


class Journal(Protocol):
    """An append-only list of records, and blobs by digest. Touches the disk."""

    def read(self, after: int = 0) -> Iterator[Record]:
        """Yield the records with seq > `after`; raises `JournalError` when the chain is broken (fault 58)."""
        ...

    def head(self) -> Head:
        """Return seq and digest of the last durable record."""
        ...

    def append(self, entry: Entry, *, head: Head) -> Record:
        """Append durably; raises `Lost` when the journal's head is not `head`, `JournalError` when it cannot write."""
        ...

    def put(self, blob: str, *, suffix: str) -> str:
        """Store text durably and return its digest (SHA-256, hex); storing it again changes nothing."""
        ...

    def get(self, digest: str) -> str:
        """Return stored text; raises `JournalError` when it is missing or does not have its digest (threat 15)."""
        ...

    def keep(self, folder: str, name: str, text: str) -> str:
        """Write a sheet for a person and return its path, seen from the project folder; an earlier one is replaced.

        Raises `JournalError`.
        """
        ...


class Hold(Protocol):
    """The right to act for a domain, for one advance."""

    def check(self, head: Head) -> None:
        """Raise `Lost` when the journal has moved past `head`; called straight before every act."""
        ...


class Holds(Protocol):
    """Hands out holds."""

    def take(self, doing: str) -> AbstractContextManager[Hold]:
        """Take the hold at once or raise `Busy`; `doing` is shown to whoever is refused."""
        ...
