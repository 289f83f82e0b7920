"""Whose turn it is: the runs that are taken next, a place at a time to the tenant that has the fewest runs at work.

Tenants that have as many take turns. What it costs depends on the places that are given out and the kinds that are due,
and neither on how many runs wait nor on how many tenants have none that are due. Below: the statements that walk the
index of what is due. Above: ``claim.py``.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from dragoman.memory.admission import ClaimTerms, drives, kind_of
from dragoman.memory.codec import dumps
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.tx import Tx

__all__ = ["Candidate", "has_place", "next_runs"]

_KINDS = SQL["due_kinds"]
_TENANTS = SQL["due_tenants"]
_CLAIMABLE = SQL["claimable"]
_MARK = SQL["mark_blocked"]
_RUNNING_OF_AGENT = SQL["running_of_agent"]
_RUNNING_OF_TENANT = SQL["running_of_tenant"]
_ANY_OF_AGENT = SQL["any_due_of_agent"]
_ANY_OF_TENANT = SQL["count_due_of_tenant"]

# Whoever counts tenants a window after the other, from wherever he begins: two at once would wait for one another.
_CLAIMS = "claims"
# So many tenants at least are compared when a place is given away.
_FEWEST_TENANTS = 16


class Candidate(NamedTuple):
    """A run that may be taken: no run of its thread is running, and none that is older is queued."""

    ordinal: int
    tenant: str
    thread_id: str


class _Tenant:
    """A tenant that has runs due: how many it has at work, of which kinds the due ones are, and what it was given."""

    __slots__ = ("given", "kinds", "name", "running")

    def __init__(self, name: str, running: int) -> None:
        self.name = name
        self.running = running
        self.kinds: list[str] = []
        self.given = 0


def has_place(
    tx: Tx, tenant: str, tenant_limit: int | None, agent: str, agent_limit: int | None, in_turn: bool
) -> bool:
    """Whether one more run of a tenant and an agent may run, and passes none that waits for its bound or, ``in_turn``,
    for a place; nobody else decides the same until the transaction ends."""
    if (in_turn or tenant_limit is not None) and tx.execute(_ANY_OF_TENANT, (tenant, 1)).fetchone()[0]:
        return False
    names = [name for name, limit in ((_agent(agent), agent_limit), (_tenant(tenant), tenant_limit)) if limit]
    if not names:
        return True
    tx.alone(names)
    if tenant_limit is not None and _count(tx, _RUNNING_OF_TENANT, tenant) >= tenant_limit:
        return False
    if agent_limit is None:
        return True
    return _count(tx, _RUNNING_OF_AGENT, agent) < agent_limit and tx.execute(_ANY_OF_AGENT, (agent,)).fetchone() is None


def next_runs(tx: Tx, places: int, terms: ClaimTerms) -> Iterator[Candidate]:
    """The runs to be taken next, ``places`` at most. Each is to be taken before the next one is asked for."""
    kinds = [kind for (kind,) in tx.execute(_KINDS, (0,)).fetchall() if drives(terms.kinds, *kind_of(kind))]
    if not kinds:
        return
    if terms.tenant_limit is not None:
        tx.alone([_CLAIMS])
    room = _agents_room(tx, {kind_of(kind)[0] for kind in kinds}, terms)
    left = places
    for window in _windows(tx, kinds, terms.after, max(places, _FEWEST_TENANTS)):
        if terms.tenant_limit is not None:
            _recount(tx, window)
        for candidate in _of_window(tx, {tenant.name: tenant for tenant in window}, left, terms, room):
            left -= 1
            yield candidate
        if left <= 0:
            return


def _windows(tx: Tx, kinds: Sequence[str], start: str, width: int) -> Iterator[list[_Tenant]]:
    """The tenants that have runs due, once around in the order of their names from the one after ``start``."""
    position, wrapped, over = start, not start, False
    while not over:
        window = _tenants(tx, kinds, position, width)
        if wrapped and start:
            window = [tenant for tenant in window if tenant.name <= start]
        over = len(window) < width
        if over and not wrapped:
            wrapped, missing = True, width - len(window)
            head = [tenant for tenant in _tenants(tx, kinds, "", missing) if tenant.name <= start]
            over = len(head) < missing
            window += head
        if window:
            position = window[-1].name
            yield window


def _tenants(tx: Tx, kinds: Sequence[str], after: str, limit: int) -> list[_Tenant]:
    """The next tenants by name."""
    found: dict[str, _Tenant] = {}
    asked = [(kind, tx.execute(_TENANTS, (kind, after, limit))) for kind in kinds]
    for kind, rows in asked:
        for name, running in rows.fetchall():
            found.setdefault(name, _Tenant(name, running)).kinds.append(kind)
    return [found[name] for name in sorted(found)[:limit]]


def _of_window(
    tx: Tx, window: dict[str, _Tenant], places: int, terms: ClaimTerms, room: dict[str, int]
) -> Iterator[Candidate]:
    """What the tenants of a window are given; a tenant leaves it when it has no more, or may have no more."""
    left = places
    while left > 0 and (quotas := _divided(window.values(), left, terms)):
        pairs = [(kind, name) for name in quotas for kind in window[name].kinds if room.get(kind_of(kind)[0], left) > 0]
        most = max(quotas.values())
        rows = tx.execute(_CLAIMABLE, (dumps(pairs).decode(), most)).fetchall() if pairs else []
        taken, blocked = _taken(rows, quotas, room)
        if blocked:
            tx.execute(_MARK, (dumps([ordinal for ordinal, _ in blocked]).decode(),))
        again = {name for _, name in blocked}
        for name, quota in quotas.items():
            mine = taken.get(name, ())
            window[name].given += len(mine)
            window[name].running += len(mine)
            left -= len(mine)
            yield from mine
            if len(mine) < quota and name not in again:
                del window[name]


def _divided(tenants: Iterable[_Tenant], places: int, terms: ClaimTerms) -> dict[str, int]:
    """How many places each tenant may have of these: one after the other to the one that has the fewest."""
    quotas: dict[str, int] = {}
    heap = [(tenant.running, turn, tenant) for turn, tenant in enumerate(tenants)]
    heapq.heapify(heap)
    left = places
    while left > 0 and heap:
        running, turn, tenant = heapq.heappop(heap)
        newcomer = tenant.name not in terms.holding and not tenant.given and tenant.name not in quotas
        full = terms.tenant_limit is not None and running >= terms.tenant_limit
        if full or (left <= terms.reserve and not newcomer):
            continue
        quotas[tenant.name] = quotas.get(tenant.name, 0) + 1
        left -= 1
        heapq.heappush(heap, (running + 1, turn, tenant))
    return quotas


def _taken(
    rows: Iterable[Sequence[Any]], quotas: dict[str, int], room: dict[str, int]
) -> tuple[dict[str, list[Candidate]], list[tuple[int, str]]]:
    """What is taken of the runs that were found, and those that wait for their thread (ordinal and tenant)."""
    taken: dict[str, list[Candidate]] = {}
    blocked: list[tuple[int, str]] = []
    for ordinal, tenant, thread_id, agent, _, free in sorted(rows, key=lambda row: (row[4], row[0])):
        mine = taken.setdefault(tenant, [])
        if not free:
            blocked.append((ordinal, tenant))
        elif len(mine) < quotas[tenant] and room.get(agent, 1) > 0:
            mine.append(Candidate(ordinal, tenant, thread_id))
            if agent in room:
                room[agent] -= 1
    return taken, blocked


def _agents_room(tx: Tx, agents: Iterable[str], terms: ClaimTerms) -> dict[str, int]:
    """How many more runs of the agents that are bounded may run."""
    bounded = sorted(agent for agent in agents if agent in terms.agent_limits)
    if bounded:
        tx.alone([_agent(agent) for agent in bounded])
    return {agent: terms.agent_limits[agent] - _count(tx, _RUNNING_OF_AGENT, agent) for agent in bounded}


def _recount(tx: Tx, window: Iterable[_Tenant]) -> None:
    tenants = list(window)
    tx.alone([_tenant(tenant.name) for tenant in tenants])
    asked = [(tenant, tx.execute(_RUNNING_OF_TENANT, (tenant.name,))) for tenant in tenants]
    for tenant, row in asked:
        (tenant.running,) = row.fetchone()


def _count(tx: Tx, statement: str, name: str) -> int:
    (count,) = tx.execute(statement, (name,)).fetchone()
    return int(count)


def _agent(name: str) -> str:
    return f"agent:{name}"


def _tenant(name: str) -> str:
    return f"tenant:{name}"
