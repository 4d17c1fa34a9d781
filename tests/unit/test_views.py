"""Views: who is asked, what is not, and what the plan lays over the answers."""

from __future__ import annotations

from collections.abc import Iterator

import dns.name
import dns.rcode
import pytest

from dnsrun.dnsio.views import current_view, future_view
from dnsrun.errors import OutsideError
from dnsrun.model.observation import Answer, NoReply
from dnsrun.model.rrset import Change, RRset, key, rrset
from dnsrun.ports.net import View
from dnsrun.rehearse.authority import Faults
from dnsworld import CLIENT, CLIENT_ZONE, EXAMPLE, EXAMPLE_ZONE, HOSTER, HOSTER_ZONE, ZONES, DnsWorld, dns_world, end
from gateworld import FixedView

NS1, NS2 = end("ns1.client.example", "192.0.2.31"), end("ns.hoster.example", "192.0.2.32")
NS2_V6 = end("ns.hoster.example", "2001:db8::32")
WWW, SHOP = key("www.client.example", "A"), key("shop.client.example", "A")


@pytest.fixture
def world() -> Iterator[DnsWorld]:
    with dns_world() as started:
        yield started


def view_of(world: DnsWorld) -> View:
    return current_view(world.net, CLIENT, world.roots)


def kinds(view: View, *wanted: str) -> dict[str, list[str]]:
    """Return what each `owner TYPE` was answered, once for each different answer."""
    keys = [key(*one.split()) for one in wanted]
    seen: dict[str, set[str]] = {}
    for one in view.ask(keys):
        assert isinstance(one.got, Answer)
        seen.setdefault(str(one.of), set()).add(one.got.kind)
    return {name: sorted(found) for name, found in seen.items()}


def planned(*after: RRset, gone: tuple[str, ...] = ()) -> tuple[Change, ...]:
    made = tuple(Change(one.key, None, one) for one in after)
    return made + tuple(Change(key(*one.split()), rrset(*_any(one)), None) for one in gone)


def _any(one: str) -> tuple[str, int, str, str]:
    owner, rdtype = one.split()
    return owner, 60, rdtype, "192.0.2.99" if rdtype == "A" else "gone.client.example."


def test_every_address_of_every_server_of_the_live_delegation_is_asked(world: DnsWorld) -> None:
    view = current_view(world.net, CLIENT, world.roots)
    assert view.servers == (NS1, NS2)
    assert {one.server for one in view.ask([WWW])} == {NS1, NS2}
    assert [server.address for server in view.controls] == ["192.0.2.11", "192.0.2.12", "2001:db8::12"]


def test_ipv6_without_a_route_is_not_checked_and_not_asked(world: DnsWorld) -> None:
    """Fault 42."""
    assert view_of(world).not_checked == (NS2_V6,)
    world.places["2001:db8::32", 53] = world.places["192.0.2.32", 53]
    assert view_of(world).not_checked == ()
    assert NS2_V6 in view_of(world).servers


def test_a_server_that_only_one_parent_or_only_the_zone_names_belongs_to_the_view(world: DnsWorld) -> None:
    world.servers["192.0.2.12"].set_zone(
        EXAMPLE, EXAMPLE_ZONE.replace("client 86400 NS ns.hoster", "client 86400 NS x.hoster")
    )
    hoster = HOSTER_ZONE + "x A 192.0.2.33\ny A 192.0.2.34\n"
    world.servers["192.0.2.21"].set_zone(HOSTER, hoster)
    world.servers["192.0.2.31"].set_zone(CLIENT, CLIENT_ZONE + "@ NS y.hoster.example.\nns1 A 192.0.2.35\n")
    assert {one.address for one in view_of(world).servers} == {f"192.0.2.{n}" for n in (31, 32, 33, 34, 35)}


def test_a_server_without_an_address_is_said_and_told_addresses_help(world: DnsWorld) -> None:
    world.servers["192.0.2.21"].set_zone(HOSTER, HOSTER_ZONE.replace("ns A ", "x A ").replace("ns AAAA ", "x AAAA "))
    view = current_view(world.net, CLIENT, world.roots)
    assert (view.servers, view.nameless) == ((NS1,), (NS2.name,))
    view = current_view(world.net, CLIENT, world.roots, extra_addresses={NS2.name: ("192.0.2.32",)})
    assert (view.servers, view.nameless) == ((NS1, NS2), ())


def test_a_caller_may_stop_between_answers(world: DnsWorld) -> None:
    before = len(world.servers["192.0.2.31"].log)
    asking = view_of(world).ask(key(f"h{n}.client.example", "A") for n in range(5000))
    next(asking)
    asking.close()  # type: ignore[attr-defined] # every view yields from a generator
    assert len(world.servers["192.0.2.31"].log) - before < 1000


def test_planned_data_answers_for_every_server_without_a_question(world: DnsWorld) -> None:
    new = rrset("www.client.example", 60, "A", "203.0.113.20")
    view = future_view(view_of(world), planned(new))
    before = [len(server.log) for server in world.servers.values()]
    seen = list(view.ask([WWW]))
    assert {one.server for one in seen} == {NS1, NS2}
    assert {one.got for one in seen} == {Answer(0, aa=True, rrset=new, kind="data")}
    assert [len(server.log) for server in world.servers.values()] == before
    assert view.name == "future"


@pytest.mark.parametrize(
    ("changes", "asked", "answer"),
    [
        (planned(gone=("www.client.example A",)), "www.client.example A", "nodata"),
        (planned(gone=("shop.client.example CNAME",)), "shop.client.example A", "nodata"),
        (planned(rrset("new.client.example", 60, "A", "192.0.2.1")), "new.client.example TXT", "nodata"),
        (planned(rrset("x.y.client.example", 60, "A", "192.0.2.1")), "y.client.example TXT", "nodata"),
        (planned(rrset("x.y.client.example", 60, "A", "192.0.2.1")), "z.client.example TXT", "nxdomain"),
        (planned(rrset("new.client.example", 60, "CNAME", "www.client.example.")), "new.client.example TXT", "data"),
        (planned(rrset("www.client.example", 60, "A", "192.0.2.1")), "www.client.example AAAA", "data"),
        ((), "sub.client.example A", "referral"),
    ],
)
def test_names_that_the_plan_touches_answer_as_they_will(
    world: DnsWorld, changes: tuple[Change, ...], asked: str, answer: str
) -> None:
    assert kinds(future_view(view_of(world), changes), asked) == {asked: [answer]}


def test_addresses_follow_aliases_through_the_plan_and_out_of_the_zone(world: DnsWorld) -> None:
    now = view_of(world)
    then = future_view(now, planned(rrset("www.client.example", 60, "A", "203.0.113.20")))
    assert now.addresses("shop.client.example.") == ("192.0.2.10", "2001:db8::10")
    assert then.addresses("shop.client.example") == ("203.0.113.20", "2001:db8::10")
    moved = planned(rrset("shop.client.example", 60, "CNAME", "web.hoster.example."), gone=("www.client.example A",))
    both = future_view(then, moved)
    assert both.addresses("shop.client.example") == ("192.0.2.80", "2001:db8::80")
    assert both.addresses("www.client.example") == ("2001:db8::10",)
    assert now.addresses("web.hoster.example") == ("192.0.2.80", "2001:db8::80")
    assert now.addresses("nowhere.client.example") == ()


def test_addresses_are_those_of_any_server_while_one_is_stale(world: DnsWorld) -> None:
    """Fault 39: a client may meet either."""
    world.servers["192.0.2.32"].set_zone(CLIENT, CLIENT_ZONE.replace("192.0.2.10", "192.0.2.9"))
    assert view_of(world).addresses("www.client.example") == ("192.0.2.9", "192.0.2.10", "2001:db8::10")


def test_answers_without_authority_tell_no_address(world: DnsWorld) -> None:
    """Threat 18."""
    view = view_of(world)
    for address in ("192.0.2.31", "192.0.2.32"):
        world.servers[address].faults = Faults(rcode=dns.rcode.REFUSED)
    with pytest.raises(OutsideError, match="no server of client"):
        view.addresses("www.client.example")


def test_a_silent_zone_still_has_a_view(world: DnsWorld) -> None:
    world.cut_off("192.0.2.31")
    world.cut_off("192.0.2.32")
    view = view_of(world)
    assert {one.got for one in view.ask([WWW])} == {NoReply("unreachable")}
    assert view.servers == (NS1, NS2)


def test_only_views_of_servers_can_have_a_future() -> None:
    with dns_world({"192.0.2.1": ZONES["192.0.2.1"]}) as world, pytest.raises(TypeError, match="FixedView"):
        future_view(FixedView(world.net), ())
