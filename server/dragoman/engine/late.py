"""Runs that are opened late: driven at once, and written once if they end before anybody else could have heard of them.

A caller that waits for its run is told nothing before the run has settled, so nothing is acknowledged that is not on
disk. The run is opened, as any other, before its first step, its first event, its first question, and after 20 ms at
the latest; only a run that ends before all that, on a thread of its own, is written by one transaction in place of two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from dragoman.engine.activation import Activation
from dragoman.engine.ports import Host
from dragoman.engine.waiters import Waiters
from dragoman.memory.frozen import maker
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Lease, Submission
from dragoman.memory.model import Json, Run, RunStatus

__all__ = ["LateRuns"]

_make_lease = maker(Lease)
_make_run = maker(Run)


class LateRuns:
    """Starts late runs for one engine, one for an idempotency key."""

    def __init__(
        self,
        host: Host,
        waiters: Waiters,
        start: Callable[[Activation], None],
        settle: Callable[[Run, float | None], Awaitable[Run]],
    ) -> None:
        self._host = host
        self._waiters = waiters
        self._start = start
        self._settle = settle
        self._by_key: dict[tuple[str, str], Activation] = {}

    async def run(self, submission: Submission, validated: BaseModel | None, timeout: float | None) -> Run:
        """Drive a run for a caller that waits: as it is once it has settled, or past ``timeout`` seconds as it is then
        (and opened). The first run of its idempotency key, where that is known. ``validated`` is its
        input as a model."""
        key = submission.idempotency_key
        if key is None:
            return await self._drive(self._activation(submission, validated), timeout)
        first = self._by_key.get((submission.tenant, key))
        if first is not None:
            return await self._join(first, timeout)
        known = await self._host.ledger.find_run(submission.tenant, key)
        if known is not None:
            return known if known.settled else await self._settle(known, timeout)
        first = self._by_key.get((submission.tenant, key))  # somebody may have been quicker while the ledger was asked
        if first is not None:
            return await self._join(first, timeout)
        activation = self._by_key[submission.tenant, key] = self._activation(submission, validated)
        return await self._drive(activation, timeout)

    async def opened(self, tenant: str, key: str | None) -> None:
        """Open the late run that has this key, if there is one, so that a submission finds it."""
        if key is not None and (first := self._by_key.get((tenant, key))) is not None:
            await first.as_it_is()

    def over(self, run: Run, key: str | None) -> None:
        """Say that an activation of a late run has ended."""
        if key is not None:
            self._by_key.pop((run.tenant, key), None)

    def _activation(self, submission: Submission, validated: BaseModel | None) -> Activation:
        lease = _make_lease(submission.tenant, submission.run_id, submission.thread_id or "", self._host.worker, 1)
        return Activation(self._host, lease, _unopened(submission), submission, validated)

    async def _drive(self, activation: Activation, timeout: float | None) -> Run:
        self._start(activation)
        return await self._join(activation, timeout)

    async def _join(self, activation: Activation, timeout: float | None) -> Run:
        run_id = activation.run.id
        waiter = self._waiters.add(run_id)
        try:
            return await self._await(activation, waiter, timeout)
        finally:
            self._waiters.discard(run_id, waiter)

    async def _await(self, activation: Activation, waiter: asyncio.Future[Run], timeout: float | None) -> Run:
        if timeout is None:
            run = await waiter
        else:
            # Not asyncio.timeout: a handle of the loop costs a third of it.
            impatient = asyncio.get_running_loop().call_later(timeout, _give_up, waiter)
            try:
                run = await waiter
            except TimeoutError:
                run = await activation.as_it_is()
            finally:
                impatient.cancel()
        superseded = run.id != activation.run.id and not run.settled
        return await self._settle(run, timeout) if superseded else run


def _give_up(waiter: asyncio.Future[Run]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


def _unopened(s: Submission) -> Run:
    now = now_micros()
    metadata: dict[str, Json] = dict(s.metadata)
    return _make_run(
        tenant=s.tenant,
        id=s.run_id,
        thread_id=s.thread_id or "",
        agent=s.agent,
        agent_version=s.agent_version,
        status=RunStatus.RUNNING,
        created_at=now,
        updated_at=now,
        input=s.input,
        message=s.message,
        subject=s.subject,
        attempt=1,
        started_at=now,
        metadata=metadata,
        setup=s.setup,
    )
