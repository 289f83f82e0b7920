"""MCP over standard input and output: both eras on one pipe, in any order.

One line is one message. What a request declares in ``_meta`` holds for it alone; ``initialize`` holds for the
requests that declare nothing. Nothing but protocol leaves by standard output: the descriptor is put aside and prints
go to standard error, those of libraries in C and of child processes too. Imports no web server.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import sys
import threading
from collections.abc import AsyncGenerator, Coroutine, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from dragoman.agents.catalog import Catalog
from dragoman.engine import Engine
from dragoman.mcp import batches, eras
from dragoman.mcp.call import Peer, Session
from dragoman.mcp.errors import INTERNAL, INVALID_REQUEST, ProtocolError
from dragoman.mcp.jsonrpc import Batch, Message, Notification, Reply, Request, error_bytes, parse
from dragoman.mcp.kernel import Kernel
from dragoman.mcp.push import Push
from dragoman.mcp.settings import McpSettings
from dragoman.memory.codec import dumps
from dragoman.memory.model import Json, Principal

__all__ = ["serve_pipe", "serve_stdio"]

_CHUNK = 65_536
_MOST_AT_ONCE = 256
_UNBLOCKED = getattr(select, "PIPE_BUF", 0)  # a pipe that is ready takes as much at once
_log = logging.getLogger("dragoman.mcp")


async def serve_stdio(
    engine: Engine, principal: Principal, settings: McpSettings, catalog: Catalog | None = None
) -> None:
    """Serve this process's standard streams until the input ends and the requests at work are answered."""
    with _put_aside() as (source, sink):
        await serve_pipe(engine, principal, settings, source, sink, catalog)


async def serve_pipe(
    engine: Engine,
    principal: Principal,
    settings: McpSettings,
    source: int,
    sink: int,
    catalog: Catalog | None = None,
) -> None:
    """Serve two file descriptors: messages are read from ``source`` and written to ``sink``."""
    await _Pipe(Kernel(engine, settings, catalog), principal, settings.max_message, sink).serve(source)


class _Pipe:
    """The server end of a pipe; also the channel of every request on it."""

    streams = True

    def __init__(self, kernel: Kernel, principal: Principal, most: int, sink: int) -> None:
        self._kernel = kernel
        self._principal = principal
        self._most = most
        self._sink = sink
        self._session: Session | None = None
        self._push: Push | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_batches = 0  # requests at work within batches
        self._broken = False
        self._writing = asyncio.Lock()

    async def serve(self, source: int) -> None:
        async for line in _lines(source, self._most):
            await self._take(line)
        self._kernel.hang_up()
        if self._push is not None:
            self._push.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # -- the channel --------------------------------------------------------------------------------------------------
    async def open(self) -> None:
        return

    async def send(self, message: Mapping[str, Json]) -> None:
        await self._write(dumps(message))

    # -- messages -----------------------------------------------------------------------------------------------------
    async def _take(self, line: bytes | None) -> None:
        try:
            if line is None:
                raise ProtocolError(INVALID_REQUEST, f"A message has more than {self._most} bytes.")
            message = parse(line)
            if isinstance(message, Batch):
                batches.check(message, eras.LATEST_OLDER if self._session is None else self._session.version)
        except ProtocolError as error:
            await self._write(error_bytes(error))
            return
        if isinstance(message, Request) and message.method == "initialize":
            await self._answer(message)  # what follows is of its session
            return
        asked = message.requests if isinstance(message, Batch) else [message] if isinstance(message, Request) else []
        if asked and len(self._tasks) + self._in_batches + len(asked) > _MOST_AT_ONCE:
            busy = ProtocolError(INTERNAL, f"{_MOST_AT_ONCE} requests are at work already; send it again later.")
            refusals = [error_bytes(busy, request.id) for request in asked]
            await self._write(batches.as_array(refusals) if isinstance(message, Batch) else refusals[0])
            return
        if isinstance(message, Batch):
            self._in_batches += len(asked)
            self._begin(self._handle_batch(message))
        else:
            self._begin(self._handle(message))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a message could not be handled", exc_info=error)

    async def _handle(self, message: Message) -> None:
        if isinstance(message, Request):
            await self._answer(message)
        elif isinstance(message, Notification):
            await self._kernel.notify(self._peer(), message)
        else:
            await self._reply(message)

    async def _handle_batch(self, batch: Batch) -> None:
        """Serve a batch; its responses are one array, when all are there."""
        responses: list[bytes] = []

        async def keep(response: bytes) -> None:
            responses.append(response)

        try:
            await batches.serve(batch, self._response, self._handle, keep)
        finally:
            self._in_batches -= len(batch.requests)
        if responses:
            await self._write(batches.as_array(responses))

    async def _answer(self, request: Request) -> None:
        response = await self._response(request)
        if response is not None:
            await self._write(response)

    async def _response(self, request: Request) -> bytes | None:
        answer = await self._kernel.request(self._peer(), request, self)
        if answer is None:
            return None
        if answer.session is not None:
            self._open(answer.session)
        if answer.change is not None and self._session is not None and self._push is not None:
            self._session = answer.change(self._session)
            await self._push.follow(self._session)
        return answer.body

    def _open(self, session: Session) -> None:
        """What was settled holds for the requests that follow; what changes is told of from now on."""
        if self._push is not None:
            self._push.close()
        self._session, self._push = session, self._kernel.push(self._principal)
        self._begin(self._push.send_to(self))

    async def _reply(self, reply: Reply) -> None:
        try:
            await self._kernel.reply(self._peer(), reply)
        except ProtocolError as error:
            _log.warning("a reply of the client makes no sense: %s", error.message)

    def _peer(self) -> Peer:
        return Peer(self._principal, self._session, withdraws="stdio")

    # -- writing ------------------------------------------------------------------------------------------------------
    async def _write(self, data: bytes) -> None:
        if self._broken:
            return
        line = data + b"\n"
        try:
            async with self._writing:
                if len(line) <= _UNBLOCKED and select.select([], [self._sink], [], 0)[1]:
                    _write_all(self._sink, line)
                else:
                    await asyncio.get_running_loop().run_in_executor(None, _write_all, self._sink, line)
        except OSError as error:
            self._broken = True
            _log.warning("standard output is closed: %s", error)


def _write_all(sink: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sink, view) :]


async def _lines(source: int, most: int) -> AsyncGenerator[bytes | None, None]:
    """Lines of a descriptor, without blank ones; None for one that is longer than ``most`` bytes.

    Read in a thread, since what stands for standard input may be a pipe, a terminal or a file.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    taken = threading.Semaphore(16)  # chunks that may wait to be taken

    def read() -> None:
        chunk = b"."
        while chunk:
            taken.acquire()
            try:
                chunk = os.read(source, _CHUNK)
            except OSError:
                chunk = b""
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:  # the loop has ended
                return

    threading.Thread(target=read, name="mcp-stdin", daemon=True).start()
    rest, skipping = bytearray(), False
    while chunk := await chunks.get():
        taken.release()
        *whole, last = chunk.split(b"\n")
        for part in whole:
            rest += part
            if skipping or len(rest) > most:
                yield None
            elif rest.strip():
                yield bytes(rest)
            rest, skipping = bytearray(), False
        rest += last
        if len(rest) > most:
            rest, skipping = bytearray(), True
    if rest.strip():
        yield bytes(rest)


@contextmanager
def _put_aside() -> Generator[tuple[int, int]]:
    """The real standard streams as descriptors of ours; meanwhile input reads nothing and output goes to standard
    error."""
    sys.stdout.flush()
    source, sink, nothing = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDONLY)
    printed = sys.stdout
    try:
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        yield source, sink
    finally:
        sys.stdout = printed
        os.dup2(source, 0)
        os.dup2(sink, 1)
        for descriptor in (source, sink, nothing):
            os.close(descriptor)
