"""How the commands show things: tables through Rich, times in UTC. Says nothing, decides nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

__all__ = ["moment", "table"]

WIDE = 10_000


def moment(micros: int | None) -> str | None:
    """Microseconds since the epoch as ``2026-01-31T12:00:00Z``."""
    if micros is None:
        return None
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of the same keys, without the columns that are empty in all of them. Without a terminal nothing is cut
    off, so that other programs can read it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else WIDE)
    shown = Table(box=None, pad_edge=False, header_style="bold")
    columns = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    for key in columns:
        shown.add_column(key.upper(), overflow="fold")
    for row in rows:
        shown.add_row(*(escape(_text(row[key])) for key in columns))
    console.print(shown, highlight=False)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return ",".join(cast(list[str], value)) if isinstance(value, list) else str(value)
