"""How long a request may take to arrive, how many connections there may be, and how they end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dragoman.cli.http_protocol import Limits
from dragoman.cli.http_server import loop_factory

from .talking import BODY, CLOSE, H2C, HASTY, LINE, LONG, NEXT, cut, served, sized, until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"POST /ec",
        LINE,
        LINE + b"Content-Length: 100\r\n\r\n{",
        NEXT.replace(CLOSE, b"") + LINE,
    ],
    ids=["nothing", "a_line", "a_head", "a_body", "a_second_request"],
)
async def test_a_request_that_does_not_arrive_in_time_is_given_up(part: bytes) -> None:
    async with served(HASTY) as server:
        told = await server.answers([part])
        assert server.app.left == (1 if part.endswith(b"{") else 0)
    assert told.count(b"HTTP/1.1 408 ") == 1
    assert told.endswith(b'seconds to arrive here."}')


@pytest.mark.parametrize(
    "whole",
    [
        LINE + b"X-Slow: " + b"x" * 1000,
        LINE + b"Content-Length: 1000\r\n\r\n" + b"x" * 999,
        LINE + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200,
        b"\r\n" * 1000,
    ],
    ids=["head", "body", "chunks", "blank_lines"],
)
async def test_a_byte_now_and_then_buys_no_time(whole: bytes) -> None:
    async with served(HASTY) as server:
        told = await server.answers(cut(whole, 1), every=0.02)
    assert told.startswith(b"HTTP/1.1 408 ")


async def test_blank_lines_do_not_keep_a_connection_that_was_used() -> None:
    async with served(HASTY) as server:
        told = await server.answers([NEXT.replace(CLOSE, b""), *[b"\r\n"] * 500], every=0.02)
    assert told.count(b"HTTP/1.1 200 ") == told.count(b"HTTP/1.1 408 ") == 1


async def test_an_answer_may_take_longer_than_a_request_and_the_next_request_is_not_late() -> None:
    first = sized().replace(b"/echo", b"/slow", 1)
    limits = Limits(patience=1.0)  # also on a machine that stops for a moment
    async with served(limits) as server:
        reader, writer = await server.open()
        writer.write(first + LINE[:10])
        assert await reader.readuntil(b"/sl")
        asyncio.get_running_loop().call_later(1.5 * limits.patience, server.app.go.set)
        assert await reader.readuntil(BODY)
        writer.write(LINE[10:] + CLOSE + b"\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_a_connection_beyond_the_limit_is_told_so_and_one_that_is_open_is_served() -> None:
    async with served(Limits(connections=2)) as server:
        kept = [await server.open() for _ in range(2)]
        await server.until(2)
        assert (await server.answers([NEXT])).startswith(b"HTTP/1.1 503 ")
        await server.until(2)
        kept[0][1].write(NEXT)
        assert (await kept[0][0].read()).startswith(b"HTTP/1.1 200 ")
        await server.until(1)
        assert (await server.answers([NEXT])).startswith(b"HTTP/1.1 200 ")
        for _, writer in kept:
            writer.close()


async def test_a_connection_serves_many_requests() -> None:
    async with served() as server:
        reader, writer = await server.open()
        for _ in range(3):
            writer.write(sized())
            assert (await reader.readuntil(BODY)).startswith(b"HTTP/1.1 200 ")
        assert (server.connections, server.app.asked) == (1, 3)
        writer.close()
        await server.until(0)


@pytest.mark.parametrize("piece", [1, 100_000])
async def test_requests_sent_without_waiting_are_answered_in_their_order(piece: int) -> None:
    whole = b"".join(sized().replace(b"/echo", b"/%d" % n) for n in range(10)) + NEXT
    async with served() as server:
        told = await server.answers(cut(whole, piece))
    paths = [b"/%d " % n for n in range(10)] + [b"/next "]
    assert [told.index(path) for path in paths] == sorted(told.index(path) for path in paths)
    assert told.count(b"HTTP/1.1 200 ") == 11


@pytest.mark.parametrize("sent", [sized().replace(b"/echo", b"/slow", 1), LINE], ids=["a_request", "a_part"])
async def test_a_client_that_sends_no_more_has_left(sent: bytes) -> None:
    async with served() as server:
        reader, writer = await server.open()
        writer.write(sent)
        if sent != LINE:
            await reader.readuntil(b"/sl")
        writer.write_eof()
        assert await reader.read() == b""
        await server.until(0)
        await until(lambda: server.app.left == server.app.asked)
        writer.close()


def test_the_loop_that_is_served_on_keeps_the_same_bounds() -> None:
    async def told() -> list[bytes]:
        async with served(Limits(head=4096, patience=0.25, connections=1)) as server:
            found: list[bytes] = []
            for whole in (LINE + LONG, LINE, sized(H2C) + NEXT):
                found.append(await server.answers(cut(whole, 512)))
                await server.until(0)
            _, writer = await server.open()
            await server.until(1)
            found.append(await server.answers([NEXT]))
            writer.close()
            return found

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        statuses = [answer.split()[1] for answer in runner.run(told())]
    assert statuses == [b"431", b"408", b"200", b"503"]


def test_the_settings_bound_what_is_served(serve: Callable[..., Any]) -> None:
    limits = {"HEAD_LIMIT": "2048", "REQUEST_TIMEOUT": "0.3", "CONNECTION_LIMIT": "3"}
    served = serve(**{f"DRAGOMAN_SERVER__{name}": value for name, value in limits.items()})
    url = httpx.URL(served.url)

    def told(sent: bytes) -> bytes:
        with socket.create_connection((url.host, url.port or 80), timeout=20) as connection:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    assert told(LINE + b"X-Long: " + b"x" * 2048 + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
    assert told(LINE).startswith(b"HTTP/1.1 408 ")
    with served.client() as client:  # Java's offer, with a run
        body = {"agent_id": "greeter", "input": {"name": "Ada"}}
        offer = {"connection": "upgrade, http2-settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAAQAAP__"}
        assert client.post("/runs/wait", json=body, headers=offer).json()["values"]["output"] == "Hello, Ada!"
        open_too = [socket.create_connection((url.host, url.port or 80), timeout=20) for _ in range(3)]
        assert sorted(connection.recv(12)[9:] for connection in open_too) == [b"408", b"408", b"503"]
    for connection in open_too:
        connection.close()
    assert served.errors() == ""
