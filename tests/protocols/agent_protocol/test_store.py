"""The store by ``langgraph-sdk``, unmodified, async and sync, against a real server; and what an agent sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.errors import UnprocessableEntityError

from dragoman.memory.ids import now_micros

pytestmark = pytest.mark.anyio

Sdk = Any  # a LangGraphClient, whose types a strict checker cannot tell in full


@pytest.fixture
async def sdk(url: str) -> AsyncGenerator[Sdk]:
    client: Sdk = get_client(url=url, api_key=None)
    yield client
    await client.aclose()


async def keys(sdk: Sdk, *prefix: str, **asked: Any) -> list[str]:
    return [item["key"] for item in (await sdk.store.search_items(prefix, **asked))["items"]]


async def test_an_item_is_put_got_and_deleted(sdk: Sdk) -> None:
    await sdk.store.put_item(["users", "ada"], "likes", {"tea": True})
    item = await sdk.store.get_item(["users", "ada"], "likes")
    assert (item["namespace"], item["key"], item["value"]) == (["users", "ada"], "likes", {"tea": True})
    assert item["created_at"] == item["updated_at"]
    await sdk.store.put_item(["users", "ada"], "likes", {"tea": False})
    again = await sdk.store.get_item(["users", "ada"], "likes")
    assert again["created_at"] == item["created_at"] < again["updated_at"]
    await sdk.store.delete_item(["users", "ada"], "likes")
    await sdk.store.delete_item(["users", "ada"], "likes")
    assert await sdk.store.get_item(["users", "ada"], "likes") is None


async def test_items_are_searched_by_filter_and_by_words(sdk: Sdk) -> None:
    for n, text in enumerate(("green tea", "black tea and tea cake", "coffee")):
        await sdk.store.put_item(["notes", str(n)], f"k{n}", {"text": text, "n": n}, index=["text"])
    await sdk.store.put_item(["notes"], "hidden", {"text": "tea"}, index=False)
    assert await keys(sdk, "notes", filter={"n": {"$gte": 1, "$ne": 2}}) == ["k1"]
    found = (await sdk.store.search_items(["notes"], query="tea"))["items"]
    assert [item["key"] for item in found] == ["k1", "k0"]
    assert found[0]["score"] > found[1]["score"] > 0
    assert await keys(sdk, "notes", query="tea", filter={"n": 0}) == ["k0"]
    assert await keys(sdk, "notes", limit=1, offset=1) == ["k0"]
    assert "score" not in (await sdk.store.search_items(["notes"]))["items"][0]
    assert await keys(sdk, "other", query="tea") == []
    with pytest.raises(UnprocessableEntityError, match=r"filter.n.\$in"):
        await keys(sdk, "notes", filter={"n": {"$in": [1]}})


async def test_namespaces_are_listed(sdk: Sdk) -> None:
    for namespace in (["a", "x", "docs"], ["a", "y", "docs"], ["b"]):
        await sdk.store.put_item(namespace, "k", {})
    assert await sdk.store.list_namespaces() == {"namespaces": [["a", "x", "docs"], ["a", "y", "docs"], ["b"]]}
    assert await sdk.store.list_namespaces(prefix=["a"], max_depth=2) == {"namespaces": [["a", "x"], ["a", "y"]]}
    assert await sdk.store.list_namespaces(suffix=["docs"], limit=1, offset=1) == {"namespaces": [["a", "y", "docs"]]}


async def test_items_expire_in_minutes_unless_they_are_read(sdk: Sdk, monkeypatch: pytest.MonkeyPatch) -> None:
    put = [0]
    monkeypatch.setattr("dragoman.memory.verbs.store_items.now_micros", lambda: now_micros() + put[0] * 60_000_000)
    for key in ("unread", "read", "found"):
        await sdk.store.put_item(["t"], key, {"text": key}, ttl=10)
    await sdk.store.put_item(["t"], "kept", {})
    put[0] += 6
    assert await sdk.store.get_item(["t"], "read") is not None
    assert await sdk.store.get_item(["t"], "unread", refresh_ttl=False) is not None
    assert await keys(sdk, "t", query="found") == ["found"]
    assert len(await keys(sdk, "t", refresh_ttl=False)) == 4
    put[0] += 6
    assert await keys(sdk, "t", refresh_ttl=False) == ["found", "kept", "read"]
    assert await sdk.store.get_item(["t"], "unread") is None
    put[0] += 6
    assert await keys(sdk, "t") == ["kept"]


async def test_another_tenants_items_are_not_there(sdk: Sdk, url: str) -> None:
    await sdk.store.put_item(["a"], "k", {"text": "tea"})
    other: Sdk = get_client(url=url, api_key=None, headers={"x-tenant": "umbrella"})
    async with other:
        assert await other.store.get_item(["a"], "k") is None
        assert (await keys(other), await keys(other, query="tea")) == ([], [])
        assert await other.store.list_namespaces() == {"namespaces": []}
        await other.store.delete_item(["a"], "k")
    assert await sdk.store.get_item(["a"], "k") is not None


async def test_the_sync_client_gets_the_same(sdk: Sdk, url: str) -> None:
    def all_of_it() -> None:
        with get_sync_client(url=url, api_key=None) as client:
            store: Any = client.store
            store.put_item(["a"], "k", {"text": "tea"}, ttl=5, index=["text"])
            assert store.get_item(["a"], "k", refresh_ttl=True)["value"] == {"text": "tea"}
            assert [i["key"] for i in store.search_items(["a"], query="tea", filter={"text": "tea"})["items"]] == ["k"]
            assert store.list_namespaces(max_depth=1) == {"namespaces": [["a"]]}
            store.delete_item(["a"], "k")
            assert store.search_items([])["items"] == []

    await asyncio.to_thread(all_of_it)


async def test_what_does_not_fit_is_refused_by_name(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        item: dict[str, Any] = {"namespace": ["a"], "key": "k", "value": {}}
        asked: list[tuple[str, str, dict[str, Any], str]] = [
            ("PUT", "/store/items", {**item, "ttl": 0}, "ttl"),
            ("PUT", "/store/items", {**item, "ttl": "soon"}, "ttl"),
            ("PUT", "/store/items", {**item, "index": True}, "index"),
            ("POST", "/store/items/search", {"query": 7}, "query"),
            ("POST", "/store/items/search", {"filter": {"a": {"$gt": []}}}, "filter.a.$gt"),
        ]
        for method, path, body, field in asked:
            answer = await http.request(method, path, json=body)
            assert answer.status_code == 422
            assert field in answer.json()["message"]
