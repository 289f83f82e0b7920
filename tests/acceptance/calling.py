"""An asynchronous client of one of the callers, for what is told while something else happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from .conftest import Desk

__all__ = ["caller"]


@asynccontextmanager
async def caller(desk: Desk, key: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of one of the callers."""
    headers = {"Authorization": f"Bearer {desk.keys[key]}"}
    async with httpx.AsyncClient(base_url=desk.http.base_url, headers=headers, timeout=20) as http:
        yield http
