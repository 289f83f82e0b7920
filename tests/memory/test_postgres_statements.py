"""The shared SQL in Postgres's words: every statement is one that the server takes."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from dragoman.memory.ledger import Ledger
from dragoman.memory.postgres.dialect import OWN, several
from dragoman.memory.postgres.values import shaped

from .postgres_ledgers import ledger_in, url_of

pytestmark = pytest.mark.anyio
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")


@pytest.fixture
async def ledger(tmp_path: Path) -> Ledger:
    made = ledger_in(tmp_path)
    await made.open()
    await made.close()
    return made


async def test_every_statement_is_prepared_by_a_server(ledger: Ledger, tmp_path: Path) -> None:
    refused: dict[str, str] = {}
    with psycopg.connect(url_of(tmp_path)) as db:
        for name, statement in OWN.items():
            if statement.text.startswith(VERBS):
                done = db.pgconn.prepare(name.encode(), statement.text.encode())
                if done.status != psycopg.pq.ExecStatus.COMMAND_OK:
                    refused[name] = done.error_message.decode()
                    db.rollback()
    assert refused == {}


def test_an_insert_of_one_row_is_made_one_of_many() -> None:
    made = several(OWN["insert_event"], 7, 2)
    assert made.text.endswith("VALUES ($1, $2, $3, $4, $5, $6, $7), ($8, $9, $10, $11, $12, $13, $14)")


def test_words_are_given_to_the_index_as_both_ledgers_fold_them() -> None:
    assert shaped("put_item_words", (1, "tacme", "Pèlerin\x00 pelerin")) == (1, "Pèlerin  pelerin", '["pelerin"]')
    query = shaped("items_with_words", ("acme", "", b"\xff", 5, 'tenant : t61 AND text : ("Ärger" OR "b")', 9))
    assert query == ("acme", "", "\U0010ffff", 5, '["arger","b"]', 9)
