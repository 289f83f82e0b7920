"""One request: a message to a receiver, and what came of it. Knows no queue and no retries; ``auth.posting`` speaks
HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dragoman.auth.egress import EgressRefused, Unresolved
from dragoman.auth.posting import Poster, Unanswered
from dragoman.engine.backoff import retry_after
from dragoman.engine.outgoing import Message, Outgoing
from dragoman.memory.outbox import Delivery

__all__ = ["Headers", "Outcome", "Sender"]

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
        self._timeout = outgoing.settings.timeout
        self._signers = outgoing.signers
        self._tenant = delivery.tenant
        self._headers = headers
        self._poster = Poster(outgoing.egress, delivery.url, outgoing.settings.answer_limit)

    async def send(self, message_id: str, message: Message) -> Outcome:
        """Send once, within the time for it."""
        headers = self._headers_of(message_id, message)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._poster.post(headers, message.body)
        except TimeoutError:
            return Outcome(f"no answer within {self._timeout:g} s")
        except EgressRefused as error:
            return Outcome(f"the address {error.message}")
        except Unresolved as error:
            return Outcome(error.message)
        except Unanswered as error:
            return Outcome(str(error))
        if 200 <= answer.status < 300:
            return Outcome()
        wait = retry_after(answer.headers.get("retry-after"))
        return Outcome(f"HTTP {answer.status}", wait, answer.status == _GONE)

    def close(self) -> None:
        """Close the connection."""
        self._poster.close()

    def _headers_of(self, message_id: str, message: Message) -> dict[str, str]:
        at = int(time.time())
        headers = {
            "user-agent": "Dragoman",
            "accept": "*/*",
            "content-type": message.content_type,
            "webhook-id": message_id,
            "webhook-timestamp": str(at),
        }
        headers |= self._headers(message_id, at, message.body)
        for signer in self._signers:
            headers |= signer.headers(self._tenant, message_id, at, message.body)
        return headers
