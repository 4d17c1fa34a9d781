"""What octoDNS loses of a zone, one test for each loss: refused, kept or named, never lost in silence.

The same zone stands at real servers; "lost" was measured with octodns 1.22, octodns-bind 1.1 and octodns-powerdns 1.2.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dns.rdatatype import RdataType
from moto import mock_aws

from contract.hosts import BridgedPowerDnsHost, BridgedUpdatedHost, PowerDnsHost, UpdatedHost
from contract.route53 import BridgedRoute53Host
from dnsrun.clock import SystemClock
from dnsrun.dnsio.blind import fill, keys_to_fill
from dnsrun.dnsio.net import MappedNet
from dnsrun.errors import OutsideError, WriteConflict
from dnsrun.model.observation import Answer, Endpoint, Observation, Question
from dnsrun.model.rrset import RRset, key, rrset
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.listed import unlisted_types
from dnsrun.ports.net import UNLIMITED
from dnsrun.ports.provider import ZoneProvider
from dnsrun.testing.torture import added, removed, replaced
from servers import Bind, Key, PowerDns, Primary, small_zone

# Types that octoDNS, or one of the two classes, drops on reading without a word.
DROPPED = {
    "DNAME": "elsewhere.example.",
    "URI": '10 1 "https://www.example.com/"',
    "OPENPGPKEY": "mDMEWq5bZBYJKwYBBAHaRw8BAQdAtortureExample0123456789abcdefghijklmno=",
    "SMIMEA": "3 0 1 " + "ef" * 32,
    "CERT": "PGP 0 0 mDMEWq5bZBYJKwYBBAHaRw8BAQdAtortureExample0123456789abcdefghijklmno=",
    "HINFO": '"cpu" "os"',
    "RP": "admin.example. text.example.",
    "AFSDB": "1 afs.example.",
    "KX": "10 kx.example.",
    "DHCID": "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
    "TYPE65300": "\\# 4 deadbeef",
}
ODD = '"v=DKIM1; k=rsa; p=MIIBIjAN" "BgkqhkiG9w0"'
ODD_LINE = f"odd 300 TXT {ODD}\n"

Bridged = BridgedPowerDnsHost | BridgedUpdatedHost


@pytest.fixture(params=["octodns-powerdns", "octodns-bind"])
def host(request: pytest.FixtureRequest, shared_powerdns: PowerDns, shared_bind: Bind, origin: str) -> Bridged:
    """An empty zone at either server: `serve` it first."""
    if request.param == "octodns-powerdns":
        return BridgedPowerDnsHost(shared_powerdns, origin, "")
    return BridgedUpdatedHost(shared_bind, origin, Key("losses."), "")


def serve(host: Bridged, lines: str = "") -> ZoneSnapshot:
    """Serve the small zone with these lines and read it through octoDNS."""
    host.server.add(Primary(host.apex.to_text(), small_zone(lines), key=host.key))  # type: ignore[attr-defined] # both
    return host.open().read_zone(host.apex)


def at(host: Bridged, label: str, ttl_s: int, rdtype: str, *values: str) -> RRset:
    return rrset(f"{label}.{host.apex.to_text()}", ttl_s, rdtype, *values)


def native(host: Bridged) -> ZoneProvider:
    """Return a provider that knows every type."""
    return PowerDnsHost.open(host) if isinstance(host, PowerDnsHost) else UpdatedHost.open(host)


def filled(host: Bridged, listed: ZoneSnapshot) -> ZoneSnapshot:
    """Have the server asked for what the listing cannot tell, as a capture does."""
    server = Endpoint(host.apex, "192.0.2.53")
    net = MappedNet({("192.0.2.53", 53): (host.server.address, host.server.port)}, SystemClock())
    questions = [Question(one, server) for one in keys_to_fill(listed)]
    done = fill(listed, net.ask(questions, limit=UNLIMITED))
    assert done.findings == ()
    return done.snapshot


def refused(host: Bridged | BridgedRoute53Host, *changes: object, words: str) -> OutsideError:
    """Demand that the changes are refused, in these words, and nothing is changed."""
    before = host.truth()
    with pytest.raises(OutsideError, match=words) as caught:
        host.open().apply(host.apex, changes)  # type: ignore[arg-type] # tuples of changes
    assert caught.value.certainty == "not-applied"
    assert host.truth() == before
    return caught.value


# --- what reading drops


def test_types_that_reading_drops_are_named_and_asked_for_at_the_servers(host: Bridged) -> None:
    serve(host)
    dropped = [at(host, kind, 300, kind, value) for kind, value in DROPPED.items()]
    beside = [at(host, kind, 300, "A", "192.0.2.1") for kind in DROPPED]
    native(host).apply(host.apex, tuple(map(added, (*dropped, *beside))))
    listed = host.open().read_zone(host.apex)
    zone = filled(host, listed)
    for one in dropped:
        if one.key not in listed.rrsets and one.key.rdtype != RdataType.from_text("TYPE65300"):
            assert one.key.rdtype in listed.blind
            assert zone.rrsets[one.key] == one
            assert zone.sources[one.key].startswith("asked at ")
    hazard = unlisted_types(zone)
    assert hazard
    assert "records of types that are not known here" in hazard.text


def test_the_soa_and_the_apex_ns_are_left_to_the_servers(host: Bridged) -> None:
    listed = serve(host)
    assert listed.completeness == "listed"
    assert RdataType.SOA in listed.blind
    assert key(host.apex, "NS") not in listed.rrsets


@pytest.mark.parametrize("kind", sorted(DROPPED))
def test_an_rrset_of_a_dropped_type_is_kept_or_refused_when_it_is_written(host: Bridged, kind: str) -> None:
    serve(host)
    new = at(host, "new", 300, kind, DROPPED[kind])
    if new.key.rdtype in (host.open().capabilities.types or ()):
        host.open().apply(host.apex, (added(new),))
        assert host.truth()[new.key] == new
    else:
        refused(host, added(new), words="does not know the type")


# --- what reading alters


def test_where_text_is_cut_is_taken_from_the_servers_and_not_written(host: Bridged) -> None:
    """A TTL alone would join the strings of a DKIM key, and the restore would not part them."""
    listed = serve(host, ODD_LINE)
    odd = at(host, "odd", 300, "TXT", ODD)
    assert not listed.rrsets[odd.key].same_data(odd)
    assert filled(host, listed).rrsets[odd.key] == odd
    refused(host, replaced(odd, odd.with_ttl(60)), words="octoDNS makes")


def test_values_that_differ_only_in_where_they_are_cut_are_both_kept(host: Bridged) -> None:
    """octoDNS makes one of them."""
    both = at(host, "twins", 300, "TXT", '"ab"', '"a" "b"')
    listed = serve(host, 'twins 300 TXT "ab"\ntwins 300 TXT "a" "b"\n')
    assert len(filled(host, listed).rrsets[both.key].rdatas) == 2
    refused(host, replaced(both, both.with_ttl(60)), words="octoDNS makes")


@pytest.mark.parametrize("text", [r'"back\\slash"', r'"a \"quote\""', r'"\195\164"', '""'])
def test_text_that_needs_an_escape_is_not_written(host: Bridged, text: str) -> None:
    """An added value would damage the others: at one host a backslash is eaten, at the other it is doubled."""
    old = at(host, "text", 300, "TXT", text, '"plain"')
    listed = serve(host, f'text 300 TXT {text}\ntext 300 TXT "plain"\n')
    new = at(host, "text", 300, "TXT", text, '"plain"', '"one more"')
    refused(host, replaced(old, new), words=r"text\.zone")
    assert filled(host, listed).rrsets[old.key].same_data(old)


def test_a_text_that_octodns_does_not_tell_surely_has_no_data_and_is_named(
    shared_powerdns: PowerDns, origin: str
) -> None:
    host = BridgedPowerDnsHost(shared_powerdns, origin, "")
    listed = serve(host, r'text 300 TXT "two \"quoted\" back\\slash"')
    assert listed.rrsets[key(f"text.{origin}", "TXT")].rdatas == frozenset()
    assert any(raw.startswith(f"text.{origin} TXT") for raw in listed.unmodelled)


def test_the_case_of_a_naptr_flag_is_taken_from_the_servers_and_not_written(host: Bridged) -> None:
    value = '100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .'
    listed = serve(host, f"naptr 300 NAPTR {value}\n")
    small = at(host, "naptr", 300, "NAPTR", value)
    assert filled(host, listed).rrsets[small.key] == small
    refused(host, replaced(small, small.with_ttl(60)), words='octoDNS makes .*"U"')


# --- what stands beside a record at PowerDNS


def test_a_record_that_is_switched_off_stays_off(shared_powerdns: PowerDns, origin: str) -> None:
    """octodns-powerdns takes it for served and would switch it on with the next TTL."""
    host = BridgedPowerDnsHost(shared_powerdns, origin, "")
    serve(host)
    records = [{"content": "192.0.2.10", "disabled": False}, {"content": "192.0.2.66", "disabled": True}]
    listed: dict[str, object] = {"name": f"two.{origin}", "type": "A", "ttl": 300, "changetype": "REPLACE"}
    shared_powerdns.patch(origin, listed | {"records": records})
    served = at(host, "two", 300, "A", "192.0.2.10")
    assert host.truth()[served.key] == served
    # The capture compares both with the servers: a difference.
    assert host.open().read_zone(host.apex).rrsets[served.key].texts() == ("192.0.2.10", "192.0.2.66")
    error = refused(host, replaced(served, served.with_ttl(60)), words="192.0.2.66")
    assert isinstance(error, WriteConflict)


def test_comments_stay(shared_powerdns: PowerDns, origin: str) -> None:
    host = BridgedPowerDnsHost(shared_powerdns, origin, "")
    serve(host)
    www = at(host, "noted", 300, "A", "192.0.2.10")
    listed: dict[str, object] = {"name": f"noted.{origin}", "type": "A", "ttl": 300, "changetype": "REPLACE"}
    comment = {"content": "do not touch", "account": "ops", "modified_at": 1700000000}
    records = [{"content": "192.0.2.10", "disabled": False}]
    shared_powerdns.patch(origin, listed | {"records": records, "comments": [comment]})
    host.open().apply(host.apex, (replaced(www, www.with_ttl(60)),))
    rrsets = shared_powerdns.api("GET", shared_powerdns.zone_path(origin))["rrsets"]
    (entry,) = (each for each in rrsets if each["name"] == f"noted.{origin}")
    assert (entry["ttl"], [each["content"] for each in entry["comments"]]) == (60, ["do not touch"])


def test_records_of_the_hosts_own_kind_are_named_and_nothing_is_laid_beside_them(
    shared_powerdns: PowerDns, origin: str
) -> None:
    host = BridgedPowerDnsHost(shared_powerdns, origin, "")
    serve(host)
    for kind, content in (("ALIAS", "shop.vendor.example."), ("LUA", "A \"ifportup(443, {'192.0.2.1'})\"")):
        name = f"{kind.lower()}.{origin}"
        entry: dict[str, object] = {"name": name, "type": kind, "ttl": 60, "changetype": "REPLACE"}
        shared_powerdns.patch(origin, entry | {"records": [{"content": content, "disabled": False}]})
        assert any(raw.startswith(name) and kind in raw for raw in host.open().read_zone(host.apex).unmodelled)
        refused(host, added(rrset(name, 60, "A", "192.0.2.9")), words="the host's own kind")


# --- what octoDNS's strict checks refuse


@pytest.mark.parametrize(
    ("label", "rdtype", "value"),
    [
        ("alias", "CNAME", "10.0/26.2.0.192.in-addr.example."),
        ("alias", "CNAME", "."),
        ("alias", "CNAME", "single."),
        ("cut", "NS", "single."),
        ("nounderscore", "SRV", "1 1 443 www.example."),
        ("ssh", "SSHFP", "6 2 " + "ab" * 32),
        ("naptr", "NAPTR", '100 10 "" "" "!^.*$!sip:info@example.com!" .'),
        ("semicolon", "TXT", '"v=DMARC1; p=none;"'),
        ("caa", "CAA", '0 issue "ca.example; validationmethods=dns-01"'),
    ],
)
def test_what_strict_checks_refuse_is_written_exactly(host: Bridged, label: str, rdtype: str, value: str) -> None:
    serve(host)
    wanted = at(host, label, 300, rdtype, value)
    host.open().apply(host.apex, (added(wanted),))
    assert host.truth()[wanted.key] == wanted
    assert filled(host, host.open().read_zone(host.apex)).rrsets[wanted.key] == wanted
    host.open().apply(host.apex, (removed(wanted),))
    assert wanted.key not in host.truth()


def test_a_parameter_that_octodns_does_not_know_is_taken_from_the_servers_and_not_written(
    shared_bind: Bind, origin: str
) -> None:
    host = BridgedUpdatedHost(shared_bind, origin, Key("losses."), "")
    serve(host)
    doh = at(host, "doh", 300, "HTTPS", '1 . alpn="h2" dohpath="/q{?dns}"')
    refused(host, added(doh), words=r"cannot hold doh\.")
    host.edit(added(doh))
    listed = host.open().read_zone(host.apex)
    assert listed.rrsets[doh.key].rdatas == frozenset()
    assert filled(host, listed).rrsets[doh.key] == doh


def test_a_value_that_makes_the_whole_zone_unreadable_is_named(shared_bind: Bind, origin: str) -> None:
    """A LOC with the usual sizes, which a transfer shows without them."""
    host = BridgedUpdatedHost(shared_bind, origin, Key("losses."), "")
    serve(host)
    place = at(host, "place", 300, "LOC", "35 40 54.000 N 139 43 0.000 E 40.00m")
    refused(host, added(place), words=r"cannot hold place\.")
    host.edit(added(place))
    with pytest.raises(OutsideError, match=rf"cannot read {origin}: place\.{origin} LOC: ") as caught:
        host.open().read_zone(host.apex)
    assert not caught.value.retryable


@pytest.mark.parametrize("label", ["xn--ls8h", "xn--a"])
def test_a_name_that_makes_the_whole_zone_unreadable_is_named(host: Bridged, label: str) -> None:
    serve(host)
    new = at(host, label, 300, "A", "192.0.2.1")
    refused(host, added(new), words=f"cannot hold {label}")
    host.edit(added(new))
    with pytest.raises(OutsideError, match=rf"cannot read zone.*{label}.*\(IdnaError\)") as caught:
        host.open().read_zone(host.apex)
    assert not caught.value.retryable


# --- what writing would do


def test_name_servers_of_the_zone_are_never_changed(host: Bridged) -> None:
    """octodns-bind reports success and leaves old and new in one; at TransIP it would change the delegation."""
    serve(host)
    old = host.truth()[key(host.apex, "NS")]
    new = rrset(host.apex, old.ttl_s, "NS", "ns1.new.example.")
    refused(host, replaced(old, new), words="never changed through octoDNS")
    refused(host, removed(old), words="never changed through octoDNS")


def test_a_write_is_not_attempted_where_somebody_else_was_faster(host: Bridged) -> None:
    serve(host, "www2 300 A 192.0.2.10\n")
    old, theirs = at(host, "www2", 300, "A", "192.0.2.10"), at(host, "www2", 300, "A", "192.0.2.98")
    host.edit(replaced(old, theirs))
    error = refused(host, replaced(old, old.with_ttl(60)), words="192.0.2.98")
    assert isinstance(error, WriteConflict)


def test_a_zone_that_is_not_there_is_not_made(shared_powerdns: PowerDns, origin: str) -> None:
    """octodns-powerdns creates a zone that it does not find."""
    host = BridgedPowerDnsHost(shared_powerdns, origin, "")
    with pytest.raises(OutsideError, match=rf"finds no zone {origin}") as caught:
        host.open().apply(host.apex, (added(at(host, "www", 300, "A", "192.0.2.1")),))
    assert not caught.value.retryable
    assert origin not in [zone["name"] for zone in shared_powerdns.api("GET", "/zones")]


# --- Route 53


@pytest.fixture
def route53(origin: str) -> Iterator[BridgedRoute53Host]:
    with mock_aws():
        yield BridgedRoute53Host(origin, "")


def test_types_that_the_class_for_route_53_leaves_out_are_blind(route53: BridgedRoute53Host) -> None:
    blind = route53.open().read_zone(route53.apex).blind
    assert {RdataType.TLSA, RdataType.SSHFP, RdataType.HTTPS, RdataType.SVCB, RdataType.LOC, RdataType.DNAME} <= blind


def test_an_alias_of_route_53_is_named_and_nothing_is_laid_beside_it(route53: BridgedRoute53Host) -> None:
    name = f"www.{route53.apex.to_text()}"
    target = {"HostedZoneId": "Z2", "DNSName": "lb.example.", "EvaluateTargetHealth": False}
    route53.change("CREATE", {"Name": name, "Type": "A", "AliasTarget": target})
    assert any("Route53Provider/ALIAS" in raw for raw in route53.open().read_zone(route53.apex).unmodelled)
    refused(route53, added(rrset(name, 60, "A", "192.0.2.9")), words="the host's own kind")


def test_of_several_ptr_values_none_is_dropped(route53: BridgedRoute53Host) -> None:
    """The class for Route 53 reads and writes one of them."""
    both = rrset(f"10.{route53.apex.to_text()}", 300, "PTR", "a.example.", "b.example.")
    route53.edit(added(both))
    listed = route53.open().read_zone(route53.apex)
    assert len(listed.rrsets[both.key].rdatas) == 1
    seen = Observation(both.key, Endpoint(route53.apex, "192.0.2.53"), listed.taken_at, Answer(0, True, both, "data"))
    assert fill(listed, [seen]).snapshot.rrsets[both.key] == both
    refused(route53, replaced(both, both.with_ttl(60)), words="keeps one value of")


def test_of_several_weighted_sets_none_is_overwritten(route53: BridgedRoute53Host) -> None:
    """octoDNS shows the first of them as if it were a plain one."""
    name = f"www.{route53.apex.to_text()}"
    for address in ("192.0.2.1", "192.0.2.2"):
        values = [{"Value": address}]
        one = {"Name": name, "Type": "A", "TTL": 60, "SetIdentifier": address, "Weight": 1, "ResourceRecords": values}
        route53.change("CREATE", one)
    old = rrset(name, 60, "A", "192.0.2.1", "192.0.2.2")
    with pytest.raises(WriteConflict):
        route53.open().apply(route53.apex, (replaced(old, old.with_ttl(30)),))
