"""What a domain's mail rides on, and what a change would do to it. Pure."""

from .graph import CARRYING, MailGraph, Ride, mail_graph
from .rules import mail_conflicts, mail_unsaid, mailboxes_unsaid
from .tree import Elsewhere, mail_tree

__all__ = [
    "CARRYING",
    "Elsewhere",
    "MailGraph",
    "Ride",
    "mail_conflicts",
    "mail_graph",
    "mail_tree",
    "mail_unsaid",
    "mailboxes_unsaid",
]
