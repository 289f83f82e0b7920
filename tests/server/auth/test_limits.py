"""The body limit: by what is told and by what comes, with an answer that the client gets to read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from dragoman.auth import BodyLimit
from dragoman.auth.asgi import Receive, Scope, Send

pytestmark = pytest.mark.anyio

LIMIT = 1000


class Reader:
    """An app that answers with the size of the body, and remembers whether it was asked."""

    def __init__(self, swallows: bool = False) -> None:
        self.asked = False
        self.swallows = swallows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked = True
        size, more = 0, True
        try:
            while more:
                message = await receive()
                size += len(message.get("body", b""))
                more = message.get("more_body", False)
        except Exception:
            if not self.swallows:
                raise
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(size).encode()})


def _client(app: Reader) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(BodyLimit(app, LIMIT))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield b"x" * 100


@pytest.mark.parametrize("size", [0, 1, LIMIT])
async def test_a_body_within_the_limit_arrives_whole(size: int) -> None:
    async with _client(Reader()) as client:
        assert (await client.post("/runs", content=b"x" * size)).text == str(size)


async def test_a_body_whose_length_is_told_to_be_too_large_never_reaches_the_app() -> None:
    app = Reader()
    async with _client(app) as client:
        answer = await client.post("/runs", content=b"x" * (LIMIT + 1))
    assert answer.status_code == 413
    assert "1,000 bytes" in answer.json()["message"]
    assert "body_limit" in answer.json()["message"]
    assert not app.asked


@pytest.mark.parametrize("value", ["-1", "1e9", "x", "99999999999999999999"])
async def test_a_length_that_is_no_number_or_out_of_bounds_is_refused(value: str) -> None:
    async with _client(Reader()) as client:
        answer = await client.post("/runs", content=b"x", headers={"content-length": value})
    assert answer.status_code == 413


@pytest.mark.parametrize("swallows", [False, True])
async def test_a_chunked_body_is_counted_and_answered_once(swallows: bool) -> None:
    async with _client(Reader(swallows)) as client:
        assert (await client.post("/runs", content=_chunks(LIMIT))).text == str(LIMIT)
        answer = await client.post("/runs", content=_chunks(LIMIT + 100))
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/mcp", "/a2a/refunds"])
async def test_a_json_rpc_path_refuses_in_json_rpc(path: str) -> None:
    async with _client(Reader()) as client:
        answer = await client.post(path, content=b"x" * (LIMIT + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, -32600)


async def test_a_get_may_have_a_chunked_body_too_and_it_is_counted() -> None:
    async with _client(Reader()) as client:
        assert (await client.get("/runs")).text == "0"
        answer = await client.request("GET", "/runs", content=_chunks(LIMIT + 100))
    assert answer.status_code == 413
