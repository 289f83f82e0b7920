"""Logs are JSON lines that carry run and trace ids, and hold no key."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.auth import make_key
from dragoman.telemetry import TraceContext, bind_run, configure_logging, current_run, current_trace

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """Logging as the server configures it, into a string."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("debug", stream)
    yield stream
    root.handlers[:], root.level = before[0], before[1]
    logging.captureWarnings(False)


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_extra_fields(logs: io.StringIO) -> None:
    logging.getLogger("dragoman.engine").info(
        "started %s\nagain", "it", extra={"agent": "refunds", "n": 3, "odd": {1: {2}}}
    )
    (line,) = _lines(logs)
    assert (line["level"], line["logger"], line["message"]) == ("info", "dragoman.engine", "started it\nagain")
    assert (line["agent"], line["n"]) == ("refunds", 3)
    assert line["time"].endswith("Z")
    assert not {"run_id", "trace_id", "args", "process"} & set(line)


def test_an_exception_is_one_field_of_the_line(logs: io.StringIO) -> None:
    try:
        raise KeyError("x")
    except KeyError:
        logging.getLogger("dragoman.engine").exception("failed")
    (line,) = _lines(logs)
    assert line["level"] == "error"
    assert line["exception"].endswith("KeyError: 'x'")


def test_an_exception_over_a_sealed_ledger_is_told_without_its_words(logs: io.StringIO) -> None:
    configure_logging("debug", logs, sealed=True)
    try:
        try:
            raise KeyError("a user's words")
        except KeyError as error:
            raise ValueError("more of them") from error
    except ValueError:
        logging.getLogger("dragoman.engine").exception("failed")
    (line,) = _lines(logs)
    assert "ValueError: (sealed with the run)" in line["exception"]
    assert "KeyError: (sealed with the run)" in line["exception"]
    assert "test_telemetry.py" in line["exception"]
    assert 'words")' in line["exception"]  # the line of code, which is the author's
    assert "'a user's words'" not in line["exception"]


def test_text_that_is_not_valid_unicode_is_logged_all_the_same(logs: io.StringIO) -> None:
    logging.getLogger("dragoman.engine").warning("bad \udc80 text")
    assert _lines(logs)[0]["message"].startswith("bad ")


def test_no_key_and_no_token_reaches_a_line(logs: io.StringIO) -> None:
    _, key, _ = make_key("acme", "ada")
    try:
        raise ValueError(f"refused {key}")
    except ValueError:
        logging.getLogger("dragoman.auth").exception(
            "header Authorization: Bearer abc.def-123456", extra={"sent": [key]}
        )
    text = logs.getvalue()
    assert key.split("_", 2)[2][-20:] not in text
    assert "abc.def" not in text
    assert f"{key[:15]}_***" in text
    assert json.loads(text)["level"] == "error"


@pytest.mark.anyio
async def test_a_task_logs_the_run_and_the_trace_that_it_works_for(logs: io.StringIO) -> None:
    async def drive(run_id: str) -> None:
        bind_run(run_id)
        logging.getLogger("dragoman.engine").info("step")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.gather(*(asyncio.create_task(drive(run)) for run in ("r1", "r2")))
        logging.getLogger("dragoman.app").info("answered")

    header = (b"traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode())
    await asyncio.create_task(TraceContext(app)({"type": "http", "headers": [header]}, _never, _never))
    assert [(line.get("run_id"), line["trace_id"]) for line in _lines(logs)] == [
        ("r1", TRACE),
        ("r2", TRACE),
        (None, TRACE),
    ]
    assert (current_run(), current_trace()) == ("", "")


async def _never(*_: Any) -> Any:
    raise AssertionError("the trace needs nothing of the request but its headers")


INVALID = [
    b"",
    b"00-xyz",
    f"ff-{TRACE}-00f067aa0ba902b7-01".encode(),
    f"00-{'0' * 32}-00f067aa0ba902b7-01".encode(),
    f"00-{TRACE}-{'0' * 16}-01".encode(),
    f"00-{TRACE.upper()}-00f067aa0ba902b7-01".encode(),
    b"\xff\xfe",
]


@pytest.mark.anyio
@pytest.mark.parametrize("sent", INVALID)
async def test_a_traceparent_that_is_none_begins_a_trace_of_its_own(sent: bytes) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(current_trace())

    for _ in range(2):
        await TraceContext(app)({"type": "http", "headers": [(b"traceparent", sent)]}, _never, _never)
    assert len({*seen, TRACE}) == 3
    assert all(len(trace) == 32 and int(trace, 16) for trace in seen)
