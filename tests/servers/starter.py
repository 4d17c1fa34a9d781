"""What the `start` fixture gives a test: servers that end with it, and their logs when it fails."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TypeVar

from .running import RunningServer

S = TypeVar("S", bound=RunningServer)


class Starter:
    """Start servers that all end together, the last one first."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.started: list[RunningServer] = []

    def __call__(self, server: S) -> S:
        """Start `server` and return it when it answers."""
        self.started.append(server)
        self._stack.enter_context(server)
        return server
