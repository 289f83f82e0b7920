"""The verb ``renew``: leases on the database's clock, which knows how long they are and not what the host's clock
says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman.memory.codec import dumps
from dragoman.memory.ledger import Renewed
from dragoman.memory.postgres.dialect import OWN
from dragoman.memory.postgres.tx import PostgresTx

__all__ = ["renew"]

_RENEW = OWN["renew_leases"]


def renew(tx: PostgresTx, worker: str, held: Sequence[str], lease_s: float) -> tuple[Renewed, Sequence[str]]:
    """See ``Ledger.renew``. Only what is held is renewed: a run that nobody drives must come back to the queue. Also
    those that are being written now, whose leases are yet to be renewed."""
    rows: list[Any] = tx.send(_RENEW, (int(lease_s * 1e6), worker, dumps(list(held)).decode())).fetchall()
    found: dict[str, int] = {run_id: cancel for run_id, cancel, _ in rows}
    renewed = Renewed(
        lost=tuple(run_id for run_id in held if run_id not in found),
        cancel=tuple(run_id for run_id in held if found.get(run_id)),
    )
    return renewed, [run_id for run_id, _, done in rows if not done]
