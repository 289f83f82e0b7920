"""What is sealed: columns of tables, and what names their rows.

Ids, times, statuses, names, metadata, namespaces and keys of the store, subjects and addresses are not: lists, filters
and leases go by them. A migration that adds a column for what users say names it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["TABLES", "Table"]


class Table(NamedTuple):
    """``key`` names a row, beginning with its tenant; ``columns`` hold bytes and ``texts`` text. ``primary`` is the
    primary key where that is another."""

    key: tuple[str, ...]
    columns: tuple[str, ...]
    texts: tuple[str, ...] = ()
    primary: tuple[str, ...] | None = None


TABLES: Final[Mapping[str, Table]] = {
    "runs": Table(("tenant", "id"), ("input", "message", "output", "failure", "setup"), ("cancel_reason",)),
    "steps": Table(("tenant", "run_id", "key"), ("result", "failure")),
    "events": Table(("tenant", "thread_id", "seq"), ("data",)),
    "checkpoints": Table(("tenant", "thread_id", "number"), ("content",)),
    "interrupts": Table(("tenant", "run_id", "key"), ("schema", "payload", "answer"), ("message",)),
    "artifacts": Table(("tenant", "run_id", "id"), ("data",)),
    "store_items": Table(("tenant", "namespace", "key"), ("value",)),
    "facts": Table(("tenant", "kind", "key"), ("value",)),
    "deliveries": Table(("tenant", "run_id", "id"), ("options",), ("error",)),
    "delivery_secrets": Table(("tenant", "delivery"), ("secret",), (), ("delivery",)),
    # Not by its number, which the database gives it when the row is there.
    "dead_letters": Table(("tenant", "delivery", "seq", "part"), ("body",), ("error",), ("number",)),
    "assistant_versions": Table(("tenant", "assistant_id", "version"), ("config", "context"), ("description",)),
    "crons": Table(("tenant", "id"), ("payload",)),
}
