"""A phase through octoDNS on real servers: what octoDNS cannot see or say is still there afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dnsrun.engine.advance import Ended
from dnsrun.engine.checkpoint import read_checkpoint
from dnsrun.errors import Refused
from dnsrun.model.rrset import key
from dnsrun.plan.listed import unlisted_types
from scenario.test_stories import DAY_S, KEY, STORY_A, ZONE_A, Story, story
from servers import Bind, Knot, PowerDns, Primary, Secondary, Starter
from worlds import NEW, OLD

ZONE = ZONE_A + (
    'www 3600 HINFO "cpu" "os"\n'
    'odd._domainkey 3600 TXT "v=DKIM1; k=rsa; p=MIIB" "IjANBgkqhkiG9w0"\n'
    'odd 3600 TXT "back\\\\slash"\n'
    "moved 3600 DNAME elsewhere.example.\n"
)
WITH = "vps: {use: rfc2136, server: 198.51.100.53, key_name: dnsrun., key_secret: {env: VPS_KEY}}"


def playbook(wanted: str, options: str) -> str:
    return STORY_A.replace(
        WITH,
        f"vps: {{use: octodns, class: {wanted}, name_servers: [ns1.client.example], options: {{{options}}}}}\n"
        "  second: {use: public, name_servers: [ns2.client.example]}",
    ).replace("zone: {from: vps}", "zone: {from: vps, secondaries: {vps: [second]}}")


@pytest.fixture
def moving(tmp_path: Path, start: Starter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    monkeypatch.setenv("VPS_KEY", KEY.secret)
    secondary = Knot()
    primary = start(Bind([Primary("client.example", ZONE, key=KEY, notify=(secondary.endpoint,))]))
    start(secondary).add(Secondary("client.example", primary.endpoint, key=KEY))
    options = f"host: {primary.address}, port: {primary.port}, key_name: dnsrun., key_secret: {{env: VPS_KEY}}"
    with ExitStack() as stack:
        made = story(tmp_path, start, stack, primary, secondary)
        made.text = playbook("octodns_bind.Rfc2136Provider", f"{options}, key_algorithm: hmac-sha256")
        yield made


def content(moving: Story) -> dict[str, tuple[int, set[str]]]:
    """What the primary holds, but for the SOA."""
    zone = moving.primary.transfer("client.example", KEY)
    return {
        f"{owner} {rdataset.rdtype.name}": (int(rdataset.ttl), {rdata.to_text() for rdata in rdataset})
        for owner, rdataset in zone.iterate_rdatasets()
        if rdataset.rdtype.name != "SOA"
    }


def test_only_the_switched_records_differ_afterwards(moving: Story) -> None:
    before = content(moving)
    for number in (1, 2):
        run = moving.open(moving.text)
        moving.start(run, number)
        assert moving.drive(run) == Ended("done", "done")
        moving.clock.advance(DAY_S)
    after = content(moving)
    assert {what for what in before.keys() | after.keys() if before.get(what) != after.get(what)} == {
        "client.example. A",
        "www.client.example. A",
    }
    assert moving.both("www") == ({NEW}, {NEW})


def test_a_gate_that_fails_brings_all_back(moving: Story) -> None:
    run = moving.open(moving.text)
    moving.start(run, 1)
    moving.drive(run)
    low = content(moving)
    moving.clock.advance(DAY_S)
    run = moving.open(moving.text)
    moving.start(run, 2)
    while moving.primary.values("www.client.example", "A") != {NEW}:
        moving.clock.wait_until(moving.step(run))
    moving.web_new.status = 503
    after = moving.drive(run)
    assert isinstance(after, Ended)
    assert after.outcome == "rolled-back"
    assert moving.both("www") == ({OLD}, {OLD})
    assert content(moving) == low


def test_the_checkpoint_holds_what_octodns_cannot_see(moving: Story) -> None:
    zone = read_checkpoint(moving.open(moving.text)).zone
    assert zone.completeness == "listed"
    assert zone.rrsets[key("www.client.example", "HINFO")].texts() == ('"cpu" "os"',)
    assert zone.rrsets[key("odd._domainkey.client.example", "TXT")].texts() == (
        '"v=DKIM1; k=rsa; p=MIIB" "IjANBgkqhkiG9w0"',
    )
    assert zone.soa
    assert len(zone.rrsets[key("client.example", "NS")].rdatas) == 2
    # Nothing listed leads to this one.
    assert key("moved.client.example", "DNAME") not in zone.rrsets
    assert unlisted_types(zone)


def test_a_record_that_is_switched_off_at_the_host_stops_everything(
    tmp_path: Path, start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """octodns-powerdns lists it as if it were served, and would serve it."""
    primary = start(PowerDns([Primary("client.example", ZONE_A)]))
    monkeypatch.setenv("VPS_KEY", primary.api_key)
    secondary = start(Knot([Secondary("client.example", primary.endpoint, accepts_notify=False)]))
    records = [{"content": OLD, "disabled": False}, {"content": "192.0.2.66", "disabled": True}]
    listed: dict[str, object] = {"name": "www.client.example.", "type": "A", "ttl": 3600, "changetype": "REPLACE"}
    primary.patch("client.example", listed | {"records": records})
    secondary.retransfer("client.example")
    with ExitStack() as stack:
        made = story(tmp_path, start, stack, primary, secondary)
        options = f"host: {primary.address}, port: {primary.api_port}, api_key: {{env: VPS_KEY}}"
        run = made.open(playbook("octodns_powerdns.PowerDnsProvider", options))
        with pytest.raises(Refused, match=r"www\.client\.example A at .*captured 192\.0\.2\.10, 192\.0\.2\.66"):
            made.start(run, 1)
    assert primary.values("www.client.example", "A") == {OLD}
