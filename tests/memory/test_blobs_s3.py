"""Blobs in an object store that speaks S3."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from dragoman.memory.blobs import Blobs, NoBlob, blob_place
from dragoman.memory.blobs.claiming import MARKER
from dragoman.memory.errors import DragomanError, LedgerBusy
from dragoman.memory.sealing import Unreadable
from dragoman.memory.sqlite import SqliteLedger

from .helpers import TENANT, submit

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket of a server of its own, which the environment names."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server: Any = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    known = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    before = dict(os.environ)
    os.environ.update(known)
    with urlopen(Request(f"{endpoint}/ledger", method="PUT")) as made:
        assert made.status == 200
    yield "s3://ledger/large"
    server.stop()
    for name in known:
        os.environ.pop(name)
        if name in before:
            os.environ[name] = before[name]


async def test_large_values_lie_in_the_bucket_and_are_read_back(bucket: str, tmp_path: Path) -> None:
    blobs = Blobs(blob_place(bucket), 1000)
    ledger = SqliteLedger(tmp_path / "ledger.db", blobs=blobs)
    await ledger.open()
    run = await submit(ledger, input="x" * 300_000)
    await ledger.close()
    assert (tmp_path / "ledger.db").stat().st_size < 500_000
    again = SqliteLedger(tmp_path / "ledger.db", blobs=Blobs(blob_place(bucket), 1000))
    await again.open()
    assert (await again.load(TENANT, run.id)).run.input == "x" * 300_000
    found = [name async for part in blobs.place.older(-60) for name in part if name != MARKER]
    assert len(found) == 1
    await blobs.place.delete(found)
    await blobs.place.delete(found)
    await again.close()
    last = SqliteLedger(tmp_path / "ledger.db", blobs=Blobs(blob_place(bucket), 1000))
    await last.open()
    with pytest.raises(Unreadable, match="s3://ledger/large has no blob"):
        await last.load(TENANT, run.id)
    await last.close()


async def test_a_place_puts_gets_lists_and_deletes(bucket: str) -> None:
    place = blob_place(f"{bucket}-apart")
    await place.put("t-a/1", b"one")
    await place.put("t-a/1", b"two")
    assert await place.get("t-a/1") == b"two"
    assert [name async for part in place.older(-60) for name in part] == ["t-a/1"]
    assert [name async for part in place.older(60) for name in part] == []
    await place.delete(["t-a/1", "t-a/none"])
    with pytest.raises(NoBlob):
        await place.get("t-a/1")


async def test_a_bucket_that_is_not_there_is_told_by_its_name_and_a_write_fails_whole(
    bucket: str, tmp_path: Path
) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db", blobs=Blobs(blob_place("s3://none/large"), 1000))
    await ledger.open()
    with pytest.raises(LedgerBusy, match="s3://none/large cannot be reached"):
        await submit(ledger, run_id="lost", input="x" * 300_000)
    assert (await submit(ledger, input="small")).input == "small"
    with pytest.raises(DragomanError, match="No run"):
        await ledger.load(TENANT, "lost")
    await ledger.close()


def test_another_kind_of_url_is_refused() -> None:
    with pytest.raises(DragomanError, match="s3://, gs:// or az://"):
        blob_place("ftp://host/path")
