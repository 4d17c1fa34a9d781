"""Hostile playbooks are refused quickly and in little memory (threats 4 and 5), by both parsers of PyYAML."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import process_time

import pytest
import yaml

from answers import answered
from dnsrun.errors import PlaybookError
from dnsrun.playbook import tree
from dnsrun.playbook.problems import Problems
from dnsrun.playbook.read import load_playbook
from playbook_words import EXAMPLES, KINDS, TODAY, problems, read

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10)
)
DEEP = "a: " + "[" * 2000 + "]" * 2000
DEEP_BLOCKS = "".join("  " * level + "a:\n" for level in range(60))
WIDE = "a: [" + "1," * 200_000 + "1]"
HOSTILE = {
    "alias bomb": (BOMB, "aliases (*name) are not read"),
    "deep list": (DEEP, "more than 50 levels deep"),
    "deep mappings": (DEEP_BLOCKS, "more than 50 levels deep"),
    "many values": (WIDE, "more than 50000 values"),
    "large file": ("#" * (1024 * 1024 + 1), "larger than 1 MiB"),
    "large file of few characters": ("#" + "日" * 400_000, "larger than 1 MiB"),
    "tag": ("a: !!python/object/apply:os.system ['true']", "tags (!name) are not read"),
}

_MEASURE = """
import pathlib, resource, sys
sys.path.insert(0, sys.argv[1])
from playbook_words import problems
text = sys.stdin.read()
assert problems(text)
status = pathlib.Path("/proc/self/status")  # ru_maxrss would count what the parent used before exec
lines = status.read_text().splitlines() if status.exists() else []
peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
print((peaks[0] if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) // 1024)
"""


@pytest.mark.parametrize(
    ("loader", "name"),
    [
        *((tree._LOADER, name) for name in HOSTILE),
        # The parser written in Python is only the fall-back; it needs longer for 200,000 values.
        *((yaml.SafeLoader, name) for name in HOSTILE if name != "many values"),
    ],
)
def test_hostile_text_is_refused_within_a_second(name: str, loader: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_LOADER", loader)
    text, message = HOSTILE[name]
    started = process_time()
    found = problems(text)
    assert process_time() - started < 1
    assert any(message in problem for problem in found)


@pytest.mark.parametrize("name", ["alias bomb", "deep list"])
def test_hostile_text_takes_little_memory(name: str) -> None:
    """Threat 5: less than 100 MiB for the whole process."""
    argv = [sys.executable, "-c", _MEASURE, str(Path(__file__).parents[1])]
    done = subprocess.run(argv, input=HOSTILE[name][0], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100


def test_a_flood_of_mistakes_is_cut_at_a_hundred() -> None:
    found = problems("dnsrun: 1\n" + "".join(f"k{number}: x\n" for number in range(500)))
    assert len(found) == 101
    assert "only the first 100 problems are listed" in found[-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("goal: a\x07b", "1:8: the character U+0007 may not stand in a file"),
        ("a: b\ngoal: \x00", "2:7: the character U+0000"),
        ("goal: \ud800", "1:7: the character U+D800"),
        ("- a\n- b", "1:1: a playbook is a mapping that begins with 'dnsrun: 1'"),
        ("text", "1:1: a playbook is a mapping"),
    ],
)
def test_text_that_is_no_playbook_is_told_apart(text: str, message: str) -> None:
    assert message in problems(text)[0]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_misses_everything(text: str) -> None:
    assert problems(text)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_both_parsers_give_the_same_tree(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = file.read_text(encoding="utf-8")
    fast = tree.read_tree(text, Problems("x"), "x")
    monkeypatch.setattr(tree, "_LOADER", yaml.SafeLoader)
    assert tree.read_tree(text, Problems("x"), "x") == fast


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "client.yaml"
    path.write_bytes("dnsrun: 1\ngoal: 移転\n".encode("shift_jis"))
    with pytest.raises(PlaybookError, match=r"client\.yaml:2:1: this line is not UTF-8; save the file as UTF-8"):
        load_playbook(path, KINDS, today=TODAY)


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "client.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    with pytest.raises(PlaybookError, match="larger than 1 MiB"):
        load_playbook(path, KINDS, today=TODAY)


def test_a_file_is_read_like_its_text(tmp_path: Path) -> None:
    path = tmp_path / "web-move.yaml"
    path.write_text(answered("web-move"), encoding="utf-8")
    assert load_playbook(path, KINDS, today=TODAY) == read(answered("web-move"), str(path))


def test_messages_show_no_byte_that_steers_a_terminal() -> None:
    """Threat 16: what the playbook's author typed is escaped."""
    text = 'dnsrun: 1\n"\\e[31m\\u202Ekey": x\ndomain: "\\e]0;title\\a"\n'
    assert all(problem.isprintable() for problem in problems(text))
    assert any(r"\x1b[31m\u202ekey" in problem for problem in problems(text))
