"""An echo tool on the MCP SDK's low level, in memory: ``python sdk_mcp.py PORT LOOP HTTP``."""

from __future__ import annotations

import sys
from typing import Any, Literal, cast

import uvicorn
from mcp import types
from mcp.server import Server, ServerRequestContext

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


async def list_tools(
    ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
) -> types.ListToolsResult:
    """One tool."""
    return types.ListToolsResult(tools=[types.Tool(name="echo", description="Echo", input_schema=SCHEMA)])


async def call_tool(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
    """What was sent."""
    text = str((params.arguments or {})["text"])
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content={"result": text}
    )


if __name__ == "__main__":
    port, loop, http = sys.argv[1:]
    server: Server[Any] = Server("echo", on_list_tools=list_tools, on_call_tool=call_tool)
    uvicorn.run(
        server.streamable_http_app(json_response=True, stateless_http=True),
        port=int(port),
        loop=cast(Literal["asyncio", "uvloop"], loop),
        http=cast(Literal["h11", "httptools"], http),
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
