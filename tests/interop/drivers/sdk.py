"""The official client (``mcp`` 2) in the given mode: auto, legacy or a version of the modern era."""

from typing import Any

import mcp_types as types
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from seen import CALLS, COMMAND, COUNT, MODE, QUESTIONS, URL, Seen, answer, result, run, yes


def connect(**how: Any) -> Client:
    return Client(URL or StdioServerParameters(command=COMMAND[0], args=COMMAND[1:]), mode=MODE, **how)


def told(done: types.CallToolResult) -> dict[str, Any]:
    return result(done.content, done.structured_content, done.is_error)


async def see(seen: Seen) -> None:
    async def progress(now: float, total: float | None, message: str | None) -> None:
        seen["progress"].append([now, total, message])

    async def person(context: Any, params: types.ElicitRequestFormParams) -> types.ElicitResult:
        seen["asked"].append(params.message)
        return types.ElicitResult(action="accept", content=yes(params.requested_schema))

    async with connect(elicitation_callback=person) as client:
        seen["protocol"] = client.protocol_version
        seen["tools"] = {tool.name: tool for tool in (await client.list_tools()).tools}
        seen["count"] = told(await client.call_tool("count", COUNT, progress_callback=progress))
        for name, arguments in {**CALLS, **QUESTIONS}.items():
            seen[name] = told(await client.call_tool(name, arguments))
    async with connect() as client:
        handle = told(await client.call_tool("refund", QUESTIONS["refund"]))
        seen["handle"] = handle
        seen["answered"] = told(await client.call_tool("run_answer", answer(handle["structured"])))


run(see, "mcp")
