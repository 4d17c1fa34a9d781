"""What a caching resolver remembers of failures: questions that came to nothing, servers that stay silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dns.name import Name
from dns.rdatatype import RdataType

from .kinds import CacheKind


@dataclass(frozen=True, slots=True)
class _Silence:
    times: int
    until: datetime


class Failures:
    """Failures as `kind` remembers them (RFC 9520)."""

    def __init__(self, kind: CacheKind) -> None:
        self._kind = kind
        self._questions: dict[tuple[Name, RdataType], datetime] = {}
        self._silent: dict[str, _Silence] = {}

    def may_try(self, name: Name, rdtype: RdataType, now: datetime) -> bool:
        """Tell whether a question may be tried that came to nothing before."""
        until = self._questions.get((name, rdtype))
        return until is None or until <= now

    def note_failure(self, name: Name, rdtype: RdataType, now: datetime) -> None:
        """Remember that a question came to nothing."""
        if self._kind.failure_s:
            self._questions[name, rdtype] = now + timedelta(seconds=self._kind.failure_s)

    def may_ask(self, address: str, now: datetime) -> bool:
        """Tell whether a server may be asked: it answered, or is not left alone any more."""
        silence = self._silent.get(address)
        return silence is None or silence.times < self._kind.silent_after or silence.until <= now

    def note_server(self, address: str, now: datetime, *, answered: bool) -> None:
        """Remember whether a server answered."""
        if answered or not self._kind.silent_after:
            self._silent.pop(address, None)
            return
        before = self._silent.get(address)
        until = now + timedelta(seconds=self._kind.silent_s)
        self._silent[address] = _Silence(1 if before is None else before.times + 1, until)
