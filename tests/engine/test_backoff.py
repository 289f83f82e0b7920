"""How long a failed message waits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.engine.backoff import retry_after, wait_after

NOW = datetime(2026, 1, 31, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(("attempts", "longest"), [(1, 2.0), (2, 4.0), (3, 8.0), (6, 60.0), (10_000, 60.0)])
def test_the_longest_wait_doubles_up_to_the_limit(attempts: int, longest: float) -> None:
    assert wait_after(attempts, 2.0, 60.0, chance=lambda: 1.0) == longest
    assert wait_after(attempts, 2.0, 60.0, chance=lambda: 0.0) == 0.0


@given(st.integers(1, 100), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 1e6)))
def test_a_wait_is_never_over_the_limit_and_never_less_than_what_was_asked_within_it(
    attempts: int, chance: float, asked: float | None
) -> None:
    wait = wait_after(attempts, 2.0, 60.0, asked, lambda: chance)
    assert min(asked or 0.0, 60.0) <= wait <= 60.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 5 ", 5.0),
        ("0", 0.0),
        ("9" * 40, 999_999_999.0),
        ("Sat, 31 Jan 2026 10:01:00 GMT", 60.0),
        ("Sat, 31 Jan 2026 09:00:00 GMT", 0.0),
        ("Sat, 31 Jan 2026 10:01:00 -0000", 60.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds
