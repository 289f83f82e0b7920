"""From a Python signature to a pydantic model of its input, and back to a call.

Used by ``@agent`` and ``@tool``. Knows nothing of runs.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, RootModel, TypeAdapter, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema

from dragoman.agents.calls import CallContext
from dragoman.agents.content import gives_content
from dragoman.agents.context import Context
from dragoman.agents.schemas import SchemaCheck
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json

__all__ = ["Signature", "problems_of", "schema_of"]


# What is JSON as it stands; a float is not: it may be no number.
_PLAIN = (str, int, bool)


class _Schema(GenerateJsonSchema):
    """JSON Schema without the titles that pydantic derives from names: they tell a model nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_of(adapter: TypeAdapter[Any], mode: Literal["validation", "serialization"] = "validation") -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type."""
    return adapter.json_schema(mode=mode, schema_generator=_Schema)


def problems_of(error: ValidationError, what: str) -> InputInvalid:
    """A pydantic error as one of ours, a line a field, without the offending values."""
    problems = tuple(
        {"field": ".".join(str(part) for part in e["loc"]), "problem": e["msg"]}
        for e in error.errors(include_url=False, include_context=False, include_input=False)
    )
    lines = "; ".join(f"{p['field'] or 'value'}: {p['problem']}" for p in problems[:20])
    return InputInvalid(f"Invalid {what}: {lines}.", problems)


class _AsItIs(RootModel[dict[str, Any]]):
    """An input whose schema its author wrote."""


def _is_context(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, CallContext)


def _plain_text(annotation: Any) -> bool:
    """Whether a string can fill it: str, or a union with str in it."""
    if annotation is str:
        return True
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return _plain_text(get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return any(_plain_text(part) for part in get_args(annotation))
    return False


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives.

    ``model`` validates its input; ``whole`` names the parameter that takes the model itself (``input: Order``) where
    there is just that one; ``names`` are its fields; ``plain`` is the type of its result where that is JSON as it
    stands; ``text_field`` is the field that plain text fills, if there is just one that must be filled. ``durable``
    says that it takes an agent's Context, and so needs a run; ``content`` that it gives content blocks. ``check`` is
    there where the input has a JSON Schema of its author's own.
    """

    takes_context: bool
    model: type[BaseModel]
    names: tuple[str, ...]
    whole: str | None
    text_field: str | None
    returns: TypeAdapter[Any]
    input_schema: Mapping[str, Json]
    output_schema: Mapping[str, Json]
    plain: type | None
    durable: bool = False
    content: bool = False
    check: SchemaCheck | None = None

    @classmethod
    def of(cls, fn: Callable[..., Any], input_schema: Mapping[str, Json] | None = None) -> Signature:
        """Read a function's signature. With ``input_schema``, a JSON Schema of an object, it takes its input as one
        mapping. Raises ``TypeError`` naming the parameter that has no annotation or does not fit, ``ValueError`` for a
        schema that no input can be held against."""
        hints = typing.get_type_hints(fn, include_extras=True)
        parameters = list(inspect.signature(fn).parameters.values())
        takes_context = bool(parameters) and _is_context(hints.get(parameters[0].name))
        fields = [_field(fn, p, hints) for p in parameters[1 if takes_context else 0 :]]
        whole: str | None = None
        model: type[BaseModel]
        if input_schema is not None:
            if len(fields) != 1:
                raise TypeError(f"{fn.__qualname__}: with an input_schema it takes one mapping beside its context.")
            whole, model = fields[0][0], _AsItIs
        elif len(fields) == 1 and isinstance(fields[0][1], type) and issubclass(fields[0][1], BaseModel):
            whole, model = fields[0][0], fields[0][1]
        else:
            definitions: dict[str, Any] = {name: (annotation, default) for name, annotation, default in fields}
            model = create_model(fn.__name__, __config__=ConfigDict(extra="forbid"), **definitions)
        returns: TypeAdapter[Any] = TypeAdapter(hints.get("return", Any))
        return cls(
            takes_context=takes_context,
            model=model,
            names=tuple(model.model_fields),
            whole=whole,
            text_field=_text_field(model),
            returns=returns,
            input_schema=_object_schema(model) if input_schema is None else input_schema,
            output_schema=schema_of(returns, "serialization"),
            plain=hints.get("return") if hints.get("return") in _PLAIN else None,
            durable=takes_context and issubclass(hints[parameters[0].name], Context),
            content=gives_content(hints.get("return")),
            check=None if input_schema is None else _checked(fn, input_schema),
        )

    def validate(self, value: Json, what: str = "input") -> BaseModel:
        """Check an input. Raises ``InputInvalid`` naming each field that is wrong."""
        if self.check is not None:
            self.check.check({} if value is None else value, f"Invalid {what}")
        try:
            return self.model.model_validate({} if value is None else value)
        except ValidationError as error:
            raise problems_of(error, what) from None

    def arguments(self, value: BaseModel) -> dict[str, Any]:
        """The keyword arguments that a validated input makes."""
        if self.whole is not None:
            return {self.whole: value.root if isinstance(value, _AsItIs) else value}
        return {name: getattr(value, name) for name in self.names}

    def missing(self, value: Mapping[str, Json]) -> dict[str, Any] | None:
        """The JSON Schema of the required fields that ``value`` lacks, or None when it lacks none."""
        if self.check is not None:
            return None  # what it lacks is told as what does not fit
        required = [n for n, f in self.model.model_fields.items() if f.is_required() and (f.alias or n) not in value]
        if not required:
            return None
        properties: Mapping[str, Any] = self.input_schema.get("properties", {})
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: properties[name] for name in required},
            "required": required,
            "additionalProperties": False,
        }
        if "$defs" in self.input_schema:
            schema["$defs"] = self.input_schema["$defs"]
        return schema

    def to_json(self, result: Any) -> Json:
        """A result as JSON. Raises ``InputInvalid`` when it is not what the annotation promises."""
        if self.plain is not None and type(result) is self.plain:
            return result
        try:
            return self.returns.dump_python(self.returns.validate_python(result), mode="json")
        except ValidationError as error:
            raise problems_of(error, "output") from None


def _field(fn: Callable[..., Any], p: inspect.Parameter, hints: Mapping[str, Any]) -> tuple[str, Any, Any]:
    if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or p.name not in hints:
        raise TypeError(f"{fn.__qualname__}: the parameter {p.name!r} needs a type annotation and a name of its own.")
    return p.name, hints[p.name], ... if p.default is p.empty else p.default


def _checked(fn: Callable[..., Any], input_schema: Mapping[str, Json]) -> SchemaCheck:
    """The author's schema, found good before anyone calls. Clients take no list of tools with one of no object."""
    if input_schema.get("type") != "object":
        raise ValueError(
            f'{fn.__qualname__}: input_schema: type: "object" is needed, not {input_schema.get("type")!r}.'
        )
    try:
        check = SchemaCheck(input_schema)
        check.prepare()
    except ValueError as error:
        raise ValueError(f"{fn.__qualname__}: input_schema: {error}") from None
    return check


def _text_field(model: type[BaseModel]) -> str | None:
    if issubclass(model, _AsItIs):
        return None
    required = [(n, f) for n, f in model.model_fields.items() if f.is_required()]
    candidates = required or list(model.model_fields.items())
    if len(candidates) == 1 and _plain_text(candidates[0][1].annotation):
        return candidates[0][1].alias or candidates[0][0]
    return None


def _object_schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = schema_of(TypeAdapter(model))
    schema.setdefault("type", "object")
    schema.pop("title", None)
    return schema
