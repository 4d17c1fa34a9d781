"""Gate `dnssec` at real servers that serve signed zones (S0, fault 63)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache

import dns.dnssec
import dns.dnssectypes
import dns.name
import dns.rdatatype
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from dnsrun.clock import now_utc
from dnsrun.gates.dnssec.gate import Dnssec
from dnsrun.model.observation import Verdict
from dnsrun.ports.gate import GateCase
from gateworld import APEX, FixedView, net, spec
from moveworld import NEW, NEW_NS, delegation, move_case, zone_text
from servers import Bind, Knot, Primary, Starter

GATE = Dnssec()
_DAY_S = 86400


@cache
def key(number: int) -> tuple[ec.EllipticCurvePrivateKey, DNSKEY]:
    """Return a zone key; the same for the same number."""
    private = ec.derive_private_key(1000 + number, ec.SECP256R1())
    return private, dns.dnssec.make_dnskey(private.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257)


def ds_of(number: int, digest: str = "SHA256") -> str:
    return str(dns.dnssec.make_ds(APEX, key(number)[1], digest, validating=True).to_text())


def signed(number: int = 1, *, begins_s: int = -_DAY_S, ends_s: int = 10 * _DAY_S, more: str = "") -> str:
    """Return the new host's zone, signed; signatures begin and end so many seconds from now."""
    zone = dns.zone.from_text(zone_text(ns=NEW_NS, ttl_s=300) + more, origin=APEX, relativize=False)
    now = now_utc()
    dns.dnssec.sign_zone(
        zone,
        keys=[key(number)],
        inception=now + timedelta(seconds=begins_s),
        expiration=now + timedelta(seconds=ends_s),
    )
    return str(zone.to_text(relativize=False))


@dataclass
class Pair:
    """Two new name servers with one zone each, and the case."""

    first: str
    second: str
    start: Starter

    def verdict(self, *ds: str, low_ttl_s: int = 600) -> Verdict:
        places = {}
        for end, kind, text in zip(NEW, (Bind, Knot), (self.first, self.second), strict=True):
            server = self.start(kind([Primary("client.example", text, allow_update=False)]))
            places[end.address, 53] = (server.address, server.port)
        view = FixedView(net(places), NEW, name="new")
        case = case_with(*ds, low_ttl_s=low_ttl_s)
        return GATE.judge(spec(GATE), case, GATE.observe(spec(GATE), case, view, view.net))


def case_with(*ds: str, low_ttl_s: int = 600) -> GateCase:
    case = move_case(zone_text(), low_ttl_s=low_ttl_s)
    assert case.move is not None
    return replace(case, move=replace(case.move, target=delegation(*NEW_NS, ds=ds), delegation=delegation(ds=ds)))


def test_s0_passes_when_every_server_is_signed_with_a_key_that_the_ds_points_to(start: Starter) -> None:
    verdict = Pair(signed(), signed(), start).verdict(ds_of(1))
    assert (verdict.outcome, verdict.because, verdict.warnings) == (
        "pass",
        "every new server is signed as the DS says",
        (),
    )


def test_one_ds_that_fits_is_enough(start: Starter) -> None:
    assert Pair(signed(), signed(), start).verdict(ds_of(2), ds_of(1, "SHA384")).outcome == "pass"


def test_fault_63_an_unsigned_server_fails_and_the_way_on_is_named(start: Starter) -> None:
    verdict = Pair(signed(), zone_text(ns=NEW_NS), start).verdict(ds_of(1))
    assert verdict.outcome == "fail"
    assert verdict.because.startswith("ns2.new.example (203.0.113.54) is not signed (has no DNSKEY)")
    assert "remove-ds" in verdict.because
    assert "ns1" not in verdict.because


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (signed(2), "no DNSKEY fits the DS at the parent (key tag "),
        (signed(ends_s=-60), "no signature of DNSKEY is valid: they have run out"),
        (signed(begins_s=3600), "no signature of DNSKEY is valid: they begin later"),
        (signed(ends_s=900), "the signature of DNSKEY runs out at "),
    ],
)
def test_s0_signatures_must_hold_now_and_for_twice_the_longest_ttl(start: Starter, second: str, words: str) -> None:
    verdict = Pair(signed(), second, start).verdict(ds_of(1))
    assert verdict.outcome == "fail"
    assert verdict.because.startswith(f"ns2.new.example (203.0.113.54): {words}")


def test_a_forged_signature_of_the_soa_is_found(start: Starter) -> None:
    """The dates and the key tag are right, the signature is that of another serial."""
    lines = signed().splitlines()
    wrong = [
        line.replace(" 7 14400 ", " 8 14400 ") if " SOA " in line and "RRSIG" not in line else line for line in lines
    ]
    verdict = Pair(signed(), "\n".join(wrong) + "\n", start).verdict(ds_of(1))
    assert verdict.outcome == "fail"
    assert "no signature of SOA is valid: they do not fit the keys" in verdict.because


def test_without_a_ds_nothing_need_be_signed(start: Starter) -> None:
    verdict = Pair(zone_text(ns=NEW_NS), zone_text(ns=NEW_NS), start).verdict()
    assert (verdict.outcome, verdict.because, verdict.warnings) == ("pass", "not signed at the parent (no DS)", ())


def test_fault_64_cds_at_the_new_side_without_a_ds_warns_of_robots(start: Starter) -> None:
    cds = f"@ 300 CDS {ds_of(1)}\n"
    verdict = Pair(signed(more=cds), signed(more=cds), start).verdict()
    assert verdict.outcome == "pass"
    assert any("serves CDS: a robot of the parent may set a DS by itself" in one for one in verdict.warnings)


def test_a_digest_that_resolvers_give_up_warns_while_it_is_as_before(start: Starter) -> None:
    verdict = Pair(signed(), signed(), start).verdict(ds_of(1, "SHA1"))
    assert verdict.outcome == "pass"
    assert any("has digest type 1" in one for one in verdict.warnings)


def test_servers_out_of_reach_are_unknown_never_a_pass() -> None:
    view = FixedView(net({}), NEW, name="new")
    case = case_with(ds_of(1))
    verdict = GATE.judge(spec(GATE), case, GATE.observe(spec(GATE), case, view, view.net))
    assert verdict.outcome == "unknown"
    assert GATE.judge(spec(GATE), case, ()).outcome == "unknown"
