"""Paths and places below a path: which path is routed by, and which address is told."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette._utils import get_route_path

from dragoman.auth import Outside
from dragoman.auth.asgi import Receive, Scope, Send, route_path
from dragoman.settings import Settings

pytestmark = pytest.mark.anyio

PUBLIC = "https://agents.example/below"


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Says the path that is routed by, as a place."""
    place = route_path(scope).encode()
    headers = [(b"location", place), (b"content-location", place), (b"x-other", place)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


async def _place(url: str, public: str = PUBLIC, root: str = "") -> str:
    transport = httpx.ASGITransport(Outside(_app, public, ["runs", "agents"]), root_path=root)
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.get(url)
    assert answer.headers["location"] == answer.headers["content-location"]
    assert answer.headers["x-other"].startswith("/")
    return answer.headers["location"]


@pytest.mark.parametrize("host", ["agents.example", "agents.example:443", "AGENTS.example"])
@pytest.mark.parametrize("path", ["/runs/1", "/below/runs/1"])
async def test_a_place_is_told_below_the_public_address_to_who_asked_by_it(host: str, path: str) -> None:
    assert await _place(f"http://{host}{path}") == f"{PUBLIC}/runs/1"


@pytest.mark.parametrize("host", ["localhost:8000", "agents.example:8000", "10.0.0.1"])
@pytest.mark.parametrize("path", ["/runs/1", "/below/runs/1"])
async def test_who_asks_by_another_name_is_told_a_path(host: str, path: str) -> None:
    assert await _place(f"http://{host}{path}") == "/runs/1"


async def test_only_what_is_the_servers_own_lies_behind_the_path() -> None:
    public = "https://agents.example/agents"
    for path in ("/agents/search", "/agents/greeter", "/agents", "/agents/"):
        assert await _place(f"http://agents.example{path}", public) == f"{public}{path}"
    assert await _place("http://agents.example/agents/agents/search", public) == f"{public}/agents/search"
    assert await _place("http://agents.example/agentsx/runs", public) == f"{public}/agentsx/runs"


async def test_a_mounted_application_tells_the_address_that_was_asked() -> None:
    assert await _place("http://any.example/below/runs/1", "", "/below") == "http://any.example/below/runs/1"
    assert await _place("http://agents.example/below/runs/1", PUBLIC, "/below") == f"{PUBLIC}/runs/1"


async def test_without_a_path_nothing_is_changed() -> None:
    assert await _place("http://agents.example/runs/1", "https://agents.example") == "/runs/1"
    assert await _place("http://agents.example/runs/1", "") == "/runs/1"


@given(st.text("/ab", max_size=6), st.text("/ab", max_size=4))
def test_the_gates_see_the_path_that_is_routed_by(path: str, root: str) -> None:
    scope = {"path": f"/{path}", "root_path": root}
    assert route_path(scope) == get_route_path(scope)


@pytest.mark.parametrize("url", ["https://x.example/mcp", "https://x.example/agents/mcp/", "https://x.example/a2a"])
def test_the_address_of_a_face_is_not_the_servers(url: str) -> None:
    with pytest.raises(ValueError, match="leave them out"):
        Settings.model_validate({"server": {"public_url": url}})


@pytest.mark.parametrize(
    "url", ["https://u:p@x.example", "https://x.example:99999", "https://x.example:0", "x.example"]
)
def test_what_is_no_address_is_not_public(url: str) -> None:
    with pytest.raises(ValueError, match="public_url"):
        Settings.model_validate({"server": {"public_url": url}})
