"""What receivers of a task's updates are sent: StreamResponse objects (A2A 1.0, section 4.3.3), and who says so.

The outbox asks for it, event by event; nothing is sent or kept here. An 0.3 receiver is sent the Task instead, whenever
its status changes (A2A 0.3, section 9.5).
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.a2a.files import Links
from dragoman.a2a.push import LEGACY
from dragoman.a2a.settings import A2aSettings
from dragoman.a2a.signing import CardSigner
from dragoman.a2a.stream import TaskStream
from dragoman.engine import Engine
from dragoman.engine.outgoing import Message, Projection
from dragoman.memory.codec import dumps
from dragoman.memory.model import Event, Json, Principal, Run
from dragoman.memory.outbox import Delivery

__all__ = ["PushKind"]

_GOOD_FOR: Final = 300  # seconds that a token may be shown
_TOKEN_HEADERS: Final = ("x-a2a-notification-token", "a2a-notification-token")  # each known by some SDKs


class PushKind:
    """The kind of deliveries that ``push`` keeps."""

    def __init__(self, engine: Engine, settings: A2aSettings) -> None:
        self._engine = engine
        self._links = Links(settings)
        self._issuer = settings.public_url or settings.file_url
        self._signer = CardSigner(settings.signing_key) if settings.signing_key is not None else None

    def open(self, delivery: Delivery, run: Run) -> Projection:
        """See ``Kind``."""
        legacy = delivery.options.get("version") == LEGACY
        return (_Tasks if legacy else _Updates)(self._engine, run, TaskStream(run, self._links.link))

    def headers(
        self, delivery: Delivery, secret: Mapping[str, Json], message_id: str, at: int, body: bytes
    ) -> Mapping[str, str]:
        """See ``Kind``: the token, and the credentials of the config; without such, a signed token of our own."""
        told: dict[str, str] = {}
        if "token" in secret:
            told |= dict.fromkeys(_TOKEN_HEADERS, str(secret["token"]))
        if "credentials" in secret:
            told["authorization"] = f"{delivery.options['scheme']} {secret['credentials']}"
        elif self._signer is not None:
            told["authorization"] = f"Bearer {self._token(self._signer, delivery, message_id, at, body)}"
        return told

    def _token(self, signer: CardSigner, delivery: Delivery, message_id: str, at: int, body: bytes) -> str:
        import hashlib

        claims: dict[str, Json] = {
            "sub": delivery.run_id,
            "aud": delivery.url,
            "iat": at,
            "exp": at + _GOOD_FOR,
            "jti": message_id,
            "request_body_sha256": hashlib.sha256(body).hexdigest(),
        }
        return signer.token({"iss": self._issuer, **claims} if self._issuer else claims, self._issuer)


class _Updates:
    """Every update of the task."""

    def __init__(self, engine: Engine, run: Run, told: TaskStream) -> None:
        self._engine = engine
        self._run = run
        self._told = told
        self._supplied = False

    async def take(self, event: Event) -> Sequence[Message]:
        """See ``Projection``."""
        return [Message(dumps(update)) for update in await self._take(event)]

    async def _take(self, event: Event) -> list[dict[str, Json]]:
        if not self._supplied or self._told.needs(event):
            principal = Principal(self._run.tenant, self._run.subject, frozenset())
            self._told.supply(await self._engine.view(principal, self._run.id))
            self._supplied = True
        return self._told.take(event)


class _Tasks(_Updates):
    """The task at each change of its status, as A2A 0.3 has it."""

    async def take(self, event: Event) -> Sequence[Message]:
        """See ``Projection``."""
        updates = await self._take(event)
        if not any("statusUpdate" in update for update in updates):
            return []
        # It brings the SDK along, a second's import.
        words: Any = await asyncio.to_thread(importlib.import_module, "dragoman.a2a.legacy_push")
        body: bytes = words.task_bytes(self._told.snapshot()["task"])
        return [Message(body)]
