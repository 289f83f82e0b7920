"""Plain functions that wait on the event loop: each is answered, ends and fails by itself, whoever ran there before."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import pytest

from dragoman.memory.postgres.bridge import Parts, pause, spawn, wait

pytestmark = pytest.mark.anyio


async def answer(value: str) -> str:
    await asyncio.sleep(0)
    if value == "refused":
        raise ValueError(value)
    return value


def ask(*values: str) -> list[str]:
    return [wait(answer(value)) for value in values]


async def test_functions_wait_side_by_side_and_are_each_told_their_own() -> None:
    told = await asyncio.gather(*(spawn(ask, f"{n}", f"{n}!") for n in range(20)))
    assert told == [[f"{n}", f"{n}!"] for n in range(20)]


async def test_what_fails_is_raised_where_it_is_waited_for_and_to_the_caller_and_harms_nobody_after() -> None:
    def mild() -> str:
        try:
            return wait(answer("refused"))
        except ValueError as error:
            return f"was {error}"

    for _ in range(3):
        with pytest.raises(ValueError, match="refused"):
            await spawn(ask, "a", "refused")
        assert await spawn(mild) == "was refused"
        assert await spawn(ask, "b") == ["b"]


async def test_a_function_whose_caller_is_gone_is_ended() -> None:
    ended: list[str] = []

    def held() -> None:
        try:
            wait(asyncio.Event().wait())
        finally:
            ended.append("held")

    task = asyncio.create_task(spawn(held))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["held"]


def parts_of(said: list[str], *names: str) -> Parts:
    def part(name: str) -> Callable[[], None]:
        def run() -> None:
            said.append(f"{name} begins")
            if name.startswith("p"):
                pause()
                said.append(f"{name} goes on")
            if name.endswith("fails"):
                raise ValueError(name)

        return run

    return Parts([part(name) for name in names])


async def test_parts_that_pause_go_on_together_and_the_others_are_done_by_then() -> None:
    said: list[str] = []
    parts = parts_of(said, "a", "p1", "b", "p2", "c")
    assert parts.go_on()
    assert said == ["a begins", "p1 begins", "b begins", "p2 begins", "c begins"]
    assert not parts.go_on()
    assert said[5:] == ["p1 goes on", "p2 goes on"]


async def test_what_a_part_raises_ends_all_and_harms_nobody_after() -> None:
    said: list[str] = []
    parts = parts_of(said, "p1", "p2 fails", "p3")
    assert parts.go_on()
    with pytest.raises(ValueError, match="p2 fails"):
        parts.go_on()
    with pytest.raises(ValueError, match="a fails"):
        parts_of(said, "p4", "a fails", "b").go_on()
    del parts
    gc.collect()
    assert "b begins" not in said
    assert await spawn(ask, "after") == ["after"]
