"""How the embedded ledger runs the verbs. Below: the writer's thread and the readers. Above: the classes of verbs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, TypeVarTuple

from dragoman.memory.sqlite.reader import Reader
from dragoman.memory.sqlite.writer import Writer

__all__ = ["WriterAndReader"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class WriterAndReader:
    """``Through`` of the embedded ledger: short reads on the loop's thread, which costs less than to hand them over."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self.writer = writer
        self.reader = reader

    def write(self, verb: Callable[[Any, *Ts], T], /, *args: *Ts) -> Awaitable[T]:
        """See ``Through.write``."""
        return self.writer.run(verb, *args)

    def relaxed(self, verb: Callable[[Any, *Ts], T], /, *args: *Ts) -> Awaitable[T]:
        """See ``Through.relaxed``."""
        return self.writer.run_relaxed(verb, *args)

    async def look(self, verb: Callable[[Any, *Ts], T], /, *args: *Ts) -> T:
        """See ``Through.look``."""
        return await self.reader.near(verb, *args)

    def read(self, verb: Callable[[Any, *Ts], T], /, *args: *Ts) -> Awaitable[T]:
        """See ``Through.read``."""
        return self.reader.apart(verb, *args)
