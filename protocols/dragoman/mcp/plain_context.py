"""The CallContext of a function that is done within its request. How it asks is an ``Asker``'s; see ``asking.py``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pydantic import TypeAdapter

from dragoman.agents.calls import CallContext, Level
from dragoman.agents.errors import CannotAsk
from dragoman.agents.signature import schema_of
from dragoman.mcp import questions
from dragoman.mcp.call import Call, detach
from dragoman.mcp.logs import send_log
from dragoman.mcp.progress import send_progress
from dragoman.memory.codec import dumps
from dragoman.memory.model import Interrupt, InterruptKind, Json, Principal

__all__ = ["Asker", "PlainContext"]

_APPROVAL: Mapping[str, Json] = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "comment": {"type": "string"}},
    "required": ["approved"],
    "additionalProperties": False,
}


class Asker(Protocol):
    """A way to ask the client of a call."""

    async def ask(self, question: Interrupt, timeout: float | None) -> Json:
        """The answer, which fits the question's schema. Raises ``Declined``, ``InterruptExpired``."""
        ...


class PlainContext(CallContext):
    """A call's view of itself."""

    def __init__(self, call: Call, asker: Asker) -> None:
        self._call = call
        self._asker = asker
        self._asked: Counter[str] = Counter()
        self._told = float("-inf")

    @property
    def principal(self) -> Principal:
        return self._call.principal

    @property
    def metadata(self) -> Mapping[str, Json]:
        return self._call.meta

    @property
    def cancelled(self) -> bool:
        return self._call.withdrawn

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        if progress > self._told:
            self._told = progress
            await send_progress(self._call, {"progress": progress, "total": total, "message": message})

    async def log(self, message: Json, *, level: Level = "info", logger: str | None = None) -> None:
        dumps(message)  # what is no JSON is told where it was made
        await send_log(self._call, level, message, logger)

    async def detach(self, retry: float = 1.0) -> None:
        await detach(self._call, retry)

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
        adapter: TypeAdapter[Any] | None = None
        if schema is None:
            wanted: Mapping[str, Json] = _APPROVAL if kind is InterruptKind.APPROVAL else {"type": "string"}
        elif isinstance(schema, Mapping):
            wanted = schema
        else:
            adapter = TypeAdapter(schema)
            wanted = schema_of(adapter)
        name = self._name(key or kind.value)
        question = Interrupt("", "", name, name, kind, message, wanted, payload)
        if questions.method_for(self._call, question) is None:
            raise _cannot_ask(question)
        answer = await self._asker.ask(question, timeout)
        return answer if adapter is None else adapter.validate_python(answer)

    async def ask(
        self,
        message: str,
        *,
        choices: Sequence[str] | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> str:
        schema: dict[str, Json] = {"type": "string"}
        if choices is not None:
            schema["enum"] = list(choices)
        return str(await self.interrupt(message, schema=schema, key=key, timeout=timeout))

    def _name(self, name: str) -> str:
        self._asked[name] += 1
        return name if self._asked[name] == 1 else f"{name}#{self._asked[name]}"


def _cannot_ask(question: Interrupt) -> CannotAsk:
    capability = questions.capability_of(question)
    return CannotAsk(
        f"The question {question.key!r} cannot be put: the client did not declare the capability {capability!r}.",
        capability=capability,
    )
