"""fastmcp's client in the given mode."""

from typing import Any

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport
from seen import CALLS, COMMAND, COUNT, MODE, QUESTIONS, URL, Seen, answer, result, run, yes


def connect(**how: Any) -> Client:
    return Client(URL or StdioTransport(COMMAND[0], COMMAND[1:], keep_alive=False), mode=MODE, **how)


def told(done: Any) -> dict[str, Any]:
    return result(done.content, done.structured_content, done.is_error)


async def see(seen: Seen) -> None:
    async def progress(now: float, total: float | None, message: str | None) -> None:
        seen["progress"].append([now, total, message])

    async def person(message: str, response_type: Any, params: Any, context: Any) -> Any:
        seen["asked"].append(message)
        return ElicitResult(action="accept", content=yes(params.requested_schema))

    async with connect(elicitation_handler=person) as client:
        seen["protocol"] = client.protocol_version
        seen["tools"] = {tool.name: tool for tool in await client.list_tools()}
        seen["count"] = told(await client.call_tool("count", COUNT, progress_handler=progress))
        for name, arguments in {**CALLS, **QUESTIONS}.items():
            seen[name] = told(await client.call_tool(name, arguments, raise_on_error=False))
    async with connect() as client:
        handle = told(await client.call_tool("refund", QUESTIONS["refund"]))
        seen["handle"] = handle
        seen["answered"] = told(await client.call_tool("run_answer", answer(handle["structured"])))


run(see, "fastmcp", "mcp")
