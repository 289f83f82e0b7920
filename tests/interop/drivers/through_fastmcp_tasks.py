"""fastmcp's client with its tasks: a call that asks is a task, answered by the client's handler or by the handle."""

from typing import Any

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport
from fastmcp_tasks import call_tool_task
from seen import CALLS, COMMAND, COUNT, QUESTIONS, URL, Seen, answer, result, run, yes


def connect(**how: Any) -> Client:
    return Client(URL or StdioTransport(COMMAND[0], COMMAND[1:], keep_alive=False), **how)


def told(done: Any) -> dict[str, Any]:
    return result(done.content, done.structured_content, done.is_error)


async def see(seen: Seen) -> None:
    async def person(message: str, response_type: Any, params: Any, context: Any) -> Any:
        seen["asked"].append(message)
        return ElicitResult(action="accept", content=yes(params.requested_schema))

    async with connect(elicitation_handler=person) as client:
        seen["tools"] = {tool.name: tool for tool in await client.list_tools()}
        for name, arguments in {"count": COUNT, **CALLS}.items():
            seen[name] = told(await client.call_tool(name, arguments, raise_on_error=False))
        seen["delete"] = told(await client.call_tool("delete", QUESTIONS["delete"]))
        task = await call_tool_task(client, "refund", QUESTIONS["refund"])
        before = (await task.status()).status
        seen["refund"] = told(await task.result())
        seen["statuses"] = [before, (await task.status()).status]
    async with connect() as client:
        seen["handle"] = told(await client.call_tool("refund", QUESTIONS["refund"]))
        seen["answered"] = told(await client.call_tool("run_answer", answer(seen["handle"]["structured"])))


run(see, "fastmcp", "fastmcp-tasks", "mcp")
