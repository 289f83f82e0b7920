"""``dragoman backup`` and ``dragoman restore``: a copy of the ledger's file, and the way back."""

from __future__ import annotations

import sys
from pathlib import Path

from dragoman.cli.errors import CommandError
from dragoman.cli.shown import moment
from dragoman.memory.sqlite.backup import back_up, manifest_path
from dragoman.memory.sqlite.restore import restore as put_back
from dragoman.settings import Settings, find

__all__ = ["backup", "restore"]

_POSTGRES = (
    "{place} is a Postgres database, which is backed up by Postgres's own means: `pg_dump --format=custom` for one "
    "moment, or base backups and WAL archiving (PITR) for any. docs/keeping.md says how."
)


def backup(file: Path, *, config: str | None, storage: str | None) -> None:
    """Write the ledger to a file, also while a server has it open."""
    settings = _file_settings(config, storage)
    manifest = back_up(settings.storage_path, file)
    rows = ", ".join(
        f"{count} {name}" for name, count in manifest.rows.items() if name in ("threads", "runs", "events")
    )
    print(
        f"{file}: {manifest.size} bytes, {rows}; as of {moment(manifest.began_at)}, checked. "
        f"{manifest_path(file).name} says what it is.",
        file=sys.stderr,
    )
    print("Not in it: the key files beside the ledger, and blobs.", file=sys.stderr)


def restore(file: Path, *, replace: bool, config: str | None, storage: str | None) -> None:
    """Put a backup in the place of the ledger, which no process may have open."""
    settings = _file_settings(config, storage)
    kept = put_back(file, settings.storage_path, replace=replace)
    print(f"{settings.storage_path} is what {file} was.", file=sys.stderr)
    if kept is not None:
        print(f"What was there is {kept}.", file=sys.stderr)


def _file_settings(config: str | None, storage: str | None) -> Settings:
    settings = find(config, {"storage": {"path": storage}}, needs_agents=False)
    if settings.storage_url is not None:
        raise CommandError(_POSTGRES.format(place=settings.storage_shown), 2)
    return settings
