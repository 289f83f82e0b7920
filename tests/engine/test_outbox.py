"""What a run's log tells is told to those who asked: at least once, in order, and never at the run's cost."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from dragoman.memory.model import Principal

from .outboxes import QUICK, Serve, is_dead, is_done, request, says, serving, state, texts
from .receiver import Answer, receiver

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """``async with serve(agent, settings) as engine``: each time over the same file, as a restart would be."""
    return serving(tmp_path)


async def test_a_run_is_told_from_its_first_event_to_its_end_in_order(serve: Serve, caller: Principal) -> None:
    async with serve(says) as engine, receiver() as there:
        run = await engine.run(caller, request("says", there.url, words=["a", "b", "c"]))
        got = await there.wait(4)
        assert texts(got) == ["a", "b", "c", "run.succeeded"]
        assert {each.headers["x-token"] for each in got} == {"hush"}
        assert len({each.id for each in got}) == 4
        assert there.connections == 1
        done = await state(engine, run, until=is_done)
        assert (await engine.ledger.delivery(run.tenant, run.id, "d"))[1] == {}
        assert (done.error, done.attempts) == ("", 0)


async def test_an_event_of_several_messages_is_told_message_by_message(serve: Serve, caller: Principal) -> None:
    answers = [Answer(), Answer(), Answer(500), Answer(), Answer()]
    async with serve(says) as engine, receiver(lambda n: answers[n]) as there:
        await engine.run(caller, request("says", there.url, words=["a", "two"]))
        got = await there.wait(5)
        assert texts(got) == ["a", "two", "second", "second", "run.succeeded"]
        assert got[2].id == got[3].id != got[1].id


async def test_what_failed_is_sent_again_before_anything_that_follows(serve: Serve, caller: Principal) -> None:
    answers = {
        1: Answer(503),
        2: Answer(0),
        3: Answer(302, headers={"location": "http://127.0.0.1:1/"}),
        4: Answer(404),
    }
    async with serve(says) as engine, receiver(lambda n: answers.get(n, Answer(204))) as there:
        await engine.run(caller, request("says", there.url, words=["a", "b"]))
        got = await there.wait(7)
        assert texts(got) == ["a", "b", "b", "b", "b", "b", "run.succeeded"]
        assert len({each.id for each in got}) == 3


async def test_a_slow_receiver_that_fails_five_times_has_it_at_the_sixth_and_the_stream_is_not_slowed(
    serve: Serve, caller: Principal, pause: float
) -> None:
    settings = replace(QUICK, timeout=pause * 3)

    def slow_then_failing(n: int) -> Answer:
        return Answer(500, pause if n == 0 else 0.0) if n < 5 else Answer()

    async with serve(says, settings=settings) as engine, receiver(slow_then_failing) as there:
        words = [str(n) for n in range(50)]
        run = await engine.accept(caller, request("says", there.url, words=words))
        async with aclosing(engine.subscribe(caller, run.thread_id, 0, run.id)) as events:
            streamed = [event.data["text"] async for event in events if event.type == "text"]
        assert streamed == words
        assert len(there.got) <= 1  # it sleeps still
        got = await there.wait(6 + 50)
        assert texts(got[:6]) == ["0"] * 6
        assert len({each.id for each in got[:6]}) == 1
        assert texts(got[5:]) == [*words, "run.succeeded"]
        await state(engine, run, until=is_done)


@pytest.fixture(params=[2.0, pytest.param(10.0, marks=pytest.mark.slow)], ids=["2 s", "10 s"])
def pause(request: pytest.FixtureRequest) -> float:
    return float(request.param)


async def test_a_receiver_that_asks_to_wait_is_given_the_time(serve: Serve, caller: Principal) -> None:
    settings = replace(QUICK, backoff_limit=5.0)
    loop = asyncio.get_running_loop()
    times: list[float] = []

    def answer(n: int) -> Answer:
        times.append(loop.time())
        return Answer(429, headers={"retry-after": "1"}) if n == 0 else Answer()

    async with serve(says, settings=settings) as engine, receiver(answer) as there:
        await engine.run(caller, request("says", there.url, words=[]))
        await there.wait(2)
        assert times[1] - times[0] > 0.99


async def test_an_answer_that_does_not_come_is_a_failure(serve: Serve, caller: Principal) -> None:
    settings = replace(QUICK, timeout=0.1, attempts=1)
    async with serve(says, settings=settings) as engine, receiver(Answer(pause=30)) as there:
        run = await engine.run(caller, request("says", there.url, words=["a"]))
        assert (await state(engine, run, until=is_dead)).error == "no answer within 0.1 s"


async def test_a_receiver_that_is_gone_is_told_nothing_more(serve: Serve, caller: Principal) -> None:
    async with serve(says) as engine, receiver(Answer(410)) as there:
        run = await engine.run(caller, request("says", there.url, words=["a", "b"]))
        done = await state(engine, run, until=is_done)
        assert (done.error, len(there.got)) == ("HTTP 410", 1)
        assert await engine.ledger.dead_letters() == []


async def test_a_delivery_stops_at_its_dead_letter_and_goes_on_there_when_an_operator_says_so(
    serve: Serve, caller: Principal
) -> None:
    well = False
    settings = replace(QUICK, attempts=3)

    def answer(n: int) -> Answer:
        return Answer() if well or n == 0 else Answer(500)

    async with serve(says, settings=settings) as engine, receiver(answer) as there:
        run = await engine.run(caller, request("says", there.url, words=["a", "b", "c"]))
        await state(engine, run, until=is_dead)
        (letter,) = await engine.ledger.dead_letters()
        assert (letter.attempts, letter.error, letter.stopped, letter.run_id) == (3, "HTTP 500", True, run.id)
        assert letter.body is not None
        assert orjson.loads(letter.body)["text"] == "b"
        assert texts(there.got) == ["a", "b", "b", "b"]
        well = True
        assert await engine.ledger.retry_dead_letter(letter.number)
        engine.outbox.look()
        assert texts((await there.wait(7))[4:]) == ["b", "c", "run.succeeded"]
        assert there.got[4].id == there.got[3].id
        await state(engine, run, until=is_done)


async def test_a_message_too_large_to_send_is_left_out_and_the_next_is_sent(serve: Serve, caller: Principal) -> None:
    settings = replace(QUICK, body_limit=1000)
    async with serve(says, settings=settings) as engine, receiver() as there:
        run = await engine.run(caller, request("says", there.url, words=["a", "huge", "b"]))
        assert texts(await there.wait(3)) == ["a", "b", "run.succeeded"]
        await state(engine, run, until=is_done)
        (letter,) = await engine.ledger.dead_letters()
        assert (letter.stopped, letter.attempts, letter.body) == (False, 0, None)
        assert "5002 bytes" in letter.error


async def test_an_event_that_cannot_be_put_into_words_ends_as_a_dead_letter_and_harms_no_other(
    serve: Serve, caller: Principal
) -> None:
    settings = replace(QUICK, attempts=2)
    async with serve(says, settings=settings) as engine, receiver() as there:
        run = await engine.run(caller, request("says", there.url, words=["a", "broken"]))
        other = await engine.run(caller, request("says", there.url, words=["b"]))
        await state(engine, other, until=is_done)
        assert (await state(engine, run, until=is_dead)).error == "internal error: ValueError"


async def test_an_address_inside_is_not_called(serve: Serve, caller: Principal) -> None:
    async with serve(says, settings=replace(QUICK, attempts=1), allow="") as engine, receiver() as there:
        run = await engine.run(caller, request("says", there.url, words=[]))
        assert "not public" in (await state(engine, run, until=is_dead)).error
        assert there.connections == 0
