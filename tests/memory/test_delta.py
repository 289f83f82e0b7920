"""Differences of JSON values: one applied to the old value gives the new one, whatever they are."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.memory.codec import dumps, loads
from dragoman.memory.delta import applied, difference

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abcd"), inner), max_leaves=12
)
LONG = st.text("ab", min_size=256, max_size=400)


def told(value: Any) -> bytes:
    """A value as text, its keys in order: 1, 1.0 and true are three."""
    if isinstance(value, dict):
        return b"{%b}" % b",".join(dumps(key) + b":" + told(value[key]) for key in sorted(value))  # type: ignore[reportUnknownVariableType,unused-ignore]
    if isinstance(value, list):
        return b"[%b]" % b",".join(map(told, value))  # type: ignore[reportUnknownArgumentType,unused-ignore]
    return dumps(value)


@settings(max_examples=500)
@given(VALUES, VALUES)
def test_a_difference_applied_to_the_old_value_gives_the_new_one(old: Any, new: Any) -> None:
    before = told(old)
    delta = loads(dumps(difference(old, new)))
    assert told(applied(old, delta)) == told(new)
    assert told(old) == before


@given(st.lists(VALUES), st.lists(VALUES), st.lists(VALUES))
def test_a_list_with_something_else_in_its_middle_is_told_by_what_changed(
    head: list[Any], old: list[Any], new: list[Any]
) -> None:
    delta = difference([*head, *old, "end"], [*head, *new, "end"])
    assert told(applied([*head, *old, "end"], delta)) == told([*head, *new, "end"])
    if delta and delta[0] == "cut":
        assert delta[1] >= len(head)


@given(LONG, LONG)
def test_a_long_text_is_told_by_what_changed_in_it(old: str, new: str) -> None:
    assert applied(old, difference(old, new)) == new
    assert difference(old, old + "!") == ["cut", len(old), len(old), "!"]


def test_appended_messages_are_all_that_a_difference_holds() -> None:
    messages = [{"role": "user", "content": "x" * 100, "id": str(n)} for n in range(100)]
    assert difference({"messages": messages[:99]}, {"messages": messages}) == [
        "keys",
        {"messages": ["cut", 99, 99, [messages[99]]]},
        [],
    ]
    assert len(dumps(difference({"messages": messages}, {"messages": messages[:99]}))) < 50


def test_true_is_not_one_and_one_is_not_one_point_nought() -> None:
    for old, new in ((True, 1), (1, 1.0), (0.0, -0.0), ([True], [1]), ({"a": 1}, {"a": 1.0})):
        assert told(applied(old, difference(old, new))) == told(new)
        assert difference(old, new)
    assert difference({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}) == []
