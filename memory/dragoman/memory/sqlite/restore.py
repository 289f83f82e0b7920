"""A backup put in the place of a ledger's file: checked first, swapped in whole.

The file that was there is kept beside it under another name, for what it holds since the backup may still be wanted.
Blocks: not for the event loop. ``backup.py`` made the file.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from dragoman.memory.errors import Conflict, InputInvalid
from dragoman.memory.files import check_regular, opened
from dragoman.memory.sqlite.backup import check_file, digest_of, flush, read_manifest
from dragoman.memory.sqlite.connection import check_version
from dragoman.memory.sqlite.departure import put_aside
from dragoman.memory.sqlite.lockfile import LockFile

__all__ = ["restore"]

_PIECE: Final = 1 << 20  # bytes


def restore(backup: Path, ledger: Path, *, replace: bool = False) -> Path | None:
    """Make ``ledger`` what ``backup`` is; where the ledger that was there is kept, None where there was none.

    Raises ``LedgerLocked`` while a process has the ledger open, ``Conflict`` when there is one and ``replace`` is not
    given or a newer version has written the backup, and ``InputInvalid`` for a backup that is damaged or is not what
    its manifest says.
    """
    if not backup.exists():
        raise InputInvalid(f"There is no backup {backup}.")
    check_regular(backup)
    _check_whole(backup)
    lock = LockFile(ledger)
    ledger.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock.acquire()
    try:
        if ledger.exists() and not replace:
            raise Conflict(f"There is a ledger {ledger}; give --replace to put it aside for the backup.")
        draft = _checked_copy(backup, ledger)
        kept = put_aside(ledger, "before")
        draft.replace(ledger)
        flush(ledger.parent)
        return kept
    finally:
        lock.release()


def _check_whole(backup: Path) -> None:
    """A ledger that was copied by other means has its last changes beside it, and would be restored without them."""
    wal = backup.with_name(f"{backup.name}-wal")
    if wal.exists() and wal.stat().st_size:
        raise InputInvalid(
            f"{backup} is not all of it: its last changes are in {wal.name}. It is a ledger, not a backup of one; make"
            f" one of it: dragoman backup FILE --storage {backup}."
        )


def _checked_copy(backup: Path, ledger: Path) -> Path:
    """A copy beside the ledger, as sound as its manifest says: what was checked is what will be opened."""
    manifest = read_manifest(backup)
    draft = ledger.with_name(f"{ledger.name}.{os.getpid()}.partial")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        with opened(backup) as given, draft.open("wb") as copy:
            shutil.copyfileobj(given, copy, _PIECE)
        if manifest is not None and digest_of(draft) != (manifest.size, manifest.sha256):
            raise InputInvalid(f"{backup} is not the file that its manifest tells of: its size or SHA-256 is another.")
        newest, _ = check_file(draft)
        check_version((newest,))
        flush(draft)
        return draft
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    finally:
        for suffix in ("-wal", "-shm"):  # of having looked into one that is in WAL mode
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)
