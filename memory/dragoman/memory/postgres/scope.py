"""Whose rows a verb sees: those of the tenant that it names, or all, for the few that look across tenants.

A tenant's verb is told by its parameters: ``tenant``, or a first one that has a tenant (a lease, a submission). Who
looks across is listed here, and anything else is refused before it is asked: a verb that is new says whose rows it
sees. The database does the rest (``migrations/postgres/0002_row_security.sql``). Above: ``runner.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from dragoman.memory.postgres.dialect import Statement

__all__ = ["ACROSS", "Scope", "entrance", "scope_of"]

Scope = str | None
"""A tenant, or ``ACROSS`` tenants."""

ACROSS: Final = None

_TENANT: Final = "SELECT set_config('dragoman.tenant', $1, true)"
_WORKER: Final = "SELECT set_config('role', 'dragoman_worker', true)"

_LOOK_ACROSS: Final = frozenset(
    {
        "admission._announce",
        "admission._undriven",
        "admission._waits",
        "admission._withdraw",
        "blobs.ledger_name",
        "blobs.refers_to_blobs",
        "blobs.unused_blobs",
        "claim.claim",
        "claim.sweep",
        "crons.read_due",
        "crons.read_next",
        "days.make_days",
        "deliveries.read_due",
        "deliveries.read_next",
        "deliveries.release_deliveries",
        "deliveries.sweep_deliveries",
        "dropping.step_of_day",
        "expiry.expire_threads",
        "expiry.read_next_expiry",
        "keys.read_key",  # whose it is, is what is asked
        "keys.revoke_key",
        "leases.renew",
        "ledger._is_whole",
        "ledger._masters_used",
        "ledger._ping",
        "ledger._turn",
        "reading.read_depth",
        "reading.read_next_due",
        "retention.read_tenant_after",
        "runner._notify",
        "runner._transaction_status",
        "store_items.sweep_items",
    }
)


def scope_of(verb: Callable[..., Any], args: tuple[Any, ...]) -> Scope:
    """Whose rows a verb sees when it is called with ``args``, after the transaction. Raises ``TypeError`` for one of
    which that is not known."""
    place = _place_of_tenant(verb)
    if place == _EVERYWHERE:
        return ACROSS
    if place is not None:
        tenant: Scope = args[place]
        return tenant
    if not args or not isinstance(getattr(args[0], "tenant", None), str):
        raise TypeError(f"{_name(verb)}: say in {__name__} whose rows it sees")
    return str(args[0].tenant)


def entrance(scope: Scope) -> tuple[Statement, tuple[str, ...]]:
    """What a transaction says first, for as long as it lasts."""
    return (Statement("enter", _WORKER), ()) if scope is None else (Statement("enter", _TENANT), (scope,))


_EVERYWHERE: Final = -1


@cache
def _place_of_tenant(verb: Callable[..., Any]) -> int | None:
    if _name(verb) in _LOOK_ACROSS:
        return _EVERYWHERE
    names = list(inspect.signature(verb).parameters)[1:]
    return names.index("tenant") if "tenant" in names else None


def _name(verb: Callable[..., Any]) -> str:
    return f"{verb.__module__.rpartition('.')[2]}.{verb.__name__}"
