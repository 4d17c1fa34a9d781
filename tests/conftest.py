"""Rules of every test: loopback only, nothing skipped with `CI` set; and the shared real servers."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack

import pytest

from servers import Bind, Knot, PowerDns, RunningServer, Starter, is_ci
from servers.network_guard import close_network

_LOG_LINES = 60

close_network()


@pytest.fixture
def start() -> Iterator[Starter]:
    """Start servers for one test: `primary = start(Bind([Primary("a.example", text)]))`."""
    with ExitStack() as stack:
        starter = Starter(stack)
        yield starter
        for server in starter.started:
            server.ask_to_end()  # all at once: some take a second each


@pytest.fixture(scope="session")
def shared_bind() -> Iterator[Bind]:
    """One BIND per worker, without zones: `shared_bind.add(Primary(origin, text))`."""
    with Bind() as server:
        yield server


@pytest.fixture(scope="session")
def shared_knot() -> Iterator[Knot]:
    """One Knot DNS per worker, without zones."""
    with Knot() as server:
        yield server


@pytest.fixture(scope="session")
def shared_powerdns() -> Iterator[PowerDns]:
    """One PowerDNS per worker, without zones."""
    with PowerDns() as server:
        yield server


@pytest.fixture(scope="session")
def new_origin() -> Callable[[], str]:
    """Return a function that gives a zone name no other test of this worker has: for shared servers."""
    numbers = itertools.count(1)
    return lambda: f"zone{next(numbers)}.example."


@pytest.fixture
def origin(new_origin: Callable[[], str]) -> str:
    """A zone name of this test's own."""
    return new_origin()


def pytest_configure(config: pytest.Config) -> None:
    """Leave the long runs out unless `-m` says otherwise."""
    if not config.option.markexpr:
        config.option.markexpr = "not long"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the servers' logs to a failure; with `CI` set make a skip one."""
    report = yield
    if report.skipped and is_ci() and not hasattr(report, "wasxfail"):
        _fail_instead(report)
    if report.failed:
        report.sections.extend((f"log of {server}", _tail(server.log())) for server in _servers_of(item))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """With `CI` set a file that skips itself is a failure."""
    report = yield
    if report.skipped and is_ci():
        _fail_instead(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests recorded as their `summary`, and how the runs of many seeds ended: their `ending`."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    endings = Counter(value for report in reports for name, value in report.user_properties if name == "ending")
    for line in (value for report in reports for name, value in report.user_properties if name == "summary"):
        terminalreporter.write_line(str(line))
    for ending, count in sorted(endings.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{count:4} runs ended: {ending}")


def _fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"skipped, which CI does not allow: {why}"


def _servers_of(item: pytest.Item) -> Iterator[RunningServer]:
    for value in getattr(item, "funcargs", {}).values():
        if isinstance(value, RunningServer):
            yield value
        elif isinstance(value, Starter):
            yield from value.started


def _tail(log: str) -> str:
    return "\n".join(log.splitlines()[-_LOG_LINES:])
