"""The schema of playbooks: what the reader walks by, and its JSON Schema 2020-12 form for editors.

Both come from the same dictionaries, so that an editor and dnsrun agree. The words of plugins come in as `Kinds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnsrun.model.playbook import NOTICES
from dnsrun.model.window import DAYS
from dnsrun.ports.kinds import Fragment, Kinds

from .values import DURATION

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
BUILT_IN_GATES = frozenset(
    {"records", "untouched", "serial", "parity", "delegation", "dnssec", "spf", "smtp", "imap", "submission"}
)
LOW_TTL_S = 600
_DAY_S = 86400
_TTL_MAX_S = 2**31 - 1  # RFC 2181 section 8
_VARIABLE = r"\$\{[A-Za-z_][A-Za-z0-9_-]*\}"


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "minLength": 1, "description": description, **more}


def _list(items: Schema, description: str) -> Schema:
    return {"type": "array", "items": items, "minItems": 1, "description": description}


def _object(properties: Schema, *required: str, **more: Any) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


_OWNER: Schema = {"type": "string", "format": "owner-name"}
_HOST: Schema = {"type": "string", "format": "host-name"}
_ADDRESS: Schema = {"type": "string", "format": "address"}
_PROVIDER: Schema = {"type": "string", "format": "provider"}
_VALUE: Schema = {"type": "string"}
_WORD: Schema = {
    "type": "string",
    "pattern": r"^[A-Za-z_][A-Za-z0-9_-]*$",
    "x-says": "a word of letters, digits, _ and -",
}
_GATES: Schema = _list({"$ref": "#/$defs/gate"}, "Gates: what must be true before and after; a failure rolls back")

_NAME_SERVER: Schema = {
    "anyOf": [
        _HOST,
        _object(
            {
                "name": {**_HOST, "description": "Host name of the server"},
                "addresses": _list(_ADDRESS, "Its addresses: the glue, where the name is below the domain itself"),
            },
            "name",
        ),
    ]
}

_CAPTURE: Schema = _object(
    {
        "file": _text("Zone file, or CSV with name,type,ttl,value; relative to the playbook", format="path"),
        "given_by": _text("Who gave the file: a person who runs the zone"),
        "on": {"type": "string", "format": "day", "description": "When it was given, such as 2026-11-20"},
        "covers": {"type": "string", "enum": ["all"], "description": "all: the person says that nothing is missing"},
        "transfer": {"type": "string", "format": "server", "description": "A server that allows a zone transfer to us"},
    },
    description="Where the zone's content comes from when the provider cannot list it: a file, or a transfer",
)

_ZONE: Schema = _object(
    {
        "from": {**_PROVIDER, "description": "Who hosts the zone: a name below providers"},
        "to": {**_PROVIDER, "description": "Who hosts the zone afterwards; left out: the zone stays, records change"},
        "registrar": {**_PROVIDER, "description": "Who switches the name servers: a name below providers"},
        "extras": {
            "anyOf": [
                {"type": "string", "enum": ["refuse", "remove"]},
                _object({"keep": _list(_OWNER, "Names that only the new host holds, and that stay")}, "keep"),
            ],
            "description": "What becomes of records that the new host holds and the old zone does not (refuse)",
        },
        "secondaries": {
            "type": "object",
            "propertyNames": _PROVIDER,
            "additionalProperties": _list(_PROVIDER, "Hosts that copy the zone from this one"),
            "description": "Which host copies the zone from which: {primary: [secondary]}",
        },
        "capture": _CAPTURE,
        "volatile": _list(_OWNER, "Names whose records change by themselves, such as _acme-challenge"),
        "ttl_low_since": {
            "type": "string",
            "format": "moment",
            "description": "Since when the TTLs are as low as they are now; somebody answers for it",
        },
        "require_v6": {
            "type": "boolean",
            "description": "true: refuse to go on where IPv6 cannot be checked from here",
        },
    },
    "from",
    description="The zone: who hosts it and where its content comes from",
)

_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_ACCOUNT: Schema = _object(
    {
        "address": _text("Mail address of the mailbox", format="mail-address"),
        "user": _text("User name for logging in; the address when left out"),
        "password": {"type": "string", "format": "secret", "description": "Password for logging in"},
        "imap": {**_HOST, "description": "Host to read from (IMAP)"},
        "imap_port": {**_PORT, "description": "993 (TLS at once) unless said; others use STARTTLS"},
        "submission": {**_HOST, "description": "Host to send through"},
        "submission_port": {**_PORT, "description": "587 (STARTTLS) unless said; 465 is TLS at once"},
    },
    "address",
    "password",
)

_MAIL: Schema = _object(
    {
        "mailboxes": _list(_HOST, "Hosts that mail programs open for reading (IMAP, POP3)"),
        "submission": _list(_HOST, "Hosts that mail programs send through"),
        "front": _list(_HOST, "Relays and filters in front of the mailboxes"),
        "senders": _list(
            _object(
                {
                    "address": {**_ADDRESS, "description": "Address that sends the domain's mail"},
                    "from": _text("Name of the phase with which it begins to send; left out: it sends now"),
                    "until": {
                        "type": "string",
                        "format": "until",
                        "description": "Until when it sends: always (unless said), switch (it leaves now), or a day",
                    },
                },
                "address",
            ),
            "Hosts that send the domain's mail",
        ),
        "clients_by_address": {
            "type": "integer",
            "minimum": 0,
            "description": "Devices that use an IP address instead of a name, counted by somebody",
        },
        "moves": {"type": "boolean", "description": "true: the mailboxes move with this playbook"},
        "accounts": {
            "type": "object",
            "propertyNames": _WORD,
            "additionalProperties": _ACCOUNT,
            "description": "Mailboxes for tests, by names of your choice: gates log in, send and read there",
        },
    },
    description="What is known about the domain's mail; needed as soon as the domain has mail",
)

_YES_NO: Schema = {"type": "string", "enum": ["yes", "no"]}
_ASKED: Schema = _object(
    {
        "by": _text("Who answered"),
        "on": {"type": "string", "format": "day", "description": "When, such as 2026-11-20"},
        "sending_devices": _text("Which devices, web forms and services send the domain's mail, and through what"),
        "local_mail": {
            **_YES_NO,
            "description": "yes: the new web host keeps mail for the domain to itself, instead of sending it to the MX",
        },
        "office_dns": {**_YES_NO, "description": "yes: the office has a DNS server of its own that knows the domain"},
        "dns_ends_with_hosting": {
            **_YES_NO,
            "description": "yes: the name servers stop when the hosting contract that is left behind ends",
        },
        "logins": _text("Who may log in where: registrar, DNS, web host, mail"),
    },
    "by",
    "on",
    description="What nobody can find out by asking servers: told by a person, on a day",
)

_RECORD: Schema = _object(
    {
        "names": _list(_OWNER, "Names, relative to the domain; @ is the domain itself"),
        "type": {"type": "string", "format": "record-type", "description": "Record type, such as A"},
        "was": {
            "anyOf": [_VALUE, _list(_VALUE, "The values that may stand there now")],
            "description": "What stands there now; anything else is refused",
        },
        "value": {**_VALUE, "description": "The one value that is to stand there"},
        "values": _list(_VALUE, "All values that are to stand there"),
        "replace": {
            "type": "object",
            "propertyNames": _VALUE,
            "additionalProperties": _VALUE,
            "description": "Change single values and keep the others: {old: new}",
        },
        "absent": {"type": "boolean", "const": True, "description": "true: no record of this type; needs was"},
        "ttl": {
            "type": "integer",
            "minimum": 0,
            "maximum": _TTL_MAX_S,
            "description": "TTL in seconds, if it is to change",
        },
        "a": {"type": "string", "enum": ["keep"], "description": "keep: the A record stays as it is on purpose"},
        "aaaa": {"type": "string", "enum": ["keep"], "description": "keep: the AAAA record stays as it is on purpose"},
        "https": {"type": "string", "enum": ["keep"], "description": "keep: HTTPS and SVCB records stay on purpose"},
        "affects": {"type": "string", "enum": ["mail"], "description": "mail: this touches the mail on purpose"},
    },
    "names",
    "type",
)

_DAY: Schema = {"type": "string", "format": "day"}
_WINDOW: Schema = _object(
    {
        "days": _list(
            {"type": "string", "enum": list(DAYS)}, "Days of the week, workday, holiday; every day if not said"
        ),
        "hours": {
            "type": "string",
            "format": "hours",
            "description": "From when to when on such a day, such as 09:00-15:00; may cross midnight",
        },
        "timezone": {"type": "string", "format": "timezone", "description": "Whose clock: Asia/Tokyo, Europe/Berlin"},
        "holidays": {
            "type": "string",
            "format": "holidays",
            "description": "Whose public holidays: a country (JP), or a country and a part of it (DE-BY)",
        },
        "freezes": _list(
            _object(
                {
                    "from": {**_DAY, "description": "First day, such as 2026-12-28"},
                    "to": {**_DAY, "description": "Last day; the same day when left out"},
                    "why": _text("Why nothing starts then; shown"),
                },
                "from",
            ),
            "Days on which nothing starts, such as when the registry is closed",
        ),
    },
    "timezone",
    description="When the phase may start; what has begun goes on, and going back never waits",
)

_MAIL_TO: Schema = {"type": "string", "format": "mail-address"}
_NOTIFY: Schema = _object(
    {
        "webhook": {"type": "string", "format": "secret", "description": "An https URL that is told; all of it secret"},
        "format": {"type": "string", "enum": ["json", "slack"], "description": "What the webhook gets: json, or slack"},
        "email": _list(_MAIL_TO, "Who is told by mail"),
        "server": {**_HOST, "description": "Mail server that takes it; never one of the domain that moves"},
        "port": {**_PORT, "description": "587 (STARTTLS) unless said; 465 is TLS at once"},
        "from": {**_MAIL_TO, "description": "Sender of the mail"},
        "user": _text("User name for logging in; the sender when left out"),
        "password": {"type": "string", "format": "secret", "description": "Password for logging in"},
        "on": _list({"type": "string", "enum": list(NOTICES)}, "Of what; of all of these when left out"),
        "allow_private": {"type": "boolean", "description": "true: an address inside a network is meant"},
    },
)

_PHASE: Schema = _object(
    {
        "name": _text("Name of the phase; --phase takes it"),
        "steps": _list({"$ref": "#/$defs/step"}, "What is done, in order"),
        "gates": _GATES,
        "window": _WINDOW,
    },
    "name",
    "steps",
)

_PROPERTIES: Schema = {
    "dnsrun": {"type": "integer", "const": 1, "description": "Version of the playbook format: 1"},
    "domain": {"type": "string", "format": "domain", "description": "The domain, such as client.example.jp"},
    "goal": _text("What this is for, in one or two sentences; shown in reports"),
    "vars": {
        "type": "object",
        "propertyNames": _WORD,
        "additionalProperties": {"type": "string"},
        "description": "Texts to use as ${name}",
    },
    "providers": {
        "type": "object",
        "propertyNames": _WORD,
        "additionalProperties": {"$ref": "#/$defs/provider"},
        "description": "The DNS hosts, by names of your choice",
    },
    "zone": _ZONE,
    "mail": _MAIL,
    "asked": _ASKED,
    "records": _list(_RECORD, "What is to be: only the records that change"),
    "phases": _list(_PHASE, "The phases; left out: lower TTLs, switch A, verify, finish"),
    "gates": {**_GATES, "description": "Gates of every phase that changes records, and of the watch after it"},
    "resolvers": _list(_ADDRESS, "Caching resolvers to look at in waits and watches, such as your provider's"),
    "window": {**_WINDOW, "description": "When phases that change records or name servers may start"},
    "notify": _list(_NOTIFY, "Who is told when something ends, fails or needs a person: webhooks, and people by mail"),
    "ttl": {
        "type": "integer",
        "minimum": 60,
        "maximum": _DAY_S,
        "description": f"The low TTL in seconds; {LOW_TTL_S} when left out",
    },
}

_GATE_KEYS: Schema = {
    "kind": {"type": "string", "description": "What is checked"},
    "name": _text("Name in messages and reports"),
    "at": {"type": "string", "enum": ["before", "after"], "description": "Only before, or only after; else both"},
    "every": {"type": "string", "format": "duration", "description": "Time between two rounds"},
    "within": {"type": "string", "format": "duration", "description": "How long the old state counts as not yet"},
    "successes": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "Rounds in a row that pass it"},
    "failures": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "Rounds in a row that fail it"},
    "on_fail": {"type": "string", "enum": ["rollback", "pause"], "description": "What a failure does"},
    "advisory": {"type": "boolean", "description": "true: only shown, decides nothing"},
}
_OFF = {"off": _text("Why this built-in gate does not run; stands in every report")}
_STEP_KEYS: Schema = {
    "kind": {"type": "string", "description": "What is done"},
    "gates": {**_GATES, "description": "Gates of this step alone"},
}
_PROVIDER_KEYS: Schema = {
    "use": {"type": "string", "description": "The plugin"},
    "name_servers": _list(_NAME_SERVER, "The host's name servers"),
}


def playbook_schema(kinds: Kinds) -> Schema:
    """Return the schema that the reader walks by. Pure."""
    return {
        **_object(_PROPERTIES, "dnsrun", "domain", "providers", "zone"),
        "$defs": {
            "gate": _by_word("kind", "gate kind", _GATE_KEYS, kinds.gates),
            "step": _by_word("kind", "step kind", _STEP_KEYS, kinds.steps),
            "provider": _by_word("use", "provider plugin", _PROVIDER_KEYS, kinds.providers),
        },
    }


def editor_schema(kinds: Kinds) -> Schema:
    """Return the JSON Schema 2020-12 of playbooks, as `dnsrun schema` prints it. Pure.

    Plain scalars are text for dnsrun but numbers and booleans for an editor: texts allow both there, and numbers
    allow a variable.
    """
    schema = _for_editors(playbook_schema(kinds))
    schema["$defs"]["secret"] = _SECRET
    return {"$schema": DIALECT, "title": "dnsrun playbook", **schema}


def _by_word(word: str, title: str, common: Schema, fragments: Mapping[str, Fragment]) -> Schema:
    """Return a mapping whose keys depend on one word: an enum, and an if/then for each."""
    rules = [
        {
            "if": {"properties": {word: {"const": name}}, "required": [word]},
            "then": _kind(word, name, common, fragment),
        }
        for name, fragment in sorted(fragments.items())
    ]
    return {
        "type": "object",
        "title": title,
        "properties": {word: {**common[word], "enum": sorted(fragments)}},
        "required": [word],
        **({"allOf": rules} if rules else {}),
    }


def _kind(word: str, name: str, common: Schema, fragment: Fragment) -> Schema:
    off = _OFF if common is _GATE_KEYS and name in BUILT_IN_GATES else {}
    own = {key: _property(value) for key, value in fragment.properties.items()}
    properties = {**own, **common, **off, word: {"type": "string", "description": fragment.summary}}
    return _object(properties, word, *fragment.required)


def _property(schema: Mapping[str, Any]) -> Schema:
    """Return a plugin's property; a gate inside is read as gates are."""
    if schema.get("format") == "gate":
        return {"$ref": "#/$defs/gate", "description": schema.get("description", "A gate")}
    return dict(schema)


_SECRET: Schema = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "description": "Where a secret is; never the secret itself",
    "properties": {
        "env": {"type": "string", "description": "Environment variable"},
        "file": {"type": "string", "description": "File that holds nothing else"},
        "keyring": {"type": "string", "description": "Entry of the system's keyring"},
        "command": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "description": "Program that prints it",
        },
    },
}
_STANDARD_FORMATS = {"day": "date", "moment": "date-time", "url": "uri", "host-name": "", "address": ""}
_HELD_BY_NAME = ("properties", "$defs")


def _for_editors(schema: Mapping[str, Any]) -> Schema:
    out: Schema = {}
    for keyword, content in schema.items():
        if keyword in _HELD_BY_NAME:
            out[keyword] = {name: _for_editors(inner) for name, inner in content.items()}
        elif isinstance(content, Mapping) and keyword != "const":
            out[keyword] = _for_editors(content)
        elif keyword in ("anyOf", "allOf"):
            out[keyword] = [_for_editors(inner) for inner in content]
        elif keyword not in ("x-says", "title"):
            out[keyword] = content
    return _scalar_for_editors(out)


def _scalar_for_editors(schema: Schema) -> Schema:
    """Return a scalar's schema as an editor should see it, which resolves plain numbers and booleans."""
    fmt = schema.pop("format", None)
    if fmt == "secret":
        return {"$ref": "#/$defs/secret", "description": schema.get("description", "A secret")}
    if schema.get("type") in ("integer", "boolean") and "const" not in schema:
        return {**schema, "type": [schema["type"], "string"], "pattern": _VARIABLE}
    if fmt == "duration":
        return {**schema, "pattern": f"^{DURATION}$|{_VARIABLE}"}
    if schema.get("type") == "string" and not {"enum", "const", "pattern"} & schema.keys() and fmt != "duration":
        schema["type"] = ["string", "number", "boolean"]
    return schema
