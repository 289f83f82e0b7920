"""Agents and runs of Agent Protocol: opened, answered, found, cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .asking import Check, Gate, frames, wait

pytestmark = pytest.mark.anyio


async def test_agents_are_listed_found_and_described(client: httpx.AsyncClient, conforms: Check) -> None:
    found = (await client.post("/agents/search", json={})).json()
    assert [a["agent_id"] for a in found[:3]] == ["echo", "refund", "twice"]
    for one in found:
        conforms("Agent", one)
    assert [a["agent_id"] for a in (await client.post("/agents/search", json={"name": "ECH"})).json()] == ["echo"]
    by_version = await client.post("/agents/search", json={"metadata": {"version": "1.0.0"}, "limit": 2, "offset": 1})
    assert [a["agent_id"] for a in by_version.json()] == ["refund", "twice"]
    assert (await client.post("/agents/search", json={"metadata": {"version": "2"}})).json() == []
    assert (await client.get("/agents/echo")).json()["name"] == "Echo"
    schemas = (await client.get("/agents/refund/schemas")).json()
    conforms("AgentSchema", schemas)
    assert schemas["input_schema"]["required"] == ["order_id", "amount"]


async def test_a_run_is_waited_for_and_answered_whole(client: httpx.AsyncClient, conforms: Check) -> None:
    found = await wait(client, "echo", input={"text": "hello"}, metadata={"case": 7})
    conforms("RunWaitResponse", found)
    assert found["run"]["status"] == "success"
    assert found["run"]["metadata"] == {"case": 7}
    assert found["values"] == {"output": "hello"}
    assert [m["content"] for m in found["messages"]] == ['{"text":"hello"}', "hello"]


@pytest.mark.parametrize(
    "body",
    [
        {"input": {"text": "hello"}},
        {"input": "hello"},
        {"messages": [{"role": "user", "content": "hello"}]},
        {"input": {"messages": [{"role": "user", "content": "hello"}]}},
    ],
)
async def test_what_reaches_the_agent_is_the_same_in_every_form(client: httpx.AsyncClient, body: Any) -> None:
    assert (await wait(client, "echo", **body))["values"]["output"] == "hello"


async def test_a_body_without_an_agent_runs_the_first_one(client: httpx.AsyncClient) -> None:
    answer = await client.post("/runs/wait", json={"input": {"text": "hello"}})
    assert answer.json()["run"]["agent_id"] == "echo"


async def test_prose_to_an_agent_with_several_fields_asks_for_them(client: httpx.AsyncClient) -> None:
    found = await wait(client, "refund", input="refund my desk, please")
    asked = found["run"]["interrupts"][0]
    assert found["run"]["status"] == "interrupted"
    assert asked["key"] == "input"
    assert asked["schema"]["required"] == ["order_id", "amount"]
    answer = {"order_id": "A-1", "amount": 5}
    resumed = await client.post(f"/runs/{found['run']['run_id']}/resume", json={"answer": answer})
    assert resumed.json()["status"] == "pending"
    settled = (await client.get(f"/runs/{found['run']['run_id']}/wait")).json()
    assert settled["run"]["interrupts"][0]["key"] == "approval"
    assert settled["run"]["input"] == answer


async def test_a_background_run_is_pending_then_done(client: httpx.AsyncClient, gate: Callable[[], Gate]) -> None:
    name, reached, opened = gate()
    created = await client.post("/runs", json={"agent_id": "slow", "input": {"gate": name}})
    run = created.json()
    assert (created.status_code, run["status"]) == (200, "pending")
    await reached.wait()
    assert (await client.get(f"/runs/{run['run_id']}")).json()["status"] == "pending"
    opened.set()
    found = (await client.get(f"/runs/{run['run_id']}/wait")).json()
    assert (found["run"]["status"], found["values"]["output"]) == ("success", "done")


@pytest.mark.parametrize(
    ("agent", "kind", "message"), [("broken", "error", "cannot do it"), ("picky", "rejected", "not this one")]
)
async def test_a_run_that_fails_is_answered_with_its_error(
    client: httpx.AsyncClient, agent: str, kind: str, message: str
) -> None:
    found = await wait(client, agent, input={"text": "it"})
    assert found["run"]["status"] == "error"
    assert (found["run"]["error"]["kind"], found["run"]["error"]["message"]) == (kind, message)


async def test_an_approval_is_given_by_key_and_the_same_run_goes_on(client: httpx.AsyncClient, conforms: Check) -> None:
    found = await wait(client, "refund", input={"order_id": "A-1", "amount": 200})
    run_id = found["run"]["run_id"]
    shown = (await client.get(f"/runs/{run_id}")).json()
    conforms("Run", shown)
    assert shown["interrupts"][0]["payload"] == {"order_id": "A-1"}
    resumed = await client.post(f"/runs/{run_id}/resume", json={"answers": {"approval": {"approved": True}}})
    assert (resumed.status_code, resumed.json()["run_id"], resumed.json()["status"]) == (200, run_id, "pending")
    done = (await client.get(f"/runs/{run_id}/wait")).json()
    assert done["values"]["output"] == {"paid": True}
    assert "interrupts" not in done["run"]


@pytest.mark.parametrize("verb", ["wait", "stream", ""])
async def test_a_command_on_the_thread_resumes_in_each_way_to_open_a_run(client: httpx.AsyncClient, verb: str) -> None:
    found = await wait(client, "refund", input={"order_id": "A-1", "amount": 200})
    run = found["run"]
    body = {"thread_id": run["thread_id"], "command": {"resume": {"approved": False}}}
    answer = await client.post(f"/runs/{verb}".rstrip("/"), json=body)
    assert answer.status_code == 200
    if verb == "wait":
        assert answer.json()["run"]["run_id"] == run["run_id"]
        assert answer.json()["values"]["output"] == {"paid": False}
    elif verb == "stream":
        found_frames = frames(answer.text)
        assert found_frames[0] == ("metadata", f'{{"run_id":"{run["run_id"]}","attempt":2}}')
        assert '"output":{"paid":false}' in found_frames[-2][1]
    else:
        assert answer.json()["status"] == "pending"


async def test_two_questions_are_answered_one_at_a_time_and_never_crosswise(client: httpx.AsyncClient) -> None:
    found = await wait(client, "twice", input="cats")
    ids = {q["key"]: q["id"] for q in found["run"]["interrupts"]}
    assert set(ids) == {"first", "second"}
    run_id, thread_id = found["run"]["run_id"], found["run"]["thread_id"]
    ambiguous = await client.post("/runs/wait", json={"thread_id": thread_id, "command": {"resume": "B"}})
    assert ambiguous.status_code == 422
    assert ids["first"] in ambiguous.json()["message"]
    one = await client.post("/runs/wait", json={"thread_id": thread_id, "command": {"resume": {ids["second"]: "B"}}})
    assert [q["key"] for q in one.json()["run"]["interrupts"]] == ["first"]
    await client.post(f"/runs/{run_id}/resume", json={"answer": "A"})
    done = (await client.get(f"/runs/{run_id}/wait")).json()
    assert done["values"]["output"] == {"first": "A", "second": "B"}


@pytest.mark.parametrize("way", ["answer", "answers", "command"])
async def test_the_question_that_is_left_is_answered_while_the_run_works_with_the_other_answer(
    client: httpx.AsyncClient, gate: Callable[[], Gate], way: str
) -> None:
    name, reached, opened = gate()
    run = (await wait(client, "works_on", input={"gate": name}))["run"]
    verb = f"/runs/{run['run_id']}"
    await client.post(f"{verb}/resume", json={"answers": {"first": "A"}})
    await reached.wait()
    shown = (await client.get(verb)).json()
    assert (shown["status"], [q["key"] for q in shown["interrupts"]]) == ("pending", ["second"])
    if way == "command":
        given = await client.post("/runs", json={"thread_id": run["thread_id"], "command": {"resume": "B"}})
    else:
        given = await client.post(f"{verb}/resume", json={way: "B" if way == "answer" else {"second": "B"}})
    assert given.status_code == 200
    assert "interrupts" not in (await client.get(verb)).json()
    again = await client.post(f"{verb}/resume", json={"answer": "C"})
    assert again.status_code == 409
    opened.set()
    assert (await client.get(f"{verb}/wait")).json()["values"]["output"] == "A B"


async def test_prose_answers_an_approval(client: httpx.AsyncClient) -> None:
    found = await wait(client, "refund", input={"order_id": "A-1", "amount": 200})
    await client.post(f"/runs/{found['run']['run_id']}/resume", json={"answer": "yes"})
    done = (await client.get(f"/runs/{found['run']['run_id']}/wait")).json()
    assert done["values"]["output"] == {"paid": True}


async def test_a_run_is_cancelled_and_then_deleted(client: httpx.AsyncClient, gate: Callable[[], Gate]) -> None:
    name, reached, _ = gate()
    run = (await client.post("/runs", json={"agent_id": "slow", "input": {"gate": name}})).json()
    await reached.wait()
    path = f"/runs/{run['run_id']}"
    assert (await client.delete(path)).status_code == 422
    assert (await client.post(f"{path}/cancel")).status_code == 204
    assert (await client.get(path)).json()["status"] == "interrupted"
    assert (await client.post(f"{path}/cancel", params={"wait": "true"})).status_code == 204
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_runs_are_searched_by_agent_thread_status_and_metadata(client: httpx.AsyncClient) -> None:
    made = [await wait(client, "echo", input="x", metadata={"n": n % 2}) for n in range(4)]
    waiting = await wait(client, "refund", input={"order_id": "A", "amount": 1})
    failed = await wait(client, "broken", input="x")

    async def search(**body: Any) -> list[str]:
        return [run["run_id"] for run in (await client.post("/runs/search", json=body)).json()]

    assert await search(agent_id="echo", limit=2, offset=1) == [made[2]["run"]["run_id"], made[1]["run"]["run_id"]]
    assert await search(metadata={"n": 1}) == [made[3]["run"]["run_id"], made[1]["run"]["run_id"]]
    assert await search(thread_id=made[0]["run"]["thread_id"]) == [made[0]["run"]["run_id"]]
    assert await search(status="interrupted") == [waiting["run"]["run_id"]]
    assert await search(status="error") == [failed["run"]["run_id"]]
    assert await search(status="timeout") == []
    assert len(await search()) == 6


async def test_an_artifact_is_fetched_by_its_reference(client: httpx.AsyncClient) -> None:
    found = await wait(client, "busy", input={"count": 1})
    made = found["run"]["artifacts"][0]
    answer = await client.get(f"/runs/{found['run']['run_id']}/artifacts/{made['id']}")
    assert (answer.text, answer.headers["content-type"]) == ("doubled: 2", "text/plain")
    assert answer.headers["content-disposition"] == "attachment"
    assert (await client.get(f"/runs/{found['run']['run_id']}/artifacts/x")).status_code == 404
