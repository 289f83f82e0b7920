"""What the server tells of itself: ``/info``, the OpenAPI documents of both surfaces, and a page of them for people.

They tell the same to everyone, and nothing of anyone's runs. The page asks for nothing else: no script, no other host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from html import escape
from importlib.metadata import version
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from dragoman.agent_protocol.openapi import RouteRow, document
from dragoman.agent_protocol.surface import Surface
from dragoman.memory.model import Json

__all__ = ["PATHS", "service_routes"]

PATHS: Final = {Surface.AGENT_PROTOCOL: "/openapi.json", Surface.LANGGRAPH: "/openapi-langgraph.json"}
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem}h2{margin-top:2.5rem;font-size:1.2rem}code{font:13px ui-monospace,monospace}
details{border-top:1px solid #d9dee6;padding:.4rem 0}summary{cursor:pointer}b{display:inline-block;width:4.5rem}
table{border-collapse:collapse;margin:.5rem 0}td{padding:.15rem .8rem .15rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{color:#dfe5ee;background:#12161c}details{border-color:#2c3440}a{color:#8ab4ff}}
"""


def service_routes(table: Sequence[RouteRow]) -> list[BaseRoute]:
    """The routes over the table of all others."""

    @cache
    def documents() -> dict[Surface, dict[str, Json]]:
        return {surface: document(surface, table, version("dragoman")) for surface in Surface}

    async def info(_: Request) -> Response:
        return JSONResponse(_info())

    async def docs(_: Request) -> Response:
        return HTMLResponse(_page(documents()), headers=_HEADERS)

    def telling(surface: Surface) -> Callable[[Request], Awaitable[Response]]:
        async def openapi(request: Request) -> Response:
            return JSONResponse({**documents()[surface], "servers": [{"url": str(request.base_url).rstrip("/")}]})

        return openapi

    return [
        Route("/info", info),
        Route("/docs", docs),
        *(Route(path, telling(surface)) for surface, path in PATHS.items()),
    ]


def _info() -> dict[str, Json]:
    """What ``langgraph-sdk`` and agent-chat-ui ask for: that there is a server, and what it can."""
    return {
        "name": "dragoman",
        "version": version("dragoman"),
        "flags": {"assistants": True, "crons": True, "langsmith": False, "langsmith_tracing_replicas": False},
        "agent_protocol": "0.1.6",
        "openapi": dict(PATHS),
    }


def _page(documents: dict[Surface, dict[str, Json]]) -> str:
    parts = [_part(told, PATHS[surface]) for surface, told in documents.items()]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Dragoman</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style><h1>Dragoman {escape(version('dragoman'))}</h1>{''.join(parts)}</html>"
    )


def _part(told: dict[str, Json], path: str) -> str:
    operations = [
        _shown(method, where, operation, told)
        for where, methods in told["paths"].items()
        for method, operation in methods.items()
    ]
    title = escape(told["info"]["title"].partition(": ")[2])
    return f'<h2>{title}</h2><p>OpenAPI 3.1: <a href="{path[1:]}">{path}</a></p>{"".join(operations)}'


def _shown(method: str, path: str, operation: dict[str, Json], told: dict[str, Json]) -> str:
    rows = [(one["name"], one["in"], one["schema"], one["required"]) for one in operation["parameters"]]
    if "requestBody" in operation:
        name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        model = told["components"]["schemas"][name]
        needed = model.get("required", ())
        rows += [(field, "body", schema, field in needed) for field, schema in model.get("properties", {}).items()]
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code>{'*' if required else ''}<td>{place}<td>{escape(_kind(schema))}</tr>"
        for name, place, schema, required in rows
    )
    answer = next(iter(operation["responses"].items()))
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> {escape(operation['summary'])}"
        f"</summary><table>{cells}</table><p>{answer[0]}: {escape(answer[1]['description'])}</p></details>"
    )


def _kind(schema: dict[str, Json]) -> str:
    """A schema in a few words."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    kind = str(schema.get("type", "any"))
    return f"[{_kind(schema['items'])}]" if kind == "array" and schema.get("items") else kind
