"""The audit line of a call that is no run: who called what, how it ended, and how long it took. Never its arguments.

A run needs none: the ledger has it.
"""

from __future__ import annotations

import logging

from dragoman.memory.model import Principal

__all__ = ["told"]

_log = logging.getLogger("dragoman.audit")


def told(principal: Principal, tool: str, outcome: str, seconds: float) -> None:
    """Log a call. ``outcome`` is ``ok``, ``error``, ``invalid``, ``refused``, ``input_required``, ``timeout`` or
    ``cancelled``."""
    _log.info(
        "tool call",
        extra={
            "tool": tool,
            "tenant": principal.tenant,
            "subject": principal.subject,
            "outcome": outcome,
            "duration_ms": round(seconds * 1000, 3),
        },
    )
