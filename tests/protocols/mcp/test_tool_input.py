"""What tools are given: held against the schema that clients are told, and against nothing that lies elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from pydantic import BaseModel

from dragoman.agents import Catalog, Context, agent, tool
from dragoman.memory.model import Principal

pytestmark = pytest.mark.anyio


class Client(Protocol):
    engine: Any

    async def call(self, name: str, arguments: Any = None, **how: Any) -> dict[str, Any]: ...
    async def modern(self, method: str, params: Any = None, **how: Any) -> dict[str, Any]: ...


class Start(Protocol):
    def __call__(self, *agents: Any, **settings: Any) -> Any: ...


class Line(BaseModel):
    sku: str
    number: int = 1


@tool(expose=True)
async def price(lines: list[Line], discount: float = 0.0, express: bool = False) -> float:
    return sum(line.number for line in lines) * (1 - discount)


@agent(description="Order it")
async def order(ctx: Context, lines: list[Line], discount: float | None = None) -> int:
    return sum(line.number for line in lines)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"lines": [{"sku": "a", "number": "2"}]}, "lines.0.number"),
        ({"lines": [{"sku": "a"}], "discount": "0.5"}, "discount"),
        ({"lines": [{"sku": "a"}], "discount": True}, "discount"),
        ({"lines": [{"number": 1}]}, "lines.0.sku"),
        ({"lines": "a"}, "lines"),
    ],
)
@pytest.mark.parametrize("name", ["price", "order"])
async def test_what_is_not_of_the_type_that_is_told_is_an_error_that_names_the_field(
    in_process: Start, name: str, arguments: dict[str, Any], named: str
) -> None:
    client: Client
    async with in_process(order, catalog=Catalog(price)) as client:
        result = await client.call(name, arguments)
        runs = (await client.engine.list_runs(Principal("acme", "ada"))).items
    assert result["isError"] is True
    assert f"{named}:" in result["content"][0]["text"]
    assert runs == ()


@pytest.mark.parametrize("name", ["price", "order"])
async def test_what_fits_is_taken(in_process: Start, name: str) -> None:
    client: Client
    async with in_process(order, catalog=Catalog(price)) as client:
        result = await client.call(name, {"lines": [{"sku": "a", "number": 2.0}, {"sku": "b"}]})
    assert result["structuredContent"] == {"result": 3}


async def test_what_does_not_fit_is_told_without_the_value(in_process: Start) -> None:
    client: Client
    async with in_process(order) as client:
        result = await client.call("order", {"lines": [{"sku": "a", "number": "4111111111111111"}]})
    assert "4111" not in json.dumps(result)


@tool(
    expose=True,
    input_schema={
        "type": "object",
        "properties": {"pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}},
        "unevaluatedProperties": False,
    },
)
async def undated(given: Mapping[str, Any]) -> str:
    return "done"


@tool(
    expose=True,
    input_schema={
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"pair": {"type": "array", "items": [{"type": "integer"}, {"type": "string"}]}},
    },
)
async def dated(given: Mapping[str, Any]) -> str:
    return "done"


@pytest.mark.requirement("base.schema-default", "base.schema-unsupported-dialect")
@pytest.mark.parametrize("name", ["undated", "dated"])
async def test_a_schema_is_read_as_2020_12_or_by_the_dialect_that_it_names(in_process: Start, name: str) -> None:
    client: Client
    async with in_process(catalog=Catalog(undated, dated)) as client:
        told = [await client.call(name, {"pair": pair}) for pair in ([1, "a"], ["a", 1])]
        more = await client.call(name, {"other": 1})
    assert [result["isError"] for result in told] == [False, True]
    assert "pair.0:" in told[1]["content"][0]["text"]
    assert more["isError"] is (name == "undated")  # what draft-07 has no word for


async def _fn(given: Mapping[str, Any]) -> str:
    return ""


async def _run(ctx: Context, given: Mapping[str, Any]) -> str:
    return ""


@pytest.mark.requirement("base.schema-unsupported-dialect")
def test_a_dialect_that_is_not_supported_is_refused_where_the_tool_is_made() -> None:
    with pytest.raises(ValueError, match=r"_fn: input_schema: .*cannot be checked by the dialect 'https://schemas"):
        tool(expose=True, input_schema={"$schema": "https://schemas.example/mine", "type": "object"})(_fn)


@pytest.mark.requirement("base.schema-no-network-ref")
def test_a_schema_that_lies_elsewhere_is_refused_where_the_tool_is_made_and_not_fetched() -> None:
    elsewhere = {"type": "object", "properties": {"at": {"$ref": "https://schemas.example/at.json"}}}
    with pytest.raises(
        ValueError, match=r"_fn: input_schema: .*the remote reference 'https://schemas\.example/at\.json'"
    ):
        tool(expose=True, input_schema=elsewhere)(_fn)
    with pytest.raises(ValueError, match=r"_run: input_schema: .*the remote reference"):
        agent(input_schema=elsewhere)(_run)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "string"}, "type: \"object\" is needed, not 'string'"),
        ({"properties": {}}, 'type: "object" is needed, not None'),
        ({"type": "object", "properties": {"at": {"type": "numbr"}}}, "properties.at.type: "),
        ({"type": "object", "properties": 5}, "properties: "),
        ({"type": "object", "properties": {"at": {"$ref": "#/$defs/at"}}}, "Pointer '/$defs/at' does not exist"),
    ],
)
def test_what_is_no_schema_of_an_object_is_refused_with_the_key_that_is_wrong(
    schema: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(told)) as caught:
        tool(expose=True, input_schema=schema)(_fn)
    assert "_fn: input_schema: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.requirement("base.schema-no-network-ref")
def test_a_server_with_such_a_tool_does_not_start_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text(
        "from collections.abc import Mapping\nfrom dragoman.agents import tool\n\n"
        '@tool(expose=True, input_schema={"type": "object", "$ref": "https://schemas.example/at.json"})\n'
        "async def elsewhere(given: Mapping[str, str]) -> str:\n    return ''\n"
    )
    command = [sys.executable, "-m", "dragoman.cli", "serve", "desk.py", "--port", "0"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "desk.py, line 4: ValueError: elsewhere: input_schema: " in ended.stderr
    assert "the remote reference 'https://schemas.example/at.json' is refused" in ended.stderr
    assert "Traceback" not in ended.stderr
