"""The errors of dnsrun, each with its exit code.

::

    DnsrunError                 a sentence for the user; exit code 1 unless said
    ├── PlaybookError           all problems of a playbook, in file order; 2
    ├── UsageError              the command cannot mean anything; 2
    ├── Refused                 nothing was changed, and why; 5
    │   └── Conflict            somebody else's value stands where ours was to go; 5
    ├── TooEarly                run the same command after `when`; 75
    ├── Paused                  a person must decide; 6
    ├── OutsideError            a server, host or provider failed us; 6
    ├── JournalError            the journal cannot be trusted or written; 6
    └── Lost                    somebody else has acted since we looked; 6
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import ClassVar, Literal


class Exit(IntEnum):
    """Exit codes of the command, as listed in `dnsrun --help`."""

    DONE = 0
    BUG = 1
    USAGE = 2
    ROLLED_BACK = 3
    ROLLBACK_INCOMPLETE = 4
    REFUSED = 5
    PAUSED = 6
    FINDINGS = 7
    NOT_YET = 75
    INTERRUPTED = 130

    @staticmethod
    def worst(codes: list[Exit]) -> Exit:
        """Return the code that stands for several domains: the gravest that occurred."""
        gravest_first = (4, 1, 3, 6, 5, 7, 2, 130, 75, 0)
        return next((Exit(code) for code in gravest_first if code in codes), Exit.DONE)


class DnsrunError(Exception):
    """The root of all errors that dnsrun raises on purpose."""

    exit_code: ClassVar[Exit] = Exit.BUG


class UsageError(DnsrunError):
    """The command line or the project folder cannot mean anything."""

    exit_code = Exit.USAGE


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a file: `file:line:column: what is wrong; what to do`.

    `line` and `column` count from 1.
    """

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.text}"


class PlaybookError(DnsrunError):
    """A playbook, or a file that it names, has problems; all of them are in `problems`, in file order.

    `undone` says below them what was not done.
    """

    exit_code = Exit.USAGE

    def __init__(self, problems: list[Problem], *, undone: str = "") -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join((*map(str, self.problems), *((undone,) if undone else ()))))


class Refused(DnsrunError):
    """dnsrun will not do this; nothing was changed."""

    exit_code = Exit.REFUSED


class Conflict(Refused):
    """A live value is neither what the playbook expects nor what it wants."""


class TooEarly(DnsrunError):
    """The phase may not start before `when` (UTC)."""

    exit_code = Exit.NOT_YET

    def __init__(self, message: str, when: datetime) -> None:
        self.when = when
        super().__init__(message)


class Paused(DnsrunError):
    """Something was written and a person must decide how to go on."""

    exit_code = Exit.PAUSED


class OutsideError(DnsrunError):
    """A server, a host or a provider did not do what was asked.

    `retryable` says whether asking again may help. `certainty` is `not-applied` when the
    write certainly had no effect, `in-doubt` when only a read can tell. `retry_after_s` is
    what the other side asked for (RFC 9110 section 10.2.3), if it did.
    """

    exit_code = Exit.PAUSED

    def __init__(
        self,
        message: str,
        *,
        retryable: bool,
        certainty: Literal["not-applied", "in-doubt"],
        retry_after_s: float | None = None,
    ) -> None:
        self.retryable = retryable
        self.certainty = certainty
        self.retry_after_s = retry_after_s
        super().__init__(message)


class WriteConflict(OutsideError):
    """The provider refused the write because the RRset is not what we saw (compare-and-set)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False, certainty="not-applied")


class JournalError(DnsrunError):
    """The journal is damaged, from another version, or cannot be written; nothing is written outside."""

    exit_code = Exit.PAUSED


class Lost(DnsrunError):
    """The journal has moved on since it was read: another process acts for this domain."""

    exit_code = Exit.PAUSED
