"""pydantic-ai: its MCP toolset, called directly."""

from typing import Any

from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport
from pydantic_ai import ModelRetry
from pydantic_ai.mcp import MCPToolset
from seen import CALLS, COMMAND, COUNT, QUESTIONS, URL, Seen, answer, result, run, yes


def connect(**how: Any) -> MCPToolset:
    return MCPToolset(URL or StdioTransport(COMMAND[0], COMMAND[1:], keep_alive=False), **how)


async def call(toolset: MCPToolset, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the toolset makes of a result is one value: structured where there is any."""
    try:
        done = await toolset.direct_call_tool(name, arguments)
    except ModelRetry as error:
        return result([{"type": "text", "text": error.message}], None, True)
    return {"value": done, "error": False}


async def see(seen: Seen) -> None:
    async def progress(now: float, total: float | None, message: str | None) -> None:
        seen["progress"].append([now, total, message])

    async def person(message: str, response_type: Any, params: Any, context: Any) -> Any:
        seen["asked"].append(message)
        return ElicitResult(action="accept", content=yes(params.requested_schema))

    async with connect(elicitation_handler=person, progress_handler=progress) as toolset:
        seen["protocol"] = toolset.client.protocol_version
        seen["tools"] = {tool.name: tool for tool in await toolset.list_tools()}
        for name, arguments in {"count": COUNT, **CALLS, **QUESTIONS}.items():
            seen[name] = await call(toolset, name, arguments)
    async with connect() as toolset:
        seen["handle"] = await call(toolset, "refund", QUESTIONS["refund"])
        seen["answered"] = await call(toolset, "run_answer", answer(seen["handle"]["value"]))


run(see, "pydantic-ai-slim", "fastmcp-slim", "mcp")
