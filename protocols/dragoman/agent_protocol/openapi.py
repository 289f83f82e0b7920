"""The OpenAPI 3.1 documents of both surfaces, from the routes, the models and the docstrings. Pure.

Requests are told in full, for the models that tell of them are those that read them. Answers are told by name: what
each looks like is in the published documents, which the tests hold them against.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from dragoman.agent_protocol.documented import OPERATIONS, Operation
from dragoman.agent_protocol.surface import Surface
from dragoman.memory.model import Json

__all__ = ["RouteRow", "document"]

RouteRow = tuple[str, str, Surface | None, Callable[..., Any]]

_TITLE: Final = {
    Surface.AGENT_PROTOCOL: "Agent Protocol",
    Surface.LANGGRAPH: "The API of the LangGraph SDK",
}
_ERRORS: Final[Mapping[int, str]] = {
    404: "There is no such thing for this caller.",
    409: "It exists already, or is not in the state that this needs.",
    422: "The body is not JSON, or a field does not fit; the answer names it.",
    429: "The queue is full; Retry-After says when to come back.",
    503: "The server cannot take this now.",
}
_ERROR: Final[Mapping[Surface, Json]] = {
    Surface.AGENT_PROTOCOL: {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "metadata": {"type": "object"}},
    },
    Surface.LANGGRAPH: {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}},
}
_PLAIN: Final = Operation()
_REF: Final = "#/components/schemas/{model}"


def document(surface: Surface, routes: Iterable[RouteRow], version: str, url: str = "/") -> dict[str, Json]:
    """The document of one surface."""
    rows = [(method, path, handler) for method, path, of, handler in routes if of in (None, surface)]
    models = {
        model
        for _, _, handler in rows
        for table in (OPERATIONS.get(handler, _PLAIN).body, OPERATIONS.get(handler, _PLAIN).query)
        if table is not None and (model := table.get(surface)) is not None
    }
    named, schemas = models_json_schema(
        [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)], ref_template=_REF
    )
    refs = {model: schema for (model, _), schema in named.items()}
    paths: dict[str, Json] = {}
    for method, path, handler in rows:
        paths.setdefault(path, {})[method.lower()] = _operation(surface, method, path, handler, refs, schemas)
    components: dict[str, Json] = {**schemas.get("$defs", {}), "Error": _ERROR[surface]}
    for name in sorted(set(_answers(rows))):
        components.setdefault(name, {"title": name})
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Dragoman: {_TITLE[surface]}", "version": version},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(
    surface: Surface,
    method: str,
    path: str,
    handler: Callable[..., Any],
    refs: Mapping[Any, Json],
    schemas: Mapping[str, Json],
) -> dict[str, Json]:
    told = OPERATIONS.get(handler, _PLAIN)
    shown: dict[str, Json] = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_"),
        "tags": [path.split("/")[1]],
        "summary": _summary(handler),
        "parameters": [*_in_path(path), *_in_query(told, surface, refs, schemas)],
        "responses": _responses(told, surface),
    }
    if told.body is not None and surface in told.body:
        body: Json = refs[told.body[surface]]
        shown["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return shown


def _summary(handler: Callable[..., Any]) -> str:
    """What the docstring says after the paths that it is of; else the function's name in words."""
    plain = handler.func if isinstance(handler, partial) else handler
    first = " ".join((inspect.getdoc(plain) or "").split())
    said = re.split(r"[:;] ", first, maxsplit=1)
    return said[1] if len(said) == 2 else plain.__name__.replace("_", " ")


def _in_path(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _in_query(told: Operation, surface: Surface, refs: Mapping[Any, Json], schemas: Mapping[str, Json]) -> list[Json]:
    found: list[Json] = []
    for name in told.parameters:
        one = {"type": "string"}
        schema: Json = {"type": "array", "items": one} if name == "namespace" else one
        found.append({"name": name, "in": "query", "required": name == "key", "schema": schema})
    if told.query is not None and surface in told.query:
        model = schemas["$defs"][refs[told.query[surface]]["$ref"].rsplit("/", 1)[1]]
        for name, schema in model.get("properties", {}).items():
            found.append({"name": name, "in": "query", "required": False, "schema": schema})
    return found


def _responses(told: Operation, surface: Surface) -> dict[str, Json]:
    status = (told.status or {}).get(surface, 200)
    answered: dict[str, Json] = {"description": "Done."}
    if status != 204:
        kind, schema = _content(told.answer)
        answered = {"description": told.answer or "Done.", "content": {kind: {"schema": schema}}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    failed = {str(code): {"description": what, "content": error} for code, what in _ERRORS.items()}
    return {str(status): answered, **failed}


def _content(answer: str | None) -> tuple[str, Json]:
    if answer is None:
        return "application/json", {"type": "object"}
    if "/" in answer:
        return answer, {"type": "string"}
    if answer == "integer":
        return "application/json", {"type": "integer"}
    ref: Json = {"$ref": f"#/components/schemas/{answer.strip('[]')}"}
    return "application/json", {"type": "array", "items": ref} if answer.startswith("[") else ref


def _answers(rows: Iterable[tuple[str, str, Callable[..., Any]]]) -> Iterable[str]:
    for _, _, handler in rows:
        answer = OPERATIONS.get(handler, _PLAIN).answer
        if answer is not None and "/" not in answer and answer != "integer":
            yield answer.strip("[]")
