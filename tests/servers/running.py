"""A real server in the foreground: started, waited for, asked, frozen, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.zone

from dnsrun.model.observation import Endpoint

from .ports import LOOPBACK, free_port
from .waiting import eventually
from .zones import Key, absolute

_START_S = 15.0
_STOP_S = 10.0
_ASK_S = 2.0
_TOOL_S = 30.0
_LOG_LINES = 40


class RunningServer(ABC):
    """One server process with its own short temporary folder; a context manager.

    `port` may be given, for servers that must know each other before they start (see `free_port`).
    """

    software = "?"
    folder_in: str | None = None

    def __init__(self, name: str = "", *, port: int | None = None) -> None:
        self.name = name or f"{self.software}.test."
        self.address = LOOPBACK
        self.port = port or free_port()
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def directory(self) -> Path:
        """The server's folder; a short path, since sockets lie in it."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f"{self.software}-", dir=self.folder_in))
        return self._folder

    @property
    def endpoint(self) -> Endpoint:
        """Where it really listens: 127.0.0.1 and its port."""
        return Endpoint(dns.name.from_text(self.name), self.address, self.port)

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, f"{self.software} is not running"
        return self._process.pid

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """Write what the server needs into `directory` and return the command that runs it in the foreground."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Tell whether the server answers for everything it was given."""

    def start(self) -> None:
        """Start the process (again) and return when it answers; same port, same folder as before."""
        command = [*self._command()]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        self._wait(self._is_ready, "an answer")

    def ask_to_end(self) -> None:
        """Tell the process to end, and do not wait for it; harmless when it has ended."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()

    def stop(self) -> None:
        """End the process and wait for it; harmless when it has ended."""
        if self._process is None:
            return
        self.ask_to_end()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Stop the process without ending it (SIGSTOP): questions are not answered, sockets stay open."""
        self._signal(signal.SIGSTOP)
        # The signal takes effect some time later, and until then the server may still answer.
        os.waitpid(self.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """Let a frozen process go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def log(self) -> str:
        """Return everything the server wrote to its standard output and error."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def ask(
        self, owner: str | dns.name.Name, rdtype: str, *, tcp: bool = False, recurse: bool = False
    ) -> dns.message.Message:
        """Ask one question (RD=0 unless `recurse`) and return the answer; raises dnspython's errors."""
        query = dns.message.make_query(owner, rdtype, flags=dns.flags.RD if recurse else 0)
        how = dns.query.tcp if tcp else dns.query.udp
        return how(query, self.address, timeout=_ASK_S, port=self.port)

    def values(self, owner: str, rdtype: str, *, recurse: bool = False) -> set[str]:
        """Return the answer's RDATA of that type as text; empty when there are none."""
        answer = self.ask(owner, rdtype, tcp=True, recurse=recurse).answer
        wanted = dns.rdatatype.from_text(rdtype)
        return {rdata.to_text() for rrset in answer if rrset.rdtype == wanted for rdata in rrset}

    def ttl_s(self, owner: str, rdtype: str) -> int:
        """Return the TTL of an RRset that exists."""
        (rrset, *_) = self.ask(owner, rdtype, tcp=True).answer
        return int(rrset.ttl)

    def serial(self, origin: str) -> int:
        """Return the zone's serial."""
        ((soa,),) = self.ask(origin, "SOA", tcp=True).answer
        return int(soa.serial)

    def transfer(self, origin: str, key: Key | None = None) -> dns.zone.Zone:
        """Transfer the whole zone (AXFR), signed with `key` when given; names are absolute."""
        zone = dns.zone.Zone(absolute(origin), relativize=False)
        query = dns.message.make_query(absolute(origin), "AXFR")
        if key is not None:
            query.use_tsig(key.tsig())
        dns.query.inbound_xfr(self.address, zone, query, port=self.port, timeout=_ASK_S, lifetime=30)
        return zone

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"--- log of {self}:\n{self._log_tail()}")
        self._end()

    def __str__(self) -> str:
        return f"{self.software} {self.name} on {self.address}:{self.port}"

    @property
    def _log_path(self) -> Path:
        return self.directory / "server.log"

    def _log_tail(self) -> str:
        return "\n".join(self.log().splitlines()[-_LOG_LINES:])

    def _end(self) -> None:
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _run_tool(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TOOL_S, check=False)
        said = (done.stdout + done.stderr).strip()
        assert done.returncode == 0, f"{' '.join(command)}: {said}\n{self._log_tail()}"

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self} is not running"
        self._process.send_signal(number)

    def _serves(self, origin: str) -> bool:
        try:
            answer = self.ask(origin, "SOA", tcp=True)
        except (OSError, EOFError, dns.exception.DNSException):
            return False
        return bool(answer.rcode() == dns.rcode.NOERROR and answer.flags & dns.flags.AA and answer.answer)

    def _answers(self) -> bool:
        try:
            self.ask(".", "SOA", tcp=True)
        except (OSError, EOFError, dns.exception.DNSException):
            return False
        return True

    def _wait_for_zones(self, origins: Sequence[str]) -> None:
        self._wait(lambda: all(map(self._serves, origins)), f"zones {', '.join(origins)}")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        def alive_and_true() -> bool:
            assert self._process is not None
            if (code := self._process.poll()) is not None:
                raise AssertionError(f"{self} ended with {code} while starting:\n{self._log_tail()}")
            return condition()

        try:
            eventually(alive_and_true, _START_S, f"{what} from {self}")
        except AssertionError as error:
            error.add_note(self._log_tail())
            raise
