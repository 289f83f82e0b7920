"""Answers that come too late or do not fit: refused by each face in its way, and the question stays as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from .refusals import (
    ACCEPT,
    ANSWER,
    INVALID_PARAMS,
    RESUME,
    RUN,
    TASKS,
    THREAD,
    UNSUPPORTED,
    VERBS,
    about,
    helps,
    refused,
    table,
    unharmed,
)
from .wire import Ask, a2a, agent_protocol, langgraph, modern, older, said

if TYPE_CHECKING:
    from .conftest import Desk
    from .wire import Code


@table(
    [
        (agent_protocol("/runs/$done/resume", ANSWER), 409, "conflict", ("succeeded",)),
        (agent_protocol("/runs/$done/resume", {"answers": {"decision": "reject"}}), 409, "run_ended", ("succeeded",)),
        (agent_protocol("/runs/$half/resume", {"answers": {"heavy": "no"}}), 409, "conflict", ("answered", "'urgent'")),
        (
            agent_protocol("/runs/$half/resume", {"answers": {"$heavy": "no"}}),
            409,
            "conflict",
            ("answered", "'urgent'"),
        ),
        (agent_protocol("/runs", {**RESUME, "thread_id": "$done_thread"}), 409, "conflict", ("answer",)),
        (
            agent_protocol("/runs/wait", {"command": {"resume": {"$heavy": "no"}}, "thread_id": "$half_thread"}),
            409,
            "conflict",
            ("answered", "'urgent'"),
        ),
        *(
            (langgraph(f"/threads/$done_thread{verb}", {"assistant_id": "refund", **RESUME}), 409, None, ("answer",))
            for verb in VERBS
        ),
        (
            langgraph("/threads/$half_thread/runs", {"assistant_id": "weigh", "command": {"resume": {"$heavy": "no"}}}),
            409,
            None,
            ("answered", "'urgent'"),
        ),
        (a2a("SendMessage", said("reject", taskId="$done")), 200, UNSUPPORTED, ("COMPLETED", "contextId")),
        (a2a("SendStreamingMessage", said({"decision": "reject"}, taskId="$done")), 200, UNSUPPORTED, ("COMPLETED",)),
        (
            a2a("SendMessage", said({"heavy": "no"}, taskId="$half"), "weigh"),
            200,
            UNSUPPORTED,
            ("answered", "'urgent'"),
        ),
        *(
            (era("tools/call", {"name": "run_answer", "arguments": arguments}), 200, "isError", names)
            for era in (modern, older)
            for arguments, names in [
                ({"run_id": "$done", "answer": "reject"}, ("succeeded",)),
                ({"run_id": "$done", "answer": "reject", "question": "decision"}, ("succeeded",)),
                ({"run_id": "$half", "answer": "no", "question": "heavy"}, ("answered", "'urgent'")),
            ]
        ),
    ]
)
def test_a_question_is_answered_once(desk: Desk, ask: Ask, status: int, code: Code, names: tuple[str, ...]) -> None:
    refused(desk, ask, status, code, names)


MAYBE = {"decision": {"action": "accept", "content": {"answer": "maybe"}}}
CHOICES = ("'decision'", "approve", "reject")
TEXT = said("maybe", taskId="$waiting")


@table(
    [
        (agent_protocol(f"{RUN}/resume", {"answer": "maybe"}), 422, "invalid_input", CHOICES),
        (agent_protocol(f"{RUN}/resume", {"answer": None}), 422, "invalid_input", CHOICES),
        (agent_protocol(f"{RUN}/resume", {"answers": {"decision": 7}}), 422, "invalid_input", CHOICES),
        (
            agent_protocol(f"{RUN}/resume", {"answers": {"weather": 7}}),
            422,
            "invalid_input",
            ("'weather'", "'decision'"),
        ),
        (agent_protocol(f"{RUN}/resume", {"answers": {}}), 422, "invalid_input", ("'decision'",)),
        (agent_protocol(f"{RUN}/resume", {"answers": ["approve"]}), 422, "invalid_input", ("answers",)),
        (agent_protocol(f"{RUN}/resume", {}), 422, "invalid_input", ("answers", "answer")),
        (
            agent_protocol("/runs/wait", {"command": {"resume": "maybe"}, "thread_id": "$waiting_thread"}),
            422,
            "invalid_input",
            CHOICES,
        ),
        *(
            (
                langgraph(f"{THREAD}{verb}", {"assistant_id": "refund", "command": {"resume": "maybe"}}),
                422,
                None,
                CHOICES,
            )
            for verb in VERBS
        ),
        (a2a("SendMessage", TEXT), 200, INVALID_PARAMS, CHOICES),
        (a2a("SendStreamingMessage", TEXT), 200, INVALID_PARAMS, CHOICES),
        (a2a("SendMessage", said({"decision": "maybe"}, taskId="$waiting")), 200, INVALID_PARAMS, CHOICES),
        (a2a("SendMessage", said([7], taskId="$waiting")), 200, INVALID_PARAMS, CHOICES),
        (modern("tasks/update", {"taskId": "$waiting", "inputResponses": MAYBE}, **TASKS), 400, -32602, CHOICES),
        (
            modern("tasks/update", {"taskId": "$waiting", "inputResponses": {"decision": "approve"}}, **TASKS),
            400,
            -32602,
            ("'decision'", "accept, decline or cancel"),
        ),
        *((era("tools/call", about("run_answer", answer="maybe")), 200, "isError", CHOICES) for era in (modern, older)),
    ]
)
def test_an_answer_that_does_not_fit_is_refused_with_what_would_and_the_question_stays_open(
    desk: Desk, ask: Ask, status: int, code: Code, names: tuple[str, ...]
) -> None:
    refused(desk, ask, status, code, names)


def test_an_answer_that_does_not_fit_a_request_state_is_asked_for_again_and_told_why(desk: Desk) -> None:
    call = {"name": "refund", "arguments": {"order_id": "A-1", "amount": 250}, "requestState": "$state"}
    before = desk.kept()
    answer = desk.send(modern("tools/call", {**call, "inputResponses": MAYBE}, elicitation={}), "ada")
    again = answer.json()["result"]
    assert again["resultType"] == "input_required"
    helps(desk, again["inputRequests"]["decision"]["params"]["message"], CHOICES)
    unharmed(desk, answer, before)


def _reply(run: str, question: str, answers: dict[str, Any]) -> Ask:
    """The reply of an older client to what it was asked, when the call that asked is over."""
    body = {"jsonrpc": "2.0", "id": f"ask:{run}:{question}:1", "result": answers["decision"]}
    return replace(older("", {}), body=body, name="older reply")


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (modern("tasks/update", {"taskId": "$done", "inputResponses": ACCEPT}, **TASKS), 200),
        (_reply("$done", "$done_question", ACCEPT), 202),
        (_reply("$waiting", "$question", MAYBE), 202),
        (_reply("$waiting_thread", "$question", ACCEPT), 202),
    ],
    ids=str,
)
def test_where_mcp_has_no_error_for_an_answer_it_is_acknowledged_and_changes_nothing(
    desk: Desk, ask: Ask, status: int
) -> None:
    before = desk.kept()
    answer = desk.send(ask, "ada")
    assert answer.status_code == status
    unharmed(desk, answer, before)
