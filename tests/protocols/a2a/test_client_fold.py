"""What a peer's updates mean for the engine, as a table of streams."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from dragoman.a2a.client_fold import Fold
from dragoman.agents.remote import RemoteArtifact, RemoteFile, Told
from dragoman.memory.model import InterruptKind

IDS = {"taskId": "t", "contextId": "c"}


def told(*updates: dict[str, Any]) -> list[Told]:
    fold = Fold()
    found = [fold.take(update) for update in updates]
    return [one for one in found if one is not None]


def artifact(id: str, *parts: Any, **more: Any) -> dict[str, Any]:
    given = [{"text": part} if isinstance(part, str) else part for part in parts]
    return {"artifactUpdate": {**IDS, "artifact": {"artifactId": id, "name": id, "parts": given}, **more}}


def status(state: str, text: str = "", message_id: str = "m", data: Any = None, **more: Any) -> dict[str, Any]:
    parts: list[Any] = [{"text": text}] if text else []
    parts += [{"data": data}] if data is not None else []
    now: dict[str, Any] = {"state": f"TASK_STATE_{state}", "timestamp": "2026-01-01T00:00:00Z"}
    if parts:
        now["message"] = {"messageId": message_id, "parts": parts} if message_id else {"parts": parts}
    return {"statusUpdate": {**IDS, "status": now, **more}}


def snapshot(*artifacts: dict[str, Any], state: str = "WORKING") -> dict[str, Any]:
    made = [one["artifactUpdate"]["artifact"] for one in artifacts]
    return {"task": {"id": "t", "contextId": "c", "status": {"state": f"TASK_STATE_{state}"}, "artifacts": made}}


def test_prose_comes_in_pieces_and_is_whole_at_the_end() -> None:
    found = told(artifact("a", "one "), artifact("a", "two", append=True), status("COMPLETED"))
    assert [(t.text, t.again) for t in found] == [("one ", False), ("two", False), ("", False)]
    assert found[-1].task.text == "one two"
    assert (found[-1].task.id, found[-1].task.context_id, found[-1].task.state) == ("t", "c", "succeeded")


def test_prose_that_is_replaced_is_told_anew() -> None:
    found = told(artifact("a", "one "), artifact("b", "!"), artifact("a", "uno "))
    assert (found[-1].again, found[-1].task.text) == (True, "uno !")


def test_prose_that_gives_way_to_data_is_not_taken_back() -> None:
    data = {"data": {"n": 1.0, "deep": [2.0, 2.5, True]}}
    found = told(artifact("a", "thinking"), artifact("a", data, "{...}", lastChunk=True), status("COMPLETED"))
    assert (found[1].again, found[1].text) == (False, "")
    (made,) = found[-1].task.artifacts
    assert made == RemoteArtifact("a", "a", "{...}", {"n": 1, "deep": [2, 2.5, True]})
    assert isinstance(made.data["n"], int)
    assert isinstance(made.data["deep"][1], float)


def test_a_snapshot_tells_all_anew_and_what_follows_goes_on() -> None:
    found = told(snapshot(artifact("a", "one ")), artifact("a", "two", append=True))
    assert (found[0].again, found[0].task.text) == (True, "one ")
    assert (found[1].again, found[1].text) == (False, "two")


def _raw(data: bytes, name: str = "f.bin") -> dict[str, Any]:
    return {"raw": base64.b64encode(data).decode(), "filename": name, "mediaType": "x/y"}


def test_a_file_in_chunks_is_told_when_it_is_whole() -> None:
    found = told(
        artifact("f", _raw(b"\x00\x01")),
        artifact("f", _raw(b"\x02"), append=True),
        artifact("f", _raw(b"\x03"), append=True, lastChunk=True),
    )
    assert [t.files for t in found] == [(), (), (RemoteFile("f.bin", "x/y", b"\x00\x01\x02\x03"),)]


def test_a_file_that_is_never_called_whole_is_told_at_the_end() -> None:
    found = told(artifact("f", _raw(b"\x00")), status("COMPLETED"))
    assert [t.files for t in found] == [(), (RemoteFile("f.bin", "x/y", b"\x00"),)]


@pytest.mark.parametrize(
    ("part", "file"),
    [
        ({"text": "hi", "filename": "a.txt"}, RemoteFile("a.txt", "text/plain", b"hi")),
        ({"data": {"a": 1.0}, "filename": "a.json"}, RemoteFile("a.json", "application/json", b'{"a":1}')),
        ({"url": "https://x/y", "filename": "a"}, RemoteFile("a", "application/octet-stream", url="https://x/y")),
        ({"raw": "AA=="}, RemoteFile("file", "application/octet-stream", b"\x00")),
    ],
)
def test_what_has_a_file_name_is_a_file_and_no_prose(part: dict[str, Any], file: RemoteFile) -> None:
    (one,) = told(artifact("a", part, lastChunk=True))
    assert (one.text, one.files) == ("", (file,))


def test_progress_and_events_of_dragoman_and_status_messages_of_others() -> None:
    found = told(
        status("WORKING", metadata={"progress": {"progress": 1.0, "total": 2.0}}),
        status("WORKING", metadata={"event": {"name": "seen", "data": [1.0]}}),
        status("WORKING", "reading"),
        status("WORKING"),
    )
    assert [(t.progress, t.event) for t in found] == [
        ({"progress": 1, "total": 2}, None),
        (None, ("seen", [1])),
        ({"message": "reading"}, None),
        (None, None),
    ]


def test_a_question_in_prose_is_one_question() -> None:
    (one,) = told(status("INPUT_REQUIRED", "Which?", "q1", {"colours": ["red"]}))
    (question,) = one.task.questions
    assert (one.task.state, one.task.asks, one.task.keyed) == ("asking", "q1", False)
    assert (question.key, question.kind, question.message) == ("input", InterruptKind.INPUT, "Which?")
    assert (question.schema, question.payload) == ({"type": "string"}, {"colours": ["red"]})


def test_questions_without_an_id_are_told_apart_by_their_date() -> None:
    first, again = told(status("INPUT_REQUIRED", "Which?", ""), status("INPUT_REQUIRED", "Which?", ""))
    later = status("INPUT_REQUIRED", "Which?", "")
    later["statusUpdate"]["status"]["timestamp"] = "2026-01-01T00:00:01Z"
    (second,) = told(later)
    assert first.task.asks == again.task.asks != second.task.asks


def test_a_peer_that_wants_authorization_without_a_word_is_asked_for_as_such() -> None:
    (one,) = told(status("AUTH_REQUIRED"))
    assert [(q.kind, q.message) for q in one.task.questions] == [
        (InterruptKind.AUTH, "The agent needs to be authorized.")
    ]


def test_questions_of_dragoman_keep_their_keys_kinds_and_schemas() -> None:
    schema = {"type": "object", "maxProperties": 2.0}
    asked: Any = [{"key": "a", "kind": "approval", "message": "A?", "schema": schema}, {"key": "b", "schema": {}}]
    (one,) = told(status("INPUT_REQUIRED", "A?\nB?", data={"interrupts": asked}))
    assert one.task.keyed
    assert [(q.key, q.kind, q.message) for q in one.task.questions] == [
        ("a", InterruptKind.APPROVAL, "A?"),
        ("b", InterruptKind.INPUT, "b"),
    ]
    assert one.task.questions[0].schema == {"type": "object", "maxProperties": 2}


@pytest.mark.parametrize("listed", [[], [{"key": "a"}], ["a"], {"key": "a"}])
def test_what_only_looks_like_such_questions_is_prose(listed: Any) -> None:
    (one,) = told(status("INPUT_REQUIRED", "?", data={"interrupts": listed}))
    assert not one.task.keyed


def test_a_message_is_a_result_without_a_task() -> None:
    (one,) = told({"message": {"messageId": "m", "contextId": "c", "parts": [{"text": "hi"}, {"data": {"a": 1.0}}]}})
    assert (one.task.id, one.task.context_id, one.task.state) == ("", "c", "succeeded")
    assert one.task.artifacts == (RemoteArtifact("message", "message", "hi", {"a": 1}),)


@pytest.mark.parametrize(
    ("wire", "state"),
    [
        ("SUBMITTED", "working"),
        ("WORKING", "working"),
        ("SOMETHING_NEW", "working"),
        ("COMPLETED", "succeeded"),
        ("FAILED", "failed"),
        ("CANCELED", "cancelled"),
        ("REJECTED", "rejected"),
    ],
)
def test_states(wire: str, state: str) -> None:
    (one,) = told(status(wire, "why"))
    assert (one.task.state, one.task.said) == (state, "why")


def test_an_update_of_no_known_kind_tells_nothing() -> None:
    assert told({"somethingNew": {}}) == []
