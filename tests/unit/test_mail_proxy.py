"""`via: socks5://…`: the connection goes where the view says, and the proxy's trouble is nobody's fault."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from threading import Event

import pytest

from dnsrun.gates.mail.smtp import Smtp
from dnsrun.gates.mail.socks import ProxyError, place_of
from dnsrun.model.observation import Verdict
from dnsrun.model.rrset import rrset
from gateworld import NEW, OLD, case, change, net, spec
from mailwords import MX_HOST, Behaviour, MailView, cut, quiet, smtp
from webworld import hang, raw

GATE = Smtp()
PROXY = "198.51.100.5"
HOST_MOVES = change(rrset(MX_HOST, 600, "A", OLD), rrset(MX_HOST, 600, "A", NEW))

Start = Callable[[Behaviour], tuple[str, int]]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda behave: stack.enter_context(raw(behave))


def proxy(to: Behaviour | None, *, code: int = 0, asked: list[bytes] | None = None) -> Behaviour:
    """Return a SOCKS 5 server that answers with a code and then behaves as the server behind it."""

    def behave(connection: socket.socket, over: Event) -> None:
        assert connection.recv(3) == b"\x05\x01\x00"
        connection.sendall(b"\x05\x00")
        request = connection.recv(300)
        if asked is not None:
            asked.append(request)
        connection.sendall(bytes((5, code, 0, 1)) + bytes(6))
        if to and not code:
            to(connection, over)

    return behave


def look(place: tuple[str, int], address: str = NEW, via: str = f"socks5://{PROXY}:1080") -> Verdict:
    places = {(PROXY, 1080): place}
    view = MailView(net(places), hosts={MX_HOST: (address,), "proxy.example": (PROXY,)}, mx=("10 mx.client.example.",))
    written, told = spec(GATE, via=via, rcpt="info@client.example", timeout=1), case(HOST_MOVES)
    return GATE.judge(written, told, GATE.observe(written, told, view, view.net))


def test_the_address_of_the_view_is_asked_through_the_proxy(start: Start) -> None:
    asked: list[bytes] = []
    place = start(proxy(smtp(), asked=asked))
    assert look(place).outcome == "pass"
    assert asked == [b"\x05\x01\x00\x01" + socket.inet_aton(NEW) + b"\x00\x19"]
    assert look(place, "2001:db8::5").outcome == "pass"
    assert asked[1] == b"\x05\x01\x00\x04" + socket.inet_pton(socket.AF_INET6, "2001:db8::5") + b"\x00\x19"


def test_the_proxys_name_is_looked_up_in_the_view(start: Start) -> None:
    assert look(start(proxy(smtp())), via="socks5://proxy.example:1080").outcome == "pass"
    assert "the proxy nowhere.example" in look(start(proxy(smtp())), via="socks5://nowhere.example:1080").because


def test_what_the_server_says_through_the_proxy_decides(start: Start) -> None:
    verdict = look(start(proxy(smtp(RCPT="550 no such user"))))
    assert (verdict.outcome, "550 no such user" in verdict.because) == ("fail", True)


def test_a_server_that_refuses_the_proxy_is_evidence(start: Start) -> None:
    assert "refuses the connection" in look(start(proxy(None, code=5))).because


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (proxy(None, code=1), "the proxy does not connect: its code is 1"),
        (proxy(None, code=2), "the proxy does not connect: its code is 2"),
        (proxy(None, code=4), "does not answer"),
        (proxy(None), "before the server says a word"),  # as `ssh -D` does when it cannot connect
        (proxy(cut), "before the server says a word"),
        (proxy(hang), "does not answer"),
        (smtp(), "does not speak SOCKS 5"),
        (cut, "the proxy"),
        (hang, "does not answer"),
    ],
)
def test_the_proxys_trouble_is_no_evidence(start: Start, behave: Behaviour, words: str) -> None:
    verdict = look(start(behave))
    assert verdict.outcome == "unknown"
    assert words in verdict.because


def test_a_proxy_that_cannot_be_reached_is_no_evidence() -> None:
    with raw(hang) as closed:
        pass
    assert f"the proxy {PROXY} cannot be reached" in look(closed).because


def test_controls_go_through_the_proxy_too(start: Start) -> None:
    """Else an old address that answers directly would make a proxy's silence the server's."""
    asked: list[bytes] = []
    direct = start(smtp())
    places = {(PROXY, 1080): start(proxy(quiet, asked=asked)), (OLD, 25): direct}
    view = MailView(net(places), hosts={MX_HOST: (NEW,)}, mx=("10 mx.client.example.",))
    written, told = spec(GATE, via=f"socks5://{PROXY}:1080", timeout=1), case(HOST_MOVES)
    assert GATE.judge(written, told, GATE.observe(written, told, view, view.net)).outcome == "unknown"
    assert [one[4:8] for one in asked] == [socket.inet_aton(NEW), socket.inet_aton(OLD)]


@pytest.mark.parametrize(
    ("via", "place"),
    [
        ("socks5://198.51.100.5:1080", ("198.51.100.5", 1080)),
        ("socks5://[2001:db8::1]:1080", ("2001:db8::1", 1080)),
        ("socks5://proxy.example:1", ("proxy.example", 1)),
        ("socks5://proxy.example:99999", None),
        ("socks5://proxy.example:0", None),
    ],
)
def test_how_a_proxy_is_written(via: str, place: tuple[str, int] | None) -> None:
    found = None
    with suppress(ProxyError):
        found = place_of(via)
    assert found == place
