"""Clients at work beside a test: begun and ended together, and what one of them raises is raised at the end."""

from __future__ import annotations

import asyncio

import httpx

__all__ = ["Clients"]


class Clients:
    """What ends them. Who derives from it makes ``_http`` and ``_tasks`` when entered; the tasks mind ``_stop``."""

    _http: httpx.AsyncClient

    def __init__(self) -> None:
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aexit__(self, *error: object) -> None:
        self._stop.set()
        if error[0] is not None:
            for task in self._tasks:
                task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()
        if error[0] is None:
            for result in results:
                if isinstance(result, BaseException):
                    raise result
