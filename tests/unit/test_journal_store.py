"""The journal on disk: durable, chained, private, and nobody's but one at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnsrun.clock import VirtualClock
from dnsrun.errors import JournalError, Lost
from dnsrun.journal.lock import Busy, FileHold, FileHolds
from dnsrun.journal.store import DIGEST_FIELD, EMPTY, RESERVE_OCTETS, FileJournal
from dnsrun.model.entry import Entry, Intended, Opened, PhaseEnded, Planned, RollbackAsked

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OPENED = Opened("run1", "client.example", "digest", "playbooks/client.yaml", ((1, "lower TTLs"),), "0.1")
ENTRIES: tuple[Entry, ...] = (
    OPENED,
    Planned(1, "forward", "plan", "checkpoint"),
    Intended(0, 1),
    PhaseEnded(1, "done", "完了 “done”"),
)
OCTETS = "ccbf033a728626432a654c3250e6b051b13d1428032974d9829436a3a4312d2b"
"""SHA-256 of the journal that holds these entries, as it was written before `Astray` existed."""


def journal_at(folder: Path) -> FileJournal:
    return FileJournal(folder, VirtualClock(NOON))


def written(folder: Path, entries: tuple[Entry, ...] = ENTRIES) -> FileJournal:
    journal = journal_at(folder)
    for entry in entries:
        journal.append(entry, head=journal.head())
    return journal


def entries_in(folder: Path) -> list[Entry]:
    return [record.entry for record in journal_at(folder).read()]


def journal_file(folder: Path) -> Path:
    return folder / "journal.jsonl"


# What is appended is what is read


def test_another_process_reads_the_records_in_order_with_their_time(tmp_path: Path) -> None:
    written(tmp_path)

    records = list(journal_at(tmp_path).read())

    assert [record.entry for record in records] == list(ENTRIES)
    assert [record.seq for record in records] == [1, 2, 3, 4]
    assert {record.at for record in records} == {NOON}
    assert [record.previous for record in records] == ["", *(record.digest for record in records[:-1])]


def test_reading_after_a_record_gives_only_what_is_newer(tmp_path: Path) -> None:
    journal = written(tmp_path)

    assert [record.seq for record in journal.read(2)] == [3, 4]
    assert list(journal.read(4)) == []


def test_a_reader_that_looks_at_the_head_meanwhile_loses_no_record(tmp_path: Path) -> None:
    journal = written(tmp_path)

    seen = [(record.seq, journal.head()[0]) for record in journal.read()]

    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_another_process_appended_is_seen(tmp_path: Path) -> None:
    journal = written(tmp_path)
    other = journal_at(tmp_path)
    appended = other.append(Intended(1, 1), head=other.head())

    assert journal.head() == (5, appended.digest)
    assert [record.entry for record in journal.read(4)] == [Intended(1, 1)]


def test_nothing_is_appended_on_a_head_that_is_no_longer_the_head(tmp_path: Path) -> None:
    """Fault 17: a process that slept through what another did does not write."""
    journal = written(tmp_path)
    sleeper = journal_at(tmp_path)
    known = sleeper.head()
    journal.append(Intended(1, 1), head=journal.head())

    with pytest.raises(Lost):
        sleeper.append(Intended(1, 1), head=known)

    assert len(entries_in(tmp_path)) == len(ENTRIES) + 1


def test_two_processes_that_append_at_once_make_one_chain(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from dnsrun.clock import SystemClock\n"
        "from dnsrun.errors import Lost\n"
        "from dnsrun.journal.store import FileJournal\n"
        "from dnsrun.model.entry import Intended\n"
        "journal, left = FileJournal(Path(sys.argv[1]), SystemClock()), 60\n"
        "while left:\n"
        "    try: journal.append(Intended(int(sys.argv[2]), left), head=journal.head()); left -= 1\n"
        "    except Lost: pass\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(n)]) for n in (1, 2)]

    assert [worker.wait(60) for worker in workers] == [0, 0]
    found = entries_in(tmp_path)
    for number in (1, 2):
        own = [entry.attempt for entry in found if isinstance(entry, Intended) and entry.move == number]
        assert own == list(range(60, 0, -1))


def test_an_append_waits_for_one_that_is_under_way_and_then_finds_its_head_gone(tmp_path: Path) -> None:
    written(tmp_path / "twin", (*ENTRIES, Intended(7, 1)))
    written(tmp_path / "own")
    head = journal_at(tmp_path / "own").head()
    with ThreadPoolExecutor(1) as pool, journal_file(tmp_path / "own").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        second = pool.submit(lambda: journal_at(tmp_path / "own").append(Intended(8, 1), head=head))
        assert not wait([second], timeout=0.3).done
        file.write(journal_file(tmp_path / "twin").read_bytes())
        file.flush()
        fcntl.flock(file, fcntl.LOCK_UN)

        with pytest.raises(Lost):
            second.result(timeout=30)

    assert entries_in(tmp_path / "own") == [*ENTRIES, Intended(7, 1)]


# Torn tails


def test_a_line_torn_at_any_octet_is_cut_and_the_journal_goes_on(tmp_path: Path) -> None:
    """Fault 4: it was never acknowledged."""
    written(tmp_path)
    whole = journal_file(tmp_path).read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for length in range(last, len(whole)):
        journal_file(tmp_path).write_bytes(whole[:length])
        journal_file(tmp_path).with_name("last").write_text(str(len(ENTRIES) - 1))
        journal = journal_at(tmp_path)

        assert [record.entry for record in journal.read()] == list(ENTRIES[:-1]), length

        journal.append(ENTRIES[-1], head=journal.head())
        assert journal_file(tmp_path).read_bytes() == whole, length


def test_records_cut_off_at_the_end_are_missed(tmp_path: Path) -> None:
    """Fault 58: the chain alone does not show it."""
    written(tmp_path)
    lines = journal_file(tmp_path).read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        journal_file(tmp_path).write_bytes(b"".join(lines[:kept]))
        with pytest.raises(JournalError, match=f"ends with record {kept}, but record {len(lines)} was written"):
            list(journal_at(tmp_path).read())


def test_room_that_was_never_filled_is_a_torn_tail(tmp_path: Path) -> None:
    """Fault 9: after a power loss a file can be longer than what was written."""
    written(tmp_path)
    with journal_file(tmp_path).open("ab") as file:
        file.write(b"\0" * 300)

    assert entries_in(tmp_path) == list(ENTRIES)


# Damage


def refusal(folder: Path) -> str:
    with pytest.raises(JournalError) as caught:
        list(journal_at(folder).read())
    return str(caught.value)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_octet_is_found_and_the_last_good_record_named(tmp_path: Path, data: st.DataObject) -> None:
    """Fault 58: also octets that leave the JSON as it was, and the last line's end."""
    folder = tmp_path / "case"
    if not folder.exists():
        written(folder)
        (tmp_path / "whole").write_bytes(journal_file(folder).read_bytes())
    whole = (tmp_path / "whole").read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    journal_file(folder).write_bytes(whole[:place] + bytes([octet]) + whole[place + 1 :])

    good = whole[:place].count(b"\n")
    assert (f"the last good record is {good}" if good else "no record is good") in refusal(folder)


@pytest.mark.parametrize("lines", [[1, 2, 3], [0, 2, 3], [0, 2, 1, 3], [0, 1, 1, 2, 3], [3], [0, 1, 3]], ids=str)
def test_lines_left_out_doubled_or_swapped_are_found(tmp_path: Path, lines: list[int]) -> None:
    """Fault 58."""
    written(tmp_path)
    whole = journal_file(tmp_path).read_bytes().splitlines(keepends=True)
    journal_file(tmp_path).write_bytes(b"".join(whole[number] for number in lines))

    good = next(place for place, number in enumerate(lines) if number != place)
    assert (f"the last good record is {good}" if good else "no record is good") in refusal(tmp_path)


def test_a_damaged_journal_is_not_written_to(tmp_path: Path) -> None:
    """P8: fail closed."""
    journal = written(tmp_path)
    head = journal.head()
    damaged = journal_file(tmp_path).read_bytes().replace(b"done", b"gone")
    journal_file(tmp_path).write_bytes(damaged)

    with pytest.raises(JournalError):
        journal_at(tmp_path).append(Intended(0, 2), head=head)

    assert journal_file(tmp_path).read_bytes() == damaged


@pytest.mark.parametrize("shorten", ["cut", "delete"])
def test_a_journal_that_becomes_shorter_under_our_hands_is_not_written_to(tmp_path: Path, shorten: str) -> None:
    journal = written(tmp_path)
    head = journal.head()
    if shorten == "cut":
        os.truncate(journal_file(tmp_path), 100)
    else:
        journal_file(tmp_path).unlink()

    with pytest.raises(JournalError):
        journal.append(Intended(0, 2), head=head)

    assert b"\0" not in journal_file(tmp_path).read_bytes()


def test_a_journal_of_another_release_is_refused_by_its_version(tmp_path: Path) -> None:
    """Fault 59."""
    written(tmp_path)
    first = json.loads(journal_file(tmp_path).read_bytes().splitlines()[0])
    journal_file(tmp_path).write_text(json.dumps(first | {"v": 2}) + "\n")

    assert "another version of dnsrun (journal version 2, this one reads 1" in refusal(tmp_path)


def test_a_record_of_a_kind_that_a_later_release_added_is_no_damage(tmp_path: Path) -> None:
    """Fault 59."""
    written(tmp_path)
    lines = journal_file(tmp_path).read_bytes().splitlines(keepends=True)
    body = lines[-1].rpartition(DIGEST_FIELD)[0].replace(b'"is": "PhaseEnded"', b'"is": "Eclipsed"') + b"}"
    digest = hashlib.sha256(body).hexdigest().encode()
    journal_file(tmp_path).write_bytes(b"".join(lines[:-1]) + body[:-1] + DIGEST_FIELD + digest + b'"}\n')

    said = refusal(tmp_path)

    assert "line 4 is whole and holds a record of a kind that this version of dnsrun does not know (Eclipsed; " in said
    assert "the last good record is 3" in said


def test_a_journal_from_before_there_were_incidents_reads_as_it_was_written(tmp_path: Path) -> None:
    """No line of it changes when a later release adds a kind of record."""
    written(tmp_path)
    assert hashlib.sha256(journal_file(tmp_path).read_bytes()).hexdigest() == OCTETS
    assert entries_in(tmp_path) == list(ENTRIES)


# Blobs


def test_stored_text_comes_back_as_it_was(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    text = "www.client.example. 600 IN A 192.0.2.10\r\n; 日本語\n"

    digest = journal.put(text, suffix="zone")

    assert journal_at(tmp_path).get(digest) == text
    assert journal.put(text, suffix="zone") == digest


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_capture_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Threat 15, whatever the octets have become."""
    journal = journal_at(tmp_path)
    digest = journal.put("www.client.example. 600 IN A 192.0.2.10\n", suffix="zone")
    path = tmp_path / "captures" / f"{digest}.zone"
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    path.write_bytes(whole[:place] + bytes([octet]) + whole[place + 1 :])
    try:
        with pytest.raises(JournalError, match="has been changed"):
            journal.get(digest)
    finally:
        path.write_bytes(whole)


def test_a_missing_capture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="missing"):
        journal_at(tmp_path).get("0" * 64)


def test_a_capture_whose_writing_was_cut_short_does_not_exist(tmp_path: Path) -> None:
    """Fault 5: the file has another name until it is whole."""
    journal = journal_at(tmp_path)
    with file_size_limit(100), pytest.raises(JournalError):
        journal.put("x" * 5000, suffix="zone")

    assert list((tmp_path / "captures").iterdir()) == []


# Privacy


def test_folders_and_files_are_private_under_any_umask(tmp_path: Path) -> None:
    """Threat 14."""
    folder = tmp_path / ".dnsrun" / "client.example"
    before = os.umask(0)
    try:
        journal = written(folder)
        journal.put("zone", suffix="zone")
        with FileHolds(folder, journal, VirtualClock(NOON)).take("testing"):
            pass
    finally:
        os.umask(before)

    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, *folder.parent.rglob("*"))}
    assert {path for path, mode in found.items() if mode != (0o700 if path.is_dir() else 0o600)} == set()
    assert {"journal.jsonl", "lock", "captures", "client.example"} <= {path.name for path in found}


def test_an_open_folder_of_ours_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "client.example"
    folder.mkdir(mode=0o755)
    folder.chmod(0o777)

    written(folder)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("target", ["there", "not there"])
def test_a_journal_that_is_a_link_is_refused_for_reading_and_writing(tmp_path: Path, target: str) -> None:
    """Threat 14: also a link into the void, which is not an empty journal."""
    folder, elsewhere = tmp_path / "client.example", tmp_path / "elsewhere"
    folder.mkdir(mode=0o700)
    if target == "there":
        elsewhere.write_bytes(b"")
    journal_file(folder).symlink_to(elsewhere)
    journal = journal_at(folder)

    with pytest.raises(JournalError):
        list(journal.read())
    with pytest.raises(JournalError):
        journal.append(OPENED, head=EMPTY)
    assert not elsewhere.exists() or elsewhere.read_bytes() == b""


def test_a_state_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Threat 14."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "client.example").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(JournalError):
        journal_at(tmp_path / "client.example").append(OPENED, head=EMPTY)

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Threat 14: taking the hold must not empty somebody's file."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "lock").symlink_to(victim)

    with pytest.raises(JournalError), hold_on(tmp_path, "testing"):
        pass

    assert victim.read_text() == "precious"


# Full disks


@contextmanager
def file_size_limit(octets: int) -> Iterator[None]:
    """Let no file grow beyond `octets`, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_refuses_the_record_and_leaves_no_half_line(tmp_path: Path) -> None:
    """Fault 10: without a durable record nothing is done outside."""
    journal = written(tmp_path)
    whole = journal_file(tmp_path).read_bytes()
    for room in (0, 1, 100):
        with file_size_limit(len(whole) + room), pytest.raises(JournalError, match="nothing was done outside"):
            journal.append(PhaseEnded(1, "paused", "x" * 200), head=journal.head())
        assert journal_file(tmp_path).read_bytes() == whole

    journal.append(Intended(0, 2), head=journal.head())
    assert entries_in(tmp_path) == [*ENTRIES, Intended(0, 2)]


def test_a_run_does_not_begin_without_room_for_its_rollback(tmp_path: Path) -> None:
    """Fault 10."""
    with file_size_limit(RESERVE_OCTETS // 2), pytest.raises(JournalError):
        journal_at(tmp_path).append(OPENED, head=EMPTY)

    assert entries_in(tmp_path) == []
    assert list(tmp_path.glob(".new-*")) == []


def test_a_rollback_gets_the_room_that_was_kept_for_it(tmp_path: Path) -> None:
    """Fault 11."""
    journal = written(tmp_path)
    assert (tmp_path / ".reserve").stat().st_blocks * 512 >= RESERVE_OCTETS

    journal.append(RollbackAsked("newest", None, "taro"), head=journal.head())

    assert not (tmp_path / ".reserve").exists()


def test_the_next_phase_after_a_rollback_keeps_room_again(tmp_path: Path) -> None:
    """Fault 11."""
    journal = written(tmp_path)
    journal.append(RollbackAsked("newest", None, "taro"), head=journal.head())

    journal.append(Planned(2, "back", "plan", "checkpoint"), head=journal.head())
    assert not (tmp_path / ".reserve").exists()
    journal.append(Planned(2, "forward", "plan", "checkpoint"), head=journal.head())
    assert (tmp_path / ".reserve").stat().st_size == RESERVE_OCTETS


def test_the_hold_can_be_taken_on_a_full_disk(tmp_path: Path) -> None:
    """Fault 11: the note in the lock file is for people; a rollback goes on without it."""
    written(tmp_path)

    with file_size_limit(0), hold_on(tmp_path, "rolling back") as hold:
        hold.check(journal_at(tmp_path).head())
        with pytest.raises(Busy), hold_on(tmp_path, "phase 2"):
            pass


# The hold


def hold_on(folder: Path, doing: str) -> AbstractContextManager[FileHold]:
    return FileHolds(folder, journal_at(folder), VirtualClock(NOON)).take(doing)


def test_a_second_holder_is_refused_with_who_since_when_and_what(tmp_path: Path) -> None:
    """Fault 14."""
    folder = tmp_path / "client.example"
    with hold_on(folder, "phase 2, going forward"), pytest.raises(Busy) as caught, hold_on(folder, "phase 2"):
        pass

    message = str(caught.value)
    assert message.startswith("client.example: ")
    for part in (f"process {os.getpid()}", "2026-11-20T12:00:00", "phase 2, going forward"):
        assert part in message


def test_the_hold_is_free_again_when_it_was_given_back(tmp_path: Path) -> None:
    with hold_on(tmp_path, "one"):
        pass
    with hold_on(tmp_path, "two"), pytest.raises(Busy, match="two"), hold_on(tmp_path, "three"):
        pass


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    """Fault 16, P1: nothing to unlock by hand."""
    program = (
        "import sys; from pathlib import Path\n"
        "from dnsrun.clock import SystemClock\n"
        "from dnsrun.journal.lock import FileHolds\n"
        "from dnsrun.journal.store import FileJournal\n"
        "folder, clock = Path(sys.argv[1]), SystemClock()\n"
        "with FileHolds(folder, FileJournal(folder, clock), clock).take('phase 1'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy, match=f"process {holder.pid}"), hold_on(tmp_path, "phase 2"):
            pass
        holder.kill()

    with hold_on(tmp_path, "phase 2") as hold:
        hold.check(EMPTY)


def test_a_hold_notices_that_the_journal_has_moved_on(tmp_path: Path) -> None:
    """Fault 17: looked at straight before every call."""
    journal = written(tmp_path)
    head = journal.head()
    with hold_on(tmp_path, "phase 1") as hold:
        hold.check(head)
        journal.append(RollbackAsked("newest", None, "taro"), head=head)
        with pytest.raises(Lost):
            hold.check(head)
