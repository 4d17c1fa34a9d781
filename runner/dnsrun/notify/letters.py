"""A message in the forms in which it is sent: JSON, what Slack takes, a mail. Pure."""

from __future__ import annotations

import json
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

from dnsrun.model.playbook import EmailSpec, Notice, WebhookSpec
from dnsrun.model.times import full_time

from .story import Message

_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # docs.slack.dev, "Formatting message text"


def body(message: Message, notice: Notice, spec: WebhookSpec) -> bytes:
    """Return the JSON that a webhook gets.

    `json`: event, domain, run, phase (its number), phase_name, text, at (UTC, ISO 8601), exit (the exit code that
    stands for it). `slack`: what Slack, Mattermost and others take.
    """
    if spec.form == "slack":
        return json.dumps({"text": f"{message.domain}: {message.text}".translate(_SLACK)}).encode()
    data = {
        "event": notice,
        "domain": message.domain,
        "run": message.run,
        "phase": message.phase,
        "phase_name": message.phase_name,
        "text": message.text,
        "at": message.at.isoformat().replace("+00:00", "Z"),
        "exit": int(message.exit),
    }
    return json.dumps(data).encode()


def letter(message: Message, notice: Notice, spec: EmailSpec) -> bytes:
    """Return the mail; lines end as RFC 5321 section 2.3.8 wants them."""
    mail = EmailMessage(policy.SMTP)
    mail["From"] = spec.sender
    mail["To"] = ", ".join(spec.to)
    mail["Subject"] = f"{message.domain}: {notice} (phase {message.phase})"
    mail["Message-ID"] = f"<{message.run}.{message.seq}@dnsrun.invalid>"
    mail["Date"] = format_datetime(message.at)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody is to answer
    mail.set_content(
        f"{message.domain}: {message.text}\n\n"
        f"{full_time(message.at)}\n"
        f"`dnsrun status {message.domain}` says where it stands and what to do next.\n"
    )
    return mail.as_bytes()
