"""The three journeys of Agent Protocol's README ("Agent Protocol in Action"), step by step, with what they assert."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from dragoman.agents import Context, agent
from dragoman.engine import Engine
from dragoman.memory.sqlite import SqliteLedger

from .conftest import app_over, served

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]

THREAD = "229c1834-bc04-4d90-8fd6-77f6b9ef1462"


@agent(description="Answers what it is asked.")
async def desk(ctx: Context, message: str = "", prompt: str = "") -> str:
    return f"You asked: {message or prompt}"


@pytest.fixture
async def http(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    await ledger.open()
    try:
        async with (
            Engine(ledger, [desk]) as engine,
            served(app_over(engine)) as url,
            httpx.AsyncClient(base_url=url) as client,
        ):
            yield client
    finally:
        await ledger.close()


async def test_a_thread_is_made_a_run_is_created_on_it_and_waited_for(http: httpx.AsyncClient) -> None:
    made = await http.post("/threads", json={"thread_id": THREAD, "metadata": {"purpose": "support-chat"}})
    assert (made.status_code, made.json()["thread_id"]) == (200, THREAD)
    thread = await http.get(f"/threads/{THREAD}")
    assert (thread.status_code, thread.json()["status"]) == (200, "idle")
    body = {"input": {"message": "Hi there, what's the weather?"}, "metadata": {"requestType": "weatherQuery"}}
    run = await http.post(f"/threads/{THREAD}/runs", json=body)
    assert (run.status_code, run.json()["status"]) == (200, "pending")
    ended = await http.get(f"/threads/{THREAD}/runs/{run.json()['run_id']}/wait")
    assert (ended.status_code, ended.json()["status"]) == (200, "success")
    # As the 0.1.6 document has the last step, which is younger than the README.
    by_document = await http.get(f"/runs/{run.json()['run_id']}/wait")
    assert by_document.json()["run"]["status"] == "success"
    assert by_document.json()["values"]["output"] == "You asked: Hi there, what's the weather?"
    assert ended.json().items() >= by_document.json().items()


async def test_a_one_shot_run_is_waited_for(http: httpx.AsyncClient) -> None:
    body = {
        "input": {"prompt": "What's the fastest route to the airport?"},
        "metadata": {"useCase": "travelPlan"},
        "config": {"tags": ["ephemeral", "demo"]},
    }
    answer = await http.post("/runs/wait", json=body)
    assert answer.status_code == 200
    assert answer.json()["values"]["output"] == "You asked: What's the fastest route to the airport?"


async def test_an_item_is_put_retrieved_and_deleted(http: httpx.AsyncClient) -> None:
    value = {"displayName": "Jane Doe", "role": "customer"}
    place = {"namespace": ["user_profiles"], "key": "profile_jane_doe"}
    assert (await http.put("/store/items", json={**place, "value": value})).status_code == 204
    got = await http.get("/store/items?key=profile_jane_doe&namespace=user_profiles")
    assert (got.status_code, got.json()["value"]) == (200, value)
    assert (await http.request("DELETE", "/store/items", json=place)).status_code == 204
