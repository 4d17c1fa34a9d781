"""Gate `tls`: valid for the name, long enough, at every address."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from dnsrun.gates.tls import Tls
from dnsrun.model.observation import Observation, Verdict, Words
from dnsrun.model.playbook import Json
from gateworld import NEW, WEB_MOVES, WWW, FixedView, case, net, spec
from webworld import hang, raw, smtp, web

GATE = Tls()
CASE = case(WEB_MOVES)


@contextmanager
def served(authority: trustme.CA, name: str, days: int) -> Iterator[tuple[str, int]]:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=datetime.now(UTC) + timedelta(days=days)).configure_cert(trust)  # noqa: TID251 - certificates end in real time
    with web({}, tls=trust) as server:
        yield server.place


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


def look(place: tuple[str, int], ca: Path, **more: Json) -> tuple[Verdict, tuple[Observation, ...]]:
    view = FixedView(net({(NEW, 443): place}), hosts={WWW: (NEW,)})
    written = spec(GATE, host=f"{WWW}.", ca=str(ca / "ca.pem"), **more)
    seen = GATE.observe(written, CASE, view, view.net)
    return GATE.judge(written, CASE, seen), seen


def test_a_valid_certificate_passes_and_its_facts_are_kept(authority: trustme.CA, tmp_path: Path) -> None:
    with served(authority, WWW, 30) as place:
        verdict, (seen,) = look(place, tmp_path)
    assert verdict.outcome == "pass"
    assert verdict.because.startswith(f"{WWW}:443 has a certificate for {WWW} until 20")
    assert isinstance(seen.got, Words)
    assert seen.got.fact("certificate_issuer")


@pytest.mark.parametrize(
    ("name", "days", "options", "words"),
    [
        (WWW, 5, {}, "in less than 7 days"),
        (WWW, 30, {"days": 60}, "in less than 60 days"),
        (WWW, -1, {}, "certificate has expired"),
        ("other.example", 30, {}, "the certificate is not valid"),
    ],
)
def test_other_names_and_near_ends_fail(
    authority: trustme.CA, tmp_path: Path, name: str, days: int, options: dict[str, Json], words: str
) -> None:
    with served(authority, name, days) as place:
        verdict, _ = look(place, tmp_path, **options)
    assert verdict.outcome == "fail"
    assert words in verdict.because


def test_another_protocol_fails_and_silence_is_not_known(authority: trustme.CA, tmp_path: Path) -> None:
    with raw(smtp) as place:
        assert "the TLS handshake fails" in look(place, tmp_path)[0].because
    with raw(hang) as place:
        assert look(place, tmp_path, timeout=1)[0].outcome == "unknown"
