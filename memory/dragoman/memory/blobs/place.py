"""Where blobs are kept: what a place can do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from dragoman.memory.errors import DragomanError

__all__ = ["BlobPlace", "NoBlob"]


class NoBlob(DragomanError):
    """There is no such blob."""


class BlobPlace(Protocol):
    """Bytes by their names, which are relative paths. Each method raises ``LedgerBusy`` when the place cannot be
    reached."""

    @property
    def told(self) -> str:
        """What it is called in messages; no credentials."""
        ...

    async def put(self, name: str, data: bytes) -> None:
        """Keep bytes; they are safe when this returns. What is there already is written anew, and is as young."""
        ...

    async def create(self, name: str, data: bytes) -> bool:
        """Keep bytes unless there are some under this name; whether there were none. Of several at once one is."""
        ...

    async def get(self, name: str) -> bytes:
        """The bytes. Raises ``NoBlob``."""
        ...

    async def delete(self, names: Sequence[str]) -> None:
        """Remove what is there of these."""
        ...

    def older(self, seconds: float) -> AsyncIterator[Sequence[str]]:
        """The names of what was put longer ago than so many seconds, in parts."""
        ...
