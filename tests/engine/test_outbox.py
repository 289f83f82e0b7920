"""What a run's log tells is told to those who asked: at least once, in order, and never at the run's cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from dragoman.agents import Agent, Context, agent
from dragoman.auth.egress import Egress
from dragoman.auth.webhooks import WebhookSigner
from dragoman.engine import Engine, RunRequest
from dragoman.engine.outgoing import Message, OutboxSettings, Outgoing
from dragoman.memory.model import Event, Json, Principal, Run
from dragoman.memory.outbox import Delivery, DeliveryStatus, NewDelivery
from dragoman.memory.sqlite import SqliteLedger

from .receiver import Answer, Received, receiver

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]

TOLD = frozenset({"text", "run.waiting", "run.succeeded", "run.failed", "run.cancelled"})
QUICK = OutboxSettings(backoff=0.01, backoff_limit=0.05, timeout=5.0, linger=0.2)
Serve = Callable[..., AbstractAsyncContextManager[Engine]]


class Plain:
    """Tells each event of ``TOLD`` as it is; a text that begins with ``two`` as two messages, ``huge`` as a big one."""

    def open(self, delivery: Delivery, run: Run) -> Plain:
        return self

    async def take(self, event: Event) -> Sequence[Message]:
        if event.type not in TOLD:
            return []
        text = str(event.data.get("text", ""))
        if text == "broken":
            raise ValueError("no words for it")
        bodies: list[Json] = [{"seq": event.seq, "type": event.type, "text": text}]
        if text.startswith("two"):
            bodies.append({"seq": event.seq, "type": event.type, "text": "second"})
        if text == "huge":
            bodies = ["x" * 5000]
        return [Message(orjson.dumps(body)) for body in bodies]

    def headers(
        self, delivery: Delivery, secret: Mapping[str, Json], message_id: str, at: int, body: bytes
    ) -> Mapping[str, str]:
        return {"x-token": str(secret.get("token", ""))}


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """``async with serve(agent, settings) as engine``: each time over the same file, as a restart would be."""

    @asynccontextmanager
    async def make(
        *agents: Agent, settings: OutboxSettings = QUICK, allow: str = "127.0.0.1", kinds: bool = True
    ) -> AsyncGenerator[Engine]:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        await ledger.open()
        outgoing = Outgoing(settings, Egress([allow] if allow else []), (WebhookSigner(b"k" * 32),))
        engine = Engine(ledger, agents, outgoing=outgoing)
        if kinds:
            engine.outbox.register("plain", Plain())
        try:
            async with engine:
                yield engine
        finally:
            await ledger.close()

    return make


def owed(url: str, id: str = "d") -> NewDelivery:
    return NewDelivery("", "", id, "plain", url, secret={"token": "hush"})


def request(name: str, url: str, *ids: str, **fields: Json) -> RunRequest:
    return RunRequest(name, fields, deliveries=[owed(url, id) for id in ids or ("d",)])


async def state(engine: Engine, run: Run, *, until: Callable[[Delivery], bool], id: str = "d") -> Delivery:
    """The delivery, once it is so."""
    while True:
        found, _ = await engine.ledger.delivery(run.tenant, run.id, id)
        if until(found):
            return found
        await asyncio.sleep(0.01)  # nobody is told of an attempt; the deadline of the test bounds it


def is_done(delivery: Delivery) -> bool:
    return delivery.status is DeliveryStatus.DONE


def is_dead(delivery: Delivery) -> bool:
    return delivery.status is DeliveryStatus.DEAD


def texts(got: Sequence[Received]) -> list[str]:
    return [each.told["text"] or each.told["type"] for each in got]


@agent
async def says(ctx: Context, words: list[str]) -> str:
    for word in words:
        await ctx.stream_text(word)
        await ctx.step(_nothing)
    return "done"


async def _nothing() -> None:
    """Something that has the text before it committed on its own."""


@agent
async def asks(ctx: Context) -> str:
    await ctx.stream_text("before")
    return str(await ctx.ask("Well?"))


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


async def test_a_waiting_runs_delivery_holds_no_task_and_goes_on_with_the_run(serve: Serve, caller: Principal) -> None:
    async with serve(asks) as engine, receiver() as there:
        run = await engine.run(caller, request("asks", there.url))
        await there.wait(2)
        await state(engine, run, until=lambda _: engine.outbox.at_work == 0)
        (question,) = (await engine.view(caller, run.id)).open_interrupts
        await engine.answer(caller, run.id, {question.key: "yes"})
        assert texts(await there.wait(3)) == ["before", "run.waiting", "run.succeeded"]


async def test_a_delivery_of_an_earlier_process_goes_on_with_its_run(serve: Serve, caller: Principal) -> None:
    async with receiver() as there:
        async with serve(asks) as engine:
            run = await engine.run(caller, request("asks", there.url))
            await there.wait(2)
            await state(engine, run, until=lambda _: engine.outbox.at_work == 0)
        async with serve(asks) as engine:
            (question,) = (await engine.view(caller, run.id)).open_interrupts
            await engine.answer(caller, run.id, {question.key: "yes"})
            assert texts(await there.wait(3)) == ["before", "run.waiting", "run.succeeded"]


async def test_what_was_under_way_at_a_stop_is_sent_after_the_restart(serve: Serve, caller: Principal) -> None:
    async with receiver(lambda n: Answer(pause=60 if n == 1 else 0)) as there:
        async with serve(says) as engine:
            run = await engine.run(caller, request("says", there.url, words=["a", "b"]))
            await there.wait(2)
        async with serve(says) as engine:
            got = await there.wait(4)
            assert texts(got) == ["a", "b", "b", "run.succeeded"]
            assert got[1].id == got[2].id
            await state(engine, run, until=is_done)


async def test_deliveries_of_a_kind_that_nobody_knows_wait_until_somebody_does(serve: Serve, caller: Principal) -> None:
    async with receiver() as there:
        async with serve(says, kinds=False) as engine:
            await engine.run(caller, request("says", there.url, words=["a"]))
        assert there.connections == 0
        async with serve(says):
            assert texts(await there.wait(2)) == ["a", "run.succeeded"]


async def test_requests_at_once_are_bounded_in_all_and_for_a_host(serve: Serve, caller: Principal) -> None:
    settings = replace(QUICK, concurrency=4, per_host=2, linger=0.0)
    async with serve(says, settings=settings) as engine, receiver(Answer(pause=0.02)) as one, receiver() as two:
        for _ in range(10):
            await engine.run(caller, request("says", one.url, words=["a"]))
        quick = await engine.run(caller, request("says", two.url, words=["a"]))
        await state(engine, quick, until=is_done)
        assert len(one.got) < 20  # the slow host did not keep the other from its turn
        await one.wait(20)
        assert one.most <= 2
        assert engine.outbox.at_work <= 4


async def test_one_that_waits_for_news_gives_its_place_to_another(serve: Serve, caller: Principal) -> None:
    settings = replace(QUICK, concurrency=1, linger=60.0)
    async with serve(says, asks, settings=settings) as engine, receiver() as one, receiver() as two:
        await engine.run(caller, request("asks", one.url))
        await one.wait(2)
        await engine.run(caller, request("says", two.url, words=["a"]))
        assert texts(await two.wait(2)) == ["a", "run.succeeded"]


async def test_each_of_several_receivers_has_all_of_it_whatever_the_others_do(serve: Serve, caller: Principal) -> None:
    async with serve(says) as engine, receiver() as well, receiver(Answer(500)) as ill:
        deliveries = [owed(well.url, "well"), owed(ill.url, "ill")]
        await engine.run(caller, RunRequest("says", {"words": ["a"]}, deliveries=deliveries))
        assert texts(await well.wait(2)) == ["a", "run.succeeded"]
        assert texts(await ill.wait(2)) == ["a", "a"]


async def test_a_delivery_added_to_a_run_is_told_what_comes_then(serve: Serve, caller: Principal) -> None:
    async with serve(asks) as engine, receiver() as there:
        run = await engine.run(caller, RunRequest("asks"))
        seen = (await engine.events(caller, run.thread_id, run_id=run.id))[-1].seq
        await engine.outbox.add(replace(owed(there.url), tenant=run.tenant, run_id=run.id, after=seen))
        (question,) = (await engine.view(caller, run.id)).open_interrupts
        await engine.answer(caller, run.id, {question.key: "yes"})
        assert texts(await there.wait(1)) == ["run.succeeded"]


async def test_a_dropped_delivery_is_told_nothing_more(serve: Serve, caller: Principal) -> None:
    async with serve(asks) as engine, receiver() as there, receiver() as other:
        run = await engine.run(caller, RunRequest("asks", deliveries=[owed(there.url), owed(other.url, "other")]))
        await there.wait(2)
        assert await engine.outbox.drop(run.tenant, run.id, "d")
        assert not await engine.outbox.drop(run.tenant, run.id, "d")
        (question,) = (await engine.view(caller, run.id)).open_interrupts
        await engine.answer(caller, run.id, {question.key: "yes"})
        await other.wait(3)
        assert len(there.got) == 2


async def test_a_replaced_delivery_goes_on_at_its_new_address(serve: Serve, caller: Principal) -> None:
    async with serve(asks) as engine, receiver() as old, receiver() as new:
        run = await engine.run(caller, request("asks", old.url))
        await old.wait(2)
        await state(engine, run, until=lambda _: engine.outbox.at_work == 0)
        await engine.outbox.add(replace(owed(new.url), tenant=run.tenant, run_id=run.id))
        (question,) = (await engine.view(caller, run.id)).open_interrupts
        await engine.answer(caller, run.id, {question.key: "yes"})
        assert texts(await new.wait(1)) == ["run.succeeded"]


async def test_a_forgotten_run_is_told_no_more(serve: Serve, caller: Principal) -> None:
    async with serve(says) as engine, receiver(Answer(500)) as there:
        run = await engine.run(caller, request("says", there.url, words=["a"]))
        await there.wait(1)
        await engine.delete_run(caller, run.id)
        while engine.outbox.at_work or await engine.ledger.next_delivery(["plain"]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # nobody is told that nothing more is sent


async def test_a_resent_request_adds_no_delivery(serve: Serve, caller: Principal) -> None:
    async with serve(says) as engine, receiver() as there:
        asked = replace(request("says", there.url, words=[]), idempotency_key="once")
        first = await engine.run(caller, asked)
        again = await engine.run(caller, replace(asked, deliveries=[owed(there.url, "other")]))
        assert first.id == again.id
        assert [each.id for each in (await engine.ledger.deliveries(first.tenant, first.id)).items] == ["d"]
