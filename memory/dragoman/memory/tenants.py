"""What a tenant may be called. Whoever brings a tenant into a ledger asks here: keys that are made, imports.

The empty name stands for none where tenants are walked and rows guarded. A name is part of a file's name where blobs
lie in a folder, which bounds it.
"""

from __future__ import annotations

from typing import Final

from dragoman.memory.errors import InputInvalid

__all__ = ["check_tenant"]

_LONGEST: Final = 80  # bytes


def check_tenant(name: str) -> None:
    """Raises ``InputInvalid`` for a name that no ledger can keep a tenant under."""
    if not name or len(name.encode(errors="replace")) > _LONGEST or not name.isprintable():
        shown = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"
        raise InputInvalid(f"tenant: 1 to {_LONGEST} bytes of text that can be printed are expected, not {shown!r}.")
