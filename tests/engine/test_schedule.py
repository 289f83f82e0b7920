"""When a cron is due: as tables where clocks change, and against a slow reference that looks at every minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.engine.schedule import Schedule
from dragoman.memory.errors import InputInvalid

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def local(text: str, zone: str) -> int:
    return micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def told(at: int, zone: str) -> str:
    """With its offset, by which the two 02:30 of a night are told apart."""
    return (EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(zone)).strftime("%d %H:%M %z")


@pytest.mark.parametrize(
    ("zone", "begin", "schedule", "expected"),
    [
        # 29 March 2026, 02:00 +0100 is 03:00 +0200: there is no 02:30, so that job runs when the gap is over.
        (BERLIN, "2026-03-28T12:00", "30 2 * * *", ["29 03:00 +0200", "30 02:30 +0200"]),
        (BERLIN, "2026-03-28T12:00", "15,45 2 * * *", ["29 03:00 +0200", "30 02:15 +0200"]),
        (BERLIN, "2026-03-28T12:00", "0 2,3 * * *", ["29 03:00 +0200", "30 02:00 +0200"]),
        (BERLIN, "2026-03-29T01:00", "30 * * * *", ["29 01:30 +0100", "29 03:30 +0200"]),
        (BERLIN, "2026-03-29T01:29", "*/30 * * * *", ["29 01:30 +0100", "29 03:00 +0200", "29 03:30 +0200"]),
        (BERLIN, "2026-03-28T12:00", "0 9 * * *", ["29 09:00 +0200", "30 09:00 +0200"]),
        # 25 October 2026, 03:00 +0200 is 02:00 +0100: there are two 02:30, and that job runs at the first.
        (BERLIN, "2026-10-24T12:00", "30 2 * * *", ["25 02:30 +0200", "26 02:30 +0100"]),
        (BERLIN, "2026-10-24T12:00", "30 1-3 * * *", ["25 01:30 +0200", "25 02:30 +0200", "25 03:30 +0100"]),
        (BERLIN, "2026-10-25T01:45", "30 * * * *", ["25 02:30 +0200", "25 02:30 +0100", "25 03:30 +0100"]),
        # 8 March 2026, 02:00 -0500 is 03:00 -0400.
        (NEW_YORK, "2026-03-07T12:00", "30 2 * * *", ["08 03:00 -0400", "09 02:30 -0400"]),
        (NEW_YORK, "2026-03-08T01:15", "*/30 * * * *", ["08 01:30 -0500", "08 03:00 -0400"]),
        (NEW_YORK, "2026-03-07T12:00", "0 0 * * *", ["08 00:00 -0500", "09 00:00 -0400"]),
        # 1 November 2026, 02:00 -0400 is 01:00 -0500.
        (NEW_YORK, "2026-10-31T12:00", "30 1 * * *", ["01 01:30 -0400", "02 01:30 -0500"]),
        (NEW_YORK, "2026-11-01T00:45", "0 * * * *", ["01 01:00 -0400", "01 01:00 -0500", "01 02:00 -0500"]),
        (NEW_YORK, "2026-10-31T12:00", "0 0 * * *", ["01 00:00 -0400", "02 00:00 -0500"]),
    ],
)
def test_clocks_that_change_lose_no_job_and_repeat_none_of_a_fixed_time(
    zone: str, begin: str, schedule: str, expected: list[str]
) -> None:
    found = [told(at, zone) for at in islice(Schedule(schedule, zone).after(local(begin, zone)), len(expected))]
    assert found == expected


def test_a_job_of_a_fixed_time_is_not_due_again_when_asked_within_the_repeated_hour() -> None:
    within = local("2026-10-25T02:10", BERLIN) + 3_600_000_000
    assert told(within, BERLIN) == "25 02:10 +0100"
    assert told(Schedule("30 2 * * *", BERLIN).next(within) or 0, BERLIN) == "26 02:30 +0100"
    assert told(Schedule("30 * * * *", BERLIN).next(within) or 0, BERLIN) == "25 02:30 +0100"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("@hourly", "2026-01-01T01:00"),
        ("@daily", "2026-01-02T00:00"),
        ("@Weekly", "2026-01-04T00:00"),
        ("@monthly", "2026-02-01T00:00"),
        ("@yearly", "2027-01-01T00:00"),
        ("0 9 * * mon-fri", "2026-01-01T09:00"),
        ("0 0 ? * 1", "2026-01-05T00:00"),
        ("0 0 L * *", "2026-01-31T00:00"),
        ("0 0 * * 5L", "2026-01-30T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 13 * 5", "2026-01-02T00:00"),
    ],
)
def test_a_schedule_is_read(schedule: str, expected: str) -> None:
    found = Schedule(schedule).next(micros(datetime(2026, 1, 1, tzinfo=UTC)))
    assert found == micros(datetime.fromisoformat(expected).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("schedule", "zone", "field"),
    [
        ("", None, "schedule"),
        ("* * * *", None, "schedule: needs five fields"),
        ("* * * * * *", None, "schedule: needs five fields"),
        ("60 * * * *", None, "schedule: bad minute"),
        ("* * 31 2 *", None, "schedule: bad day-of-month"),
        ("* * * * 2#1/2", None, "schedule"),
        ("@reboot", None, "schedule"),
        ("1," * 200 + "1 * * * *", None, "schedule: is longer"),
        ("* * * * *", "Europe/Berlinn", "timezone"),
        ("* * * * *", "../../etc/passwd", "timezone"),
        ("* * * * *", "", "timezone"),
        ("* * * * *", "Europe", "timezone"),
    ],
)
def test_what_is_no_schedule_is_refused_by_field(schedule: str, zone: str | None, field: str) -> None:
    with pytest.raises(InputInvalid, match=field):
        Schedule(schedule, zone)


def test_the_last_due_times_before_a_moment_are_found_without_walking_all_of_them() -> None:
    every = Schedule("* * * * *")
    minute, year = 60_000_000, 365 * 86_400_000_000
    now = micros(datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC))
    top = now - 30_000_000
    assert every.last(now - 40 * year, now, 3) == [top - 2 * minute, top - minute, top]
    assert every.last(top - 2 * minute, now, 9) == [top - minute, top]
    assert every.last(top, now, 9) == []
    yearly = Schedule("@yearly").last(now - 3 * year, now, 9)
    assert [told(at, "UTC")[:8] for at in yearly] == ["01 00:00"] * 3


# -- against the reference --------------------------------------------------------------------------------------------
ZONES = (BERLIN, NEW_YORK, "UTC", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Africa/Casablanca")


@dataclass(frozen=True)
class Fields:
    """Minutes, hours and days of the week; None is ``*``."""

    minutes: frozenset[int] | None
    hours: frozenset[int] | None
    weekdays: frozenset[int] | None

    def __str__(self) -> str:
        def text(values: frozenset[int] | None) -> str:
            return "*" if values is None else ",".join(map(str, sorted(values)))

        return f"{text(self.minutes)} {text(self.hours)} * * {text(self.weekdays)}"

    def match(self, at: datetime) -> bool:
        return all(
            wanted is None or value in wanted
            for wanted, value in (
                (self.minutes, at.minute),
                (self.hours, at.hour),
                (self.weekdays, at.isoweekday() % 7),
            )
        )


def reference(fields: Fields, zone: ZoneInfo, begin: datetime, end: datetime) -> list[datetime]:
    """Every minute of UTC is looked at by the clock on the wall; what the clock left out is due after it."""
    fixed = fields.minutes is not None and fields.hours is not None
    found: list[datetime] = []
    seen = (begin - timedelta(days=1)).astimezone(zone).replace(tzinfo=None)
    at = begin - timedelta(days=1)
    while at <= end:
        wall = at.astimezone(zone).replace(tzinfo=None)
        if fixed:
            passed = [seen + timedelta(minutes=n) for n in range(1, int((wall - seen) / timedelta(minutes=1)) + 1)]
            due = any(map(fields.match, passed))  # none while the clock repeats itself
            seen = max(seen, wall)
        else:
            due = fields.match(wall)
        if due and begin < at:
            found.append(at)
        at += timedelta(minutes=1)
    return found


def some(low: int, high: int) -> st.SearchStrategy[frozenset[int] | None]:
    return st.one_of(st.none(), st.frozensets(st.integers(low, high), min_size=1, max_size=4))


# Half of the examples lie around a change of the clocks in spring or autumn.
moments = st.one_of(
    st.sampled_from(
        [
            datetime(2026, month, day, tzinfo=UTC)
            for month, day in ((3, 28), (10, 24), (3, 7), (10, 31), (4, 4), (10, 3), (9, 5), (2, 14), (3, 21))
        ]
    ),
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(
        lambda at: at.replace(second=0, microsecond=0, tzinfo=UTC)
    ),
)


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    begin=moments,
    offset=st.integers(0, 1440),
    fields=st.builds(Fields, some(0, 59), some(0, 5), some(0, 6)),
)
def test_due_times_are_those_of_a_clock_that_is_watched(
    zone: str, begin: datetime, offset: int, fields: Fields
) -> None:
    begin += timedelta(minutes=offset)
    end = begin + timedelta(days=2)
    expected = [micros(at) for at in reference(fields, ZoneInfo(zone), begin, end)]
    found: list[int] = []
    for due in Schedule(str(fields), zone).after(micros(begin)):
        if due > micros(end):
            break
        found.append(due)
    assert found == expected, (str(fields), zone, [told(at, zone) for at in found])
