"""The JSON Canonicalization Scheme (RFC 8785): one sequence of bytes for each JSON value, so that it can be signed.

Pure, and for small documents: it knows nothing of cards or keys. ``signing`` is above it.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, cast

from dragoman.memory.model import Json

__all__ = ["canonical", "without_empty"]

_DEEPEST: Final = 100
_EXACT: Final = 2**53  # integers beyond are not told apart by an ECMAScript number


def canonical(value: Json) -> bytes:
    """The canonical bytes of a value. Raises ``ValueError`` for what has none: numbers that ECMAScript cannot hold,
    text that is not Unicode, what is no JSON, more than 100 levels."""
    try:
        return _write(value, _DEEPEST).encode()
    except UnicodeEncodeError:
        raise ValueError("It holds text that is not Unicode.") from None


def without_empty(value: Json) -> Json:
    """The value without members and elements that are null, an empty string, array or object, at every depth; None when
    nothing is left. It is what the official SDKs sign of a card (A2A 1.0, section 8.4.1, default values)."""
    if isinstance(value, dict):
        members = cast("dict[str, Json]", value).items()
        return {k: kept for k, v in members if (kept := without_empty(v)) is not None} or None
    if isinstance(value, list):
        return [kept for v in cast("Any", value) if (kept := without_empty(v)) is not None] or None
    return None if value == "" else value


def _write(value: Any, depth: int) -> str:
    if isinstance(value, (dict, list)) and not depth:
        raise ValueError(f"It is nested more than {_DEEPEST} levels deep.")
    if isinstance(value, dict):
        members = sorted(cast("dict[str, Any]", value).items(), key=_code_units)
        return "{" + ",".join(f"{_text(k)}:{_write(v, depth - 1)}" for k, v in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_write(v, depth - 1) for v in cast("Any", value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        if abs(value) >= _EXACT:
            raise ValueError("It holds an integer of more than 53 bits.")
        return str(value)
    if isinstance(value, float):
        return _number(value)
    raise ValueError(f"{type(value).__name__} is no JSON.")


def _code_units(member: tuple[str, Any]) -> bytes:
    """Names are sorted by their UTF-16 code units (section 3.2.3)."""
    return member[0].encode("utf-16-be")


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # escapes just what section 3.2.2.2 does, in lower case


def _number(value: float) -> str:
    """As ECMAScript's ``Number.prototype.toString`` writes it (section 3.2.2.3). Python finds the same digits."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no JSON number.")
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent or 0)  # where the decimal point stands in the digits
    digits = whole + fraction
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    return ("-" if value < 0 else "") + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """ECMA-262, Number::toString: ``point`` is the n, ``len(digits)`` the k of its steps."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{fraction}e{'+' if point > 0 else '-'}{abs(point - 1)}"
