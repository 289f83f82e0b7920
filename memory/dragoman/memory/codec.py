"""JSON in and out, by orjson: strict (no NaN, no lone surrogates), fast, and bounded in depth.

Not a schema validator. Used by the ledger for what it stores and by the faces for what they parse.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import orjson

__all__ = ["dumps", "loads"]

# orjson itself stops at 1024 levels; the JSON that we store must also fit it on the way out (254).
_MAX_DEPTH = 200


def dumps(value: Any) -> bytes:
    """JSON bytes. Raises ``ValueError`` naming the reason when the value is not JSON."""
    try:
        return orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None


def loads(data: bytes | bytearray | memoryview | str) -> Any:
    """The value of JSON text.

    Raises ``ValueError`` when it is malformed or nested deeper than 200 levels; the text is not repeated in the
    message.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(
            f"malformed JSON at line {error.lineno}, column {error.colno}: {error.msg.split(':')[0]}"
        ) from None
    if _brackets(data) > _MAX_DEPTH and _deeper_than(value, _MAX_DEPTH):
        raise ValueError(f"JSON nested deeper than {_MAX_DEPTH} levels")
    return value


def _brackets(data: bytes | bytearray | memoryview | str) -> int:
    """An upper bound of the depth, cheap to tell."""
    if isinstance(data, str):
        return data.count("[") + data.count("{")
    raw = bytes(data) if isinstance(data, memoryview) else data
    return raw.count(b"[") + raw.count(b"{")


def _deeper_than(value: Any, limit: int) -> bool:
    layer: list[Any] = [value]
    for _ in range(limit):
        layer = [child for item in layer for child in _children(item)]
        if not layer:
            return False
    return True


def _children(item: Any) -> Iterable[Any]:
    if type(item) is dict:
        return cast("dict[str, Any]", item).values()
    return cast("Iterable[Any]", item) if type(item) is list else ()
