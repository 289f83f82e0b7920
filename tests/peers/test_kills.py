"""Two agents call each other over A2A across two server processes, and one is killed with ``kill -9`` in the middle:
the conversation completes, and each side effect happens once."""

from __future__ import annotations

import pytest

from .conftest import Pair, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(110)]

ONCE = {"desk took o1": 1, "books began o1": 1, "priced o1": 1, "books entered o1": 1, "desk ended o1": 1}

PROSE = "Looking up the price. Entering. "


def _check(pair: Pair, told: object) -> None:
    assert told == {"entered": {"order": "o1", "price": 12.5, "lines": 1}, "files": ["entry.txt"]}
    assert pair.effects == ONCE
    assert pair.books.rows("SELECT count(*) FROM runs") == [(1,)]
    assert sorted(pair.desk.rows("SELECT agent, status FROM runs")) == [("desk", "succeeded"), ("prices", "succeeded")]
    assert _prose(pair) == PROSE


def _prose(pair: Pair) -> str:
    """What the books said, as the desk's log has it."""
    return "".join(e["text"] for e in pair.desk.events("text") if e.get("step") == "books")


async def test_agents_of_two_servers_call_each_other(pair: Pair) -> None:
    async with pair.up():
        run = await pair.desk.begin("desk", {"order": "o1"})
        await until(lambda: pair.at_gate)
        await until(lambda: _prose(pair) == PROSE)  # the peer is followed again
        pair.open_gate()
        _check(pair, await pair.desk.ended(run))
        progress = [e for e in pair.desk.events("progress") if e.get("step") == "books"]
        assert [(e["progress"], e["total"], e["message"]) for e in progress] == [(1, 2, "priced")]
        assert [e["name"] for e in pair.desk.events("artifact")] == ["entry.txt"]


@pytest.mark.parametrize("killed", ["the caller", "the callee", "both"])
async def test_a_server_is_killed_in_the_middle_and_each_side_effect_happens_once(pair: Pair, killed: str) -> None:
    async with pair.up():
        run = await pair.desk.begin("desk", {"order": "o1"})
        await until(lambda: pair.at_gate)
        for server in (pair.desk, pair.books):
            if killed in ("both", "the caller" if server is pair.desk else "the callee"):
                server.kill()
        (pair.folder / "waiting").unlink()
        if killed in ("both", "the caller"):
            await pair.desk.start()
        if killed in ("both", "the callee"):
            await pair.books.start()
            await until(lambda: pair.at_gate)  # the step that was at work is at work again
        await until(lambda: _prose(pair) == PROSE)  # the peer is followed again
        pair.open_gate()
        _check(pair, await pair.desk.ended(run))
