"""PowerDNS behind a server that fails in chosen ways: what is known of the write, and what never leaks."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.name
import pytest
import trustme

from dnsrun.clock import VirtualClock
from dnsrun.dnsio.net import SocketNet
from dnsrun.errors import OutsideError, WriteConflict
from dnsrun.model.playbook import Json, Mark, ProviderSpec, SecretRef
from dnsrun.model.rrset import Change, rrset
from dnsrun.ports.provider import Context, ZoneProvider
from dnsrun_providers import powerdns_zone, webapi
from dnsrun_providers.powerdns import PLUGIN

APEX = dns.name.from_text("a.example.")
CANARY = 'canary/K+7"x'
START = datetime(2026, 3, 1, tzinfo=UTC)
OLD = rrset("www.a.example", 600, "A", "192.0.2.10")
NEW = rrset("www.a.example", 300, "A", "203.0.113.20")
SWITCH = (Change(OLD.key, OLD, NEW),)


def entry(name: str, rdtype: str, *values: str, ttl: Any = 600) -> dict[str, Any]:
    records = [{"content": value, "disabled": False} for value in values]
    return {"name": name, "type": rdtype, "ttl": ttl, "records": records, "comments": []}


SOA = entry("a.example.", "SOA", "ns.a.example. h.a.example. 7 60 60 60 60")
WWW = entry("www.a.example.", "A", "192.0.2.10")


def zone(*rrsets: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {"name": "a.example.", "kind": "Native", "soa_edit_api": "DEFAULT", "rrsets": list(rrsets)} | other


ZONE = zone(SOA, WWW)


@dataclass
class Say:
    """One HTTP answer; `length` is the Content-Length to claim, `silent` closes without a word."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    silent: bool = False

    @property
    def octets(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Api:
    """Answers each method with the listed answers in turn, the last one for ever; keeps what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, list[Say]] = {"GET": [Say(ZONE)], "PATCH": [Say(b"", 204)]}
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []
        self.release = threading.Event()

    def next(self, method: str) -> Say:
        answers = self.answers[method]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def count(self, method: str) -> int:
        return sum(asked == method for asked, *_ in self.asked)


def handler(give: Callable[[], Api]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            api = give()
            octets = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            api.asked.append((self.command, self.path, json.loads(octets or b"null"), dict(self.headers)))
            say = api.next(self.command)
            if say.silent:
                api.release.wait(10)
                self.close_connection = True
                return
            self.send_response(say.status)
            length = len(say.octets) if say.length is None else say.length
            for name, value in ({"Content-Length": str(length)} | say.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(say.octets)
            self.close_connection = say.length is not None

        def do_PATCH(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def served(context: ssl.SSLContext | None = None) -> Iterator[Api]:
    holder: list[Api] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(lambda: holder[0]))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    holder.append(Api(f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield holder[0]
    finally:
        holder[0].release.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def api() -> Iterator[Api]:
    with served() as answering:
        yield answering


class Secrets:
    def reveal(self, reference: SecretRef) -> str:
        return CANARY


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


def opened(api: Api, clock: VirtualClock, **options: Json) -> ZoneProvider:
    given: dict[str, Json | SecretRef] = {"api_url": api.url, "api_key": SecretRef("env", ("PDNS",)), **options}
    spec = ProviderSpec("pdns", "powerdns", given, (), Mark("a.yaml", 1, 1))
    return PLUGIN.open(spec, Context(SocketNet(clock), clock, Secrets()))


def failure(call: Callable[[], object]) -> OutsideError:
    with pytest.raises(OutsideError) as caught:
        call()
    return caught.value


# --- reading: only a whole, sound listing counts


def test_a_zone_is_read_with_the_key_from_where_the_url_says(api: Api, clock: VirtualClock) -> None:
    snapshot = opened(api, clock).read_zone(APEX)
    assert (snapshot.rrsets[OLD.key], snapshot.serial, snapshot.completeness) == (OLD, 7, "complete")
    ((_, path, _, headers),) = api.asked
    assert path == "/api/v1/servers/localhost/zones/a.example."
    assert headers["X-API-Key"] == CANARY


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(Say(zone(WWW)), "it has no SOA", id="first half only"),
        pytest.param(Say(zone()), "it has no SOA", id="empty list"),
        pytest.param(Say({}), "no 'rrsets'", id="empty object"),
        pytest.param(Say([]), "it is no zone", id="a list"),
        pytest.param(Say({"name": "a.example.", "rrsets": [SOA]}), "no 'kind'", id="kind missing"),
        pytest.param(Say(b""), "not JSON", id="nothing"),
        pytest.param(Say(json.dumps(ZONE).encode()[:-40]), "not JSON", id="broken JSON"),
        pytest.param(Say(ZONE, length=9999), "IncompleteRead", id="shorter than its Content-Length"),
        pytest.param(Say(zone(SOA, WWW, name="b.example.")), "it is b.example.", id="another zone"),
        pytest.param(Say(zone(SOA, entry("www.b.example.", "A", "192.0.2.1"))), "outside the zone", id="foreign name"),
        pytest.param(Say(zone(SOA, entry("nota.example.", "A", "192.0.2.1"))), "outside the zone", id="name as text"),
        pytest.param(Say(zone(SOA, WWW, WWW)), "listed twice", id="twice"),
        pytest.param(Say(zone(SOA, entry("www.a.example.", "A", "192.0.2.1", ttl="1h"))), "TTL", id="TTL as text"),
        pytest.param(Say(zone(SOA, entry("x" * 64 + ".a.example.", "A", "192.0.2.1"))), "label", id="no name"),
    ],
)
def test_a_listing_that_is_not_whole_and_sound_is_no_zone(api: Api, clock: VirtualClock, answer: Say, why: str) -> None:
    """Faults 30 and 31, threats 22 and 24."""
    api.answers["GET"] = [answer]
    error = failure(lambda: opened(api, clock).read_zone(APEX))
    assert why in str(error)
    assert error.certainty == "not-applied"


def test_a_zone_beyond_the_cap_is_refused(api: Api, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threat 22."""
    monkeypatch.setattr(powerdns_zone, "_MAX_RRSETS", 1)
    assert "more than 1 RRsets" in str(failure(lambda: opened(api, clock).read_zone(APEX)))
    monkeypatch.setattr(webapi, "_BODY_OCTETS", 100)
    assert "larger than 100 octets" in str(failure(lambda: opened(api, clock).read_zone(APEX)))


def test_nothing_is_written_when_the_listing_is_cut_off(api: Api, clock: VirtualClock) -> None:
    """P4: nothing is concluded from what a broken listing lacks."""
    api.answers["GET"] = [Say(zone(SOA)), Say(zone(WWW))]
    conflict = failure(lambda: opened(api, clock).apply(APEX, SWITCH))
    assert isinstance(conflict, WriteConflict)
    failure(lambda: opened(api, clock).apply(APEX, (Change(OLD.key, None, NEW),)))
    assert api.count("PATCH") == 0


def test_values_that_cannot_be_read_are_named_and_never_overwritten(api: Api, clock: VirtualClock) -> None:
    api.answers["GET"] = [Say(zone(SOA, entry("www.a.example.", "A", "../../x")))]
    provider = opened(api, clock)
    assert provider.read_zone(APEX).unmodelled == ("www.a.example. 600 IN A ../../x",)
    assert isinstance(failure(lambda: provider.apply(APEX, (Change(OLD.key, None, NEW),))), WriteConflict)
    assert api.count("PATCH") == 0


# --- patience


def test_a_read_waits_as_long_as_it_is_told_to(api: Api, clock: VirtualClock) -> None:
    """Fault 21."""
    when = format_datetime(START + timedelta(seconds=24), usegmt=True)
    later = [Say(b"slow down", 429, {"Retry-After": "17"}), Say(b"slow down", 503, {"Retry-After": when})]
    api.answers["GET"] = [*later, Say(ZONE)]
    assert opened(api, clock).read_zone(APEX).serial == 7
    assert clock.monotonic_s() == 24


def test_a_read_that_is_always_too_early_gives_up_and_says_so(api: Api, clock: VirtualClock) -> None:
    """Fault 22."""
    api.answers["GET"] = [Say(b"slow down", 429)]
    error = failure(lambda: opened(api, clock).read_zone(APEX))
    assert "429 slow down" in str(error)
    assert (error.retryable, api.count("GET"), clock.monotonic_s()) == (True, 5, 15)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_tried_again(api: Api, clock: VirtualClock, status: int) -> None:
    """Fault 37."""
    api.answers["GET"] = [Say({"error": "no"}, status)]
    error = failure(lambda: opened(api, clock).read_zone(APEX))
    assert (error.retryable, error.certainty, api.count("GET")) == (False, "not-applied", 1)


# --- writing: once, and what is known afterwards


@pytest.mark.parametrize(
    ("answer", "retryable", "certainty", "retry_after_s"),
    [
        pytest.param(Say(b"", 500), True, "in-doubt", None, id="fault 23 or 24"),
        pytest.param(Say(b"", 503, {"Retry-After": "5"}), True, "in-doubt", 5, id="busy"),
        pytest.param(Say(b"", 429, {"Retry-After": "30"}), True, "not-applied", 30, id="fault 21"),
        pytest.param(Say(b"", 429), True, "not-applied", None, id="fault 22"),
        pytest.param(Say(b"", 429, {"Retry-After": "soon"}), True, "not-applied", None, id="unreadable Retry-After"),
        pytest.param(Say(b"", 401), False, "not-applied", None, id="fault 37"),
        pytest.param(Say(b"", 422), False, "not-applied", None, id="not understood"),
        pytest.param(Say(b"", 200, length=5), True, "in-doubt", None, id="answer cut off"),
        pytest.param(Say(silent=True), True, "in-doubt", None, id="fault 25"),
    ],
)
def test_a_failed_write_says_what_is_known_and_is_sent_once(
    api: Api,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
    answer: Say,
    retryable: bool,
    certainty: str,
    retry_after_s: float | None,
) -> None:
    monkeypatch.setattr(webapi, "_READ_S", 0.3)
    api.answers["PATCH"] = [answer]
    error = failure(lambda: opened(api, clock).apply(APEX, SWITCH))
    assert (error.retryable, error.certainty, error.retry_after_s) == (retryable, certainty, retry_after_s)
    assert api.count("PATCH") == 1


def test_a_server_that_is_not_there_has_not_written(clock: VirtualClock) -> None:
    with served() as gone:
        provider = opened(gone, clock)
    error = failure(lambda: provider.apply(APEX, SWITCH))
    assert (error.retryable, error.certainty) == (True, "not-applied")
    assert "Connection refused" in str(error)


def test_what_is_written_replaces_the_rrset_and_nothing_else(api: Api, clock: VirtualClock) -> None:
    opened(api, clock).apply(APEX, SWITCH)
    ((_, _, body, _),) = [asked for asked in api.asked if asked[0] == "PATCH"]
    new = [{"content": "203.0.113.20", "disabled": False}]
    assert body == {
        "rrsets": [{"name": "www.a.example.", "type": "A", "changetype": "REPLACE", "ttl": 300, "records": new}]
    }


def test_what_is_there_already_is_not_written_again(api: Api, clock: VirtualClock) -> None:
    api.answers["GET"] = [Say(zone(SOA, entry("www.a.example.", "A", "203.0.113.20", ttl=300)))]
    opened(api, clock).apply(APEX, SWITCH)
    assert api.count("PATCH") == 0


# --- the key


def test_no_error_shows_the_key_and_none_moves_the_terminal(api: Api, clock: VirtualClock) -> None:
    """Threats 2 and 16: a body that echoes the key and steers the terminal."""
    echo = json.dumps({"error": f"bad key {CANARY}\x1b]0;owned\x07\u202e"}).encode()
    for say in (Say(echo, 401), Say(CANARY.encode() + b"\x1b[2J", 422), Say(b"", 302, {"Location": f"/{CANARY}"})):
        api.answers["GET"] = [say]
        text = str(failure(lambda: opened(api, clock).read_zone(APEX)))
        assert "canary" not in text
        assert text.isprintable()
    assert "canary" not in repr(opened(api, clock))


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_the_key_does_not_follow_a_redirect(api: Api, clock: VirtualClock, method: str) -> None:
    """Threat 21."""
    with served() as elsewhere:
        api.answers[method] = [Say(b"", 307, {"Location": f"{elsewhere.url}/api"})]
        error = failure(lambda: opened(api, clock).apply(APEX, SWITCH))
        assert "not followed" in str(error)
        assert (error.retryable, error.certainty) == (False, "not-applied")
        assert elsewhere.asked == []


# --- TLS


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_a_certificate_of_an_unknown_authority_is_refused(clock: VirtualClock) -> None:
    """Threat 20."""
    with served(certified(trustme.CA(), "127.0.0.1")) as api:
        error = failure(lambda: opened(api, clock).read_zone(APEX))
        assert "TLS" in str(error)
        assert (error.retryable, api.asked) == (False, [])


def test_a_certificate_of_the_authority_given_is_taken_for_its_own_name_only(
    clock: VirtualClock, tmp_path: Path
) -> None:
    """Threat 20."""
    authority, pem = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    with served(certified(authority, "127.0.0.1")) as api:
        assert opened(api, clock, ca_file=str(pem)).read_zone(APEX).serial == 7
    with served(certified(authority, "other.example")) as api:
        assert "TLS" in str(failure(lambda: opened(api, clock, ca_file=str(pem)).read_zone(APEX)))
        assert api.asked == []
