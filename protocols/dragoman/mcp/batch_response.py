"""The HTTP response to a batch: an array, or, where a request of it opened the stream, an event for each response.

Also the channel that the requests of the batch share. Nobody comes back for a stream of this kind. What a batch is,
``batches.py`` says; the status and the stream are ``routes.py``'s and ``sse.py``'s. Follows 2025-03-26 "Sending
Messages to the Server".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dragoman.mcp.batches import as_array
from dragoman.mcp.sse import HttpChannel
from dragoman.memory.model import Json

__all__ = ["BatchResponse"]


class BatchResponse:
    """Takes responses as they come; one request of the batch writes at a time."""

    def __init__(self, channel: HttpChannel) -> None:
        self._channel = channel
        self._writing = asyncio.Lock()
        self._waiting: list[bytes] = []

    @property
    def streams(self) -> bool:
        return self._channel.streams

    async def open(self) -> None:
        async with self._writing:
            await self._channel.open()

    async def send(self, message: Mapping[str, Json]) -> None:
        async with self._writing:
            await self._channel.send(message)

    async def add(self, response: bytes) -> None:
        """A response is there."""
        async with self._writing:
            self._waiting.append(response)
            if self._channel.opened:
                await self._flush()

    async def finish(self) -> bytes | None:
        """All are there: the array to answer with, empty where nothing is owed; None where the stream had them."""
        if not self._channel.opened:
            return as_array(self._waiting) if self._waiting else b""
        await self._flush()
        await self._channel.close(None)
        return None

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for response in waiting:
            await self._channel.send_response(response)
