"""A host whose records a person types: exact instructions, in English and Japanese; the proof is asked of the DNS.

The undo is an instruction too: the same text with the changes reversed.
"""

from __future__ import annotations

from dns.name import Name

from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint
from dnsrun.model.playbook import ProviderSpec
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.provider import Capabilities, Context, Plugin, Receipt

from . import instructions

FRAGMENT = Fragment(
    summary="A person types the records at a control panel; dnsrun prints what to type and asks the servers after.",
    properties={
        "panel": {
            "type": "string",
            "enum": list(instructions.names()),
            "default": "other",
            "description": "Whose words the instructions use (other: any panel).",
        },
    },
)

CAPABILITIES = Capabilities(declared_delay_s=600, needs_person=True)


class Manual:
    """A panel with a person before it."""

    def __init__(self, panel: str, language: str) -> None:
        self._panel = panel
        self._language = language

    @property
    def capabilities(self) -> Capabilities:
        """What can be said of any panel: a person is needed, nothing can be read."""
        return CAPABILITIES

    @property
    def own_servers(self) -> tuple[Endpoint, ...]:
        """Empty: the playbook names the host's servers."""
        return ()

    def read_zone(self, apex: Name) -> ZoneSnapshot:
        """Raise `OutsideError`: a panel shows its zone to people only."""
        message = (
            f"the zone {instructions.shown(apex)} cannot be read from a control panel: give a zone file or a transfer"
        )
        raise OutsideError(message, retryable=False, certainty="not-applied")

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        """Return what a person is to type. Nothing is written by this call."""
        return Receipt(ask_person=instructions.writing(self._panel, self._language, apex, changes))

    def refresh(self, apex: Name, servers: tuple[Endpoint, ...] = ()) -> Receipt:  # noqa: ARG002 - a person finds them
        """Return what a person does so that the secondary fetches the zone: off and on again."""
        return Receipt(ask_person=instructions.refreshing(self._panel, self._language, apex))


def _open(spec: ProviderSpec, context: Context) -> Manual:
    return Manual(str(spec.options.get("panel", "other")), context.language)


PLUGIN = Plugin("manual", frozenset({"zone", "secondary"}), FRAGMENT, CAPABILITIES, _open)
