"""What a server tells of itself: metrics, its OpenAPI documents, a page of them, and what it can."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from dragoman.agent_protocol.openapi import document
from dragoman.agent_protocol.routes import _TABLE  # pyright: ignore[reportPrivateUsage]
from dragoman.agent_protocol.surface import Surface
from dragoman.agents import Context, agent
from dragoman.app import build_app
from dragoman.settings import Settings
from dragoman.telemetry.exposition import Metric, exposition

pytestmark = pytest.mark.anyio

SPEC = Path(__file__).parents[4] / "shared" / "specs" / "agent-protocol-0.1.6.openapi.json"
LINE = re.compile(r'[a-z_]+(\{type="[a-z._]+"\})? [-+.e\d]+')


@agent(description="Greets.")
async def greeter(ctx: Context, name: str) -> str:
    return f"Hello, {name}!"


@asynccontextmanager
async def served(folder: Path, **tables: Any) -> AsyncGenerator[httpx.AsyncClient]:
    settings = Settings.model_validate({"storage": {"path": folder / "ledger.db"}, **tables})
    app = build_app(settings, [greeter])
    async with (
        asyncio.timeout(20),
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
    ):
        yield client


# -- metrics ----------------------------------------------------------------------------------------------------------
async def test_metrics_count_runs_and_name_nobody(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        for name in ("Ada", "Bo"):
            await client.post("/runs/wait", json={"agent_id": "greeter", "input": {"name": name}})
        answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert all(map(LINE.fullmatch, lines))
    found = dict(line.rsplit(" ", 1) for line in lines)
    assert found['dragoman_events_total{type="run.succeeded"}'] == "2"
    assert (found["dragoman_runs_active"], found["dragoman_runs_queued"]) == ("0", "0")
    assert float(found["process_cpu_seconds_total"]) > 0
    assert "greeter" not in answer.text
    assert "Ada" not in answer.text


async def test_metrics_need_a_key_where_keys_are_asked_for_and_the_documents_do_not(tmp_path: Path) -> None:
    async with served(tmp_path, auth={"mode": "keys"}) as client:
        assert (await client.get("/metrics")).status_code == 401
        for path in ("/info", "/docs", "/openapi.json", "/openapi-langgraph.json"):
            assert (await client.get(path)).status_code == 200


def test_a_label_is_escaped_as_the_format_says() -> None:
    metric = Metric("m", "Help.", "gauge", {(("a", 'x"\\\n'),): 0.5})
    assert exposition([metric]) == '# HELP m Help.\n# TYPE m gauge\nm{a="x\\"\\\\\\n"} 0.5\n'


# -- the documents ----------------------------------------------------------------------------------------------------
async def test_each_surface_has_a_document_of_its_own(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        info = (await client.get("/info")).json()
        assert (info["name"], info["flags"]["assistants"], info["flags"]["crons"]) == ("dragoman", True, True)
        documents = [(await client.get(path)).json() for path in info["openapi"].values()]
    assert ["/agents/search" in told["paths"] for told in documents] == [True, False]
    assert ["/assistants/search" in told["paths"] for told in documents] == [False, True]
    assert all(told["servers"] == [{"url": "http://localhost"}] for told in documents)


@pytest.mark.parametrize("surface", Surface)
def test_every_route_is_in_the_document_of_its_surface_and_nothing_refers_to_nothing(surface: Surface) -> None:
    told = document(surface, _TABLE, "1")
    there = {(method.upper(), path) for path, methods in told["paths"].items() for method in methods}
    assert there == {(method, path) for method, path, of, _ in _TABLE if of in (None, surface)}
    schemas = told["components"]["schemas"]
    for name in re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(told)):
        assert name in schemas
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    ids = [operation["operationId"] for methods in told["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    for path, methods in told["paths"].items():
        for operation in methods.values():
            named = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
            assert named == re.findall(r"\{(\w+)\}", path)


def test_what_the_published_document_asks_for_is_in_ours() -> None:
    if not SPEC.exists():
        pytest.skip("the published schemas are not beside this repository (../shared/specs): no Agent Protocol 0.1.6")
    published, ours = json.loads(SPEC.read_text()), document(Surface.AGENT_PROTOCOL, _TABLE, "1")
    missing: list[str] = []
    for path, methods in published["paths"].items():
        for method, operation in methods.items():
            if method == "get" and path.endswith("/stream") and path.startswith("/threads"):
                continue  # a WebSocket
            mine = ours["paths"].get(path, {}).get(method)
            if mine is None:
                missing.append(f"{method} {path}")
                continue
            wanted = _fields(operation, published)
            missing += [f"{method} {path}: {name}" for name in wanted - _fields(mine, ours)]
    assert missing == []


def _fields(operation: dict[str, Any], document: dict[str, Any]) -> set[str]:
    """The names in an operation's query and body."""
    found = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return found | _properties(body, document)


def _properties(schema: dict[str, Any], document: dict[str, Any]) -> set[str]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    own = set(schema.get("properties", ()))
    return own.union(*(_properties(part, document) for part in schema.get("allOf", ())))


async def test_the_page_shows_every_operation_and_asks_nobody_else(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for method, path, _, _ in _TABLE:
        assert f"<b>{method}</b> <code>{path}</code>" in page.text
    assert not re.search(r'(src|href)="(https?:|//)', page.text)
    assert "<script" not in page.text
