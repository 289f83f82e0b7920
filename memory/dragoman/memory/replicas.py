"""What a ledger that several processes share tells each of them of the others. Part of the contract of ``ledger.py``.

Not a log and no promise: what is not heard is found by looking. A ledger of one process tells nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["News", "ReplicaLedger"]


@dataclass(frozen=True, slots=True)
class News:
    """What other processes have committed. ``threads`` (tenant and id) were written to; None is any of them, for some
    news were lost. ``due``: a run may be due. ``cancelled``: a running run was asked to cancel."""

    threads: frozenset[tuple[str, str]] | None = frozenset()
    due: bool = False
    cancelled: bool = False


class ReplicaLedger(Protocol):
    """The port by which processes on one ledger hear of each other."""

    @property
    def polls(self) -> float | None:
        """After how many seconds to look for what nobody announced; None where one process alone writes."""
        ...

    def tell(self, threads: Iterable[tuple[str, str]]) -> None:
        """Tell the other processes of these (tenant and id) as of threads that were written to. Does nothing where one
        process alone writes."""
        ...

    def news(self) -> AsyncIterator[News]:
        """What the other processes commit, from now on; does not end while the ledger is open. Ends at once where one
        process alone writes."""
        ...
