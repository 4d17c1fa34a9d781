"""Write down how providers were verified: pytest hooks that turn kept contracts into `verified.json`.

Import the hooks in a `conftest.py` beside the contract tests. They write only with `DNSRUN_WRITE_VERIFIED=1`, and
only of a contract whose every case ran and passed in one process (no xdist).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from dnsrun.clock import now_utc

Word = Literal["real-server", "vendor-sandbox", "fixture", "never"]

_PROPERTY = "dnsrun-contract"
_RANK = ("fixture", "vendor-sandbox", "real-server")


def pytest_runtest_makereport(item: Any, call: Any) -> None:
    """Mark the report of a case with what it was run against; never makes the report itself."""
    cases = _cases(getattr(item, "cls", None))
    if call.when == "call" and cases and "host" in item.funcargs:
        host = item.funcargs["host"]
        item.user_properties.append((_PROPERTY, (item.cls.__name__, cases, host.plugin, host.word, host.what)))


def pytest_sessionfinish(session: Any) -> None:
    """Write the result file when asked to; touches the disk only then."""
    if os.environ.get("DNSRUN_WRITE_VERIFIED") != "1":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("passed", ()) if reporter else ()
    write(Path(str(resources.files("dnsrun_providers"))) / "verified.json", kept(reports))


def kept(reports: Iterable[Any]) -> list[tuple[str, Word, str]]:
    """Return plugin, word and what of each contract all of whose cases are among the passed reports."""
    passed: dict[tuple[str, tuple[str, ...], str, Word, str], set[str]] = {}
    for report in reports:
        for name, contract in report.user_properties:
            if name == _PROPERTY and report.when == "call":
                passed.setdefault(contract, set()).add(report.nodeid.rpartition("::")[2].partition("[")[0])
    return [(plugin, word, what) for (_, cases, plugin, word, what), seen in passed.items() if seen.issuperset(cases)]


def write(path: Path, contracts: Iterable[tuple[str, Word, str]]) -> None:
    """Replace the entries of the plugins named; those of others stay. Touches the disk."""
    entries = json.loads(path.read_text()) if path.exists() else {}
    by_plugin: dict[str, list[tuple[Word, str]]] = {}
    for plugin, word, what in contracts:
        by_plugin.setdefault(plugin, []).append((word, what))
    for plugin, against in by_plugin.items():
        best = max((word for word, _ in against), key=_RANK.index)
        what_for = sorted({what for word, what in against if word == best})
        entries[plugin] = {"word": best, "on": now_utc().date().isoformat(), "what": what_for}
    path.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n")


def _cases(kind: type | None) -> tuple[str, ...]:
    is_contract = kind is not None and hasattr(kind, "exercised_by")
    return tuple(sorted(name for name in dir(kind) if name.startswith("test_"))) if is_contract else ()
