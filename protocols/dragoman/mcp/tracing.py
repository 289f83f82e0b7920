"""The trace that a request belongs to, as its ``_meta`` tells (2026-07-28 "General fields", W3C Trace Context).

What a client sends there holds for the log lines of the request and is kept with the run it makes, so that the run goes
on in the same trace after a wait or a crash. The HTTP header of the same name is the app's to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.mcp.call import Call
from dragoman.memory.model import Json
from dragoman.telemetry import join_trace

__all__ = ["join", "kept"]

_NAMES: Final = ("traceparent", "tracestate", "baggage")
_LONGEST: Final = 8192  # bytes of baggage that are to be passed on (W3C Baggage, "Limits")


def join(call: Call) -> None:
    """Go on with the client's trace, if it tells one."""
    told: Any = call.meta.get("traceparent")
    if isinstance(told, str):
        join_trace(told)


def kept(call: Call) -> Mapping[str, Json]:
    """What a run's metadata keeps of it."""
    found: dict[str, Any] = {name: call.meta[name] for name in _NAMES if name in call.meta}
    return {name: value for name, value in found.items() if isinstance(value, str) and len(value) <= _LONGEST}
