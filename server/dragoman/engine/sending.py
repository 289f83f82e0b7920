"""One request: a message to a receiver, and what came of it. Knows HTTP; knows no queue and no retries."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from dragoman.auth.dialling import pinned_client
from dragoman.auth.egress import EgressRefused, Unresolved
from dragoman.engine.backoff import retry_after
from dragoman.engine.outgoing import Message, Outgoing
from dragoman.memory.outbox import Delivery

__all__ = ["Outcome", "Sender"]

_GONE = 410
Headers = Callable[[str, int, bytes], Mapping[str, str]]
"""The headers of a message by its id, the seconds since the epoch, and its body."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``error`` is empty when the receiver took the message. ``wait`` is what it asked for, in seconds. ``gone``: it
    wants no more."""

    error: str = ""
    wait: float | None = None
    gone: bool = False


class Sender:
    """Sends to one receiver, over one connection that is kept."""

    def __init__(self, outgoing: Outgoing, delivery: Delivery, headers: Headers) -> None:
        self._outgoing = outgoing
        self._tenant, self._url = delivery.tenant, delivery.url
        self._headers = headers
        self._client = pinned_client(outgoing.egress)

    async def send(self, message_id: str, message: Message) -> Outcome:
        """Send once. Never raises but ``CancelledError``."""
        settings = self._outgoing.settings
        try:
            async with asyncio.timeout(settings.timeout):
                return await self._post(message_id, message)
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(f"no answer within {settings.timeout:g} s")
        except (EgressRefused, Unresolved) as error:
            return Outcome(f"the address {error.message}" if isinstance(error, EgressRefused) else error.message)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Outcome(f"{type(error).__name__}: {str(error)[:200]}")

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def _post(self, message_id: str, message: Message) -> Outcome:
        at = int(time.time())
        headers = {"user-agent": "Dragoman", "content-type": message.content_type}
        headers |= {"webhook-id": message_id, "webhook-timestamp": str(at)}
        headers |= self._headers(message_id, at, message.body)
        for signer in self._outgoing.signers:
            headers |= signer.headers(self._tenant, message_id, at, message.body)
        request = self._client.build_request("POST", self._url, content=message.body, headers=headers, timeout=None)
        response = await self._client.send(request, stream=True)
        try:
            if response.is_success:
                await self._drain(response)
                return Outcome()
            wait = retry_after(response.headers.get("retry-after"))
            return Outcome(f"HTTP {response.status_code}", wait, response.status_code == _GONE)
        finally:
            # An answer that was not read to its end takes its connection along.
            await response.aclose()

    async def _drain(self, response: httpx.Response) -> None:
        """Read a short answer, so that the connection can be kept. What was taken is taken, however the answer ends."""
        read = 0
        with contextlib.suppress(httpx.HTTPError):
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read > self._outgoing.settings.answer_limit:
                    return
