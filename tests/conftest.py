"""What every test shares: async tests (`@pytest.mark.anyio`) run on asyncio alone, as the server does."""

from collections.abc import Generator

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one event loop the server supports, for AnyIO's pytest plugin."""
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what is not Unicode in captured output: a report crosses from pytest-xdist's workers as UTF-8."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
