"""Answers to the open questions of the ready-made playbooks, by the words before them."""

from __future__ import annotations

from collections.abc import Mapping

from dnsrun.playbook.examples import example

SPF_OLD = "v=spf1 ip4:192.0.2.25 -all"
SPF_NEW = "v=spf1 ip4:192.0.2.25 include:spf.protection.outlook.com -all"
PROOF = "MS=ms12345678"
MX_NEW = "0 client-example-jp.mail.protection.outlook.com"
DKIM_1 = "selector1-client-example-jp._domainkey.client.n-v1.dkim.mail.com"
DKIM_2 = "selector2-client-example-jp._domainkey.client.n-v1.dkim.mail.com"
ANSWERS: Mapping[str, str] = {
    "mailboxes": "imap-7f3a.client.example.jp",
    "submission": "mail.client.example.jp",
    "imap_host": "imap-7f3a.client.example.jp",
    "smtp_host": "mail.client.example.jp",
    "clients_by_address": "0",
    "proof": PROOF,
    "mx_old": "10 mail.client.example.jp",
    "mx_new": MX_NEW,
    "spf_old": SPF_OLD,
    "spf_new": SPF_NEW,
    "dkim_1": DKIM_1,
    "dkim_2": DKIM_2,
}


def answered(name: str, **other: str) -> str:
    """Return a ready-made playbook with its questions answered, some of them otherwise; nothing else is touched."""
    return "".join(f"{_filled(line, {**ANSWERS, **other})}\n" for line in example(name).splitlines())


def _filled(line: str, answers: Mapping[str, str]) -> str:
    written = line.partition("#")[0]
    return line.replace('"?"', answers[written.partition(":")[0].strip()], 1) if '"?"' in written else line
