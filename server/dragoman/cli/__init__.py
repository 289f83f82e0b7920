"""The command line. Commands import what they need when they run, so that ``--help`` and ``connect`` start at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The ``dragoman`` command: runs it, then exits with its code."""
    from dragoman.cli.commands import app
    from dragoman.cli.errors import guarded

    sys.exit(guarded(lambda: app(args=arguments, prog_name="dragoman", standalone_mode=False)))
