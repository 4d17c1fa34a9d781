"""Servers that fail now and then, and servers that fail everything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import dns.name

from dnsrun.dnsio.patience import Place, patiently
from dnsrun.model.expected import data
from dnsrun.model.observation import Answer, Endpoint, Observation
from dnsrun.model.rrset import RRset, rrset

AT = datetime(2026, 12, 2, tzinfo=UTC)
NS1, NS2 = (Endpoint(dns.name.from_text(f"ns{number}.example"), f"192.0.2.{number}") for number in (1, 2))
WWW, MAIL = (rrset(dns.name.from_text(f"{name}.client.example"), 60, "A", "192.0.2.9") for name in ("www", "mail"))
SERVFAIL = Answer(2, aa=False, rrset=None, kind="error")


def seen(of: RRset, server: Endpoint, got: Answer | None = None) -> Observation:
    return Observation(of.key, server, AT, got or data(of))


def test_what_a_server_failed_is_asked_until_it_answers_and_nobody_else_is() -> None:
    asked: list[Sequence[Place]] = []

    def again(places: Sequence[Place]) -> list[Observation]:
        asked.append(places)
        return [seen(WWW, NS2, SERVFAIL if len(asked) == 1 else None)]

    first = [seen(WWW, NS1), seen(WWW, NS2, SERVFAIL), seen(MAIL, NS2)]
    assert patiently(first, again) == (seen(WWW, NS1), seen(WWW, NS2), seen(MAIL, NS2))
    assert asked == [[(WWW.key, NS2)]] * 2


def test_a_server_that_fails_everything_is_not_asked_again() -> None:
    first = [seen(WWW, NS1), seen(WWW, NS2, SERVFAIL), seen(MAIL, NS2, SERVFAIL)]
    assert patiently(first, lambda _: []) == tuple(first)


def test_a_question_that_always_fails_stays_failed_after_nine_times() -> None:
    asked: list[Sequence[Place]] = []

    def again(places: Sequence[Place]) -> list[Observation]:
        asked.append(places)
        return [seen(WWW, NS1, SERVFAIL)]

    found = patiently([seen(WWW, NS1, SERVFAIL), seen(MAIL, NS1)], again)
    assert (found[0].got, len(asked)) == (SERVFAIL, 9)
