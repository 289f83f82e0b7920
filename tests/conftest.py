"""What every test shares: async tests (`@pytest.mark.anyio`) run on asyncio alone, as the server does."""

from collections.abc import Generator

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one event loop the server supports, for AnyIO's pytest plugin."""
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a skipped test as failed, and let every report cross from pytest-xdist's workers, which speak UTF-8."""
    report = yield
    if report.skipped:
        report.outcome, report.longrepr = "failed", f"A skipped test shows nothing: {report.longrepr}"
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
