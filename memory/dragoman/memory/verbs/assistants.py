"""The verbs of assistants: versions are added and never changed; the assistant's row says which one is current."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

import orjson

from dragoman.memory.assistants import (
    Assistant,
    AssistantFilter,
    AssistantNotFound,
    AssistantOrder,
    AssistantPatch,
    NewAssistant,
)
from dragoman.memory.codec import dumps
from dragoman.memory.errors import Conflict
from dragoman.memory.ids import now_micros
from dragoman.memory.model import Json
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.matching import holds, needle
from dragoman.memory.verbs.rows import Row, dump_mapping
from dragoman.memory.verbs.thread_log import merged
from dragoman.memory.verbs.tx import Tx

__all__ = [
    "count_assistants",
    "create_assistant",
    "delete_assistant",
    "read_assistant",
    "read_assistants",
    "read_kept",
    "read_versions",
    "set_latest_assistant",
    "update_assistant",
]

_BY_ID = SQL["assistant_by_id"]
_INSERT = SQL["insert_assistant"]
_MOVE = SQL["move_assistant"]
_INSERT_VERSION = SQL["insert_assistant_version"]
_LAST = SQL["last_assistant_version"]
_VERSION = SQL["assistant_version"]
_VERSIONS = SQL["assistant_versions"]
_KEPT = SQL["assistants_kept"]
# It first: a version that somebody was adding is there then.
_DELETE = (SQL["delete_assistant"], SQL["delete_assistant_versions"], SQL["delete_crons_of_assistant"])


# -- changing ---------------------------------------------------------------------------------------------------------
def create_assistant(tx: Tx, new: NewAssistant, exist_ok: bool) -> Assistant:
    """See ``AssistantLedger.create_assistant``."""
    known = _find(tx, new.tenant, new.id)
    if known is not None:
        if exist_ok:
            return known
        raise Conflict(f"There is an assistant {new.id!r} already.")
    now = now_micros()
    tx.execute(_INSERT, (new.tenant, new.id, 1, new.agent, new.name, new.name.casefold(), now))
    _insert_version(tx, new, 1, now)
    return _get(tx, new.tenant, new.id)


def update_assistant(
    tx: Tx, tenant: str, assistant_id: str, patch: AssistantPatch, base: NewAssistant | None
) -> Assistant:
    """See ``AssistantLedger.update_assistant``."""
    tx.alone([f"assistant {tenant} {assistant_id}"])  # two would make the same version of what they have both read
    old = _find(tx, tenant, assistant_id)
    if old is None and base is not None:
        old = create_assistant(tx, replace(base, tenant=tenant, id=assistant_id), False)
    if old is None:
        raise _unknown(assistant_id)
    new = _patched(old, patch)
    (last,) = tx.execute(_LAST, (tenant, assistant_id)).fetchone()
    now = now_micros()
    _insert_version(tx, new, last + 1, now)
    tx.execute(_MOVE, (last + 1, new.agent, new.name, new.name.casefold(), now, tenant, assistant_id))
    return _get(tx, tenant, assistant_id)


def _patched(old: Assistant, patch: AssistantPatch) -> NewAssistant:
    return NewAssistant(
        old.tenant,
        old.id,
        old.agent if patch.agent is None else patch.agent,
        old.name if patch.name is None else patch.name,
        old.description if patch.description is None else patch.description,
        old.config if patch.config is None else patch.config,
        old.context if patch.context is None else patch.context,
        merged(old.metadata, patch.metadata),
    )


def set_latest_assistant(tx: Tx, tenant: str, assistant_id: str, version: int) -> Assistant:
    """See ``AssistantLedger.set_latest_assistant``."""
    _get(tx, tenant, assistant_id)
    row = tx.execute(_VERSION, (tenant, assistant_id, version)).fetchone()
    if row is None:
        raise AssistantNotFound(f"The assistant {assistant_id!r} has no version {version}.")
    agent, name = row
    tx.execute(_MOVE, (version, agent, name, name.casefold(), now_micros(), tenant, assistant_id))
    return _get(tx, tenant, assistant_id)


def delete_assistant(tx: Tx, tenant: str, assistant_id: str) -> None:
    """See ``AssistantLedger.delete_assistant``."""
    _get(tx, tenant, assistant_id)
    for statement in _DELETE:
        tx.execute(statement, (tenant, assistant_id))


def _insert_version(tx: Tx, new: NewAssistant, version: int, now: int) -> None:
    tx.execute(
        _INSERT_VERSION,
        (
            new.tenant,
            new.id,
            version,
            new.agent,
            new.name,
            new.description,
            now,
            dump_mapping(new.config),
            dump_mapping(new.context),
            dump_mapping(new.metadata),
        ),
    )


# -- reading ----------------------------------------------------------------------------------------------------------
def read_assistant(db: sqlite3.Connection, tenant: str, assistant_id: str) -> Assistant:
    """See ``AssistantLedger.assistant``."""
    return _get(db, tenant, assistant_id)


def read_assistants(
    db: sqlite3.Connection,
    tenant: str,
    where: AssistantFilter,
    order: AssistantOrder,
    descending: bool,
    limit: int,
    offset: int,
) -> Sequence[Assistant]:
    """See ``AssistantLedger.assistants``."""
    return list(islice(_matching(db, tenant, where, order, descending), offset, offset + limit))


def count_assistants(db: sqlite3.Connection, tenant: str, where: AssistantFilter) -> int:
    """See ``AssistantLedger.count_assistants``."""
    return sum(1 for _ in _matching(db, tenant, where, "id", False))


def read_kept(db: sqlite3.Connection, tenant: str, ids: Sequence[str]) -> frozenset[str]:
    """See ``AssistantLedger.assistants_kept``."""
    return frozenset(name for (name,) in db.execute(_KEPT, (tenant, dumps(list(ids)).decode())))


def read_versions(
    db: sqlite3.Connection,
    tenant: str,
    assistant_id: str,
    metadata: Mapping[str, Json] | None,
    limit: int,
    offset: int,
) -> Sequence[Assistant]:
    """See ``AssistantLedger.assistant_versions``."""
    _get(db, tenant, assistant_id)
    found = map(_assistant_of, db.execute(_VERSIONS, (tenant, assistant_id, needle(metadata))))
    return list(islice((v for v in found if holds(v.metadata, metadata)), offset, offset + limit))


def _matching(
    db: sqlite3.Connection, tenant: str, where: AssistantFilter, order: AssistantOrder, descending: bool
) -> Iterator[Assistant]:
    sql = SQL[f"assistants_by_{order}_descending" if descending else f"assistants_by_{order}"]
    name = None if where.name is None else where.name.casefold()
    rows = db.execute(sql, (tenant, where.agent, name, needle(where.metadata)))
    return (found for found in map(_assistant_of, rows) if holds(found.metadata, where.metadata))


def _find(db: sqlite3.Connection | Tx, tenant: str, assistant_id: str) -> Assistant | None:
    row = db.execute(_BY_ID, (tenant, assistant_id)).fetchone()
    return None if row is None else _assistant_of(row)


def _get(db: sqlite3.Connection | Tx, tenant: str, assistant_id: str) -> Assistant:
    found = _find(db, tenant, assistant_id)
    if found is None:
        raise _unknown(assistant_id)
    return found


def _unknown(assistant_id: str) -> AssistantNotFound:
    return AssistantNotFound(f"No assistant {assistant_id!r}.")


def _assistant_of(row: Row) -> Assistant:
    tenant, id_, agent, version, name, description, config, context, metadata, created_at, updated_at = row
    return Assistant(
        tenant,
        id_,
        agent,
        version,
        name,
        description,
        orjson.loads(config),
        orjson.loads(context),
        orjson.loads(metadata),
        created_at,
        updated_at,
    )
