"""The words that tests of the playbook reader know, and how they read: fixed here, so that plugins may change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from dnsrun.errors import PlaybookError
from dnsrun.model.playbook import Playbook
from dnsrun.playbook.read import read_playbook
from dnsrun.ports.kinds import DNS_TIMING, Fragment, Kinds

TODAY = date(2026, 11, 22)
CASES = Path(__file__).parent / "cases" / "playbooks"
EXAMPLES = Path(__file__).parents[1] / "playbooks" / "dnsrun_playbooks"

_NAMES: Mapping[str, Any] = {
    "type": "array",
    "items": {"type": "string", "format": "owner-name"},
    "description": "Only these names",
}
_TYPES: Mapping[str, Any] = {
    "type": "array",
    "items": {"type": "string", "format": "record-type"},
    "description": "Only these types",
}
_TEXT: Mapping[str, Any] = {"type": "string", "description": "A text"}
_ARGV: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "Program"}
_DURATION: Mapping[str, Any] = {"type": "string", "format": "duration", "description": "How long"}
_PANEL: Mapping[str, Any] = {"type": "string", "enum": ["other", "onamae"], "description": "Which panel"}
_DS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "The DS"}

PROVIDERS: Mapping[str, Fragment] = {
    "public": Fragment("Nobody of us can write there"),
    "manual": Fragment("By hand", {"panel": _PANEL}),
    "manual-registrar": Fragment("A registrar's panel", {"panel": _PANEL}),
    "powerdns": Fragment(
        "PowerDNS by its API",
        {
            "url": {"type": "string", "format": "url", "description": "Address of the API"},
            "api_key": {"type": "string", "format": "secret", "description": "Key of the API"},
        },
        ("url", "api_key"),
    ),
    "rfc2136": Fragment(
        "DNS UPDATE",
        {
            "server": {"type": "string", "format": "address", "description": "The primary"},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "Its port"},
            "tsig_secret": {"type": "string", "format": "secret", "description": "The key"},
            "key_name": {"type": "string", "description": "The key's name"},
            "key_secret": {"type": "string", "format": "secret", "description": "The key's secret"},
        },
        ("server",),
    ),
}
STEPS: Mapping[str, Fragment] = {
    "lower-ttl": Fragment(
        "Lower TTLs",
        {
            "names": _NAMES,
            "ttl": {"type": "integer", "minimum": 60, "maximum": 86400, "description": "Seconds"},
            "wait_at_least": _DURATION,
        },
    ),
    "switch-records": Fragment("Switch the records", {"names": _NAMES, "types": _TYPES}),
    "refresh-secondary": Fragment(
        "Refresh", {"provider": {"type": "string", "format": "provider", "description": "Who"}}, ("provider",)
    ),
    "wait": Fragment("Wait", {"for": _DURATION}, ("for",)),
    "watch": Fragment(
        "Watch",
        {
            "for": {
                "anyOf": [{"const": "all-caches"}, {"type": "string", "format": "duration"}],
                "description": "How long",
            }
        },
        ("for",),
    ),
    "manual": Fragment(
        "A person does something",
        {
            "operator": _TEXT,
            "text": _TEXT,
            "undo": _TEXT,
            "irreversible": _TEXT,
            "proof": {"type": "object", "format": "gate", "description": "The gate that shows it is done"},
        },
        ("operator", "text"),
    ),
    "command": Fragment("Run a program", {"run": _ARGV, "undo": _ARGV, "irreversible": _TEXT}, ("run",)),
    "mail-service": Fragment(
        "Switch mail",
        {
            "provider": {"type": "string", "format": "provider", "description": "Where"},
            "state": {"type": "string", "enum": ["disabled", "enabled"], "description": "Off or on"},
        },
        ("provider", "state"),
    ),
    "mailbox-sync": Fragment("Copy the mailboxes", {"operator": _TEXT}),
    "copy-zone": Fragment(
        "Copy the zone",
        {"ttl": {"type": "integer", "minimum": 60, "maximum": 86400, "description": "Seconds"}},
    ),
    "switch-ns": Fragment("Switch the name servers"),
    "remove-ds": Fragment("Take the DS away"),
    "add-ds": Fragment("Publish the DS", {"ds": _DS}, ("ds",)),
    "restore-ttl": Fragment("Raise TTLs again"),
    "finish": Fragment("Close the run"),
}
GATES: Mapping[str, Fragment] = {
    "records": Fragment("The records are as planned", defaults=DNS_TIMING),
    "untouched": Fragment("Nothing else has changed", defaults=DNS_TIMING),
    "serial": Fragment("All servers have the serial", defaults=DNS_TIMING),
    "http": Fragment(
        "A web page",
        {
            "url": {"type": "string", "format": "url", "description": "What is asked for"},
            "status": {"type": "integer", "minimum": 100, "maximum": 599, "description": "Expected status"},
            "contains": _TEXT,
            "verify": {"type": "boolean", "description": "Check the certificate"},
        },
        ("url",),
    ),
    "imap": Fragment(
        "A mailbox", {"account": {"type": "string", "format": "account", "description": "Which mail account"}}
    ),
    "tls": Fragment(
        "A certificate", {"host": {"type": "string", "format": "host-name", "description": "Host"}}, ("host",)
    ),
    "command": Fragment("A program", {"run": _ARGV}, ("run",)),
    "confirm": Fragment("A person says go", {"text": _TEXT}, ("text",)),
}
KINDS = Kinds(PROVIDERS, STEPS, GATES, frozenset({"manual-registrar"}))


def read(text: str, path: str = "client.yaml") -> Playbook:
    """Read a playbook's text with the words above."""
    return read_playbook(text, path, KINDS, today=TODAY)


def problems(text: str) -> list[str]:
    """Return the messages for a text, without the file name; none when it is good."""
    try:
        read(text)
    except PlaybookError as err:
        return [str(problem).removeprefix("client.yaml:") for problem in err.problems]
    return []


def cases() -> Iterator[Any]:
    """Yield text and messages of every case under tests/cases/playbooks, as parameters of a test."""
    for file in sorted(CASES.glob("*.yaml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for case in content["cases"]:
            yield pytest.param(content["head"] + case["text"], case["problems"], id=f"{file.stem}: {case['name']}")
