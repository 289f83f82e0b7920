"""What a backup is made into, and what is restored, where something odd stands in its place."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dragoman.memory.errors import Conflict, InputInvalid
from dragoman.memory.portable.lines import Header, written
from dragoman.memory.sqlite import SqliteLedger, backup
from dragoman.memory.sqlite.backup import back_up
from dragoman.memory.sqlite.restore import restore

from .helpers import submit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    async def make() -> None:
        made = SqliteLedger(tmp_path / "ledger.db")
        await made.open()
        await submit(made)
        await made.close()

    asyncio.run(make())
    return tmp_path / "ledger.db"


def test_a_link_that_leads_nowhere_is_not_written_through(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict, match="is there already"):
        back_up(file, link)
    with pytest.raises(Conflict, match="is there already"), written(link, Header("acme", 0)):
        pass
    assert sorted(os.listdir(tmp_path)) == ["ledger.db", "ledger.db.lock", "link"]


def test_a_backup_that_is_overtaken_leaves_no_manifest(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "backup.db"

    def overtaken(_: Path) -> tuple[int, str]:
        target.touch()
        return 0, ""

    monkeypatch.setattr(backup, "digest_of", overtaken)
    with pytest.raises(FileExistsError):
        back_up(file, target)
    assert not (tmp_path / "backup.db.manifest.json").exists()


def test_a_ledger_whose_last_changes_lie_beside_it_is_not_restored_without_them(file: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("UPDATE runs SET agent = 'changed'")
        db.commit()
        for suffix in ("", "-wal"):
            shutil.copy(f"{file}{suffix}", f"{copied}{suffix}")
    with pytest.raises(InputInvalid, match=r"its last changes are in copied\.db-wal"):
        restore(copied, file, replace=True)
    back_up(copied, tmp_path / "backup.db")
    restore(tmp_path / "backup.db", file, replace=True)
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT DISTINCT agent FROM runs").fetchall() == [("changed",)]


def test_nothing_is_left_of_having_looked_into_what_was_restored(file: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied.db"
    shutil.copy(file, copied)  # a file in WAL mode, which a backup is not
    restore(copied, file, replace=True)
    assert [name for name in os.listdir(tmp_path) if "partial" in name] == []


def test_a_backup_of_a_newer_version_is_refused_and_the_ledger_stays(file: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer.db"
    shutil.copy(file, newer)
    with closing(sqlite3.connect(newer)) as db:
        db.execute("INSERT INTO migrations VALUES (9999, 'later', 0)")
        db.execute("PRAGMA journal_mode = DELETE").fetchone()
        db.commit()
    before = file.read_bytes()
    with pytest.raises(Conflict, match="newer Dragoman"):
        restore(newer, file, replace=True)
    assert file.read_bytes() == before
