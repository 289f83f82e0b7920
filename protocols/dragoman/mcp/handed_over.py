"""A response that is kept by one replica, read by a client that has come back to another.

Who is asked for it writes to who keeps it, which sends what is kept and what comes, piece by piece, by the engine's
relay. Only responses without a run need this: one with a run is made anew from the ledger. Above: ``resume.py``. Below:
``replay.py``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Final

from starlette.types import Message, Send

from dragoman.engine import Engine
from dragoman.mcp.replay import Replay
from dragoman.memory.errors import DragomanError

__all__ = ["offer", "read"]

_ANSWERS_S: Final = 3.0
"""Seconds within which who keeps a response has to answer."""
_BEATS_S: Final = 10.0
_SILENT_S: Final = 30.0


def offer(engine: Engine, tenant: str, replay: Replay) -> Callable[[], None]:
    """Hand a response that is kept here to whoever asks for it; the function that ends that is returned."""

    def asked(told: Any) -> None:
        engine.in_background(_hand_over(engine, tenant, replay, str(told["reader"]), told["after"]))

    return engine.relay.wait(tenant, f"response:{replay.name}", asked)


async def _hand_over(engine: Engine, tenant: str, replay: Replay, reader: str, after: int) -> None:
    pieces = _Pieces(engine, tenant, reader)
    beating = asyncio.create_task(pieces.beat())
    try:
        await pieces.put("")
        await replay.write_to(pieces.send, after, None)
        await pieces.put(None)
    except DragomanError:
        return  # the ledger is busy: who reads comes back
    finally:
        beating.cancel()


class _Pieces:
    """What is handed over, numbered."""

    def __init__(self, engine: Engine, tenant: str, reader: str) -> None:
        self._engine = engine
        self._tenant = tenant
        self._reader = reader
        self._number = 0

    async def send(self, message: Message) -> None:
        """As ASGI's ``send``."""
        await self.put(message.get("body", b"").decode())

    async def put(self, text: str | None) -> None:
        """The next piece; None is the end."""
        number, self._number = self._number, self._number + 1
        await self._engine.relay.leave(self._tenant, f"piece:{self._reader}:{number}", {"text": text})

    async def beat(self) -> None:
        """Say that it is still kept."""
        while True:
            await asyncio.sleep(_BEATS_S)
            await self.put("")


async def read(
    engine: Engine, tenant: str, name: str, after: int
) -> Callable[[Send], Coroutine[Any, Any, None]] | None:
    """What writes the response ``name`` after the event ``after`` to a stream; None where nobody keeps it."""
    if engine.relay.alone:
        return None
    reader = secrets.token_hex(8)
    await engine.relay.leave(tenant, f"response:{name}", {"reader": reader, "after": after})
    if await engine.relay.receive(tenant, f"piece:{reader}:0", _ANSWERS_S) is None:
        return None

    async def write(send: Send) -> None:
        number = 1
        while True:
            piece: Any = await engine.relay.receive(tenant, f"piece:{reader}:{number}", _SILENT_S)
            if piece is None or piece["text"] is None:
                return
            if piece["text"]:
                await send({"type": "http.response.body", "body": piece["text"].encode(), "more_body": True})
            number += 1

    return write
