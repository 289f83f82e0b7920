"""Two servers of different versions of an agent side by side on one database: nothing is lost, and each run is driven
by a version that may."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import httpx
import pytest

from .house import House, Server

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

RUNS = 12
SETTINGS = "[engine]\nlease = 2.0\nconcurrency = 4\ngrace = 0.2\nmax_crashes = 1000\n"
# Says which version ran each of its halves; the first is journaled, so that it is never run again.
AGENTS = """
import asyncio
from dragoman.agents import Context, agent

VERSION = "{version}"

async def half() -> str:
    return VERSION

@agent(version=VERSION, resumes={resumes})
async def job(ctx: Context, asks: bool) -> list[str]:
    first = await ctx.step(half)
    if asks:
        await ctx.ask("Go on?")
    await asyncio.sleep(0.5)
    return [first, VERSION]
"""


def agents(version: str, *resumes: str) -> str:
    return AGENTS.format(version=version, resumes=list(resumes))


async def submit(client: httpx.AsyncClient, count: int, asks: bool = False) -> list[str]:
    ids: list[str] = []
    for _ in range(count):
        body = {"agent_id": "job", "input": {"asks": asks}, "on_disconnect": "continue"}
        answer = await client.post("/runs", json=body)
        assert answer.status_code == 200, answer.text
        ids.append(answer.json()["run_id"])
    return ids


async def outputs(client: httpx.AsyncClient, ids: list[str]) -> list[list[str]]:
    """What the runs gave, once they have ended."""

    async def one(run_id: str) -> list[str]:
        while True:
            result: Any = (await client.get(f"/runs/{run_id}/wait")).json()
            if result["run"]["status"] != "pending":
                assert result["run"]["status"] == "success", result
                return list(result["values"]["output"])

    async with asyncio.timeout(120):
        return list(await asyncio.gather(*map(one, ids)))


async def runs(client: httpx.AsyncClient) -> dict[str, Any]:
    found: list[Any] = (await client.post("/runs/search", json={"limit": 1000, "agent_id": "job"})).json()
    return {run["run_id"]: run for run in found}


async def until_undriven(client: httpx.AsyncClient, ids: list[str]) -> list[str]:
    """Wait until a server counts as many runs that nobody drives as it shows with a reason; the reasons. A run that
    was at work when its server was killed is one of them when its lease is over."""
    async with asyncio.timeout(60):
        while True:
            lines = (await client.get("/metrics")).text.splitlines()
            [line] = [line for line in lines if line.startswith("dragoman_runs_undriven ")]
            known = await runs(client)
            told = [text for run_id in ids if (text := known[run_id]["metadata"].get("dragoman/held", ""))]
            pending = [run_id for run_id in ids if known[run_id]["status"] == "pending"]
            if int(float(line.split()[1])) == len(told) == len(pending) > 0:
                return told
            await asyncio.sleep(0.1)  # the server looks from time to time, and tells nobody


def warnings(server: Server) -> list[str]:
    found = [json.loads(line) for line in server.log.read_text().splitlines()]
    return [line["message"] for line in found if "no server drives" in line["message"]]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_runs_of_a_version_that_left_wait_for_one_that_drives_them(replicas: House, how: signal.Signals) -> None:
    old = await replicas.serve(SETTINGS, agents("1.0.0"), "old")
    new = await replicas.serve(SETTINGS, agents("2.0.0"), "new")
    async with replicas.client(old) as to_old, replicas.client(new) as to_new:
        [asking] = await submit(to_old, 1, asks=True)
        assert (await to_old.get(f"/runs/{asking}/wait")).json()["run"]["status"] == "interrupted"
        first, second = await asyncio.gather(submit(to_old, RUNS), submit(to_new, RUNS))
        await old.end(how)
        second += await submit(to_new, RUNS // 2)
        assert await outputs(to_new, second) == [["2.0.0", "2.0.0"]] * len(second)
        told = await until_undriven(to_new, first)
        known = await runs(to_new)
        assert set(told) == {"no server drives 'job' 1.0.0; it is 2.0.0 here."}
        assert {known[run_id]["status"] for run_id in first} <= {"pending", "success"}
        assert len(warnings(new)) == 1

        back = await replicas.serve(SETTINGS, agents("1.1.0", "1.0.*"), "back")
        async with replicas.client(back) as to_back:
            done = await outputs(to_back, first)
            assert all(began == "1.0.0" or ended == "1.1.0" for began, ended in done)
            assert {ended for _, ended in done} <= {"1.0.0", "1.1.0"}
            assert [ended for _, ended in done].count("1.1.0") > 0
            # Who answers need not drive it.
            answered = await to_new.post(f"/runs/{asking}/resume", json={"answer": "yes"})
            assert answered.status_code == 200, answered.text
            assert await outputs(to_back, [asking]) == [["1.0.0", "1.1.0"]]
        assert len(known) == len(first) + len(second) + 1
