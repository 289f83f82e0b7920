"""Messages, in and out, and what a body gives an agent: as tables."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.agent_protocol.inputs import Given, given
from dragoman.agent_protocol.messages import heard, last_said, told
from dragoman.agent_protocol.surface import Surface
from dragoman.agents import Context, agent
from dragoman.engine import UNSET
from dragoman.memory.errors import InputInvalid

AP, SDK = Surface.AGENT_PROTOCOL, Surface.LANGGRAPH
IMAGE = {"type": "image_url", "image_url": "https://pictures.example/1.png"}


@agent
async def plain(ctx: Context, text: str) -> str:
    return text


@agent
async def chat(ctx: Context, messages: list[dict[str, Any]]) -> str:
    return str(len(messages))


@pytest.mark.parametrize(
    ("message", "role", "content"),
    [
        ("hello", "user", "hello"),
        (["system", "be brief"], "system", "be brief"),
        ({"role": "user", "content": "hello"}, "user", "hello"),
        ({"type": "human", "content": "hello"}, "user", "hello"),
        ({"type": "ai", "content": "hello"}, "assistant", "hello"),
        ({"type": "tool", "content": "42", "tool_call_id": "c"}, "tool", "42"),
        ({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "user", "a\nb"),
        ({"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]}, "user", "see"),
    ],
)
def test_a_message_is_heard_in_every_form_that_clients_send(message: Any, role: str, content: str) -> None:
    made = heard(message, "m")
    assert (made["role"], made["content"]) == (role, content)
    assert made["id"]


def test_a_message_keeps_its_id_its_own_fields_and_blocks_that_are_more_than_text() -> None:
    blocks = [{"type": "text", "text": "see"}, IMAGE]
    made = heard({"type": "human", "content": blocks, "id": "m1", "name": "ada", "additional_kwargs": {}}, "m")
    assert made == {"role": "user", "content": "see", "id": "m1", "parts": blocks, "name": "ada"}
    assert told(made, AP)["content"] == blocks
    assert told(made, SDK) == {
        "type": "human",
        "content": blocks,
        "id": "m1",
        "additional_kwargs": {},
        "response_metadata": {},
        "name": "ada",
    }


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (7, "m"),
        ({"content": "x"}, "m.role"),
        ({"role": "user"}, "m.content"),
        ({"role": "user", "content": 7}, "m.content"),
        ({"role": "user", "content": ["x"]}, "m.content.0"),
        ({"role": "user", "content": "x", "id": 7}, "m.id"),
        ({"type": "remove", "id": "m1"}, "m.role"),
    ],
)
def test_a_message_that_cannot_be_read_is_refused_by_field(message: Any, field: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        heard(message, "m")
    assert caught.value.problems[0]["field"] == field


def test_parts_of_another_protocol_are_not_taken_for_blocks() -> None:
    assert told({"role": "user", "content": "x", "parts": [{"kind": "text", "text": "x"}]}, AP)["content"] == "x"


def test_what_is_said_is_the_last_message_of_the_user() -> None:
    said = last_said([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, ["assistant", "c"]], "m")
    assert said is not None
    assert said["content"] == "b"
    assert last_said([["assistant", "c"]], "m") is None


@pytest.mark.parametrize(
    ("value", "messages", "expected"),
    [
        ({"text": "a"}, (), ({"text": "a"}, None)),
        ("a", (), (UNSET, "a")),
        (None, (), (UNSET, None)),
        (None, ["a"], (UNSET, "a")),
        ({"text": "a"}, ["b"], ({"text": "a"}, "b")),
        ({"messages": [{"role": "user", "content": "a"}]}, (), (UNSET, "a")),
        ({"messages": {"role": "user", "content": "a"}}, (), (UNSET, "a")),
        ({"messages": [["user", "a"]], "n": 1}, (), ({"n": 1}, "a")),
        ([{"type": "human", "content": "a"}], (), (UNSET, "a")),
        ([1, 2], (), ([1, 2], None)),
        (7, (), (7, None)),
    ],
)
def test_a_body_gives_an_agent_structured_input_or_prose(value: Any, messages: Any, expected: Any) -> None:
    read = given(plain, value, messages)
    assert (read.input, read.text) == expected


def test_an_agent_that_takes_messages_gets_them_all() -> None:
    whole = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]}
    read = given(chat, whole)
    assert read.input == whole
    assert read.text == "a"


def test_an_agent_that_takes_messages_may_be_given_none() -> None:
    assert given(chat, {"messages": []}) == Given({"messages": []})
    assert given(chat, {"messages": []}, ["a"]).text == "a"
    with pytest.raises(InputInvalid, match="message of the user"):
        given(chat, {"messages": [["system", "s"]]})


@pytest.mark.parametrize(
    ("value", "messages", "field"),
    [
        (None, [["assistant", "a"]], "messages"),
        ({"messages": [["assistant", "a"]]}, (), "input.messages"),
        ({"messages": []}, (), "input.messages"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, (), "input.messages"),
        ({"messages": [{"content": "a"}]}, (), "input.messages.0.role"),
    ],
)
def test_messages_without_a_users_text_are_refused_by_field(value: Any, messages: Any, field: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        given(plain, value, messages)
    assert caught.value.problems[0]["field"] == field
