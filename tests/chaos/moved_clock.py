"""``dragoman`` with a clock that is off by the seconds in the file ``CHAOS_CLOCK``: where there is no libfaketime."""

from __future__ import annotations

import os
import runpy
import time
from pathlib import Path

_file = Path(os.environ["CHAOS_CLOCK"])
_real = time.time_ns
_read_at = 0.0
_offset = 0


def _moved() -> int:
    global _read_at, _offset
    now = time.monotonic()
    if now > _read_at + 0.5:
        _read_at, _offset = now, int(float(_file.read_text()) * 1e9)
    return _real() + _offset


time.time_ns = _moved
time.time = lambda: _moved() / 1e9
runpy.run_module("dragoman.cli", run_name="__main__", alter_sys=True)
