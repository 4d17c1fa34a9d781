"""Mail servers that flood, drip, garble or close early: every conversation ends in time, with a judgement."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsrun.gates.budget import Budget
from dnsrun.gates.mail.accounts import Keys
from dnsrun.gates.mail.letters import LostError, inbox, letter, post, take_out
from dnsrun.gates.mail.mailbox import Visit, read_imap, read_pop3, visit
from dnsrun.gates.mail.smtpline import Talk, converse
from dnsrun.gates.mail.wire import OCTETS_CAP, Connect, Wire
from dnsrun.gates.secured import context
from dnsrun.gates.silence import BROKEN
from dnsrun.model.observation import NoReply, Words
from gateworld import NOON
from webworld import raw

HOST = "mail.client.example"
TRUST = context("")
KEYS = Keys("test", "canary-7")
LETTER = letter("a@client.example", "b@client.example")
Got = Words | NoReply


class Bare(Wire):
    """A wire that takes no TLS: what comes after it is under test."""

    def secure(self, host: str, trust: ssl.SSLContext) -> Wire:
        """Take it for done."""
        self.certificate = {"certificate_fingerprint": "0"}
        return self


def smtp(connect: Connect, timeout_s: float) -> Got:
    return converse(connect, Talk(HOST, TRUST, insists=True, rcpt="a@client.example", login=KEYS), timeout_s)


def imap(connect: Connect, timeout_s: float) -> Got:
    to = Visit(HOST, TRUST, at_once=True, login=KEYS)
    return visit(connect, lambda wire: read_imap(wire, to), timeout_s)


def pop3(connect: Connect, timeout_s: float) -> Got:
    to = Visit(HOST, TRUST, at_once=True, login=KEYS)
    return visit(connect, lambda wire: read_pop3(wire, to), timeout_s)


def posting(connect: Connect, timeout_s: float) -> Got:
    to = Visit(HOST, TRUST, at_once=True, login=KEYS)
    try:
        return Words(post(connect, to, LETTER, NOON, Budget(timeout_s), ours=True))
    except LostError as err:
        return Words(str(err), ((BROKEN, str(err)),))
    except OSError as err:
        return Words(str(err), ((BROKEN, str(err)),)) if str(err) else NoReply("timeout")


def fetching(connect: Connect, timeout_s: float) -> Got:
    to = Visit(HOST, TRUST, at_once=True, login=KEYS)
    try:
        budget = Budget(timeout_s)
        with inbox(connect, to, budget, ours=True) as line:
            return Words(take_out(line, LETTER, budget, HOST))
    except LostError as err:
        return Words(str(err), ((BROKEN, str(err)),))
    except OSError as err:
        return Words(str(err), ((BROKEN, str(err)),)) if str(err) else NoReply("timeout")


CLIENTS: dict[str, Callable[[Connect, float], Got]] = {
    "smtp": smtp,
    "imap": imap,
    "pop3": pop3,
    "posting": posting,
    "fetching": fetching,
}
each_client = pytest.mark.parametrize("client", CLIENTS)
GREETING = {"smtp": b"220 ", "posting": b"220 ", "imap": b"* OK ", "fetching": b"* OK ", "pop3": b"+OK "}


def asked(client: str, place: tuple[str, int], timeout_s: float = 5) -> Got:
    return CLIENTS[client](lambda budget: Bare(socket.create_connection(place), budget), timeout_s)


def is_broken(got: Got) -> bool:
    return isinstance(got, Words) and bool(got.fact(BROKEN))


@each_client
@pytest.mark.parametrize("shape", ["one line", "many lines", "a list without end"])
def test_a_flood_is_cut(client: str, shape: str) -> None:
    def behave(connection: socket.socket, over: Event) -> None:
        line = {"one line": b"x" * 1000, "many lines": b"noise\r\n" * 100}.get(shape)
        more = {"smtp": b"220-x\r\n", "posting": b"220-x\r\n", "pop3": b"+OK\r\n"}.get(client, b"* OK x\r\n")
        with suppress(OSError):
            connection.sendall(GREETING[client] if shape == "one line" else b"")
            while not over.is_set():
                connection.sendall(line or more * 100)

    with raw(behave) as place:
        assert is_broken(asked(client, place))


@each_client
def test_fault_48_a_drip_ends_with_the_time(client: str) -> None:
    def behave(connection: socket.socket, over: Event) -> None:
        with suppress(OSError):
            connection.sendall(GREETING[client])
            while not over.wait(0.05):
                connection.sendall(b"x")

    with raw(behave) as place:
        assert asked(client, place, 0.5) == NoReply("timeout") or client in {"posting", "fetching"}


@each_client
@pytest.mark.parametrize(
    "said", [b"", b"\0\0\0\r\n", b"\xff\xfe\xfd\r\n", b"HTTP/1.1 400 Bad\r\n", b"22", b"* OK", b"\r\n"]
)
def test_garbage_nul_and_an_early_end_are_judged(client: str, said: bytes) -> None:
    with raw(lambda connection, _: connection.sendall(said)) as place:
        got = asked(client, place)
    assert is_broken(got) or got == NoReply("refused")


@pytest.mark.parametrize("client", ["imap", "fetching"])
@pytest.mark.parametrize("size", [b"999999999999999", b"9" * 30, b"9" * 5000, str(OCTETS_CAP + 1).encode()])
def test_a_literal_that_nobody_would_send_takes_no_memory(client: str, size: bytes) -> None:
    with raw(lambda connection, _: connection.sendall(b"* OK {" + size + b"}\r\n")) as place:
        assert is_broken(asked(client, place))


@pytest.mark.parametrize("client", ["posting", "smtp"])
def test_silence_is_no_broken_protocol(client: str) -> None:
    """smtplib says of both that the server is disconnected."""

    def behave(connection: socket.socket, over: Event) -> None:
        connection.sendall(b"220 here\r\n")
        over.wait()

    with raw(behave) as place:
        got = asked(client, place, 0.3)
    assert got == NoReply("timeout") or (isinstance(got, Words) and "time" in got.text)


WORDS = {
    "smtp": [b"220 x\r\n", b"250-x\r\n", b"250 AUTH PLAIN\r\n", b"250 x\r\n", b"235 x\r\n", b"334 x\r\n", b"354 x\r\n"],
    "imap": [
        b"* OK x\r\n", b"* PREAUTH x\r\n", b"* BYE x\r\n", b"* CAPABILITY IMAP4rev1 UIDPLUS\r\n", b"TAG OK x\r\n",
        b"TAG NO x\r\n", b"TAG BAD x\r\n", b"* 3 EXISTS\r\n", b"* SEARCH 7\r\n", b"* SEARCH\r\n", b"* SEARCH x *\r\n",
        b"* 7 FETCH (UID 7 BODY[] {3}\r\nabc)\r\n", b"+ go on\r\n", b"* CAPABILITY {3}\r\nabc\r\n", b"* CAPABILITY\r\n",
    ],
    "pop3": [b"+OK x\r\n", b"-ERR x\r\n", b"+OK\r\n", b"+OK 1\r\n", b"+OK x y\r\n", b"+OK 3 4\r\n", b".\r\n", b"\r\n"],
}  # fmt: skip
WORDS |= {"posting": WORDS["smtp"], "fetching": WORDS["imap"]}


@each_client
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_server_says_there_is_a_judgement(client: str, data: st.DataObject) -> None:
    known = st.sampled_from(WORDS[client])
    said = data.draw(st.lists(known | st.binary(max_size=40) | st.binary(max_size=20).map(lambda one: one + b"\r\n")))
    ours, theirs = socket.socketpair()
    speaker = Thread(target=_speak, args=(theirs, said))
    speaker.start()
    try:
        got = CLIENTS[client](lambda budget: _Paired(ours, budget), 0.5)
    finally:
        ours.close()
        speaker.join()
    assert isinstance(got, Words | NoReply)
    assert "canary" not in repr(got)


class _Paired(Bare):
    @property
    def own_address(self) -> str:
        """Pairs have none."""
        return "127.0.0.1"


def _speak(connection: socket.socket, said: list[bytes]) -> None:
    """Say one thing for each command; IMAP tags are what the client chose."""
    with connection, suppress(OSError):
        connection.settimeout(5)
        for one in said:
            heard = connection.recv(4096).split(b" ")[0] if b"TAG" in one else b""
            connection.sendall(one.replace(b"TAG", heard))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
