"""Random worlds keep the promises; and a promise that is not kept is noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dns.rdatatype import RdataType

from dnsrun.model.rrset import Change, RRsetKey, from_texts
from dnsrun.ports.journal import Head
from soak.__main__ import main, replay, seeds_of
from soak.driving import SoakPlay, WatchedJournal, soak
from soak.making import Mishap, SoakWorld, soak_world

FEW = (1, 2, 3, 10, 15)
MANY = range(1_000, 1_050)
WEB = soak_world(6, plain=True)
BY_HAND = replace(soak_world(6, hands=("old_host",)), mishaps=(), floors_s=())


@pytest.mark.parametrize("seed", FEW)
def test_a_random_world_keeps_the_promises(seed: int) -> None:
    came = soak(soak_world(seed))
    assert not came.problems, f"again: {replay(seed)}"


@pytest.mark.long
@pytest.mark.parametrize("seed", MANY)
def test_many_random_worlds_keep_the_promises(seed: int) -> None:
    came = soak(soak_world(seed))
    assert not came.problems, f"again: {replay(seed)}"


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3_000, 3_004))
def test_signed_worlds_whose_ds_is_removed_first_keep_the_promises(seed: int) -> None:
    world = soak_world(seed, shape="everything")
    unsign = "  - {name: unsign, steps: [{kind: remove-ds}]}\n"
    text = world.playbook.replace("  - name: name servers\n", f"{unsign}  - name: name servers\n")
    came = soak(replace(world, playbook=text, kinds=(*world.kinds, "validating"), signed=True))
    assert not came.problems
    refused = [met for story in came.played.stories for met in story.met if "SERVFAIL" in met.cause]
    assert not refused


def test_the_same_seed_has_the_same_journal_octet_by_octet() -> None:
    """P10, mishaps included."""
    world = soak_world(8, shape="mail")
    assert world == soak_world(8, shape="mail")
    assert soak(world).journal == soak(world).journal


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2_000, 2_010))
def test_many_seeds_have_the_same_journal_twice(seed: int) -> None:
    assert soak(soak_world(seed)).journal == soak(soak_world(seed)).journal, f"again: {replay(seed)}"


@pytest.mark.parametrize("what", ["kill", "kill-before"])
def test_a_process_that_dies_at_a_record_reaches_the_target(what: str) -> None:
    came = soak(replace(WEB, mishaps=(Mishap(what, "Intended", 2), Mishap(what, "Judged", 7))))  # type: ignore[arg-type]
    assert (came.ending, came.problems) == ("TGT", ())


def test_an_edit_of_what_is_about_to_be_switched_stops_the_run_and_stands() -> None:
    """P3."""
    came = soak(replace(WEB, mishaps=(Mishap("edit-ours", "Done", 1),)))
    assert (came.ending, came.problems) == ("HOLD", ())


def test_a_service_that_breaks_down_is_rolled_back() -> None:
    came = soak(replace(WEB, mishaps=(Mishap("down", "DueSet", 1, 60),)))
    assert (came.ending, came.problems) == ("CAP", ())


def test_an_edit_straight_before_the_write_stands() -> None:
    """P3: a host that compares sees it, however short the time."""
    came = soak(replace(soak_world(427, plain=True), mishaps=(Mishap("edit-ours", "Judged", 12),)))
    assert (came.ending, came.problems) == ("HOLD", ())


@pytest.mark.parametrize("world", [WEB, BY_HAND], ids=["by API", "by hand"])
def test_a_host_that_raises_ttls_reaches_the_target(world: SoakWorld) -> None:
    """Fault 32."""
    came = soak(replace(world, floors_s=(("old_host", 3_600),)))
    assert (came.ending, came.problems) == ("TGT", ())


@pytest.mark.parametrize("what", ["forgotten", "mistyped"])
def test_what_people_leave_undone_is_named(what: str) -> None:
    """P9: whoever gives up then is told of every record that is not back."""
    came = soak(replace(BY_HAND, mishaps=(Mishap(what, "Done", 1),)))  # type: ignore[arg-type]
    assert (came.ending, came.problems) == ("HOLD", ())
    assert "nobody did this within a day" in came.played.phases[-1].because


def test_an_edit_at_a_panel_is_left_alone_and_the_rest_goes_back() -> None:
    """Fault 56, where nothing can be listed."""
    came = soak(replace(BY_HAND, mishaps=(Mishap("edit-ours", "Intended", 2, 5),)))
    assert (came.ending, came.problems) == ("HOLD", ())


class Careless(SoakPlay):
    """A host that changes more than it is told to."""

    def _drive(self) -> tuple[str, str]:
        host = self.stage.hosts["old_host"]
        key = RRsetKey(self.setting.apex, RdataType.MX)
        held = host.content.rrsets[key]
        host.write([Change(key, held, from_texts(key, held.ttl_s, ["10 elsewhere.example."]))])
        return super()._drive()


class Forgetful(SoakPlay):
    """A journal that puts nothing on the disk before a call."""

    def _opened(self):  # type: ignore[no-untyped-def] # as the real one
        run = super()._opened()
        run.journal = _Late(run.journal, self)
        return run


class _Late(WatchedJournal):
    def append(self, entry, *, head: Head):  # type: ignore[no-untyped-def] # as the real one
        if type(entry).__name__ == "Intended":
            self._play.watch.before_write(())
        return super().append(entry, head=head)


class Hasty(SoakPlay):
    """Servers that give what nobody knows to users, once the records are switched."""

    def _begin(self, mishap: Mishap) -> None:
        host = self.stage.hosts["old_host"]
        key = RRsetKey(self.setting.apex, RdataType.A)
        held = host.content.rrsets[key]
        host.write([Change(key, held, from_texts(key, held.ttl_s, ["198.51.100.99"]))])
        self.happened.clear()


def problems(kind: type[SoakPlay], world: SoakWorld, folder: Path) -> str:
    play = kind(world, folder)
    played = play.act()
    return "\n".join((*play.watch.problems, *play.watch.at_the_end(played)))


@pytest.mark.parametrize(
    ("kind", "mishaps", "said"),
    [
        (Careless, (), "holds for client.example MX what it may not: 10 elsewhere.example."),
        (Forgetful, (), "P2"),
        (Hasty, (Mishap("edit", "Done", 2, 30),), "users: client.example A behind"),
    ],
)
def test_a_promise_that_is_not_kept_is_noticed(
    kind: type[SoakPlay], mishaps: tuple[Mishap, ...], said: str, tmp_path: Path
) -> None:
    assert said in problems(kind, replace(WEB, mishaps=mishaps), tmp_path)


@pytest.mark.parametrize(
    ("outcome", "because", "said"),
    [
        ("rolled-back", "", "P1, record"),
        ("rollback-incomplete", "", "are left and not named"),
        ("paused", "not taken back: imap.client.example CNAME at old_host", "['imap.client.example CNAME'] are named"),
    ],
)
def test_what_is_left_and_not_told_is_noticed(outcome: str, because: str, said: str, tmp_path: Path) -> None:
    play = SoakPlay(replace(BY_HAND, mishaps=(Mishap("forgotten", "Done", 1),)), tmp_path)
    play.act()
    play.watch.given_up(outcome, because)
    assert said in "\n".join(play.watch.problems)


def test_a_failing_seed_prints_the_command_that_plays_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    came = soak(WEB)
    monkeypatch.setattr("soak.__main__.soak", lambda _: replace(came, problems=("P1, end: a test",)))
    assert main(["6"]) == 1
    assert "     P1, end: a test\n     again: make soak SEEDS=6\n" in capsys.readouterr().out


def test_seeds_are_named_singly_and_in_ranges() -> None:
    assert seeds_of(["3,8", "10-12"]) == [3, 8, 10, 11, 12]
