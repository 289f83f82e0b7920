"""Progress of a call, told under the client's token where the client wants it and can be told."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.mcp import eras
from dragoman.mcp.call import Call
from dragoman.memory.model import Json

__all__ = ["send_progress"]


async def send_progress(call: Call, data: Mapping[str, Json]) -> None:
    """Send ``{"progress", "total", "message"}``, of which the last two may be missing."""
    if call.progress_token is None:
        return
    params: dict[str, Json] = {"progressToken": call.progress_token, "progress": data["progress"]}
    if data.get("total") is not None:
        params["total"] = data["total"]
    if data.get("message") is not None and eras.has("progress_message", call.version):
        params["message"] = data["message"]
    await call.channel.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
