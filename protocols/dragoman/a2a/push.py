"""Push notification configs as deliveries of the outbox: kept, told of, listed, forgotten (A2A 1.0, section 4.3).

Used by ``service``, which has found the task and knows the caller. Tokens and credentials go in and never come out.
Nothing is sent here: the outbox does, in the words of ``push_kind``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman.a2a.errors import TASK_NOT_FOUND, Fault, invalid
from dragoman.a2a.push_params import PushConfig
from dragoman.auth.egress import EgressRefused
from dragoman.engine import Engine
from dragoman.memory.errors import NotFound
from dragoman.memory.ids import uuid7
from dragoman.memory.model import Json, Principal, Run
from dragoman.memory.outbox import Delivery, NewDelivery

__all__ = ["KIND", "LEGACY", "PushConfigs"]

KIND: Final = "a2a"
"""The outbox's name for these deliveries."""

LEGACY: Final = "0.3"
"""The version, in a delivery's options, of one whose receiver is told in the words of A2A 0.3."""

_PREFIX: Final = f"{KIND}:"  # a run's deliveries of all kinds share their ids


class PushConfigs:
    """The push notification configs of tasks. With ``legacy`` they are those of an 0.3 client, whose only config needs
    no id: it is the task's."""

    def __init__(self, engine: Engine, *, legacy: bool = False) -> None:
        self._engine = engine
        self._legacy = legacy

    async def opening(self, config: PushConfig, at: str) -> NewDelivery:
        """A config for the task that is about to be opened: kept with it, told from its first event. Raises ``Fault``
        for an address that is not to be called; ``at`` is what the names of fields begin with."""
        await self._vet(config, at)
        return self._delivery(config, "", "", 0)

    async def put(self, run: Run, config: PushConfig, at: str = "") -> dict[str, Json]:
        """Keep a config of a task, which is told what happens from now on. One with the id is replaced, and misses
        nothing by that. Raises ``Fault``, and ``Conflict`` when the task has too many."""
        await self._vet(config, at)
        principal = Principal(run.tenant, run.subject, frozenset())
        # Read before it is kept: what happens between is told.
        after = (await self._engine.thread(principal, run.thread_id)).last_seq
        new = self._delivery(config, run.tenant, run.id, after)
        if await self._find(run, new.id) is not None:
            new = self._delivery(config, run.tenant, run.id, 0, new.id)
        return _told(await self._engine.outbox.add(new))

    async def get(self, run: Run, config_id: str) -> dict[str, Json]:
        """One config. Raises ``Fault``."""
        found = await self._find(run, _id_in(run, config_id))
        if found is None:
            told = f"The task has no push notification config {config_id[:80]!r}."
            raise Fault(TASK_NOT_FOUND, told, {"taskId": run.id})
        return _told(found)

    async def page(self, run: Run, size: int, token: str | None) -> dict[str, Json]:
        """A ListTaskPushNotificationConfigsResponse."""
        page = await self._engine.ledger.deliveries(run.tenant, run.id, limit=size, cursor=token)
        configs: list[Json] = [_told(each) for each in page.items if each.kind == KIND]
        return {"configs": configs, "nextPageToken": page.cursor or ""}

    async def drop(self, run: Run, config_id: str) -> None:
        """Forget a config, if it is there."""
        await self._engine.outbox.drop(run.tenant, run.id, _id_in(run, config_id))

    async def _find(self, run: Run, delivery_id: str) -> Delivery | None:
        try:
            return (await self._engine.ledger.delivery(run.tenant, run.id, delivery_id))[0]
        except NotFound:
            return None

    async def _vet(self, config: PushConfig, at: str) -> None:
        try:
            await self._engine.outbox.outgoing.egress.vet(config.url)
        except EgressRefused as error:
            raise invalid(f"{at}url", error.message) from None

    def _delivery(self, config: PushConfig, tenant: str, run_id: str, after: int, id: str = "") -> NewDelivery:
        # The config that came with the task's message, and an 0.3 client's only one, have the task's own id.
        chosen = config.id or ("" if self._legacy or not run_id else uuid7())
        chosen = "" if chosen == run_id else chosen
        options: dict[str, Json] = {"scheme": config.scheme} if config.scheme else {}
        if self._legacy:
            options["version"] = LEGACY
        secret: dict[str, Json] = {}
        if config.token:
            secret["token"] = config.token
        if config.credentials:
            secret["credentials"] = config.credentials
        return NewDelivery(tenant, run_id, id or _PREFIX + chosen, KIND, config.url, options, secret, after)


def _id_in(run: Run, config_id: str) -> str:
    return _PREFIX + ("" if config_id == run.id else config_id)


def _told(delivery: Delivery) -> dict[str, Json]:
    """A TaskPushNotificationConfig without its secrets."""
    config_id = delivery.id.removeprefix(_PREFIX) or delivery.run_id
    told: dict[str, Json] = {"id": config_id, "taskId": delivery.run_id, "url": delivery.url}
    options: Mapping[str, Json] = delivery.options
    if "scheme" in options:
        told["authentication"] = {"scheme": options["scheme"]}
    return told
