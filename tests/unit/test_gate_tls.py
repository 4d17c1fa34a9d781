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
from dnsrun.rehearse.authority import Authority
from gateworld import APEX, NEW, WEB_MOVES, WWW, FixedView, case, net, server, spec
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


@pytest.mark.parametrize(
    ("records", "allowed"),
    [
        (('@ 60 CAA 0 issue "digicert.com"',), "client.example CAA allows digicert.com"),
        (('@ 60 CAA 0 issue ";"',), "client.example CAA allows nobody"),
        (('@ 60 CAA 0 issue "letsencrypt.org; validationmethods=dns-01"',), None),
        (('@ 60 CAA 0 issue "digicert.com"', 'www 60 CAA 0 issue "letsencrypt.org"'), None),
        (('@ 60 CAA 0 iodef "mailto:a@client.example"',), None),
        ((), None),
    ],
)
def test_m5_a_certificate_that_caa_does_not_let_be_renewed_warns(
    records: tuple[str, ...], allowed: str | None, tmp_path: Path
) -> None:
    """Nothing fails today, and the renewal does in weeks."""
    made = trustme.CA(organization_name="Let's Encrypt")
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    soa = "@ 60 SOA ns1 nobody 1 1800 900 604800 60\n@ 60 NS ns1\nns1 60 A 198.51.100.53"
    with served(made, WWW, 30) as place, Authority({APEX: "\n".join((soa, *records))}) as dns_server:
        places = {(NEW, 443): place, ("198.51.100.53", 53): (dns_server.address, dns_server.port)}
        view = FixedView(net(places), servers=(server("ns1.client.example", "198.51.100.53"),), hosts={WWW: (NEW,)})
        written = spec(GATE, host=f"{WWW}.", ca=str(tmp_path / "ca.pem"))
        verdict = GATE.judge(written, CASE, GATE.observe(written, CASE, view, view.net))

    assert verdict.outcome == "pass"
    assert [warning.startswith(allowed or "") for warning in verdict.warnings] == [True] * (allowed is not None)
