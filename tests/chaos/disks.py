"""Disks that are small, and slow: a file system in memory that can be filled, and a shim that makes syncing slow.

A file system needs root. Without, a limit on the size of files does for a process what a full disk does.
"""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["SmallDisk", "limit_files", "slow_sync"]

_SLOW: Final = Path(__file__).with_name("slow_sync.c")


class SmallDisk:
    """A file system of ``megabytes`` at ``folder``, while the block lasts; ``mounted`` says whether it could be."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self.mounted = False
        self._size = f"size={megabytes}m"
        self._ballast = folder / "ballast"

    def __enter__(self) -> SmallDisk:
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            command = ["mount", "-t", "tmpfs", "-o", self._size, "tmpfs", str(self.folder)]
            self.mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
        return self

    def __exit__(self, *error: object) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)

    def fill(self, but: int = 0) -> None:
        """Leave no more room than ``but`` bytes."""
        found = os.statvfs(self.folder)
        left = found.f_bavail * found.f_frsize - but
        with self._ballast.open("ab") as ballast:
            try:
                os.posix_fallocate(ballast.fileno(), ballast.tell(), max(left, 1))
            except OSError:  # somebody else has just taken it
                return

    def free(self) -> None:
        """Make room."""
        self._ballast.unlink(missing_ok=True)


def limit_files(pid: int, size: int | None) -> None:
    """Let a process's files grow to ``size`` bytes at most. Python ignores the signal that comes of more."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size or resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def slow_sync(folder: Path, seconds: float) -> dict[str, str]:
    """The environment of a program whose syncs take this much longer; empty where there is no compiler."""
    library = folder / "slow_sync.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_SLOW), "-ldl"]
    try:
        done = subprocess.run(command, check=False, capture_output=True)
    except FileNotFoundError:
        return {}
    if done.returncode != 0:
        return {}
    library.chmod(0o755)
    return {"LD_PRELOAD": str(library), "CHAOS_SYNC_US": f"{seconds * 1e6:.0f}"}
