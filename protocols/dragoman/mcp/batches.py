"""JSON-RPC batches, which 2025-03-26 has and no other version: what is served of one, and how its parts are.

Requests are served at the same time, each under the bounds that hold for it alone; ``initialize`` is none of them.
Knows no transport: how a response goes out, ``batch_response.py`` and ``stdio.py`` say. Follows 2025-03-26 "Batching"
and "Initialization".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dragoman.mcp import eras
from dragoman.mcp.errors import INVALID_REQUEST, ProtocolError
from dragoman.mcp.jsonrpc import Batch, Message, Request, error_bytes
from dragoman.mcp.kernel import declared_version

__all__ = ["as_array", "check", "serve"]


def check(batch: Batch, version: str) -> None:
    """Raise ``ProtocolError`` unless ``version`` has batches, and this one is of it as a whole."""
    if not eras.has("batches", version) or any(declared_version(request) is not None for request in batch.requests):
        raise ProtocolError(
            INVALID_REQUEST, "Invalid request: batches are not supported in this version; send one message each."
        )
    if any(request.method == "initialize" for request in batch.requests):
        raise ProtocolError(
            INVALID_REQUEST, "Invalid request: initialize is not part of a batch; nothing of it was done."
        )


async def serve(
    batch: Batch,
    answer: Callable[[Request], Awaitable[bytes | None]],
    take: Callable[[Message], Awaitable[None]],
    send: Callable[[bytes], Awaitable[None]],
) -> None:
    """Serve the parts at the same time, begun in their order, and hand each response to ``send`` when it is there.

    ``answer`` gives a request's response, None where it was taken back; ``take`` is given what is owed none.
    """

    async def one(part: Message | ProtocolError) -> None:
        response: bytes | None = None
        try:
            if isinstance(part, ProtocolError):
                raise part
            if isinstance(part, Request):
                response = await answer(part)
            else:
                await take(part)
        except ProtocolError as error:
            response = error_bytes(error)
        if response is not None:
            await send(response)

    async with asyncio.TaskGroup() as group:
        for part in batch.parts:
            group.create_task(one(part))


def as_array(responses: Sequence[bytes]) -> bytes:
    """The responses as one message."""
    return b"[%b]" % b",".join(responses)
