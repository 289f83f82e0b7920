"""Keys and old rows of a ledger on Postgres turned over, also while servers use it: ``PostgresSealing``.

Each piece is a transaction that locks the rows which it changes. Blocks: not for the event loop.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import psycopg
from psycopg import sql

from dragoman.memory.blobs.aside import Blobs
from dragoman.memory.errors import LedgerBusy
from dragoman.memory.postgres.blocking import asked
from dragoman.memory.postgres.dialect import OWN, Statement, statement
from dragoman.memory.postgres.ledger import PostgresLedger
from dragoman.memory.postgres.tx import PostgresTx
from dragoman.memory.postgres.values import shaped
from dragoman.memory.sealing import turning
from dragoman.memory.sealing.cells import Cells
from dragoman.memory.sealing.data_keys import Ask, Keyring
from dragoman.memory.sealing.master_keys import MasterKeys
from dragoman.memory.sealing.references import References
from dragoman.memory.sealing.turning import After, Piece
from dragoman.memory.sealing.wholeness import is_whole, make_whole
from dragoman.memory.statements import SQL

__all__ = ["PostgresSealing"]

T = TypeVar("T")

_KNOWN: Final = frozenset(SQL.values())
_PARAMETER = re.compile(r"\?(\d+)")


class PostgresSealing:
    """As ``SqliteSealing``."""

    def __init__(self, url: str, masters: MasterKeys, blobs: Blobs | None = None) -> None:
        self._url = url
        self._masters = masters
        self._blobs = blobs

    def used(self) -> Mapping[str, int]:
        """How many data keys each master key wraps, by its id."""
        return self._piece(lambda tx: dict(tx.send(OWN["master_keys_used"], ()).fetchall()))

    def rewrap(self) -> int:
        """See ``turning.rewrap``."""
        return self._piece(lambda tx: turning.rewrap(_ask(tx), self._masters))

    def new_data_keys(self, before: int, after: After) -> Piece:
        """See ``turning.new_data_keys``."""
        return self._piece(lambda tx: turning.new_data_keys(_ask(tx), self._masters, before, after))

    def seal_rows(self, table: str, after: After) -> Piece:
        """See ``turning.seal_rows``."""

        def piece(tx: PostgresTx) -> Piece:
            cells = self._cells(tx)
            references = None if self._blobs is None else References(self._blobs, cells)
            return turning.seal_rows(_ask(tx), cells, references, table, after, lock=" FOR UPDATE")

        return self._piece(piece)

    def seal_words(self, after: After) -> Piece:
        """See ``turning.seal_words``."""
        return self._piece(lambda tx: turning.seal_words(_ask(tx), self._cells(tx), after))

    def forget_values(self, after: After) -> Piece:
        """See ``turning.forget_values``."""
        return self._piece(lambda tx: turning.forget_values(_ask(tx), after))

    def make_whole(self) -> int:
        """See ``wholeness.make_whole``."""
        return self._piece(lambda tx: make_whole(_ask(tx), self._masters))

    def vacuum(self) -> None:
        """Rewrite the tables, so that nothing is left of what was deleted in them. Servers wait meanwhile."""
        try:
            with psycopg.connect(self._url, autocommit=True) as db:
                for table in (*turning.tables(), "facets", "store_words"):
                    db.execute(sql.SQL("VACUUM (FULL) {}").format(sql.Identifier(table)))
        except psycopg.Error as error:
            raise LedgerBusy(f"The database cannot take this now: {str(error).strip()}") from None

    def _cells(self, tx: PostgresTx) -> Cells:
        return Cells(Keyring(self._masters, whole=is_whole(_ask(tx))), _ask(tx))

    def _piece(self, work: Callable[[PostgresTx], T]) -> T:
        def write(ledger: PostgresLedger) -> Awaitable[T]:
            return ledger.turn(work)

        return asked(self._url, write, self._masters, self._blobs)


def _ask(tx: PostgresTx) -> Ask:
    def ask(text: str, values: tuple[Any, ...]) -> Any:
        if text in _KNOWN:
            known = statement(text)
            return tx.send(known, shaped(known.name, values))
        return tx.send(Statement("turn", _PARAMETER.sub(r"$\1", text)), values)

    return ask
