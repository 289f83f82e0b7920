"""What tests of the outbox share: an engine that tells plainly, agents that speak, and how a delivery stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import orjson

from dragoman.agents import Agent, Context, agent
from dragoman.auth.egress import Egress
from dragoman.auth.webhooks import WebhookSigner
from dragoman.engine import Engine, RunRequest
from dragoman.engine.outgoing import Message, OutboxSettings, Outgoing
from dragoman.memory.model import Event, Json, Run
from dragoman.memory.outbox import Delivery, DeliveryStatus, NewDelivery
from dragoman.memory.sqlite import SqliteLedger

from .receiver import Received

__all__ = [
    "TOLD",
    "Plain",
    "Serve",
    "asks",
    "is_dead",
    "is_done",
    "owed",
    "request",
    "says",
    "serving",
    "state",
    "texts",
]

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


def serving(folder: Path) -> Serve:
    """``async with serve(agent, settings) as engine``: each time over the same file, as a restart would be."""

    @asynccontextmanager
    async def make(
        *agents: Agent, settings: OutboxSettings = QUICK, allow: str = "127.0.0.1", kinds: bool = True
    ) -> AsyncGenerator[Engine]:
        ledger = SqliteLedger(folder / "ledger.db")
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
