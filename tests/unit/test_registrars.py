"""The tests' registrar does to a real parent zone what registrars do, at its time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dns.name
import pytest

from dnsrun.errors import OutsideError
from dnsrun.model.zone import Delegation
from dnsrun.ports.provider import Pending, Receipt, Rejected, Settled
from dnsrun.rehearse.authority import Authority
from registrars import PLACEHOLDERS, Manners, TellingClock, TryingRegistrar, trying_registrar
from servers import small_zone

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ZONE = dns.name.from_text("example.")
APEX = dns.name.from_text("client.example.")
PARENT_ZONE = "$ORIGIN example.\n" + small_zone("client 86400 NS ns1.client", "ns1.client 86400 A 198.51.100.53")
NEW = Delegation(frozenset({dns.name.from_text("ns1.new.test.")}), {}, frozenset(), 86400)


class Scene:
    def __init__(self, parent: Authority) -> None:
        self.clock = TellingClock(START)
        self.registrar: TryingRegistrar = trying_registrar(ZONE, parent.endpoint, self.clock)
        self.old = self.now()

    def now(self) -> Delegation:
        found = self.registrar._behind.read_delegation(APEX)
        assert found
        return found

    def ask(self, manners: Manners) -> Receipt:
        self.registrar.manners = manners
        return self.registrar.replace_delegation(APEX, before=self.old, after=NEW)

    def wait(self, seconds: float) -> None:
        self.clock.wait_until(self.clock.now() + timedelta(seconds=seconds))


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Authority({ZONE: PARENT_ZONE}) as parent:
        yield Scene(parent)


def test_a_slow_one_is_pending_until_its_time_and_the_parent_moves_by_itself(scene: Scene) -> None:
    operation = scene.ask(Manners(delay_s=7200)).operation or ""
    scene.wait(7199)
    assert (scene.registrar.poll(operation), scene.now()) == (Pending("the registry has it"), scene.old)
    scene.wait(3600)
    assert scene.registrar.poll(operation) == Settled()
    assert scene.now().same(NEW)


def test_a_refusing_one_changes_nothing_and_says_why(scene: Scene) -> None:
    operation = scene.ask(Manners(delay_s=60, rejects="ns1.new.test does not answer")).operation or ""
    assert isinstance(scene.registrar.poll(operation), Pending)
    scene.wait(60)
    assert scene.registrar.poll(operation) == Rejected("ns1.new.test does not answer")
    assert scene.now() == scene.old


def test_a_lying_one_says_done(scene: Scene) -> None:
    operation = scene.ask(Manners(lies=True)).operation or ""
    assert scene.registrar.poll(operation) == Settled()
    assert scene.now() == scene.old


def test_a_parking_one_has_its_own_name_servers_first(scene: Scene) -> None:
    scene.ask(Manners(delay_s=10, placeholder_s=600))
    assert scene.now() == scene.old
    scene.wait(10)
    assert scene.now().ns == frozenset(PLACEHOLDERS)
    scene.wait(600)
    assert scene.now().same(NEW)


def test_one_that_loses_its_answer_has_done_it(scene: Scene) -> None:
    with pytest.raises(OutsideError) as failure:
        scene.ask(Manners(loses_answer=True))
    assert failure.value.certainty == "in-doubt"
    assert scene.now().same(NEW)


def test_one_that_fails_twice_takes_the_third(scene: Scene) -> None:
    with pytest.raises(OutsideError, match="500"):
        scene.ask(Manners(fails=2))
    with pytest.raises(OutsideError, match="500"):
        scene.registrar.replace_delegation(APEX, before=scene.old, after=NEW)
    assert scene.now() == scene.old
    scene.registrar.replace_delegation(APEX, before=scene.old, after=NEW)
    assert scene.now().same(NEW)


def test_a_locked_domain_is_neither_read_nor_changed(scene: Scene) -> None:
    for _ in range(2):
        with pytest.raises(OutsideError, match="clientUpdateProhibited") as failure:
            scene.ask(Manners(locked="clientUpdateProhibited"))
        assert not failure.value.retryable
    with pytest.raises(OutsideError):
        scene.registrar.read_delegation(APEX)
    assert scene.now() == scene.old


def test_a_newer_request_takes_the_place_of_one_that_is_pending(scene: Scene) -> None:
    first = scene.ask(Manners(delay_s=7200)).operation or ""
    scene.registrar.manners = Manners(delay_s=60)
    second = scene.registrar.replace_delegation(APEX, before=NEW, after=scene.old).operation or ""
    scene.wait(7200)
    assert isinstance(scene.registrar.poll(first), Rejected)
    assert scene.registrar.poll(second) == Settled()
    assert scene.now().same(scene.old)
