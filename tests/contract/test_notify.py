"""NOTIFY makes real secondaries fetch the zone; one that refuses it stays as it was, and that is said."""

from __future__ import annotations

from collections.abc import Callable

import dns.name
import pytest

from contract.hosts import FixedSecrets, UpdatedHost, version
from dnsrun.clock import SystemClock
from dnsrun.dnsio.net import MappedNet
from dnsrun.errors import OutsideError
from dnsrun.model.playbook import Json, Mark, NameServer, ProviderSpec, SecretRef
from dnsrun.model.rrset import rrset
from dnsrun.ports.provider import Context, SecondaryHost
from dnsrun.testing.torture import added
from dnsrun_providers import public, rfc2136
from servers import Bind, Key, Knot, Primary, RunningServer, Secondary, Starter, eventually, small_zone

ORIGIN = "told.example."
APEX = dns.name.from_text(ORIGIN)
NEW = rrset("www.told.example", 60, "A", "192.0.2.77")
KEY = Key("notify.")


def by_public(server: RunningServer) -> SecondaryHost:
    host = NameServer(dns.name.from_text("nsx.example."), ("192.0.2.5",))
    spec = ProviderSpec("nsx", "public", {}, (host,), Mark("a.yaml", 1, 1))
    clock = SystemClock()
    net = MappedNet({("192.0.2.5", 53): (server.address, server.port)}, clock)
    opened = public.PLUGIN.open(spec, Context(net, clock, FixedSecrets()))
    assert isinstance(opened, public.Public)
    return opened


def by_rfc2136(server: RunningServer) -> SecondaryHost:
    options: dict[str, Json | SecretRef] = {"server": server.address, "port": server.port}
    spec = ProviderSpec("nsx", "rfc2136", options, (), Mark("a.yaml", 1, 1))
    clock = SystemClock()
    net = MappedNet({(server.address, server.port): (server.address, server.port)}, clock)
    opened = rfc2136.PLUGIN.open(spec, Context(net, clock, FixedSecrets()))
    assert isinstance(opened, rfc2136.Rfc2136)
    return opened


def changed_primary(start: Starter, secondary: RunningServer, *, accepts_notify: bool = True) -> None:
    primary = start(Bind([Primary(ORIGIN, small_zone(), key=KEY)]))
    assert isinstance(secondary, Bind | Knot)
    secondary.add(Secondary(ORIGIN, primary.endpoint, key=KEY, accepts_notify=accepts_notify))
    UpdatedHost(primary, ORIGIN, KEY, "").edit(added(NEW))
    assert secondary.values("www.told.example", "A") == set()


@pytest.mark.parametrize("told_by", [by_public, by_rfc2136])
@pytest.mark.parametrize(
    ("follower", "what"), [(Bind, ("named", "-V", "BIND")), (Knot, ("knotd", "--version", "Knot DNS"))]
)
def test_a_secondary_that_is_told_fetches_the_zone(
    start: Starter,
    follower: type[Bind | Knot],
    what: tuple[str, str, str],
    told_by: Callable[[RunningServer], SecondaryHost],
    record_property: Callable[[str, object], None],
    request: pytest.FixtureRequest,
) -> None:
    secondary = start(follower())
    changed_primary(start, secondary)
    assert told_by(secondary).refresh(APEX).ask_person is None
    eventually(lambda: secondary.values("www.told.example", "A") == {"192.0.2.77"}, 15, "the new address")
    if told_by is by_public:
        program, option, name = what
        against = f"{name} {version(program, option)} taking NOTIFY"
        case = (request.node.originalname,)
        record_property("dnsrun-contract", ("", case, "public", "real-server", against))


@pytest.mark.parametrize("told_by", [by_public, by_rfc2136])
def test_a_secondary_that_refuses_is_said_to(start: Starter, told_by: Callable[[RunningServer], SecondaryHost]) -> None:
    secondary = start(Knot())
    changed_primary(start, secondary, accepts_notify=False)
    with pytest.raises(OutsideError, match="refuse"):
        told_by(secondary).refresh(APEX)
    assert secondary.values("www.told.example", "A") == set()
