"""How many messages came into a mailbox since a time, at one address. Nothing is changed there."""

from __future__ import annotations

import imaplib
import ssl
from datetime import UTC, datetime

from dnsrun.errors import UsageError
from dnsrun.gates.budget import Budget
from dnsrun.model.playbook import GateSpec
from dnsrun.ports.gate import Login
from dnsrun.ports.net import Net, View

from .accounts import keys_of
from .asking import TIMEOUT_S, TLS_AT_ONCE, trust_of, way_to
from .letters import LostError, inbox
from .mailbox import Visit

_MOST = 100_000


def count_since(login: Login, address: str, since: datetime, spec: GateSpec, through: tuple[View, Net]) -> str:
    """Return how many messages of an inbox came since then (UTC), or why that is not known, in words.

    Asked at one address, whatever DNS says now. Touches the network, and the disk for certificates.
    """
    account, (view, net) = login.account, through
    trust = trust_of(spec)
    if isinstance(trust, str) or account.imap is None:
        return f"not counted at {address}: {trust}"
    try:
        to = Visit(account.imap.to_text(omit_final_dot=True), trust, account.imap_port in TLS_AT_ONCE, keys_of(login))
        with inbox(way_to(spec, net, view, address, account.imap_port), to, Budget(TIMEOUT_S), ours=False) as line:
            return f"{_came_since(line, since)} messages at {address}"
    except (LostError, OSError, UsageError, ssl.SSLError) as err:
        return f"not counted at {address}: {err}"


def _came_since(line: imaplib.IMAP4, since: datetime) -> int:
    """Count by INTERNALDATE (RFC 9051 section 2.3.3): SEARCH knows days only."""
    day = since.astimezone(UTC).strftime("%d-%b-%Y")
    _, data = line.uid("SEARCH", "SINCE", day)
    uids = [word.decode("ascii") for word in (data[0] or b"").split() if word.isdigit()][:_MOST]
    if not uids:
        return 0
    _, told = line.uid("FETCH", ",".join(uids), "(INTERNALDATE)")
    return sum(_is_since(one, since) for one in told if isinstance(one, bytes))


def _is_since(told: bytes, since: datetime) -> bool:
    when = imaplib.Internaldate2tuple(told)
    return when is not None and datetime(*when[:6]).astimezone(UTC) >= since
