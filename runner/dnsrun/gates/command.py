"""Gate `command`: a program of the user's own decides, when the user allowed programs for this playbook."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress

from dnsrun.clock import now_utc
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint, NoReply, Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import SERVICE_TIMING, Fragment
from dnsrun.ports.net import Net, View

from . import options
from .budget import Budget
from .services import not_asked
from .silence import NOT_ASKED

_TIMEOUT_S = 10
_KEPT_OCTETS = 4096
_POLL_S = 0.05
# Threat 3: secrets of ours never reach a program by its environment.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "HOME")
_HERE = "127.0.0.1"


class Command:
    """Run an argument list without a shell: exit code 0 passes, any other fails, a time-out proves nothing."""

    kind = "command"
    fragment = Fragment(
        "a program of your own says yes (exit code 0); runs only with --allow-commands",
        {
            "run": {
                "description": "program and arguments, no shell; DNSRUN_DOMAIN, DNSRUN_PHASE and DNSRUN_ADDRESS "
                "(addresses of `host` as clients will see them) are in its environment",
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
            },
            "host": {"description": "whose addresses are told: the domain's unless said", "format": "host-name"}
            | {"type": "string"},
            "timeout": {"description": "for one run: 10s", "type": "string", "format": "duration"},
        },
        required=("run",),
        defaults=SERVICE_TIMING,
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:  # noqa: ARG002 - the program has its own sockets
        """Run the program once; kills its process group when the time is up (fault 48)."""
        argv = options.texts(spec, "run")
        if not case.commands_allowed:
            got: Words | NoReply = not_asked("commands are not allowed; run with --allow-commands")
        else:
            timeout_s = options.number(spec, "timeout", _TIMEOUT_S)
            got = _run(argv, _environment(spec, case, view), Budget(timeout_s), timeout_s)
        return (Observation(shorten(" ".join(argv)), Endpoint(case.apex, _HERE), now_utc(), got, "process"),)

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - the exit code alone decides
        """Judge one run; pure."""
        name = shorten(options.texts(spec, "run")[0], 80)
        got = seen[0].got if seen else None
        if not isinstance(got, Words):
            return Verdict("unknown", f"{name} was not run", seen)
        if why := got.fact(NOT_ASKED):
            return Verdict("unknown", f"{name}: {shorten(why)}", seen)
        code = got.fact("exit_code")
        said = f": {shorten(got.text)}" if got.text else ""
        return Verdict("pass" if code == "0" else "fail", f"{name} ends with {code}{said}", seen)


def _environment(spec: GateSpec, case: GateCase, view: View) -> dict[str, str]:
    host = options.text(spec, "host") or case.apex.to_text()
    addresses: tuple[str, ...] = ()
    with suppress(OutsideError):  # a program that needs no address must not fail for the lack of one
        addresses = view.addresses(host.rstrip("."))
    told = {
        "DNSRUN_DOMAIN": case.apex.to_text(omit_final_dot=True),
        "DNSRUN_PHASE": str(case.phase),
        "DNSRUN_ADDRESS": " ".join(addresses),
    }
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | told


def _run(argv: tuple[str, ...], environment: Mapping[str, str], budget: Budget, timeout_s: int) -> Words:
    try:
        process = subprocess.Popen(  # noqa: S603 - an argument list that the person allowed, no shell
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as err:
        return not_asked(f"cannot be started: {getattr(err, 'strerror', None) or err}")
    kept = bytearray()
    try:
        code = _wait(process, kept, budget)
    except TimeoutError:
        return not_asked(f"did not end within {timeout_s} s and was stopped")
    finally:
        _end(process)
    text = " ".join(kept.decode(errors="replace").split())
    return Words(text, (("exit_code", str(code)),))


def _wait(process: subprocess.Popen[bytes], kept: bytearray, budget: Budget) -> int:
    """Read what the program says and return its exit code; raises `TimeoutError`.

    Ends with the program, also when a child of its own still holds the pipe.
    """
    pipe = process.stdout.fileno() if process.stdout else -1
    talks = True
    while True:
        if talks and select.select([pipe], [], [], min(_POLL_S, budget.left_s()))[0]:
            said = os.read(pipe, 65536)
            talks = bool(said)
            kept += said[: _KEPT_OCTETS - len(kept)]
            budget.left_s()
        elif (code := process.poll()) is not None:
            return code
        elif not talks:
            return _exit_code(process, budget)


def _exit_code(process: subprocess.Popen[bytes], budget: Budget) -> int:
    try:
        return process.wait(budget.left_s())
    except subprocess.TimeoutExpired as err:
        raise TimeoutError from err


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of the program's process group, and take the program's end."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()
