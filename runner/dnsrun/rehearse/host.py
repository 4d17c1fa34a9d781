"""A host of one zone in a lab: a primary, maybe a secondary, and the file in which the zone is kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dns.name import Name

from dnsrun.errors import OutsideError

from .authority import Authority, TransferSource
from .lab import replace_file


class Host:
    """The servers of a host. Begins with what is kept in `file`, else with `first_text`; not thread-safe."""

    def __init__(self, apex: Name, first_text: str, file: Path) -> None:
        self.apex = apex
        self.file = file
        self.primary = Authority({apex: file.read_text(encoding="ascii") if file.exists() else first_text})
        self._secondary: Authority | None = None
        self._settled: int | None = None

    def add_secondary(self) -> Authority:
        """Return a new server that copies from the primary, which must be running."""
        self._secondary = Authority({}, secondaries={self.apex: TransferSource(self.primary.endpoint)})
        return self._secondary

    def text(self) -> str:
        """Return the zone as the primary has it."""
        return self.primary.zone_text(self.apex)

    def edit(self, change: Callable[[str], str]) -> None:
        """Have somebody change the zone at the primary, past everybody."""
        self.primary.set_zone(self.apex, change(self.text()))

    def settle(self) -> bool:
        """Have the secondary follow and keep the zone, when there is something new; say whether there was.

        Touches network and disk.
        """
        serial = self.primary.serial(self.apex)
        if serial == self._settled:
            return False
        with suppress(OutsideError):  # the next time tries again
            if self._secondary:
                self._secondary.refresh(self.apex)
            self.file.parent.mkdir(mode=0o700, exist_ok=True)
            replace_file(self.file, self.text())
            self._settled = serial
        return True
