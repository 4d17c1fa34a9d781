"""Names that mail rides on, as far as the zone and the playbook show it, and changes that touch them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.MX import MX

from dnsrun.model.playbook import MailSpec, RecordSpec
from dnsrun.model.rrset import Change
from dnsrun.model.zone import ZoneSnapshot

CARRYING = frozenset({RdataType.A, RdataType.AAAA, RdataType.CNAME, RdataType.MX})


def mail_names(mail: MailSpec | None, zone: ZoneSnapshot) -> Mapping[Name, str]:
    """Return the owner names that mail rides on, each with the way it was found."""
    found: dict[Name, str] = {}
    for rrset in zone.rrsets.values():
        for rdata in rrset.rdatas:
            if isinstance(rdata, MX):
                exchange = rdata.exchange
                owner = rrset.key.owner.to_text(omit_final_dot=True)
                found[exchange] = f"MX of {owner} → {exchange.to_text(omit_final_dot=True)}"
    for name in mail.mailboxes if mail else ():
        found[name] = "mail programs open their mailboxes there (`mail.mailboxes`)"
    for name in mail.submission if mail else ():
        found[name] = "mail programs send through it (`mail.submission`)"
    return found


def mail_conflicts(
    changes: Iterable[Change], specs: Iterable[RecordSpec], mail: MailSpec | None, zone: ZoneSnapshot
) -> tuple[str, ...]:
    """Return a sentence for each change of a mail name that the playbook does not own up to."""
    names = mail_names(mail, zone)
    entries = {key: spec for spec in specs for key in spec.rrset_keys()}
    problems = []
    for change in changes:
        spec = entries.get(change.key)
        path = _path(change, names)
        if path is None or spec is None:
            continue
        if not spec.affects_mail and not (mail and mail.moves):
            problems.append(
                f"{spec.mark}: {change.key} carries mail: {path}; changing it moves mail. "
                "Say `affects: mail` on the entry when the mailboxes stay, or `mail: {moves: true}`"
            )
        if spec.was is None and not spec.replaces:
            problems.append(f"{spec.mark}: {change.key} carries mail: {path}; say what is there now with `was`")
    return tuple(problems)


def _path(change: Change, names: Mapping[Name, str]) -> str | None:
    if change.key.rdtype == RdataType.MX:
        return f"MX of {change.key.owner.to_text(omit_final_dot=True)}"
    return names.get(change.key.owner) if change.key.rdtype in CARRYING else None
