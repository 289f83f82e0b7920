"""A 0.3 request held against that version's schema before the SDK's adapter takes it (A2A 0.3, section 7).

The adapter answers what does not fit as an invalid request and with what pydantic says of it; 0.3 has invalid params
for that, and so does JSON-RPC (section 5.1).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from dragoman.a2a.errors import INVALID_PARAMS, Fault

__all__ = ["check_request"]

_KINDS = ("text", "file", "data")
_MOST = 10


def check_request(model: type[BaseModel], body: Mapping[str, Any]) -> None:
    """Raise ``Fault`` naming what in the body of a call does not fit."""
    try:
        model.model_validate(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        # The lack of an id is a matter of JSON-RPC.
        found = [(_path(e["loc"]), e["msg"]) for e in problems if e["loc"] != ("id",)]
    else:
        found = list(_parts(body))
    if found:
        told = [{"field": field, "description": problem} for field, problem in found[:_MOST]]
        raise Fault(INVALID_PARAMS, "; ".join(f"{t['field']}: {t['description']}" for t in told), violations=told)


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the models let pass: parts that do not say their kind, and bytes that are none."""
    params: Any = body.get("params")
    message: Any = params.get("message") if params else None
    for number, part in enumerate(message["parts"] if message else ()):
        where = f"message.parts[{number}]"
        if part.get("kind") not in _KINDS:
            yield f"{where}.kind", f"must be {', '.join(_KINDS[:-1])} or {_KINDS[-1]}"
        elif part["kind"] == "file" and "bytes" in part["file"]:
            try:
                base64.b64decode(part["file"]["bytes"], validate=True)
            except binascii.Error:
                yield f"{where}.file.bytes", "must be base64"


def _path(loc: tuple[int | str, ...]) -> str:
    names = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != "params" or len(loc) == 1]
    return "".join(names).removeprefix(".")
