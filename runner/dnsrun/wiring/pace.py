"""How hard servers that are not ours are asked: `--rate`, DNSRUN_RATE. Loads nothing: `dnsrun --help` stays quick."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnsrun.ports.net import Rate

RATE = "DNSRUN_RATE"
HIGHEST_RATE = 10_000


def polite_rate(environment: Mapping[str, str]) -> Rate:
    """Return what DNSRUN_RATE says, in questions a second, 100 without it; raises `UsageError`. Pure.

    As many are in flight as come back in 40 ms at that rate, four at least: else the way there would be the limit.
    """
    from dnsrun.errors import UsageError
    from dnsrun.ports.net import POLITE, Rate

    told = environment.get(RATE)
    if not told:
        return POLITE
    if not (told.isascii() and told.isdigit() and 1 <= int(told[:9]) <= HIGHEST_RATE):
        raise UsageError(f"{RATE} is to be a number of questions a second from 1 to {HIGHEST_RATE}")
    return Rate(int(told), max(POLITE.in_flight, int(told) // 25))
