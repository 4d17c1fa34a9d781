"""Gates `command` and `confirm`, and the words that all gates bring."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dnsrun.gates.all import built_in
from dnsrun.gates.command import Command
from dnsrun.gates.confirm import Confirm
from dnsrun.model.observation import Verdict
from dnsrun.model.playbook import Json
from dnsrun.playbook.schema import BUILT_IN_GATES
from gateworld import NEW, WEB_MOVES, WWW, FixedView, case, net, spec
from servers.waiting import eventually

GATE = Command()
CASE = replace(case(WEB_MOVES), commands_allowed=True, phase=2)
VIEW = FixedView(net({}), hosts={WWW: (NEW, "2001:db8::20")})


def run(*argv: str, allowed: Json = True, **more: Json) -> Verdict:
    written, held = spec(GATE, run=argv, **more), replace(CASE, commands_allowed=bool(allowed))
    return GATE.judge(written, held, GATE.observe(written, held, VIEW, VIEW.net))


def python(source: str, **more: Json) -> Verdict:
    return run(sys.executable, "-c", source, allowed=True, **more)


def test_threat_9_nothing_runs_unless_commands_are_allowed(tmp_path: Path) -> None:
    verdict = run("touch", str(tmp_path / "ran"), allowed=False)
    assert (verdict.outcome, (tmp_path / "ran").exists()) == ("unknown", False)
    assert verdict.because == "touch: commands are not allowed; run with --allow-commands"


@pytest.mark.parametrize(("code", "outcome"), [(0, "pass"), (1, "fail"), (7, "fail")])
def test_the_exit_code_decides(code: int, outcome: str) -> None:
    verdict = python(f"print('seen'); raise SystemExit({code})")
    assert verdict.outcome == outcome
    assert verdict.because.endswith(f"ends with {code}: seen")


def test_threat_3_a_program_gets_an_allow_listed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "canary")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    allowed = {"PATH", "LANG", "LC_ALL", "TZ", "HOME", "DNSRUN_DOMAIN", "DNSRUN_PHASE", "DNSRUN_ADDRESS"}
    verdict = python(f"import os; print(sorted(set(os.environ) - {allowed!r} - {{'LC_CTYPE'}}))")  # Python's own
    assert verdict.because.endswith("ends with 0: []")


def test_a_program_is_told_domain_phase_and_addresses_of_the_view() -> None:
    source = "import os; print(os.environ['DNSRUN_DOMAIN'], os.environ['DNSRUN_PHASE'], os.environ['DNSRUN_ADDRESS'])"
    verdict = python(source, host=f"{WWW}.")
    assert verdict.because.endswith(f"client.example 2 {NEW} 2001:db8::20")


def test_no_shell_reads_the_arguments() -> None:
    assert run("echo", "$HOME; exit 1").because == "echo ends with 0: $HOME; exit 1"


def test_fault_48_a_hanging_program_and_its_children_are_killed(tmp_path: Path) -> None:
    source = f"""
import subprocess, sys, pathlib
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(child.pid))
child.wait()
"""
    verdict = python(source, timeout=2)
    assert verdict.outcome == "unknown"
    assert verdict.because.endswith("did not end within 2 s and was stopped")
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_child_that_holds_the_output_does_not_hold_the_gate(tmp_path: Path) -> None:
    source = f"""
import subprocess, sys, pathlib
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(child.pid))
"""
    assert python(source).outcome == "pass"
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_endless_output_ends_with_the_time() -> None:
    assert run("yes", timeout=1).outcome == "unknown"


def test_threat_16_what_a_program_prints_is_escaped_and_cut() -> None:
    verdict = python("print('\\x1b]0;owned\\x07\\u202e' + 'x' * 9000)")
    assert verdict.outcome == "pass"
    assert verdict.because.isprintable()
    assert len(verdict.because) < 400


def test_a_program_that_is_not_there_proves_nothing() -> None:
    assert run("/nowhere/check-mail").outcome == "unknown"


@pytest.mark.parametrize(("answer", "outcome"), [("yes", "pass"), ("no", "fail"), ("y", "fail"), (None, "unknown")])
def test_only_yes_confirms(answer: str | None, outcome: str) -> None:
    gate = Confirm()
    written = spec(gate, question="Is the shop open?")
    held = replace(CASE, answer=answer)
    verdict = gate.judge(written, held, gate.observe(written, held, VIEW, VIEW.net))
    assert verdict.outcome == outcome
    assert "Is the shop open?" in verdict.because


def test_every_gate_tells_playbooks_its_words() -> None:
    gates = built_in()
    mail = {"smtp", "submission", "imap", "pop3", "mail-round-trip", "old-server-refuses", "dkim", "dmarc"}
    assert set(gates) == {*BUILT_IN_GATES, *mail, "old-side", "resolvers", "http", "tls", "command", "confirm"}
    for word, gate in gates.items():
        assert gate.kind == word
        assert gate.fragment.summary
        assert all(one.get("description") and one.get("type") for one in gate.fragment.properties.values())
        assert set(gate.fragment.required) <= set(gate.fragment.properties)
        assert set(gate.fragment.defaults) == {"every_s", "within_s", "successes", "failures"}


def is_gone(pid: int) -> bool:
    """Tell whether the process ended; one that nobody has waited for yet has ended too."""

    def ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    return eventually(ended, 5.0, f"the end of process {pid}")
