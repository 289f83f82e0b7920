"""Empty ledgers on the session's Postgres, for the contract suite: one database a process, emptied for each folder.

A folder stands for a ledger, as a file does for SQLite: asked for again, it is what it kept, with the leases of whoever
held them run out.
"""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
from psycopg import sql
from tests import postgres

from dragoman.memory.ledger import Ledger
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.sealing import MasterKeys

_DATABASE = f"ledger_{os.getpid()}"
_used: list[Path] = []

_END_LEASES = """
UPDATE runs SET lease_until = 0 WHERE status = 'running';
UPDATE deliveries SET lease_owner = NULL, lease_until = NULL, next_at = dragoman_now()
    WHERE status = 'active' AND lease_owner IS NOT NULL;
"""


def url_of(folder: Path) -> str:
    """The database that stands for a folder; empty when the folder was not the last one asked for."""
    server = postgres.shared()
    if not _used:
        with psycopg.connect(server.url(), autocommit=True) as db:
            db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_DATABASE)))
    elif _used[-1] != folder:
        _empty(server.url(_DATABASE))
    _used[:] = [folder]
    return server.url(_DATABASE)


def ledger_in(folder: Path, masters: MasterKeys | None = None) -> Ledger:
    """The ledger that stands for a folder, not opened."""
    known = bool(_used) and _used[-1] == folder
    url = url_of(folder)
    if known:
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(_END_LEASES)
    return postgres_ledger(url, masters)


def _empty(url: str) -> None:
    with psycopg.connect(url) as db:
        found = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations'")
        for (table,) in found.fetchall():
            db.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
