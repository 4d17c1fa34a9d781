"""Dovecot: mailboxes over IMAP and POP3, log-ins for Postfix, delivery by LMTP; all on 127.0.0.1."""

from __future__ import annotations

import os
import pwd
import shutil
import smtplib
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .needs import need_program, need_root
from .ports import LOOPBACK, free_port
from .running import RunningServer

_NOBODY = "nobody"


class Dovecot(RunningServer):
    """Mailboxes of `users` (name to password), behind the certificate and key in `pem`.

    `port` is IMAP with TLS at once; `starttls_port` has IMAP with STARTTLS, `pop3s_port` POP3 with TLS at once,
    `auth_port` and `lmtp_port` are for Postfix.
    """

    software = "dovecot"

    def __init__(self, users: Mapping[str, str], pem: Path, *, name: str = "") -> None:
        self._program = need_program("dovecot", server="Dovecot", package="dovecot-imapd dovecot-pop3d dovecot-lmtpd")
        need_root("Dovecot")
        super().__init__(name)
        self._users = dict(users)
        self._pem = pem
        self.starttls_port, self.pop3s_port, self.auth_port, self.lmtp_port = (free_port() for _ in range(4))

    def messages(self, user: str) -> list[bytes]:
        """Return the messages in a mailbox, as they lie there."""
        folder = self.directory / "mail" / user
        return [path.read_bytes() for place in ("new", "cur") for path in sorted((folder / place).glob("*"))]

    def empty_mailbox(self, user: str) -> None:
        """Forget a user's messages."""
        shutil.rmtree(self.directory / "mail" / user, ignore_errors=True)

    def copy_mailbox(self, user: str, to: Dovecot) -> None:
        """Copy a user's messages to another server, those that it has not got yet."""
        held = set(map(_body, to.messages(user)))
        missing = [message for message in self.messages(user) if _body(message) not in held]
        with smtplib.LMTP(to.address, to.lmtp_port, local_hostname="copy.invalid") as line:
            for message in missing:
                line.sendmail("", [user], message)

    def _command(self) -> Sequence[str]:
        owner = pwd.getpwnam(_NOBODY)
        mail = self.directory / "mail"
        mail.mkdir(exist_ok=True)
        os.chown(mail, owner.pw_uid, owner.pw_gid)
        self.directory.chmod(0o755)
        lines = (f"{user}:{{PLAIN}}{password}::::::\n" for user, password in self._users.items())
        (self.directory / "users").write_text("".join(lines))
        config = self.directory / "dovecot.conf"
        config.write_text(self._config(owner.pw_uid, owner.pw_gid))
        return [self._program, "-F", "-c", str(config)]

    def _is_ready(self) -> bool:
        with suppress(OSError), socket.create_connection((LOOPBACK, self.port), 1):
            return (self.directory / "run" / "master.pid").exists()
        return False

    def _config(self, uid: int, gid: int) -> str:
        place = self.directory
        return f"""
base_dir = {place}/run
state_dir = {place}/state
log_path = /dev/stderr
protocols = imap pop3 lmtp
listen = {LOOPBACK}
mail_location = maildir:{place}/mail/%n
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
ssl = yes
ssl_cert = <{self._pem}
ssl_key = <{self._pem}
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_format = %n
passdb {{
  driver = passwd-file
  args = {place}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={place}/mail/%n
}}
service imap-login {{
  inet_listener imap {{
    port = {self.starttls_port}
  }}
  inet_listener imaps {{
    port = {self.port}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = 0
  }}
  inet_listener pop3s {{
    port = {self.pop3s_port}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = {LOOPBACK}
    port = {self.lmtp_port}
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  inet_listener {{
    address = {LOOPBACK}
    port = {self.auth_port}
  }}
}}
"""


def _body(message: bytes) -> bytes:
    return message.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
