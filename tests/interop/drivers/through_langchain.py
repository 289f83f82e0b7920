"""langchain-mcp-adapters: the tools as LangChain has them, invoked one by one."""

from typing import Any

from langchain_core.messages import ToolMessage
from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp.types import ElicitResult
from seen import CALLS, COMMAND, COUNT, QUESTIONS, URL, Seen, answer, result, run, yes


def connect(callbacks: Callbacks | None = None) -> MultiServerMCPClient:
    if URL:
        connection: dict[str, Any] = {"transport": "streamable_http", "url": URL}
    else:
        connection = {"transport": "stdio", "command": COMMAND[0], "args": COMMAND[1:]}
    return MultiServerMCPClient({"desk": connection}, callbacks=callbacks)


async def call(tools: dict[str, Any], name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Invoke a tool as a model's call of it does."""
    asked = {"name": name, "args": arguments, "id": "1", "type": "tool_call"}
    message: ToolMessage = await tools[name].ainvoke(asked)
    content = [{"type": "text", "text": message.content}] if isinstance(message.content, str) else message.content
    structured = (message.artifact or {}).get("structured_content")
    return result(content, structured, message.status == "error")


async def see(seen: Seen) -> None:
    async def progress(now: float, total: float | None, message: str | None, context: Any) -> None:
        seen["progress"].append([now, total, message])

    async def person(mcp_context: Any, params: Any, context: Any) -> ElicitResult:
        seen["asked"].append(params.message)
        return ElicitResult(action="accept", content=yes(params.requestedSchema))

    callbacks = Callbacks(on_progress=progress, on_elicitation=person)
    tools = {tool.name: tool for tool in await connect(callbacks).get_tools()}  # a session for each call
    seen["tools"] = {
        name: {"description": tool.description, "inputSchema": tool.args_schema} for name, tool in tools.items()
    }
    for name, arguments in {**CALLS, **QUESTIONS, "count": COUNT}.items():
        seen[name] = await call(tools, name, arguments)
    async with connect().session("desk", auto_initialize=False) as session:  # one session for all
        seen["protocol"] = (await session.initialize()).protocolVersion
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}
        seen["handle"] = await call(tools, "refund", QUESTIONS["refund"])
        seen["answered"] = await call(tools, "run_answer", answer(seen["handle"]["structured"]))


run(see, "langchain-mcp-adapters", "mcp")
