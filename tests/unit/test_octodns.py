"""The bridge to octoDNS: which classes it takes, what it hands to them, what it makes of their errors."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.name
import pytest
from dns.rdatatype import RdataType
from octodns.provider.base import BaseProvider  # type: ignore[import-untyped] # no types  # noqa: TID251 - a host's class
from octodns.record import Record  # type: ignore[import-untyped] # no types  # noqa: TID251 - a host's class
from requests import HTTPError, Response
from requests.exceptions import ReadTimeout

from dnsrun.clock import VirtualClock
from dnsrun.dnsio.net import SocketNet
from dnsrun.errors import OutsideError, UsageError, WriteConflict
from dnsrun.model.playbook import Mark, ProviderSpec, SecretRef
from dnsrun.model.rrset import rrset
from dnsrun.playbook.read import read_playbook
from dnsrun.ports.provider import Context, ZoneProvider
from dnsrun.testing.torture import added, removed, replaced
from dnsrun.wiring.plugins import kinds
from dnsrun_providers.octodns_bridge import PLUGIN, Made, OctodnsBridge
from dnsrun_providers.octodns_classes import arguments, lowest_ttl_s
from servers.ports import free_port
from worlds import PLAYBOOK, START

APEX = dns.name.from_text("a.example.")
CANARY = 'canary/K+7"x'
WWW = rrset("www.a.example", 600, "A", "192.0.2.10")
NEW = rrset("www.a.example", 300, "A", "203.0.113.20")
Data = dict[str, Any]


def data(rdtype: str, *values: str, ttl: int = 600, **more: Any) -> Data:
    return {"type": rdtype, "ttl": ttl, "values": list(values), **more}


@dataclass
class Account:
    """What the host keeps, and what happened: the plans written, the instances made, the error to come."""

    zone: dict[tuple[str, str], Data]
    plans: list[Any] = field(default_factory=list)
    instances: int = 0
    error: Exception | None = None
    error_after: int = 0
    exists: bool = True


class Panel(BaseProvider):  # type: ignore[misc] # octoDNS has no types
    """A host with an account in memory, written record by record."""

    SUPPORTS_GEO = False
    SUPPORTS_DYNAMIC = True
    SUPPORTS = frozenset({"A", "AAAA", "ALIAS", "CNAME", "MX", "NS", "PTR", "TXT"})

    def __init__(
        self,
        id: str,  # noqa: A002 - as octoDNS's classes are made
        account: Account,
        token: str = "",
        port: int = 80,
        verify: bool = True,
        **kwargs: Any,
    ) -> None:
        self.log = logging.getLogger(f"Panel[{id}]")
        super().__init__(id, **kwargs)
        self.account = account
        account.instances += 1

    def populate(self, zone: Any, target: bool = False, lenient: bool = False) -> bool:
        self.log.warning("populate")
        for (name, _), each in self.account.zone.items():
            zone.add_record(Record.new(zone, name, each, source=self, lenient=lenient), lenient=lenient)
        return self.account.exists

    def _apply(self, plan: Any) -> None:
        self.account.plans.append(plan)
        for number, change in enumerate(plan.changes):
            if self.account.error and number >= self.account.error_after:
                raise self.account.error
            record = change.new or change.existing
            place = (record.name, record._type)
            self.account.zone.pop(place, None)
            if change.new:
                self.account.zone[place] = {**record.data, "type": record._type}


@pytest.fixture
def account() -> Account:
    return Account({("www", "A"): data("A", "192.0.2.10"), ("", "NS"): data("NS", "ns1.host.example.")})


def bridge(account: Account, kind: type[Any] = Panel) -> OctodnsBridge:
    made = Made(kind, {"account": account, "token": CANARY})
    return OctodnsBridge(lambda: made, clock=VirtualClock(START), secrets=(CANARY,))


def error_of(account: Account, *changes: Any, kind: type[Any] = Panel) -> OutsideError:
    with pytest.raises(OutsideError) as caught:
        bridge(account, kind).apply(APEX, changes)
    return caught.value


# --- what is written


def test_a_plan_holds_nothing_that_was_not_named(account: Account) -> None:
    account.zone["mail", "A"] = data("A", "192.0.2.25")
    account.zone["old", "TXT"] = data("TXT", "stays")
    gone = rrset("old2.a.example", 600, "A", "192.0.2.1")
    account.zone["old2", "A"] = data("A", "192.0.2.1")
    text = rrset("new.a.example", 300, "TXT", '"v=DMARC1; p=none"')
    bridge(account).apply(APEX, (replaced(WWW, NEW), removed(gone), added(text)))
    (plan,) = account.plans
    assert {(type(one).__name__, one.record.name) for one in plan.changes} == {
        ("Create", "new"), ("Delete", "old2"), ("Update", "www"),
    }  # fmt: skip
    # A class that writes the zone as a whole writes what it has read, but for the apex NS.
    assert {(one.name, one._type) for one in plan.desired.records} == {
        ("www", "A"), ("mail", "A"), ("old", "TXT"), ("new", "TXT"),
    }  # fmt: skip


def test_each_read_and_each_write_has_an_instance_of_its_own(account: Account) -> None:
    host = bridge(account)
    host.read_zone(APEX)
    account.zone["www", "A"] = data("A", "192.0.2.99")
    assert host.read_zone(APEX).rrsets[WWW.key].texts() == ("192.0.2.99",)
    host.apply(APEX, (replaced(host.read_zone(APEX).rrsets[WWW.key], NEW),))
    assert account.instances == 4


def test_between_reading_and_writing_nothing_else_is_asked(account: Account) -> None:
    bridge(account).apply(APEX, (replaced(WWW, NEW),))
    assert account.instances == 1


def test_what_is_there_already_is_not_written(account: Account) -> None:
    bridge(account).apply(APEX, (replaced(NEW, WWW),))
    assert account.plans == []


def test_a_comment_beside_a_record_is_written_back(account: Account) -> None:
    settings = {"host": {"comment": "ask Ken", "tags": ["a"]}}
    account.zone["www", "A"] = data("A", "192.0.2.10", octodns=settings)
    live = bridge(account).read_zone(APEX).rrsets[WWW.key]
    bridge(account).apply(APEX, (replaced(live, NEW),))
    assert account.zone["www", "A"]["octodns"] == settings
    # Also where somebody deleted the record meanwhile, and the undo brings it back.
    del account.zone["www", "A"]
    bridge(account).apply(APEX, (added(live),))
    assert account.zone["www", "A"]["octodns"] == settings


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"octodns": {"cloudflare": {"proxied": True}}}, "proxied"),
        ({"octodns": {"cloudflare": {"auto-ttl": True}}}, "auto-ttl"),
        (
            {"dynamic": {"pools": {"one": {"values": [{"value": "192.0.2.1"}]}}, "rules": [{"pool": "one"}]}},
            "dynamic",
        ),
    ],
)
def test_what_makes_the_host_answer_otherwise_is_named_and_the_record_not_touched(
    account: Account, more: Data, words: str
) -> None:
    account.zone["www", "A"] = data("A", "192.0.2.10", **more)
    live = bridge(account).read_zone(APEX).rrsets[WWW.key]
    assert words in str(live.extras)
    for change in (replaced(WWW, NEW), removed(WWW), replaced(live, NEW)):
        error = error_of(account, change)
        assert f"www.a.example A is not answered as it is written ({words})" in str(error)
        assert error.certainty == "not-applied"
    assert account.plans == []


def test_a_record_beside_an_alias_of_the_host_is_not_made(account: Account) -> None:
    account.zone["", "ALIAS"] = {"type": "ALIAS", "ttl": 60, "value": "lb.example."}
    assert bridge(account).read_zone(APEX).unmodelled == ('a.example. ALIAS {"ttl": 60, "value": "lb.example."}',)
    assert "the host's own kind" in str(error_of(account, added(rrset(APEX, 60, "A", "192.0.2.1"))))
    bridge(account).apply(APEX, (added(rrset(APEX, 60, "TXT", '"v=spf1 -all"')),))


class Forgetful(Panel):
    """Says that it cannot write what it lists."""

    def supports(self, record: Any) -> bool:
        return bool(record.name != "www")


class Raising(Panel):
    """Raises low TTLs before it plans."""

    def _process_desired_zone(self, desired: Any) -> Any:
        for record in desired.records:
            if record.ttl < 600:
                copy = record.copy()
                copy.ttl = 600
                desired.add_record(copy, replace=True, lenient=True)
        return super()._process_desired_zone(desired)


class Blinkered(Panel):
    """Takes every change for none."""

    def _include_change(self, change: Any) -> bool:
        return False


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Forgetful, r"A records not supported for www\.a\.example\. \(SupportsException\)"),
        (Raising, r"would write something else for www\.a\.example A"),
        (Blinkered, r"would leave www\.a\.example A as it is"),
    ],
)
def test_what_the_class_would_not_write_as_it_is_is_refused(account: Account, kind: type[Any], words: str) -> None:
    with pytest.raises(OutsideError, match=words) as caught:
        bridge(account, kind).apply(APEX, (replaced(WWW, NEW),))
    assert (caught.value.certainty, caught.value.retryable) == ("not-applied", False)
    assert account.plans == []


def test_several_ptr_values_are_refused_where_the_class_keeps_one(account: Account) -> None:
    both = rrset("10.a.example", 60, "PTR", "a.example.", "b.example.")
    assert "keeps one value of 10.a.example PTR, of 2" in str(error_of(account, added(both)))


def test_a_class_that_only_writes_files_finds_no_zone(account: Account) -> None:
    account.exists = False
    assert "Panel of octoDNS finds no zone a.example." in str(error_of(account, replaced(WWW, NEW)))


def test_somebody_elses_value_is_a_conflict(account: Account) -> None:
    account.zone["www", "A"] = data("A", "192.0.2.98")
    error = error_of(account, replaced(WWW, NEW))
    assert isinstance(error, WriteConflict)
    assert "www.a.example A is now 192.0.2.98" in str(error)


def test_a_value_that_is_not_told_surely_is_a_conflict(account: Account) -> None:
    account.zone["text", "TXT"] = data("TXT", r"a \ b")
    plain = rrset("text.a.example", 600, "TXT", '"a b"')
    error = error_of(account, replaced(plain, plain.with_ttl(60)))
    assert isinstance(error, WriteConflict)
    assert "does not tell surely what text.a.example TXT holds" in str(error)


def test_a_ttl_that_is_none_is_refused_with_the_record(account: Account) -> None:
    account.zone["www", "A"] = data("A", "192.0.2.10", ttl=2**31)
    with pytest.raises(OutsideError, match=r"www A: 2147483648 is no TTL"):
        bridge(account).read_zone(APEX)


# --- errors


def http_error(status: int, **headers: str) -> HTTPError:
    response = Response()
    response.status_code = status
    response.headers.update(headers)
    return HTTPError(f"{status} for url: https://host/?token={CANARY}", response=response)


@pytest.mark.parametrize(
    ("error", "retryable", "certainty", "words"),
    [
        (http_error(422), False, "not-applied", "HTTPError, status 422"),
        (http_error(429, **{"Retry-After": "7"}), True, "not-applied", "HTTPError, status 429"),
        (http_error(503), True, "in-doubt", "HTTPError, status 503"),
        (ReadTimeout("no answer"), True, "in-doubt", r"no answer \(ReadTimeout\)"),
        (Exception("Panel unauthorized host=x"), False, "not-applied", r"Panel unauthorized host=x \(Exception\)"),
        (KeyError("result"), False, "not-applied", r"'result' \(KeyError\)"),
    ],
)
def test_errors_of_a_write_say_what_is_known(
    account: Account, error: Exception, retryable: bool, certainty: str, words: str
) -> None:
    account.error = error
    with pytest.raises(OutsideError, match=words) as caught:
        bridge(account).apply(APEX, (replaced(WWW, NEW),))
    assert (caught.value.retryable, caught.value.certainty) == (retryable, certainty)
    assert caught.value.retry_after_s == (7 if "429" in words else None)


def test_a_write_that_failed_half_way_is_in_doubt(account: Account) -> None:
    """Fault 27."""
    account.error, account.error_after = http_error(422), 1
    error = error_of(account, added(rrset("b.a.example", 60, "A", "192.0.2.1")), replaced(WWW, NEW))
    assert error.certainty == "in-doubt"
    assert "b" in {name for name, _ in account.zone}


@pytest.mark.parametrize("shown", [CANARY, "canary/K%2B7%22x", "canary%2FK%2B7%22x", "Y2FuYXJ5L0srNyJ4"])
def test_no_secret_gets_into_an_error(account: Account, shown: str) -> None:
    """Threat 1: as it is, in a URL, in a header."""
    account.error = ValueError(f"bad request with {shown}")
    error: BaseException | None = error_of(account, replaced(WWW, NEW))
    assert "(ValueError)" in str(error) or "ValueError" in str(error)
    while error is not None:
        assert "canary" not in str(error)
        assert "Y2FuYXJ5" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_host_that_does_not_answer_may_answer_later() -> None:
    spec = {"class": "octodns_powerdns.PowerDnsProvider"}
    options = {"host": "127.0.0.1", "port": str(free_port()), "api_key": "x"}
    with pytest.raises(
        OutsideError, match=r"PowerDnsProvider of octoDNS cannot read a\.example.*ConnectionError"
    ) as caught:
        opened(**spec, options=options).read_zone(APEX)
    assert caught.value.retryable


# --- which class, with what


def opened(**options: Any) -> ZoneProvider:
    class Secrets:
        def reveal(self, reference: SecretRef) -> str:
            return f"secret of {reference.where[0]}"

    clock = VirtualClock(START)
    spec = ProviderSpec("old", "octodns", options, (), Mark("p.yaml", 4, 3))
    return PLUGIN.open(spec, Context(SocketNet(clock), clock, Secrets()))


@pytest.mark.parametrize(
    "path", ["os.system", "octodnsx.Provider", "octodns", "my.octodns_x.Y", "octodns_x", "octodns.a b.C"]
)
def test_a_class_of_others_is_refused_at_once(path: str) -> None:
    """Threat 10."""
    with pytest.raises(UsageError, match=r"p\.yaml:4:3: old: .* is not of octoDNS"):
        opened(**{"class": path})


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("octodns_nowhere.Provider", "octodns_nowhere is not installed; run: pip install octodns-nowhere"),
        ("octodns_powerdns.NoSuch", "is no provider of octoDNS"),
        ("octodns_powerdns.Record", "is no provider of octoDNS"),
        ("octodns_powerdns.none.Provider", "cannot be loaded: No module named"),
        ("octodns_bind.AxfrSource", "is no provider of octoDNS"),
    ],
)
def test_what_is_no_provider_is_said_when_the_class_is_needed(path: str, words: str) -> None:
    provider = opened(**{"class": path})
    with pytest.raises(UsageError, match=words):
        _ = provider.capabilities


@pytest.mark.parametrize(
    ("planted", "wanted"),
    [
        ("octodns_evil", "octodns_evil.Provider"),
        ("octodns_powerdns", "octodns_powerdns.PowerDnsProvider"),
        ("octodns", "octodns_powerdns.PowerDnsProvider"),
    ],
)
def test_a_module_in_the_working_directory_is_never_imported(tmp_path: Path, planted: str, wanted: str) -> None:
    """Threat 10: neither a new one, with a forged distribution, nor one in the place of an installed one."""
    (tmp_path / planted).mkdir()
    (tmp_path / planted / "__init__.py").write_text("open('imported', 'w')\n")
    forged = tmp_path / f"{planted}-1.0.dist-info"
    forged.mkdir()
    (forged / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {planted}\nVersion: 1.0\n")
    (forged / "RECORD").write_text(f"{planted}/__init__.py,,\n")
    program = f"from dnsrun_providers.octodns_classes import load_class; load_class('{wanted}', 'here')"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert f"UsageError: here: {planted} in {tmp_path / planted} belongs to no installed package" in done.stderr
    assert not (tmp_path / "imported").exists()


def test_octodns_is_loaded_only_when_it_is_needed() -> None:
    program = (
        "import sys, dns.name\n"
        "from dnsrun.model.playbook import Mark, ProviderSpec\n"
        "from dnsrun_providers.octodns_bridge import PLUGIN\n"
        "from dnsrun.ports.provider import Context\n"
        "options = {'class': 'octodns_powerdns.PowerDnsProvider', 'options': {'host': 'h', 'api_key': 'k'}}\n"
        "host = PLUGIN.open(ProviderSpec('o', 'octodns', options, (), Mark('f', 1, 1)), Context(None, None, None))\n"
        "assert 'octodns' not in sys.modules\n"
        "print(sorted(rdtype.name for rdtype in host.capabilities.types)[:3], 'octodns' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "['A', 'AAAA', 'CAA'] True\n", done.stderr
    assert done.stderr == ""


def test_octodns_does_not_print_warnings_beside_ours() -> None:
    program = (
        "import logging, warnings\n"
        "from dnsrun_providers.octodns_calls import calling\n"
        "with calling(()):\n"
        "    logging.getLogger('Record').warning('as the host sent it')\n"
        "    warnings.warn('going to be dropped', DeprecationWarning)\n"
        "print(logging.getLogger().handlers)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_options_become_what_the_class_takes() -> None:
    made = arguments(Panel, {"account": "0042", "port": "8081", "verify": "false", "token": "true"}, "here")
    assert made == {"account": "0042", "port": 8081, "verify": False, "token": "true"}
    assert arguments(Panel, {"account": "x", "update_pcent_threshold": "0.5"}, "here")["update_pcent_threshold"] == 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"account": "x", "tokn": "y"}, "here: Panel has no option 'tokn'; it has: account, "),
        ({"port": "1"}, "here: Panel needs the options: account"),
        ({"account": "x", "port": "many"}, "here: port must be a number"),
        ({"account": "x", "verify": "yes"}, "here: verify must be true or false"),
        ({"account": "x", "apply_disabled": "true"}, "has no option 'apply_disabled'"),
        ({"account": "x", "strict_supports": "false"}, "has no option 'strict_supports'"),
        ({"account": "x", "id": "y"}, "has no option 'id'"),
    ],
)
def test_options_that_the_class_cannot_take_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        arguments(Panel, options, "here")
    assert words in str(caught.value)


def test_the_lowest_ttl_is_what_the_class_says_of_itself() -> None:
    """Fault 32."""

    class Floor(Panel):
        MIN_TTL = 120

    class Argument(Panel):
        def __init__(self, id: str, account: Account, min_ttl: int = 300) -> None:  # noqa: A002 - as octoDNS has it
            super().__init__(id, account)
            self.min_ttl = min_ttl

    assert [lowest_ttl_s(kind, {}) for kind in (Panel, Floor, Argument)] == [0, 120, 300]
    assert lowest_ttl_s(Argument, {"min_ttl": 60}) == 60


def test_capabilities_are_those_of_the_class(account: Account) -> None:
    can = bridge(account).capabilities
    assert can.types == frozenset(map(RdataType.make, ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "TXT")))
    assert (can.apex_ns, can.compare_and_set, can.atomic_batch, can.reads) == (False, False, False, "listed")
    blind = bridge(account).read_zone(APEX).blind
    assert {RdataType.SOA, RdataType.TLSA, RdataType.SRV, RdataType.DNAME} <= blind
    assert not blind & (can.types or frozenset())


OCTODNS = """providers:
  old:
    use: octodns
    class: octodns_powerdns.PowerDnsProvider
    options: {host: 198.51.100.53, port: 8081, ssl_verify: false, api_key: {env: PDNS_KEY}}
    name_servers: [ns1.client.example]
"""


def playbook(change: Callable[[str], str] = str) -> ProviderSpec:
    start, end = PLAYBOOK.index("providers:"), PLAYBOOK.index("  second:")
    text = PLAYBOOK[:start] + change(OCTODNS) + PLAYBOOK[end:]
    return read_playbook(text, "p.yaml", kinds(), today=START.date()).providers["old"]


def test_a_playbook_gives_class_and_options_with_secrets_as_references() -> None:
    spec = playbook()
    assert spec.options["options"] == {
        "host": "198.51.100.53", "port": "8081", "ssl_verify": "false", "api_key": SecretRef("env", ("PDNS_KEY",)),
    }  # fmt: skip
    host = opened(**spec.options)
    assert isinstance(host, OctodnsBridge)
    assert host._made.options == {
        "host": "198.51.100.53",
        "port": 8081,
        "ssl_verify": False,
        "api_key": "secret of PDNS_KEY",
    }
