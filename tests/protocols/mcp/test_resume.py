"""Coming back for a response, over HTTP in sessions of the older era: closed streams, broken ones, killed servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from dragoman.agents import Catalog

from .resuming import BOTH, CATALOG, GATE, Gate, Start, durably, progress_of, session, text_of

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def gate() -> Gate:
    """Closed at first."""
    GATE.shut()
    return GATE


async def test_a_stream_begins_with_an_event_that_says_where_and_when_to_come_back(
    over_http: Start, schemas: Any, gate: Gate
) -> None:
    async with (
        over_http(catalog=Catalog(*CATALOG)) as server,
        session(server.url) as client,
        client.calling("waiting", id="call", token=5) as events,
    ):
        first = await anext(events)
        assert first.id is not None
        assert (first.retry, first.data) == (1000, "")
        gate.event.set()
        rest = [event async for event in events]
    assert len({event.id for event in (first, *rest)}) == 5
    assert all(event.id for event in rest)
    assert progress_of(rest) == [1, 2, 3]
    assert (rest[-1].data["id"], text_of(rest[-1])) == ("call", "worth the wait")
    schemas.older("JSONRPCResultResponse", rest[-1].data)


@pytest.mark.parametrize("name", ["detaching", "durably"])
async def test_an_author_closes_the_stream_and_the_client_comes_back_for_the_answer(
    over_http: Start, gate: Gate, name: str
) -> None:
    async with over_http(durably, catalog=Catalog(*CATALOG)) as server, session(server.url) as client:
        async with client.calling(name, id=1, token=7) as events:
            told = [event async for event in events]
        assert told[0].data == ""
        assert progress_of(told) == [1]
        assert (told[-1].retry, told[-1].data) == (10, "")
        assert told[-1].id is not None
        async with client.resuming(told[-1].id) as events:
            gate.event.set()
            rest = [event async for event in events]
        assert progress_of(rest) == [2]
        assert (rest[-1].data["id"], text_of(rest[-1])) == (1, "worth the wait")
        again = await client.rest(told[0].id or "")
        assert progress_of(again) == [1, 2]
        assert again[-1].data == rest[-1].data


async def test_a_stream_is_closed_after_its_time_where_the_settings_say_so(over_http: Start, gate: Gate) -> None:
    async with over_http(catalog=Catalog(*CATALOG), stream_close_after=0.05) as server, session(server.url) as client:
        last: str | None = None
        for _ in range(3):
            stream = client.calling("waiting") if last is None else client.resuming(last)
            async with stream as events:
                told = [event async for event in events]
            assert (told[-1].retry, told[-1].data) == (1000, "")
            last = told[-1].id
        gate.event.set()
        assert last is not None
        (answer,) = await client.rest(last)
    assert (text_of(answer), gate.calls) == ("worth the wait", 1)


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18"])
async def test_earlier_versions_are_sent_no_event_without_data_and_their_streams_stay_open(
    over_http: Start, gate: Gate, version: str
) -> None:
    gate.event.set()
    async with (
        over_http(catalog=Catalog(*CATALOG), stream_close_after=0.05) as server,
        session(server.url, version) as client,
        client.calling("detaching", token=1) as events,
    ):
        told = [event async for event in events]
    assert all(event.id and event.data for event in told)
    assert text_of(told[-1]) == "worth the wait"


async def test_the_modern_era_and_clients_without_a_session_have_none_of_it(over_http: Start, gate: Gate) -> None:
    gate.event.set()
    catalog = Catalog(*CATALOG)
    async with over_http(catalog=catalog) as server, httpx.AsyncClient(base_url=server.url) as http:
        meta = {"io.modelcontextprotocol/" + k: v for k, v in _modern().items()} | {"progressToken": 1}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        headers = {"accept": BOTH, "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call"}
        params: dict[str, Any] = {"name": "detaching", "arguments": {}}
        modern = await http.post(
            "", json={**call, "params": {**params, "_meta": meta}}, headers={**headers, "mcp-name": "detaching"}
        )
        params["_meta"] = {"progressToken": 1}
        older = await http.post("", json={**call, "params": params}, headers={"accept": BOTH})
    for response in (modern, older):
        assert response.headers["content-type"] == "text/event-stream"
        assert "worth the wait" in response.text
        assert "id: " not in response.text
        assert "retry: " not in response.text


def _modern() -> Mapping[str, Any]:
    return {"protocolVersion": "2026-07-28", "clientCapabilities": {}}


async def test_a_request_whose_stream_broke_goes_on_and_what_was_missed_is_sent_again(
    over_http: Start, gate: Gate
) -> None:
    async with over_http(catalog=Catalog(*CATALOG)) as server, session(server.url) as client:
        async with client.calling("waiting", token=1) as events:
            await anext(events)
            seen = await anext(events)
        assert progress_of([seen]) == [1]
        gate.event.set()
        rest = await client.rest(seen.id or "")
        assert progress_of(rest) == [2, 3]
        assert text_of(rest[-1]) == "worth the wait"
        assert gate.calls == 1
        assert await client.rest(rest[-1].id or "") == []


async def test_the_newest_stream_is_the_one_that_is_written(over_http: Start, gate: Gate) -> None:
    async with (
        over_http(catalog=Catalog(*CATALOG)) as server,
        session(server.url) as client,
        client.calling("waiting", token=1) as first,
    ):
        primed = await anext(first)
        await anext(first)
        async with client.resuming(primed.id or "") as second:
            assert progress_of([await anext(second)]) == [1]
            assert [event async for event in first] == []
            gate.event.set()
            rest = [event async for event in second]
    assert progress_of(rest) == [2, 3]
    assert text_of(rest[-1]) == "worth the wait"


async def test_cancelling_ends_the_request_and_whoever_comes_back_finds_the_end(over_http: Start, gate: Gate) -> None:
    async with over_http(catalog=Catalog(*CATALOG)) as server, session(server.url) as client:
        async with client.calling("waiting", id=9, token=1) as events:
            primed = await anext(events)
            await anext(events)
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}
            assert (await client.http.post("", json=cancel)).status_code == 202
            assert [event async for event in events] == []
        assert progress_of(await client.rest(primed.id or "")) == [1]


async def test_an_id_is_good_for_its_session_alone_and_a_made_up_one_for_none(over_http: Start, gate: Gate) -> None:
    async with over_http(catalog=Catalog(*CATALOG)) as server, session(server.url) as client:
        async with client.calling("waiting") as events:
            real = (await anext(events)).id or ""
        token, _, place = real.partition(".")
        async with session(server.url) as other:
            made_up = ["", "x", f"{token}.-1.0", f"{token}.1", f"{token}x.0.0", f"x.{place}", f"{token}.{'9' * 50}.0"]
            for who, last in [(other, real), *((client, last) for last in made_up if last)]:
                refused = await who.http.get("", headers={"last-event-id": last})
                assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32600), last
        foreign = await client.http.get("", headers={"last-event-id": real, "x-test-subject": "bob"})
        assert foreign.status_code == 404
        gate.event.set()
        assert text_of((await client.rest(real))[-1]) == "worth the wait"
