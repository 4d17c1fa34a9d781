"""Gate `http`: the server's words, its silence, and where it must not lead us."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from dnsrun.gates.http import Http
from dnsrun.gates.reach import why_not
from dnsrun.model.observation import NoReply, Observation, Verdict, Words
from dnsrun.model.playbook import Json
from gateworld import NEW, OLD, WEB_MOVES, WWW, FixedView, Places, case, net, said, silent, spec
from webworld import Reply, Web, drip, endless, hang, raw, reset, smtp, web

GATE = Http()
URL = f"https://{WWW}/"
CASE = case(WEB_MOVES)
OK: Reply = (200, {}, "<h1>Client 株式会社</h1>".encode())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


def tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or (WWW,))).configure_cert(trust)
    return trust


Start = Callable[..., Web]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda *replies, **more: stack.enter_context(web(*replies, **more))


def look(
    places: Places, url: str = f"http://{WWW}/", hosts: Mapping[str, tuple[str, ...]] | None = None, **more: Json
) -> tuple[Verdict, tuple[Observation, ...]]:
    """Observe and judge one round."""
    view = FixedView(net(places), hosts=hosts or {WWW: (NEW,)}, name="future")
    written = spec(GATE, url=url, **more)
    seen = GATE.observe(written, CASE, view, view.net)
    return GATE.judge(written, CASE, seen), seen


def facts(seen: tuple[Observation, ...]) -> dict[str, str]:
    (only,) = seen
    assert isinstance(only.got, Words)
    return dict(only.got.facts)


def test_fault_49_the_future_address_is_tested_while_the_old_one_still_answers(start: Start) -> None:
    old, new = start({"/": OK}), start({"/": (500, {}, b"")})
    places = {(OLD, 80): old.place, (NEW, 80): new.place}
    verdict, _ = look(places)
    assert (verdict.outcome, verdict.because) == ("fail", f"http://{WWW}/ answers 500 at {NEW}")
    assert old.heard == []
    assert look(places, hosts={WWW: (OLD,)})[0].outcome == "pass"


def test_the_name_is_sent_and_nothing_secret(start: Start) -> None:
    server = start({"/login?next=%E5%86%86": OK})
    verdict, _ = look({(NEW, 80): server.place}, url=f"http://{WWW}/login?next=円")
    assert verdict.outcome == "pass"
    ((_, fields),) = server.heard
    assert fields["Host"] == WWW
    assert set(fields) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


def test_https_is_verified_against_the_name_and_the_certificate_is_told(
    start: Start, authority: trustme.CA, ca: str
) -> None:
    server = start({"/": OK}, tls=tls(authority))
    verdict, seen = look({(NEW, 443): server.place}, URL, ca=ca)
    assert (verdict.outcome, verdict.because) == ("pass", f"{URL} answers 200 at {NEW}")
    assert len(facts(seen)["certificate_fingerprint"]) == 64
    assert facts(seen)["certificate_subject"] == WWW


def test_a_certificate_for_another_name_or_of_a_stranger_fails(start: Start, authority: trustme.CA, ca: str) -> None:
    """Threat 20."""
    wrong = start({"/": OK}, tls=tls(authority, "other.example"))
    verdict, _ = look({(NEW, 443): wrong.place}, URL, ca=ca)
    assert verdict.outcome == "fail"
    assert "the certificate is not valid" in verdict.because
    assert WWW in verdict.because
    assert wrong.heard == []
    stranger = start({"/": OK}, tls=tls(trustme.CA()))
    assert look({(NEW, 443): stranger.place}, URL, ca=ca)[0].outcome == "fail"


@pytest.mark.parametrize(
    ("more", "outcome", "words"),
    [
        ({"contains": "株式会社"}, "pass", "answers 200"),
        ({"contains": "Moved"}, "fail", 'does not contain "Moved"'),
        ({"absent": "Client"}, "fail", 'contains "Client"'),
        ({"absent": "nginx"}, "pass", "answers 200"),
        ({"status": 404}, "fail", "answers 200"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "shift_jis", "euc-jp"])
def test_status_and_text_of_the_page(
    start: Start, more: dict[str, Any], outcome: str, words: str, encoding: str
) -> None:
    server = start({"/": (200, {}, "<h1>Client 株式会社</h1>".encode(encoding))})
    verdict, _ = look({(NEW, 80): server.place}, **more)
    assert verdict.outcome == outcome
    assert words in verdict.because


def test_every_address_is_asked_and_the_bad_one_is_named(start: Start) -> None:
    good, bad = start({"/": OK}), start({"/": (503, {}, b"")})
    places = {(NEW, 80): good.place, ("203.0.113.21", 80): bad.place}
    verdict, _ = look(places, hosts={WWW: (NEW, "203.0.113.21")})
    assert verdict.because == f"http://{WWW}/ answers 503 at 203.0.113.21"


def test_a_redirect_to_https_stays_at_the_address_under_test(start: Start, authority: trustme.CA, ca: str) -> None:
    new = start({"/": OK}, tls=tls(authority))
    plain = start({"/": (301, {"Location": URL}, b"")})
    verdict, _ = look({(NEW, 80): plain.place, (NEW, 443): new.place}, ca=ca)
    assert (verdict.outcome, verdict.because) == (
        "pass",
        f"http://{WWW}/ answers 200 after a redirect to {URL} at {NEW}",
    )


def test_a_redirect_to_another_host_asks_the_view_for_its_address(start: Start) -> None:
    first = start({"/": (302, {"Location": "http://shop.client.example/x"}, b"")})
    second = start({"/x": (500, {}, b"")})
    hosts = {WWW: (NEW,), "shop.client.example": ("203.0.113.30",)}
    verdict, _ = look({(NEW, 80): first.place, ("203.0.113.30", 80): second.place}, hosts=hosts)
    assert verdict.because == f"http://{WWW}/ answers 500 after a redirect to http://shop.client.example/x at {NEW}"


@pytest.mark.parametrize(
    ("location", "hosts"),
    [
        ("http://169.254.169.254/latest/meta-data/", {}),
        ("http://metadata.example/", {"metadata.example": ("169.254.169.254",)}),
        ("http://inside.example/", {"inside.example": ("203.0.113.9", "10.0.0.1")}),
        ("http://[::ffff:127.0.0.1]/", {}),
        ("http://[fd00:ec2::254]/", {}),
        ("file:///etc/passwd", {}),
        ("gopher://client.example/", {}),
        ("http://user:secret@www.client.example/", {}),
        ("http://[bad/", {}),
    ],
)
def test_threat_11_redirects_to_forbidden_places_are_refused(
    start: Start, location: str, hosts: dict[str, tuple[str, ...]]
) -> None:
    inside = start({"/": OK, "/latest/meta-data/": OK})
    leading = start({"/": (302, {"Location": location}, b"")})
    trap = dict.fromkeys((("169.254.169.254", 80), ("10.0.0.1", 80), ("203.0.113.9", 80)), inside.place)
    verdict, _ = look({(NEW, 80): leading.place} | trap, hosts={WWW: (NEW,)} | hosts)
    assert verdict.outcome == "fail"
    assert "which is not followed" in verdict.because
    assert inside.heard == []
    assert len(leading.heard) == 1


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "127.0.0.1", "100.64.0.1", "::1", "fe80::1"])
def test_threat_11_a_gate_to_an_inside_address_asks_nobody(start: Start, address: str) -> None:
    inside = start({"/": OK})
    places = {(address, 80): inside.place}
    verdict, _ = look(places, hosts={WWW: (address,)})
    assert (verdict.outcome, inside.heard) == ("unknown", [])
    assert "allow_private" in verdict.because
    assert look(places, hosts={WWW: (address,)}, allow_private=True)[0].outcome == "pass"


def test_threat_11_the_address_that_was_checked_is_the_one_that_is_used(start: Start) -> None:
    """DNS rebinding: the second answer for the same name would be an inside address."""

    class Rebinding(FixedView):
        def addresses(self, host: str) -> tuple[str, ...]:
            return (NEW,) if not self.asked and not self.asked.append(host) else ("169.254.169.254",)  # type: ignore[func-returns-value] # None is the point

    inside = start({"/": OK, "/again": OK})
    outside = start({"/": (302, {"Location": f"http://{WWW}/again"}, b""), "/again": (200, {}, b"")})
    view = Rebinding(net({(NEW, 80): outside.place, ("169.254.169.254", 80): inside.place}))
    written = spec(GATE, url=f"http://{WWW}/")
    verdict = GATE.judge(written, CASE, GATE.observe(written, CASE, view, view.net))
    assert (verdict.outcome, inside.heard) == ("pass", [])
    assert [path for path, _ in outside.heard] == ["/", "/again"]


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.0.2.1", True),
        ("198.51.100.1", True),
        ("203.0.113.1", True),
        ("2001:db8::1", True),
        ("1.1.1.1", True),
        ("2606:4700::1111", True),
        ("192.168.1.1", False),
        ("172.16.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::1", False),
        ("fec0::1", False),
    ],
)
def test_threat_11_which_addresses_the_internet_can_mean(address: str, allowed: bool) -> None:
    assert (why_not(address) is None) is allowed


def test_an_address_that_was_not_asked_is_no_control_for_a_silent_one() -> None:
    assert look({}, hosts={WWW: (NEW, "10.0.0.1")})[0].outcome == "unknown"


def test_redirects_end(start: Start) -> None:
    server = start({"/": (302, {"Location": "/"}, b"")})
    verdict, _ = look({(NEW, 80): server.place})
    assert (verdict.outcome, len(server.heard)) == ("fail", 6)
    assert "redirects more than 5 times" in verdict.because


@pytest.mark.parametrize(
    ("location", "outcome"), [("/new", "pass"), ("http://www.client.example/new", "pass"), ("/old", "fail")]
)
def test_a_wanted_redirect_is_compared_and_not_followed(start: Start, location: str, outcome: str) -> None:
    server = start({"/": (301, {"Location": location}, b"")})
    verdict, _ = look({(NEW, 80): server.place}, redirect_to=f"http://{WWW}/new")
    assert (verdict.outcome, len(server.heard)) == (outcome, 1)


def test_a_refused_connection_is_evidence_by_itself(start: Start) -> None:
    with raw(reset) as closed:
        pass
    old = start({"/": OK})
    verdict, seen = look({(NEW, 80): closed, (OLD, 80): old.place})
    assert (verdict.outcome, verdict.because) == ("fail", f"http://{WWW}/ refuses the connection at {NEW}")
    assert len(seen) == 1


@pytest.mark.parametrize(("behave", "words"), [(reset, "refuses the connection"), (smtp, "does not speak HTTP")])
def test_a_reset_and_another_protocol_are_failures(behave: Any, words: str) -> None:
    with raw(behave) as place:
        verdict, _ = look({(NEW, 80): place})
    assert verdict.outcome == "fail"
    assert words in verdict.because


@pytest.mark.parametrize("behave", [hang, drip])
def test_fault_48_a_hanging_server_fails_only_when_the_old_address_answers(start: Start, behave: Any) -> None:
    old = start({"/": OK})
    with raw(behave) as place:
        alone, _ = look({(NEW, 80): place}, timeout=1)
        assert (alone.outcome, "nothing comparable" in alone.because) == ("unknown", True)
        verdict, seen = look({(NEW, 80): place, (OLD, 80): old.place}, timeout=1)
    assert (verdict.outcome, verdict.because) == ("fail", f"http://{WWW}/ does not answer at {NEW}")
    assert [one.server.address for one in seen if one.control] == [OLD]


def test_a_server_that_hangs_during_the_handshake_is_silent(ca: str) -> None:
    with raw(hang) as place:
        _, seen = look({(NEW, 443): place}, URL, ca=ca, timeout=1)
    assert seen[0].got == NoReply("timeout")


def test_a_body_without_end_is_cut() -> None:
    with raw(endless) as place:
        verdict, _ = look({(NEW, 80): place}, absent="y")
    assert verdict.outcome == "pass"


def test_unknown_addresses_and_a_missing_certificate_file_are_not_evidence(start: Start) -> None:
    server = start({"/": OK})
    assert look({(NEW, 80): server.place}, hosts={"other.example": (NEW,)})[0].outcome == "unknown"
    assert look({(NEW, 80): server.place}, ca="/nowhere/ca.pem")[0].outcome == "unknown"
    assert look({(NEW, 80): server.place}, hosts={WWW: ()})[0].because == f"http://{WWW}/ {WWW} has no address"


def test_ipv6_without_a_route_is_not_checked_and_does_not_block(start: Start) -> None:
    server = start({"/": OK})
    verdict, _ = look({(NEW, 80): server.place}, hosts={WWW: (NEW, "2001:db8::20")})
    assert (verdict.outcome, verdict.not_checked) == ("pass", (f"http://{WWW}/ at 2001:db8::20",))
    assert look({}, hosts={WWW: ("2001:db8::20",)})[0].outcome == "unknown"


def test_what_a_server_says_is_escaped(start: Start) -> None:
    """Threat 16."""
    server = start({"/": (302, {"Location": "http://x.example/\x1b]0;x\x07\u00e2\u0080\u00ae"}, b"")})
    verdict, _ = look({(NEW, 80): server.place}, redirect_to="http://y.example/")
    assert verdict.outcome == "fail"
    assert verdict.because.isascii()
    assert verdict.because.isprintable()


def test_judging_needs_no_network() -> None:
    written = spec(GATE, url=URL)
    bad = said(WWW, NEW, 443, "503 Service Unavailable", status="503")
    quiet = replace(silent(URL, bad.server), transport="tcp")
    assert GATE.judge(written, CASE, (bad,)).because == f"{URL} answers 503 at {NEW}"
    assert GATE.judge(written, CASE, (quiet,)).outcome == "unknown"
    control = replace(said(WWW, OLD, 443), control=True)
    assert GATE.judge(written, CASE, (quiet, control)).outcome == "fail"
    assert GATE.judge(written, CASE, ()).outcome == "unknown"
