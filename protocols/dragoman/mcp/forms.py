"""Questions of a run as elicitation forms, and what people answered as answers to them. Pure.

A form is flat: properties of primitive types. A question whose schema is such an object is asked as it is; one that
asks for a single value gets a form with the one field ``answer``; any other asks for JSON in that field. So every
question can be asked, whatever its schema. Follows the elicitation pages of 2025-06-18, 2025-11-25 and 2026-07-28
("Requested Schema").
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeGuard

from dragoman.mcp import eras
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError
from dragoman.mcp.objects import is_array, is_object
from dragoman.memory.codec import dumps, loads
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Interrupt, InterruptKind, Json

__all__ = ["Outcome", "answer_of", "askable", "elicit_params"]

_FIELD: Final = "answer"
_FORMATS: Final = frozenset({"email", "uri", "date", "date-time"})
_COMMON: Final = ("title", "description")
_KEEP: Final[Mapping[str, tuple[str, ...]]] = {
    "string": (*_COMMON, "minLength", "maxLength"),
    "number": (*_COMMON, "minimum", "maximum"),
    "integer": (*_COMMON, "minimum", "maximum"),
    "boolean": _COMMON,
}
_DEFAULTS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
}
"""Type of a field → what a default of it is."""


class Outcome(Enum):
    """What a person did with a question instead of answering it."""

    DECLINED = "decline"
    DISMISSED = "cancel"


def askable(interrupt: Interrupt) -> bool:
    """Whether a form may ask it: what asks for authorization may hold secrets, which a form must not."""
    return interrupt.kind is not InterruptKind.AUTH


def elicit_params(interrupt: Interrupt, version: str, problem: str = "") -> dict[str, Json]:
    """The parameters of ``elicitation/create`` for a question; ``problem`` tells why it is asked again."""
    message = interrupt.message if not problem else f"{interrupt.message}\n\n{problem}"
    form = _form(interrupt.schema, version)
    if form is None:
        wanted = dumps(dict(interrupt.schema)).decode()
        field = {"type": "string", "title": "JSON", "description": f"JSON that fits this schema: {wanted}"}
        form = {"type": "object", "properties": {_FIELD: field}, "required": [_FIELD]}
    params: dict[str, Json] = {"message": message, "requestedSchema": form}
    if eras.has("elicitation_mode", version):
        params["mode"] = "form"
    return params


def answer_of(interrupt: Interrupt, response: Json, version: str) -> Json | Outcome:
    """The answer in an ``ElicitResult``, or what was done instead.

    An approval that is declined is answered: not approved. Raises ``ProtocolError`` for what is no ElicitResult and
    ``InputInvalid`` for a field that is not the JSON it should be.
    """
    if not is_object(response) or response.get("action") not in ("accept", "decline", "cancel"):
        raise ProtocolError(
            INVALID_PARAMS, f"The response to {interrupt.key!r} needs an action: accept, decline or cancel."
        )
    if response["action"] == "decline" and interrupt.kind is InterruptKind.APPROVAL:
        return {"approved": False}
    if response["action"] != "accept":
        return Outcome(response["action"])
    content = response.get("content")
    if not is_object(content):
        raise ProtocolError(INVALID_PARAMS, f"The response to {interrupt.key!r} was accepted and has no content.")
    if _flat_object(interrupt.schema, version) is not None:
        return content
    if _FIELD not in content:
        raise InputInvalid(f"{_FIELD}: it is required.", ({"field": _FIELD, "problem": "it is required"},))
    if _primitive(interrupt.schema, interrupt.schema, version) is not None:
        return content[_FIELD]
    try:
        return loads(str(content[_FIELD]))
    except ValueError as error:
        raise InputInvalid(f"{_FIELD}: {error}.", ({"field": _FIELD, "problem": str(error)},)) from None


def _form(schema: Mapping[str, Any], version: str) -> dict[str, Json] | None:
    flat = _flat_object(schema, version)
    if flat is not None:
        return flat
    single = _primitive(schema, schema, version)
    if single is None:
        return None
    return {"type": "object", "properties": {_FIELD: single}, "required": [_FIELD]}


def _flat_object(schema: Mapping[str, Any], version: str) -> dict[str, Json] | None:
    """The schema as a form, if it is an object of primitives."""
    root = _resolve(schema, schema)
    properties = root.get("properties")
    if root.get("type") != "object" or not is_object(properties) or not properties:
        return None
    fields: dict[str, Json] = {}
    for name, part in properties.items():
        field = _primitive(part, schema, version) if is_object(part) else None
        if field is None:
            return None
        fields[name] = field
    return {"type": "object", "properties": fields, "required": list(root.get("required") or ())}


def _primitive(part: Mapping[str, Any], root: Mapping[str, Any], version: str) -> dict[str, Json] | None:
    """A schema with just the keywords that forms of a version know, or None where that would change what it asks
    for."""
    own = _resolve(part, root)
    field = _choice(own, version) or _several(own, root, version) or _single(own)
    if field is None:
        return None
    field |= {**_pick(own, _COMMON), **_pick(part, _COMMON)}
    default = part.get("default", own.get("default"))
    known = field["type"] == "boolean" or eras.has("form_defaults", version)
    if known and isinstance(default, _DEFAULTS[field["type"]]):
        field["default"] = default
    return field


def _single(own: Mapping[str, Any]) -> dict[str, Json] | None:
    """A text, a number or a yes or no. One that chooses in a way that forms do not know is none."""
    kind = own.get("type")
    if not isinstance(kind, str) or kind not in _KEEP or any(key in own for key in ("enum", "const", "oneOf", "anyOf")):
        return None
    field: dict[str, Json] = {"type": kind, **_pick(own, _KEEP[kind])}
    if own.get("format") in _FORMATS:
        field["format"] = own["format"]
    return field


def _choice(own: Mapping[str, Any], version: str) -> dict[str, Json] | None:
    """One of several texts: ``enum``, with ``enumNames`` if they are there, or ``oneOf`` of values with titles."""
    titled = _titled(own.get("oneOf"))
    if titled is not None:
        if eras.has("titled_choices", version):
            return {"type": "string", "oneOf": titled}
        named = {"enum": [c["const"] for c in titled], "enumNames": [c["title"] for c in titled]}
        return {"type": "string", **named}
    choices: Any = own.get("enum") or ([own["const"]] if "const" in own else None)
    if not _are_texts(choices):
        return None
    names: Any = own.get("enumNames")
    told: dict[str, Json] = {"type": "string", "enum": choices}
    return {**told, "enumNames": names} if _are_texts(names) and len(names) == len(choices) else told


def _several(own: Mapping[str, Any], root: Mapping[str, Any], version: str) -> dict[str, Json] | None:
    """Some of several texts."""
    items: Any = own.get("items")
    if own.get("type") != "array" or not is_object(items) or not eras.has("multi_select", version):
        return None
    titled = _titled(items.get("anyOf")) or _titled(items.get("oneOf"))
    choice = _choice(_resolve(items, root), version)
    if titled is not None:
        told: dict[str, Json] = {"type": "array", "items": {"anyOf": titled}}
    elif choice is not None and "enum" in choice:
        told = {"type": "array", "items": {"type": "string", "enum": choice["enum"]}}
    else:
        return None
    return {**told, **_pick(own, ("minItems", "maxItems"))}


def _titled(value: Any) -> list[dict[str, Json]] | None:
    """Values with titles, if that is what it is."""
    if not is_array(value) or not value:
        return None
    if not all(is_object(p) and isinstance(p.get("const"), str) and isinstance(p.get("title"), str) for p in value):
        return None
    return [{"const": part["const"], "title": part["title"]} for part in value]


def _are_texts(value: Any) -> TypeGuard[list[str]]:
    return is_array(value) and bool(value) and all(isinstance(part, str) for part in value)


def _pick(schema: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Json]:
    return {k: schema[k] for k in keys if schema.get(k) is not None}


def _resolve(part: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A local reference followed, one level of ``$defs`` deep, which is how our schemas are written; of a value or
    null the value, since a form says null by leaving a field out."""
    either: list[Any] | None = part.get("anyOf")
    if either:
        values = [p for p in either if is_object(p) and p.get("type") != "null"]
        return _resolve(values[0], root) if len(values) == 1 < len(either) else part
    reference = part.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        definitions = root.get("$defs")
        found = definitions.get(reference.removeprefix("#/$defs/")) if is_object(definitions) else None
        if is_object(found):
            return found
    return part
