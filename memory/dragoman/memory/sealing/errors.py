"""What goes wrong with sealed values. No message carries a key or a value."""

from __future__ import annotations

from dragoman.memory.errors import DragomanError

__all__ = ["MasterKeyMissing", "Unreadable"]


class MasterKeyMissing(DragomanError):
    """The ledger is sealed with a master key that this process was not given."""


class Unreadable(DragomanError):
    """A value that was kept cannot be read: it was changed, or belongs to another row.

    ``row`` is its row with nothing in the place of what cannot be read, where there is one.
    """

    row: tuple[object, ...] | None = None
