"""The connection goes where it was judged to go, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from dragoman.auth.dialling import pinned_client
from dragoman.auth.egress import Egress, EgressRefused

pytestmark = pytest.mark.anyio


@dataclass
class Peer:
    """A server on loopback that notes the heads of requests and gives one answer."""

    answer: bytes
    port: int = 0
    heads: list[str] = field(default_factory=list[str])
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def peer(answer: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") -> AsyncGenerator[Peer]:
    there = Peer(answer)
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    try:
        yield there
    finally:
        server.close()


class Names:
    """A resolver whose answers change from one look-up to the next; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def test_the_name_is_kept_while_the_judged_address_is_dialled() -> None:
    names = Names(["127.0.0.1"])
    async with peer() as there, pinned_client(Egress(["hooks.example"], resolver=names)) as client:
        answer = await client.get(f"http://hooks.example:{there.port}/a?b=c")
        assert (answer.status_code, answer.text) == (200, "ok")
        assert there.heads[0].startswith("GET /a?b=c HTTP/1.1\r\n")
        assert f"host: hooks.example:{there.port}" in there.heads[0].lower()


async def test_a_kept_connection_is_used_without_another_look_up() -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with peer() as there, pinned_client(Egress(["127.0.0.0/8"], resolver=names)) as client:
        for _ in range(3):
            await client.get(f"http://hooks.example:{there.port}/")
        assert (names.asked, there.connections) == (1, 1)


async def test_a_name_that_was_well_at_registration_and_leads_inside_now_is_not_dialled() -> None:
    names = Names(["93.184.216.34"], ["127.0.0.1"])
    async with peer() as there:
        egress = Egress(ports=(), resolver=names)
        await egress.vet(f"https://rebinding.example:{there.port}/")
        async with pinned_client(egress) as client:
            with pytest.raises(EgressRefused):
                await client.get(f"https://rebinding.example:{there.port}/")
        assert there.connections == 0


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    moved = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"
    async with peer(moved) as there, pinned_client(Egress(["127.0.0.1"])) as client:
        answer = await client.get(f"http://127.0.0.1:{there.port}/")
        assert (answer.status_code, len(there.heads)) == (307, 1)


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer() as proxy, peer() as there:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with pinned_client(Egress(["127.0.0.1"])) as client:
            await client.get(f"http://127.0.0.1:{there.port}/")
        assert (proxy.connections, there.connections) == (0, 1)


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    names = Names(["127.0.0.2", "127.0.0.1"])
    async with peer() as there, pinned_client(Egress(["127.0.0.0/8"], resolver=names)) as client:
        assert (await client.get(f"http://hooks.example:{there.port}/")).status_code == 200


async def test_a_name_is_looked_up_again_when_its_address_does_not_answer_any_more() -> None:
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    async with peer() as there, pinned_client(Egress(["127.0.0.0/8"], resolver=names)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://hooks.example:{there.port}/")
        assert (await client.get(f"http://hooks.example:{there.port}/")).status_code == 200


async def test_two_names_at_one_address_never_share_a_connection() -> None:
    names = Names(["127.0.0.1"])
    async with peer() as there, pinned_client(Egress(["127.0.0.1"], resolver=names)) as client:
        await client.get(f"http://one.example:{there.port}/")
        await client.get(f"http://two.example:{there.port}/")
        assert (names.asked, there.connections) == (2, 2)
