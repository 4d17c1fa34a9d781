"""The registrar's contract, kept by parent-rfc2136 at BIND and Knot, and what is its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dns.name
import pytest

from contract.hosts import FixedSecrets, ParentHost, opened_registrar, secret, version
from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import SocketNet
from dnsrun.errors import OutsideError, WriteConflict
from dnsrun.model.playbook import Json, SecretRef
from dnsrun.model.rrset import RRset, RRsetKey
from dnsrun.model.zone import Delegation
from dnsrun.ports.provider import Context, RegistrarProvider
from dnsrun.rehearse.authority import Authority, Faults
from dnsrun.testing.registrar import RegistrarContract, delegation, named
from dnsrun_providers.parent_rfc2136 import PLUGIN, ParentRfc2136
from dnsrun_providers.primary import Primary as Place
from servers import Bind, Key, Knot, Primary, Starter, small_zone

KEY = Key("registry.")
DELEGATIONS = (
    "client 7200 IN NS ns1.old.example.",
    "client 7200 IN NS ns2.old.example.",
    "neighbour 7200 IN NS ns1.old.example.",
    "neighbour 7200 IN NS ns.neighbour",
    "ns.neighbour 3600 IN A 192.0.2.70",
    "clientele 300 IN TXT stays",
)


class TestBindParent(RegistrarContract):
    @pytest.fixture
    def host(self, shared_bind: Bind, origin: str) -> ParentHost:
        shared_bind.add(Primary(origin, small_zone(*DELEGATIONS), key=KEY))
        return ParentHost(shared_bind, origin, KEY, f"BIND {version('named', '-V')}")


class TestKnotParent(RegistrarContract):
    @pytest.fixture
    def host(self, shared_knot: Knot, origin: str) -> ParentHost:
        shared_knot.add(Primary(origin, small_zone(*DELEGATIONS), key=KEY))
        return ParentHost(shared_knot, origin, KEY, f"Knot DNS {version('knotd', '--version')}")


# --- what is its own, at a server in this process

ZONE = named("parent.example.")
DOMAIN = named("client.parent.example.")
NS1 = named("ns1.client.parent.example.")


@pytest.fixture
def parent() -> Iterator[Authority]:
    text = "$ORIGIN parent.example.\n" + small_zone(*DELEGATIONS)
    with Authority({ZONE: text}, key=KEY.tsig()) as server:
        yield server


def ask(server: Authority | Bind) -> RegistrarProvider:
    place: dict[str, Json | SecretRef] = {"zone": ZONE.to_text(), "server": server.address, "port": server.port}
    secrets = FixedSecrets(TSIG=KEY.secret)
    return opened_registrar(PLUGIN, secrets, key_name=KEY.name, key_secret=secret("TSIG"), **place)


def updates(server: Authority) -> int:
    return sum(record.kind == "update" for record in server.log)


def now(parent: Authority) -> Delegation:
    found = ask(parent).read_delegation(DOMAIN)
    assert found
    return found


def test_one_message_carries_everything_and_none_is_sent_when_it_is_there(parent: Authority) -> None:
    before = now(parent)
    after = delegation(before, NS1, *before.ns, glue={NS1: ("2001:0db8::0001",)}, ds=(f"1 13 2 {'AB' * 32}",))
    ask(parent).replace_delegation(DOMAIN, before=before, after=after)
    ask(parent).replace_delegation(DOMAIN, before=before, after=after)
    assert updates(parent) == 1
    assert parent.serial(ZONE) == 2
    assert now(parent).glue == {NS1: ("2001:db8::1",)}


def test_the_ttls_stay_those_of_the_parent(parent: Authority) -> None:
    more = f"client.parent.example. 300 IN DS 1 13 2 {'ab' * 32}\n{NS1} 1200 IN A 192.0.2.1\n"
    more += f"client.parent.example. 7200 IN NS {NS1}\n"
    parent.set_zone(ZONE, parent.zone_text(ZONE) + more)
    before = now(parent)
    after = Delegation(frozenset({NS1}), {NS1: ("192.0.2.9",)}, frozenset({f"2 13 2 {'cd' * 32}"}), 60, 60)
    ask(parent).replace_delegation(DOMAIN, before=before, after=after)
    assert (now(parent).ttl_s, now(parent).ds_ttl_s) == (7200, 300)
    assert f"{NS1} 1200 IN A 192.0.2.9" in parent.zone_text(ZONE)


def test_glue_that_a_neighbour_uses_stays(parent: Authority) -> None:
    """Incident 17: somebody else's domain lives on a name server inside this one."""
    before = now(parent)
    inside = delegation(before, NS1, glue={NS1: ("192.0.2.1",)})
    ask(parent).replace_delegation(DOMAIN, before=before, after=inside)
    parent.set_zone(ZONE, parent.zone_text(ZONE) + f"other.parent.example. 60 IN NS {NS1}\n")
    ask(parent).replace_delegation(DOMAIN, before=inside, after=before)
    assert now(parent).same(before)
    assert f"{NS1} 7200 IN A 192.0.2.1" in parent.zone_text(ZONE)
    ask(parent).replace_delegation(DOMAIN, before=before, after=delegation(before, NS1, glue={NS1: ("192.0.2.9",)}))
    assert now(parent).glue == {NS1: ("192.0.2.9",)}


def test_an_edit_between_reading_and_writing_is_a_conflict(parent: Authority) -> None:
    class Watched(Place):
        def transfer(self, apex: dns.name.Name) -> dict[RRsetKey, RRset]:
            seen = super().transfer(apex)
            parent.set_zone(ZONE, parent.zone_text(ZONE).replace("ns1.old", "ns1.foreign"))
            return seen

    clock = SystemClock()
    context = Context(SocketNet(clock), clock, FixedSecrets())
    slow = ParentRfc2136(ZONE, Watched(parent.endpoint, KEY.tsig(), context))
    before = now(parent)
    with pytest.raises(WriteConflict):
        slow.replace_delegation(DOMAIN, before=before, after=delegation(before, NS1))
    assert named("ns1.foreign.example.") in now(parent).ns


@pytest.mark.parametrize(
    ("domain", "after", "why"),
    [
        ("client.elsewhere.example.", {}, "is not below parent.example"),
        ("parent.example.", {}, "is not below parent.example"),
        ("a.neighbour.parent.example.", {}, "delegates neighbour.parent.example: the parent of"),
        ("client.parent.example.", {"ns": ()}, "without name servers"),
        ("client.parent.example.", {"glue": {named("ns1.old.example."): ("192.0.2.1",)}}, "glue for ns1.old.example"),
    ],
)
def test_what_is_not_its_business_is_refused(parent: Authority, domain: str, after: dict[str, Any], why: str) -> None:
    before = now(parent)
    wanted = delegation(before, *after.get("ns", (NS1,)), glue=after.get("glue"))
    with pytest.raises(OutsideError, match=why) as failure:
        ask(parent).replace_delegation(named(domain), before=before, after=wanted)
    assert not failure.value.retryable
    assert updates(parent) == 0


def test_an_answer_that_is_lost_leaves_the_change_in_doubt(parent: Authority) -> None:
    before = now(parent)
    parent.faults = Faults(lose_update_answers=True)
    with pytest.raises(OutsideError) as failure:
        ask(parent).replace_delegation(DOMAIN, before=before, after=delegation(before, NS1))
    assert failure.value.certainty == "in-doubt"
    assert now(parent).ns == {NS1}


def test_a_server_of_both_zones_still_tells_the_parents_side(start: Starter) -> None:
    child = small_zone(ns="ns.child.example.")
    zone = Primary("parent.example.", small_zone(*DELEGATIONS), key=KEY)
    server = start(Bind([zone, Primary("client.parent.example.", child)]))
    assert server.ask(DOMAIN, "NS").answer, "the server answers for the child"
    found = ask(server).read_delegation(DOMAIN)
    assert found
    assert found.ns == {named("ns1.old.example."), named("ns2.old.example.")}
