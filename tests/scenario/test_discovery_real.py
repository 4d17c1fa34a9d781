"""What `dnsrun init` finds out about a domain at real servers, and what it says that it could not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import dns.dnssec
import dns.dnssectypes
import dns.name
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dnsrun.clock import now_utc
from dnsrun.dnsio.net import MappedNet
from dnsrun.dnsio.walk import Roots
from dnsrun.engine.start import prepare
from dnsrun.errors import OutsideError
from dnsrun.intake.discover import discover
from dnsrun.intake.findings import Findings
from dnsrun.intake.questions import questions
from dnsrun.intake.words import speaking
from dnsrun.intake.writer import playbook_text
from dnsrun.model.rrset import key
from dnsrun.rehearse.authority import Authority
from scenario.test_stories import ZONE_A
from servers import Bind, Key, Knot, Primary, Starter
from servers.needs import need_program
from servers.running import RunningServer
from worlds import APEX, PARENT_ZONE, ROOT_ZONE, START, PacedClock, Workshop

SECRET = Key("not-for-us.")
ROOTS = Roots.of({"a.root.": ["198.51.100.1"]})
NS1, NS2 = "198.51.100.53", "198.51.100.54"
HIDDEN = "sv-07.client.example"  # in no dictionary


@dataclass
class Sight:
    """The name space above the domain, and servers for it that a test starts."""

    start: Starter
    parent: Authority
    places: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    bind: Bind = field(init=False)

    def serve(self, address: str, server: RunningServer) -> None:
        self.places[address, 53] = (server.address, server.port)

    def zone(self, text: str = ZONE_A, *, second: str | None = None, key: Key | None = SECRET) -> None:
        """Serve the zone at BIND and Knot, which give it to nobody without the key."""
        self.bind = self.start(Bind([Primary("client.example", text, key=key, allow_update=False)]))
        self.serve(NS1, self.bind)
        other = text if second is None else second
        self.serve(NS2, self.start(Knot([Primary("client.example", other, key=key, allow_update=False)])))

    def found(self) -> Findings:
        return discover(MappedNet(self.places, PacedClock(START)), ROOTS, APEX, now=START)


@pytest.fixture
def sight(start: Starter) -> Iterator[Sight]:
    with ExitStack() as stack:
        root = stack.enter_context(Authority({dns.name.root: ROOT_ZONE}))
        parent = stack.enter_context(Authority({dns.name.from_text("example"): PARENT_ZONE}))
        sight = Sight(start, parent)
        sight.places["198.51.100.1", 53] = (root.address, root.port)
        sight.places["198.51.100.2", 53] = (parent.address, parent.port)
        yield sight


def has(found: Findings, owner: str, rdtype: str = "A") -> bool:
    return key(owner, rdtype) in found.zone.rrsets


def unknown(found: Findings) -> list[str]:
    return [limit.word for limit in found.limits]


def signed(text: str) -> str:
    """Return the zone signed with NSEC."""
    private = ec.derive_private_key(4711, ec.SECP256R1())
    dnskey = dns.dnssec.make_dnskey(private.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257)
    zone = dns.zone.from_text(text, origin=APEX, relativize=False)
    now = now_utc()
    dns.dnssec.sign_zone(
        zone, keys=[(private, dnskey)], inception=now - timedelta(days=1), expiration=now + timedelta(days=9)
    )
    return str(zone.to_text(relativize=False))


def hashed(folder: Path, text: str) -> str:
    """Return the zone signed with NSEC3, by BIND's tools."""
    keygen, signzone = (
        need_program(one, server="BIND", package="bind9-utils") for one in ("dnssec-keygen", "dnssec-signzone")
    )
    (folder / "zone").write_text(text)
    made = subprocess.run(
        [keygen, "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "client.example"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    name = made.stdout.decode().strip()
    (folder / "zone").write_text(f"{text}\n{(folder / f'{name}.key').read_text()}")
    subprocess.run(
        [signzone, "-3", "-", "-z", "-o", "client.example", "-f", "signed", "zone", name],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return (folder / "signed").read_text()


def test_a_zone_that_anybody_may_transfer_is_known_as_a_whole(sight: Sight) -> None:
    sight.zone(key=None)
    found = sight.found()
    assert found.zone.completeness == "complete"
    assert has(found, HIDDEN)
    assert (unknown(found), found.differences) == (["spf"], ())
    assert found.giver is not None
    assert str(found.giver.endpoint) == f"ns1.client.example ({NS1})"


def test_story_a_where_nobody_gives_the_zone_the_mailboxes_are_asked_for(sight: Sight) -> None:
    sight.zone()
    found = sight.found()
    assert found.zone.completeness == "probed"
    assert [server.transfer for server in found.servers] == ["it answers REFUSED", "it answers NOTAUTH"]
    assert [server.serial for server in found.servers] == [7, 7]
    assert has(found, "imap.client.example")
    assert has(found, "k1._domainkey.client.example", "TXT")
    assert not has(found, HIDDEN)
    assert unknown(found) == ["unlisted", "selectors", "spf"]  # nobody answers for relay.example
    asked = {one.key: one.text for one in questions(found, ["other"], date(2026, 3, 2), speaking("en"))}
    assert asked["mailboxes"].startswith("Where are the mailboxes")
    assert "mx1.relay.example, mx2.relay.example" in asked["front"]
    text = playbook_text(found, language="en", panels=["other"], today=date(2026, 3, 2), answers={})
    assert f"MX 10 mx1.relay.example., asked at ns1.client.example ({NS1}): unknown family" in text
    assert "DKIM keys below random names" in text


def test_the_answered_playbook_of_a_probed_zone_can_be_planned(sight: Sight, tmp_path: Path) -> None:
    sight.zone()
    answers = {
        "goal": "The web site moves",
        "panel": "other",
        "mailboxes": "imap.client.example",
        "submission": "smtp.client.example",
        "front": "mx1.relay.example mx2.relay.example",
        "clients_by_address": "0",
        "web_new": "203.0.113.20",
        "contains": "Client",
        "sending_devices": "none",
        "local_mail": "no",
        "office_dns": "no",
        "dns_ends_with_hosting": "no",
        "logins": "us",
        "by": "Ms Sato",
        "on": "2026-03-01",
    }
    text = playbook_text(sight.found(), language="ja", panels=["other"], today=date(2026, 3, 2), answers=answers)
    shop = Workshop(folder=tmp_path, places=sight.places, text=text)
    plan = prepare(shop.open(text), 1).plan
    assert plan.phase_name == "lower TTLs"
    assert key("www.client.example", "A") in {change.key for change in plan.changes()}


def test_a_server_that_keeps_silent_is_named_and_asked_no_further(sight: Sight) -> None:
    sight.zone()
    del sight.places[NS2, 53]
    silent = sight.found().servers[1]
    assert (silent.serial, silent.says) == (None, "gives no answer (unreachable)")


def test_names_that_mx_srv_spf_and_aliases_lead_to_are_found_though_no_dictionary_has_them(sight: Sight) -> None:
    sight.zone(
        ZONE_A.replace('"v=spf1 mx include:', '"v=spf1 include:deep-x.client.example include:')
        + 'deep-x 300 TXT "v=spf1 a:post-y.client.example redirect=end-z.client.example"\n'
        + 'end-z 300 TXT "v=spf1 ip4:192.0.2.99 -all"\npost-y 300 A 192.0.2.98\n'
        + "_imaps._tcp 300 SRV 0 1 993 box-1\nbox-1 300 CNAME box-2\nbox-2 300 A 192.0.2.97\n"
        + "news 300 MX 5 letters-3\nletters-3 300 A 192.0.2.96\n"
    )
    found = sight.found()
    for owner in ("post-y", "box-2", "letters-3"):
        assert has(found, f"{owner}.client.example"), owner
    assert has(found, "end-z.client.example", "TXT")


def test_spf_records_of_other_zones_are_followed_to_the_operator_behind_them(sight: Sight) -> None:
    parent = "relay.example. 300 NS ns1.client.example.\n"
    sight.parent.set_zone(dns.name.from_text("example"), PARENT_ZONE + parent)
    relay = "@ 300 SOA ns. nobody. 1 1 1 1 1\n@ 300 NS ns1.client.example.\n"
    relay += '_spf 300 TXT "v=spf1 include:spf.mta.hdems.com -all"\n'
    sight.zone()
    sight.bind.add(Primary("relay.example", relay))
    found = sight.found()
    text = playbook_text(found, language="en", panels=["other"], today=date(2026, 3, 2), answers={})
    assert "  # SPF of _spf.relay.example: v=spf1 include:spf.mta.hdems.com -all\n" in text
    assert "  # include:spf.mta.hdems.com sends for the domain: HENNGE (send-front)\n" in text


def test_a_wildcard_is_named_and_what_it_answers_is_not_taken_for_names(sight: Sight) -> None:
    sight.zone(ZONE_A + "* 300 A 192.0.2.88\n")
    found = sight.found()
    assert has(found, "*.client.example")
    assert not has(found, "ftp.client.example")
    assert has(found, "imap.client.example")
    (wildcard,) = [limit for limit in found.limits if limit.word == "wildcard"]
    assert wildcard.facts == {"name": "*.client.example"}
    assert "below" not in unknown(found)  # it answers for _tcp and the like, too


def test_dkim_names_that_exist_and_were_not_found_are_said_to_exist(sight: Sight) -> None:
    sight.zone(ZONE_A.replace("k1._domainkey", "a8f2c1q9._domainkey"))
    found = sight.found()
    (below,) = [limit for limit in found.limits if limit.word == "below"]
    assert below.facts == {"name": "_domainkey.client.example"}


@pytest.mark.parametrize("first", ["BIND", "Knot"])
def test_every_name_of_a_zone_signed_with_nsec_is_read_from_its_proofs(sight: Sight, first: str) -> None:
    cut = f"sub 300 NS ns1.elsewhere.example.\nsub 300 DS 12345 13 2 {'ab' * 32}\n"
    sight.zone(signed(ZONE_A + cut + 'zz-last 300 CAA 0 issue "ca.example"\n'))
    if first == "Knot":  # which keeps the proof of a cut for those who ask for something else
        sight.places[NS1, 53], sight.places[NS2, 53] = sight.places[NS2, 53], sight.places[NS1, 53]
    found = sight.found()
    assert has(found, HIDDEN)
    assert has(found, "*.dev.client.example")
    assert has(found, "zz-last.client.example", "CAA")
    assert unknown(found) == ["walked", "spf"]
    assert found.zone.completeness == "probed"


def test_a_zone_signed_with_nsec3_says_that_its_names_cannot_be_read(sight: Sight, tmp_path: Path) -> None:
    sight.zone(hashed(tmp_path, ZONE_A))
    found = sight.found()
    assert not has(found, HIDDEN)
    (limit,) = [limit for limit in found.limits if limit.word == "not_walked"]
    assert "NSEC3" in limit.facts["why"]


def test_a_lame_server_is_named_and_does_not_count(sight: Sight) -> None:
    sight.zone()
    sight.serve(NS2, sight.start(Knot([Primary("other.example", ZONE_A.replace("client", "other"))])))
    found = sight.found()
    lame = found.servers[1]
    assert (lame.serial, lame.says) == (None, "answers REFUSED")
    assert has(found, "imap.client.example")


def test_servers_that_disagree_are_named_with_what_they_disagree_about(sight: Sight) -> None:
    second = ZONE_A.replace(" 7 1800", " 5 1800").replace("imap 3600 A 192.0.2.10", "imap 3600 A 192.0.2.66")
    sight.zone(second=second.replace("k1._domainkey", "; "))
    found = sight.found()
    told = "\n".join(found.differences)
    assert (
        f"the servers do not serve the same serial: ns1.client.example ({NS1}) 7, ns2.client.example ({NS2}) 5" in told
    )
    assert "imap.client.example A: ns2.client.example" in told
    assert "k1._domainkey.client.example TXT: ns2.client.example (198.51.100.54) says that it does not exist" in told


def test_a_parent_that_names_other_servers_than_the_zone_is_told(sight: Sight) -> None:
    sight.zone(ZONE_A + "@ 3600 NS ns3.client.example.\nns3 300 A 198.51.100.55\n")
    sight.places["198.51.100.55", 53] = sight.places[NS1, 53]
    (difference,) = sight.found().differences
    assert "the zone itself names ns1.client.example, ns2.client.example, ns3.client.example" in difference


def test_a_primary_that_nobody_is_delegated_to_is_asked_too_and_may_give_the_zone(sight: Sight) -> None:
    text = ZONE_A.replace("SOA ns1.client.example.", "SOA vps.client.example.") + "vps 300 A 198.51.100.99\n"
    sight.zone(text)
    sight.serve("198.51.100.99", sight.start(Bind([Primary("client.example", text)])))
    found = sight.found()
    (hidden,) = found.beside
    assert (str(hidden.endpoint), hidden.serial, hidden.transfer) == ("vps.client.example (198.51.100.99)", 7, "")
    assert found.zone.completeness == "complete"
    assert has(found, HIDDEN)


def test_without_any_server_that_answers_with_authority_there_is_nothing_to_write(sight: Sight) -> None:
    lame = sight.start(Knot([Primary("other.example", ZONE_A.replace("client", "other"))]))
    sight.serve(NS1, lame)
    sight.serve(NS2, lame)
    with pytest.raises(OutsideError, match=r"no server answers for client\.example with authority: .*REFUSED"):
        sight.found()
