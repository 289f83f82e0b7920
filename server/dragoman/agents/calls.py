"""What a plain tool, a resource or a prompt is handed: the CallContext of one request.

It is the part of an agent's ``Context`` that needs no run. A function that takes it is done within its request and
leaves nothing behind; one that is to survive a crash takes a ``Context``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from dragoman.memory.model import InterruptKind, Json, Principal

__all__ = ["CallContext", "Level"]

Level: TypeAlias = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
"""How grave a log line is (RFC 5424)."""


class CallContext(ABC):
    """A function's view of the request that it answers."""

    @property
    @abstractmethod
    def principal(self) -> Principal:
        """On whose behalf it acts."""

    @property
    @abstractmethod
    def metadata(self) -> Mapping[str, Json]:
        """What the caller attached to the request."""

    @property
    @abstractmethod
    def cancelled(self) -> bool:
        """Whether someone asked to cancel it. The coroutine is cancelled at the same moment."""

    @abstractmethod
    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Tell how far it is; ``progress`` rises."""

    @abstractmethod
    async def log(self, message: Json, *, level: Level = "info", logger: str | None = None) -> None:
        """Tell the caller something that is of interest to who looks for a fault."""

    @abstractmethod
    async def detach(self, retry: float = 1.0) -> None:
        """Close the caller's stream now; its client comes back for the answer, after ``retry`` seconds or so.

        Nothing happens where a client cannot come back: that needs a session of MCP 2025-11-25 over HTTP.
        """

    @abstractmethod
    async def interrupt(
        self,
        message: str,
        *,
        kind: InterruptKind = InterruptKind.INPUT,
        schema: Mapping[str, Json] | type[Any] | None = None,
        payload: Json = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Ask the caller, and wait for the answer.

        ``schema`` is the JSON Schema of the answer or a type that pydantic knows (the answer is then of that type);
        without one any string will do. ``payload`` goes to the client with the question. A plain function may be
        started again from its first line with the answers given so far, in the same order of calls: what it does
        before its last question may happen more than once. Questions that are asked at the same time
        (``asyncio.gather``) are put together. Raises ``Declined`` where the caller turns it down, ``InterruptExpired``
        where nobody answered within ``timeout`` seconds, ``CannotAsk`` where the caller's client takes no questions.
        """

    @abstractmethod
    async def ask(
        self,
        message: str,
        *,
        choices: Sequence[str] | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> str:
        """Ask for a text, or for one of ``choices``."""
