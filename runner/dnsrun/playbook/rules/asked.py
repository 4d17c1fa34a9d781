"""What people answered: refused where it makes the plan lose mail, warned about where only they can act."""

from __future__ import annotations

from collections.abc import Iterator

from dnsrun.model.playbook import Playbook

from .facts import Facts, Finding


def check(facts: Facts) -> Iterator[Finding]:
    """Find a web host that would keep the domain's mail to itself."""
    stays = not (facts.mail and facts.mail.moves)
    if facts.keeps_mail and facts.records and stays:
        yield Finding(
            facts.keeps_mail,
            "the new web host takes mail for the domain to be its own (local_mail: yes): what its web forms send "
            "to the domain never reaches the mailboxes; have local delivery of the domain switched off there, then "
            "write no",
        )


def warnings(playbook: Playbook) -> Iterator[str]:
    """Return what the answers ask of people outside of DNS, a sentence each. Pure."""
    asked = playbook.asked
    if asked and asked.office_dns:
        yield (
            "the office has a DNS server of its own for the domain: nobody there sees a change before it is made "
            "there too, by hand, and no gate can look into it"
        )
    if asked and asked.dns_ends_with_hosting and playbook.zone.to is None:
        yield (
            "the name servers stop with the hosting contract that is left behind, and this playbook leaves the zone "
            "there: move the zone (`zone.to`) before that contract ends, or web and mail end with it"
        )
    if asked and asked.dns_ends_with_hosting and playbook.zone.to is not None:
        yield "the old name servers stop with the hosting contract: do not end it before `finish` says so"
