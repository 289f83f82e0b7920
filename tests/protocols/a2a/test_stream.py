"""A run's events as a task's stream: what a subscriber puts together is what the task is, wherever it joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

from dragoman.a2a.stream import TaskStream
from dragoman.memory.model import (
    Artifact,
    Event,
    Interrupt,
    InterruptKind,
    InterruptStatus,
    Run,
    RunStatus,
    RunView,
)

AT = 1_700_000_000_000_000
RUN = Run("acme", "r1", "t1", "desk", "1.0.0", RunStatus.RUNNING, AT, AT)
Update = dict[str, Any]


def events(*told: tuple[str, dict[str, Any]]) -> list[Event]:
    return [Event("t1", "r1", n, type, data, AT + n) for n, (type, data) in enumerate(told, 1)]


QUEUED = ("run.queued", {"agent": "desk"})
STARTED = ("run.started", {"attempt": 1})


def text(words: str, step: str | None = None) -> tuple[str, dict[str, Any]]:
    return "text", {"text": words} if step is None else {"text": words, "step": step}


def waiting(key: str, kind: str = "input") -> tuple[str, dict[str, Any]]:
    question: dict[str, Any] = {
        "key": key,
        "id": f"id-{key}",
        "kind": kind,
        "message": f"What {key}?",
        "schema": {},
        "payload": None,
    }
    return "run.waiting", {"interrupts": [question]}


def resumed(*keys: str) -> tuple[str, dict[str, Any]]:
    return "run.resumed", {"keys": list(keys), "by": "ada"}


def succeeded(output: Any) -> tuple[str, dict[str, Any]]:
    return "run.succeeded", {"output": output}


def told(history: Sequence[Event], known: RunView | None = None, joined: int = 2) -> list[Update]:
    """All that a subscriber is told that joins after ``joined`` events."""
    stream = TaskStream(RUN)
    stream.supply(known or RunView(RUN))
    for event in history[:joined]:
        stream.take(event)
    updates = [stream.snapshot()]
    for event in history[joined:]:
        assert not stream.needs(event)
        updates += stream.take(event)
    for update in updates:
        ParseDict(update, pb.StreamResponse())
    return updates


def states(updates: Sequence[Update]) -> list[str]:
    held = [u.get("task") or u.get("statusUpdate") for u in updates]
    return [h["status"]["state"].removeprefix("TASK_STATE_") for h in held if h]


def assembled(updates: Sequence[Update]) -> tuple[str, dict[str, Any]]:
    """The state and the artifacts' parts, text joined, as a client puts them together (section 4.2.2)."""
    state, artifacts = "", dict[str, list[Any]]()
    for update in updates:
        if task := update.get("task"):
            state = task["status"]["state"]
            artifacts = {a["artifactId"]: list(a["parts"]) for a in task.get("artifacts", ())}
        elif status := update.get("statusUpdate"):
            state = status["status"]["state"]
        else:
            change = update["artifactUpdate"]
            made = change["artifact"]
            if change.get("append"):
                assert made["artifactId"] in artifacts, "appends to what the client was never given"
                artifacts[made["artifactId"]] += made["parts"]
            else:
                artifacts[made["artifactId"]] = list(made["parts"])
    held = {name: joined(parts) for name, parts in artifacts.items()}
    return state, {name: content for name, content in held.items() if content != ""}


def joined(parts: list[dict[str, Any]]) -> Any:
    return "".join(p["text"] for p in parts) if all(p.keys() == {"text"} for p in parts) else parts


def test_a_short_run_is_a_task_and_its_completion() -> None:
    updates = told(events(QUEUED, STARTED, succeeded("hi")))
    assert [next(iter(u)) for u in updates] == ["task", "artifactUpdate", "statusUpdate"]
    assert states(updates) == ["WORKING", "COMPLETED"]
    assert assembled(updates)[1] == {"result": "hi"}
    assert updates[1]["artifactUpdate"]["lastChunk"] is True


def test_streamed_text_is_the_result_in_chunks() -> None:
    updates = told(events(QUEUED, STARTED, text("a"), text("b"), succeeded("ab")))
    chunks = [u["artifactUpdate"] for u in updates if "artifactUpdate" in u]
    assert [(c.get("append", False), c.get("lastChunk", False), c["artifact"]["parts"]) for c in chunks] == [
        (False, False, [{"text": "a"}]),
        (True, False, [{"text": "b"}]),
        (True, True, [{"text": ""}]),
    ]


@pytest.mark.parametrize(
    ("output", "result"),
    [
        ("abc", "abc"),
        ("ab", "ab"),
        ("another answer", "another answer"),
        (
            {"n": 1},
            [{"data": {"n": 1}, "mediaType": "application/json"}, {"text": '{"n":1}'}],
        ),
    ],
)
def test_what_was_streamed_ends_up_as_the_output(output: Any, result: Any) -> None:
    updates = told(events(QUEUED, STARTED, text("a"), text("b"), succeeded(output)))
    assert assembled(updates) == ("TASK_STATE_COMPLETED", {"result": result})


def test_what_a_step_streamed_is_taken_back_when_it_begins_anew() -> None:
    history = events(
        QUEUED, STARTED, text("kept "), text("lost", "draft"), ("step.retried", {"step": "draft"}), text("new", "draft")
    )
    assert assembled(told(history))[1] == {"result": "kept new"}


def test_a_step_that_streamed_nothing_begins_anew_in_silence() -> None:
    history = events(QUEUED, STARTED, text("kept"), ("step.retried", {"step": "other"}))
    assert len(told(history)) == 2


def test_progress_is_a_working_status_with_metadata() -> None:
    history = events(QUEUED, STARTED, ("progress", {"progress": 1, "total": 3, "message": "one of three"}))
    (_, update) = told(history)
    assert update["statusUpdate"]["metadata"] == {"progress": {"progress": 1, "total": 3, "message": "one of three"}}
    assert update["statusUpdate"]["status"]["state"] == "TASK_STATE_WORKING"
    assert update["statusUpdate"]["status"]["message"]["parts"] == [{"text": "one of three"}]


def test_an_agents_own_event_is_a_working_status_with_metadata() -> None:
    (_, update) = told(events(QUEUED, STARTED, ("custom", {"name": "seen", "data": [1]})))
    assert update["statusUpdate"]["metadata"] == {"event": {"name": "seen", "data": [1]}}


def test_steps_and_values_are_the_agents_own_affair() -> None:
    history = events(QUEUED, STARTED, ("step.started", {"step": "a"}), ("step.finished", {"step": "a"}), ("values", {}))
    assert len(told(history)) == 1


def test_a_status_is_told_when_it_changes() -> None:
    history = events(
        QUEUED,
        STARTED,
        ("run.asleep", {"wake_at": 1}),
        STARTED,
        waiting("order"),
        resumed("order"),
        STARTED,
        ("run.queued", {}),
        STARTED,
        ("run.cancelled", {"reason": ""}),
    )
    assert states(told(history, joined=1)) == ["SUBMITTED", "WORKING", "INPUT_REQUIRED", "WORKING", "CANCELED"]


def test_a_question_of_authorization_is_auth_required() -> None:
    assert states(told(events(QUEUED, STARTED, waiting("google", "auth")))) == ["WORKING", "AUTH_REQUIRED"]


@pytest.mark.parametrize(("kind", "state"), [("error", "FAILED"), ("timeout", "FAILED"), ("rejected", "REJECTED")])
def test_a_failure_is_told_with_its_reason(kind: str, state: str) -> None:
    updates = told(events(QUEUED, STARTED, ("run.failed", {"kind": kind, "message": "no paper", "type": "OSError"})))
    assert states(updates)[-1] == state
    assert updates[-1]["statusUpdate"]["status"]["message"]["parts"] == [{"text": "no paper"}]


def test_a_file_is_an_artifact_of_its_own() -> None:
    known = RunView(RUN, artifacts=(Artifact("r1", "f1", "receipt.txt", "text/plain", b"paid"),))
    history = events(QUEUED, STARTED, ("artifact", {"id": "f1", "name": "receipt.txt", "size": 4}))
    update = told(history, known)[-1]["artifactUpdate"]
    assert update["artifact"]["artifactId"] == "f1"
    assert update["lastChunk"] is True
    assert "append" not in update


@pytest.mark.parametrize("known", [(), (Artifact("r1", "f1", "receipt.txt", "text/plain", b"older"),)])
def test_a_file_is_asked_for_when_it_is_not_known_as_the_event_tells_of_it(known: tuple[Artifact, ...]) -> None:
    stream = TaskStream(RUN)
    stream.supply(RunView(RUN, artifacts=known))
    (event,) = events(("artifact", {"id": "f1", "name": "receipt.txt", "size": 4}))
    assert stream.needs(event)
    stream.supply(RunView(RUN, artifacts=(Artifact("r1", "f1", "receipt.txt", "text/plain", b"paid"),)))
    assert not stream.needs(event)


def test_who_joins_late_finds_what_was_asked_and_answered() -> None:
    answered = Interrupt(
        "r1",
        "t1",
        "order",
        "id-order",
        InterruptKind.INPUT,
        "What order?",
        {},
        status=InterruptStatus.ANSWERED,
        answer="o1",
    )
    history = events(QUEUED, STARTED, waiting("order"), resumed("order"), STARTED)
    (update,) = told(history, RunView(RUN, (answered,)), joined=5)
    assert [m["parts"][0] for m in update["task"]["history"]] == [{"text": "What order?"}, {"text": "o1"}]
    assert states([update]) == ["WORKING"]


def test_a_question_that_was_not_asked_again_is_no_longer_open() -> None:
    history = events(QUEUED, STARTED, waiting("order"), waiting("amount"))
    (update,) = told(history, joined=4)
    data = update["task"]["status"]["message"]["parts"][1]["data"]
    assert [i["key"] for i in data["interrupts"]] == ["amount"]


STEPS = st.sampled_from([None, "draft", "check"])
BODY = st.lists(
    st.one_of(
        st.builds(text, st.text("abc ", min_size=1, max_size=3), STEPS),
        st.sampled_from(["draft", "check"]).map(lambda step: ("step.retried", {"step": step})),
        st.integers(0, 9).map(lambda n: ("progress", {"progress": n})),
        st.just(STARTED),
        st.just(("run.asleep", {"wake_at": 1})),
        st.sampled_from(["one", "two"]).map(waiting),
        st.sampled_from(["one", "two"]).map(resumed),
        st.sampled_from(["f1", "f2"]).map(lambda f: ("artifact", {"id": f, "name": f, "size": 1})),
    ),
    max_size=12,
)
END = st.one_of(
    st.builds(succeeded, st.one_of(st.none(), st.text("abc ", max_size=6), st.just({"n": 1}))),
    st.just(("run.failed", {"kind": "error", "message": "no", "type": ""})),
    st.just(("run.cancelled", {"reason": ""})),
)
FILES = RunView(RUN, artifacts=tuple(Artifact("r1", f, f, "text/plain", b"x") for f in ("f1", "f2")))


@given(body=BODY, end=END, data=st.data())
@pytest.mark.requirement("a2a.events.same")
def test_wherever_a_subscriber_joins_it_puts_together_the_same_task(
    body: list[tuple[str, dict[str, Any]]], end: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    history = events(QUEUED, STARTED, *body, end)
    whole = assembled(told(history, FILES, joined=1))
    late = assembled(told(history, FILES, joined=data.draw(st.integers(1, len(history) - 1))))
    assert late == whole


@given(text_chunks=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=8), more=st.text(max_size=5))
def test_chunks_add_up_to_the_output_that_continues_them(text_chunks: list[str], more: str) -> None:
    history = events(QUEUED, STARTED, *map(text, text_chunks), succeeded("".join(text_chunks) + more))
    assert assembled(told(history))[1] == {"result": "".join(text_chunks) + more}
