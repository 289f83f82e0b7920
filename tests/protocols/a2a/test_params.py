"""Requests are read as ProtoJSON is, and what is wrong with one is told by its field."""

from __future__ import annotations

import contextlib
from typing import Any, cast

import pytest
from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from dragoman.a2a.errors import Fault
from dragoman.a2a.params import STATES, read_id, read_listing, read_sending, read_task
from dragoman.a2a.push_params import PushConfig
from dragoman.engine import Unset

MESSAGE = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hi"}]}


def sent(*parts: Any, **message: Any) -> dict[str, Any]:
    return {"message": {**MESSAGE, "parts": list(parts), **message}}


CONTENTS = [
    ([{"text": "hi"}], "hi", Unset),
    ([{"text": "a"}, {"text": "b"}], "a\nb", Unset),
    ([{"data": {"n": 1}}], None, {"n": 1}),
    ([{"data": {"n": 1}}, {"text": "see data"}], "see data", {"n": 1}),
    ([{"data": None}], None, None),
    ([{"text": "hi", "data": None}], "hi", Unset),
    ([{"raw": "aGk=", "mediaType": "text/plain"}], "hi", Unset),
    ([{"raw": "aGk", "media_type": "text/plain; charset=utf-8"}], "hi", Unset),
    ([{"raw": "eyJuIjoxfQ==", "mediaType": "application/json"}], None, {"n": 1}),
]


@pytest.mark.parametrize(("parts", "text", "data"), CONTENTS)
def test_the_parts_are_prose_and_data(parts: Any, text: Any, data: Any) -> None:
    sending = read_sending(sent(*parts))
    assert sending.text == text
    assert isinstance(sending.data, Unset) if data is Unset else sending.data == data


def test_a_message_of_one_text_is_kept_as_it_is() -> None:
    assert read_sending(sent({"text": "hi"})).message == {"role": "user", "content": "hi", "id": "m1"}


def test_what_more_a_message_says_is_kept_with_it() -> None:
    parts = [{"text": "hi", "metadata": {"lang": "en"}}]
    kept = read_sending(sent(*parts, metadata={"a": 1}, extensions=["urn:x"], referenceTaskIds=["r0"])).message
    assert kept["parts"] == parts
    assert (kept["metadata"], kept["extensions"], kept["referenceTaskIds"]) == ({"a": 1}, ["urn:x"], ["r0"])


def test_names_of_the_proto_file_are_understood_too() -> None:
    sending = read_sending(
        {
            "message": {"message_id": "m1", "role": 1, "parts": [{"text": "hi"}], "task_id": "r1", "context_id": "t1"},
            "configuration": {"history_length": "2", "return_immediately": True},
            "unheard": {"of": 1},
        }
    )
    assert (sending.message_id, sending.task_id, sending.context_id) == ("m1", "r1", "t1")
    assert (sending.history_length, sending.return_immediately) == (2, True)


def test_null_is_the_absence_of_a_field() -> None:
    sending = read_sending({"message": {**MESSAGE, "taskId": None, "metadata": None}, "configuration": None})
    assert (sending.task_id, sending.metadata, sending.history_length) == ("", {}, None)


WRONG: list[tuple[Any, str, str]] = [
    ({}, "message", "is required"),
    ({"message": "hi"}, "message", "an object"),
    (sent({"text": "hi"}, messageId=""), "message.messageId", "required"),
    (sent({"text": "hi"}, messageId=7), "message.messageId", "a string"),
    (sent({"text": "hi"}, messageId="x" * 300), "message.messageId", "longer than 256"),
    (sent({"text": "hi"}, role=None), "message.role", "missing"),
    (sent({"text": "hi"}, role="user"), "message.role", "ROLE_USER"),
    (sent({"text": "hi"}, role="ROLE_AGENT"), "message.role", "not ROLE_AGENT"),
    (sent(), "message.parts", "at least one"),
    (sent({"text": "hi"}, parts={}), "message.parts", "an array"),
    (sent("hi"), "message.parts[0]", "an object"),
    (sent({"text": "hi"}, {}), "message.parts[1]", "exactly one"),
    (sent({"text": "hi", "data": 1}), "message.parts[0]", "exactly one"),
    (sent({"text": 5}), "message.parts[0].text", "a string"),
    (sent({"data": {}}, {"data": {}}), "message.parts[1].data", "second"),
    (sent({"raw": "!!", "mediaType": "text/plain"}), "message.parts[0].raw", "base64"),
    (sent({"raw": "//4=", "mediaType": "text/plain"}), "message.parts[0].raw", "text/plain"),
    (sent({"raw": "e30x", "mediaType": "application/json"}), "message.parts[0].raw", "application/json"),
    (sent({"text": "hi"}, contextId="a b"), "message.contextId", "letters"),
    (sent({"text": "hi"}, contextId="../../etc"), "message.contextId", "letters"),
    (sent({"text": "hi"}, contextId="x" * 129), "message.contextId", "128"),
    (sent({"text": "hi"}, metadata=[]), "message.metadata", "an object"),
    (sent({"text": "hi"}, referenceTaskIds=[1]), "message.referenceTaskIds", "strings"),
    ({**sent({"text": "hi"}), "metadata": "x"}, "metadata", "an object"),
    ({**sent({"text": "hi"}), "configuration": 1}, "configuration", "an object"),
    ({**sent({"text": "hi"}), "configuration": {"historyLength": -1}}, "configuration.historyLength", "0 or more"),
    ({**sent({"text": "hi"}), "configuration": {"historyLength": 1.5}}, "configuration.historyLength", "integer"),
    ({**sent({"text": "hi"}), "configuration": {"historyLength": 2**31}}, "configuration.historyLength", "32 bits"),
    (
        {**sent({"text": "hi"}), "configuration": {"returnImmediately": "yes"}},
        "configuration.returnImmediately",
        "true",
    ),
]


@pytest.mark.parametrize(("params", "field", "problem"), WRONG)
@pytest.mark.requirement(
    "a2a.errors.validation", "a2a.context.rejected", "a2a.fields.required", "a2a.input.validated", "a2a.schema"
)
def test_a_wrong_message_is_refused_by_its_field(params: Any, field: str, problem: str) -> None:
    with pytest.raises(Fault) as caught:
        read_sending(params)
    assert caught.value.kind.code == -32602
    assert caught.value.violations[0]["field"] == field
    assert problem in caught.value.message


@pytest.mark.parametrize(
    "part", [{"url": "https://files.example/a.png"}, {"raw": "aGk=", "mediaType": "image/png"}, {"raw": "aGk="}]
)
@pytest.mark.requirement("a2a.send.media-types", "a2a.ssrf")
def test_a_file_that_the_agent_cannot_read_is_a_content_type_that_is_not_supported(part: Any) -> None:
    with pytest.raises(Fault, match="not supported") as caught:
        read_sending(sent(part))
    assert caught.value.kind.code == -32005


def test_a_push_configuration_comes_with_a_message() -> None:
    push = {"taskPushNotificationConfig": {"url": "https://hooks.example/x", "token": "hush"}}
    sending = read_sending({**sent({"text": "hi"}), "configuration": push})
    assert sending.push == PushConfig("", "https://hooks.example/x", "hush")
    assert read_sending(sent({"text": "hi"})).push is None
    with pytest.raises(Fault, match=r"configuration\.taskPushNotificationConfig\.url: is required"):
        read_sending({**sent({"text": "hi"}), "configuration": {"taskPushNotificationConfig": {"id": "c"}}})


def test_what_the_sdk_writes_is_read() -> None:
    part = pb.Part(text="hi", metadata={"lang": "en"}, media_type="text/plain")
    message = pb.Message(message_id="m1", role=pb.Role.ROLE_USER, parts=[part], task_id="r1", reference_task_ids=["r0"])
    configuration = pb.SendMessageConfiguration(history_length=3, return_immediately=True)
    request = pb.SendMessageRequest(message=message, configuration=configuration, metadata={"n": 1})
    sending = read_sending(MessageToDict(request))
    assert (sending.text, sending.task_id, sending.metadata) == ("hi", "r1", {"n": 1})
    assert (sending.history_length, sending.return_immediately) == (3, True)


@pytest.mark.requirement("a2a.json.enums")
def test_states_are_numbered_as_in_the_proto_file() -> None:
    assert dict(pb.TaskState.items()) == {name: number for number, name in enumerate(STATES)}


def test_a_listing_has_defaults() -> None:
    listing = read_listing({})
    assert (listing.state, listing.page_size, listing.page_token, listing.include_artifacts) == ("", 50, "", False)


MOMENTS = [
    ("1970-01-01T00:00:01Z", 1_000_000),
    ("1970-01-01T00:00:00.000001Z", 1),
    ("1970-01-01T01:00:00.5+01:00", 500_000),
    ("1970-01-01T00:00:00.123456789Z", 123_456),
]


@pytest.mark.parametrize(("text", "micros"), MOMENTS)
@pytest.mark.requirement("a2a.json.timestamps-read")
def test_timestamps_are_read_to_the_microsecond(text: str, micros: int) -> None:
    assert read_listing({"statusTimestampAfter": text}).updated_after == micros


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"pageSize": 0}, "pageSize"),
        ({"pageSize": 101}, "pageSize"),
        ({"pageSize": True}, "pageSize"),
        ({"status": "working"}, "status"),
        ({"status": 99}, "status"),
        ({"status": ["TASK_STATE_WORKING"]}, "status"),
        ({"historyLength": "many"}, "historyLength"),
        ({"statusTimestampAfter": "yesterday"}, "statusTimestampAfter"),
        ({"statusTimestampAfter": "2026-01-31T10:00:00"}, "statusTimestampAfter"),
        ({"statusTimestampAfter": "2026-01-31"}, "statusTimestampAfter"),
        ({"includeArtifacts": 1}, "includeArtifacts"),
    ],
)
@pytest.mark.requirement("a2a.errors.validation")
def test_a_wrong_listing_is_refused_by_its_field(params: Any, field: str) -> None:
    with pytest.raises(Fault) as caught:
        read_listing(params)
    assert caught.value.violations[0]["field"] == field


def test_a_task_is_named_by_its_id() -> None:
    assert read_task({"id": "r1", "historyLength": 0}) == ("r1", 0, None)
    with pytest.raises(Fault, match="id: is required"):
        read_id({"name": "tasks/r1"})


NAMES = st.sampled_from(
    [
        *("message", "messageId", "role", "parts", "text", "raw", "url", "data", "mediaType", "contextId", "taskId"),
        *("metadata", "configuration", "historyLength", "returnImmediately", "id", "pageSize", "status"),
        *("extensions", "statusTimestampAfter"),
    ]
)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
        max_leaves=20,
    )
)
@pytest.mark.requirement("a2a.errors.validation")
def test_no_json_makes_reading_fail_otherwise_than_by_a_fault(value: Any) -> None:
    params = cast("dict[str, Any]", value) if isinstance(value, dict) else {"message": value}
    for read in (read_sending, read_task, read_listing, read_id):
        with contextlib.suppress(Fault):
            read(params)
