"""References to secrets: where a secret is, never what it is.

Messages here repeat nothing of what was written, keys included: it may be the secret itself (threat 1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from dnsrun.model.playbook import SecretRef

from .problems import Wrong
from .substitute import fill
from .tree import ListNode, MapNode, Node, ScalarNode

_HOW = "write where it is: {env: NAME}, {file: path}, {keyring: name} or {command: [program, argument]}"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def read_secret(node: Node, variables: Mapping[str, str]) -> SecretRef:
    """Return the reference in a node; raises `Wrong` without repeating what stands there."""
    if not isinstance(node, MapNode):
        raise Wrong(f"must not hold the secret itself; {_HOW}")
    if len(node.pairs) != 1:
        raise Wrong(f"must be one reference to a secret; {_HOW}")
    ((kind, where),) = node.pairs
    if kind.text == "env":
        return SecretRef("env", (_text(where, variables, _ENV_NAME.fullmatch, "the name of an environment variable"),))
    if kind.text == "file":
        return SecretRef("file", (_text(where, variables, bool, "the path of a file"),))
    if kind.text == "keyring":
        return SecretRef("keyring", (_text(where, variables, bool, "the name of an entry"),))
    if kind.text == "command":
        return SecretRef("command", _argv(where, variables))
    raise Wrong(f"must be a reference to a secret; {_HOW}")


def _argv(node: Node, variables: Mapping[str, str]) -> tuple[str, ...]:
    if not isinstance(node, ListNode) or not node.items:
        raise Wrong("needs the command as a list; write {command: [program, argument]}")
    return tuple(_text(item, variables, bool, "a text") for item in node.items)


def _text(node: Node, variables: Mapping[str, str], fits: Callable[[str], object], what: str) -> str:
    if not isinstance(node, ScalarNode):
        raise Wrong(f"needs {what} in its reference to a secret; {_HOW}")
    try:
        text = fill(node.text, variables)
    except Wrong:
        raise Wrong(f"needs {what} in its reference to a secret, with variables that stand under vars") from None
    if not fits(text) or not text.isprintable():
        raise Wrong(f"needs {what} in its reference to a secret; what stands there cannot be one")
    return text
