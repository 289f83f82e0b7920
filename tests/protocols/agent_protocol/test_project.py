"""Projections as tables, held against the 0.1.6 document where it speaks of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from dragoman.agent_protocol import project, project_sdk
from dragoman.agent_protocol.options import RESERVED, RunOptions
from dragoman.agent_protocol.shapes import checkpoint_id
from dragoman.agents import Context, Skill, agent
from dragoman.engine.assistants import own_assistant_id
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import (
    Artifact,
    Checkpoint,
    Failure,
    FailureKind,
    Interrupt,
    InterruptKind,
    Run,
    RunStatus,
    RunView,
    StoreItem,
    Thread,
    ThreadStatus,
)

Check = Callable[[str, Any], None]

RUN, THREAD = "01a1fd12-09fa-7000-939f-2a70f5b02e43", "01a1fd12-09fa-7001-8837-93a42beffd74"
SAID = {"role": "user", "content": "hi", "id": "m1"}
REPLY = {"role": "assistant", "content": "hello", "id": f"{RUN}:out"}
VALUES = {"mood": "good", "messages": [SAID, REPLY]}
PLAIN = Run(
    "acme", RUN, THREAD, "echo", "1.0.0", RunStatus.SUCCEEDED, 1_000_000, 2_000_000, {"text": "hi"}, SAID, "hello"
)
QUESTION = Interrupt(RUN, THREAD, "approval", "q1", InterruptKind.APPROVAL, "Go on?", {"type": "object"}, {"n": 1})
FAILURE = Failure(FailureKind.ERROR, "cannot", "ValueError")

VIEWS = {
    "queued": RunView(replace(PLAIN, status=RunStatus.QUEUED, output=None)),
    "running": RunView(replace(PLAIN, status=RunStatus.RUNNING, output=None)),
    "waiting": RunView(replace(PLAIN, status=RunStatus.WAITING, output=None, interrupts=1), (QUESTION,)),
    "succeeded": RunView(PLAIN),
    "failed": RunView(replace(PLAIN, status=RunStatus.FAILED, output=None, failure=FAILURE)),
    "timed out": RunView(
        replace(PLAIN, status=RunStatus.FAILED, failure=Failure(FailureKind.TIMEOUT, "too long", "TimeoutError"))
    ),
    "cancelled": RunView(replace(PLAIN, status=RunStatus.CANCELLED, output=None)),
    "without input": RunView(replace(PLAIN, input=None)),
    "with an artifact": RunView(replace(PLAIN, artifacts=1), (), (Artifact(RUN, "a1", "r.txt", "text/plain", b"abc"),)),
}


@agent(title="Echo", description="Says it again.", skills=[Skill("say", "Say", "Says.", ("talk",), ("Say hi",))])
async def echo(ctx: Context, text: str) -> str:
    return text


# -- Agent Protocol ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", VIEWS)
def test_a_run_in_every_status_fits_the_document(name: str, conforms: Check) -> None:
    conforms("Run", project.run(VIEWS[name]))
    conforms("RunWaitResponse", project.result(VIEWS[name], VALUES))


def test_the_document_is_really_held_against(conforms: Check) -> None:
    shown = project.run(VIEWS["succeeded"])
    with pytest.raises(jsonschema.ValidationError):
        conforms("Run", {**shown, "status": "running"})
    with pytest.raises(jsonschema.ValidationError):
        conforms("Run", {**shown, "run_id": "7"})


def test_a_run_is_shown_with_what_it_was_given() -> None:
    assert project.run(VIEWS["succeeded"]) == {
        "run_id": RUN,
        "thread_id": THREAD,
        "agent_id": "echo",
        "created_at": "1970-01-01T00:00:01.000000+00:00",
        "updated_at": "1970-01-01T00:00:02.000000+00:00",
        "status": "success",
        "metadata": {},
        "input": {"text": "hi"},
    }


def test_a_waiting_run_shows_what_it_asks_and_a_settled_one_does_not() -> None:
    assert project.run(VIEWS["waiting"])["interrupts"] == [
        {
            "id": "q1",
            "key": "approval",
            "kind": "approval",
            "message": "Go on?",
            "schema": {"type": "object"},
            "payload": {"n": 1},
        }
    ]
    assert "interrupts" not in project.run(RunView(PLAIN, (QUESTION,)))


def test_a_failed_run_says_why_and_an_artifact_is_told_by_reference() -> None:
    assert project.run(VIEWS["failed"])["error"] == {"type": "ValueError", "message": "cannot", "kind": "error"}
    made = project.run(VIEWS["with an artifact"])["artifacts"]
    assert made == [{"id": "a1", "name": "r.txt", "mime_type": "text/plain", "size": 3}]


def test_a_result_has_messages_beside_the_values_and_the_output_in_them() -> None:
    shown = project.result(VIEWS["succeeded"], VALUES)
    assert shown["values"] == {"mood": "good", "output": "hello"}
    assert shown["messages"] == [SAID, REPLY]
    assert "output" not in project.result(VIEWS["waiting"], VALUES)["values"]


@pytest.mark.parametrize("status", list(ThreadStatus))
def test_a_thread_in_every_status_fits_the_document(status: ThreadStatus, conforms: Check) -> None:
    shown = project.thread(Thread("acme", THREAD, status, VALUES, {"a": 1}, 0, 0))
    conforms("Thread", shown)
    assert shown["values"] == {"mood": "good"}
    assert shown["messages"] == [SAID, REPLY]


def test_a_state_fits_the_document_and_names_its_checkpoint(conforms: Check) -> None:
    shown = project.thread_state(Checkpoint(THREAD, 3, RUN, VALUES, 0, "look_up"))
    conforms("ThreadState", shown)
    assert shown["checkpoint"] == {"checkpoint_id": checkpoint_id(THREAD, 3)}
    assert shown["metadata"] == {"created_at": "1970-01-01T00:00:00.000000+00:00", "run_id": RUN, "step": "look_up"}


def test_an_agent_its_schemas_and_an_item_fit_the_document(conforms: Check) -> None:
    conforms("Agent", project.agent(echo))
    conforms("AgentSchema", project.agent_schemas(echo))
    conforms("Item", project.item(StoreItem(("a", "b"), "k", {"v": 1}, 0, 1)))
    assert project.agent(echo)["metadata"]["skills"][0]["examples"] == ["Say hi"]


# -- the SDK ----------------------------------------------------------------------------------------------------------
def test_the_sdk_gets_a_run_with_the_assistant_of_its_agent() -> None:
    shown = project_sdk.run(replace(PLAIN, status=RunStatus.RUNNING))
    assert shown["status"] == "running"
    assert shown["assistant_id"] == own_assistant_id("echo")
    assert UUID(shown["assistant_id"]).version == 5
    assert shown["multitask_strategy"] == "enqueue"


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("succeeded", "output", "hello"),
        ("failed", "__error__", {"error": "ValueError", "message": "cannot"}),
        (
            "waiting",
            "__interrupt__",
            [
                {
                    "id": "q1",
                    "value": {"key": "approval", "kind": "approval", "message": "Go on?", "payload": {"n": 1}},
                    "response_schema": {"type": "object"},
                }
            ],
        ),
    ],
)
def test_the_sdk_gets_the_bare_state_with_what_it_needs_to_know(name: str, key: str, value: object) -> None:
    state = project_sdk.result(VIEWS[name], VALUES)
    assert state[key] == value
    assert state["mood"] == "good"
    assert [m["type"] for m in state["messages"]] == ["human", "ai"]
    assert {"__error__", "__interrupt__", "output"} & state.keys() == {key}


def test_the_sdk_gets_a_threads_questions_by_task() -> None:
    thread = Thread("acme", THREAD, ThreadStatus.INTERRUPTED, VALUES, {}, 0, 0, checkpoint=1)
    assert list(project_sdk.thread(thread, [VIEWS["waiting"]])["interrupts"]) == [RUN]
    assert project_sdk.thread(replace(thread, checkpoint=0, values={}))["values"] is None


def test_the_sdk_gets_a_state_with_its_tasks_next_and_parent() -> None:
    state = project_sdk.thread_state(THREAD, Checkpoint(THREAD, 2, RUN, VALUES, 0, None, 1), [VIEWS["waiting"]])
    assert state["next"] == ["echo"]
    assert [t["name"] for t in state["tasks"]] == ["echo"]
    assert state["tasks"][0]["interrupts"] == state["interrupts"]
    assert state["parent_checkpoint"]["checkpoint_id"] == checkpoint_id(THREAD, 1)
    empty = project_sdk.thread_state(THREAD, None)
    assert (empty["values"], empty["next"], empty["checkpoint"]["checkpoint_id"]) == ({}, [], None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (None, {"a": 1, "values": {"x": 1, "y": 2}}),
        (["a"], {"a": 1}),
        (["a", "nothing"], {"a": 1}),
        (["values.x"], {"values": {"x": 1}}),
        (["values", "values.x"], {"values": {"x": 1, "y": 2}}),
    ],
)
def test_a_select_takes_fields_and_single_values(fields: list[str] | None, expected: object) -> None:
    assert project_sdk.selected({"a": 1, "values": {"x": 1, "y": 2}}, fields) == expected


# -- what the domain has no place for ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        RunOptions(),
        RunOptions(("messages", "updates")),
        RunOptions(multitask_strategy="reject"),
        RunOptions(("custom",), "interrupt"),
    ],
)
def test_options_come_back_from_metadata_and_clients_never_see_them(options: RunOptions) -> None:
    metadata: Mapping[str, Any] = {"mine": 1}
    kept = options.within(metadata)
    assert RunOptions.of(kept) == options
    assert RunOptions.without(kept) == metadata
    assert (kept is metadata) == (options == RunOptions())


def test_the_reserved_key_cannot_be_forged() -> None:
    with pytest.raises(InputInvalid, match="reserved"):
        RunOptions().within({RESERVED: {"stream_mode": ["debug"]}})
