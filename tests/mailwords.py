"""Mail servers that play a script: SMTP, IMAP and POP3 on loopback, well-behaved and not."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event

import dns.name
from dns.rdatatype import RdataType

from dnsrun.model.observation import Answer, Endpoint, NoReply, Observation, Transport
from dnsrun.model.playbook import MailAccount, SecretRef
from dnsrun.model.rrset import RRsetKey, rrset
from dnsrun.ports.gate import Login
from gateworld import APEX, NOON, FixedView

PASSWORD = 'c4n"ary\\77'
MX_HOST, OTHER_HOST = "mx.client.example", "mx2.client.example"
HOST = "mail.client.example"
Behaviour = Callable[[socket.socket, Event], None]
CLOSE = "(close)"

SMTP_REPLIES: Mapping[str, str] = {
    "EHLO": "250-mx.client.example\r\n250-SIZE 1000\r\n250 HELP",
    "HELO": "250 mx.client.example",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 go on",
    ".": "250 2.0.0 queued as 1",
    "RSET": "250 Ok",
    "QUIT": "221 Bye",
}
WITH_TLS: Mapping[str, str] = {
    "EHLO": "250-mx.client.example\r\n250-STARTTLS\r\n250 AUTH PLAIN",
    "STARTTLS": "220 ready",
    "AUTH": "235 2.7.0 welcome",
}
IMAP_REPLIES: Mapping[str, str] = {
    "CAPABILITY": "* CAPABILITY IMAP4rev1 STARTTLS UIDPLUS\r\n{tag} OK done",
    "STARTTLS": "{tag} OK begin",
    "LOGIN": "{tag} OK logged in",
    "EXAMINE": "* 3 EXISTS\r\n{tag} OK [READ-ONLY] done",
    "SELECT": "* 3 EXISTS\r\n{tag} OK [READ-WRITE] done",
    "LOGOUT": "* BYE\r\n{tag} OK bye",
}
POP3_REPLIES: Mapping[str, str] = {
    "CAPA": "+OK\r\nSTLS\r\nUSER\r\n.",
    "STLS": "+OK begin",
    "USER": "+OK",
    "PASS": "+OK logged in",
    "STAT": "+OK 3 999",
    "QUIT": "+OK bye",
}


@dataclass
class Script:
    """What a server says: a banner, then a reply for each command; `heard` is what it was told.

    `{tag}` in a reply is the tag of the IMAP command, `CLOSE` ends the connection after what stands before it.
    """

    banner: str
    replies: Mapping[str, str]
    tls: ssl.SSLContext | None = None
    at_once: bool = False
    heard: list[str] = field(default_factory=list)

    def __call__(self, connection: socket.socket, over: Event) -> None:
        """Play it on one connection."""
        with suppress(OSError):
            connection.settimeout(20)
            self._play(self._secured(connection) if self.at_once else connection)

    def _secured(self, connection: socket.socket) -> socket.socket:
        assert self.tls
        return self.tls.wrap_socket(connection, server_side=True)

    def _play(self, connection: socket.socket) -> None:
        with connection:
            going = self._say(connection, self.banner)
            reader = connection.makefile("rb")
            while going and (line := reader.readline().decode().strip("\r\n")):
                self.heard.append(line)
                tag, command = self._command(line)
                going = self._say(connection, self.replies.get(command, f"{tag} BAD {command}").replace("{tag}", tag))
                if command in {"STARTTLS", "STLS"} and self.tls and self.replies[command][:1] in "2+{":
                    self._talk_on(connection)
                    going = False
                if command == "DATA" and self.replies["DATA"].startswith("354"):
                    letter = list(iter(reader.readline, b".\r\n"))
                    self.heard.append(b"".join(letter).decode())
                    going = self._say(connection, self.replies["."])

    def _talk_on(self, connection: socket.socket) -> None:
        Script("", self.replies, self.tls, heard=self.heard)._play(self._secured(connection))

    def _command(self, line: str) -> tuple[str, str]:
        words = line.upper().split()
        known = next((word for word in words[:3] if word in self.replies), "")
        command = f"{words[1]} {words[2]}" if len(words) > 2 and words[1] == "UID" else known
        return line.split(" ", maxsplit=1)[0], command

    @staticmethod
    def _say(connection: socket.socket, reply: str) -> bool:
        said, closing, _ = reply.partition(CLOSE)
        if said:
            connection.sendall(said.encode("latin-1") + b"\r\n")
        return not closing


def smtp(tls: ssl.SSLContext | None = None, banner: str = "220 mx.client.example ESMTP", **replies: str) -> Script:
    """Return an SMTP server; keywords replace replies."""
    return Script(banner, {**SMTP_REPLIES, **(WITH_TLS if tls else {}), **replies}, tls)


def imap(tls: ssl.SSLContext, *, at_once: bool = True, banner: str = "* OK ready", **replies: str) -> Script:
    """Return an IMAP server; keywords replace replies."""
    return Script(banner, {**IMAP_REPLIES, **replies}, tls, at_once)


def pop3(tls: ssl.SSLContext, *, at_once: bool = True, banner: str = "+OK ready", **replies: str) -> Script:
    """Return a POP3 server; keywords replace replies."""
    return Script(banner, {**POP3_REPLIES, **replies}, tls, at_once)


def quiet(connection: socket.socket, _: Event) -> None:
    """Take the connection and say nothing, until the client goes."""
    connection.settimeout(20)
    while connection.recv(1000):
        pass


def cut(connection: socket.socket, _: Event) -> None:
    """Reset the connection before a word is said."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@dataclass
class MailView(FixedView):
    """A view that tells MX: preferences and hosts, or nothing at all (`None`: nobody answers)."""

    mx: tuple[str, ...] | None = ()

    def ask(self, keys: Iterable[RRsetKey], *, transport: Transport = "udp") -> Iterator[Observation]:
        """Answer for the apex."""
        end = Endpoint(dns.name.from_text("ns1.client.example"), "192.0.2.53")
        for key in keys:
            yield Observation(key, end, NOON, self._answer(key), transport)

    def _answer(self, key: RRsetKey) -> Answer | NoReply:
        if self.mx is None:
            return NoReply("timeout")
        if key != RRsetKey(APEX, RdataType.MX) or not self.mx:
            return Answer(0, aa=True, rrset=None, kind="nodata")
        return Answer(0, aa=True, rrset=rrset(key.owner, 600, "MX", *self.mx), kind="data")


class Told:
    """Secrets that are told."""

    def __init__(self, password: str = PASSWORD) -> None:
        self._password = password

    def reveal(self, reference: SecretRef) -> str:
        """Return the password whatever is asked for."""
        return self._password


def login(name: str = "inside", *, password: str = PASSWORD, host: str = HOST, domain: str = "client.example") -> Login:
    """Return an account at a host."""
    at = dns.name.from_text(host)
    account = MailAccount(name, f"test@{domain}", "te st", SecretRef("env", ("MAIL",)), imap=at, submission=at)
    return Login(account, Told(password))
