"""Folders that are filled once, by whoever comes first, and made anew where that was broken off.

Says nothing of what is in them: ``node`` and ``tools`` fill them here, the tests with other people's clients theirs.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["kept"]


@contextmanager
def kept(folder: Path, content: str) -> Generator[bool]:
    """Whether a folder is yet to be filled, with what ``content`` names: then it is there and empty, and marked as
    filled when the block ends well. One process at a time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / ".filled"
        missing = not stamp.exists() or stamp.read_text() != content
        if missing:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        yield missing
        stamp.write_text(content)
