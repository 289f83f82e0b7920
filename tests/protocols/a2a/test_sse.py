"""Server-sent events end with what they tell, with the client, and with the client's patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from dragoman.a2a import sse

pytestmark = pytest.mark.anyio


class Client:
    """The other end of one response."""

    def __init__(self, reads: int = 1000) -> None:
        self.got: list[bytes] = []
        self.gone = asyncio.Event()
        self.changed = asyncio.Event()
        self._reads = reads

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            if len(self.got) >= self._reads:
                await asyncio.get_running_loop().create_future()
            self.got.append(message["body"])
            self.changed.set()


class Frames:
    """Frames that say when they were given up."""

    def __init__(self, *frames: bytes, then_wait: bool = False) -> None:
        self._frames = frames
        self._then_wait = then_wait
        self.closed = False

    async def all(self) -> AsyncGenerator[bytes, None]:
        try:
            for frame in self._frames:
                yield frame
            if self._then_wait:
                await asyncio.get_running_loop().create_future()
        finally:
            self.closed = True


async def serve(client: Client, frames: Frames, keepalive: float = 15, patience: float = 15) -> None:
    async with asyncio.timeout(5):
        await sse.serve(client.receive, client.send, frames.all(), keepalive, patience)


@pytest.mark.parametrize(("data", "id", "text"), [(b"{}", "", b"data: {}\n\n"), (b"{}", "7", b"id: 7\ndata: {}\n\n")])
def test_a_frame_is_one_event(data: bytes, id: str, text: bytes) -> None:
    assert sse.frame(data, id) == text


async def test_a_stream_ends_with_its_frames() -> None:
    client, frames = Client(), Frames(b"one", b"two")
    await serve(client, frames)
    assert client.got == [b"one", b"two", b""]
    assert frames.closed


async def test_a_stream_ends_when_the_client_leaves() -> None:
    client, frames = Client(), Frames(b"one", then_wait=True)
    serving = asyncio.ensure_future(serve(client, frames))
    await client.changed.wait()
    client.gone.set()
    await serving
    assert client.got == [b"one"]
    assert frames.closed


async def test_a_client_that_does_not_read_is_given_up() -> None:
    client, frames = Client(reads=1), Frames(b"one", b"two", b"three")
    await serve(client, frames, keepalive=0.01, patience=0.03)
    assert client.got == [b"one"]
    assert frames.closed


async def test_a_server_that_stops_ends_its_streams() -> None:
    client, frames = Client(), Frames(b"one", then_wait=True)
    serving = asyncio.ensure_future(serve(client, frames))
    await client.changed.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert frames.closed


async def test_a_connection_that_breaks_is_a_client_that_has_left() -> None:
    frames = Frames(b"one", b"two")

    class Broken(Client):
        async def send(self, message: Any) -> None:
            raise OSError("connection reset")

    await serve(Broken(), frames)
