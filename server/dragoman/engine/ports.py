"""What the parts of the engine ask of each other, so that none imports the one that composes it.

``Host`` is the engine as an activation and the loops see it; ``Activity`` is an activation's Context as the steps, the
store and the child runs see it.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol

from dragoman.agents.agent import Agent
from dragoman.agents.context import Context
from dragoman.agents.remote import Peers
from dragoman.engine.hub import EventHub
from dragoman.engine.journal import Journal
from dragoman.engine.parking import Parking
from dragoman.engine.recent import RecentValues
from dragoman.engine.recorder import Recorder
from dragoman.engine.request import EngineSettings, RunRequest
from dragoman.memory.ledger import Lease, Ledger, Renewed
from dragoman.memory.model import Event, Json, Principal, Run, RunView

__all__ = ["Activity", "Host"]


class Host(Protocol):
    """The engine. See ``dragoman.engine.Engine`` for what each does."""

    ledger: Ledger
    hub: EventHub
    settings: EngineSettings
    recent: RecentValues
    worker: str
    peers: Peers | None

    @property
    def active(self) -> int: ...
    @property
    def free(self) -> int: ...
    def drivable(self, name: str) -> Agent | None: ...
    def drivables(self) -> Iterable[Agent]: ...
    def tenants_at_work(self) -> frozenset[str]: ...
    def publish(self, run: Run, events: Sequence[Event]) -> None: ...
    def queued(self) -> None: ...
    def in_background(self, work: Coroutine[Any, Any, None]) -> None: ...
    def drive(self, lease: Lease, run: Run) -> None: ...
    def held(self) -> list[str]: ...
    def renewed(self, renewed: Renewed) -> None: ...
    def cancel_later(self, principal: Principal, run_id: str, reason: str) -> None: ...
    @staticmethod
    def principal_of(run: Run) -> Principal: ...
    def item_changed(self, tenant: str, namespace: Sequence[str], key: str) -> None: ...
    async def accept_child(self, parent: Run, request: RunRequest) -> Run: ...
    async def wait_here(self, run: Run) -> Run: ...
    async def base_values(self, run: Run) -> Mapping[str, Json]: ...
    async def get(self, principal: Principal, run_id: str) -> Run: ...
    async def view(self, principal: Principal, run: str | Run) -> RunView: ...
    async def answer(self, principal: Principal, run_id: str, answers: Mapping[str, Json]) -> Run: ...


class Activity(Context):
    """A Context with what the parts of the engine work on."""

    engine: Host
    run: Run
    journal: Journal
    recorder: Recorder
    parking: Parking
    was_torn: bool
    cancel_requested: bool
