"""Mailboxes of a trial, and servers that open them over IMAP (RFC 9051) and POP3 (RFC 1939), as far as gates ask."""

from __future__ import annotations

import email
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dnsrun.model.playbook import MailAccount

from .doors import Peer

_OFF = "mail for this domain is switched off here"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_IMAP_KNOWS = "IMAP4rev1 UIDPLUS"


@dataclass(slots=True)
class Mailboxes:
    """The playbook's accounts with their passwords, and the messages that have come: one mailbox at every server."""

    accounts: Mapping[str, MailAccount]
    passwords: Mapping[str, str]
    messages: dict[str, dict[int, bytes]] = field(default_factory=dict)
    newest: int = 0

    def opened(self, user: str, password: str) -> str | None:
        """Return the mail address that a user reads, None when that is not the password."""
        for name, account in self.accounts.items():
            if (account.user, self.passwords[name]) == (user, password):
                return account.address.lower()
        return None

    def deliver(self, address: str, message: bytes) -> None:
        """Put a message into a mailbox; for anybody else's it is thrown away."""
        if address.lower() in {account.address.lower() for account in self.accounts.values()}:
            self.newest += 1
            self.messages.setdefault(address.lower(), {})[self.newest] = message

    def held(self, address: str) -> dict[int, bytes]:
        """Return what lies in a mailbox, by UID."""
        return self.messages.setdefault(address, {})


class Imap:
    """One IMAP session. `is_off` tells whether mail is switched off here."""

    def __init__(self, peer: Peer, boxes: Mailboxes, is_off: Callable[[], bool]) -> None:
        self._peer = peer
        self._boxes = boxes
        self._is_off = is_off
        self._address: str | None = None
        self._deleted: set[int] = set()

    def talk(self) -> None:
        """Greet, and answer until the client leaves; raises what `Peer` raises."""
        self._peer.say("* OK ready")
        while True:
            tag, _, said = self._peer.line().partition(" ")
            verb, _, rest = said.partition(" ")
            if verb.upper() == "STARTTLS" and not self._peer.is_secure:
                self._peer.say(f"{tag} OK begin")
                self._peer.secure()
                continue
            untagged, status = self._answer(verb.upper(), rest)
            self._peer.say(*untagged, f"{tag} {status}")
            if verb.upper() == "LOGOUT":
                return

    def _answer(self, verb: str, rest: str) -> tuple[list[str], str]:
        if verb == "CAPABILITY":
            return [f"* CAPABILITY {_IMAP_KNOWS}{'' if self._peer.is_secure else ' STARTTLS LOGINDISABLED'}"], "OK done"
        if verb == "LOGOUT":
            return ["* BYE"], "OK done"
        if verb == "NOOP":
            return [], "OK done"
        if verb == "LOGIN" and self._peer.is_secure:
            return [], self._log_in(rest)
        if self._address is None:
            return [], "BAD log in first, over TLS"
        if verb in {"SELECT", "EXAMINE"}:
            return [f"* {len(self._boxes.held(self._address))} EXISTS"], "OK opened"
        if verb == "UID":
            return self._by_uid(self._address, rest)
        return [], "BAD this is not known here"

    def _log_in(self, rest: str) -> str:
        user, password = ([*_words(rest), "", ""])[:2]
        if self._is_off():
            return f"NO [UNAVAILABLE] {_OFF}"
        self._address = self._boxes.opened(user, password)
        return "OK logged in" if self._address else "NO [AUTHENTICATIONFAILED] no such user or password"

    def _by_uid(self, address: str, rest: str) -> tuple[list[str], str]:
        verb, _, rest = rest.partition(" ")
        held = self._boxes.held(address)
        if verb.upper() == "SEARCH":
            token = _words(rest)[-1]
            found = [str(uid) for uid, message in held.items() if token in _message_id(message)]
            return [f"* SEARCH {' '.join(found)}".rstrip()], "OK done"
        uid = int(rest.partition(" ")[0])
        if uid not in held:
            return [], "OK nothing there"
        if verb.upper() == "FETCH":
            head = f"Message-ID: {_message_id(held[uid])}\r\n\r\n"
            return [f"* 1 FETCH (UID {uid} BODY[HEADER.FIELDS (MESSAGE-ID)] {{{len(head)}}}", f"{head})"], "OK done"
        if verb.upper() == "STORE":
            self._deleted.add(uid)
        elif verb.upper() == "EXPUNGE" and uid in self._deleted:
            del held[uid]
        return [], "OK done"


def _words(text: str) -> list[str]:
    """Return atoms and quoted strings (RFC 9051 section 4.3)."""
    return [re.sub(r"\\(.)", r"\1", found[1]) if found[2] is None else found[2] for found in _QUOTED.finditer(text)]


def _message_id(message: bytes) -> str:
    return str(email.message_from_bytes(message)["Message-ID"])


def pop3(peer: Peer, boxes: Mailboxes, is_off: Callable[[], bool]) -> None:
    """Hold one POP3 session; raises what `Peer` raises."""
    user, address = "", None
    peer.say("+OK ready")
    while True:
        verb, _, rest = peer.line().partition(" ")
        match verb.upper():
            case "CAPA":
                peer.say("+OK", "USER", *([] if peer.is_secure else ["STLS"]), ".")
            case "STLS" if not peer.is_secure:
                peer.say("+OK begin")
                peer.secure()
            case "USER" if peer.is_secure:
                user = rest
                peer.say("+OK")
            case "PASS" if peer.is_secure:
                address = None if is_off() else boxes.opened(user, rest)
                peer.say("+OK" if address else f"-ERR {_OFF if is_off() else 'no such user or password'}")
            case "STAT" if address:
                held = boxes.held(address)
                peer.say(f"+OK {len(held)} {sum(map(len, held.values()))}")
            case "QUIT":
                peer.say("+OK")
                return
            case _:
                peer.say("-ERR log in first, over TLS")
