"""A peer asks: our run asks, is answered over any face, and hands the answer down; also when our server was killed
between the question and the answer."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Pair, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(110)]

KEY = "refunds/approval"
YES = {"approved": True, "comment": "fine"}


_SLOW = pytest.mark.slow  # what a restart finds is the same whoever answers


@pytest.mark.parametrize(
    ("killed", "face"),
    [
        pytest.param(False, "MCP", id="MCP"),
        pytest.param(False, "A2A", id="A2A"),
        pytest.param(False, "Agent Protocol", id="Agent Protocol"),
        pytest.param(True, "MCP", id="killed meanwhile-MCP", marks=_SLOW),
        pytest.param(True, "A2A", id="killed meanwhile-A2A"),
        pytest.param(True, "Agent Protocol", id="killed meanwhile-Agent Protocol", marks=_SLOW),
    ],
)
async def test_a_question_of_a_peer_is_asked_here_and_the_answer_is_handed_down(
    pair: Pair, killed: bool, face: str
) -> None:
    async with pair.up():
        run = await pair.desk.begin("clerk", {"order": "o1"})
        question = await pair.desk.asked(run)
        assert (question["key"], question["kind"], question["payload"]) == (KEY, "approval", {"order": "o1"})
        assert question["message"] == "Refund 5 for o1?"
        assert question["schema"]["required"] == ["approved"]
        if killed:
            pair.desk.kill()
            await pair.desk.start()
            assert (await pair.desk.asked(run))["id"] == question["id"]
        await pair.desk.answer(face, "clerk", run, KEY, YES)
        told = await pair.desk.ended(run)
    assert told == {"refund": {"order": "o1", **YES}}
    assert pair.effects == {"refunded o1 True": 1, "clerk ended o1": 1}
    assert pair.books.rows("SELECT count(*) FROM runs") == [(1,)]


async def test_the_peer_may_be_down_while_a_person_thinks_and_when_they_answer(pair: Pair) -> None:
    async with pair.up():
        run = await pair.desk.begin("clerk", {"order": "o1"})
        await pair.desk.asked(run)
        pair.books.kill()
        await pair.desk.answer("Agent Protocol", "clerk", run, KEY, YES)
        await until(lambda: _marks(pair) and _marks(pair)[0]["down"] is not None)
        await pair.books.start()
        assert await pair.desk.ended(run) == {"refund": {"order": "o1", **YES}}
    assert pair.effects == {"refunded o1 True": 1, "clerk ended o1": 1}


async def test_a_run_that_is_cancelled_while_it_asks_cancels_the_task_of_the_peer(pair: Pair) -> None:
    async with pair.up():
        run = await pair.desk.begin("clerk", {"order": "o1"})
        await pair.desk.asked(run)
        await pair.desk.cancel(run)
        await until(lambda: pair.books.rows("SELECT status FROM runs") == [("cancelled",)])


async def test_a_run_that_is_cancelled_at_work_cancels_the_task_of_the_peer(pair: Pair) -> None:
    async with pair.up():
        run = await pair.desk.begin("desk", {"order": "o1"})
        await until(lambda: pair.at_gate)
        await pair.desk.cancel(run)
        await until(lambda: pair.books.rows("SELECT status FROM runs") == [("cancelled",)])
    assert "books entered o1" not in pair.effects


def _marks(pair: Pair) -> list[Any]:
    return [m for m in pair.desk.journal("started") if isinstance(m, dict) and "remote" in m]
