"""How often gates ask while nothing is written: every minute, or as seldom as the playbook says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnsrun.model.playbook import GateSpec
from dnsrun.plan.gating import watching

ROUND_TRIP = GateSpec("mail-round-trip", "round trip", {})


@pytest.mark.parametrize(("written_s", "watched_s"), [(10, 60), (60, 60), (600, 600)])
def test_a_pause_longer_than_a_minute_is_kept_in_a_watch(written_s: int, watched_s: int) -> None:
    """A test message a minute, for two hours, is nobody's wish."""
    (watched,) = watching([replace(ROUND_TRIP, every_s=written_s)])
    assert watched.every_s == watched_s
