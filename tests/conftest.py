"""What every test shares: async tests (`@pytest.mark.anyio`) run on asyncio alone, as the server does."""

import gc
import signal
from collections.abc import Generator

import pytest
from tests import postgres


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one event loop the server supports, for AnyIO's pytest plugin."""
    return "asyncio"


def pytest_configure(config: pytest.Config) -> None:
    """Where the tests' Postgres would be; nothing is started. The workers of pytest-xdist are told by their starter.

    A shell has the programs that it starts in the background ignore SIGINT, and so would the servers that tests start.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        postgres.begin_session()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the Postgres that a test may have started."""
    if not hasattr(config, "workerinput"):
        postgres.end_session()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without a look for garbage, and never look at what was collected again: it all stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a skipped test as failed, and let every report cross from pytest-xdist's workers, which speak UTF-8.

    The one reason to skip: the published schemas are not part of the project, and a clone may stand without them.
    """
    report = yield
    if report.skipped and "schemas" not in str(report.longrepr):
        report.outcome, report.longrepr = "failed", f"A skipped test shows nothing: {report.longrepr}"
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
