"""The contract of the store and of API keys."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.memory.errors import Conflict
from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import ApiKey
from dragoman.memory.verbs.store_items import _encode, _range, decoded  # pyright: ignore[reportPrivateUsage]

from .helpers import TENANT

pytestmark = pytest.mark.anyio

AWKWARD = ("a", "a b", "", "a.b", "\x00", "\x01", "\x02", "\x02\x03", "é", "\U0001f600", 'a"', "%", "_")


async def test_an_item_is_put_read_replaced_and_deleted(ledger: Ledger) -> None:
    put = await ledger.put_item(TENANT, ("users", "ada"), "likes", {"tea": True})
    assert (put.namespace, put.key, put.value) == (("users", "ada"), "likes", {"tea": True})
    assert await ledger.get_item(TENANT, ("users", "ada"), "likes") == put
    replaced = await ledger.put_item(TENANT, ("users", "ada"), "likes", {"tea": False})
    assert (replaced.created_at, replaced.value) == (put.created_at, {"tea": False})
    assert replaced.updated_at >= put.updated_at
    assert await ledger.get_item(TENANT, ("users",), "likes") is None
    assert await ledger.delete_item(TENANT, ("users", "ada"), "likes") is True
    assert await ledger.delete_item(TENANT, ("users", "ada"), "likes") is False
    assert await ledger.get_item(TENANT, ("users", "ada"), "likes") is None


async def test_a_prefix_ends_at_an_element(ledger: Ledger) -> None:
    for namespace in ((), ("a",), ("a", "b"), ("ab",), ("a\x01b",), ("a", ""), ("b",)):
        await ledger.put_item(TENANT, namespace, "k", {})

    async def under(*prefix: str) -> list[tuple[str, ...]]:
        return [item.namespace for item in await ledger.search_items(TENANT, prefix, limit=100)]

    assert await under("a") == [("a",), ("a", ""), ("a", "b")]
    assert await under("ab") == [("ab",)]
    assert await under("a", "b") == [("a", "b")]
    assert await under() == sorted([(), ("a",), ("a", ""), ("a", "b"), ("a\x01b",), ("ab",), ("b",)])


async def test_items_are_searched_by_pairs_in_pages(ledger: Ledger) -> None:
    for n in range(10):
        await ledger.put_item(TENANT, ("n", str(n % 2)), f"k{n}", {"even": n % 2 == 0, "n": n, "list": [n]})
    found = await ledger.search_items(TENANT, ("n",), {"even": True}, limit=3)
    assert [item.key for item in found] == ["k0", "k2", "k4"]
    assert [i.key for i in await ledger.search_items(TENANT, ("n",), {"even": True}, 3, 3)] == ["k6", "k8"]
    assert [i.key for i in await ledger.search_items(TENANT, ("n",), {"even": True, "n": 4})] == ["k4"]
    assert [i.key for i in await ledger.search_items(TENANT, (), {"list": [7]})] == ["k7"]
    assert await ledger.search_items(TENANT, ("n",), {"even": 1}) == []
    assert await ledger.search_items(TENANT, ("n",), {"missing": None}) == []


async def test_namespaces_are_distinct_cut_and_sorted(ledger: Ledger) -> None:
    for namespace in (("a", "x", "docs"), ("a", "y", "docs"), ("a", "y", "notes"), ("b",), ("docs",)):
        for key in ("1", "2"):
            await ledger.put_item(TENANT, namespace, key, {})
    assert await ledger.namespaces(TENANT) == [
        ("a", "x", "docs"),
        ("a", "y", "docs"),
        ("a", "y", "notes"),
        ("b",),
        ("docs",),
    ]
    assert await ledger.namespaces(TENANT, ("a",), max_depth=2) == [("a", "x"), ("a", "y")]
    assert await ledger.namespaces(TENANT, suffix=("docs",)) == [("a", "x", "docs"), ("a", "y", "docs"), ("docs",)]
    assert await ledger.namespaces(TENANT, ("a",), ("docs",), limit=1, offset=1) == [("a", "y", "docs")]
    assert await ledger.namespaces(TENANT, max_depth=1) == [("a",), ("b",), ("docs",)]


names = st.one_of(st.sampled_from(AWKWARD), st.text(max_size=4))


@given(st.lists(st.lists(names, max_size=3).map(tuple), min_size=2, max_size=6))
def test_the_text_of_a_namespace_sorts_and_reads_as_the_namespace(namespaces: list[tuple[str, ...]]) -> None:
    texts = {namespace: bound(_encode(namespace)) for namespace in namespaces}
    assert sorted(texts, key=lambda n: texts[n]) == sorted(texts, key=lambda n: [part.encode() for part in n])
    assert all(decoded(text.decode()) == namespace for namespace, text in texts.items())
    for one in namespaces:
        first, after = map(bound, _range(one))
        for two in namespaces:
            assert (first <= texts[two] < after) == (two[: len(one)] == one)


def bound(text: str | bytes) -> bytes:
    """As SQLite compares it."""
    return text if isinstance(text, bytes) else text.encode()


def api_key(**fields: Any) -> ApiKey:
    known: dict[str, Any] = {
        "id": uuid7(),
        "tenant": TENANT,
        "subject": "ada",
        "scopes": frozenset({"*"}),
        "created_at": now_micros(),
    }
    return ApiKey(**{**known, **fields})


async def test_a_key_is_found_by_the_hash_of_its_secret_until_it_is_revoked(ledger: Ledger) -> None:
    key = api_key(scopes=frozenset({"runs:read", "runs:write"}))
    await ledger.add_key(key, b"hash")
    assert await ledger.find_key(b"hash") == key
    assert await ledger.find_key(b"other") is None
    assert await ledger.revoke_key(key.id) is True
    assert await ledger.revoke_key(key.id) is False
    assert await ledger.revoke_key("nobody") is False
    assert await ledger.find_key(b"hash") is None
    [kept] = await ledger.keys()
    assert kept.id == key.id
    assert kept.revoked_at is not None


async def test_keys_are_listed_oldest_first_by_tenant(ledger: Ledger) -> None:
    keys = [api_key(tenant=tenant) for tenant in (TENANT, "umbrella", TENANT)]
    for n, key in enumerate(keys):
        await ledger.add_key(key, bytes([n]))
    assert await ledger.keys() == keys
    assert await ledger.keys(TENANT) == [keys[0], keys[2]]
    with pytest.raises(Conflict):
        await ledger.add_key(api_key(), bytes([0]))
    with pytest.raises(Conflict):
        await ledger.add_key(keys[0], b"new")
    assert await ledger.keys() == keys
