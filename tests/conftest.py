"""What every test shares: async tests (`@pytest.mark.anyio`) run on asyncio alone, as the server does."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one event loop the server supports, for AnyIO's pytest plugin."""
    return "asyncio"
