"""What is named as a file to import, restore or back up, and is none, or has no end: told at once, nothing held."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from dragoman.memory.errors import InputInvalid
from dragoman.memory.portable import checked, export_tenant, import_tenant, lines
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.backup import back_up, manifest_path
from dragoman.memory.sqlite.bulk import SqliteBulk
from dragoman.memory.sqlite.restore import restore

from .helpers import TENANT, submit

HEADER = b'{"dragoman":"export","version":1,"tenant":"acme","at":1}\n'


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    async def make() -> None:
        made = SqliteLedger(tmp_path / "ledger.db")
        await made.open()
        await submit(made)
        await made.close()

    asyncio.run(make())
    return tmp_path / "ledger.db"


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A pipe that nobody writes to: who opens it to read waits for ever."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


READERS: dict[str, Callable[[Path, Path], object]] = {
    "import": lambda given, folder: import_tenant(SqliteBulk(folder / "new.db"), given),
    "restore": lambda given, folder: restore(given, folder / "new.db"),
    "backup": lambda given, folder: back_up(given, folder / "backup.db"),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_is_refused_and_not_waited_for(pipe: Path, tmp_path: Path, reader: str) -> None:
    with pytest.raises(InputInvalid, match=r"pipe is a pipe, and is read more than once: write it into a file first"):
        READERS[reader](pipe, tmp_path)
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("place", "kind"), [("/dev/zero", "a device"), ("/dev", "a folder")])
def test_what_has_no_end_or_is_no_file_is_refused(tmp_path: Path, reader: str, place: str, kind: str) -> None:
    with pytest.raises(InputInvalid, match=f"is {kind}"):
        READERS[reader](Path(place), tmp_path)


def test_a_manifest_that_is_a_pipe_is_not_waited_for(ledger: Path, tmp_path: Path) -> None:
    back_up(ledger, tmp_path / "backup.db")
    manifest_path(tmp_path / "backup.db").unlink()
    os.mkfifo(manifest_path(tmp_path / "backup.db"))
    with pytest.raises(InputInvalid, match="is a pipe"):
        restore(tmp_path / "backup.db", ledger, replace=True)


def test_the_command_refuses_a_pipe(pipe: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dragoman.cli", "import", str(pipe), "--storage", str(tmp_path / "new.db")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "is a pipe" in done.stderr


def test_a_line_that_is_too_long_is_refused_before_it_is_held(tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    file.write_bytes(HEADER + b'{"threads":{"id":"')
    os.truncate(file, lines.LONGEST + (1 << 24))  # it takes no space
    tracemalloc.start()
    try:
        with pytest.raises(InputInvalid, match=r"long\.jsonl: line 2: longer than 1073741824 bytes"):
            checked(file)
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
    finally:
        tracemalloc.stop()


def test_many_long_lines_that_are_not_too_long_are_read(tmp_path: Path) -> None:
    with lines.written(tmp_path / "1.jsonl", lines.Header("acme", 1)) as made:
        for size in (10, 3_000_000, 1 << 20, 5_000_000):
            made.add("threads", {"id": "x" * size})
    assert checked(tmp_path / "1.jsonl")[1] == {"threads": 4}


def test_an_export_writes_no_line_that_no_import_takes(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST", 150)
    with pytest.raises(InputInvalid, match=r"A row of threads has \d+ bytes as a line, and an import takes 150"):
        export_tenant(SqliteBulk(ledger), TENANT, tmp_path / "1.jsonl")
    assert not (tmp_path / "1.jsonl").exists()
