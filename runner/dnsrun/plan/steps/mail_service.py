"""`mail-service`: switch a domain's mail on or off at a host; off only when no cache leads there any more."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from dns.rdatatype import RdataType

from dnsrun.model.act import SetService
from dnsrun.model.plan import Hazard
from dnsrun.model.playbook import GateSpec, Json, Playbook, Step
from dnsrun.plan.mail import mail_graph
from dnsrun.ports.kinds import Fragment

from .kind import Compiled, Scene, StepKind, text_of, words_of

MAIL = "mail"
AFTER_CACHES_S = 900  # what the fewest minutes are, however short the TTLs: some caches stretch them
_CARRYING = {RdataType.A, RdataType.AAAA}
_CANNOT = (
    "{mark}: dnsrun cannot switch mail at {provider}; name a provider with `use: manual` and the `panel:` where it is "
    "switched"
)
_NO_PROOF = (
    "mail-service: nobody can see from outside whether mail is off: say `address:`, the old server's, "
    "or whoever does it must say so"
)


def compile_step(step: Step, scene: Scene) -> Compiled:
    """Switch the service at one host."""
    provider, on = str(step.options["provider"]), step.options["state"] == "enabled"
    if MAIL not in scene.capabilities[provider].services:
        return Compiled(conflicts=(_CANNOT.format(mark=step.mark, provider=provider),))
    address = text_of(step.options, "address") or _old_address(scene)
    takes, refuses = (
        _gate(kind, step, address, scene.playbook) if address else None for kind in ("smtp", "old-server-refuses")
    )
    act = SetService(
        provider, scene.zone.apex, MAIL, before=not on, after=on,
        proof=takes if on else refuses, undo_proof=refuses if on else takes,
    )  # fmt: skip
    bounces = not on and "5xx" in (words_of(step.options, "how") or ())
    return Compiled(
        (act,),
        notes=() if address else (_NO_PROOF,),
        hazards=(Hazard("bounces", _BOUNCES.format(provider=provider)),) if bounces else (),
        after_caches_s=None if on else AFTER_CACHES_S,
    )


_BOUNCES = "senders that still reach {provider} get their messages back at once (5xx) and may not try again"


def _gate(kind: str, step: Step, address: str, playbook: Playbook) -> GateSpec:
    taken = ("rcpt", "port", "via", "allow_private", *(("how",) if kind == "old-server-refuses" else ()))
    options: dict[str, Json] = {key: step.options[key] for key in taken if key in step.options}
    if kind == "smtp":
        options = {"rcpt": f"postmaster@{playbook.domain.to_text(omit_final_dot=True)}", "tls": "off", **options}
    return GateSpec(kind, f"{kind} at {address}", {"address": address, **options})


def _old_address(scene: Scene) -> str | None:
    """Return the one address that the names of mail lead to before they change; None where it is not one."""
    found = set(_left_addresses(scene))
    return found.pop() if len(found) == 1 else None


def _left_addresses(scene: Scene) -> Iterator[str]:
    names = set(mail_graph(scene.playbook.mail, scene.zone).servers)
    for spec in scene.playbook.records:
        if spec.rdtype in _CARRYING and not names.isdisjoint(spec.names):
            for rdata in spec.was or (old for old, _ in spec.replaces):
                yield str(ip_address(rdata.to_text()))


KIND = StepKind(
    "mail-service",
    Fragment(
        "Switch the mail of the domain on or off at a host; off only when no cache leads there any more",
        {
            "provider": {"type": "string", "format": "provider", "description": "The host where mail is switched"},
            "state": {"type": "string", "enum": ["disabled", "enabled"], "description": "What mail is to be there"},
            "address": {
                "type": "string",
                "format": "address",
                "description": "The mail server's address, for the proof; else the one address that records change",
            },
            "rcpt": {
                "type": "string",
                "format": "mail-address",
                "description": "A mailbox of the domain to ask the server for; postmaster unless said",
            },
            "port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "25 unless said"},
            "how": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "enum": ["4xx", "closed", "5xx"]},
                "description": "What counts as off: 4xx and closed unless said; 5xx has senders give messages back",
            },
            "via": {"type": "string", "description": "A proxy, where port 25 is blocked here: socks5://HOST:PORT"},
            "allow_private": {"type": "boolean", "description": "An address inside a network is meant"},
        },
        ("provider", "state"),
    ),
    compile_step,
)
