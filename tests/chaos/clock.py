"""A replica's clock, moved: by libfaketime where it is installed, otherwise by ``moved_clock.py`` in the process.

The fallback moves what Python's ``time.time`` and ``time.time_ns`` tell, which is all that the server asks.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["Clock"]

_LIBRARIES: Final = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")


class Clock:
    """The clock of one process, told by a file in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        root = Path("/")
        found = [path for pattern in _LIBRARIES for path in root.glob(pattern.removeprefix("/"))]
        self._library = found[0] if found else None
        self.move(0)

    @property
    def how(self) -> str:
        """What moves it."""
        return "libfaketime" if self._library else "an offset in the process (libfaketime is not installed)"

    def move(self, seconds: float) -> None:
        """From now on it shows so many seconds more than it is."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+.0f}")
        new.replace(self._file)

    @property
    def environment(self) -> Mapping[str, str]:
        """For the process."""
        if self._library is None:
            return {"CHAOS_CLOCK": str(self._file)}
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    @property
    def command(self) -> tuple[str, ...]:
        """What runs the server's command line."""
        if self._library is not None:
            return sys.executable, "-m", "dragoman.cli"
        return sys.executable, str(Path(__file__).with_name("moved_clock.py"))
