"""The outbox: tells runs' logs to addresses that asked for them. It starts a courier for each delivery that is due.

The ledger says what is due, and a claim keeps others away from it; events of this process wake what waits for them.
Nothing is looked for but what the ledger names, and a run never waits for a receiver. Knows no protocol: a face gives
the words for its kind of deliveries (``outgoing.Kind``). Not a courier: ``courier`` sends.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dragoman.engine.hub import EventHub
from dragoman.engine.outgoing import Kind, Outgoing
from dragoman.memory.errors import DragomanError
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import Event
from dragoman.memory.outbox import Delivery, DeliveryStatus, NewDelivery

if TYPE_CHECKING:
    from dragoman.engine.courier import Courier

__all__ = ["Outbox"]

_log = logging.getLogger("dragoman.outbox")
_Key = tuple[str, str, str]

_LOOK = 5.0  # seconds after which the ledger is asked again: an operator may have made something due beside us
_SWEEP = 60.0
_AFTER_ERROR = 1.0
_TURN = 5.0  # seconds after which a courier gives its place to others that wait
_PATIENCE = 2.0  # seconds that requests under way have when the server stops
_MOST_IDLE = 100_000  # deliveries whose threads are listened to; the sweep finds news for those beyond


class _Idle:
    """A delivery that waits for an event, as a listener of the hub."""

    __slots__ = ("_woken", "delivery", "forget")

    def __init__(self, delivery: Delivery, woken: Callable[[_Idle], None]) -> None:
        self.delivery = delivery
        self.forget: Callable[[], None] | None = None
        self._woken = woken

    def put(self, events: Sequence[Event]) -> None:
        self._woken(self)

    def nudge(self) -> None:
        self._woken(self)


class Outbox:
    """Sends what is owed, for one engine."""

    def __init__(self, ledger: Ledger, hub: EventHub, worker: str, outgoing: Outgoing) -> None:
        self.outgoing = outgoing
        self._ledger = ledger
        self._hub = hub
        self._worker = worker
        self._kinds: dict[str, Kind] = {}
        self._at_work: dict[_Key, tuple[Courier, asyncio.Task[None]]] = {}
        self._per_host: Counter[str] = Counter()
        self._idle: dict[_Key, _Idle] = {}
        self._announced: dict[_Key, Delivery] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._parts: Any = None

    def register(self, name: str, kind: Kind) -> None:
        """Say who puts deliveries of a kind into words. Those of kinds that nobody registered wait."""
        self._kinds[name] = kind
        self._wake.set()

    # -- life ---------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin to send."""
        self._loop = asyncio.get_running_loop().create_task(self._sending())

    async def stop(self) -> None:
        """Finish the requests under way, for a moment; hand back the rest."""
        if self._loop is None:
            return
        self._loop.cancel()
        await asyncio.gather(self._loop, return_exceptions=True)
        self._loop = None
        for courier, _ in self._at_work.values():
            courier.leave()
        tasks = [task for _, task in self._at_work.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._ledger.release_deliveries(self._worker)
        for idle in self._idle.values():
            _forget(idle)
        self._idle.clear()

    # -- for the faces ------------------------------------------------------------------------------------------------
    async def add(self, new: NewDelivery) -> Delivery:
        """Keep a delivery and begin to send. Raises ``RunNotFound``, and ``Conflict`` when the run has too many."""
        added = await self._ledger.add_delivery(new, self.outgoing.settings.per_run)
        self._replaced(_key(added))
        self.look()
        return added

    async def drop(self, tenant: str, run_id: str, delivery_id: str) -> bool:
        """Forget a delivery; whether it was there. A request under way may still arrive."""
        dropped = await self._ledger.drop_delivery(tenant, run_id, delivery_id)
        self._replaced((tenant, run_id, delivery_id))
        return dropped

    def look(self) -> None:
        """Something may be due."""
        self._wake.set()

    @property
    def at_work(self) -> int:
        """How many deliveries are being sent for."""
        return len(self._at_work)

    # -- the loop -----------------------------------------------------------------------------------------------------
    async def _sending(self) -> None:
        clock = asyncio.get_running_loop().time
        swept: float | None = None
        while True:
            try:
                if self._kinds and swept is None:
                    await self._listen_to_all()
                if self._kinds and (swept is None or clock() - swept >= _SWEEP):
                    await self._ledger.sweep_deliveries()
                    swept = clock()
                self._wake.clear()
                wait = await self._send_due() if self._kinds else None
            except Exception as error:  # whatever it is, what else is owed must not wait for a restart
                _log.error("the outbox failed, trying again in %g s: %s", _AFTER_ERROR, error, exc_info=error)
                await asyncio.sleep(_AFTER_ERROR)
                continue
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _send_due(self) -> float:
        """Start what is due and has a place; the seconds until to look again."""
        kinds = list(self._kinds)
        room = self.outgoing.settings.concurrency
        full = [host for host, n in self._per_host.items() if n >= self.outgoing.settings.per_host]
        due = [*self._announced.values(), *await self._ledger.due_deliveries(kinds, room, full)]
        waiting = 0
        for delivery in due:
            if not await self._start(delivery):
                waiting += 1
        if waiting:
            self._make_room(waiting)
        at = await self._ledger.next_delivery(kinds)
        wait = _TURN if waiting else _LOOK
        return wait if at is None else min(wait, max((at - now_micros()) / 1e6, 0.0))

    async def _start(self, delivery: Delivery) -> bool:
        """Send for a delivery, unless nobody can or somebody does; whether it need not wait for a place."""
        settings, key, host = self.outgoing.settings, _key(delivery), _host(delivery.url)
        if key in self._at_work:
            return True  # its courier hears of the same news
        if len(self._at_work) >= settings.concurrency or self._per_host[host] >= settings.per_host:
            return False
        self._announced.pop(key, None)
        if self._parts is None:
            self._parts = await asyncio.to_thread(_load)
        lease = settings.timeout + self._parts.LEASE_MARGIN
        claimed = await self._ledger.claim_delivery(*key, self._worker, lease)
        if claimed is None:
            return True
        self._forget_idle(key)
        courier: Courier = self._parts.Courier(self._ledger, self.outgoing, self._kinds[claimed.delivery.kind], claimed)
        self._per_host[host] += 1
        task = asyncio.get_running_loop().create_task(self._drive(courier, key, host))
        self._at_work[key] = courier, task
        return True

    async def _drive(self, courier: Courier, key: _Key, host: str) -> None:
        delivery = courier.delivery
        deaf = self._hub.listen(delivery.tenant, delivery.thread_id, courier)
        waits = False
        try:
            waits = await courier.drive()
        except DragomanError as error:  # the ledger: the lease runs out, and the sweep finds it
            _log.error("a delivery of run %s failed: %s", delivery.run_id, error)
        finally:
            deaf()
            del self._at_work[key]
            self._per_host[host] -= 1
            if not self._per_host[host]:
                del self._per_host[host]
            if waits:
                self._listen(delivery)
                if courier.missed:
                    self._announced[key] = delivery
            self._wake.set()

    def _make_room(self, wanted: int) -> None:
        """Have couriers leave that wait for news, or had a turn, for as many as want a place."""
        now = asyncio.get_running_loop().time()
        for courier, _ in sorted(self._at_work.values(), key=lambda each: (not each[0].idle, each[0].began)):
            if wanted and (courier.idle or now - courier.began > _TURN):
                courier.leave()
                wanted -= 1

    # -- waiting for events -------------------------------------------------------------------------------------------
    async def _listen_to_all(self) -> None:
        """Hear of the threads whose deliveries an earlier process left waiting."""
        cursor: str | None = None
        while True:
            page = await self._ledger.deliveries(None, status=DeliveryStatus.ACTIVE, limit=1000, cursor=cursor)
            for delivery in page.items:
                if delivery.next_at is None and delivery.kind in self._kinds:
                    self._listen(delivery)
            cursor = page.cursor
            if cursor is None:
                return

    def _listen(self, delivery: Delivery) -> None:
        key = _key(delivery)
        if key not in self._idle and len(self._idle) < _MOST_IDLE:
            idle = self._idle[key] = _Idle(delivery, self._woken)
            idle.forget = self._hub.listen(delivery.tenant, delivery.thread_id, idle)

    def _woken(self, idle: _Idle) -> None:
        self._announced[_key(idle.delivery)] = idle.delivery
        self._wake.set()

    def _forget_idle(self, key: _Key) -> None:
        if (idle := self._idle.pop(key, None)) is not None:
            _forget(idle)

    def _replaced(self, key: _Key) -> None:
        self._forget_idle(key)
        self._announced.pop(key, None)
        if (at_work := self._at_work.get(key)) is not None:
            at_work[0].leave()


def _forget(idle: _Idle) -> None:
    if idle.forget is not None:
        idle.forget()


def _key(delivery: Delivery) -> _Key:
    return delivery.tenant, delivery.run_id, delivery.id


def _host(url: str) -> str:
    """What requests are bounded by: the address without its path."""
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc}"


def _load() -> Any:
    """HTTP and the certificates take a tenth of a second, which only those pay who send."""
    importlib.import_module("dragoman.auth.dialling").prepare()
    return importlib.import_module("dragoman.engine.courier")
