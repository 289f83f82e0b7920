"""Lines to a tenant's rows: all of them, or none.

The file is read twice, first to check it. A tenant is imported where it has nothing yet; what the ledger numbers by
itself is numbered anew. A run that was at work is taken back by the next sweep, as after a crash.
"""

from __future__ import annotations

from array import array
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import orjson

from dragoman.memory.bulk import Bulk
from dragoman.memory.errors import Conflict, InputInvalid
from dragoman.memory.plain import Plain
from dragoman.memory.portable.exporting import check_known
from dragoman.memory.portable.fitting import check_line
from dragoman.memory.portable.kinds import KINDS, Kind
from dragoman.memory.portable.lines import Header, checked, read_lines
from dragoman.memory.sealing import MasterKeys
from dragoman.memory.tenants import check_tenant
from dragoman.memory.verbs.facets import facets_of

__all__ = ["Imported", "import_tenant", "pieces_of"]

Named = dict[str, Any]

# A key or a session of a tenant may be there before the tenant is.
_MAY_BE_THERE: Final = frozenset({"api_keys", "facts"})
_PIECE: Final = 500
_PIECE_BYTES: Final = 8 * 1024 * 1024
_THREAD: Final = "SELECT ordinal, checkpoint FROM threads WHERE tenant = ? AND id = ?"
_FACETS: Final = ("tenant", "kind", "key", "value", "ordinal", "id")


@dataclass(frozen=True, slots=True)
class Imported:
    """What was imported: whose export it was, whose it is now, and how many rows of each kind."""

    header: Header
    tenant: str
    rows: Mapping[str, int]


def import_tenant(
    target: Bulk, path: Path, tenant: str | None = None, *, keys: bool = True, masters: MasterKeys | None = None
) -> Imported:
    """Add an export to a ledger, as ``tenant`` where that is another name; without ``keys`` its API keys are left out.
    With ``masters`` its values are sealed.

    Raises ``InputInvalid`` for a file that is damaged, cut, of another version or not what an export tells, and for a
    name that no tenant can have; ``Conflict`` when the tenant has something already, or one of its keys is there.
    Nothing is written then.
    """
    header, rows = checked(path)
    name = header.tenant if tenant is None else tenant
    check_tenant(name)
    with target.writing():
        _Import(target, name, masters).all_of(path, keys)
    return Imported(header, name, {kind: n for kind, n in rows.items() if keys or kind != "api_keys"})


class _Import:
    def __init__(self, target: Bulk, tenant: str, masters: MasterKeys | None) -> None:
        self._target = target
        self._tenant = tenant
        self._plain = Plain(target, masters)
        self._sealed = masters is not None
        self._tables = target.tables()
        self._deliveries = array("q")

    def all_of(self, path: Path, keys: bool) -> None:
        """Insert the rows, kind by kind."""
        check_known(self._tables)
        self._check_free()
        lines = (line for line in read_lines(path) if isinstance(line, tuple))
        for kind, group in groupby(lines, key=lambda line: line[0]):
            if kind not in KINDS:
                raise InputInvalid(f"{path}: rows of {kind!r}, which this version does not know.")
            if kind == "api_keys" and not keys:
                for _ in group:
                    pass
                continue
            for piece in pieces_of((row, size) for _, row, size in group):
                self._insert(kind, [self._kept(kind, KINDS[kind], row) for row in piece])

    def _check_free(self) -> None:
        for kind in KINDS.keys() - _MAY_BE_THERE:
            if next(iter(self._target.rows(kind, ("tenant",), self._tenant)), None) is not None:
                raise Conflict(f"The tenant {self._tenant!r} has {kind} already; import it under another name.")

    # -- rows ---------------------------------------------------------------------------------------------------------
    def _kept(self, kind: str, about: Kind, line: Mapping[str, Any]) -> Named:
        """A line as a row, its values in the open."""
        check_line(kind, about, line)
        row: Named = {"tenant": self._tenant}
        for name, value in line.items():
            if name in about.json:
                row[name] = orjson.dumps(value)
            elif name in about.binary:
                row[name] = _bytes(kind, name, value)
            elif type(value) in (str, int):
                row[name] = value
            else:
                raise InputInvalid(f"{kind}.{name}: a text or a number is expected.")
        return row

    def _insert(self, kind: str, rows: list[Named]) -> None:
        special = {
            "threads": self._threads,
            "checkpoints": self._checkpoints,
            "runs": self._runs,
            "deliveries": self._owed,
            "dead_letters": self._letters,
            "store_items": self._items,
        }.get(kind)
        if special is None:
            self._put(kind, rows)
        else:
            special(rows)

    def _threads(self, rows: list[Named]) -> None:
        self._put("threads", rows)
        self._facets("thread", rows, "id")

    def _checkpoints(self, rows: list[Named]) -> None:
        self._put("checkpoints", rows)
        # Nothing of sealed values is indexed.
        if found := [] if self._sealed else [facet for row in rows for facet in self._values(row)]:
            self._target.insert("facets", _FACETS, found)

    def _values(self, row: Named) -> Iterator[tuple[Any, ...]]:
        """What is indexed of a checkpoint: its scalars where it is the newest of its thread, else nothing."""
        # What begins otherwise is a difference: never the newest.
        pairs = facets_of(orjson.loads(row["content"]), "value") if row["content"][:1] == b"{" else ()
        thread = self._target.ask(_THREAD, (self._tenant, row["thread_id"])).fetchone() if pairs else None
        if thread is not None and thread[1] == row["number"]:
            for pair in pairs:
                yield self._tenant, pair.kind, pair.key, pair.value, thread[0], row["thread_id"]

    def _runs(self, rows: list[Named]) -> None:
        for row, number in zip(rows, self._target.numbers("runs", len(rows)), strict=True):
            row["ordinal"] = number
            if row.get("status") == "running":
                row |= {"lease_owner": "", "lease_until": 0}
        self._put("runs", rows)
        self._facets("run", rows, None)

    def _owed(self, rows: list[Named]) -> None:
        secrets: list[Named] = []
        for row, number in zip(rows, self._target.numbers("deliveries", len(rows)), strict=True):
            row["ordinal"] = number
            self._deliveries.append(number)
            if (secret := row.pop("secret", None)) is not None:
                secrets.append({"tenant": self._tenant, "delivery": number, "secret": secret})
        self._put("deliveries", rows)
        self._put("delivery_secrets", secrets)

    def _letters(self, rows: list[Named]) -> None:
        for row in rows:
            place = row.pop("delivery_place", -1)
            if not 0 <= place < len(self._deliveries):
                raise InputInvalid(f"dead_letters.delivery_place: there is no delivery {place!r}.")
            row["delivery"] = self._deliveries[place]
        self._put("dead_letters", rows)

    def _items(self, rows: list[Named]) -> None:
        numbers = self._target.numbers("store_texts", len(rows))
        texts = [
            {
                "id": number,
                "text": row.pop("text", None),
                **{name: row[name] for name in ("tenant", "namespace", "key")},
            }
            for row, number in zip(rows, numbers, strict=True)
        ]
        self._put("store_items", rows)
        self._put("store_texts", texts)

    def _facets(self, kind: str, rows: Iterable[Named], id: str | None) -> None:
        self._target.insert("facets", _FACETS, _facet_rows(kind, rows, id))

    def _put(self, table: str, rows: Sequence[Named]) -> None:
        if not rows:
            return
        columns = sorted({name for row in rows for name in row})
        if unknown := set(columns) - set(self._tables[table]):
            raise InputInvalid(f"{table}: columns that this version does not know: {', '.join(sorted(unknown))}.")
        sealed = [self._plain.sealed(table, row) for row in rows]
        try:
            self._target.insert(table, columns, (tuple(map(row.get, columns)) for row in sealed))
        except Conflict:
            if table == "api_keys":
                raise Conflict(
                    "An API key of the export is in this ledger already; leave the keys out with --without-keys."
                ) from None
            raise


def pieces_of(rows: Iterable[tuple[Named, int]]) -> Iterator[list[Named]]:
    """Rows by as many as are held at once, which are fewer where they are large; each comes with its size."""
    piece: list[Named] = []
    held = 0
    for row, size in rows:
        piece.append(row)
        held += size
        if len(piece) == _PIECE or held >= _PIECE_BYTES:
            yield piece
            piece, held = [], 0
    if piece:
        yield piece


def _facet_rows(kind: str, rows: Iterable[Named], id: str | None) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        for facet in facets_of(orjson.loads(row["metadata"])):
            yield row["tenant"], kind, facet.key, facet.value, row["ordinal"], "" if id is None else row[id]


def _bytes(kind: str, name: str, value: Any) -> bytes:
    try:
        return b64decode(value, validate=True)
    except (ValueError, TypeError):
        raise InputInvalid(f"{kind}.{name}: Base64 is expected.") from None
