"""Webhooks of runs and crons: what a real receiver is sent, signed, in order, and again until it takes it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import UnprocessableEntityError
from tests.engine.receiver import Answer, Received, receiver

from dragoman.agent_protocol.webhooks import KIND
from dragoman.auth.egress import Egress
from dragoman.auth.webhooks import WebhookSigner, webhook_secret
from dragoman.engine import Engine
from dragoman.engine.outgoing import OutboxSettings, Outgoing
from dragoman.memory.sqlite import SqliteLedger

from .conftest import AGENTS, app_over, served

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]

Sdk = Any  # a LangGraphClient, whose types a strict checker cannot tell in full
KEY = b"k" * 32


@asynccontextmanager
async def serving(path: Path, *, allow: bool = True) -> AsyncGenerator[tuple[Sdk, Engine, str]]:
    """A server that may call loopback, a client of it, and its address."""
    quick = OutboxSettings(backoff=0.01, backoff_limit=0.05, linger=0.2)
    outgoing = Outgoing(quick, Egress(["127.0.0.1"] if allow else []), (WebhookSigner(KEY),))
    ledger = SqliteLedger(path / "ledger.db")
    await ledger.open()
    try:
        async with (
            Engine(ledger, AGENTS, outgoing=outgoing) as engine,
            served(app_over(engine)) as url,
            get_client(url=url, api_key=None) as sdk,
        ):
            yield sdk, engine, url
    finally:
        await ledger.close()


def check_signature(got: Received) -> None:
    """As Standard Webhooks 1.0 has receivers do it."""
    secret = base64.b64decode(webhook_secret(KEY, "acme").removeprefix("whsec_"))
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    wanted = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{wanted}"


async def test_a_run_calls_its_webhook_when_it_has_ended(tmp_path: Path) -> None:
    async with receiver() as hook, serving(tmp_path) as (sdk, _, _):
        thread = (await sdk.threads.create())["thread_id"]
        run = await sdk.runs.create(thread, "counter", input={"text": "x"}, webhook=hook.url, metadata={"m": 1})
        [got] = await hook.wait(1)
        joined = await sdk.runs.join(thread, run["run_id"])
        ended = await sdk.runs.get(thread, run["run_id"])
    check_signature(got)
    assert got.headers["content-type"] == "application/json"
    told = got.told
    assert {name: told[name] for name in ended} == ended
    assert (told["status"], told["metadata"], told["values"]) == ("success", {"m": 1}, joined)
    assert told["run_started_at"] <= told["run_ended_at"] == told["webhook_sent_at"]
    assert "error" not in told


async def test_a_failed_run_tells_its_error(tmp_path: Path) -> None:
    async with receiver() as hook, serving(tmp_path) as (sdk, _, _):
        await sdk.runs.create(None, "broken", input={"text": "x"}, webhook=hook.url)
        [got] = await hook.wait(1)
    assert got.told["status"] == "error"
    assert got.told["error"] == {"error": "ValueError", "message": "cannot do x"}


async def test_a_run_that_waits_tells_what_is_asked_and_then_how_it_ended(tmp_path: Path) -> None:
    async with receiver() as hook, serving(tmp_path) as (sdk, _, _):
        thread = (await sdk.threads.create())["thread_id"]
        asked = {"order_id": "7", "amount": 5}
        await sdk.runs.create(thread, "refund", input=asked, webhook=hook.url)
        [waiting] = await hook.wait(1)
        await sdk.runs.create(thread, "refund", command={"resume": {"approved": True}}, webhook=hook.url)
        _, ended = await hook.wait(2)
    assert waiting.told["status"] == "interrupted"
    [question] = waiting.told["values"]["__interrupt__"]
    assert "Refund 5" in question["value"]["message"]
    assert ended.told["run_id"] == waiting.told["run_id"]
    assert (ended.told["status"], ended.told["values"]["output"]) == ("success", {"paid": True})


async def test_a_webhook_that_comes_with_the_answer_is_told_how_it_ended(tmp_path: Path) -> None:
    async with receiver() as hook, serving(tmp_path) as (sdk, _, _):
        thread = (await sdk.threads.create())["thread_id"]
        await sdk.runs.wait(thread, "refund", input={"order_id": "7", "amount": 5})
        await sdk.runs.create(thread, "refund", command={"resume": {"approved": False}}, webhook=hook.url)
        [ended] = await hook.wait(1)
    assert (ended.told["status"], ended.told["values"]["output"]) == ("success", {"paid": False})


async def test_a_receiver_that_fails_is_told_again_after_a_restart_too(tmp_path: Path) -> None:
    taken = asyncio.Event()

    def answers(_: int) -> Answer:
        return Answer(200 if taken.is_set() else 503)

    async with receiver(answers) as hook:
        async with serving(tmp_path) as (sdk, _, _):
            await sdk.runs.wait(None, "echo", input={"text": "x"}, webhook=hook.url)
            await hook.wait(2)
        taken.set()
        before = len(hook.got)
        async with serving(tmp_path) as (_, engine, _):
            got = await hook.wait(before + 1)
            assert len({(one.id, one.body) for one in got}) == 1
            assert [d.kind for d in (await engine.ledger.deliveries("acme")).items] == [KIND]


async def test_agent_protocol_runs_call_theirs_in_their_own_shape(tmp_path: Path, conforms: Any) -> None:
    async with receiver() as hook, serving(tmp_path) as (_, _, url), httpx.AsyncClient(base_url=url) as http:
        body = {"agent_id": "echo", "input": {"text": "hello"}, "webhook": hook.url}
        waited = (await http.post("/runs/wait", json=body)).json()
        [got] = await hook.wait(1)
    conforms("RunWaitResponse", got.told)
    assert got.told == waited


async def test_a_batch_and_a_cron_call_theirs(tmp_path: Path) -> None:
    async with receiver() as hook, serving(tmp_path) as (sdk, engine, _):
        await sdk.runs.create_batch([{"assistant_id": "echo", "input": {"text": "x"}, "webhook": hook.url}])
        [batch] = await hook.wait(1)
        assert batch.told["values"]["output"] == "x"
        cron = await sdk.crons.create(
            "echo", schedule="0 0 1 1 *", input={"text": "y"}, webhook=hook.url, on_run_completed="keep"
        )
        due = await engine.ledger.cron("acme", cron["cron_id"])
        assert due.next_at is not None
        clock = engine.crons._clock  # pyright: ignore[reportPrivateUsage]
        await engine.ledger.postpone_cron(due, 1)
        clock.now = lambda: due.next_at or 0  # type: ignore[method-assign]
        engine.crons.start()
        _, fired = await hook.wait(2)
    assert fired.told["values"]["output"] == "y"
    assert fired.told["metadata"] == {"cron_id": cron["cron_id"]}


async def test_an_address_that_is_not_to_be_called_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    async with serving(tmp_path, allow=False) as (sdk, engine, url):
        for wrong in ("http://127.0.0.1:1/x", "ftp://hooks.example", "nonsense"):
            for refused in (
                sdk.runs.create(None, "echo", input={"text": "x"}, webhook=wrong),
                sdk.runs.create_batch([{"assistant_id": "echo", "input": {"text": "x"}, "webhook": wrong}]),
                sdk.crons.create("echo", schedule="* * * * *", input={"text": "x"}, webhook=wrong),
            ):
                with pytest.raises(UnprocessableEntityError, match="webhook"):
                    await refused
        cron = await sdk.crons.create("echo", schedule="0 0 1 1 *", input={"text": "x"})
        with pytest.raises(UnprocessableEntityError, match="webhook"):
            await sdk.crons.update(cron["cron_id"], webhook="http://10.0.0.1/x")
        async with httpx.AsyncClient(base_url=url) as http:
            answer = await http.post("/runs", json={"agent_id": "echo", "input": "x", "webhook": "http://[::1]/x"})
        assert (answer.status_code, answer.json()["metadata"]["problems"][0]["field"]) == (422, "webhook")
        assert (await engine.ledger.deliveries("acme")).items == ()
