"""Words between processes on one ledger, for whoever waits for them under a name: a client's reply that comes to
another replica than its call, a resource that was changed there.

A message is left in the ledger and told of; it is taken once, and forgotten after a minute. Nothing is left where one
process alone has the ledger. Knows no protocol. Below: hub and ledger.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from dragoman.engine.hub import EventHub
from dragoman.memory.errors import DragomanError
from dragoman.memory.ids import short_digest
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import Event, Json

__all__ = ["Ended", "Relay", "item_name"]

_KIND: Final = "relay"
_KEPT_S: Final = 60.0
_log = logging.getLogger("dragoman.engine")

Ended = Callable[[], None]


def item_name(namespace: Sequence[str], key: str) -> str:
    """The name under which a change of an item of the store is told."""
    return f"item:{short_digest(*namespace, '', key)}"


class Relay:
    """Leaves, tells and takes messages by tenant and name."""

    def __init__(self, ledger: Ledger, hub: EventHub) -> None:
        self._ledger = ledger
        self._hub = hub

    @property
    def alone(self) -> bool:
        """Whether there is nobody to hear."""
        return self._ledger.polls is None

    def tell(self, tenant: str, name: str) -> None:
        """Something of this name has changed."""
        if not self.alone:
            self._ledger.tell([(tenant, _place(name))])

    def hear(self, tenant: str, name: str, told: Callable[[], None]) -> Ended:
        """Call ``told`` when another process tells of it, and when it may have; the function that ends it is
        returned."""
        return self._hub.listen(tenant, _place(name), _Hearing(told))

    async def leave(self, tenant: str, name: str, message: Json) -> None:
        """Leave a message for who waits for it elsewhere."""
        if not self.alone:
            await self._ledger.remember(tenant, _KIND, name, message, _KEPT_S)
            self.tell(tenant, name)

    def wait(self, tenant: str, name: str, taken: Callable[[Json], None]) -> Ended:
        """Call ``taken`` with each message that is left from now on; the function that ends it is returned."""
        if self.alone:
            return _nothing
        waiting = _Waiting(self._ledger, tenant, name, taken)
        deaf = self.hear(tenant, name, waiting.look)

        def end() -> None:
            waiting.over = True
            deaf()

        return end

    async def receive(self, tenant: str, name: str, timeout: float) -> Json | None:
        """The next message of this name, which may lie there already; None after ``timeout`` seconds."""
        got: asyncio.Future[Json] = asyncio.get_running_loop().create_future()

        def take(message: Json) -> None:
            if not got.done():
                got.set_result(message)

        waiting = _Waiting(self._ledger, tenant, name, take)
        deaf = self.hear(tenant, name, waiting.look)
        try:
            waiting.look()
            async with asyncio.timeout(timeout):
                return await got
        except TimeoutError:
            return None
        finally:
            waiting.over = True
            deaf()


class _Hearing:
    """A listener of the hub."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told

    def put(self, events: Sequence[Event]) -> None:
        """No thread has this name."""

    def nudge(self) -> None:
        """It was told of."""
        self._told()


class _Waiting:
    """Takes a message as soon as there is one."""

    def __init__(self, ledger: Ledger, tenant: str, name: str, taken: Callable[[Json], None]) -> None:
        self.over = False
        self._ledger = ledger
        self._where = tenant, _KIND, name
        self._taken = taken
        self._again = False
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """There may be a message."""
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while self._again and not self.over:
            self._again = False
            try:
                message = await self._ledger.recall(*self._where)
                if message is not None and await self._ledger.forget(*self._where):
                    self._taken(message)
            except DragomanError as error:
                _log.warning("a message of another replica could not be read: %s", error.message)


def _place(name: str) -> str:
    """Where the hub tells of a name: no thread is called so."""
    return f"relay:{name}"


def _nothing() -> None:
    """There is nothing to end."""
