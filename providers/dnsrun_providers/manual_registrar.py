"""A registrar at whose panel a person sets the name servers: exact instructions; the proof is asked of the parent.

The undo is an instruction too: the same call with before and after exchanged.
"""

from __future__ import annotations

from dataclasses import replace

from dns.name import Name

from dnsrun.errors import OutsideError
from dnsrun.model.playbook import ProviderSpec
from dnsrun.model.zone import Delegation
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.provider import Capabilities, Context, Receipt, RegistrarPlugin, Settled

from . import panels
from .delegating import delegating
from .panels import Panel

FRAGMENT = Fragment(
    summary="A person sets the name servers at the registrar's panel; dnsrun prints what to type and asks the parent.",
    properties={
        "panel": {
            "type": "string",
            "enum": list(panels.names("delegate")),
            "default": "other",
            "description": "Whose words the instructions use (other: any registrar).",
        },
    },
)

CAPABILITIES = Capabilities(needs_person=True, glue=True, ds=True, declared_delay_s=86_400)


class ManualRegistrar:
    """A registrar's panel with a person before it."""

    def __init__(self, panel: Panel, language: str) -> None:
        self._panel = panel
        self._language = language

    @property
    def capabilities(self) -> Capabilities:
        """What any registrar can do through a person; the delay is the panel's."""
        return replace(CAPABILITIES, declared_delay_s=self._panel.declared_delay_s["delegate"])

    def read_delegation(self, domain: Name) -> Delegation | None:  # noqa: ARG002 - whatever the domain
        """Return None: a panel shows it to people only."""
        return None

    def replace_delegation(self, domain: Name, *, before: Delegation, after: Delegation) -> Receipt:
        """Return what a person is to type. Nothing is changed by this call."""
        text = delegating(self._panel, self._language, domain, before=before, after=after)
        return Receipt(ask_person=text)

    def poll(self, operation: str) -> Settled:
        """Raise `OutsideError`: no receipt of this registrar names an operation."""
        raise OutsideError(f"nothing is known of {operation}", retryable=False, certainty="not-applied")


def _open(spec: ProviderSpec, context: Context) -> ManualRegistrar:
    return ManualRegistrar(panels.panel(str(spec.options.get("panel", "other"))), context.language)


PLUGIN = RegistrarPlugin("manual-registrar", FRAGMENT, CAPABILITIES, _open)
