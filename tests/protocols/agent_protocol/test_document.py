"""Every operation of the published document, given what the document allows and what it does not: the answer's status
is one that it knows, and the body fits. A short form of ``tests/interop/test_schemathesis.py``, for every run.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any, Final

import httpx
import jsonschema
import pytest

from dragoman.agent_protocol.narrow import is_list, is_object

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]

SPEC = Path(__file__).parents[4] / "shared" / "specs" / "agent-protocol-0.1.6.openapi.json"
# Endless, a WebSocket, or told as JSON where a stream is meant.
APART: Final = {("post", "/threads/{thread_id}/stream"), ("get", "/threads/{thread_id}/stream")}
ROUNDS: Final = 12
CALLED: Final = "webhook"  # nothing outside is called by a test
ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    0,
    7,
    1.5,
    10**30,
    "",
    "x",
    "\x00",
    "é" * 300,
    [],
    [[]],
    [None],
    {},
    {"a": None},
    {"": {}},
)


class Maker:
    """Makes values of a schema, some of which do not fit."""

    def __init__(self, document: dict[str, Any], seed: int, known: dict[str, str]) -> None:
        self._schemas = document["components"]["schemas"]
        self._chance = random.Random(seed)
        self._known = known

    def make(self, schema: dict[str, Any], name: str = "", depth: int = 0) -> Any:
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rsplit("/", 1)[1]]
        if self._chance.random() < 0.08 or depth > 5:
            return self._chance.choice(ODD)
        if name in self._known and self._chance.random() < 0.7:
            return self._known[name]
        for many in ("anyOf", "oneOf"):
            if many in schema:
                return self.make(self._chance.choice(schema[many]), name, depth + 1)
        if "allOf" in schema:
            parts: list[Any] = [self.make(part, name, depth + 1) for part in schema["allOf"]]
            return {k: v for part in parts if is_object(part) for k, v in part.items()}
        if "enum" in schema:
            return self._chance.choice(schema["enum"])
        return self._plain(schema, depth)

    def _plain(self, schema: dict[str, Any], depth: int) -> Any:
        told: Any = schema.get("type", "object")
        kind: str = self._chance.choice(told) if is_list(told) else told
        if kind == "object":
            fields = schema.get("properties", {})
            needed = schema.get("required", ())
            chosen = [f for f in fields if f != CALLED and (f in needed or self._chance.random() < 0.5)]
            return {f: self.make(fields[f], f, depth + 1) for f in chosen}
        if kind == "array":
            return [self.make(schema.get("items", {}), "", depth + 1) for _ in range(self._chance.randint(0, 2))]
        plain: dict[str, Any] = {
            "string": self._chance.choice(("x", "hello", "a b", "é", "2026-01-01")),
            "integer": self._chance.choice((0, 1, 10, 100)),
            "number": 1.5,
            "boolean": self._chance.random() < 0.5,
        }
        return plain.get(kind)


def _document() -> dict[str, Any]:
    if not SPEC.exists():
        pytest.skip("the published schemas are not beside this repository (../shared/specs): no Agent Protocol 0.1.6")
    found: dict[str, Any] = json.loads(SPEC.read_text())
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_no_answer_is_one_that_the_document_does_not_know(client: httpx.AsyncClient, seed: int) -> None:
    document = _document()
    run = (await client.post("/runs/wait", json={"agent_id": "echo", "input": {"text": "x"}})).json()["run"]
    known = {"run_id": run["run_id"], "thread_id": run["thread_id"], "agent_id": "echo"}
    maker = Maker(document, seed, known)
    seen: set[tuple[str, str, int]] = set()
    for _ in range(ROUNDS):
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if (method, path) in APART:
                    continue
                async with asyncio.timeout(10):
                    answer = await _ask(client, maker, method, path, operation)
                seen.add((method, path, answer.status_code))
                _check(document, operation, method, path, answer)
    assert {200, 204, 404, 422} <= {status for _, _, status in seen}


async def _ask(
    client: httpx.AsyncClient, maker: Maker, method: str, path: str, operation: dict[str, Any]
) -> httpx.Response:
    query: dict[str, Any] = {}
    for one in operation.get("parameters", ()):
        value = maker.make(one.get("schema", {}), one["name"])
        text = value if isinstance(value, str) else json.dumps(value)
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", httpx.QueryParams({"": text or "x"}).__str__()[1:])
        elif one.get("required") or text not in ("null", ""):
            query[one["name"]] = value if isinstance(value, list) else text
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    given = None if body is None else maker.make(body)
    return await client.request(method.upper(), path, params=query, json=given)


def _check(document: dict[str, Any], operation: dict[str, Any], method: str, path: str, answer: httpx.Response) -> None:
    where = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
    told = operation["responses"].get(str(answer.status_code))
    assert told is not None, where
    schema = told.get("content", {}).get("application/json", {}).get("schema")
    if schema is None or answer.headers.get("content-type") != "application/json":
        return
    whole = {**schema, "components": document["components"]}
    validator: Any = jsonschema.Draft202012Validator(whole)
    problems = [error.message for error in validator.iter_errors(answer.json())]
    assert problems == [], where
