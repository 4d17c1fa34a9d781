"""A captured zone as text loses nothing: every type, every name, every extra fact."""

from __future__ import annotations

import pkgutil
import random
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import dns.name
import dns.rdatatype
import dns.rdtypes.ANY
import dns.rdtypes.IN
import pytest
from dns.name import Name
from dns.rdata import GenericRdata, Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given
from hypothesis import strategies as st

from dnsrun.model.rrset import IN, RRset, RRsetKey, rdata_from_text, rdata_text, rrset
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.model.zonetext import ZoneTextError, from_text, to_text
from servers import need_program

APEX = dns.name.from_text("client.example.")
TAKEN = datetime(2026, 11, 20, 3, 12, 0, 123456, tzinfo=UTC)
_KEY = "AwEAAcNEU67LJI5GEgF9QLNqLO1SMq1EdoQ6E9f85ha0k0ewQGCblyW2836GiVsm6k8Kr5ECIoMJ6fZWf3CQSQ9ycWfTyOHfmI3e"
_SIG = "A 8 3 300 20301231235959 20260101000000 12345 client.example. " + _KEY

# One or more values for every type that a zone can hold; "\\#" for those that dnspython has no own form of.
SAMPLES: dict[str, list[str]] = {
    "A": ["192.0.2.1", "192.0.2.2"],
    "A6": [r"\# 17 00" + "20010db8" * 4],
    "AAAA": ["2001:db8::1", "::", "::ffff:192.0.2.1"],
    "AFSDB": ["1 afs.client.example."],
    "AMTRELAY": ["10 0 1 203.0.113.15", "10 1 0 .", "20 0 3 relay.example."],
    "APL": ["1:192.0.2.0/24 !1:192.0.2.64/28 2:2001:db8::/32"],
    "AVC": ['"app-name:WOLFGANG|app-class:OAM"'],
    "BRID": ["AAEC"],
    "CAA": ['0 issue "ca.example"', '128 iodef "mailto:a\\"b@client.example"', '0 issue ";"'],
    "CDNSKEY": ["257 3 8 " + _KEY, "0 3 0 AA=="],
    "CDS": ["0 0 0 00", "12345 8 2 " + "ab" * 32],
    "CERT": ["PKIX 12345 RSASHA256 " + _KEY, "6 0 0 AAEC"],
    "CNAME": ["target.other.example."],
    "CSYNC": ["66 3 A NS AAAA"],
    "DHCID": ["AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="],
    "DLV": ["12345 8 2 " + "cd" * 32],
    "DNAME": ["elsewhere.example."],
    "DNSKEY": ["256 3 8 " + _KEY],
    "DS": ["60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"],
    "DSYNC": ["CDS NOTIFY 5359 scanner.example."],
    "EUI48": ["00-00-5e-00-53-2a"],
    "EUI64": ["00-00-5e-ef-10-00-00-2a"],
    "GPOS": ["-22.6882 116.8652 250.0"],
    "HHIT": ["AAEC"],
    "HINFO": ['"a \\"cpu\\"" "os; or not"', '"" ""'],
    "HIP": ["2 200100107B1A74DF365639CC39F1D578 " + "AAEC" + " rvs.example."],
    "HTTPS": ['1 . alpn="h2,h3" ipv4hint="192.0.2.1" port="8443"', "0 pool.example.", '1 . key65333="a\\\\001b"'],
    "IPSECKEY": ["10 1 2 192.0.2.38 AQNR", "10 0 2 . AQNR", "10 3 2 gw.example. AQNR"],
    "ISDN": ['"150862028003217" "004"', '"150862028003217"'],
    "KEY": ["256 3 5 AAEC"],
    "KX": ["10 kx.client.example."],
    "L32": ["10 10.1.2.0"],
    "L64": ["10 2001:0DB8:1140:1000"],
    "LOC": ["42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m", "0 0 0.001 S 0 0 0.000 E 0.01m 1m 0m 0m"],
    "LP": ["10 l64-subnet1.example."],
    "MB": [r"\# 5 03666f6f00"],
    "MD": [r"\# 5 03666f6f00"],
    "MF": [r"\# 5 03666f6f00"],
    "MG": [r"\# 5 03666f6f00"],
    "MINFO": [r"\# 2 0000"],
    "MR": [r"\# 5 03666f6f00"],
    "MX": ["10 mail.client.example.", "0 ."],
    "NAPTR": ['100 10 "S" "SIP+D2U" "!^.*$!sip:a@b.example!" _sip._udp.client.example.', '0 0 "" "" "" .'],
    "NID": ["10 0014:4fff:ff20:ee64"],
    "NINFO": ['"zone status" "fine"'],
    "NS": ["ns1.client.example.", "ns2.other.example."],
    "NSAP": ["0x47000580005a0000000001e133ffffff00016100"],
    "NSAP-PTR": ["foo.example."],
    "NSEC": ["host.client.example. A MX RRSIG NSEC TYPE1234"],
    "NSEC3": ["1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG", "1 0 0 - 2vptu5timamqttgl4luu9kg21e0aor3s"],
    "NSEC3PARAM": ["1 0 12 aabbccdd", "1 0 0 -"],
    "NULL": [r"\# 3 000102"],
    "NXT": [r"\# 6 000000000022"],
    "OPENPGPKEY": ["AAEC"],
    "PTR": ["host.client.example."],
    "PX": ["10 map822.example. mapx400.example."],
    "RESINFO": ['"qnamemin" "exterr=15-17"'],
    "RP": ["admin.client.example. txt.client.example."],
    "RRSIG": [_SIG],
    "RT": ["10 relay.example."],
    "SIG": [_SIG],
    "SMIMEA": ["3 1 1 " + "ef" * 32],
    "SOA": ["ns1.client.example. host\\.master.client.example. 4294967295 3600 600 86400 300"],
    "SPF": ['"v=spf1 -all"'],
    "SRV": ["0 5 5060 sip.client.example.", "0 0 0 ."],
    "SSHFP": ["4 2 " + "0a" * 32],
    "SVCB": [
        '1 svc.example. mandatory="alpn" alpn="a\\\\,b,c" no-default-alpn ech="AAT+DQAA"',
        '3 . ipv6hint="2001:db8::1"',
    ],
    "TA": [r"\# 24 30390501" + "ab" * 20],
    "TLSA": ["3 1 1 " + "0b" * 32],
    "TXT": [
        '"v=spf1 mx -all"',
        '""',
        '"" "" "a"',
        '"semi;colon \\"quoted\\" back\\\\slash"',
        '"\\000\\010\\013\\127\\255"',
    ],
    "UNSPEC": [r"\# 1 ff"],
    "URI": ['10 1 "ftp://ftp1.client.example/public?a=\\"b\\""'],
    "WALLET": ['"BTC" "example"'],
    "WKS": ["10.0.0.1 6 0 1 2 21 23"],
    "X25": ['"311061700956"'],
    "ZONEMD": ["2018031900 1 1 " + "62e6" * 24],
}
# QTYPEs and what lives in messages only: 128 to 255 (RFC 6895 section 3.1), OPT, and the reserved 0.
_NEVER_IN_ZONES = {int(RdataType.TYPE0), int(RdataType.OPT), *range(128, 256)}


def snapshot(*rrsets: RRset, **more: object) -> ZoneSnapshot:
    facts: dict[str, object] = {"source": "transfer", "taken_at": TAKEN, "completeness": "complete"} | more
    return ZoneSnapshot(APEX, {one.key: one for one in rrsets}, **facts)  # type: ignore[arg-type] # facts by name


def registered(package: ModuleType) -> set[str]:
    return {module.name.replace("_", "-") for module in pkgutil.iter_modules(package.__path__)}


def known_types() -> list[str]:
    names = registered(dns.rdtypes.ANY) | registered(dns.rdtypes.IN)
    names |= {dns.rdatatype.to_text(rdtype) for rdtype in RdataType}
    return sorted(name for name in names if int(dns.rdatatype.from_text(name)) not in _NEVER_IN_ZONES)


def wires(zone: ZoneSnapshot) -> set[tuple[str, bytes | None]]:
    return {(str(key), rdata.to_wire()) for key, held in zone.rrsets.items() for rdata in held.rdatas}


@pytest.mark.parametrize("name", known_types())
def test_every_type_that_dnspython_knows_survives_octet_by_octet(name: str) -> None:
    assert name in SAMPLES, f"{name} has no sample: add one"
    zone = snapshot(rrset("x.client.example.", 300, name, *SAMPLES[name]))
    back = from_text(to_text(zone))
    assert back == zone
    assert wires(back) == wires(zone)


@pytest.mark.parametrize("length", [0, 1, 254, 255, 256, 509, 510, 511, 2048])
def test_text_keeps_its_chunk_boundaries(length: int) -> None:
    octets = bytes(random.Random(length).choices(range(256), k=length))
    whole = [octets[i : i + 255] for i in range(0, length, 255)] or [b""]
    split_early = [octets[: length // 3][:255], *whole]
    zone = snapshot(
        *(_txt(f"t{n}", chunks) for n, chunks in enumerate((whole, split_early, [b"", *whole], [*whole, b""])))
    )
    assert wires(from_text(to_text(zone))) == wires(zone)


def _txt(label: str, chunks: list[bytes]) -> RRset:
    owner = dns.name.from_text(label, origin=APEX)
    return RRset(RRsetKey(owner, RdataType.TXT), 60, frozenset({TXT(IN, RdataType.TXT, chunks)}))


def test_a_type_nobody_knows_keeps_its_octets_and_number() -> None:
    unknown = RdataType.make(65400)
    rdatas = frozenset(GenericRdata(IN, unknown, octets) for octets in (b"", b"\x00\x0a;", b"x" * 300))
    zone = snapshot(RRset(RRsetKey(APEX, unknown), 60, rdatas))
    assert "TYPE65400 \\# 3 000a3b" in to_text(zone)
    assert from_text(to_text(zone)) == zone


labels = st.binary(min_size=1, max_size=63)
names = st.lists(labels, max_size=3).map(lambda some: Name([*some, *APEX.labels]))


@given(owner=names, target=st.lists(labels, max_size=3), chunks=st.lists(st.binary(max_size=255), min_size=1))
def test_any_name_and_any_text_survive(owner: Name, target: list[bytes], chunks: list[bytes]) -> None:
    alias = rdata_from_text(RdataType.CNAME, Name([*target, b""]).to_text())
    text = TXT(IN, RdataType.TXT, chunks)
    zone = snapshot(*(RRset(RRsetKey(owner, one.rdtype), 0, frozenset({one})) for one in (alias, text)))
    written = to_text(zone)
    assert from_text(written) == zone
    assert {key.owner.labels for key in from_text(written).rrsets} == {owner.labels}
    assert wires(from_text(written)) == wires(zone)
    assert written.isprintable() or written.replace("\n", "").isprintable()
    for rdata in (alias, text):
        assert f" {rdata_text(rdata)}\n" in written


def test_escaped_and_idn_and_wildcard_owners_come_back() -> None:
    owners = ["*.client.example.", "xn--r8jz45g.client.example.", r"a\.b.client.example.", r"sp\032ace.client.example."]
    owners += [
        r"\010new\000line.client.example.",
        r"se\;mi.client.example.",
        r"\*.x.client.example.",
        "_a.client.example.",
    ]
    zone = snapshot(*(rrset(owner, 60, "A", "192.0.2.1") for owner in owners))
    assert {str(owner) for owner in from_text(to_text(zone)).owners()} == {
        dns.name.from_text(owner).to_text() for owner in owners
    }


@pytest.mark.parametrize(
    "owner", ["notclient.example.", "client.example.org.", "example.", "client.example.notclient."]
)
def test_a_name_that_only_contains_the_domain_as_text_is_not_in_the_zone(owner: str) -> None:
    with pytest.raises(ValueError, match=r"not within client\.example"):
        to_text(snapshot(rrset(owner, 60, "A", "192.0.2.1")))
    text = to_text(snapshot()) + f"{owner} 60 IN A 192.0.2.1\n"
    with pytest.raises(ZoneTextError, match=r"not within client\.example"):
        from_text(text)


def test_everything_a_master_file_cannot_hold_comes_back() -> None:
    www = rrset("www.client.example.", 60, "A", "192.0.2.1")
    disabled = RRset(RRsetKey(www.key.owner, RdataType.TXT), 300, frozenset(), (("disabled", '"x"\n; y'), ("n", "客")))
    other = RRsetKey(dns.name.from_text("gone.client.example."), RdataType.MX)
    zone = snapshot(
        RRset(www.key, 60, www.rdatas, (("proxied", "true"), ("proxied", "\x9b31m"))),
        disabled,
        source="ファイル by “operator”\r\n; grade complete\u2028",
        completeness="listed",
        unmodelled=("b\nraw", "a", "a"),
        blind=frozenset({RdataType.LOC, RdataType.make(65400)}),
        sources={www.key: "asked\tns1", other: "the file, line 3"},
    )
    text = to_text(zone)
    assert from_text(text) == zone
    assert all(line.isprintable() for line in text.split("\n"))


def test_lines_in_any_order_are_the_same_zone() -> None:
    zone = snapshot(*(rrset(f"h{i}.client.example.", 60, "A", *SAMPLES["A"]) for i in range(20)), unmodelled=("raw",))
    first, *lines = to_text(zone).splitlines()
    random.Random(7).shuffle(lines)
    assert from_text("\n".join([first, *lines, ""])) == zone


def test_equal_zones_give_equal_text_sorted_by_name_with_the_soa_first() -> None:
    rrsets = [
        rrset(f"{label}client.example.", 60, "A", "192.0.2.9", "192.0.2.10") for label in ("b.", "", "a.b.", "Z.")
    ]
    rrsets.append(rrset(APEX, 60, "SOA", *SAMPLES["SOA"]))
    text = to_text(snapshot(*rrsets))
    assert text == to_text(snapshot(*reversed(rrsets)))
    owners = [line.split()[0] + " " + line.split()[3] for line in text.splitlines() if line[0] != ";"]
    assert [owner for owner, after in zip(owners, ["", *owners], strict=False) if owner != after] == [
        "client.example. SOA",
        "client.example. A",
        "b.client.example. A",
        "a.b.client.example. A",
        "Z.client.example. A",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dnsrun capture 1", "dnsrun capture 2", "line 1"),
        ("; grade complete", "; grade perfect", "line 3"),
        ("; grade complete\n", "", "no grade"),
        ("; grade complete", "; grade complete\n; grade complete", "line 4: grade stands there twice"),
        ("123456Z", "123456", "unknown line: taken"),
        ("; apex", "; hello", "unknown line: hello"),
        ("www.client.example. 60 IN A 192.0.2.1\n", "www.client.example. 60 IN A 192.0.2.1\n" * 2, "twice"),
        ("60 IN A 192.0.2.2", "61 IN A 192.0.2.2", "TTLs 60 and 61"),
        ("60 IN A 192.0.2.1\n", "60 IN A 192.0.2.1 ; note\n", "line 6"),
        ("60 IN A 192.0.2.1\n", "060 IN A 192.0.2.1\n", "not a TTL"),
        ("60 IN A 192.0.2.1\n", "2147483648 IN A 192.0.2.1\n", "not a TTL"),
        ("60 IN A 192.0.2.1\n", "60 CH A 192.0.2.1\n", "expected class IN"),
        ("www.client.example. 60 IN A 192.0.2.1\n", "www 60 IN A 192.0.2.1\n", "not absolute"),
        ("www.client.example. 60 IN A 192.0.2.1\n", "WWW.client.example. 60 IN A 192.0.2.1\n", "spelled in two ways"),
        ("www.client.example. 60 IN A 192.0.2.1\n", "\n", "line 6"),
        ("192.0.2.2\n", "192.0.2.2", "line end after the last line"),
        ("; extras www", "; extras ftp", "has extras but does not exist"),
    ],
)
def test_text_that_was_tampered_with_is_refused_by_line(old: str, new: str, message: str) -> None:
    www = RRset(*_fields(rrset("www.client.example.", 60, "A", "192.0.2.1", "192.0.2.2")), (("a", "b"),))
    text = to_text(snapshot(www)).replace('; extras www.client.example. A [["a", "b"]]\n', "")
    text = text.replace("192.0.2.2\n", '192.0.2.2\n; extras www.client.example. A [["a", "b"]]\n')
    text = text if "line end" not in message else to_text(snapshot(www))
    assert old in text
    with pytest.raises(ZoneTextError, match=re.escape(message)):
        from_text(text.replace(old, new))


def _fields(one: RRset) -> tuple[RRsetKey, int, frozenset[Rdata]]:
    return one.key, one.ttl_s, one.rdatas


def test_a_capture_loads_in_named_checkzone(tmp_path: Path) -> None:
    checkzone = need_program("named-checkzone", server="BIND", package="bind9")
    left_out = {"MD", "MF", "SOA"}  # obsolete in BIND's eyes; only at the apex
    rrsets = [rrset(f"t-{name}.client.example.", 300, name, *SAMPLES[name]) for name in SAMPLES if name not in left_out]
    rrsets += [rrset(APEX, 300, "SOA", *SAMPLES["SOA"]), rrset(APEX, 300, "NS", "ns.other.example.")]
    rrsets += [rrset(r"\010a\;b\.c.client.example.", 300, "TXT", *SAMPLES["TXT"])]
    rrsets += [rrset("u.client.example.", 300, "TYPE65400", r"\# 2 0001")]
    path = tmp_path / "zone"
    path.write_text(to_text(snapshot(*rrsets, unmodelled=("raw",))))
    run = subprocess.run(
        [checkzone, "-k", "ignore", "-i", "none", "-D", "client.example", str(path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr + run.stdout
    assert len([line for line in run.stdout.splitlines() if "\tIN\t" in line or " IN " in line]) == sum(
        len(one.rdatas) for one in rrsets
    )
