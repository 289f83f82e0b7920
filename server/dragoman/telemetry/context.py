"""Which run and which trace the present task works for, as context variables: a task inherits its creator's.

Not a tracer: no spans are made here.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from random import getrandbits

__all__ = ["bind_run", "current_run", "current_trace", "join_trace", "resume_trace", "start_trace", "traceparent"]

_run: ContextVar[str] = ContextVar("dragoman_run_id", default="")
_trace: ContextVar[str] = ContextVar("dragoman_trace_id", default="")

# W3C Trace Context section 3.2.2: version, trace-id, parent-id, flags; all zeros is no id, version ff is invalid.
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def bind_run(run_id: str) -> None:
    """Say that this task works for this run, from here on."""
    _run.set(run_id)


def current_run() -> str:
    """The run that this task works for, or an empty text."""
    return _run.get()


def start_trace(traceparent: bytes | None) -> str:
    """Go on with the caller's trace, or begin one; returns its id (32 hex digits)."""
    found = None if traceparent is None else _TRACEPARENT.fullmatch(traceparent)
    trace_id = f"{getrandbits(128) or 1:032x}" if found is None else found[1].decode()
    _trace.set(trace_id)
    return trace_id


def join_trace(traceparent: str) -> None:
    """Go on with the trace that a caller tells; one that is none changes nothing."""
    found = _TRACEPARENT.fullmatch(traceparent.encode(errors="replace"))
    if found is not None:
        _trace.set(found[1].decode())


def resume_trace(trace_id: str) -> None:
    """Go on with a trace by its id, as ``current_trace`` gave it, unless there is one already."""
    if trace_id and not _trace.get():
        _trace.set(trace_id)


def traceparent() -> str:
    """The header that tells another server of the present trace, or an empty text. We make no spans: the parent-id is
    one of its own each time."""
    trace_id = _trace.get()
    return f"00-{trace_id}-{getrandbits(64) or 1:016x}-01" if trace_id else ""


def current_trace() -> str:
    """The trace that this task belongs to, or an empty text."""
    return _trace.get()
