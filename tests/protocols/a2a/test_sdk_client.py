"""The SDK's own client, unmodified, over HTTP: both versions, streaming and not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from a2a.client import Client, ClientConfig, create_client
from a2a.client.card_resolver import A2ACardResolver
from a2a.types import a2a_pb2 as pb
from a2a.utils import errors as sdk
from google.protobuf.json_format import MessageToDict

from dragoman.agents import Context, agent

from .conftest import House, Open

pytestmark = pytest.mark.anyio

State = pb.TaskState


@agent
async def echo(ctx: Context, text: str) -> str:
    """Says what you say."""
    for word in text.split():
        await ctx.stream_text(f"{word} ")
    return f"{text} "


@agent
async def refunds(ctx: Context, order: str, amount: float) -> dict[str, float]:
    """Refunds orders."""
    approval = await ctx.approve(f"Refund {amount:g}?")
    await ctx.artifact("receipt.txt", "paid")
    return {order: amount if approval.approved else 0.0}


@asynccontextmanager
async def client_of(
    house: House, agent: str, *, streaming: bool = True, legacy: bool = False
) -> AsyncGenerator[Client, None]:
    """A client made from the card, as the SDK's users make it."""
    async with httpx.AsyncClient(timeout=20) as http:
        card = await A2ACardResolver(http, f"{house.url}/a2a/{agent}").get_agent_card()
        if legacy:
            kept = [i for i in card.supported_interfaces if i.protocol_version == "0.3"]
            del card.supported_interfaces[:]
            card.supported_interfaces.extend(kept)
        client = await create_client(card, ClientConfig(streaming=streaming, httpx_client=http))
        try:
            yield client
        finally:
            await client.close()


_numbers = iter(range(1, 1000))


def request(*parts: pb.Part, **more: Any) -> pb.SendMessageRequest:
    message = pb.Message(message_id=f"s{next(_numbers)}", role=pb.Role.ROLE_USER, parts=parts, **more)
    return pb.SendMessageRequest(message=message)


def words(text: str) -> pb.Part:
    return pb.Part(text=text)


def data(**fields: Any) -> pb.Part:
    part = pb.Part()
    part.data.struct_value.update(fields)
    return part


async def all_of(updates: AsyncIterator[pb.StreamResponse]) -> list[pb.StreamResponse]:
    return [update async for update in updates]


def text_of(artifact: pb.Artifact) -> str:
    return "".join(part.text for part in artifact.parts)


VERSIONS = pytest.mark.parametrize("legacy", [False, True], ids=["1.0", "0.3"])


@VERSIONS
async def test_a_message_is_sent_and_its_task_got_and_listed(open_house: Open, legacy: bool) -> None:
    async with open_house(echo, real=True) as house, client_of(house, "echo", streaming=False, legacy=legacy) as client:
        (answer,) = await all_of(client.send_message(request(words("good morning"))))
        assert answer.task.status.state == State.TASK_STATE_COMPLETED
        assert text_of(answer.task.artifacts[0]) == "good morning "
        assert await client.get_task(pb.GetTaskRequest(id=answer.task.id)) == answer.task
        if not legacy:
            listed = await client.list_tasks(pb.ListTasksRequest(include_artifacts=True))
            assert list(listed.tasks) == [answer.task]
            assert (listed.total_size, listed.page_size, listed.next_page_token) == (1, 50, "")


@VERSIONS
async def test_a_message_is_streamed(open_house: Open, legacy: bool) -> None:
    async with open_house(echo, real=True) as house, client_of(house, "echo", legacy=legacy) as client:
        updates = await all_of(client.send_message(request(words("good morning"))))
        assert updates[0].HasField("task")
        chunks = [u.artifact_update for u in updates if u.HasField("artifact_update")]
        assert "".join(text_of(c.artifact) for c in chunks) == "good morning "
        assert [c.append for c in chunks] == [False, True, True]
        assert chunks[-1].last_chunk
        assert updates[-1].status_update.status.state == State.TASK_STATE_COMPLETED


@VERSIONS
async def test_a_question_is_answered(open_house: Open, legacy: bool) -> None:
    async with open_house(refunds, real=True) as house, client_of(house, "refunds", legacy=legacy) as client:
        updates = await all_of(client.send_message(request(words("my money, please"))))
        asked = updates[-1].status_update
        assert asked.status.state == State.TASK_STATE_INPUT_REQUIRED
        task_id = asked.task_id
        question = MessageToDict(asked.status.message.parts[1].data)["interrupts"][0]
        assert question["schema"]["required"] == ["order", "amount"]

        updates = await all_of(client.send_message(request(data(order="o1", amount=5), task_id=task_id)))
        assert updates[-1].status_update.status.message.parts[0].text == "Refund 5?"

        updates = await all_of(client.send_message(request(words("yes"), task_id=task_id)))
        assert updates[-1].status_update.status.state == State.TASK_STATE_COMPLETED
        receipt, result = [u.artifact_update.artifact for u in updates if u.HasField("artifact_update")]
        assert (receipt.name, text_of(receipt)) == ("receipt.txt", "paid")
        assert MessageToDict(result.parts[0].data) == {"o1": 5.0}

        task = await client.get_task(pb.GetTaskRequest(id=task_id, history_length=2))
        assert [m.role for m in task.history] == [pb.Role.ROLE_AGENT, pb.Role.ROLE_USER]


@VERSIONS
async def test_a_subscriber_receives_what_is_approved_elsewhere(open_house: Open, legacy: bool) -> None:
    async with open_house(refunds, real=True) as house, client_of(house, "refunds", legacy=legacy) as client:
        updates = await all_of(client.send_message(request(data(order="o1", amount=5))))
        task_id = updates[-1].status_update.task_id
        subscription = client.subscribe(pb.SubscribeToTaskRequest(id=task_id))
        first = await anext(subscription)
        assert first.task.status.state == State.TASK_STATE_INPUT_REQUIRED
        await house.engine.answer(house.caller, task_id, {"approval": {"approved": True}})
        rest = await all_of(subscription)
        assert rest[-1].status_update.status.state == State.TASK_STATE_COMPLETED


@VERSIONS
async def test_a_task_is_cancelled_once(open_house: Open, legacy: bool) -> None:
    async with open_house(refunds, real=True) as house, client_of(house, "refunds", legacy=legacy) as client:
        updates = await all_of(client.send_message(request(data(order="o1", amount=5))))
        task_id = updates[-1].status_update.task_id
        task = await client.cancel_task(pb.CancelTaskRequest(id=task_id))
        assert task.status.state == State.TASK_STATE_CANCELED
        with pytest.raises(sdk.TaskNotCancelableError, match="TASK_STATE_CANCELED"):
            await client.cancel_task(pb.CancelTaskRequest(id=task_id))


@VERSIONS
async def test_errors_arrive_as_the_sdks_exceptions(open_house: Open, legacy: bool) -> None:
    async with open_house(refunds, real=True) as house, client_of(house, "refunds", legacy=legacy) as client:
        with pytest.raises(sdk.TaskNotFoundError, match="no task 'r0'"):
            await client.get_task(pb.GetTaskRequest(id="r0"))
        with pytest.raises(sdk.TaskNotFoundError, match="no task 'r0'"):
            await all_of(client.subscribe(pb.SubscribeToTaskRequest(id="r0")))
        with pytest.raises(sdk.InvalidParamsError, match="amount: Field required"):
            await all_of(client.send_message(request(data(order="o1"))))
        with pytest.raises(sdk.ContentTypeNotSupportedError, match="image/png"):
            await all_of(client.send_message(request(pb.Part(raw=b"x", media_type="image/png"))))
        config = pb.TaskPushNotificationConfig(task_id="r0", id="c1", url="https://hooks.example")
        with pytest.raises(sdk.TaskNotFoundError, match="no task 'r0'"):
            await client.create_task_push_notification_config(config)
        assert await house.runs() == 0


async def test_a_client_that_resolves_the_host_finds_the_default_agent(open_house: Open) -> None:
    async with open_house(echo, refunds, real=True) as house:
        client = await create_client(house.url)
        try:
            updates = await all_of(client.send_message(request(words("hi"))))
            assert updates[-1].status_update.status.state == State.TASK_STATE_COMPLETED
        finally:
            await client.close()
