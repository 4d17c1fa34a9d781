"""A host whose records a person types: exact instructions, in English and Japanese; the proof is asked of the DNS.

The undo is an instruction too: the same text with the changes reversed.
"""

from __future__ import annotations

from dataclasses import replace

from dns.name import Name

from dnsrun.errors import OutsideError
from dnsrun.model.observation import Endpoint
from dnsrun.model.playbook import ProviderSpec
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.ports.kinds import Fragment
from dnsrun.ports.provider import Capabilities, Context, Plugin, Receipt

from . import instructions, panels
from .live import impossible
from .panels import Panel
from .sheets import sheets

FRAGMENT = Fragment(
    summary="A person types the records at a control panel; dnsrun prints what to type and asks the servers after.",
    properties={
        "panel": {
            "type": "string",
            "enum": list(panels.names("write", "refresh", "mail")),
            "default": "other",
            "description": "Whose words the instructions use (other: any panel).",
        },
    },
)

CAPABILITIES = Capabilities(declared_delay_s=600, needs_person=True, serves_before_delegation=None)


class Manual:
    """A panel with a person before it."""

    def __init__(self, panel: Panel, language: str) -> None:
        self._panel = panel
        self._language = language

    @property
    def capabilities(self) -> Capabilities:
        """What is known of this panel; of any, that a person is needed and nothing can be read."""
        panel = self._panel
        return replace(
            CAPABILITIES,
            min_ttl_s=panel.lowest_ttl_s,
            ttl_scope="zone" if panel.one_ttl_for_the_zone else "rrset",
            declared_delay_s=panel.declared_delay_s["write"],
            writes="write" in panel.roles,
            serves_before_delegation=panel.serves_before_delegation,
            saving_may_delegate=panel.saving_may_delegate,
            services=frozenset(panel.roles & {"mail"}),
        )

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
        """Return what a person is to type, with sheets when it is much. Nothing is written by this call."""
        if "write" not in self._panel.roles:
            raise impossible(f"no records are typed at the panel {self._panel.name}: it only copies zones")
        files = sheets(apex, changes) if len(changes) > instructions.MANY else ()
        names = tuple(name for name, _ in files)
        text = instructions.writing(self._panel, self._language, apex, changes, names)
        return Receipt(ask_person=text, files=files)

    def refresh(self, apex: Name, servers: tuple[Endpoint, ...] = ()) -> Receipt:  # noqa: ARG002 - a person finds them
        """Return what a person does so that the secondary fetches the zone: off and on again."""
        panel = self._panel if "refresh" in self._panel.roles else panels.panel("other")
        return Receipt(ask_person=instructions.refreshing(panel, self._language, apex))

    def service_state(self, domain: Name, service: str) -> bool | None:  # noqa: ARG002 - a panel shows it to people only
        """Return None: a panel tells people only; mail is asked from outside."""
        return None

    def set_service(self, domain: Name, service: str, *, on: bool) -> Receipt:
        """Return what a person does to switch mail on or off for the domain."""
        if service not in self.capabilities.services:
            raise impossible(f"{service} is not switched at the panel {self._panel.name}; say `panel: other`")
        return Receipt(ask_person=instructions.switching_mail(self._panel, self._language, domain, on=on))


def _open(spec: ProviderSpec, context: Context) -> Manual:
    return Manual(panels.panel(str(spec.options.get("panel", "other"))), context.language)


PLUGIN = Plugin("manual", frozenset({"zone", "secondary"}), FRAGMENT, CAPABILITIES, _open)
