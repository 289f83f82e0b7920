"""Calls peers by the SDK's client transports: what they tell, folded into what the engine takes.

Loaded by ``client`` when the first peer is called, for it brings the SDK along.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import httpx
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from a2a.client.client import Client, ClientCallContext, ClientConfig
from a2a.client.client_factory import ClientFactory
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import A2AError, TaskNotCancelableError, TaskNotFoundError, UnsupportedOperationError
from dragoman.a2a.client_cards import Cards, Found
from dragoman.a2a.client_errors import as_remote
from dragoman.a2a.client_fold import Fold
from dragoman.a2a.client_settings import PeerSettings
from dragoman.agents.remote import RemoteFailed, RemoteMessage, RemoteUnreachable, Told
from dragoman.auth.dialling import PinnedTransport
from dragoman.auth.egress import Egress
from dragoman.telemetry.context import traceparent

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PeerCalls"]

_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)  # the engine lets go of a silent stream before
_BIGGEST: Final = 67_108_864  # bytes of one answer, or one stream


class PeerCalls:
    """The verbs of ``dragoman.agents.remote.Peers``, spoken."""

    def __init__(self, peers: Sequence[PeerSettings], egress: Egress) -> None:
        self._egress = egress
        self._cards = Cards(peers, egress)

    async def send(self, peer: str, message: RemoteMessage) -> AsyncGenerator[Told, None]:
        """Send a message, and what the peer tells of it. A message to a task that asks no more is let be: whoever
        answered first has answered, and the task is followed."""
        async with self._called(peer) as (found, client):
            try:
                updates = client.send_message(_request(message), context=_context(found))
                async with aclosing(_told(updates)) as folded:
                    async for told in folded:
                        yield told
                return
            except UnsupportedOperationError:
                if not message.task_id:
                    raise
            async with aclosing(_followed(found, client, message.task_id)) as folded:
                async for told in folded:
                    yield told

    async def follow(self, peer: str, task_id: str) -> AsyncGenerator[Told, None]:
        """A task as it is now, then what the peer tells of it."""
        async with self._called(peer) as (found, client), aclosing(_followed(found, client, task_id)) as folded:
            async for told in folded:
                yield told

    async def cancel(self, peer: str, task_id: str) -> None:
        """Cancel a task; one that has ended is let be."""
        async with self._called(peer) as (found, client):
            try:
                await client.cancel_task(pb.CancelTaskRequest(id=task_id), context=_context(found))
            except (TaskNotCancelableError, TaskNotFoundError):
                return

    @asynccontextmanager
    async def _called(self, peer: str) -> AsyncGenerator[tuple[Found, Client]]:
        """A client of a peer, with connections of its own: a stream holds one, and a name may lead elsewhere the next
        time."""
        found = await self._cards.find(peer)
        transport = _Bounded(PinnedTransport(self._egress, 2))
        http = httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=_TIMEOUT)
        http.headers["user-agent"] = "Dragoman"
        config = ClientConfig(polling=not found.streams, httpx_client=http)
        config.supported_protocol_bindings = [found.interface.protocol_binding]
        try:
            async with http:
                if found.interface.protocol_binding == "GRPC":
                    from dragoman.a2a.client_grpc import open_channel

                    channel = await open_channel(found.interface.url, self._egress)
                    config.grpc_channel_factory = lambda _: channel
                client = ClientFactory(config).create(found.card)
                try:
                    yield found, client
                finally:
                    await client.close()
        except Exception as error:
            self._cards.forget(peer)
            raise as_remote(peer, error) from error


class _Bounded(httpx.AsyncBaseTransport):
    """A peer cannot fill our memory: an answer ends where it is too long."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and bound what is answered."""
        answer = await self._inner.handle_async_request(request)
        answer.stream = _BoundedStream(cast("httpx.AsyncByteStream", answer.stream))
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for piece in self._inner:
            read += len(piece)
            if read > _BIGGEST:
                raise RemoteFailed(f"The peer answered more than {_BIGGEST} bytes.")
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _followed(found: Found, client: Client, task_id: str) -> AsyncGenerator[Told, None]:
    """Subscribe to a task; get it where that cannot be, because it has ended or the peer does not stream."""
    if found.streams:
        updates = client.subscribe(pb.SubscribeToTaskRequest(id=task_id), context=_context(found))
        try:
            async with aclosing(_told(updates)) as folded:
                async for told in folded:
                    yield told
            return
        except A2AError as error:
            if isinstance(as_remote(found.name, error), RemoteUnreachable):
                raise
    task = await client.get_task(pb.GetTaskRequest(id=task_id), context=_context(found))
    now = Fold().take({"task": _json(task)})
    if now is not None:
        yield now


async def _told(updates: AsyncIterator[pb.StreamResponse]) -> AsyncGenerator[Told, None]:
    fold = Fold()
    async with aclosing(cast("AsyncGenerator[pb.StreamResponse, None]", updates)):
        async for update in updates:
            if (told := fold.take(_json(update))) is not None:
                yield told


def _request(message: RemoteMessage) -> pb.SendMessageRequest:
    own = pb.Message(message_id=message.id, role=pb.ROLE_USER, context_id=message.context_id, task_id=message.task_id)
    if message.text is not None or message.data is None:
        own.parts.append(pb.Part(text=message.text or ""))
    if message.data is not None:
        part = pb.Part(media_type="application/json")
        ParseDict(message.data, part.data)
        own.parts.append(part)
    return pb.SendMessageRequest(message=own)


def _context(found: Found) -> ClientCallContext:
    headers = dict(found.headers)
    if trace := traceparent():
        headers["traceparent"] = trace
    return ClientCallContext(service_parameters=headers)


def _json(message: Message) -> dict[str, Any]:
    return MessageToDict(message)
