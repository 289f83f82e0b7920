"""Behind a reverse proxy and within another application, with clients as they come: below a path, by another name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.client.card_resolver import A2ACardResolver
from a2a.types import a2a_pb2 as pb
from langgraph_sdk import get_client
from mcp.client import Client
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.loopback import serving

from dragoman.agents import Context, agent
from dragoman.app import build_app
from dragoman.cli.http_protocol import Limits, bounded
from dragoman.settings import Settings

pytestmark = pytest.mark.anyio

INSIDE = b"dragoman.internal:8000"  # a name that the server does not know


@agent
async def greeter(ctx: Context, text: str) -> str:
    """Greets."""
    await ctx.stream_text("Hello ")
    return f"Hello, {text}!"


@dataclass(frozen=True)
class Way:
    """How the proxy hands requests on, and how the server is told of it."""

    strips: bool = False
    says: Callable[[bytes], list[bytes]] = lambda host: [b"Host: " + host]
    trusted: tuple[str, ...] = ()
    public: bool = True
    mounted: str = ""


def _x_forwarded(host: bytes) -> list[bytes]:
    return [b"Host: " + INSIDE, b"X-Forwarded-Host: " + host, b"X-Forwarded-Proto: http"]


def _forwarded(host: bytes) -> list[bytes]:
    return [b"Host: " + INSIDE, b'Forwarded: for=192.0.2.7;host="' + host + b'";proto=http']


WAYS = {
    "takes_the_path": Way(strips=True),
    "leaves_the_path": Way(),
    "takes_path_and_name": Way(strips=True, says=_x_forwarded, trusted=("127.0.0.1",)),
    "takes_the_name": Way(says=_forwarded, trusted=("127.0.0.0/8",)),
    "mounted": Way(public=False, mounted="/agents"),
    "mounted_behind_another_name": Way(says=_forwarded, trusted=("*",), public=False, mounted="/agents"),
}


class Proxy:
    """A reverse proxy: one request a connection, any answer. It serves what is below /agents."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            line, *headers = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
            given = {name.lower(): value.strip() for name, _, value in (header.partition(b":") for header in headers)}
            body = await reader.readexactly(int(given.get(b"content-length", b"0")))
            head = [self._line(line), *self.way.says(given[b"host"]), b"Connection: close"]
            head += [header for header in headers if header.split(b":")[0].lower() not in (b"host", b"connection")]
            answer, asking = await asyncio.open_connection("127.0.0.1", self.port)
            asking.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
            ways = [asyncio.create_task(_copy(answer, writer)), asyncio.create_task(_copy(reader, asking))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            asking.close()
        writer.close()

    def _line(self, line: bytes) -> bytes:
        method, target, version = line.split(b" ")
        assert target.startswith(b"/agents/")
        return b" ".join((method, target.removeprefix(b"/agents") if self.way.strips else target, version))


async def _copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65_536):
            to.write(data)
            await to.drain()


@asynccontextmanager
async def outside(way: Way, folder: Path, **tables: Any) -> AsyncGenerator[str]:
    """A server behind a proxy; the address on the outside."""
    proxy = Proxy(way)
    async with asyncio.timeout(40), await asyncio.start_server(proxy, "127.0.0.1", 0) as proxying:
        url = f"http://127.0.0.1:{proxying.sockets[0].getsockname()[1]}/agents"
        told = {"trusted_proxies": way.trusted, "public_url": url if way.public else ""}
        tables = {"storage": {"path": folder / "ledger.db"}, "server": told, **tables}
        inner = build_app(Settings.model_validate(tables), [greeter])
        app = Starlette(routes=[Mount(way.mounted, inner)], lifespan=inner.router.lifespan_context)
        served = app if way.mounted else inner
        async with serving(served, http=bounded(Limits()), lifespan="on", proxy_headers=False) as server:
            proxy.port = server.port
            yield url


@pytest.fixture(params=list(WAYS))
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[str]:
    async with outside(WAYS[request.param], tmp_path) as address:
        yield address


async def test_mcp_clients_of_both_eras_list_and_call(url: str) -> None:
    for mode in ("legacy", "2026-07-28", "auto"):
        async with Client(f"{url}/mcp", mode=mode) as client:
            assert "greeter" in {tool.name for tool in (await client.list_tools()).tools}
            result = await client.call_tool("greeter", {"text": mode})
            assert f"Hello, {mode}!" in str(result.content)


async def test_an_a2a_client_finds_the_card_and_asks_where_it_says(url: str) -> None:
    async with httpx.AsyncClient(timeout=20) as http:
        for base in (url, f"{url}/a2a/greeter"):
            card = await A2ACardResolver(http, base).get_agent_card()
            assert {face.url for face in card.supported_interfaces} == {f"{url}/a2a/greeter"}
        client = await create_client(card, ClientConfig(streaming=True, httpx_client=http))
        message = pb.Message(message_id="m-1", role=pb.Role.ROLE_USER, parts=[pb.Part(text="Ada")])
        told = [update async for update in client.send_message(pb.SendMessageRequest(message=message))]
        assert "Hello, Ada!" in str(told[-1]) or any("Hello, Ada!" in str(update) for update in told)
        await client.close()


async def test_the_langgraph_sdk_runs_streams_and_comes_back(url: str) -> None:
    client: Any = get_client(url=url, api_key=None)
    thread = (await client.threads.create())["thread_id"]
    values = await client.runs.wait(thread, "greeter", input={"text": "Ada"})
    assert values["output"] == "Hello, Ada!"
    made: list[Any] = []
    stream = client.runs.stream(thread, "greeter", input={"text": "Bo"}, on_run_created=made.append)
    events = [part.event async for part in stream]
    assert events[0] == "metadata"
    joined = client.runs.join_stream(thread, made[0]["run_id"], last_event_id="0")
    assert any("Hello, Bo!" in str(part.data) for part in [part async for part in joined])
    await client.aclose()


async def test_places_are_told_as_the_outside_has_them(url: str) -> None:
    async with httpx.AsyncClient(timeout=20) as client:
        asked = f"{url}/runs/stream"
        answer = await client.post(asked, json={"agent_id": "greeter", "input": {"text": "Ada"}})
        for name in ("location", "content-location"):
            place = urljoin(asked, answer.headers[name])
            assert place.startswith(f"{url}/runs/")
            assert (await client.get(place, headers={"last-event-id": "0"})).status_code == 200


async def test_a_path_that_is_one_of_the_servers_own_is_no_trap(tmp_path: Path) -> None:
    """Agent Protocol has ``/agents/{id}``, and the server is below ``/agents``."""
    for way in (WAYS["takes_the_path"], WAYS["leaves_the_path"]):
        async with outside(way, tmp_path) as url, httpx.AsyncClient() as client:
            assert (await client.get(f"{url}/agents/greeter")).json()["agent_id"] == "greeter"
            assert len((await client.post(f"{url}/agents/search", json={})).json()) == 1
            assert (await client.get(f"{url}/agents/greeter/schemas")).status_code == 200
            assert (await client.get(f"{url}/readyz")).json() == {"ready": True}


async def test_an_application_mounted_at_mcp_has_mcp_there(tmp_path: Path) -> None:
    way = Way(public=False, mounted="/agents/mcp")
    async with outside(way, tmp_path) as url:
        for path in ("/mcp", "/mcp/", "/mcp/mcp"):
            async with Client(f"{url}{path}", mode="legacy") as client:
                assert "Hello, Ada!" in str((await client.call_tool("greeter", {"text": "Ada"})).content)


@pytest.mark.parametrize("way", ["takes_the_path", "leaves_the_path", "mounted"])
async def test_what_is_public_and_what_asks_for_a_key_is_the_same_below_a_path(way: str, tmp_path: Path) -> None:
    async with outside(WAYS[way], tmp_path, auth={"mode": "keys"}) as url, httpx.AsyncClient() as client:
        for path in ("/ok", "/.well-known/agent-card.json", "/a2a/greeter/.well-known/agent-card.json"):
            assert (await client.get(url + path)).status_code == 200
        for path in ("/mcp", "/a2a/greeter"):
            answer = await client.post(url + path, json={})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, -32600)
        for path in ("/runs", "/agents/greeter", "/mcp/ok", "/ok/runs"):
            answer = await client.post(url + path, json={})
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="dragoman"')
