"""The HTTP protocol on a socket: what is too large, too slow or too much is cut off, and an offered upgrade changes
nothing."""

from __future__ import annotations

from typing import Any

import pytest

from .talking import BODY, CLOSE, H2C, LINE, LONG, NEXT, chunked, cut, served, sized

pytestmark = pytest.mark.anyio


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
