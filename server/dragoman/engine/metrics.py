"""What an engine tells of itself in numbers, read when it is asked for. Of all tenants together: it names none."""

from __future__ import annotations

from typing import Protocol

from dragoman.engine.hub import EventHub
from dragoman.engine.presence import Presence
from dragoman.memory.ledger import Ledger
from dragoman.telemetry.exposition import Labels, Metric

__all__ = ["Measured", "engine_metrics"]


class Measured(Protocol):
    """The engine, as far as it is measured."""

    ledger: Ledger
    hub: EventHub
    presence: Presence

    @property
    def active(self) -> int: ...


async def engine_metrics(engine: Measured) -> list[Metric]:
    """The metrics of an engine and its ledger. Raises ``LedgerBusy``."""
    owed = await engine.ledger.count_deliveries()
    told: dict[Labels, float] = {(("type", kind),): float(count) for kind, count in sorted(engine.hub.told.items())}
    return [
        Metric("dragoman_runs_active", "Runs at work in this process.", "gauge", {(): engine.active}),
        Metric("dragoman_runs_queued", "Runs that are due and wait.", "gauge", {(): await engine.ledger.queue_depth()}),
        Metric(
            "dragoman_runs_undriven",
            "Due runs of agents or versions that no server drives, at most 1,000 of each.",
            "gauge",
            {(): sum(waiting.count for waiting in engine.presence.undriven)},
        ),
        Metric("dragoman_events_total", "Events committed by this process, by type.", "counter", told),
        Metric("dragoman_subscriptions", "Who listens to threads and items.", "gauge", {(): len(engine.hub)}),
        Metric(
            "dragoman_deliveries_active", "Deliveries with something to tell, now or later.", "gauge", {(): owed.active}
        ),
        Metric("dragoman_dead_letters", "Messages that were given up.", "gauge", {(): owed.dead_letters}),
    ]
