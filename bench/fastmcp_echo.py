"""An echo tool on fastmcp, in memory: ``python fastmcp_echo.py PORT``, by an environment that has fastmcp."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import uvicorn


async def echo(text: str) -> str:
    """Echo."""
    return text


if __name__ == "__main__":
    server: Any = import_module("fastmcp").FastMCP("echo")
    server.tool(echo)
    app: Any = server.http_app(json_response=True, stateless_http=True)
    uvicorn.run(app, port=int(sys.argv[1]), loop="asyncio", http="h11", log_level="error", access_log=False)
