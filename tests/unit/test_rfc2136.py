"""The rfc2136 provider: options, writing again after half was done, NOTIFY; the rest is in the contract."""

from __future__ import annotations

from collections.abc import Iterator

import dns.name
import dns.rcode
import pytest

from dnsrun.clock import VirtualClock, now_utc
from dnsrun.dnsio.net import SocketNet
from dnsrun.errors import OutsideError, UsageError, WriteConflict
from dnsrun.model.playbook import Json, Mark, ProviderSpec, SecretRef
from dnsrun.model.rrset import Change, rrset
from dnsrun.ports.provider import Context
from dnsrun.rehearse.authority import Authority, Faults
from dnsrun_providers.rfc2136 import PLUGIN, Rfc2136
from servers import Key, small_zone

APEX = dns.name.from_text("a.example.")
ZONE = "$ORIGIN a.example.\n" + small_zone("www 600 A 192.0.2.10", "alias CNAME www")
WWW = rrset("www.a.example", 600, "A", "192.0.2.10")
NEW = rrset("www.a.example", 300, "A", "203.0.113.20")
OTHER = rrset("other.a.example", 300, "A", "203.0.113.21")
SWITCH = Change(WWW.key, WWW, NEW)
ADD = Change(OTHER.key, None, OTHER)
KEY = Key()


class Secrets:
    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self, reference: SecretRef) -> str:
        return self._value


@pytest.fixture
def server() -> Iterator[Authority]:
    with Authority({APEX: ZONE}, key=KEY.tsig()) as running:
        yield running


def provider(server: Authority, *, secret: str = KEY.secret, **options: Json) -> Rfc2136:
    given: dict[str, Json | SecretRef] = {"server": server.address, "port": server.port, "key_name": KEY.name}
    given |= {"key_secret": SecretRef("env", ("TSIG_SECRET",)), **options}
    clock = VirtualClock(now_utc())
    spec = ProviderSpec("old", "rfc2136", given, (), Mark("a.yaml", 3, 7))
    opened = PLUGIN.open(spec, Context(SocketNet(clock), clock, Secrets(secret)))
    assert isinstance(opened, Rfc2136)
    return opened


def updates(server: Authority) -> int:
    return sum(record.kind == "update" for record in server.log)


def test_the_server_written_to_is_its_own_proof(server: Authority) -> None:
    (own,) = provider(server).own_servers
    assert (own.address, own.port) == (server.address, server.port)


def test_what_an_earlier_call_has_done_is_left_and_the_rest_is_written(server: Authority) -> None:
    """Fault 27."""
    provider(server).apply(APEX, (SWITCH,))
    provider(server).apply(APEX, (SWITCH, ADD))
    live = provider(server).read_zone(APEX).rrsets
    assert (live[NEW.key], live[OTHER.key]) == (NEW, OTHER)
    assert server.serial(APEX) == 3


def test_a_conflict_says_what_is_there_instead(server: Authority) -> None:
    server.set_zone(APEX, ZONE.replace("192.0.2.10", "192.0.2.99"))
    with pytest.raises(WriteConflict, match=r"www\.a\.example A is now 192\.0\.2\.99"):
        provider(server).apply(APEX, (SWITCH, ADD))
    assert OTHER.key not in provider(server).read_zone(APEX).rrsets


def test_an_alias_in_the_way_is_a_conflict_too(server: Authority) -> None:
    beside = rrset("alias.a.example", 60, "A", "192.0.2.1")
    with pytest.raises(WriteConflict):
        provider(server).apply(APEX, (Change(beside.key, None, beside),))
    assert updates(server) == 1


def test_transfer_only_never_sends_an_update(server: Authority) -> None:
    reader = provider(server, transfer_only=True)
    assert not reader.capabilities.writes
    with pytest.raises(OutsideError, match="transfer_only"):
        reader.apply(APEX, (SWITCH,))
    assert updates(server) == 0
    assert reader.read_zone(APEX).rrsets[WWW.key] == WWW


def test_the_source_says_whether_the_transfer_was_signed(server: Authority) -> None:
    """Threat 26."""
    assert "signed" in provider(server).read_zone(APEX).source
    with Authority({APEX: ZONE}) as keyless:
        opened = provider(keyless, key_name=None, key_secret=None)
        assert "not authenticated" in opened.read_zone(APEX).source


@pytest.mark.parametrize(
    ("secret", "options", "why"),
    [
        ("not base64!", {}, "env: TSIG_SECRET gives is not base64"),
        (KEY.secret, {"key_name": None}, "belong together"),
        (KEY.secret, {"key_name": "a..b"}, "is not a name"),
    ],
)
def test_a_key_that_cannot_be_one_is_said_without_showing_it(
    server: Authority, secret: str, options: dict[str, Json], why: str
) -> None:
    """Threat 2."""
    with pytest.raises(UsageError, match=why) as failure:
        provider(server, secret=secret, **options)
    assert secret not in str(failure.value)
    assert str(failure.value).startswith("a.yaml:3:7: old: ")


def test_a_read_is_repeated_while_it_may_help_and_no_longer(server: Authority) -> None:
    server.faults = Faults(rcode=dns.rcode.SERVFAIL)
    with pytest.raises(OutsideError, match="SERVFAIL"):
        provider(server).read_zone(APEX)
    server.faults = Faults(rcode=dns.rcode.REFUSED)
    with pytest.raises(OutsideError, match="REFUSED"):
        provider(server).read_zone(APEX)
    assert [record.kind for record in server.log] == ["transfer"] * 4


def test_a_refused_notify_is_an_error_that_says_why(server: Authority) -> None:
    assert provider(server).refresh(APEX).ask_person is None
    server.faults = Faults(refuse_notify=True)
    with pytest.raises(OutsideError, match="refuses the NOTIFY") as failure:
        provider(server).refresh(APEX)
    assert not failure.value.retryable
