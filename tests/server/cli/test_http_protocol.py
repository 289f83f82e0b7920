"""The HTTP protocol on a socket: what is too large, too slow or too much is cut off, and an offered upgrade changes
nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from tests.loopback import serving

from dragoman.cli.http_protocol import Limits, bounded
from dragoman.cli.http_server import loop_factory

pytestmark = pytest.mark.anyio

LINE = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
BODY = b'{"agent_id": "echo", "input": {"text": "GET /other HTTP/1.1"}}'
SMALL = Limits(head=4096, patience=30)
HASTY = Limits(patience=0.25)


class App:
    """Answers with the path, the body and the header ``x-said``; under /slow in two pieces, between which it waits for
    ``go``."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = self.left = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        said = b"%b %b%b" % (scope["path"].encode(), body, dict(scope["headers"]).get(b"x-said", b""))
        length = b"%d" % len(said)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        if scope["path"] == "/slow":
            await send({"type": "http.response.body", "body": said[:3], "more_body": True})
            await self._wait(receive)
            said = said[3:]
        await send({"type": "http.response.body", "body": said})

    async def _wait(self, receive: Any) -> None:
        left = asyncio.create_task(receive())
        gone = asyncio.create_task(self.go.wait())
        await asyncio.wait([left, gone], return_when=asyncio.FIRST_COMPLETED)
        self.left += left.done()
        left.cancel()
        gone.cancel()


class Served:
    """A server: its application, its port and its connections."""

    def __init__(self, app: App, port: int, server: uvicorn.Server) -> None:
        self.app = app
        self.port = port
        self._server = server

    @property
    def connections(self) -> int:
        return len(self._server.server_state.connections)

    async def until(self, open_connections: int) -> None:
        """Wait until so many are open."""
        await until(lambda: self.connections == open_connections)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return reader, writer

    async def answers(self, pieces: Iterable[bytes], every: float = 0) -> bytes:
        """All that the server sends on a connection until it closes it; a piece is sent every so many seconds."""
        reader, writer = await self.open()
        sending = asyncio.create_task(_send(writer, pieces, every))
        received = b""
        try:
            while chunk := await reader.read(65_536):
                received += chunk
        except ConnectionError:
            pass  # what it had to say was said
        finally:
            sending.cancel()
            writer.close()
        return received


async def until(happened: Callable[[], bool]) -> None:
    """Wait for what the server does."""
    for _ in range(20_000):
        if happened():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen in time")


async def _send(writer: asyncio.StreamWriter, pieces: Iterable[bytes], every: float) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(every)


@asynccontextmanager
async def served(limits: Limits = SMALL) -> AsyncGenerator[Served]:
    """A server with these limits."""
    app = App()
    async with serving(app, http=bounded(limits)) as server:
        try:
            async with asyncio.timeout(20):
                yield Served(app, server.port, server)
        finally:
            app.go.set()


def cut(whole: bytes, size: int) -> Iterable[bytes]:
    return (whole[n : n + size] for n in range(0, len(whole), size))


def sized(*headers: bytes) -> bytes:
    return LINE + b"Content-Length: %d\r\n" % len(BODY) + b"".join(headers) + b"\r\n" + BODY


def chunked(*headers: bytes, trailers: bytes = b"") -> bytes:
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY)
    return LINE + b"Transfer-Encoding: chunked\r\n" + b"".join(headers) + b"\r\n" + body + b"0\r\n" + trailers + b"\r\n"


CLOSE = b"Connection: close\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: localhost\r\n" + CLOSE + b"\r\n"


# -- an offered upgrade -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("piece", [1, 7, 100_000])
@pytest.mark.parametrize("offer", [H2C, H2C.replace(b"h2c", b"websocket"), b""], ids=["h2c", "websocket", "none"])
@pytest.mark.parametrize("request_of", [sized, chunked])
async def test_an_offered_upgrade_is_let_be_and_the_request_served_with_its_body(
    request_of: Any, offer: bytes, piece: int
) -> None:
    async with served() as server:
        told = await server.answers(cut(request_of(offer) + NEXT, piece))
    assert told.count(b"HTTP/1.1 ") == told.count(b"HTTP/1.1 200") == 2
    assert b"/echo " + BODY in told
    assert told.endswith(b"/next ")


async def test_many_offers_at_once_are_all_let_be() -> None:
    async with served() as server:
        told = await server.answers([sized(H2C) * 600 + NEXT])
    assert told.count(b"HTTP/1.1 200") == 601
    assert told.count(b"/echo " + BODY) == 600


# -- size -------------------------------------------------------------------------------------------------------------
LONG = b"X-Long: " + b"x" * 20_000
MANY = b"".join(b"X-%d: 1\r\n" % n for n in range(2_000))


@pytest.mark.parametrize("piece", [512, 3_000, 100_000])
@pytest.mark.parametrize(
    "whole",
    [
        LINE + LONG + b"\r\n\r\n",
        LINE + MANY + b"\r\n",
        LINE + b"X-Long: " + b"x" * 4_096 + b"\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        LINE + H2C + LONG + b"\r\n\r\n",
    ],
    ids=["one", "many", "just", "path", "upgrade"],
)
async def test_a_head_that_is_too_large_is_refused_however_it_comes(whole: bytes, piece: int) -> None:
    async with served() as server:
        told = await server.answers(cut(whole, piece))
        assert server.app.asked == 0
    assert told.startswith(b"HTTP/1.1 431 ")
    assert told.endswith(b'4,096 bytes here at most."}')


@pytest.mark.parametrize(
    "whole",
    [
        LINE + LONG,
        LINE + MANY,
        b"GET /" + b"x" * 20_000,
        chunked(trailers=MANY),
        LINE + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 20_000,
        LINE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + LONG,
        sized() + b"\r\n" * 10_000,
    ],
    ids=["one", "many", "path", "trailers", "chunk_extension", "one_trailer", "blank_lines"],
)
async def test_what_is_no_body_and_does_not_end_is_cut_off(whole: bytes) -> None:
    async with served() as server:
        told = await server.answers(cut(whole, 512))
    assert told.count(b"HTTP/1.1 431 ") == 1
    assert told.endswith(b'here at most."}')


async def test_a_head_within_its_limit_is_served_in_pieces_and_behind_others() -> None:
    whole = LINE + b"X-Long: " + b"x" * 3_900 + b"\r\nContent-Length: 2\r\n\r\n{}"
    async with served() as server:
        told = await server.answers(cut(whole * 20 + NEXT, 700))
        told += await server.answers([whole * 20 + NEXT])
    assert told.count(b"HTTP/1.1 200 ") == 42


async def test_a_body_in_the_smallest_chunks_is_read_to_its_end() -> None:
    body = b"".join(b"1\r\nx\r\n" for _ in range(20_000))
    whole = LINE + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"\r\n" + body + b"0\r\n\r\n"
    async with served() as server:
        told = await server.answers(cut(whole, 4096))
    assert told.endswith(b"/echo " + b"x" * 20_000)


async def test_a_trailer_is_not_a_header() -> None:
    whole = chunked(CLOSE, trailers=b"X-Said: smuggled\r\n")
    async with served() as server:
        assert (await server.answers(cut(whole, 1))).endswith(b"/echo " + BODY)
        assert (await server.answers([whole])).endswith(b"/echo " + BODY)


# -- what is no HTTP --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "whole",
    [
        b"\x16\x03\x01 hello\r\n\r\n",
        LINE + b"Content-Length: -1\r\n\r\n",
        LINE + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        LINE + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        LINE + b"X-Folded: a\r\n b\r\n\r\n",
        LINE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=["tls", "length", "lengths", "length_and_chunks", "folded", "chunk", "connect", "http_2"],
)
async def test_what_is_no_http_is_told_so(whole: bytes) -> None:
    async with served() as server:
        told = await server.answers([whole])
    assert told.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"bad_request"' in told


async def test_a_refusal_never_stands_within_another_answer() -> None:
    slow = LINE.replace(b"/echo", b"/slow") + b"Content-Length: 0\r\n\r\n"
    async with served() as server:
        told = await server.answers([slow, slow + b"no HTTP\r\n\r\n"], every=0.05)
    assert told.count(b"HTTP/1.1 ") == told.count(b"HTTP/1.1 200 ") == 1


# -- time -------------------------------------------------------------------------------------------------------------
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


# -- connections ------------------------------------------------------------------------------------------------------
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
