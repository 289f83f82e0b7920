"""Drives the ``a2a-sdk`` client as its users do. Arguments: the server's address, the binding."""

import asyncio
import itertools
import json
import sys

import grpc.aio
import httpx
from a2a.client import Client, ClientConfig, create_client
from a2a.client.card_resolver import A2ACardResolver
from a2a.types import a2a_pb2 as pb

URL, BINDING = sys.argv[1:]
numbers = itertools.count()


def state(status: pb.TaskStatus) -> str:
    return pb.TaskState.Name(status.state).removeprefix("TASK_STATE_")


def request(text: str = "", task_id: str = "", **data: object) -> pb.SendMessageRequest:
    part = pb.Part(text=text)
    if data:
        part = pb.Part()
        part.data.struct_value.update(data)
    id = f"sdk-{BINDING}-{next(numbers)}"
    message = pb.Message(message_id=id, role=pb.Role.ROLE_USER, parts=[part], task_id=task_id)
    return pb.SendMessageRequest(message=message)


async def client_of(http: httpx.AsyncClient, agent: str, streaming: bool) -> Client:
    card = await A2ACardResolver(http, f"{URL}/a2a/{agent}").get_agent_card()
    config = ClientConfig(
        streaming=streaming,
        httpx_client=http,
        grpc_channel_factory=grpc.aio.insecure_channel,
        supported_protocol_bindings=[BINDING],
    )
    return await create_client(card, config)


async def sent(client: Client, asked: pb.SendMessageRequest) -> list[pb.StreamResponse]:
    return [told async for told in client.send_message(asked)]


async def main() -> None:
    seen: dict[str, object] = {}
    async with httpx.AsyncClient(timeout=30) as http:
        greet = await client_of(http, "greet", False)
        (told,) = await sent(greet, request(name="Ada"))
        seen["greet"] = [state(told.task.status), told.task.artifacts[0].parts[0].data.struct_value["text"]]
        refund = await client_of(http, "refund", False)
        (told,) = await sent(refund, request(order_id="A-1", amount=500))
        seen["asked"] = state(told.task.status)
        (told,) = await sent(refund, request("approve", told.task.id))
        seen["answered"] = [state(told.task.status), told.task.artifacts[0].parts[0].text]
        count = await client_of(http, "count", True)
        streamed = await sent(count, request(to=3))
        states = [
            state(one.task.status if one.HasField("task") else one.status_update.status)
            for one in streamed
            if not one.HasField("artifact_update")
        ]
        seen["streamed"] = states
        (told,) = await sent(refund, request(order_id="A-2", amount=500))
        cancelled = await refund.cancel_task(pb.CancelTaskRequest(id=told.task.id))
        seen["cancelled"] = state(cancelled.status)
        seen["got"] = state((await refund.get_task(pb.GetTaskRequest(id=told.task.id))).status)
        fail = await client_of(http, "fail", False)
        (told,) = await sent(fail, request("now"))
        seen["failed"] = state(told.task.status)
    print(json.dumps(seen))


asyncio.run(main())
