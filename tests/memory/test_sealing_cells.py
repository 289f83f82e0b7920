"""Values of many rows that are sealed by one statement: each opens at its own row and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.memory.sealing.cells import Cells
from dragoman.memory.sealing.data_keys import Keyring
from dragoman.memory.sealing.errors import Unreadable
from dragoman.memory.sealing.master_keys import MasterKeys
from dragoman.memory.sealing.places import Place, places

WRITING = [place for place in places().values() if place.writes]
NAMES = st.sampled_from(["a", "b", "a\x1fb", "b\x1f1", "\x1f", "1:a", "a\x1fb\x1fc"])
VALUE = b'{"said":"something that is long enough"}'


class _Table:
    """The data keys that are kept, in place of a database."""

    rowcount = 1

    def ask(self, sql: str, parameters: tuple[Any, ...]) -> _Table:
        return self

    def fetchone(self) -> None:
        return None


def _cells() -> Cells:
    return Cells(Keyring(MasterKeys([os.urandom(32)])), _Table().ask)


def _row(place: Place, names: Sequence[Any]) -> list[Any]:
    row: list[Any] = [None] * place.width
    for column in place.writes:
        row[column.at] = VALUE.decode() if column.text else VALUE
        for at, name in zip(column.key, names, strict=False):
            row[at] = name
    if place.numbered is not None:
        row[place.numbered.key[-1]] = len("".join(names))
    return row


def _sealed(cells: Cells, place: Place, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    values = cells.sealed(place, [value for row in rows for value in row])
    return [values[start : start + place.width] for start in range(0, len(values), place.width)]


@pytest.mark.parametrize("place", WRITING, ids=lambda place: place.writes[0].prefix.strip("|"))
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(NAMES, NAMES, NAMES, NAMES), min_size=1, max_size=6))
def test_each_value_opens_at_its_own_row_and_at_no_other(place: Place, names: list[tuple[str, ...]]) -> None:
    cells = _cells()
    rows = [_row(place, row) for row in names]
    sealed = _sealed(cells, place, rows)
    for column in place.writes:
        keys = [[row[part] for part in column.key] for row in rows]
        for kept, row, key in zip(sealed, rows, keys, strict=True):
            assert kept[column.at] != row[column.at]
            assert cells.open(kept[column.at], column.prefix, key, column.text) == row[column.at]
        for kept, (own, other) in zip(sealed, pairwise(keys), strict=False):
            if own != other:
                with pytest.raises(Unreadable):
                    cells.open(kept[column.at], column.prefix, other, column.text)


def test_no_two_values_are_sealed_with_the_same_nonce() -> None:
    cells = _cells()
    place = next(place for place in WRITING if place.writes[0].prefix == "events|data|" and place.writes[0].at == 6)
    sealed = [cells.sealed(place, [*_row(place, "abcd")] * rows) for rows in (1, 63, 64, 65, 200)]
    nonces = [value[8:20] for values in sealed for value in values[6 :: place.width]]
    assert len(set(nonces)) == len(nonces) == 393
