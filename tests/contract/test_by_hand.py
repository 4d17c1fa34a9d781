"""What stands in an instruction suffices: whoever types just that ends with the right zone, and undone the old one."""

from __future__ import annotations

import re
from collections.abc import Callable

import dns.name
import pytest

from contract.hosts import FixedSecrets, ParentHost, UpdatedHost, opened, opened_registrar
from dnsrun.model.rrset import Change, RRsetKey, from_texts, key
from dnsrun.testing.contract import without_soa
from dnsrun.testing.registrar import delegation, held, named
from dnsrun.testing.torture import added, replaced, torture
from dnsrun_providers import manual_registrar
from dnsrun_providers.manual import PLUGIN
from servers import Bind, Key, Primary, small_zone

_RECORD = re.compile(r"^\d+\. (\S+)   name \S+   \(in full: (\S+)(?: \(.*\))?\)$", re.MULTILINE)
_THEN = re.compile(r"^   then: (.*)   TTL (\d+) s$", re.MULTILINE)
_ROW = re.compile(r"^   ([-+=])  (\S+) +(\S+) +(?:\d+ → )?(\d+) +(\S.*)$", re.MULTILINE)


@pytest.fixture
def host(shared_bind: Bind, origin: str) -> UpdatedHost:
    shared_bind.add(Primary(origin, small_zone(), key=Key("by-hand.")))
    return UpdatedHost(shared_bind, origin, Key("by-hand."), "")


def type_in(host: UpdatedHost, text: str) -> None:
    """Do what the instruction says, knowing nothing else."""
    parts = _RECORD.split(text)
    for rdtype, owner, lines in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        put(host, key(owner, rdtype), [(value, ttl) for value, ttl in _THEN.findall(lines)])
    rows: dict[RRsetKey, list[tuple[str, str]]] = {}
    for mark, rdtype, label, ttl, value in _ROW.findall(text):
        owner = host.apex if label == "@" else dns.name.from_text(label, origin=host.apex)
        rows.setdefault(key(owner, rdtype), []).extend([] if mark == "-" else [(value, ttl)])
    for rrset_key, values in rows.items():
        put(host, rrset_key, values)


def put(host: UpdatedHost, rrset_key: RRsetKey, values: list[tuple[str, str]]) -> None:
    texts, ttl_s = [value for value, _ in values], int(values[0][1]) if values else 0
    host.edit(Change(rrset_key, None, from_texts(rrset_key, ttl_s, texts) if values else None))


def test_typing_what_the_instruction_says_makes_the_zone_and_its_reverse_the_old_one(
    host: UpdatedHost, record_property: Callable[[str, object], None], request: pytest.FixtureRequest
) -> None:
    manual = opened(PLUGIN, FixedSecrets(), panel="other")
    before = host.truth()
    wanted = torture(host.apex, None)
    caa = next(each for each in wanted if each.key.rdtype.name == "CAA")
    changes = [*map(added, wanted)]
    type_in(host, manual.apply(host.apex, tuple(changes)).ask_person or "")
    assert {found.key: host.truth().get(found.key) for found in wanted} == {found.key: found for found in wanted}

    lowered = replaced(caa, caa.with_ttl(60))
    type_in(host, manual.apply(host.apex, (lowered,)).ask_person or "")
    assert host.truth()[caa.key] == caa.with_ttl(60)

    undo = (lowered.reverse(), *(change.reverse() for change in changes if change.key != caa.key))
    type_in(host, manual.apply(host.apex, undo).ask_person or "")
    assert without_soa(host.truth()) == {**without_soa(before), caa.key: caa}
    what = "instructions typed in at BIND by a program"
    record_property("dnsrun-contract", ("", (request.node.name,), "manual", "fixture", what))


def set_name_servers(parent: UpdatedHost, domain: dns.name.Name, text: str) -> None:
    """Do what the instruction says at a registrar whose customers' hosts stay registered, knowing nothing else."""
    for step in re.split(r"^\d+\. ", text, flags=re.MULTILINE):
        then = re.findall(r"^   then: (.*)$", step, re.MULTILINE)
        values = [value for value in then if value != "(none)"]
        if host := re.search(r"hosts are registered\. (\S+) must", step):
            for rdtype, mark in (("A", "."), ("AAAA", ":")):
                put(parent, key(host[1], rdtype), [(value, "3600") for value in values if mark in value])
        elif then:
            rdtype = "DS" if "DNSSEC" in step else "NS"
            put(parent, key(domain, rdtype), [(value + "." * (rdtype == "NS"), "3600") for value in values])


def test_setting_what_the_instruction_says_delegates_the_domain_and_its_reverse_takes_it_back(
    host: UpdatedHost, record_property: Callable[[str, object], None], request: pytest.FixtureRequest
) -> None:
    parent = ParentHost(host.server, host.apex.to_text(), Key("by-hand."), "")
    ns1 = dns.name.from_text("ns1", origin=parent.domain)
    put(parent, key(parent.domain, "NS"), [("ns1.old.example.", "3600"), ("ns2.old.example.", "3600")])
    before = held(parent)
    glue, signed = {ns1: ("192.0.2.53", "2001:db8::53")}, (f"4711 13 2 {'ab' * 32}",)
    after = delegation(before, ns1, named("ns2.old.example."), glue=glue, ds=signed)
    registrar = opened_registrar(manual_registrar.PLUGIN, FixedSecrets(), panel="other")

    there = registrar.replace_delegation(parent.domain, before=before, after=after).ask_person or ""
    set_name_servers(parent, parent.domain, there)
    assert held(parent).same(after)

    back = registrar.replace_delegation(parent.domain, before=after, after=before).ask_person or ""
    set_name_servers(parent, parent.domain, back)
    assert held(parent).same(before)
    what = "instructions typed in at BIND by a program"
    record_property("dnsrun-contract", ("", (request.node.name,), "manual-registrar", "fixture", what))
