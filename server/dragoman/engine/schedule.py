"""When a cron is due: a cron expression in a timezone, as times. Pure; imported when a cron is used.

Five fields, or a name such as ``@daily``. Where a clock is put forward, a job of a fixed time within the gap runs as
soon as the gap is over; where it is put back, such a job runs once, the first time. A job with ``*`` at the beginning
of its minutes or hours goes by the clock on the wall: not within the gap, and through the repeated hour both times.
That is what Debian's cron does. ``cronsim`` reads the expression and tells which days fit; the times of a day are
found here, because its own walk counts in whole hours, and there are clocks that change by half of one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from dragoman.memory.errors import InputInvalid

__all__ = ["Schedule"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE: Final = 60_000_000
_HOUR: Final = 3_600_000_000
_DAY: Final = timedelta(days=1)
_FAR: Final = timedelta(days=50 * 366)
_NAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LONGEST: Final = 256
# The names of the tz database; anything else would be looked for as a file.
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")


class Schedule:
    """The due times of an expression, in microseconds. Raises ``InputInvalid`` naming the field ``schedule`` or
    ``timezone``."""

    def __init__(self, expression: str, timezone: str | None = None) -> None:
        self._zone = _zone(timezone)
        self._parsed = _parsed(expression)
        # Minutes of the day, in order.
        self._times = [
            hour * 60 + minute for hour in sorted(self._parsed.hours) for minute in sorted(self._parsed.minutes)
        ]
        _, minutes, hours, *_ = self._parsed.parts
        self._fixed = not (minutes.startswith("*") or hours.startswith("*"))
        if self.next(_micros(datetime(2000, 1, 1, tzinfo=UTC))) is None:
            raise _wrong("schedule", "has no due time")

    def after(self, at: int) -> Iterator[int]:
        """The due times later than ``at``, in order, until there are none for 50 years."""
        last = at
        for day in self._days((_EPOCH + timedelta(microseconds=at)).astimezone(self._zone).date()):
            due = self._due(day)
            # Several times of the clock may have been moved to the end of one gap.
            for found in due[bisect_right(due, at) :]:
                if found > last:
                    last = found
                    yield found

    def _days(self, first: date) -> Iterator[date]:
        """The days that fit."""
        day, last = first, first + _FAR
        while day < last:
            if day.month not in self._parsed.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self._parsed.match_day(day):
                yield day
                last = day + _FAR
            day += _DAY

    def _due(self, day: date) -> list[int]:
        """The due times of a day, in order."""
        begin = datetime.combine(day, time(), self._zone)
        if begin.utcoffset() == (begin + _DAY).utcoffset():
            midnight = _micros(begin)
            return [midnight + minute * _MINUTE for minute in self._times]
        return sorted({at for minute in self._times for at in self._on_the_wall(begin, minute)})

    def _on_the_wall(self, begin: datetime, minute: int) -> list[int]:
        """When a clock that changes on this day shows that minute of it, or what takes its place."""
        wall = begin.replace(tzinfo=None) + timedelta(minutes=minute)
        if not self._fixed:
            both = (wall.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
            return [_micros(shown) for shown in both if not _left_out(shown)]
        while _left_out(shown := wall.replace(tzinfo=self._zone)):
            wall += timedelta(minutes=1)
        return [_micros(shown)]

    def next(self, at: int) -> int | None:
        """The first due time later than ``at``."""
        return next(self.after(at), None)

    def last(self, after: int, until: int, most: int) -> list[int]:
        """The last ``most`` due times later than ``after`` and not later than ``until``, in order.

        Looks back from ``until`` twice as far each time, so that a year missed costs what is found and not a year.
        """
        span = _HOUR
        while True:
            begin = max(after, until - span)
            found: deque[int] = deque(maxlen=most)
            count = 0
            for due in self.after(begin):
                if due > until:
                    break
                found.append(due)
                count += 1
            if count >= most or begin == after:
                return list(found)
            span *= 2


def _parsed(expression: str) -> CronSim:
    given = expression.strip()
    fields = _NAMES.get(given.lower(), given).split()
    if len(given) > _LONGEST:
        raise _wrong("schedule", f"is longer than {_LONGEST} characters")
    if len(fields) != 5:
        raise _wrong("schedule", "needs five fields: minute, hour, day of month, month, day of week")
    # As in Quartz: no specific day.
    fields[2], fields[4] = (("*" if field == "?" else field) for field in (fields[2], fields[4]))
    try:
        return CronSim(" ".join(fields), _EPOCH)
    except CronSimError as error:
        raise _wrong("schedule", f"{str(error).lower()} in {given!r}") from None
    except (AssertionError, TypeError, ValueError):
        raise _wrong("schedule", f"cannot be read: {given!r}") from None


def _zone(name: str | None) -> tzinfo:
    if name is None or name.upper() == "UTC":
        return UTC
    try:
        if not _ZONE.fullmatch(name):
            raise ZoneInfoNotFoundError
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _wrong("timezone", f"{name[:80]!r} is none that is known here; names are as Europe/Berlin") from None


def _left_out(shown: datetime) -> bool:
    """Whether a clock never shows this time, because it was put forward over it."""
    return shown.astimezone(UTC).astimezone(shown.tzinfo).replace(tzinfo=None) != shown.replace(tzinfo=None)


def _micros(at: datetime) -> int:
    return (at.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


def _wrong(field: str, problem: str) -> InputInvalid:
    return InputInvalid(f"Invalid body: {field}: {problem}.", ({"field": field, "problem": problem},))
