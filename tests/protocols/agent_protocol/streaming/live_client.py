"""A raw client of the thread streaming protocol. Every event that it reads is checked against the bindings that are
generated from the CDDL."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import langchain_protocol
from pydantic import TypeAdapter

ALL = ["values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "tasks", "custom"]
SAID = ["messages", "updates"]
EVENT: TypeAdapter[Any] = TypeAdapter(langchain_protocol.Event)
Wire = dict[str, Any]


def checked(event: Wire) -> Wire:
    """An event that fits the published bindings."""
    assert event["type"] == "event"
    EVENT.validate_python(event)
    return event


@asynccontextmanager
async def listening(
    http: httpx.AsyncClient, thread: str, channels: list[str], path: str = "stream", **more: Any
) -> AsyncGenerator[AsyncGenerator[Wire]]:
    """``POST …/stream``: the events as they come."""

    async def events(answer: httpx.Response) -> AsyncGenerator[Wire]:
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if not fields:
                continue
            event = json.loads(fields["data"])
            assert fields["event"] == event["method"]
            assert fields.get("id") == str(event["seq"])
            yield checked(event)
            fields = {}

    body = {"channels": channels, **more}
    async with http.stream("POST", f"/threads/{thread}/{path}", json=body) as answer:
        assert answer.status_code == 200, await answer.aread()
        async with aclosing(events(answer)) as found:
            yield found


async def until(events: AsyncGenerator[Wire], last: Callable[[Wire], bool]) -> list[Wire]:
    """The events up to one."""
    found: list[Wire] = []
    async for event in events:
        found.append(event)
        if last(event):
            return found
    raise AssertionError(f"the stream ended after {found}")


def root_is(*statuses: str) -> Callable[[Wire], bool]:
    def there(event: Wire) -> bool:
        params = event["params"]
        return event["method"] == "lifecycle" and not params["namespace"] and params["data"]["event"] in statuses

    return there


ended = root_is("completed", "failed", "interrupted")


async def command(http: httpx.AsyncClient, thread: str, method: str, params: Any, id: int = 1) -> Wire:
    answer = await http.post(f"/threads/{thread}/commands", json={"id": id, "method": method, "params": params})
    assert answer.status_code == 200, answer.text
    found: Wire = answer.json()
    assert found["id"] == id
    return found


async def started(http: httpx.AsyncClient, thread: str, agent: str, text: str = "hi you") -> Wire:
    answer = await command(http, thread, "run.start", {"assistant_id": agent, "input": {"text": text}})
    assert answer["type"] == "success", answer
    return answer


def new_thread() -> str:
    return str(uuid.uuid4())


async def run(http: httpx.AsyncClient, agent: str, text: str = "hi you", **more: Any) -> tuple[str, list[Wire]]:
    """A run on a new thread, and all its events."""
    thread = new_thread()
    await started(http, thread, agent, text)
    async with listening(http, thread, ALL, **more) as events:
        return thread, await until(events, ended)


def data_of(events: list[Wire], method: str, namespace: list[str] | None = None) -> list[Any]:
    wanted = [] if namespace is None else namespace
    return [e["params"]["data"] for e in events if e["method"] == method and e["params"]["namespace"] == wanted]


def lives(events: list[Wire], status: str) -> list[list[str]]:
    """The namespaces whose lifecycle came to this."""
    told = [e["params"] for e in events if e["method"] == "lifecycle"]
    return [params["namespace"] for params in told if params["data"]["event"] == status]
