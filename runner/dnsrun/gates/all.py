"""Every gate kind that comes with dnsrun."""

from __future__ import annotations

from collections.abc import Mapping

from dnsrun.ports.gate import Gate

from .command import Command
from .confirm import Confirm
from .delegation.gate import DelegationGate
from .dnssec.gate import Dnssec
from .http import Http
from .mail.dkim import Dkim
from .mail.dmarc import Dmarc
from .mail.reading import IMAP, POP3
from .mail.refusing import OldServerRefuses
from .mail.round_trip import MailRoundTrip
from .mail.smtp import Smtp
from .mail.spf import Spf
from .mail.submission import Submission
from .old_side import OldSide
from .parity.gate import Parity
from .records import Records
from .resolvers import Resolvers
from .serial import SerialGate
from .tls import Tls
from .untouched import Untouched


def built_in() -> Mapping[str, Gate]:
    """Return the gates by the words that playbooks use."""
    gates: tuple[Gate, ...] = (
        Records(),
        Untouched(),
        SerialGate(),
        Parity(),
        DelegationGate(),
        Dnssec(),
        OldSide(),
        Resolvers(),
        Http(),
        Tls(),
        Smtp(),
        Submission(),
        IMAP,
        POP3,
        MailRoundTrip(),
        OldServerRefuses(),
        Spf(),
        Dkim(),
        Dmarc(),
        Command(),
        Confirm(),
    )
    return {gate.kind: gate for gate in gates}
