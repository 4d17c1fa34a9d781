"""When a registry takes no changes: JP DNS from 03:00 to 05:00 Japan time."""

from __future__ import annotations

from datetime import UTC, datetime

import dns.name
import pytest

from dnsrun.plan.registry import registry_freeze

GOES_ON = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)  # 05:00 in Japan on the 22nd


def freeze(domain: str, at: str) -> datetime | None:
    return registry_freeze(dns.name.from_text(domain), datetime.fromisoformat(at))


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-11-22T02:00:00+09:00", None),
        ("2026-11-22T02:00:01+09:00", GOES_ON),
        ("2026-11-22T03:00:00+09:00", GOES_ON),
        ("2026-11-21T19:59:59+00:00", GOES_ON),
        ("2026-11-22T05:00:00+09:00", None),
        ("2026-11-22T01:30:00+09:00", None),
        ("2026-11-21T23:59:00+09:00", None),
        ("2026-11-21T12:30:00-05:00", GOES_ON),
    ],
)
def test_no_jp_domain_starts_when_its_first_hour_reaches_into_the_stop(at: str, until: datetime | None) -> None:
    assert freeze("client.example.jp", at) == until
    assert freeze("EXAMPLE.JP", at) == until


@pytest.mark.parametrize("domain", ["client.example.", "notjp.", "jp.example."])
def test_other_registries_take_changes_at_any_hour(domain: str) -> None:
    assert freeze(domain, "2026-11-22T04:00:00+09:00") is None
