"""What langgraph's RemoteGraph does with a server: invoke, stream with subgraphs, state, history, update, resume."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from langgraph.errors import GraphInterrupt
from langgraph.pregel.remote import RemoteGraph
from langgraph.types import Command
from langgraph_sdk import get_client, get_sync_client

url, agent, asker, caller = sys.argv[1:]
seen: dict[str, Any] = {}


async def asynchronous() -> None:
    client = get_client(url=url)
    graph = RemoteGraph(caller, client=client, sync_client=get_sync_client(url=url))
    thread = await client.threads.create()
    config: Any = {"configurable": {"thread_id": thread["thread_id"]}}
    seen["ainvoke"] = (await graph.ainvoke({"text": "hi you"}, config))["output"]
    modes = ["values", "messages", "updates", "tasks", "checkpoints", "custom", "debug"]
    parts = [part async for part in graph.astream({"text": "hi"}, config, stream_mode=modes, subgraphs=True)]
    seen["modes"] = sorted({part[1] for part in parts})
    seen["namespaces"] = sorted({part[0][0].split(":")[0] for part in parts if part[0]})
    seen["plain"] = [p async for p in graph.astream({"text": "hi"}, config, stream_mode="updates")][-1]
    seen["state"] = [m["content"] for m in (await graph.aget_state(config)).values["messages"]][-1]
    seen["history"] = len([s async for s in graph.aget_state_history(config)])
    await graph.aupdate_state(config, {"noted": 7})
    seen["noted"] = (await graph.aget_state(config)).values["noted"]
    seen["graph"] = len((await graph.aget_graph()).nodes) > 0


def synchronous() -> None:
    client = get_sync_client(url=url)
    graph = RemoteGraph(asker, sync_client=client)
    config: Any = {"configurable": {"thread_id": client.threads.create()["thread_id"]}}
    try:
        asked: Any = graph.invoke({"text": "x"}, config)
        interrupts = asked["__interrupt__"]
    except GraphInterrupt as waiting:
        interrupts = waiting.args[0]
    seen["asked"] = len(interrupts)
    state = graph.get_state(config)
    seen["next"] = list(state.next)
    seen["interrupt"] = state.tasks[0].interrupts[0].value["message"]
    seen["resumed"] = graph.invoke(Command(resume="yes"), config)["output"]
    seen["streamed"] = list(RemoteGraph(agent, sync_client=client).stream({"text": "a b"}, stream_mode="values"))[-1][
        "output"
    ]


asyncio.run(asynchronous())
synchronous()
print(json.dumps(seen, default=str))
