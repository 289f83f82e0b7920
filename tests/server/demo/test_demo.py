"""The demo, run as a person would run it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.timeout(90)
def test_the_demo_shows_one_run_over_three_protocols_through_a_kill() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dragoman.cli", "demo"], capture_output=True, text=True, timeout=80, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill -9" in done.stdout
    for seen in ("TASK_STATE_COMPLETED", "completed", "success", "payments made: 1"):
        assert seen in done.stdout
