"""openai-agents: its MCP servers, without a model. They take no person, so a question is answered by the handle."""

from typing import Any

from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from seen import CALLS, COMMAND, COUNT, QUESTIONS, URL, Seen, answer, result, run


def connect(**how: Any) -> MCPServerStdio | MCPServerStreamableHttp:
    if URL:
        return MCPServerStreamableHttp({"url": URL}, **how)
    return MCPServerStdio({"command": COMMAND[0], "args": COMMAND[1:]}, **how)


def told(done: Any) -> dict[str, Any]:
    done = done.model_dump(by_alias=True)
    return result(done["content"], done["structuredContent"], done["isError"])


async def see(seen: Seen) -> None:
    async def message(received: Any) -> None:
        if getattr(received, "method", "") == "notifications/progress":
            seen["progress"].append([received.params.progress, received.params.total, received.params.message])

    async with connect(message_handler=message) as client:
        seen["protocol"] = client.session.protocol_version if client.session else None
        seen["tools"] = {tool.name: tool for tool in await client.list_tools()}
        for name, arguments in CALLS.items():
            seen[name] = told(await client.call_tool(name, arguments))
        seen["count"] = told(await client.call_tool("count", COUNT, meta={"progressToken": "mine"}))
        handle = told(await client.call_tool("refund", QUESTIONS["refund"]))
        seen["handle"] = handle
        seen["answered"] = told(await client.call_tool("run_answer", answer(handle["structured"])))


run(see, "openai-agents", "mcp")
