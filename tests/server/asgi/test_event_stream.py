"""Server-sent events end with what they tell, with the client, and with the client's patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from dragoman.asgi import EventStream, Outcome

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


async def serve(client: Client, frames: Frames, keepalive: float = 15, patience: float = 15) -> Outcome:
    async with asyncio.timeout(5):
        return await EventStream(frames.all(), keepalive, patience).serve(client.receive, client.send)


async def test_a_stream_ends_with_its_frames() -> None:
    client, frames = Client(), Frames(b"one", b"two")
    assert await serve(client, frames) is Outcome.ENDED
    assert client.got == [b"one", b"two", b""]
    assert frames.closed


async def test_a_stream_ends_when_the_client_leaves() -> None:
    client, frames = Client(), Frames(b"one", then_wait=True)
    serving = asyncio.ensure_future(serve(client, frames))
    await client.changed.wait()
    client.gone.set()
    assert await serving is Outcome.LEFT
    assert client.got == [b"one"]
    assert frames.closed


async def test_a_silence_is_broken_by_a_comment() -> None:
    client, frames = Client(), Frames(then_wait=True)
    serving = asyncio.ensure_future(serve(client, frames, keepalive=0.01))
    while len(client.got) < 3:
        client.changed.clear()
        await client.changed.wait()
    client.gone.set()
    assert await serving is Outcome.LEFT
    assert set(client.got) == {b": keep-alive\n\n"}


async def test_a_client_that_does_not_read_is_given_up() -> None:
    client, frames = Client(reads=1), Frames(b"one", b"two", b"three")
    assert await serve(client, frames, keepalive=0.01, patience=0.03) is Outcome.STUCK
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

    assert await serve(Broken(), frames) is Outcome.LEFT


async def test_what_the_frames_raise_ends_the_stream_and_is_raised() -> None:
    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"one"
        raise ValueError("no more")

    client = Client()
    with pytest.raises(ValueError, match="no more"):
        await EventStream(failing(), 15, 15).serve(client.receive, client.send)
    assert client.got == [b"one"]


async def test_a_request_that_outlives_its_stream_is_not_cancelled_by_the_client_that_left() -> None:
    client, frames = Client(), Frames(b"one", then_wait=True)

    async def request() -> int:
        client.gone.set()
        assert await serve(client, frames) is Outcome.LEFT
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(0)
        return task.cancelling()

    assert await asyncio.ensure_future(request()) == 0


async def test_a_stream_has_its_own_headers_beside_those_of_event_streams() -> None:
    begun: list[Any] = []

    class Noting(Client):
        async def send(self, message: Any) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
            await super().send(message)

    client = Noting()
    stream = EventStream(Frames().all(), 15, 15, headers=[(b"location", b"/here")])
    assert await stream.serve(client.receive, client.send) is Outcome.ENDED
    assert dict(begun[0]["headers"]) == {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-store",
        b"x-accel-buffering": b"no",
        b"location": b"/here",
    }
