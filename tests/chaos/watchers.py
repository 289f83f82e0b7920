"""Readers that follow runs over server-sent events through replicas that die, and then read the same again from the
beginning: what was told live must be what is replayed, byte for byte.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence

import httpx

from .clients import Clients

__all__ = ["Watchers"]

Frame = tuple[str, str, str]
_MODES = "stream_mode=updates&stream_mode=custom&stream_mode=messages-tuple"
_PAUSE = 0.05


class Watchers(Clients):
    """Follow the runs that they open, each on a replica chosen anew whenever its stream is cut."""

    def __init__(self, urls: Sequence[str], chance: random.Random, readers: int = 3) -> None:
        super().__init__()
        self.urls = list(urls)
        self.acknowledged: dict[str, str] = {}
        self.cuts = 0
        self._chance = chance
        self._readers = readers
        self._seen: dict[str, list[Frame]] = {}

    async def __aenter__(self) -> Watchers:
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(60, read=5))
        self._tasks = [asyncio.create_task(self._reader()) for _ in range(self._readers)]
        return self

    async def compare(self, url: str) -> int:
        """Read all again, and compare; how many runs were followed."""
        async with httpx.AsyncClient(timeout=60) as self._http:
            for path, seen in self._seen.items():
                again = [frame async for frame in self._frames(f"{url}{path}", "0")]
                assert seen == again, f"{path}: {len(seen)} frames live, {len(again)} replayed: {_first(seen, again)}"
        return len(self._seen)

    async def _reader(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            opened = await self._open(number)
            if opened is None:
                await asyncio.sleep(_PAUSE)  # who is refused comes back in a while
                continue
            thread, run_id = opened
            self.acknowledged[run_id] = "works"
            await self._follow(f"/threads/{thread}/runs/{run_id}/stream?{_MODES}")

    async def _open(self, number: int) -> tuple[str, str] | None:
        body = {"agent_id": "works", "input": {"number": number}}
        try:
            answer = await self._http.post(f"{self._chance.choice(self.urls)}/runs", json=body)
        except httpx.TransportError:
            return None
        if answer.status_code != 200:
            assert answer.status_code in (429, 503), answer.text
            return None
        return answer.json()["thread_id"], answer.json()["run_id"]

    async def _follow(self, path: str) -> None:
        seen = self._seen[path] = []
        async with asyncio.timeout(240):
            while not (seen and seen[-1][0] in ("end", "error")):
                last = seen[-1][1] if seen else "0"
                try:
                    async for frame in self._frames(f"{self._chance.choice(self.urls)}{path}", last):
                        seen.append(frame)
                except httpx.TransportError:
                    self.cuts += 1
                    await asyncio.sleep(_PAUSE)  # the server may be away, which nothing tells the end of

    async def _frames(self, url: str, last: str) -> AsyncGenerator[Frame]:
        """Whole frames: event, id, data. Raises ``TransportError`` when the stream is cut or there is none."""
        async with self._http.stream("GET", url, headers={"Last-Event-ID": last}) as answer:
            if answer.status_code != 200:
                assert answer.status_code in (429, 503), await answer.aread()
                raise httpx.RemoteProtocolError("The server cannot take this now.")
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(":")
                if name:
                    fields[name] = value.removeprefix(" ")
                elif not line:
                    if "event" in fields:
                        yield fields["event"], fields.get("id", ""), fields.get("data", "")
                    fields = {}


def _first(seen: Sequence[Frame], again: Sequence[Frame]) -> str:
    for live, replayed in zip(seen, again, strict=False):
        if live != replayed:
            return f"{live} is now {replayed}"
    return f"what is left over: {[*seen, *again][min(len(seen), len(again)) :][:2]}"
