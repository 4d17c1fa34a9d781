"""What servers answer after a write, and whether it shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import dns.name
import pytest
from dns.rdatatype import RdataType

from dnsrun.engine.shown import showing
from dnsrun.model.expected import NODATA, NXDOMAIN, data, referral
from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation
from dnsrun.model.rrset import Change, RRset, RRsetKey, rrset
from dnsrun.model.zone import ZoneSnapshot

AT = datetime(2026, 12, 2, tzinfo=UTC)
NS1 = Endpoint(dns.name.from_text("ns1.new.example"), "203.0.113.53")
SOA = rrset(dns.name.from_text("client.example"), 300, "SOA", "ns1.new.example. nobody. 1 14400 3600 1209600 300")
ZONE = ZoneSnapshot(SOA.key.owner, {SOA.key: SOA}, "a test", AT, "complete")
CUT = rrset(dns.name.from_text("shop.client.example"), 300, "NS", "ns1.shop.client.example.")
GLUE = rrset(dns.name.from_text("ns1.shop.client.example"), 300, "A", "192.0.2.9")
WRITTEN = tuple(Change(made.key, None, made) for made in (CUT, GLUE))


def seen(of: RRset, got: Answer) -> Observation:
    return Observation(of.key, NS1, AT, got)


def test_a_delegated_child_and_its_glue_show_in_a_referral() -> None:
    assert showing(WRITTEN, [seen(CUT, referral(CUT)), seen(GLUE, referral(CUT))], ZONE).whole


def test_a_child_delegated_elsewhere_is_somebody_elses() -> None:
    other = rrset(CUT.key.owner, 300, "NS", "ns.elsewhere.example.")
    found = showing(WRITTEN, [seen(CUT, referral(other))], ZONE)
    assert found.strangers == ("shop.client.example NS is ns.elsewhere.example. at ns1.new.example (203.0.113.53)",)


def test_glue_that_is_not_written_yet_does_not_show() -> None:
    assert showing(WRITTEN, [seen(GLUE, NXDOMAIN)], ZONE).missing == WRITTEN[1:]


def test_a_server_that_refers_upward_gives_no_answer() -> None:
    upward = RRset(RRsetKey(dns.name.root, RdataType.NS), 300, CUT.rdatas)
    found = showing(WRITTEN, [seen(CUT, referral(upward))], ZONE)
    assert (found.missing, found.silent) == (WRITTEN[:1], (str(NS1),))


def test_data_shows_as_ever_beside_a_cut() -> None:
    www = rrset(dns.name.from_text("www.client.example"), 300, "A", "192.0.2.1")
    written = (*WRITTEN, Change(www.key, None, www))
    assert showing(written, [seen(www, data(www))], ZONE).whole
    assert not showing(written, [seen(www, NODATA)], ZONE).whole


def test_ttls_that_no_server_has_changed_are_kept_and_a_server_that_lags_keeps_nothing() -> None:
    """Fault 32: the floor of a host may be the TTL that was there before."""
    www, mail = (rrset(dns.name.from_text(f"{name}.client.example"), 600, "A", "192.0.2.1") for name in ("www", "mail"))
    lower = tuple(Change(one.key, one, one.with_ttl(60)) for one in (www, mail))
    found = showing(lower, [seen(www, data(www)), seen(mail, data(mail.with_ttl(60)))], ZONE)
    assert (found.whole, found.keeps_ttls, found.kept) == (False, True, (www,))
    other = replace(NS1, name=dns.name.from_text("ns2.new.example"))
    lagging = Observation(mail.key, other, AT, data(mail))
    found = showing(lower, [seen(www, data(www)), seen(mail, data(mail.with_ttl(60))), lagging], ZONE)
    assert not found.keeps_ttls


@pytest.mark.parametrize(
    ("at_ns1", "at_ns2", "is_late"),
    [
        (("new", "new"), ("new", "old"), True),
        (("new", "new"), ("new", "new"), False),
        (("new", "old"), ("old", "new"), False),
        (("new", "old"), ("old", "old"), False),
        (("new", "new"), ("new", "else"), False),
        (("new", "new"), ("new", "silent"), False),
    ],
)
def test_a_server_is_late_when_another_one_shows_everything(
    at_ns1: tuple[str, str], at_ns2: tuple[str, str], *, is_late: bool
) -> None:
    """Fault 39: then the host took the write; a half batch (fault 27) shows whole nowhere."""
    names = [dns.name.from_text(f"{name}.client.example") for name in ("www", "mail")]
    values = {"old": "192.0.2.1", "new": "192.0.2.2", "else": "192.0.2.3"}
    held = {state: [rrset(name, 600, "A", value) for name in names] for state, value in values.items()}
    moved = [Change(old.key, old, new) for old, new in zip(held["old"], held["new"], strict=True)]
    ns2 = replace(NS1, name=dns.name.from_text("ns2.new.example"), address="203.0.113.54")
    answers = [
        Observation(change.key, server, AT, data(held[state][i]) if state in held else NoReply("timeout"))
        for server, states in ((NS1, at_ns1), (ns2, at_ns2))
        for i, (change, state) in enumerate(zip(moved, states, strict=True))
    ]
    assert showing(moved, answers, ZONE).is_late is is_late
