"""Errors of the command line: one clear line on stderr and an exit code. Imports nothing that takes time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from dragoman.memory.errors import DragomanError

__all__ = ["CommandError", "guarded"]


class CommandError(DragomanError):
    """A command cannot do what it was asked. ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def guarded(command: Callable[[], object]) -> int:
    """Run a command; its exit code. Errors become one line on stderr, with a traceback only under
    ``DRAGOMAN_DEBUG``."""
    try:
        result = command()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output left (`dragoman runs | head`); what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("DRAGOMAN_DEBUG"):
            raise
        message, code = _told(error)
        print(f"dragoman: {message}", file=sys.stderr)
        return code
    return result if isinstance(result, int) else 0


def _told(error: Exception) -> tuple[str, int]:
    from typer import Abort
    from typer.exceptions import TyperException

    if isinstance(error, CommandError):
        return error.message, error.code
    if isinstance(error, Abort):
        return "aborted.", 130
    if isinstance(error, DragomanError):
        configuration = type(error).__name__ == "ConfigurationError"
        return error.message, 2 if configuration else 1
    if isinstance(error, TyperException):  # the parser's: an option, a missing argument
        return f"{error.format_message().replace('Value error, ', '')} {_help(error)}", error.exit_code
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}.", 1
    return f"{type(error).__name__}: {error} (DRAGOMAN_DEBUG=1 shows where)", 1


def _help(error: Exception) -> str:
    path = getattr(getattr(error, "ctx", None), "command_path", "dragoman")
    return f"Try `{path} --help`."
