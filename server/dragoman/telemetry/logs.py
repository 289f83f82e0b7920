"""Structured logs: one JSON object a line, on stderr.

Every library that we stand on logs through ``logging``, so a formatter there covers all lines at once. structlog
would add a second way in, and its import brings Rich with it: 45 to 60 ms and 8 MB in each ``dragoman stdio`` that
a desktop starts.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from dragoman.telemetry.context import current_run, current_trace

__all__ = ["JsonFormatter", "configure_logging"]

# What ``logging`` itself puts on a record; the rest came in by ``extra=``.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_SECRETS = re.compile(r"\b(dg_[0-9a-f]{12})_[A-Za-z0-9_-]{20,}|\b([Bb]earer\s+)(?!dg_)[A-Za-z0-9._~+/=-]{8,}")

_MOST_LINES = 400


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "message", "run_id", "trace_id", …}`` with what ``extra`` holds, and no key's
    secret. ``sealed`` tells of an exception where it happened and not what it says, which may be a user's words."""

    def __init__(self, *, sealed: bool = False) -> None:
        super().__init__()
        self._sealed = sealed

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if run_id := current_run():
            line["run_id"] = run_id
        if trace_id := current_trace():
            line["trace_id"] = trace_id
        line.update({key: value for key, value in vars(record).items() if key not in _OWN})
        if record.exc_info:
            line["exception"] = (_places if self._sealed else self.formatException)(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return _SECRETS.sub(_hidden, _dump(line))


def _dump(line: dict[str, Any]) -> str:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:  # a lone surrogate, a number past 64 bits: a log line is written all the same
        return json.dumps(line, default=str)


def _hidden(found: re.Match[str]) -> str:
    return f"{found[1]}_***" if found[1] else f"{found[2]}***"


def _places(raised: tuple[object, BaseException | None, object]) -> str:
    """Where an exception and its causes happened, and of which types they are."""
    lines: list[str] = []
    error = raised[1]
    while error is not None and len(lines) < _MOST_LINES:
        lines += ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
        lines.append(f"{type(error).__qualname__}: (sealed with the run)\n")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "".join(lines).rstrip()


def configure_logging(level: str = "info", stream: TextIO | None = None, *, sealed: bool = False) -> None:
    """Send all logs of this process to ``stream`` (stderr) as JSON. Called once, by the commands that serve. ``sealed``
    is for a ledger that is: see ``JsonFormatter``."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(sealed=sealed))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("dragoman", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())
    # It tells of each step of a start and a stop that the server tells of itself.
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    logging.captureWarnings(True)
