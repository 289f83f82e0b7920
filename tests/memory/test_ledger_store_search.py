"""The contract of the store beyond keys: filters, words, and items that expire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.memory.errors import InputInvalid
from dragoman.memory.filters import check_filter, fits
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Ledger
from dragoman.memory.words import scores, text_of, words_of

from .conftest import Reopen
from .helpers import TENANT

Later = Callable[[float], None]

pytestmark = pytest.mark.anyio


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Put the store's clock forward by so many seconds."""
    put = [0]
    monkeypatch.setattr("dragoman.memory.verbs.store_items.now_micros", lambda: now_micros() + put[0])

    def move(seconds: float) -> None:
        put[0] += int(seconds * 1e6)

    return move


async def keys(ledger: Ledger, **asked: Any) -> list[str]:
    return [item.key for item in await ledger.search_items(TENANT, asked.pop("prefix", ()), **asked)]


# -- filters ----------------------------------------------------------------------------------------------------------
async def test_items_are_searched_by_comparisons(ledger: Ledger) -> None:
    for n in range(6):
        await ledger.put_item(TENANT, ("n",), f"k{n}", {"n": n, "at": f"2026-0{n + 1}", "who": {"age": n * 10}})
    assert await keys(ledger, filter={"n": {"$gte": 2, "$lt": 4}}) == ["k2", "k3"]
    assert await keys(ledger, filter={"n": {"$gt": 4}}) == ["k5"]
    assert await keys(ledger, filter={"n": {"$lte": 0.5}}) == ["k0"]
    assert await keys(ledger, filter={"n": {"$eq": 3}}) == ["k3"]
    assert await keys(ledger, filter={"n": {"$ne": 3}}) == ["k0", "k1", "k2", "k4", "k5"]
    assert await keys(ledger, filter={"at": {"$gt": "2026-04"}}) == ["k4", "k5"]
    assert await keys(ledger, filter={"who": {"age": {"$gte": 40}}}) == ["k4", "k5"]
    assert await keys(ledger, filter={"who": {"age": 10}}, limit=1) == ["k1"]
    assert await keys(ledger, filter={"n": {"$gt": "1"}}) == []
    assert len(await keys(ledger, filter={"missing": {"$ne": 1}})) == 6
    for wrong in ({"n": {"$in": [1]}}, {"n": {"$gt": None}}, {"who": {"age": {"$like": 1}}}):
        with pytest.raises(InputInvalid, match="filter"):
            await ledger.search_items(TENANT, (), wrong)


@pytest.mark.parametrize(
    ("value", "filter", "expected"),
    [
        ({"a": True}, {"a": 1}, False),
        ({"a": True}, {"a": {"$eq": 1}}, False),
        ({"a": 1}, {"a": {"$ne": True}}, True),
        ({"a": 1}, {"a": {"$gte": 1.0}}, True),
        ({"a": True}, {"a": {"$gt": 0}}, False),
        ({"a": [1]}, {"a": [1]}, True),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": 1}, {"a": {"b": 1}}, False),
        ({}, {"a": None}, False),
        ({"a": None}, {"a": None}, True),
        ({"a": {}}, {"a": {}}, True),
    ],
)
def test_a_value_fits_a_filter_or_not(value: Any, filter: Any, expected: bool) -> None:
    check_filter(filter)
    assert fits(value, filter) is expected


# -- words ------------------------------------------------------------------------------------------------------------
async def test_items_are_found_by_words_the_best_first(ledger: Ledger, reopen: Reopen) -> None:
    for key, text in (
        ("tea", "Green tea and black tea, no coffee"),
        ("coffee", "A small coffee in the morning"),
        ("walk", "A walk in the park"),
        ("drinks", "coffee, tea, milk, water, juice, and what else there is to be drunk by people in the morning"),
    ):
        await ledger.put_item(TENANT, ("notes",), key, {"title": key.upper(), "body": {"parts": [text]}})
    ledger = await reopen()
    found = await ledger.search_items(TENANT, ("notes",), query="TEA?")
    assert [item.key for item in found] == ["tea", "drinks"]
    assert found[0].score is not None
    assert found[0].score > (found[1].score or 0) > 0
    assert (await keys(ledger, query="green coffee"))[0] == "tea"
    assert await keys(ledger, query="coffee", limit=1, offset=1) == [(await keys(ledger, query="coffee"))[1]]
    assert await keys(ledger, query="coffee", filter={"title": "TEA"}) == ["tea"]
    assert await keys(ledger, query="tea", prefix=("other",)) == []
    assert (await keys(ledger, query="nothing"), await keys(ledger, query='"?! *')) == ([], [])
    assert len(await keys(ledger, query='park" OR text:* NEAR (')) == 1
    assert [item.score for item in await ledger.search_items(TENANT, ())] == [None] * 4


async def test_words_are_found_whatever_their_case_and_accents(ledger: Ledger) -> None:
    await ledger.put_item(TENANT, (), "k", {"name": "Zoë Müller", "city": "Łódź"})
    for query in ("zoe", "ZOË", "muller", "Müller"):
        assert await keys(ledger, query=query) == ["k"]


async def test_what_is_replaced_or_deleted_is_found_no_more(ledger: Ledger) -> None:
    await ledger.put_item(TENANT, (), "k", {"text": "apple"})
    await ledger.put_item(TENANT, (), "k", {"text": "pear"})
    assert (await keys(ledger, query="apple"), await keys(ledger, query="pear")) == ([], ["k"])
    await ledger.delete_item(TENANT, (), "k")
    assert await keys(ledger, query="pear") == []
    await ledger.put_item(TENANT, (), "k", {"text": "plum"})
    assert await keys(ledger, query="plum") == ["k"]


async def test_only_what_is_indexed_is_found(ledger: Ledger) -> None:
    value = {"title": "apple", "secret": "pear", "parts": [{"text": "plum"}, {"text": "fig"}], "n": {"m": "kiwi"}}
    await ledger.put_item(TENANT, (), "none", value, index=False)
    await ledger.put_item(TENANT, (), "some", value, index=["title", "parts[*].text", "n.m"])
    await ledger.put_item(TENANT, (), "all", value, index=["$"])
    assert await keys(ledger, query="pear") == ["all"]
    for query in ("apple", "plum", "fig", "kiwi"):
        assert set(await keys(ledger, query=query)) == {"some", "all"}


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (None, "a\nb\nc\n"),
        (False, ""),
        ([], ""),
        (["x"], "a\n"),
        (["list[0]"], "b\n"),
        (["list[9]"], ""),
        (["list[*].y"], "c\n"),
        (["nowhere.at.all"], ""),
        (["list"], "b\nc\n"),
    ],
)
def test_the_texts_of_a_value_are_those_under_its_paths(index: Any, expected: str) -> None:
    assert text_of({"x": "a", "n": 1, "list": ["b", {"y": "c"}]}, index) == expected


async def test_another_tenants_words_are_not_found_and_tell_nothing(ledger: Ledger) -> None:
    await ledger.put_item(TENANT, (), "mine", {"text": "apple pie"})
    [before] = await ledger.search_items(TENANT, (), query="apple")
    for n in range(20):
        await ledger.put_item("umbrella", (), f"theirs{n}", {"text": "apple" * (n % 2 + 1)})
    [after] = await ledger.search_items(TENANT, (), query="apple")
    assert (after, after.score) == (before, before.score)
    assert await ledger.search_items("t", (), query="apple") == []


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5), st.text(max_size=12))
def test_a_text_with_a_word_of_the_query_scores_and_no_other_does(texts: list[str], query: str) -> None:
    words = words_of(query)
    for text, score in zip(texts, scores(words, texts), strict=True):
        assert (score > 0) == bool(set(words) & set(words_of(text)))


# -- time -------------------------------------------------------------------------------------------------------------
async def test_an_item_expires_unless_it_is_refreshed(ledger: Ledger, reopen: Reopen, later: Later) -> None:
    for key, ttl in (("soon", 60.0), ("read", 60.0), ("kept", None)):
        await ledger.put_item(TENANT, ("t",), key, {"text": "apple"}, ttl_s=ttl)
    later(50)
    assert await ledger.get_item(TENANT, ("t",), "read") is not None
    assert await ledger.get_item(TENANT, ("t",), "soon", refresh=False) is not None
    later(20)
    assert await ledger.get_item(TENANT, ("t",), "soon") is None
    assert await keys(ledger, refresh=False) == ["kept", "read"]
    assert set(await keys(ledger, query="apple", refresh=False)) == {"kept", "read"}
    assert await ledger.namespaces(TENANT) == [("t",)]
    assert await ledger.delete_item(TENANT, ("t",), "soon") is False
    ledger = await reopen()
    later(50)
    assert await keys(ledger) == ["kept"]


async def test_searching_refreshes_what_it_shows(ledger: Ledger, later: Later) -> None:
    for key in ("a", "b"):
        await ledger.put_item(TENANT, (), key, {}, ttl_s=60)
    later(50)
    assert await keys(ledger, limit=1) == ["a"]
    later(20)
    assert await keys(ledger) == ["a"]


async def test_an_item_that_is_put_again_begins_anew(ledger: Ledger, later: Later) -> None:
    first = await ledger.put_item(TENANT, (), "k", {}, ttl_s=60)
    later(70)
    again = await ledger.put_item(TENANT, (), "k", {})
    assert again.created_at > first.created_at
    later(1000)
    assert await ledger.get_item(TENANT, (), "k") == again


async def test_what_has_expired_is_removed_a_few_at_a_time(ledger: Ledger, later: Later) -> None:
    for n in range(5):
        await ledger.put_item(TENANT, (), f"k{n}", {"text": "apple"}, ttl_s=60 + n)
    await ledger.put_item(TENANT, (), "kept", {"text": "apple"})
    assert await ledger.sweep_items(3) == 0
    later(100)
    assert [await ledger.sweep_items(3) for _ in range(3)] == [3, 2, 0]
    assert await keys(ledger, query="apple") == ["kept"]
    await ledger.put_item(TENANT, (), "k", {}, ttl_s=60)
    later(100)
    await ledger.sweep(10)
    assert await ledger.sweep_items(3) == 0
