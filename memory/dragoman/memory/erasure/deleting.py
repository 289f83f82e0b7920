"""What is a person's own, deleted by the ledger's verbs, each a transaction of its own: done again it finds less."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final, Protocol, TypeVar

from dragoman.memory.erasure.finding import Found
from dragoman.memory.errors import Conflict, NotFound
from dragoman.memory.ledger import Ledger

__all__ = ["ErasureLedger", "delete"]

T = TypeVar("T")

_PAUSE: Final = 0.1
_MOST_CRASHES: Final = 1_000_000


class ErasureLedger(Ledger, Protocol):
    """A ledger of which keys can be deleted."""

    async def delete_key(self, tenant: str, key_id: str) -> bool:
        """Forget a key, revoked or not; whether it was there."""
        ...


async def delete(
    ledger: ErasureLedger, tenant: str, found: Found, *, cancel: bool = False, patience: float = 30
) -> None:
    """Delete it. With ``cancel`` its active runs are cancelled first, and those at work elsewhere waited for,
    ``patience`` seconds in all. Raises ``Conflict`` while a run is active; what went is gone then, the rest is there.
    """
    if found.active and not cancel:
        raise Conflict(f"{len(found.active)} runs are active, {found.active[0]} the first: cancel them, or --cancel.")
    for run in found.active:
        await _unless_gone(ledger.cancel(tenant, run, "The person's data is erased."))
    for thread in sorted(found.threads):
        await _without_runs(ledger, partial(ledger.delete_thread, tenant, thread), patience)
    for namespace, key in found.items:
        await ledger.delete_item(tenant, namespace, key)
    for kind, key in found.facts:
        await ledger.forget(tenant, kind, key)
    for key in found.keys:
        await ledger.delete_key(tenant, key)
    await _all(ledger.delete_cron(tenant, cron) for cron in found.crons)
    await _all(ledger.delete_assistant(tenant, assistant) for assistant in found.assistants)
    # Of states whose differences name them the newest is kept, whole.
    await _all(ledger.prune_thread(tenant, thread) for thread in sorted(found.histories))


async def _without_runs(ledger: Ledger, verb: Callable[[], Awaitable[None]], patience: float) -> None:
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            await _unless_gone(verb())
            return
        except Conflict:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await ledger.sweep(_MOST_CRASHES)  # what nobody drives any more ends by this
        await asyncio.sleep(_PAUSE)


async def _all(verbs: Iterable[Awaitable[T]]) -> None:
    for verb in verbs:
        await _unless_gone(verb)


async def _unless_gone(verb: Awaitable[T]) -> None:
    """What is gone already was deleted with something else."""
    try:
        await verb
    except NotFound:
        return
    except Conflict as error:
        if type(error) is Conflict:
            raise
