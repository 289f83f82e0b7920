"""How long things are kept, and the ledger's verbs that forget them. Part of the contract of ``ledger.py``.

A verb looks at some rows from a place on and forgets those whose time is over and that nothing needs; it tells where to
go on. It is bounded in rows and in time, so that steps are committed between two of them. When it is run, and what the
times are, is the engine's.
"""

from __future__ import annotations

from typing import Final

__all__ = ["PURGED"]

PURGED: Final = "log.purged"
"""The type of the event that stands for all before it, which are gone: its ``through`` is its own number."""
