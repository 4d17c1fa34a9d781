"""A record and a sender in, the exact result of RFC 7208 out: `mail/spf.yaml`. A new case needs no Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.name
import pytest
import yaml
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType

from dnsrun.errors import OutsideError
from dnsrun.gates.mail.spfcheck import check_host
from dnsrun.model.rrset import RRset, RRsetKey, from_texts, key

Case = dict[str, Any]


def cases() -> Iterator[Any]:
    content = yaml.safe_load((Path(__file__).parent / "mail" / "spf.yaml").read_text(encoding="utf-8"))
    common = {word: value for word, value in content.items() if word != "cases"}
    for case in content["cases"]:
        lines = [*content["zone"].splitlines(), *case.get("zone", "").splitlines()]
        owner = case.get("texts_at", content["domain"])
        lines += [f'{owner} TXT "{text}"' for text in case.get("texts", ())]
        yield pytest.param(common | case | {"zone": lines}, id=case["name"])


def read(lines: list[str]) -> dict[RRsetKey, RRset]:
    held: dict[RRsetKey, list[str]] = {}
    for line in lines:
        owner, rdtype, value = line.split(" ", 2)
        absolute = value if rdtype in {"TXT", "A", "AAAA"} or value.endswith(".") else f"{value}."
        held.setdefault(key(owner, rdtype), []).append(absolute)
    return {of: from_texts(of, 300, values) for of, values in held.items()}


@pytest.mark.parametrize("case", list(cases()))
def test_spf_gives_exactly_this(case: Case) -> None:
    held, silent = read(case["zone"]), set(map(dns.name.from_text, case.get("silent", ())))

    def lookup(owner: Name, rdtype: RdataType) -> frozenset[Rdata]:
        if owner in silent:
            shown = owner.to_text(omit_final_dot=True)
            raise OutsideError(f"nobody tells {shown}", retryable=True, certainty="not-applied")
        found = held.get(RRsetKey(owner, rdtype))
        return found.rdatas if found else frozenset()

    result = check_host(case["ip"], dns.name.from_text(case["domain"]), case["sender"], lookup)
    assert str(result) == case["gives"]
    assert result.lookups == case.get("asks", result.lookups)
