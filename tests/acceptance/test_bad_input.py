"""Bad input, on every face: each bad request gets its protocol's own error, with a message that helps, and changes
nothing.

A row of a table is a request and the refusal it must get: HTTP status, the protocol's code, and what its message
names. After each request every row of the ledger is what it was, and the server's log has nothing to complain of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from .wire import Ask, a2a, agent_protocol, gate_told, langgraph, legacy, modern, older, said, told

if TYPE_CHECKING:
    from .conftest import Desk
    from .wire import Code

Row = tuple[Ask, int, "Code", tuple[str, ...]]

INVALID_PARAMS = (-32602, "INVALID_PARAMS")
TASK_NOT_FOUND = (-32001, "TASK_NOT_FOUND")
UNSUPPORTED = (-32004, "UNSUPPORTED_OPERATION")
VERBS = ("/runs", "/runs/wait", "/runs/stream")
TASKS: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


def table(rows: list[Row]) -> pytest.MarkDecorator:
    """Each row as a case named after its request."""
    return pytest.mark.parametrize(("ask", "status", "code", "names"), rows, ids=[str(row[0]) for row in rows])


def refused(desk: Desk, ask: Ask, status: int, code: Code, names: tuple[str, ...], key: str = "ada") -> httpx.Response:
    """Send a bad request and assert all that is asserted of every one."""
    before = desk.kept()
    answer = desk.send(ask, key)
    assert (answer.status_code, told(ask.face, answer)[0]) == (status, code), answer.text
    helps(desk, told(ask.face, answer)[1], names)
    unharmed(desk, answer, before)
    return answer


def helps(desk: Desk, message: str, names: tuple[str, ...]) -> None:
    """The message is for people: short, and it names what they need."""
    assert all(desk.filled(name) in message for name in names), message
    assert 10 < len(message) < 600, message


def unharmed(desk: Desk, answer: httpx.Response, before: Any) -> None:
    """Nothing was written, neither to the ledger nor as an error to the log, and nothing of the inside was told."""
    assert "Traceback" not in answer.text
    assert '.py"' not in answer.text
    assert desk.kept() == before


# -- an agent that is not there ---------------------------------------------------------------------------------------
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


# -- input that does not fit the agent's schema -----------------------------------------------------------------------
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


# -- bodies that cannot be read ---------------------------------------------------------------------------------------
POSTS = [
    *(agent_protocol(path, {}) for path in (*VERBS, "/runs/$waiting/resume", "/threads", "/store/items/search")),
    langgraph("/threads/$waiting_thread/runs", {}),
    langgraph("/threads/$waiting_thread/state", {}),
    a2a("SendMessage", {}),
    a2a("SendStreamingMessage", {}),
    legacy("message/send", {}),
    modern("tools/call", {"name": "refund"}),
    older("tools/call", {"name": "refund"}),
]
MIB_10 = 10 * 1024 * 1024
UNREADABLE = {
    "100k_deep": b'{"agent_id": "refund", "input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100k_deep_unclosed": b'{"params": ' * 100_000,
    "300_deep": b'{"assistant_id": "refund", "input": ' + b'{"a": ' * 300 + b"1" + b"}" * 301,
    "cut_off": b'{"agent_id": "refund", "input": {"order_id": "A-',
    "no_number": b'{"agent_id": "refund", "input": {"order_id": "A-1", "amount": NaN}}',
    "no_utf8": b'{"agent_id": "refund", "input": "\xff\xfe"}',
    "no_json": b"agent_id=refund&input=x",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("ask", POSTS, ids=str)
def test_what_is_no_json_or_too_deep_is_a_parse_error_that_tells_where(desk: Desk, ask: Ask, body: bytes) -> None:
    status, code = {
        "agent_protocol": (422, "malformed_body"),
        "langgraph": (422, None),
        "a2a": (200, (-32700, "INVALID_JSON")),
        "mcp": (400, -32700),
    }[ask.face]
    answer = refused(desk, ask.sending(body), status, code, ())
    message = told(ask.face, answer)[1]
    assert "line 1, column" in message or "200 levels" in message


@pytest.mark.parametrize("in_pieces", [False, True], ids=["of_known_length", "in_pieces"])
@pytest.mark.parametrize("ask", POSTS, ids=str)
def test_a_body_of_10_mib_is_refused_with_the_limit_and_where_it_is_set(desk: Desk, ask: Ask, in_pieces: bool) -> None:
    whole = b'{"padding": "' + b"x" * MIB_10 + b'"}'
    before = desk.kept()
    answer = desk.send(ask.sending(_pieces(whole) if in_pieces else whole), "ada")
    assert (answer.status_code, gate_told(ask.face, answer)[0]) == (
        413,
        "content_too_large" if ask.face in ("agent_protocol", "langgraph") else -32600,
    )
    helps(desk, gate_told(ask.face, answer)[1], ("4,194,304 bytes", "body_limit under [server] in dragoman.toml"))
    unharmed(desk, answer, before)


def _pieces(whole: bytes) -> Iterator[bytes]:
    for start in range(0, len(whole), 65_536):
        yield whole[start : start + 65_536]


# -- runs and tasks that are not there, or not the caller's -----------------------------------------------------------
ANSWER = {"answer": "approve"}
RESUME = {"command": {"resume": "approve"}}
ACCEPT = {"decision": {"action": "accept", "content": {"answer": "approve"}}}
RUN = "/runs/$waiting"
THREAD = "/threads/$waiting_thread"
INPUT = {"order_id": "A-1", "amount": 1}


def _tool(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": {"run_id": "$waiting", **arguments}}


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
        for tool in (_tool("run_status"), _tool("run_answer", answer="approve"), _tool("run_cancel"))
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
    desk: Desk, ask: Ask, status: int, code: Code, names: tuple[str, ...]
) -> None:
    answer = refused(desk, ask, status, code, names, "bob")
    nowhere = desk.nowhere()
    assert desk.anonymous(answer.text) == nowhere.anonymous(nowhere.send(ask, "bob").text)


@table(
    [
        (modern("tools/call", {"name": "refund", "requestState": "$state"}), 400, -32602, ("requestState",)),
        (older("tools/list", {}).saying(Mcp_Session_Id="$session"), 404, -32600, ("session", "initialize")),
    ]
)
def test_what_was_sealed_for_one_caller_opens_nothing_for_another(
    desk: Desk, ask: Ask, status: int, code: Code, names: tuple[str, ...]
) -> None:
    refused(desk, ask, status, code, names, "bob")


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
def test_another_tenants_lists_are_empty(desk: Desk, ask: Ask, within: tuple[str, ...]) -> None:
    mine, theirs = (desk.send(ask, key).json() for key in ("ada", "bob"))
    for key in within:
        mine, theirs = mine[key], theirs[key]
    assert mine
    assert not theirs


# -- answers ----------------------------------------------------------------------------------------------------------
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
        *((era("tools/call", _tool("run_answer", answer="maybe")), 200, "isError", CHOICES) for era in (modern, older)),
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


# -- keys -------------------------------------------------------------------------------------------------------------
UNKNOWN_KEY = "dg_0123456789ab_" + "A" * 43


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "Authorization: Bearer dg_"),
        ({"Authorization": f"Bearer {UNKNOWN_KEY}"}, "unknown or revoked"),
        ({"X-API-Key": UNKNOWN_KEY}, "unknown or revoked"),
        ({"Authorization": "Bearer $eve_key"}, "unknown or revoked"),
        ({"Authorization": "Bearer $ada_key!"}, "unknown or revoked"),
        ({"Authorization": "Basic YWRhOmFkYQ=="}, "unknown or revoked"),
        ({"Authorization": "$ada_key"}, "unknown or revoked"),
    ],
    ids=["none", "unknown", "unknown_x_api_key", "revoked", "longer", "basic", "without_scheme"],
)
@pytest.mark.parametrize("ask", [*POSTS, agent_protocol(RUN), a2a("GetTask", {"id": "$waiting"})], ids=str)
def test_who_has_no_valid_key_is_challenged(desk: Desk, ask: Ask, headers: dict[str, str], said: str) -> None:
    before = desk.kept()
    answer = desk.send(ask, None, **headers)
    code = "unauthorized" if ask.face in ("agent_protocol", "langgraph") else -32600
    assert (answer.status_code, gate_told(ask.face, answer)[0]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="dragoman"')
    helps(desk, gate_told(ask.face, answer)[1], (said, "API key"))
    unharmed(desk, answer, before)


# -- a full queue -----------------------------------------------------------------------------------------------------
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
