"""The fold from events to frames, in every mode of both surfaces: as tables, and live against replayed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.agent_protocol.speech import Frame
from dragoman.agent_protocol.sse import START, Position, framed, position
from dragoman.agent_protocol.stream import RunFold
from dragoman.agent_protocol.surface import Surface
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Event

AP, SDK = Surface.AGENT_PROTOCOL, Surface.LANGGRAPH
OUT = "r:out"
SAID = {"role": "user", "content": "go", "id": "m1"}
REPLY = {"role": "assistant", "content": "ab", "id": OUT}
ASKED = {"key": "k", "id": "q", "kind": "input", "message": "Why?", "schema": {"type": "string"}, "payload": None}
ABOUT = {"run_id": "r", "langgraph_node": "agent"}
SHAPE: dict[str, Any] = {"additional_kwargs": {}, "response_metadata": {}}


def events(*given: tuple[str, dict[str, Any]]) -> list[Event]:
    return [Event("t", "r", n, type_, data, 0) for n, (type_, data) in enumerate(given, 1)]


def frames(surface: Surface, modes: list[str], *given: tuple[str, dict[str, Any]]) -> list[Frame]:
    fold = RunFold(surface, "r", "agent", modes, [SAID])
    return [frame for event in events(*given) for frame in fold.feed(event)]


def test_a_stream_begins_with_metadata_and_says_so_again_when_the_run_is_taken_up_again() -> None:
    found = frames(
        SDK, ["updates"], ("run.queued", {}), ("run.started", {"attempt": 1}), ("run.started", {"attempt": 2})
    )
    assert found == [Frame("metadata", {"run_id": "r", "attempt": 1}), Frame("metadata", {"run_id": "r", "attempt": 2})]


def test_values_are_the_whole_state_each_time_with_the_opening_message_from_the_start() -> None:
    found = frames(
        AP,
        ["values"],
        ("run.started", {"attempt": 1}),
        ("values", {"values": {"a": 1, "b": 2}, "checkpoint": 1}),
        ("values", {"values": {"b": None}, "checkpoint": 2, "messages": [SAID, REPLY]}),
        ("run.succeeded", {"output": "ab"}),
    )
    assert [f.data for f in found if f.event == "values"] == [
        {"messages": [SAID]},
        {"a": 1, "b": 2, "messages": []},
        {"a": 1, "messages": [SAID, REPLY]},
        {"a": 1, "messages": [SAID, REPLY], "output": "ab"},
    ]


def test_values_go_on_from_what_the_run_found() -> None:
    fold = RunFold(AP, "r", "agent", ["values"], [SAID])
    fold.values, fold.checkpoint = {"a": 1, "messages": [REPLY]}, 4
    given = events(("run.started", {}), ("values", {"values": {}, "checkpoint": 5, "messages": [SAID]}))
    states = [f.data for e in given for f in fold.feed(e) if f.event == "values"]
    assert states == [{"a": 1, "messages": [REPLY, SAID]}] * 2


def test_a_waiting_run_ends_its_values_and_updates_with_the_questions() -> None:
    found = frames(SDK, ["values", "updates"], ("run.waiting", {"interrupts": [ASKED]}))
    asked = {
        "id": "q",
        "value": {"key": "k", "kind": "input", "message": "Why?", "payload": None},
        "response_schema": {"type": "string"},
    }
    assert found == [
        Frame("values", {"messages": [], "__interrupt__": [asked]}),
        Frame("updates", {"__interrupt__": [asked]}),
    ]


@pytest.mark.parametrize("surface", list(Surface))
@pytest.mark.parametrize("mode", ["values", "updates", "messages", "custom"])
def test_a_failure_is_an_error_frame_in_every_mode(surface: Surface, mode: str) -> None:
    found = frames(surface, [mode], ("run.failed", {"kind": "error", "message": "cannot", "type": "ValueError"}))
    assert found == [Frame("error", {"error": "ValueError", "message": "cannot"})]


def test_updates_name_who_changed_what() -> None:
    found = frames(
        AP,
        ["updates"],
        ("step.finished", {"step": "look_up", "result": 4}),
        ("values", {"values": {"a": 1}, "checkpoint": 1, "messages": [REPLY]}),
        ("run.succeeded", {"output": "ab"}),
    )
    assert [f.data for f in found] == [
        {"look_up": 4},
        {"agent": {"a": 1, "messages": [REPLY]}},
        {"agent": {"output": "ab"}},
    ]


TALK = (
    ("text", {"text": "a"}),
    ("text", {"text": ""}),
    ("text", {"text": "b", "step": "s"}),
    ("values", {"checkpoint": 1, "messages": [SAID, REPLY]}),
)


def test_messages_of_agent_protocol_are_pieces_marked_as_such_and_then_the_whole() -> None:
    part = {"role": "assistant", "id": OUT, "metadata": {"partial": True}}
    assert frames(AP, ["messages"], *TALK) == [
        Frame("messages", {**part, "content": "a"}),
        Frame("messages", {**part, "content": "b"}),
        Frame("messages", REPLY),
    ]


def test_messages_of_the_sdk_are_the_text_so_far_and_then_complete() -> None:
    ai = {"type": "ai", "id": OUT, **SHAPE}
    assert frames(SDK, ["messages"], *TALK) == [
        Frame("messages/metadata", {OUT: {"metadata": ABOUT}}),
        Frame("messages/partial", [{**ai, "content": "a"}]),
        Frame("messages/partial", [{**ai, "content": "ab"}]),
        Frame("messages/complete", [{**ai, "content": "ab"}]),
    ]


def test_message_tuples_are_chunks_and_the_whole_only_where_nothing_was_streamed() -> None:
    chunk = {"type": "AIMessageChunk", "id": OUT, **SHAPE}
    assert frames(SDK, ["messages-tuple"], *TALK) == [
        Frame("messages", [{**chunk, "content": "a"}, ABOUT]),
        Frame("messages", [{**chunk, "content": "b"}, ABOUT]),
    ]
    assert frames(SDK, ["messages-tuple"], TALK[-1]) == [
        Frame("messages", [{"type": "ai", "content": "ab", "id": OUT, **SHAPE}, ABOUT])
    ]


RETRIED = (
    ("text", {"text": "a"}),
    ("text", {"text": "wro", "step": "s"}),
    ("step.retried", {"step": "s", "reason": "crash", "try": 2}),
    ("text", {"text": "b", "step": "s"}),
)


def test_what_a_step_said_is_taken_back_when_it_is_tried_again() -> None:
    said = [f.data[0]["content"] for f in frames(SDK, ["messages"], *RETRIED) if f.event == "messages/partial"]
    assert said == ["a", "awro", "a", "ab"]
    told = [f.data for f in frames(AP, ["messages"], *RETRIED)]
    assert told[2] == {
        "role": "assistant",
        "content": "a",
        "id": OUT,
        "metadata": {"partial": True, "replaces": True},
    }


def test_a_retry_of_a_silent_step_says_nothing() -> None:
    assert frames(SDK, ["messages"], ("text", {"text": "a"}), ("step.retried", {"step": "s"}))[2:] == []


def test_custom_frames_are_what_the_agent_emitted_its_progress_and_its_artifacts() -> None:
    found = frames(
        AP,
        ["custom"],
        ("custom", {"name": "note", "data": [1]}),
        ("progress", {"progress": 1, "total": 2}),
        ("artifact", {"id": "a", "name": "r.txt"}),
        ("text", {"text": "a"}),
    )
    assert [f.data for f in found] == [
        {"name": "note", "data": [1]},
        {"name": "progress", "data": {"progress": 1, "total": 2}},
        {"name": "artifact", "data": {"id": "a", "name": "r.txt"}},
    ]


def test_tasks_are_steps() -> None:
    found = frames(
        SDK,
        ["tasks"],
        ("step.started", {"step": "s"}),
        ("step.finished", {"step": "s", "result": 4}),
        ("step.failed", {"step": "f", "type": "ValueError", "message": "no"}),
    )
    assert found == [
        Frame("tasks", {"id": "r:s", "name": "s", "input": None, "triggers": []}),
        Frame("tasks", {"id": "r:s", "name": "s", "error": None, "interrupts": [], "result": {"result": 4}}),
        Frame("tasks", {"id": "r:f", "name": "f", "error": "no", "interrupts": [], "result": {}}),
    ]


def test_events_are_langchains() -> None:
    found = frames(
        SDK,
        ["events"],
        ("run.started", {"attempt": 1}),
        ("text", {"text": "a"}),
        ("custom", {"name": "note", "data": 1}),
        ("values", {"values": {"a": 1}, "checkpoint": 1}),
        ("run.succeeded", {"output": "ab"}),
    )
    told = [(f.data["event"], f.data["name"]) for f in found if f.event == "events"]
    assert told == [
        ("on_chain_start", "agent"),
        ("on_chat_model_stream", "agent"),
        ("on_custom_event", "note"),
        ("on_chain_stream", "agent"),
        ("on_chain_end", "agent"),
    ]


# -- framing ----------------------------------------------------------------------------------------------------------
def test_a_frame_has_event_data_and_id_on_lines_ended_by_crlf() -> None:
    assert framed(Frame("values", {"a": "ü\n"}), "5-1") == (
        'event: values\r\ndata: {"a":"ü\\n"}\r\nid: 5-1\r\n\r\n'.encode()
    )
    assert framed(Frame("end", None)) == b"event: end\r\ndata: null\r\n\r\n"


@pytest.mark.parametrize(
    ("given_id", "expected"),
    [
        (None, None),
        ("", None),
        ("-1", START),
        ("0", START),
        ("0-0", START),
        ("5", Position(5, 0)),
        ("5-2", Position(5, 2)),
    ],
)
def test_a_last_event_id_is_a_position(given_id: str | None, expected: Position | None) -> None:
    assert position(given_id) == expected


@pytest.mark.parametrize("given_id", ["x", "-2", "5-", "5-1-1", "1.5", "9" * 30, "٣"])
def test_a_last_event_id_that_is_none_is_refused_by_name(given_id: str) -> None:
    with pytest.raises(InputInvalid, match="Last-Event-ID"):
        position(given_id)


@given(
    st.lists(
        st.sampled_from([*TALK, *RETRIED, ("step.finished", {"step": "s", "result": 1}), ("progress", {"progress": 1})])
    ),
    st.sampled_from(list(Surface)),
)
def test_the_same_events_give_the_same_frames(given_events: list[tuple[str, dict[str, Any]]], surface: Surface) -> None:
    modes = ["values", "updates", "messages", "custom"]
    first, second = (frames(surface, modes, *given_events) for _ in range(2))
    assert [framed(f) for f in first] == [framed(f) for f in second]
