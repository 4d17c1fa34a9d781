"""Mail servers of a trial: what other servers bring mail to, and what mail programs send through (RFC 5321, 6409)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from .doors import Peer
from .mailboxes import Mailboxes

_REFUSED = {
    "4xx": "450 4.2.1 mail for this domain is switched off here",
    "5xx": "550 5.2.1 mail for this domain is switched off here",
}


@dataclass(frozen=True, slots=True)
class Smtp:
    """A server that greets as `name`. `refuses` is how it refuses mail now: `4xx`, `5xx`, or empty.

    `logs_in`: mail programs send through it; nothing is taken from who has not logged in.
    """

    name: str
    boxes: Mailboxes
    refuses: Callable[[], str]
    logs_in: bool = False

    def talk(self, peer: Peer) -> None:
        """Hold one session; raises what `Peer` raises."""
        peer.say(f"220 {self.name} ESMTP")
        is_known, recipients = not self.logs_in, list[str]()
        while True:
            verb, _, rest = peer.line().partition(" ")
            match verb.upper():
                case "EHLO" | "HELO":
                    peer.say(*self._offers(peer))
                case "STARTTLS" if not peer.is_secure:
                    peer.say("220 2.0.0 begin")
                    peer.secure()
                case "AUTH" if self.logs_in and peer.is_secure:
                    said = self._log_in(rest)
                    is_known = said.startswith("2")
                    peer.say(said)
                case "RCPT":
                    said = self._asked_for(is_known=is_known)
                    recipients += [rest.partition("<")[2].partition(">")[0]] if said.startswith("2") else []
                    peer.say(said)
                case "DATA" if recipients:
                    peer.say("354 go on")
                    self._take(peer, recipients)
                    peer.say("250 2.0.0 taken")
                case "MAIL" | "RSET":
                    recipients = []
                    peer.say("250 2.0.0 well")
                case "NOOP":
                    peer.say("250 2.0.0 well")
                case "QUIT":
                    peer.say("221 2.0.0 goodbye")
                    return
                case _:
                    peer.say("503 5.5.1 not now")

    def _offers(self, peer: Peer) -> tuple[str, ...]:
        words = [self.name, *([] if peer.is_secure else ["STARTTLS"]), "8BITMIME"]
        if self.logs_in and peer.is_secure:
            words.append("AUTH PLAIN")
        return (*(f"250-{word}" for word in words[:-1]), f"250 {words[-1]}")

    def _log_in(self, rest: str) -> str:
        """Answer AUTH PLAIN with an initial response (RFC 4616)."""
        if self.refuses():
            return "454 4.7.0 mail for this domain is switched off here"
        try:
            _, user, password = base64.b64decode(rest.partition(" ")[2], validate=True).decode().split("\0")
        except (binascii.Error, ValueError):
            return "501 5.5.2 this cannot be read"
        return "235 2.7.0 logged in" if self.boxes.opened(user, password) else "535 5.7.8 no such user or password"

    def _asked_for(self, *, is_known: bool) -> str:
        if not is_known:
            return "530 5.7.0 log in first"
        return _REFUSED.get(self.refuses(), "250 2.1.5 well")

    def _take(self, peer: Peer, recipients: list[str]) -> None:
        lines = []
        while (line := peer.line()) != ".":
            lines.append(line.removeprefix("."))  # RFC 5321 section 4.5.2
        message = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
        for address in recipients:
            self.boxes.deliver(address, message)
