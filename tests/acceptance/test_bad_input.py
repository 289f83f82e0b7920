"""Bad input, on every face: agents that are not there, input that does not fit, and a queue that is full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from .refusals import INVALID_PARAMS, TASKS, VERBS, refused, table
from .wire import Ask, a2a, agent_protocol, langgraph, legacy, modern, older, said

if TYPE_CHECKING:
    from .conftest import Desk
    from .wire import Code

NO_AGENT = ("'nobody'", "refund, weigh, work")


@table(
    [
        *(
            (agent_protocol(verb, {"agent_id": "nobody", "input": {}}), 404, "agent_not_found", NO_AGENT)
            for verb in VERBS
        ),
        (agent_protocol("/agents/nobody"), 404, "agent_not_found", NO_AGENT),
        (agent_protocol("/agents/nobody/schemas"), 404, "agent_not_found", NO_AGENT),
        *((langgraph(verb, {"assistant_id": "nobody"}), 404, None, NO_AGENT) for verb in VERBS),
        (langgraph("/threads/$done_thread/runs", {"assistant_id": "nobody", "input": {}}), 404, None, NO_AGENT),
        (langgraph("/assistants/nobody"), 404, None, NO_AGENT),
        (a2a("SendMessage", said("hello"), "nobody"), 404, (-32600, "AGENT_NOT_FOUND"), NO_AGENT),
        (a2a("SendStreamingMessage", said("hello"), "nobody"), 404, (-32600, "AGENT_NOT_FOUND"), NO_AGENT),
        (legacy("message/send", said("hello"), "nobody"), 404, (-32600, "AGENT_NOT_FOUND"), NO_AGENT),
        (
            Ask("a2a", "GET", "/a2a/nobody/.well-known/agent-card.json"),
            404,
            (-32600, "AGENT_NOT_FOUND"),
            NO_AGENT,
        ),
        (modern("tools/call", {"name": "nobody"}), 400, -32602, NO_AGENT),
        (older("tools/call", {"name": "nobody"}), 200, -32602, NO_AGENT),
    ]
)
def test_an_agent_that_is_not_there_is_not_found_and_the_others_are_named(
    desk: Desk, ask: Ask, status: int, code: Code, names: tuple[str, ...]
) -> None:
    refused(desk, ask, status, code, names)


WRONG = {"order_id": 7, "amount": "much"}
BOTH = ("order_id", "amount")


@table(
    [
        *((agent_protocol(v, {"agent_id": "refund", "input": WRONG}), 422, "invalid_input", BOTH) for v in VERBS),
        (agent_protocol("/runs", {"agent_id": "refund", "input": {"order_id": "A-1"}}), 422, "invalid_input", BOTH[1:]),
        (agent_protocol("/runs", {"agent_id": "refund", "input": [1]}), 422, "invalid_input", ("refund", "dictionary")),
        (agent_protocol("/runs", {"agent_id": "refund"}), 422, "invalid_input", BOTH),
        (agent_protocol("/runs", {"agent_id": ["refund"]}), 422, "invalid_input", ("agent_id",)),
        *((langgraph(v, {"assistant_id": "refund", "input": WRONG}), 422, None, BOTH) for v in VERBS),
        (langgraph("/threads/$done_thread/runs", {"assistant_id": "refund", "input": WRONG}), 422, None, BOTH),
        (langgraph("/runs", {"assistant_id": 7}), 422, None, ("assistant_id",)),
        (a2a("SendMessage", said(WRONG)), 200, INVALID_PARAMS, BOTH),
        (a2a("SendMessage", said({"order_id": "A-1"})), 200, INVALID_PARAMS, BOTH[1:]),
        (a2a("SendStreamingMessage", said(WRONG)), 200, INVALID_PARAMS, BOTH),
        (a2a("SendMessage", said()), 200, INVALID_PARAMS, ("message.parts",)),
        (a2a("SendMessage", {}), 200, INVALID_PARAMS, ("message",)),
        (modern("tools/call", {"name": "refund", "arguments": WRONG}), 200, "isError", BOTH),
        (modern("tools/call", {"name": "refund"}), 200, "isError", BOTH),
        (modern("tools/call", {"name": "refund", "arguments": [1]}), 400, -32602, ("arguments",)),
        (modern("tools/call", {"name": "run_status", "arguments": {"run": 7}}), 200, "isError", ("run_id",)),
        (older("tools/call", {"name": "refund", "arguments": WRONG}), 200, "isError", BOTH),
        (older("tools/call", {"name": 7}), 200, -32602, ("name",)),
    ]
)
def test_input_that_does_not_fit_its_schema_is_refused_by_the_names_of_its_fields(
    desk: Desk, ask: Ask, status: int, code: Code, names: tuple[str, ...]
) -> None:
    refused(desk, ask, status, code, names)


WORK: dict[str, Any] = {"input": {}}


@pytest.fixture
def full(desk: Desk) -> Iterator[Desk]:
    """The server with a run at work and one in the queue, which is all that it takes."""
    for name in ("working", "queued"):
        run = desk.asked("/runs", {"agent_id": "work", **WORK}).json()
        desk.names |= {name: run["run_id"], f"{name}_thread": run["thread_id"]}
        if name == "working":
            desk.until("working", "running")
    yield desk
    for name in ("queued", "working"):
        desk.asked(f"/runs/${name}/cancel", {})


@pytest.mark.requirement("tools.rate-limit")
@table(
    [
        *((agent_protocol(verb, {"agent_id": "work", **WORK}), 429, "queue_full", ("again",)) for verb in VERBS),
        *((langgraph(verb, {"assistant_id": "work", **WORK}), 429, None, ("again",)) for verb in VERBS),
        (langgraph("/threads/$done_thread/runs", {"assistant_id": "work", **WORK}), 429, None, ("again",)),
        (a2a("SendMessage", said({}), "work"), 200, (-32603, "QUEUE_FULL"), ("again",)),
        (a2a("SendStreamingMessage", said({}), "work"), 200, (-32603, "QUEUE_FULL"), ("again",)),
        (
            a2a("SendMessage", {**said({}), "configuration": {"returnImmediately": True}}, "work"),
            200,
            (-32603, "QUEUE_FULL"),
            ("again",),
        ),
        (modern("tools/call", {"name": "work"}), 200, "isError", ("again in",)),
        (modern("tools/call", {"name": "work"}, **TASKS), 200, "isError", ("again in",)),
        (older("tools/call", {"name": "work"}), 200, "isError", ("again in",)),
    ]
)
def test_a_full_queue_takes_no_run_and_tells_when_to_try_again(
    full: Desk, ask: Ask, status: int, code: Code, names: tuple[str, ...]
) -> None:
    answer = refused(full, ask, status, code, names)
    if ask.face != "mcp":
        assert int(answer.headers["Retry-After"]) >= 1
