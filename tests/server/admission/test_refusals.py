"""A full queue, as each protocol's own client sees it: refused in the protocol's words, with the time to come again."""

from __future__ import annotations

import socket
from typing import Any

import grpc
import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.client.card_resolver import A2ACardResolver
from a2a.types import a2a_pb2 as pb
from a2a.types.a2a_pb2_grpc import A2AServiceStub
from google.rpc import (  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
    error_details_pb2,
    status_pb2,
)
from langgraph_sdk import get_client
from langgraph_sdk.errors import RateLimitError
from mcp.client import Client

from .house import House

pytestmark = pytest.mark.anyio

HOLDS = {"agent_id": "holds", "input": {"seconds": 600.0}, "on_disconnect": "continue"}


@pytest.fixture(params=["tenant_queue_limit", "queue_limit"])
async def full(house: House, request: pytest.FixtureRequest) -> tuple[str, int]:
    """A server with one run at work and one in the queue, which holds no more; its address and its gRPC port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    settings = f"[engine]\nconcurrency = 1\n{request.param} = 1\n[a2a]\ngrpc_port = {port}\n"
    server = await house.serve(settings)
    async with house.client(server) as client:
        for _ in range(2):
            assert (await client.post("/runs", json=HOLDS)).status_code == 200
    return server.url, port


def message() -> pb.Message:
    part = pb.Part()
    part.data.struct_value.update({"seconds": 1.0})
    return pb.Message(message_id="m", role=pb.Role.ROLE_USER, parts=[part])


async def test_every_protocol_tells_that_the_queue_is_full_and_when_to_come_again(full: tuple[str, int]) -> None:
    url, port = full
    async with httpx.AsyncClient(base_url=url, timeout=20) as http:
        refused = await http.post("/runs", json=HOLDS)
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        assert int(refused.headers["retry-after"]) >= 1
        await over_a2a(http, url)
    await over_grpc(port)
    await over_langgraph(url)
    await over_mcp(url)


async def over_langgraph(url: str) -> None:
    client = get_client(url=url)
    thread = await client.threads.create()
    with pytest.raises(RateLimitError) as caught:
        await client.runs.create(thread["thread_id"], "holds", input={"seconds": 1.0})
    assert int(caught.value.response.headers["retry-after"]) >= 1
    await client.http.client.aclose()


async def over_a2a(http: httpx.AsyncClient, url: str) -> None:
    body = {"message": {"messageId": "r", "role": "ROLE_USER", "parts": [{"data": {"seconds": 1.0}}]}}
    rest = await http.post("/a2a/holds/message:send", json=body, headers={"a2a-version": "1.0"})
    assert rest.status_code == 429, rest.text
    assert int(rest.headers["retry-after"]) >= 1
    error: Any = rest.json()["error"]
    assert (error["status"], error["details"][0]["reason"]) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
    assert error["details"][1]["retryDelay"].endswith("s")
    for binding, told in (("JSONRPC", "queue is full"), ("HTTP+JSON", "429 Too Many Requests")):
        card = await A2ACardResolver(http, f"{url}/a2a/holds").get_agent_card()
        config = ClientConfig(streaming=False, httpx_client=http, supported_protocol_bindings=[binding])
        client = await create_client(card, config)
        with pytest.raises(Exception, match=told):
            _ = [each async for each in client.send_message(pb.SendMessageRequest(message=message()))]


async def over_grpc(port: int) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        asked = pb.SendMessageRequest(message=message(), tenant="holds")
        stub: Any = A2AServiceStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.SendMessage(asked, metadata=(("a2a-version", "1.0"),))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    details: Any = dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(details)
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    assert retry.retry_delay.ToMilliseconds() > 0


async def over_mcp(url: str) -> None:
    async with Client(f"{url}/mcp") as client:
        told = await client.call_tool("holds", {"seconds": 1.0})
    assert told.is_error
    [text] = told.content
    assert text.type == "text"
    assert "queue is full" in text.text
    assert "ry again in" in text.text
