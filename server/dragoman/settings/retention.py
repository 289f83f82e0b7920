"""``[retention]`` as checked values: how long things are kept, for all tenants and for some."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict

from dragoman.engine.retention import Ages, RetentionSettings

__all__ = ["AgesTable", "RetentionTable"]

Days = Annotated[float, Strict(), Field(gt=0, le=36_500)]
_DAY = 86_400.0


class AgesTable(BaseModel):
    """``[retention.tenants.NAME]``: see ``Cutoffs``. In days; what is not named is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threads: Days | None = None
    runs: Days | None = None
    events: Days | None = None
    checkpoints: Days | None = None
    artifacts: Days | None = None
    deliveries: Days | None = None
    dead_letters: Days | None = None

    def to_ages(self) -> Ages:
        """As the engine takes them."""
        given = {name: getattr(self, name) for name in AgesTable.model_fields}
        return Ages(**{name: days * _DAY for name, days in given.items() if days is not None})


class RetentionTable(AgesTable):
    """``[retention]``: the ages of all tenants that have none of their own under ``tenants``. ``interval`` is how many
    seconds pass between two passes, ``share`` how much of the ledger's time a pass may take."""

    tenants: dict[str, AgesTable] = {}
    interval: Annotated[float, Strict(), Field(ge=1, le=86_400)] = 3600.0
    share: Annotated[float, Strict(), Field(gt=0, le=1)] = 0.2

    def to_engine(self) -> RetentionSettings:
        """As the engine takes them."""
        tenants = {name: ages.to_ages() for name, ages in self.tenants.items()}
        return RetentionSettings(self.to_ages(), tenants, self.interval, self.share)
