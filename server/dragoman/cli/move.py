"""``dragoman move``: a ledger that is a file, moved into a Postgres database."""

from __future__ import annotations

import sys
from pathlib import Path

from dragoman.cli.errors import CommandError
from dragoman.memory.digest import Digest
from dragoman.memory.move import Verified
from dragoman.memory.move import move as moved
from dragoman.memory.postgres import is_postgres, postgres_ledger
from dragoman.memory.sqlite.departure import departing, put_aside
from dragoman.settings import find

__all__ = ["move"]


def move(source: Path | None, target: str, *, keep: bool, config: str | None) -> None:
    """Copy the file into the database, verify it there, and put the file aside, unless it is kept."""
    if not is_postgres(target):
        raise CommandError("--to: the URL of a Postgres database, as postgresql://user@host/name.", 2)
    path = source or find(config, None, needs_agents=False).storage_path
    if not path.exists():
        raise CommandError(f"There is no ledger {path} to move.")
    done = _moved(path, target)
    rows = sum(digest.rows for digest in done.values())
    print(f"{rows} rows of {len(done)} tables are in the database, each table counted and added up on both sides.")
    if keep:
        print(f"{path} is kept: do not serve it again, or its runs go on twice.", file=sys.stderr)
    else:
        print(f"{path} is now {put_aside(path, 'moved')}, so that its runs do not go on twice.", file=sys.stderr)
    print(
        f"Servers of the database need what this one sealed with: {path.name}.key, by [auth] sealing_keys or "
        "DRAGOMAN_SEALING_KEYS, and with signed cards its signing keys.",
        file=sys.stderr,
    )


def _moved(path: Path, target: str) -> Verified:
    postgres_ledger(target)  # says which extra is missing
    from dragoman.memory.postgres.bulk import PostgresBulk

    bulk = PostgresBulk(target)
    with departing(path) as source, bulk.writing(alone=True):
        return moved(source, bulk, _told)


def _told(table: str, digest: Digest) -> None:
    print(f"{table:<20} {digest.rows:>10} rows  {digest.sha256[:16]}", file=sys.stderr)
