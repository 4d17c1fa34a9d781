"""Postfix: takes mail for its domains and sends for who logs in; asks no DNS and leaves 127.0.0.1 for nothing."""

from __future__ import annotations

import os
import pwd
import signal
import smtplib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from .dovecot import Dovecot
from .needs import need_program, need_root
from .ports import LOOPBACK, free_port
from .running import RunningServer
from .waiting import eventually

_DAEMONS = Path("/usr/lib/postfix/sbin")
_QUEUES = [
    "active",
    "bounce",
    "corrupt",
    "defer",
    "deferred",
    "flush",
    "hold",
    "incoming",
    "maildrop",
    "pid",
    "private",
    "public",
    "saved",
    "trace",
]
How = Literal["550", "450"]
_SERVICES = """
cleanup   unix  n  -  n  -  0  cleanup
qmgr      unix  n  -  n  1  1  qmgr
tlsmgr    unix  -  -  n  1000?  1  tlsmgr
rewrite   unix  -  -  n  -  -  trivial-rewrite
bounce    unix  -  -  n  -  0  bounce
defer     unix  -  -  n  -  0  bounce
trace     unix  -  -  n  -  0  bounce
verify    unix  -  -  n  -  1  verify
flush     unix  n  -  n  1000?  0  flush
proxymap  unix  -  -  n  -  -  proxymap
smtp      unix  -  -  n  -  -  smtp
relay     unix  -  -  n  -  -  smtp
error     unix  -  -  n  -  -  error
retry     unix  -  -  n  -  -  error
discard   unix  -  -  n  -  -  discard
lmtp      unix  -  -  n  -  -  lmtp
anvil     unix  -  -  n  -  1  anvil
scache    unix  -  -  n  -  1  scache
postlog   unix-dgram n - n  -  1  postlogd
"""


class Postfix(RunningServer):
    """A mail server for `domains`, whose users are those of `mailboxes`.

    `port` is what the world sends to (25); `submission_port` wants STARTTLS and a log-in, `submissions_port` TLS at
    once. `routes` says where mail for other domains goes: domain to port on 127.0.0.1.
    """

    software = "postfix"
    folder_in = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # it syncs each message to disk

    def __init__(
        self,
        name: str,
        domains: Iterable[str],
        mailboxes: Dovecot,
        pem: Path,
        *,
        routes: Mapping[str, int] | None = None,
    ) -> None:
        need_program("postfix", server="Postfix", package="postfix")
        need_root("Postfix")
        super().__init__(name)
        self._domains = set(domains)
        self._refused: dict[str, How] = {}
        self._mailboxes = mailboxes
        self._pem = pem
        self._routes = dict(routes or {})
        self.submission_port, self.submissions_port = free_port(), free_port()

    def refuse_domain(self, domain: str, how: How = "550") -> None:
        """Take no more mail for a domain; returns when that is so."""
        self._refused[domain] = how
        self._reload(domain, how[0])

    def accept_domain(self, domain: str) -> None:
        """Take mail for a domain again; returns when that is so."""
        self._refused.pop(domain, None)
        self._domains.add(domain)
        self._reload(domain, "2")

    def answer_to(self, rcpt: str) -> int:
        """Return the code that a sender gets who announces a message for a mailbox."""
        with smtplib.SMTP(self.address, self.port, local_hostname="test.invalid", timeout=5) as line:
            line.ehlo()
            line.mail("")
            return line.rcpt(rcpt)[0]

    def _reload(self, domain: str, first: str) -> None:
        self._write_maps()
        self._signal(signal.SIGHUP)
        eventually(lambda: str(self.answer_to(f"postmaster@{domain}")).startswith(first), 10, f"{first}xx for {domain}")

    def _command(self) -> Sequence[str]:
        self.directory.chmod(0o755)
        etc, data = self.directory / "etc", self.directory / "data"
        etc.mkdir(exist_ok=True)
        (self.directory / "queue").mkdir(exist_ok=True)
        owner = pwd.getpwnam("postfix").pw_uid
        for folder in (data, *(self.directory / "queue" / name for name in _QUEUES)):
            folder.mkdir(exist_ok=True)
            if folder.name != "pid":
                os.chown(folder, owner, -1)
        (etc / "main.cf").write_text(self._main())
        (etc / "master.cf").write_text(self._master())
        self._write_maps()
        # Without the `postfix` command before it, which takes two seconds for its checks.
        return [str(_DAEMONS / "master"), "-c", str(etc), "-d"]

    def _is_ready(self) -> bool:
        try:
            return self.answer_to("nobody@elsewhere.invalid") > 0
        except (OSError, smtplib.SMTPException):
            return False

    def _write_maps(self) -> None:
        etc = self.directory / "etc"
        (etc / "domains").write_text("".join(f"{domain} yes\n" for domain in sorted(self._domains)))
        words = {"550": "550 5.7.1 mail for this domain is switched off", "450": "450 4.2.1 mail is switched off here"}
        (etc / "refused").write_text("".join(f"{domain} {words[how]}\n" for domain, how in self._refused.items()))
        routes = "".join(f"{domain} smtp:[{LOOPBACK}]:{port}\n" for domain, port in self._routes.items())
        (etc / "routes").write_text(routes)

    def _master(self) -> str:
        at = f"{LOOPBACK}:"
        login = "-o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject"
        login += " -o smtpd_recipient_restrictions="
        return (
            f"{at}{self.port} inet n - n - - smtpd\n"
            f"{at}{self.submission_port} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt {login}\n"
            f"{at}{self.submissions_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes {login}\n"
        ) + _SERVICES

    def _main(self) -> str:
        place, name = self.directory, self.name.rstrip(".")
        return f"""
compatibility_level = 3.6
queue_directory = {place}/queue
daemon_directory = {_DAEMONS}
data_directory = {place}/data
maillog_file = {place}/mail.log
maillog_file_prefixes = {place}
mail_owner = postfix
setgid_group = postdrop
myhostname = {name}
mydestination =
mynetworks =
inet_interfaces = {LOOPBACK}
inet_protocols = ipv4
alias_maps =
alias_database =
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
default_transport = error:5.1.2 no route to this domain
relay_transport = error:5.1.2 no route to this domain
transport_maps = texthash:{place}/etc/routes
virtual_mailbox_domains = texthash:{place}/etc/domains
virtual_transport = lmtp:inet:{LOOPBACK}:{self._mailboxes.lmtp_port}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access texthash:{place}/etc/refused
smtpd_tls_cert_file = {self._pem}
smtpd_tls_key_file = {self._pem}
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:{LOOPBACK}:{self._mailboxes.auth_port}
smtpd_sasl_auth_enable = no
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""
