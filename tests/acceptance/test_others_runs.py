"""Runs, tasks and threads that are not there, or not the caller's: told of alike, on every face."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .refusals import ACCEPT, ANSWER, RESUME, RUN, TASK_NOT_FOUND, TASKS, THREAD, Row, about, refused, table
from .wire import Ask, a2a, agent_protocol, langgraph, modern, older, said

if TYPE_CHECKING:
    from .conftest import Desk
    from .wire import Code

INPUT = {"order_id": "A-1", "amount": 1}
ABOUT_A_RUN: list[Row] = [
    *(
        (agent_protocol(path, body, method), 404, "run_not_found", ("run",))
        for path, body, method in [
            (RUN, None, "GET"),
            (f"{RUN}/wait", None, "GET"),
            (f"{RUN}/stream", None, "GET"),
            (f"{RUN}/cancel", {}, "POST"),
            (f"{RUN}/resume", ANSWER, "POST"),
            (f"{RUN}/resume", {"answers": {"decision": "approve"}}, "POST"),
            (f"{RUN}/artifacts/$artifact", None, "GET"),
            (RUN, None, "DELETE"),
        ]
    ),
    *(
        (agent_protocol(path, body, method), 404, "thread_not_found", ("thread",))
        for path, body, method in [
            (THREAD, None, "GET"),
            (THREAD, {"metadata": {"mine": True}}, "PATCH"),
            (THREAD, None, "DELETE"),
            (f"{THREAD}/copy", {}, "POST"),
            (f"{THREAD}/history", None, "GET"),
            ("/runs", {"agent_id": "refund", "input": INPUT, "thread_id": "$waiting_thread"}, "POST"),
            ("/runs/wait", {**RESUME, "thread_id": "$waiting_thread"}, "POST"),
        ]
    ),
    *(
        (langgraph(path, body, method), 404, None, (what,))
        for path, body, method, what in [
            (f"{THREAD}{RUN}", None, "GET", "run"),
            (f"{THREAD}{RUN}/join", None, "GET", "run"),
            (f"{THREAD}{RUN}/stream", None, "GET", "run"),
            (f"{THREAD}{RUN}/cancel", {}, "POST", "run"),
            (f"{THREAD}{RUN}", None, "DELETE", "run"),
            (THREAD, None, "GET", "thread"),
            (THREAD, {"metadata": {"mine": True}}, "PATCH", "thread"),
            (THREAD, None, "DELETE", "thread"),
            (f"{THREAD}/copy", {}, "POST", "thread"),
            (f"{THREAD}/runs", None, "GET", "thread"),
            (f"{THREAD}/runs", {"assistant_id": "refund", "input": INPUT}, "POST", "thread"),
            (f"{THREAD}/runs/wait", {"assistant_id": "refund", **RESUME}, "POST", "thread"),
            (f"{THREAD}/runs/stream", {"assistant_id": "refund", **RESUME}, "POST", "thread"),
            (f"{THREAD}/state", None, "GET", "thread"),
            (f"{THREAD}/state", {"values": {"mine": True}}, "POST", "thread"),
            (f"{THREAD}/history", {}, "POST", "thread"),
        ]
    ),
    *(
        (a2a(method, params), 200, TASK_NOT_FOUND, ("$waiting", "task"))
        for method, params in [
            ("GetTask", {"id": "$waiting"}),
            ("CancelTask", {"id": "$waiting"}),
            ("SubscribeToTask", {"id": "$waiting"}),
            ("SendMessage", said("approve", taskId="$waiting")),
            ("SendMessage", said({"decision": "approve"}, taskId="$waiting", contextId="$waiting_thread")),
            ("SendStreamingMessage", said("approve", taskId="$waiting")),
        ]
    ),
    *((modern(f"tasks/{verb}", {"taskId": "$waiting"}, **TASKS), 400, -32602, ("Task",)) for verb in ("get", "cancel")),
    (modern("tasks/update", {"taskId": "$waiting", "inputResponses": ACCEPT}, **TASKS), 400, -32602, ("Task",)),
    (modern("resources/read", {"uri": f"dragoman:/{RUN}/artifacts/$artifact"}), 400, -32602, ("Resource",)),
    (older("resources/read", {"uri": f"dragoman:/{RUN}/artifacts/$artifact"}), 200, -32002, ("Resource",)),
    *(
        (era("tools/call", tool), 200, "isError", ("run",))
        for era in (modern, older)
        for tool in (about("run_status"), about("run_answer", answer="approve"), about("run_cancel"))
    ),
]


@table(ABOUT_A_RUN)
def test_a_run_or_task_that_is_not_there_is_not_found(
    desk: Desk, ask: Ask, status: int, code: Code, names: tuple[str, ...]
) -> None:
    refused(desk.nowhere(), ask, status, code, names)


@pytest.mark.requirement("caching.access", "tasks.authorized", "tools.access")
@table(ABOUT_A_RUN)
def test_another_tenants_run_is_told_of_just_as_one_that_is_not_there(
    either: Desk, ask: Ask, status: int, code: Code, names: tuple[str, ...]
) -> None:
    answer = refused(either, ask, status, code, names, "bob")
    nowhere = either.nowhere()
    assert either.anonymous(answer.text) == nowhere.anonymous(nowhere.send(ask, "bob").text)


@table(
    [
        (modern("tools/call", {"name": "refund", "requestState": "$state"}), 400, -32602, ("requestState",)),
        (older("tools/list", {}).saying(Mcp_Session_Id="$session"), 404, -32600, ("session", "initialize")),
    ]
)
def test_what_was_sealed_for_one_caller_opens_nothing_for_another(
    either: Desk, ask: Ask, status: int, code: Code, names: tuple[str, ...]
) -> None:
    refused(either, ask, status, code, names, "bob")


@pytest.mark.parametrize(
    ("ask", "within"),
    [
        (agent_protocol("/runs/search", {}), ()),
        (agent_protocol("/threads/search", {}), ()),
        (agent_protocol("/store/items/search", {}), ("items",)),
        (agent_protocol("/store/namespaces", {}), ()),
        (langgraph("/threads/search", {}), ()),
        (langgraph("/threads/count", {}), ()),
        (a2a("ListTasks", {}), ("result", "tasks")),
        (a2a("ListTasks", {}), ("result", "totalSize")),
        (a2a("ListTasks", {"contextId": "$waiting_thread"}), ("result", "tasks")),
    ],
    ids=str,
)
def test_another_tenants_lists_are_empty(either: Desk, ask: Ask, within: tuple[str, ...]) -> None:
    mine, theirs = (either.send(ask, key).json() for key in ("ada", "bob"))
    for key in within:
        mine, theirs = mine[key], theirs[key]
    assert mine
    assert not theirs


def test_what_another_tenant_is_refused_its_owner_is_given(either: Desk) -> None:
    asks = [row[0] for row in ABOUT_A_RUN if row[0].method == "GET" and "artifacts" in row[0].path]
    asks += [row[0] for row in ABOUT_A_RUN if "resources/read" in row[0].name]
    assert [either.send(ask, "ada").status_code for ask in asks] == [200] * 3
    assert all("error" not in either.send(ask, "ada").text for ask in asks)
