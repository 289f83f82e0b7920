"""What an agent sees of the store: time, words and filters, journaled as every read is."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.agents import Context, agent
from dragoman.engine import RunRequest
from dragoman.memory.ids import now_micros
from dragoman.memory.model import Principal

from .conftest import Start

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]


@agent(description="Remembers and looks for it.")
async def librarian(ctx: Context) -> dict[str, Any]:
    await ctx.store.put(["books"], "tea", {"title": "Tea", "pages": 100})
    await ctx.store.put(["books"], "brief", {"title": "Brief tea", "pages": 10}, ttl=60)
    await ctx.store.put(["books"], "secret", {"title": "Secret tea", "pages": 1}, index=False)
    found = await ctx.store.search(["books"], query="tea")
    long = await ctx.store.search(["books"], filter={"pages": {"$gte": 10}}, limit=1, offset=1)
    answer = await ctx.ask("Go on?")
    later = await ctx.store.get(["books"], "brief")
    return {
        "found": sorted(item.key for item in found),
        "scored": all(item.score for item in found),
        "long": [item.key for item in long],
        "answer": answer,
        "later": later,
    }


async def test_what_an_agent_finds_is_journaled_and_what_it_keeps_may_expire(
    start: Start, caller: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = [0]
    monkeypatch.setattr("dragoman.memory.verbs.store_items.now_micros", lambda: now_micros() + put[0])
    async with start(librarian) as engine:
        run = await engine.run(caller, RunRequest(agent="librarian", input={}))
        await engine.delete_item(caller, ["books"], "tea")
    put[0] += 61_000_000
    async with start(librarian) as engine:
        await engine.answer_text(caller, run.id, "yes")
        ended = await engine.wait(caller, run.id)
    assert ended.output == {
        "found": ["brief", "tea"],
        "scored": True,
        "long": ["tea"],
        "answer": "yes",
        "later": None,
    }
