"""A peer under ``[peers]`` in dragoman.toml: called by its name, with a credential, when its card is signed as it must
be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from dragoman.a2a import keyfile

from .conftest import Server

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(110)]


class Folder(Server):
    """``dragoman serve`` of a settings file beside the agents."""

    def _command(self) -> list[str]:
        serve = ["-m", "dragoman.cli", "serve", str(self.database.with_name("dragoman.toml"))]
        return [*serve, "--port", str(self.port), "--storage", str(self.database)]


class Locked(Server):
    """``dragoman serve`` that asks for keys."""

    def _command(self) -> list[str]:
        return [*super()._command(), "--auth", "keys"]

    def key(self) -> str:
        """An API key."""
        command = [sys.executable, "-m", "dragoman.cli", "keys", "create", "desk", "--storage", str(self.database)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("known", ["its key", "another key"])
async def test_a_peer_is_called_by_its_name(tmp_path: Path, known: str) -> None:
    books = Locked(tmp_path, "books_agents", PEER_URL="http://127.0.0.1:9")
    desk = Folder(tmp_path, "desk_agents", PEER_URL=books.url, BOOKS_KEY=books.key())
    try:
        await books.start()
        keys = tmp_path / "books.jwks.json"
        if known == "its key":
            async with httpx.AsyncClient(base_url=books.url) as client:
                keys.write_bytes((await client.get("/.well-known/jwks.json")).content)
        else:
            keyfile.load(keys)
        (tmp_path / "dragoman.toml").write_text(
            f"""
            agents = ["{Path(__file__).with_name("desk_agents.py")}"]
            [peers.books]
            url = "{books.url}/a2a/echo"
            keys = "books.jwks.json"
            credential = "BOOKS_KEY"
            """
        )
        await desk.start()
        run = await desk.begin("chats", {"peer": "books", "text": "hi"})
        told = await desk.ended(run)
        (runs,) = books.rows("SELECT count(*) FROM runs")
        if known == "its key":
            assert told == {"text": "you said hi", "data": None, "task": True}
            assert books.rows("SELECT subject, status FROM runs") == [("desk", "succeeded")]
        else:
            assert (told, runs) == ("error", (0,))
            (failure,) = desk.rows("SELECT failure FROM runs")
            assert "has no signature by a key that [peers] books names" in str(failure)
    finally:
        print(desk.log, books.log, sep="\n----\n")
        desk.kill()
        books.kill()
