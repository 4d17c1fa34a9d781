"""Names that mail rides on, as far as the zone and the playbook show it, and changes that touch them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import dns.name
import dns.rdatatype
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.IN.SRV import SRV

from dnsrun.model.playbook import MailSpec, RecordSpec
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.model.zone import ZoneSnapshot

MAIL_SERVICES = frozenset({b"_imap", b"_imaps", b"_pop3", b"_pop3s", b"_submission", b"_submissions", b"_autodiscover"})
CARRYING = frozenset({RdataType.A, RdataType.AAAA, RdataType.CNAME, RdataType.MX})


def mail_names(mail: MailSpec | None, zone: ZoneSnapshot) -> Mapping[Name, str]:
    """Return the owner names that mail rides on, each with the way it was found."""
    found: dict[Name, str] = {}
    for rrset in zone.rrsets.values():
        for target in _targets(rrset):
            owner = rrset.key.owner.to_text(omit_final_dot=True)
            word = dns.rdatatype.to_text(rrset.key.rdtype)
            found[target] = f"{word} of {owner} → {target.to_text(omit_final_dot=True)}"
    for name in mail.mailboxes if mail else ():
        found[name] = f"mail programs open {name.to_text(omit_final_dot=True)} (`mail.mailboxes`)"
    for name in mail.submission if mail else ():
        found[name] = f"mail programs send through {name.to_text(omit_final_dot=True)} (`mail.submission`)"
    return found | _behind_aliases(found, zone)


def _targets(rrset: RRset) -> Iterable[Name]:
    """Return the hosts that MX and the SRV of mail programs (RFC 6186) lead to; the root says: none."""
    mail_service = rrset.key.owner.labels[0].lower() in MAIL_SERVICES
    for rdata in rrset.rdatas:
        if isinstance(rdata, MX) and rdata.exchange != dns.name.root:
            yield rdata.exchange
        if isinstance(rdata, SRV) and mail_service and rdata.target != dns.name.root:
            yield rdata.target


def _behind_aliases(found: Mapping[Name, str], zone: ZoneSnapshot) -> dict[Name, str]:
    """Return the names that CNAMEs lead on to, chains followed within the zone."""
    behind: dict[Name, str] = {}
    for start, way in found.items():
        name = start
        while (alias := zone.rrsets.get(RRsetKey(name, RdataType.CNAME))) and alias.rdatas:
            rdata = next(iter(alias.rdatas))
            if not isinstance(rdata, CNAME) or rdata.target in found or rdata.target in behind:
                break
            name = rdata.target
            behind[name] = f"{way} → {name.to_text(omit_final_dot=True)}"
    return behind


def mail_unsaid(changes: Iterable[Change], mail: MailSpec | None, zone: ZoneSnapshot) -> tuple[str, ...]:
    """Return a sentence when records change in a domain that has mail, and nobody was asked where it is."""
    ways = sorted(mail_names(None, zone).values())
    if mail is not None or not ways or all(change.ttl_only for change in changes):
        return ()
    problem = (
        f"{zone.apex.to_text(omit_final_dot=True)} has mail ({ways[0]}), and the playbook does not say where the "
        "mailboxes are: ask, then add `mail: {mailboxes: [the hosts that mail programs open]}`"
    )
    return (problem,)


def mail_conflicts(
    changes: Sequence[Change], specs: Iterable[RecordSpec], mail: MailSpec | None, zone: ZoneSnapshot
) -> tuple[str, ...]:
    """Return a sentence for each change of a mail name that the playbook does not own up to."""
    names = mail_names(mail, zone)
    if not names and not any(change.key.rdtype == RdataType.MX for change in changes):
        return ()
    entries = {key: spec for spec in specs for key in spec.rrset_keys()}
    problems = []
    for change in changes:
        spec = entries.get(change.key)
        path = _path(change, names)
        if path is None or spec is None or change.ttl_only:
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
