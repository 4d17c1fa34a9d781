"""A real browser without a window: Chromium, told what to do through the DevTools protocol on two pipes.

It has no way out: every name and address leads to a proxy that is not there, and every request is noted.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from servers.needs import need_program

Scheme = Literal["light", "dark"]
Pixel = tuple[int, int, int]

_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>", "--remote-debugging-pipe",
)  # fmt: skip
# Chromium reads commands from descriptor 3 and writes answers to 4, each ended by a zero octet.
_RUN = 'exec 3<&"$0" 4>&"$1"; shift; exec "$@"'
_PNG_START = 8
_WITHIN_S = 20.0


class Browser:
    """One page of a running Chromium."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._number = 0
        self._left = b""
        self._session = ""
        self.requested: list[str] = []
        target = self._do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self._do(f"{domain}.enable")

    def open(self, page: Path, *, width: int, scheme: Scheme = "light") -> None:
        """Show a file at a width in CSS pixels, a phone's below 600; returns when it is loaded."""
        self.requested.clear()
        phone = width < 600
        scale = 2 if phone else 1
        metrics = {"width": width, "height": 844, "deviceScaleFactor": scale, "mobile": phone}
        self._do("Emulation.setDeviceMetricsOverride", **metrics)
        self._do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._do("Page.navigate", url=page.absolute().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            continue

    def seen(self, expression: str) -> Any:
        """Return what an expression comes to in the page: JSON data."""
        found = self._do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def pixel(self, x: int, y: int) -> Pixel:
        """Return the colour in which one CSS pixel of the page is drawn: red, green and blue, 0 to 255."""
        clip = {"x": x, "y": y, "width": 1, "height": 1, "scale": 1}
        shot = self._do("Page.captureScreenshot", format="png", clip=clip)
        return _first_pixel(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End the browser."""
        self._session = ""
        self._do("Browser.close")

    def _do(self, method: str, **details: Any) -> dict[str, Any]:
        self._number += 1
        command = {"id": self._number, "method": method, "params": details}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            continue
        assert "error" not in answer, (method, answer)
        return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        """Return the next thing that the browser says; notes requests."""
        while b"\0" not in self._left:
            octets = os.read(self._answers, 65_536)
            assert octets, "the browser has ended"
            self._left += octets
        said, _, self._left = self._left.partition(b"\0")
        message = dict(json.loads(said))
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(message["params"]["request"]["url"])
        return message


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium with an empty profile; skip the test when it is missing (with `CI` set: fail)."""
    program = need_program("chromium", server="Chromium", package="chromium")
    commands, tell = os.pipe()
    hear, answers = os.pipe()
    with tempfile.TemporaryDirectory(prefix="dnsrun-browser-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            ["bash", "-c", _RUN, str(commands), str(answers), program, *_OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TZ": "UTC", "HOME": profile},
        )
        os.close(commands)
        os.close(answers)
        try:
            shown = Browser(tell, hear)
            yield shown
            shown.close()
            process.wait(_WITHIN_S)
        finally:
            process.kill()
            process.wait()
            os.close(tell)
            os.close(hear)


def _first_pixel(png: bytes) -> Pixel:
    """Return the first pixel of a picture with 8 bits a channel; its filter changes nothing in the first line."""
    data, place = b"", _PNG_START
    while place < len(png):
        length = int.from_bytes(png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += length + 12
    red, green, blue = zlib.decompress(data)[1:4]
    return red, green, blue
