"""Files that somebody names to be read: regular ones alone, for a pipe is waited for and a device may have no end.

Knows nothing of what is in them. Above: imports and restores.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from dragoman.memory.errors import InputInvalid

__all__ = ["check_regular", "opened"]

_KINDS: Final = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def opened(path: Path, buffer: int = -1) -> BinaryIO:
    """A file open to be read from its beginning. Raises ``InputInvalid`` unless it is a regular one that can be read;
    is not held up by one that is not."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InputInvalid(f"{path} cannot be read: {error.strerror or error}.") from None
    try:
        _check(path, os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb", buffer)
    except BaseException:
        os.close(handle)
        raise


def check_regular(path: Path) -> None:
    """Raises ``InputInvalid`` unless it is a regular file."""
    try:
        _check(path, path.stat().st_mode)
    except OSError as error:
        raise InputInvalid(f"{path} cannot be read: {error.strerror or error}.") from None


def _check(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "a device")
        raise InputInvalid(f"{path} is {kind}, and is read more than once: write it into a file first.")
