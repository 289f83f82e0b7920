"""The contract of facts: small things that are known for a while."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.memory.ledger import Ledger

from .conftest import Reopen
from .helpers import TENANT

pytestmark = pytest.mark.anyio

HOUR = 3600.0
OVER = -1.0
"""A time to live that is over already."""


async def test_what_is_remembered_is_recalled_replaced_and_forgotten(ledger: Ledger) -> None:
    assert await ledger.recall(TENANT, "session", "a") is None
    assert await ledger.remember(TENANT, "session", "a", {"version": "1", "list": [1, None]}, HOUR) is True
    assert await ledger.recall(TENANT, "session", "a") == {"version": "1", "list": [1, None]}
    assert await ledger.remember(TENANT, "session", "a", "another", HOUR) is True
    assert await ledger.recall(TENANT, "session", "a") == "another"
    assert await ledger.forget(TENANT, "session", "a") is True
    assert await ledger.forget(TENANT, "session", "a") is False
    assert await ledger.recall(TENANT, "session", "a") is None


async def test_a_fact_is_its_tenants_and_its_kinds(ledger: Ledger) -> None:
    await ledger.remember(TENANT, "session", "a", 1, HOUR)
    assert await ledger.recall("umbrella", "session", "a") is None
    assert await ledger.recall(TENANT, "token", "a") is None
    assert await ledger.forget("umbrella", "session", "a") is False
    assert await ledger.forget(TENANT, "token", "a") is False
    assert await ledger.remember("umbrella", "session", "a", 2, HOUR, only_new=True) is True
    assert await ledger.recall(TENANT, "session", "a") == 1


async def test_of_several_who_ask_for_a_new_one_at_once_one_is_told_true(ledger: Ledger) -> None:
    told = await asyncio.gather(
        *(ledger.remember(TENANT, "token", "used", who, HOUR, only_new=True) for who in range(20))
    )
    assert sorted(told) == [False] * 19 + [True]
    assert await ledger.recall(TENANT, "token", "used") == told.index(True)


async def test_what_has_expired_is_not_there(ledger: Ledger) -> None:
    await ledger.remember(TENANT, "session", "a", 1, HOUR)
    await ledger.remember(TENANT, "session", "a", 2, OVER)
    assert await ledger.recall(TENANT, "session", "a") is None
    assert await ledger.forget(TENANT, "session", "a") is False
    await ledger.remember(TENANT, "session", "a", 3, OVER)
    assert await ledger.remember(TENANT, "session", "a", 4, HOUR, only_new=True) is True
    assert await ledger.recall(TENANT, "session", "a") == 4


async def test_a_fact_is_prolonged_as_it_is_and_one_that_is_gone_does_not_come_back(ledger: Ledger) -> None:
    await ledger.remember(TENANT, "session", "a", {"kept": 1}, HOUR)
    assert await ledger.prolong(TENANT, "session", "a", HOUR) is True
    assert await ledger.recall(TENANT, "session", "a") == {"kept": 1}
    assert await ledger.prolong("umbrella", "session", "a", OVER) is False
    assert await ledger.prolong(TENANT, "session", "a", OVER) is True
    assert await ledger.recall(TENANT, "session", "a") is None
    assert await ledger.prolong(TENANT, "session", "a", HOUR) is False
    await ledger.remember(TENANT, "session", "b", 1, HOUR)
    await ledger.forget(TENANT, "session", "b")
    assert await ledger.prolong(TENANT, "session", "b", HOUR) is False
    assert await ledger.recall(TENANT, "session", "b") is None


async def test_a_sweep_leaves_what_has_not_expired(ledger: Ledger) -> None:
    for n in range(250):
        await ledger.remember(TENANT, "session", f"over {n}", n, OVER)
        await ledger.remember(TENANT, "session", f"kept {n}", n, HOUR)
    for _ in range(3):
        assert await ledger.sweep(3) == []
    kept = [await ledger.recall(TENANT, "session", f"kept {n}") for n in range(250)]
    assert kept == list(range(250))


async def test_what_is_remembered_outlives_the_process(ledger: Ledger, reopen: Reopen) -> None:
    await ledger.remember(TENANT, "session", "a", {"kept": True}, HOUR)
    again = await reopen()
    assert await again.recall(TENANT, "session", "a") == {"kept": True}
