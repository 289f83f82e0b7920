"""A copy of a ledger's file, made while a server writes to it, with a manifest that says what it is.

The copy is of one moment, the one at which it begins: a read transaction is held open, under which SQLite's backup goes
on page by page and is not begun anew when others write. Readers do not stop a writer in WAL mode; the WAL only is not
folded into the file while the copy is made. Not a copy of what lies beside the ledger: keys and blobs. Blocks: not for
the event loop. ``restore.py`` is the way back.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from dragoman.memory.errors import Conflict, InputInvalid, LedgerBusy
from dragoman.memory.files import check_regular, opened
from dragoman.memory.ids import now_micros

__all__ = ["Manifest", "back_up", "check_file", "digest_of", "flush", "manifest_path", "read_manifest"]

Told = Callable[[int, int], None]

_FORMAT: Final = "dragoman-backup"
_VERSION: Final = 1
_STEP_PAGES: Final = 1024  # 4 MB
_PIECE: Final = 1 << 20  # bytes
_MANIFEST: Final = 1 << 16  # bytes
_COUNTED: Final = ("threads", "runs", "events", "steps", "checkpoints", "store_items", "crons", "deliveries")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is: when it began (microseconds; all that was acknowledged before is in it), its size in bytes and
    SHA-256, the last migration, and how many rows its tables have."""

    began_at: int
    ended_at: int
    size: int
    sha256: str
    migration: int
    rows: Mapping[str, int]
    format: str = _FORMAT
    version: int = _VERSION


def back_up(source: Path, target: Path, told: Told | None = None) -> Manifest:
    """Copy the ledger at ``source`` to ``target`` and check the copy; ``told`` hears of the pages done and all pages.

    The file appears whole, with its manifest, or not at all. Raises ``Conflict`` when ``target`` is there,
    ``LedgerBusy`` when the source cannot be read, ``InputInvalid`` when the copy is not sound.
    """
    if not source.exists():
        raise InputInvalid(f"There is no ledger {source} to back up.")
    check_regular(source)
    if os.path.lexists(target) or os.path.lexists(manifest_path(target)):
        raise Conflict(f"{target} is there already; a backup overwrites nothing. Name another file, or move it away.")
    draft = target.with_name(f"{target.name}.{os.getpid()}.partial")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # it holds what the ledger holds
    try:
        began = now_micros()
        _copy(source, draft, told)
        migration, rows = check_file(draft)
        flush(draft)
        size, digest = digest_of(draft)
        manifest = Manifest(began, now_micros(), size, digest, migration, rows)
        _write_manifest(target, manifest)
        _appear(draft, target)
        flush(target.parent)
        return manifest
    except sqlite3.Error as error:
        raise LedgerBusy(f"{source} could not be backed up: {error}") from None
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def manifest_path(backup: Path) -> Path:
    """Where the manifest of a backup is."""
    return backup.with_name(f"{backup.name}.manifest.json")


def read_manifest(backup: Path) -> Manifest | None:
    """The manifest of a backup, None where there is none. Raises ``InputInvalid`` when it is none of ours."""
    if not os.path.lexists(manifest_path(backup)):
        return None
    try:
        with opened(manifest_path(backup)) as file:
            found: Any = orjson.loads(file.read(_MANIFEST))
    except ValueError:
        raise InputInvalid(f"{manifest_path(backup)} is no JSON.") from None
    try:
        manifest = Manifest(**found)
    except TypeError:
        raise InputInvalid(f"{manifest_path(backup)} is no manifest of a backup.") from None
    if manifest.format != _FORMAT or manifest.version != _VERSION:
        raise InputInvalid(f"{manifest_path(backup)} is of another version; this one reads version {_VERSION}.")
    return manifest


def check_file(path: Path) -> tuple[int, Mapping[str, int]]:
    """Check a file from end to end; its last migration and how many rows it has. Raises ``InputInvalid`` for a file
    that is not sound or no ledger."""
    try:
        with closing(sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)) as db:
            found = [line for (line,) in db.execute("PRAGMA integrity_check(5)")]
            if found != ["ok"]:
                raise InputInvalid(f"{path} is damaged: {'; '.join(found)}")
            (migration,) = db.execute("SELECT max(number) FROM migrations").fetchone()
            return int(migration), {name: _count(db, name) for name in _COUNTED}
    except sqlite3.Error as error:
        raise InputInvalid(f"{path} is no ledger, or is damaged: {error}") from None


def digest_of(path: Path) -> tuple[int, str]:
    """A file's size in bytes and its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def flush(path: Path) -> None:
    """Have a file, or the names in a folder, on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _copy(source: Path, draft: Path, told: Told | None) -> None:
    def progress(_: int, left: int, pages: int) -> None:
        if told is not None:
            told(pages - left, pages)

    # Not read-only: the first reader of a WAL that a killed process left has to put its index together.
    with (
        closing(sqlite3.connect(source, isolation_level=None, timeout=30)) as db,
        closing(sqlite3.connect(draft, isolation_level=None)) as copy,
    ):
        db.execute("PRAGMA query_only = 1")
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM migrations").fetchone()  # the moment of the copy
        db.backup(copy, pages=_STEP_PAGES, progress=progress, sleep=0.0)
        db.execute("COMMIT")
        # One file alone, which may lie on a disk that cannot be written.
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()


def _appear(draft: Path, target: Path) -> None:
    try:
        os.link(draft, target)  # unlike a rename, refuses to replace what appeared meanwhile
    except BaseException:
        manifest_path(target).unlink()
        raise


def _count(db: sqlite3.Connection, table: str) -> int:
    (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


def _write_manifest(target: Path, manifest: Manifest) -> None:
    path = manifest_path(target)
    with path.open("xb") as file:
        file.write(orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
