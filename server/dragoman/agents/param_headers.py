"""``x-mcp-header``: which arguments of a tool an MCP client repeats in HTTP headers, so that proxies can route by them.

Read from a JSON Schema of an input; the check of a request against it is the MCP face's. Follows MCP 2026-07-28
"Streamable HTTP", "Custom Headers from Tool Parameters".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from dragoman.memory.model import Json

__all__ = ["ParamHeader", "headers_of", "param_headers"]

_KEY: Final = "x-mcp-header"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_TYPES: Final = ("string", "integer", "boolean")


@dataclass(frozen=True, slots=True)
class ParamHeader:
    """An argument that a header repeats: the header is ``Mcp-Param-`` and ``name``, ``path`` leads to the argument."""

    name: str
    path: tuple[str, ...]
    type: str


def param_headers(schema: Mapping[str, Json]) -> tuple[ParamHeader, ...]:
    """The arguments that headers repeat. Raises ``ValueError`` naming the place that is declared wrongly: headers are
    for properties of type string, integer or boolean that are reached by ``properties`` alone, each with a name of its
    own, whatever its case."""
    found: list[ParamHeader] = []
    for path, part, reached in _places(schema, (), True):
        if _KEY not in part:
            continue
        where = ".".join(path) or "the schema itself"
        name = part[_KEY]
        if not reached or not path:
            raise ValueError(f"{where}: {_KEY} is for properties that are reached by properties alone.")
        if not isinstance(name, str) or _TOKEN.fullmatch(name) is None:
            raise ValueError(f"{where}: {_KEY} must be the name of a header (letters, digits, and -), not {name!r}.")
        if part.get("type") not in _TYPES:
            raise ValueError(f"{where}: {_KEY} is for a string, an integer or a boolean, not {part.get('type')!r}.")
        if any(name.lower() == other.name.lower() for other in found):
            raise ValueError(f"{where}: {_KEY} {name!r} is taken by another property.")
        found.append(ParamHeader(name, path, part["type"]))
    return tuple(found)


def headers_of(fn: Callable[..., object], schema: Mapping[str, Json]) -> tuple[ParamHeader, ...]:
    """``param_headers`` of a function's input. Raises ``ValueError`` that names the function."""
    try:
        return param_headers(schema)
    except ValueError as error:
        raise ValueError(f"{fn.__qualname__}: {error}") from None


_WITHIN: Final = frozenset(
    {
        *("items", "prefixItems", "contains", "not", "if", "then", "else", "allOf", "anyOf", "oneOf"),
        *("additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "contentSchema"),
    }
)
_BY_NAME: Final = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})


def _places(
    schema: Any, path: tuple[str, ...], reached: bool
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any], bool]]:
    """Every schema within a schema, with where it is and whether properties alone lead to it. What ``enum``,
    ``default`` and the like hold are values, not schemas."""
    if _is_list(schema):
        for number, part in enumerate(schema):
            yield from _places(part, (*path, str(number)), reached)
    if not _is_object(schema):
        return
    yield path, schema, reached
    for keyword, value in schema.items():
        if keyword in _WITHIN:
            yield from _places(value, (*path, keyword), False)
        elif keyword in _BY_NAME and _is_object(value):
            plain = keyword == "properties"
            for name, part in value.items():
                yield from _places(part, (*path, name) if plain else (*path, keyword, name), reached and plain)


def _is_object(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
