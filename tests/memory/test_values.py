"""Identifiers, JSON, named statements, and the pace of a queue."""

from __future__ import annotations

import os
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.memory.codec import dumps, loads
from dragoman.memory.ids import now_micros, short_digest, uuid7
from dragoman.memory.statements import SQL, load_statements
from dragoman.memory.verbs.matching import holds, needle
from dragoman.memory.verbs.pace import Pace

MINUTE = 60_000_000


def test_an_id_is_a_uuid_of_version_7_that_tells_its_time() -> None:
    before = now_micros() // 1000
    found = uuid.UUID(uuid7())
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert before <= found.int >> 80 <= now_micros() // 1000 + 1


def ids(count: int) -> list[str]:
    return [uuid7() for _ in range(count)]


def test_ids_rise_strictly_and_never_repeat_from_any_thread() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(ids, [3000] * 4))
    assert all(one == sorted(one) for one in made)
    assert len({i for one in made for i in one}) == 12_000


def test_the_unguessable_part_of_an_id_differs() -> None:
    tails = {uuid7()[20:] for _ in range(2000)}
    assert len(tails) == 2000
    varied = [{tail[at] for tail in tails} for at in range(4, 16)]
    assert all(len(digits) == 16 for digits in varied)


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3))
def test_a_digest_depends_on_its_parts_alone(one: list[str], two: list[str]) -> None:
    ours, theirs = ([part.replace("\x1f", "").encode("utf-8", "ignore").decode() for part in ps] for ps in (one, two))
    assert re.fullmatch("[0-9a-f]{32}", short_digest(*ours))
    assert (short_digest(*ours) == short_digest(*theirs)) == (ours == theirs)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Half of a surrogate pair is no text that JSON could carry.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(json_values)
def test_json_comes_back_as_it_went(value: Any) -> None:
    assert loads(dumps(value)) == value
    assert loads(dumps(value).decode()) == value


@given(st.dictionaries(st.sampled_from("abé"), json_values), st.dictionaries(st.sampled_from("abé"), json_values))
def test_what_is_looked_for_in_stored_json_is_in_every_object_that_matches(
    value: dict[str, Any], pairs: dict[str, Any]
) -> None:
    for wanted in (pairs, {**value, **pairs}, dict(list(value.items())[:1])):
        found = needle(wanted)
        assert not holds(value, wanted) or found is None or found in dumps(value)


@pytest.mark.parametrize(
    ("value", "wanted", "matches"),
    [
        (5, 5.0, True),
        (5.0, 5, True),
        (0, -0.0, True),
        (1e16, 10**16, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], [2, 1], False),
        (1, True, False),
        (None, 0, False),
        ("5", 5, False),
        (50, 5, False),
    ],
)
def test_a_value_matches_as_json_does(value: Any, wanted: Any, matches: bool) -> None:
    assert holds({"k": value}, {"k": wanted}) is matches
    found = needle({"k": wanted})
    assert found is not None
    assert not matches or found in dumps({"k": value})


@pytest.mark.parametrize("value", [object(), {1: 2}, b"x", 2**64, "\ud800", {"a": {1, 2}}])
def test_what_is_not_json_is_refused_by_reason(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        dumps(value)


@pytest.mark.parametrize("text", ["", "{", "[1,]", '{"a":NaN}', b"\xff", "[1] x", '"secret'])
def test_malformed_json_is_refused_without_repeating_it(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"malformed JSON at line \d+") as caught:
        loads(text)
    assert "secret" not in str(caught.value)


def viewed(text: str) -> memoryview:
    return memoryview(text.encode())


@pytest.mark.parametrize("kind", [str, os.fsencode, viewed])
def test_json_is_read_to_a_depth_of_200(kind: Any) -> None:
    assert loads(kind("[" * 200 + "]" * 200))
    for text in ("[" * 201 + "]" * 201, '{"a":' * 201 + "1" + "}" * 201, "[" * 100_000 + "]" * 100_000):
        with pytest.raises(ValueError, match=r"JSON"):
            loads(kind(text))
    assert len(loads(kind("[" + "[],{}," * 1000 + "0]"))) == 2001  # wide is not deep


def test_statements_are_read_by_name_with_splices_and_without_comments(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- A file.\n\n-- :name one\n-- says one\nSELECT {columns}\nFROM t;\n")
    (tmp_path / "b.sql").write_text("-- :name columns\na,\nb\n")
    assert load_statements(tmp_path) == {"one": "SELECT a, b FROM t", "columns": "a, b"}


@pytest.mark.parametrize("text", ["-- :name one\nSELECT {two};", "-- :name one\nx;\n-- :name one\ny;"])
def test_a_statement_that_is_unknown_or_given_twice_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.sql").write_text(text)
    with pytest.raises(ValueError, match=r"two|twice"):
        load_statements(tmp_path)


def test_every_statement_is_used() -> None:
    room = Path(__file__).parents[2] / "memory" / "dragoman" / "memory"
    code = "".join(file.read_text("utf-8") for file in sorted(room.rglob("*.py")))
    queries = "".join(file.read_text("utf-8") for file in sorted((room / "queries").glob("*.sql")))
    unused = {name for name in SQL if f'"{name}"' not in code and f"{{{name}}}" not in queries}
    if 'SQL[f"delete_{name}"]' in code:  # the parts of a thread, deleted in one sweep
        unused = {name for name in unused if not (name.startswith("delete_") and f'"{name[7:]}"' in code)}
    made = [name for line in re.findall(r"SQL\[(.*)\]", code) for name in re.findall(r'f"([^"]+)"', line)]
    patterns = [re.sub(r"\{[^}]*\}", r"\\w+", name) for name in made]
    families = [pattern for pattern in patterns if not pattern.startswith("delete_")]  # one list in several orders
    assert {name for name in unused if not any(re.fullmatch(family, name) for family in families)} == set()


def test_the_wait_for_a_queue_follows_the_pace_of_late() -> None:
    pace, now = Pace(), now_micros()
    assert pace.wait_for(50, now) == pytest.approx(1.5)
    for n in range(600):
        pace.ended(now + n * 100_000)  # ten a second
    assert pace.wait_for(50, now + MINUTE) == pytest.approx(5.0, rel=0.1)
    assert pace.wait_for(1_000_000, now + MINUTE) == 60.0
    idle = now + 30 * MINUTE
    for minute in range(20):
        pace.wait_for(1, now + (1 + minute) * MINUTE)
    assert pace.wait_for(50, idle) > 5.0
