"""What a bad request gets, on every face: its protocol's own error, with a message that helps, and nothing changed.

A row of a table is a request and the refusal it must get: HTTP status, the protocol's code, and what its message
names. After each request every row of the ledger is what it was, and the server's log has nothing to complain of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from .wire import Ask, a2a, agent_protocol, langgraph, legacy, modern, older, told

if TYPE_CHECKING:
    from .conftest import Desk
    from .wire import Code

__all__ = [
    "ACCEPT",
    "ANSWER",
    "INVALID_PARAMS",
    "POSTS",
    "RESUME",
    "RUN",
    "TASKS",
    "TASK_NOT_FOUND",
    "THREAD",
    "UNSUPPORTED",
    "VERBS",
    "about",
    "helps",
    "refused",
    "table",
    "unharmed",
]

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
ANSWER = {"answer": "approve"}
RESUME = {"command": {"resume": "approve"}}
ACCEPT = {"decision": {"action": "accept", "content": {"answer": "approve"}}}
RUN = "/runs/$waiting"
THREAD = "/threads/$waiting_thread"


def about(name: str, **arguments: Any) -> dict[str, Any]:
    """A call of one of MCP's tools for runs, about the one that waits."""
    return {"name": name, "arguments": {"run_id": "$waiting", **arguments}}
