"""What a tool does to the world, as told to clients and to people who approve calls. Told, not enforced."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Hints"]


@dataclass(frozen=True, slots=True)
class Hints:
    """MCP's tool annotations; None says nothing, and clients then assume the worst.

    ``read_only``: it changes nothing. ``destructive``: it may undo or delete. ``idempotent``: a second call with the
    same arguments changes nothing more. ``open_world``: it reaches things outside of what the server knows.
    """

    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None
