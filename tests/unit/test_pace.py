"""How hard servers that are not ours are asked."""

from __future__ import annotations

import pytest

from dnsrun.errors import UsageError
from dnsrun.ports.net import POLITE, Rate
from dnsrun.wiring.pace import polite_rate


def test_without_a_word_it_is_the_polite_rate() -> None:
    assert polite_rate({}) == polite_rate({"DNSRUN_RATE": ""}) == POLITE


@pytest.mark.parametrize(("told", "rate"), [("1", Rate(1, 4)), ("100", Rate(100, 4)), ("1000", Rate(1000, 40))])
def test_a_higher_rate_has_as_many_in_flight_as_it_needs(told: str, rate: Rate) -> None:
    assert polite_rate({"DNSRUN_RATE": told}) == rate


@pytest.mark.parametrize("told", ["0", "-1", "1.5", "fast", "10001", "9" * 4000, "\u0661"])
def test_anything_else_is_refused_by_name(told: str) -> None:
    with pytest.raises(UsageError, match="DNSRUN_RATE is to be a number of questions a second from 1 to 10000"):
        polite_rate({"DNSRUN_RATE": told})
