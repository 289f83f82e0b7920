"""API keys: ``dg_<id>_<secret>``, of which only the SHA-256 is ever kept.

Not a store (the ledger has the table) and not HTTP (see ``gate``). The whole text is hashed, so that the id in it
cannot be exchanged. 32 random bytes need no slow hash: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

from dragoman.memory.errors import InputInvalid
from dragoman.memory.ids import now_micros
from dragoman.memory.model import ApiKey, Principal
from dragoman.memory.tenants import check_tenant

__all__ = ["KeyRing", "KeyTable", "make_key"]

SHAPE = re.compile(rb"dg_[0-9a-f]{12}_[A-Za-z0-9_-]{43}")


class KeyTable(Protocol):
    """Where keys are looked up: the ledger, or its key table alone."""

    async def find_key(self, secret_hash: bytes) -> ApiKey | None:
        """The key with this hash that is not revoked."""
        ...


def make_key(tenant: str, subject: str, scopes: Iterable[str] = ("*",)) -> tuple[ApiKey, str, bytes]:
    """A new key: its row, its text (shown once, kept nowhere) and the hash to store. Raises ``InputInvalid`` for a name
    that no tenant can have, and for a subject that is empty or cannot be printed."""
    check_tenant(tenant)
    if not subject.strip() or not subject.isprintable():
        raise InputInvalid(
            f"The name of a key's owner is a text that is not empty and can be printed, not {subject!r}."
        )
    key_id = secrets.token_hex(6)
    text = f"dg_{key_id}_{secrets.token_urlsafe(32)}"
    row = ApiKey(id=key_id, tenant=tenant, subject=subject, scopes=frozenset(scopes), created_at=now_micros())
    return row, text, hashlib.sha256(text.encode()).digest()


class KeyRing:
    """Finds the caller of a key, and remembers it for a few seconds so that not every request reads.

    A revoked key works on for at most ``keep`` seconds. At most ``size`` keys are remembered, by their hash: no
    key's text stays in memory.
    """

    def __init__(self, table: KeyTable, keep: float = 5.0, size: int = 1024) -> None:
        self._table = table
        self._keep = keep
        self._size = size
        self._known: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    async def principal(self, text: bytes) -> Principal | None:
        """Who holds this key; None when it is not one of ours, unknown or revoked."""
        if not SHAPE.fullmatch(text):
            return None
        digest = hashlib.sha256(text).digest()
        known = self._known.get(digest)
        now = time.monotonic()
        if known is not None and known[1] > now:
            return known[0]
        # Looked up by the hash: what the time of the look-up tells is nothing about the key.
        row = await self._table.find_key(digest)
        if row is None:
            self._known.pop(digest, None)
            return None
        principal = Principal(row.tenant, row.subject, row.scopes)
        self._remember(digest, principal, now)
        return principal

    def _remember(self, digest: bytes, principal: Principal, now: float) -> None:
        if self._keep <= 0:
            return
        self._known[digest] = principal, now + self._keep
        self._known.move_to_end(digest)
        while len(self._known) > self._size:
            self._known.popitem(last=False)
