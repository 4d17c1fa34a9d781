"""A notice handed to a real Postfix, by STARTTLS and by TLS at once, lies in a real mailbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes, policy
from pathlib import Path

import dns.name
import pytest
import trustme

from dnsrun.dnsio.walk import Roots
from dnsrun.errors import Exit
from dnsrun.gates.budget import Budget
from dnsrun.gates.mail.accounts import Keys
from dnsrun.gates.secured import context
from dnsrun.model.playbook import NOTICES, EmailSpec, Mark
from dnsrun.notify.email import hand_over
from dnsrun.notify.letters import letter
from dnsrun.notify.story import Message
from dnsrun.notify.way import Way
from planworld import NOON
from servers import Dovecot, Postfix, eventually
from servers.starter import Starter
from worlds import PARENT_ZONE, World, world

HOST, AT, PASSWORD = "smtp.example", "203.0.113.87", "right-7"
MESSAGE = Message(
    7, NOON, ("rolled-back",), "client.example", "run1", 2, "switch A", 'phase 2 "switch A" 株式会社', Exit.DONE
)


def spec(port: int) -> EmailSpec:
    return EmailSpec(
        to=("test@other.example",), sender="dnsrun@other.example", server=dns.name.from_text(HOST), port=port,
        user="test", password=None, on=frozenset(NOTICES), allow_private=False, mark=Mark("a.yaml", 1, 1),
    )  # fmt: skip


@pytest.fixture
def office(tmp_path: Path) -> Iterator[tuple[World, Dovecot]]:
    tmp_path.chmod(0o755)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with ExitStack() as stack:
        start = Starter(stack)
        box = start(Dovecot({"test": PASSWORD}, tmp_path / "server.pem"))
        post = start(Postfix("smtp.example.", ["other.example"], box, tmp_path / "server.pem"))
        small = stack.enter_context(world(tmp_path / "servers"))
        small.parent.set_zone(dns.name.from_text("example"), f"{PARENT_ZONE}{HOST}. 3600 A {AT}\n")
        small.places |= {
            (AT, 587): ("127.0.0.1", post.submission_port),
            (AT, 465): ("127.0.0.1", post.submissions_port),
        }
        yield small, box


def test_a_notice_arrives_and_a_wrong_password_is_said(office: tuple[World, Dovecot], tmp_path: Path) -> None:
    small, box = office

    def told(port: int, password: str) -> str:
        way = Way(small.net, Roots.of({"a.root.": ["198.51.100.1"]}), Budget(10))
        octets = letter(MESSAGE, "rolled-back", spec(port))
        trust = context(str(tmp_path / "ca.pem"))
        return hand_over(spec(port), octets, Keys("test", password), trust, way, never=frozenset())

    assert [told(port, PASSWORD) for port in (587, 465)] == ["", ""]
    eventually(lambda: len(box.messages("test")) == 2, 10, "both mails in the inbox")
    read = message_from_bytes(box.messages("test")[0], policy=policy.default)
    assert read["Subject"] == "client.example: rolled-back (phase 2)"
    assert 'client.example: phase 2 "switch A" 株式会社' in read.get_content()
    assert told(587, "wrong-8").startswith("smtp.example answers 535 ")
