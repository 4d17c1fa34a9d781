"""The embedded authority answers and updates as BIND does, question by question, zone by zone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
import pytest
from dns.message import Message
from dns.name import Name

from dnsrun.model.observation import Endpoint
from dnsrun.rehearse.authority import Authority, TransferSource
from servers import Bind, Key, Primary, Secondary, eventually

APEX = dns.name.from_text("example.test.")
CHILD = dns.name.from_text("child.example.test.")
KEY = Key("update-key.")

TEXT = """$TTL 3600
@ 3600 SOA ns1 hostmaster 2026010101 7200 900 1209600 300
@ NS ns1
@ NS ns2.elsewhere.test.
@ MX 10 mail
@ TXT "v=spf1 mx -all" "second chunk"
ns1 A 192.0.2.53
ns1 AAAA 2001:db8::53
mail A 192.0.2.25
www 600 A 192.0.2.10
www 600 A 192.0.2.11
alias CNAME www
chain CNAME alias
loop1 CNAME loop2
loop2 CNAME loop1
away CNAME www.elsewhere.test.
gone CNAME nothing
tonodata CNAME mail
a.b.deep TXT "below two empty non-terminals"
*.wild A 192.0.2.77
*.wild TXT "wild"
named.wild A 192.0.2.78
sub.here.wild A 192.0.2.79
*.wildalias CNAME www
dn DNAME target
www.target A 192.0.2.90
child NS ns.child
child NS ns.kid
child DS 12345 13 2 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
ns.child A 192.0.2.99
ns.child AAAA 2001:db8::99
kid NS ns.kid
ns.kid A 192.0.2.98
far NS ns1.elsewhere.test.
tocut CNAME www.kid
_sip._tcp SRV 1 2 5060 mail
caa CAA 0 issue "ca.example"
odd TYPE65400 \\# 3 010203
svc HTTPS 1 . alpn=h2
"""
CHILD_TEXT = """$TTL 60
@ SOA ns hostmaster 5 7200 900 1209600 30
@ NS ns
ns A 192.0.2.99
www A 192.0.2.100
"""
BIG_TEXT = "".join(f'big TXT "{number:03d} {"x" * 60}"\n' for number in range(30))


@dataclass(frozen=True)
class Pair:
    bind: Endpoint
    own: Endpoint
    full: Endpoint

    def both(self, query: Message) -> tuple[Message, Message]:
        return ask(self.bind, query), ask(self.own, query)


def ask(server: Endpoint, query: Message) -> Message:
    return dns.query.udp(query, server.address, 3, server.port)


@pytest.fixture(scope="module")
def asked() -> Iterator[Pair]:
    """Two servers with the same two zones, the parent and its child; nobody writes."""
    zones = {APEX: TEXT + BIG_TEXT, CHILD: CHILD_TEXT}
    with ExitStack() as stack:
        bind = stack.enter_context(Bind([Primary(str(apex), text) for apex, text in zones.items()]))
        own = stack.enter_context(Authority(zones))
        full = stack.enter_context(Authority(zones, ns_beside=True))
        yield Pair(bind.endpoint, own.endpoint, full.endpoint)


def seen(response: Message) -> dict[str, object]:
    """What a resolver makes use of; BIND is set to add the apex NS, which is left out here."""
    flags = response.flags & (dns.flags.AA | dns.flags.TC | dns.flags.RA | dns.flags.RD | dns.flags.QR)
    is_referral = not response.flags & dns.flags.AA
    shows_servers = is_referral or response.question[0].rdtype == dns.rdatatype.NS
    authority = [rrset for rrset in response.authority if is_referral or rrset.rdtype != dns.rdatatype.NS]
    return {
        "rcode": dns.rcode.to_text(response.rcode()),
        "flags": dns.flags.to_text(flags),
        "answer": [] if response.flags & dns.flags.TC else lines(response.answer),
        "authority": [] if response.flags & dns.flags.TC else lines(authority),
        "additional": lines(response.additional) if shows_servers else [],
    }


def lines(section: list[dns.rrset.RRset]) -> list[str]:
    return sorted(
        f"{rrset.name.canonicalize()} {rrset.ttl} {rrset.rdtype} {rdata}" for rrset in section for rdata in rrset
    )


QUESTIONS = [
    *[("@", rdtype) for rdtype in ("SOA", "NS", "MX", "TXT", "A", "DS", "ANY")],
    *[("www", rdtype) for rdtype in ("A", "AAAA", "ANY", "CNAME")],
    *[(name, "A") for name in ("alias", "chain", "loop1", "away", "gone", "tonodata", "WWW", "tocut")],
    *[(name, "AAAA") for name in ("alias", "tonodata")],
    *[("alias", rdtype) for rdtype in ("CNAME", "ANY", "TXT")],
    *[(name, "TXT") for name in ("a.b.deep", "b.deep", "deep", "x.b.deep", "no.deep", "nothing")],
    *[("x.wild", rdtype) for rdtype in ("A", "TXT", "MX", "ANY")],
    *[(name, "A") for name in ("y.x.wild", "wild", "*.wild", "named.wild", "here.wild", "x.here.wild")],
    *[(name, "TXT") for name in ("named.wild", "x.named.wild")],
    *[(name, "A") for name in ("x.wildalias", "wildalias")],
    *[("dn", rdtype) for rdtype in ("DNAME", "A", "CNAME")],
    *[(name, "A") for name in ("www.dn", "nothing.dn", "a.www.dn")],
    *[("www.dn", rdtype) for rdtype in ("CNAME", "ANY")],
    *[(name, rdtype) for name in ("kid", "www.kid", "ns.kid") for rdtype in ("A", "NS", "DS")],
    *[(name, rdtype) for name in ("far", "x.far") for rdtype in ("A", "NS")],
    *[("child", rdtype) for rdtype in ("DS", "NS", "SOA", "A")],
    *[(name, "A") for name in ("www.child", "nothing.child")],
    *[("_sip._tcp", "SRV"), ("_tcp", "SRV"), ("caa", "CAA"), ("odd", "TYPE65400"), ("svc", "HTTPS")],
    *[("elsewhere.test.", "A"), (".", "NS"), ("test.", "SOA"), ("notexample.test.", "A"), ("big", "TXT")],
]


FROM_DNAME = [("www.dn", "CNAME"), ("www.dn", "ANY")]


# BIND has them also beside the CNAME that a DNAME made.
@pytest.mark.parametrize(("label", "rdtype"), [each for each in QUESTIONS if each not in FROM_DNAME])
def test_has_its_name_servers_beside_data_where_bind_has(asked: Pair, label: str, rdtype: str) -> None:
    query = dns.message.make_query(dns.name.from_text(label, APEX), rdtype)
    theirs, ours = (servers_beside(ask(server, query)) for server in (asked.bind, asked.full))
    assert ours == theirs


def servers_beside(response: Message) -> list[str]:
    if response.flags & dns.flags.TC:
        return []
    return lines([rrset for rrset in response.authority if rrset.rdtype == dns.rdatatype.NS])


@pytest.mark.parametrize(("label", "rdtype"), QUESTIONS)
def test_answers_like_bind(asked: Pair, label: str, rdtype: str) -> None:
    theirs, ours = asked.both(dns.message.make_query(dns.name.from_text(label, APEX), rdtype))
    assert seen(ours) == seen(theirs)


@pytest.mark.parametrize("payload", [512, 1232, 4096])
def test_truncates_where_bind_does(asked: Pair, payload: int) -> None:
    query = dns.message.make_query(dns.name.from_text("big", APEX), "TXT", use_edns=0, payload=payload)
    theirs, ours = asked.both(query)
    assert seen(ours) == seen(theirs)
    assert ours.edns == theirs.edns == 0


def test_refuses_an_unknown_edns_version_like_bind(asked: Pair) -> None:
    theirs, ours = asked.both(dns.message.make_query(APEX, "SOA", use_edns=1))
    assert (ours.rcode(), ours.edns) == (theirs.rcode(), theirs.edns) == (dns.rcode.BADVERS, 0)


def test_ignores_an_unknown_edns_option_like_bind(asked: Pair) -> None:
    option = dns.edns.GenericOption(dns.edns.OptionType.make(65001), b"hello")
    theirs, ours = asked.both(dns.message.make_query(APEX, "SOA", use_edns=0, options=[option]))
    assert seen(ours) == seen(theirs)


UPDATE_TEXT = """$TTL 3600
@ 3600 SOA ns1 hostmaster 4294967295 7200 900 1209600 300
@ NS ns1
@ NS ns2
@ MX 10 mail
@ TXT "one"
ns1 A 192.0.2.53
ns2 A 192.0.2.54
mail A 192.0.2.25
www A 192.0.2.10
www A 192.0.2.11
www TXT "text"
alias CNAME www
a.b TXT "deep"
"""

ANY, NONE, IN = "ANY", "NONE", "IN"
# Each case: prerequisites and updates as (class, owner, ttl, type, rdata), in order.
Line = tuple[str, str, int, str, str]
ADD: Line = (IN, "added", 60, "A", "192.0.2.99")
UPDATES: dict[str, tuple[list[Line], list[Line]]] = {
    "add a record": ([], [ADD]),
    "add a value, which sets the TTL of all": ([], [(IN, "www", 60, "A", "192.0.2.12")]),
    "add what is there": ([], [(IN, "www", 3600, "A", "192.0.2.10")]),
    "add what is there with another TTL": ([], [(IN, "www", 60, "A", "192.0.2.10")]),
    "delete one value": ([], [(NONE, "www", 0, "A", "192.0.2.10")]),
    "delete a value that is not there": ([], [(NONE, "www", 0, "A", "192.0.2.66")]),
    "delete an RRset": ([], [(ANY, "www", 0, "A", "")]),
    "delete a name": ([], [(ANY, "www", 0, "ANY", "")]),
    "delete a deep name, its empty non-terminal goes too": ([], [(ANY, "a.b", 0, "ANY", "")]),
    "replace": ([], [(ANY, "www", 0, "A", ""), (IN, "www", 60, "A", "192.0.2.77")]),
    "delete the apex: SOA and NS stay": ([], [(ANY, "@", 0, "ANY", "")]),
    "delete the apex NS: ignored": ([], [(ANY, "@", 0, "NS", "")]),
    "delete the SOA: ignored": ([], [(ANY, "@", 0, "SOA", "")]),
    "delete one apex NS": ([], [(NONE, "@", 0, "NS", "ns1")]),
    "delete both apex NS: one stays": ([], [(NONE, "@", 0, "NS", "ns1"), (NONE, "@", 0, "NS", "ns2")]),
    "change the apex NS value by value": (
        [],
        [
            (IN, "@", 60, "NS", "ns3.elsewhere.test."),
            (IN, "@", 60, "NS", "ns4.elsewhere.test."),
            (NONE, "@", 0, "NS", "ns1"),
            (NONE, "@", 0, "NS", "ns2"),
        ],
    ),
    "raise the serial": ([], [(IN, "@", 60, "SOA", "ns1 hostmaster 77 7200 900 1209600 60")]),
    "lower the serial: ignored": ([], [(IN, "@", 60, "SOA", "ns1 hostmaster 4294967290 7200 900 1209600 60")]),
    "SOA below the apex: ignored": ([], [(IN, "www", 60, "SOA", "ns1 hostmaster 9 7200 900 1209600 60")]),
    "CNAME beside data: ignored": ([], [(IN, "www", 60, "CNAME", "mail")]),
    "data beside CNAME: ignored": ([], [(IN, "alias", 60, "A", "192.0.2.5")]),
    "CNAME replaces CNAME": ([], [(IN, "alias", 60, "CNAME", "mail")]),
    "CNAME to A in one update": ([], [(ANY, "alias", 0, "CNAME", ""), (IN, "alias", 60, "A", "192.0.2.5")]),
    "A to CNAME in one update": ([], [(ANY, "www", 0, "ANY", ""), (IN, "www", 60, "CNAME", "mail")]),
    "DNAME replaces DNAME": ([], [(IN, "d", 60, "DNAME", "mail"), (IN, "d", 60, "DNAME", "www")]),
    "undone in the same update": ([], [ADD, (NONE, "added", 0, "A", "192.0.2.99")]),
    "add outside the zone": ([], [ADD, (IN, "elsewhere.test.", 60, "A", "192.0.2.1")]),
    "add type ANY": ([], [ADD, (IN, "x", 60, "ANY", "\\# 0")]),
    "name in use: yes": ([(ANY, "www", 0, "ANY", "")], [ADD]),
    "name in use: no": ([(ANY, "nothing", 0, "ANY", "")], [ADD]),
    "name in use: an empty non-terminal is not": ([(ANY, "b", 0, "ANY", "")], [ADD]),
    "name not in use: yes": ([(NONE, "nothing", 0, "ANY", "")], [ADD]),
    "name not in use: no": ([(NONE, "www", 0, "ANY", "")], [ADD]),
    "RRset exists: yes": ([(ANY, "www", 0, "A", "")], [ADD]),
    "RRset exists: no": ([(ANY, "www", 0, "MX", "")], [ADD]),
    "RRset does not exist: yes": ([(NONE, "www", 0, "MX", "")], [ADD]),
    "RRset does not exist: no": ([(NONE, "www", 0, "A", "")], [ADD]),
    "RRset is this: yes": ([(IN, "www", 0, "A", "192.0.2.11"), (IN, "www", 0, "A", "192.0.2.10")], [ADD]),
    "RRset is this: one is missing": ([(IN, "www", 0, "A", "192.0.2.11")], [ADD]),
    "RRset is this: other value": ([(IN, "@", 0, "TXT", '"two"')], [ADD]),
    "RRset is this: not there": ([(IN, "nothing", 0, "A", "192.0.2.1")], [ADD]),
    "RRset is this, at the apex NS": ([(IN, "@", 0, "NS", "ns2"), (IN, "@", 0, "NS", "ns1")], [ADD]),
    "two RRsets, one is wrong": ([(IN, "mail", 0, "A", "192.0.2.25"), (ANY, "www", 0, "MX", "")], [ADD]),
    "prerequisite with a TTL": ([(IN, "mail", 60, "A", "192.0.2.25")], [ADD]),
    "prerequisite outside the zone": ([(ANY, "elsewhere.test.", 0, "ANY", "")], [ADD]),
    "prerequisite and nothing to do": ([(ANY, "www", 0, "A", "")], []),
}


def update_message(apex: Name, case: tuple[list[Line], list[Line]]) -> dns.update.UpdateMessage:
    message = dns.update.UpdateMessage(apex)
    for section, wanted in zip((message.prerequisite, message.update), case, strict=True):
        section.extend(_rrset(apex, line) for line in wanted)
    return message


def _rrset(apex: Name, line: Line) -> dns.rrset.RRset:
    class_, owner, ttl_s, rdtype, rdata = line
    rrset = dns.rrset.from_text_list(
        dns.name.from_text(owner, apex), ttl_s, IN, rdtype, [rdata] if rdata else [], origin=apex, relativize=False
    )
    if class_ != IN:
        rrset.deleting = dns.rdataclass.from_text(class_)
    return rrset


def content(server: Endpoint, apex: Name, key: dns.tsig.Key) -> list[str]:
    messages = dns.query.xfr(
        server.address, apex, port=server.port, keyring={key.name: key}, relativize=False, timeout=5
    )
    return sorted({line for message in messages for line in lines(message.answer)})


@pytest.mark.parametrize("case", UPDATES)
def test_updates_like_bind(shared_bind: Bind, origin: str, case: str) -> None:
    apex = dns.name.from_text(origin)
    shared_bind.add(Primary(origin, UPDATE_TEXT, KEY))
    with Authority({apex: UPDATE_TEXT}, key=KEY.tsig()) as own:
        results = []
        for server in (shared_bind.endpoint, own.endpoint):
            message = update_message(apex, UPDATES[case])
            message.use_tsig(KEY.tsig())
            response = dns.query.tcp(message, server.address, 5, server.port)
            results.append((dns.rcode.to_text(response.rcode()), content(server, apex, KEY.tsig())))
    assert results[1] == results[0]


@pytest.mark.parametrize(
    ("signer", "expected"),
    [
        (dns.tsig.Key(KEY.name, b"another secret altogether", "hmac-sha256"), dns.tsig.PeerBadSignature),
        (dns.tsig.Key("nobody.", b"whatever", "hmac-sha256"), dns.tsig.PeerBadKey),
        (dns.tsig.Key(KEY.name, KEY.tsig().secret, "hmac-sha512"), dns.tsig.PeerBadKey),
    ],
    ids=["wrong secret", "unknown key", "wrong algorithm"],
)
def test_names_what_is_wrong_with_a_signature_like_bind(
    shared_bind: Bind, origin: str, signer: dns.tsig.Key, expected: type[Exception]
) -> None:
    apex = dns.name.from_text(origin)
    shared_bind.add(Primary(origin, UPDATE_TEXT, KEY))
    with Authority({apex: UPDATE_TEXT}, key=KEY.tsig()) as own:
        for server in (shared_bind.endpoint, own.endpoint):
            message = update_message(apex, ([], [ADD]))
            message.use_tsig(signer)
            with pytest.raises(expected):
                dns.query.tcp(message, server.address, 5, server.port)


def test_refuses_an_unsigned_update_and_transfer_like_bind(shared_bind: Bind, origin: str) -> None:
    apex = dns.name.from_text(origin)
    shared_bind.add(Primary(origin, UPDATE_TEXT, KEY))
    with Authority({apex: UPDATE_TEXT}, key=KEY.tsig()) as own:
        for query in (update_message(apex, ([], [ADD])), dns.message.make_query(apex, "AXFR")):
            results = [
                dns.query.tcp(query, server.address, 5, server.port).rcode()
                for server in (shared_bind.endpoint, own.endpoint)
            ]
            assert results == [dns.rcode.REFUSED, dns.rcode.REFUSED]


def notify(server: Endpoint, apex: Name) -> Message:
    message = dns.message.make_query(apex, "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    return ask(server, message)


def has_address(server: Endpoint, owner: str, address: str) -> bool:
    response = ask(server, dns.message.make_query(owner, "A"))
    return any(str(rdata) == address for rrset in response.answer for rdata in rrset)


def test_bind_as_secondary_follows_the_authority_on_notify() -> None:
    with Authority({APEX: TEXT}) as own, Bind([Secondary(str(APEX), own.endpoint)]) as bind:
        message = dns.update.UpdateMessage(APEX)
        message.replace("www", 60, "A", "203.0.113.7")
        dns.query.tcp(message, own.address, 5, own.port)
        assert notify(bind.endpoint, APEX).rcode() == dns.rcode.NOERROR
        eventually(lambda: has_address(bind.endpoint, "www.example.test.", "203.0.113.7"))


def test_the_authority_as_secondary_takes_the_whole_zone_of_bind_signed() -> None:
    source_zone = Primary(str(APEX), TEXT, KEY)
    with Bind([source_zone]) as bind:
        source = TransferSource(bind.endpoint, KEY.tsig())
        with Authority({}, secondaries={APEX: source}, key=KEY.tsig()) as own:
            assert notify(own.endpoint, APEX).rcode() == dns.rcode.NOERROR
            eventually(lambda: has_address(own.endpoint, "www.example.test.", "192.0.2.10"))
            assert content(own.endpoint, APEX, KEY.tsig()) == content(bind.endpoint, APEX, KEY.tsig())
