"""Python clients as they come, each in an environment of its own, against ``dragoman serve`` and ``dragoman stdio``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .conftest import See, Seen, Server
from .environments import npm, python

pytestmark = [pytest.mark.interop, pytest.mark.timeout(700)]

MODES = ["auto", "legacy", "2026-07-28"]
AGENTS = {"greet", "count", "refund", "delete", "report", "fail"}
COMPANIONS = {"run_status", "run_answer", "run_cancel"}


def _lists(seen: Seen) -> None:
    """Every tool, with its description and its schemas."""
    assert set(seen["tools"]) == AGENTS | COMPANIONS
    greet = seen["tools"]["greet"]
    assert greet["description"] == "Greet someone"
    assert greet["inputSchema"]["required"] == ["name"]
    assert greet["inputSchema"]["properties"]["name"]["type"] == "string"
    assert greet["outputSchema"]["type"] == "object"


def _calls(seen: Seen, parts: tuple[str, ...] = ("text", "resource")) -> None:
    """Text, structured content, an error and an artifact."""
    assert seen["greet"]["text"] == '{"text":"Hello, Ada!","name":"Ada"}'
    assert seen["greet"]["structured"] == {"text": "Hello, Ada!", "name": "Ada"}
    assert not seen["greet"]["error"]
    assert seen["fail"]["error"]
    assert seen["fail"]["text"] == "the bank is closed"
    assert seen["report"]["parts"] == list(parts)
    assert seen["count"]["structured"] == {"result": 3}


def _is_told_progress(seen: Seen) -> None:
    assert seen["progress"] == [[1, 3, "1 of 3"], [2, 3, "2 of 3"], [3, 3, "3 of 3"]]


def _answers(seen: Seen) -> None:
    """A choice and an approval, as the person was asked for them."""
    assert seen["asked"] == ["Refund 500 for A-1?", "Delete it?"]
    assert seen["refund"]["structured"] == {"result": "refunded 500"}
    assert seen["delete"]["structured"] == {"result": "deleted it"}


def _goes_on_by_the_handle(seen: Seen) -> None:
    """Without a person: a handle, and ``run_answer``."""
    handle, answered = seen["handle"]["structured"], seen["answered"]["structured"]
    assert handle["status"] == "waiting"
    assert handle["questions"][0]["message"] == "Refund 500 for A-1?"
    assert (answered["run_id"], answered["status"]) == (handle["run_id"], "succeeded")
    assert answered["output"] == "refunded 500"


@pytest.mark.parametrize("mode", MODES)
def test_the_official_client_lists_calls_is_told_progress_and_answers_in_every_mode(
    see: See, server: Server, mode: str
) -> None:
    seen = see(Path(sys.executable), "sdk", server, mode)
    assert seen["protocol"] == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    _lists(seen)
    _calls(seen)
    _is_told_progress(seen)
    _answers(seen)
    _goes_on_by_the_handle(seen)


@pytest.mark.parametrize("mode", MODES)
def test_the_official_client_does_the_same_through_mcp_remote(see: See, url: str, mode: str) -> None:
    bridge = {"command": [*npm("mcp-remote", "mcp-remote"), url]}
    seen = see(Path(sys.executable), "sdk", bridge, mode)
    assert seen["protocol"] == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    _lists(seen)
    _calls(seen)
    _is_told_progress(seen)
    _answers(seen)
    _goes_on_by_the_handle(seen)


@pytest.mark.parametrize("mode", MODES)
def test_fastmcp_lists_calls_is_told_progress_and_answers_in_every_mode(see: See, server: Server, mode: str) -> None:
    seen = see(python("fastmcp"), "through_fastmcp", server, mode)
    assert seen["protocol"] == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    _lists(seen)
    _calls(seen)
    _is_told_progress(seen)
    _answers(seen)
    _goes_on_by_the_handle(seen)


def test_fastmcp_with_its_tasks_answers_a_task_and_goes_on_by_the_handle_without_a_person(
    see: See, server: Server
) -> None:
    seen = see(python("fastmcp"), "through_fastmcp_tasks", server)
    _lists(seen)
    _calls(seen)
    assert seen["asked"] == ["Delete it?", "Refund 500 for A-1?"]
    assert seen["statuses"] == ["input_required", "completed"]
    assert seen["refund"]["structured"] == {"result": "refunded 500"}
    assert seen["delete"]["structured"] == {"result": "deleted it"}
    _goes_on_by_the_handle(seen)


def test_openai_agents_lists_calls_and_goes_on_by_the_handle(see: See, server: Server) -> None:
    """It asks for no progress by itself; with a token of the caller's its message handler is told."""
    seen = see(python("openai-agents"), "through_openai_agents", server)
    assert seen["protocol"] == "2026-07-28"
    _lists(seen)
    _calls(seen)
    _is_told_progress(seen)
    _goes_on_by_the_handle(seen)


def test_langchain_lists_calls_is_told_progress_and_answers(see: See, server: Server) -> None:
    """Its tools have no output schema, and an embedded resource becomes text."""
    seen = see(python("langchain-mcp-adapters"), "through_langchain", server)
    assert seen["protocol"] == "2025-11-25"
    assert set(seen["tools"]) == AGENTS | COMPANIONS
    assert seen["tools"]["greet"]["description"] == "Greet someone"
    assert seen["tools"]["greet"]["inputSchema"]["required"] == ["name"]
    _calls(seen, parts=("text", "text"))
    _is_told_progress(seen)
    _answers(seen)
    _goes_on_by_the_handle(seen)


def test_pydantic_ai_lists_calls_is_told_progress_and_answers(see: See, server: Server) -> None:
    """It makes one value of a result: the structured one without its wrapping, or the contents."""
    seen = see(python("pydantic-ai"), "through_pydantic_ai", server)
    assert seen["protocol"] == "2026-07-28"
    _lists(seen)
    assert seen["greet"] == {"value": {"text": "Hello, Ada!", "name": "Ada"}, "error": False}
    assert seen["fail"]["error"]
    assert seen["fail"]["text"] == "the bank is closed"
    assert seen["report"]["value"] == ["written", "# All is well"]
    assert seen["count"]["value"] == 3
    _is_told_progress(seen)
    assert seen["asked"] == ["Refund 500 for A-1?", "Delete it?"]
    assert (seen["refund"]["value"], seen["delete"]["value"]) == ("refunded 500", "deleted it")
    assert seen["handle"]["value"]["status"] == "waiting"
    assert seen["answered"]["value"]["output"] == "refunded 500"
