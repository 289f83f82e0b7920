"""Log messages to the client: which it wants to hear of, and how they go out, on the stream of the call itself.

In the modern era a request says its least level and hears of nothing without one; in the older era ``logging/setLevel``
says it for the session, and until then ``info`` is the least. Follows 2026-07-28 and 2025-11-25 "Logging". The server's
own log is another thing (``dragoman.telemetry``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from dragoman.mcp import params
from dragoman.mcp.call import Call
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError
from dragoman.memory.model import Json

__all__ = ["LEVELS", "asks_for_logs", "send_log", "set_level"]

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""From the least grave to the gravest (RFC 5424)."""

_LEVEL: Final = "io.modelcontextprotocol/logLevel"
_UNTIL_SET: Final = "info"
_RANK: Final = {level: rank for rank, level in enumerate(LEVELS)}


async def send_log(call: Call, level: str, data: Json, logger: str | None = None) -> None:
    """Tell the client, if it wants to hear of this level and can."""
    least = _least(call)
    if least is None or _RANK.get(level, -1) < _RANK[least] or not call.channel.streams:
        return
    told: dict[str, Json] = {"level": level, "data": data}
    if logger is not None:
        told["logger"] = logger
    await call.channel.send({"jsonrpc": "2.0", "method": "notifications/message", "params": told})


def asks_for_logs(call: Call) -> bool:
    """Whether the client set a level: only then is a run followed for what it logs."""
    set_for_all = not call.modern and call.session is not None and call.session.level is not None
    return call.channel.streams and (set_for_all or (call.modern and _least(call) is not None))


async def set_level(call: Call) -> Mapping[str, Json]:
    """``logging/setLevel``, for the session."""
    level = params.text(call, "level")
    if level not in _RANK:
        raise ProtocolError(INVALID_PARAMS, f'logging/setLevel: "level" is one of {", ".join(LEVELS)}.')
    call.session_change = lambda session: replace(session, level=level)
    return {}


def _least(call: Call) -> str | None:
    """The least level that is sent; None where nothing is. A level that is none counts as not given."""
    if not call.modern:
        return _UNTIL_SET if call.session is None or call.session.level is None else call.session.level
    level: Any = call.meta.get(_LEVEL)
    return level if isinstance(level, str) and level in _RANK else None
