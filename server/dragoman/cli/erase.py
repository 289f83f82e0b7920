"""``dragoman erase``: all that a ledger has of one person, shown and then deleted."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dragoman.cli.errors import CommandError
from dragoman.memory.erasure import Found, Mention, Person, delete, find, redact
from dragoman.settings import Settings
from dragoman.settings import find as settings_of
from dragoman.settings.bulk import blob_place_of, bulk_tables
from dragoman.settings.master_keys import master_keys
from dragoman.settings.storage import is_there, made_ledger

__all__ = ["erase"]


def erase(
    person: str, tenant: str, *, dry_run: bool, cancel: bool, as_json: bool, config: str | None, storage: str | None
) -> int:
    """Delete it, and look for it again; 1 where something is left."""
    settings = settings_of(config, {"storage": {"path": storage}}, needs_agents=False)
    if not is_there(settings):
        raise CommandError(f"There is no ledger {settings.storage_path}.")
    who = Person(person)
    before = _found(settings, tenant, who)
    if dry_run:
        _tell(tenant, person, before, as_json)
        return 0
    asyncio.run(_delete(settings, tenant, before, cancel))
    changed, left = _redacted(settings, tenant, who)
    bulk_tables(settings).vacuum()
    after = _found(settings, tenant, who)
    _report(before, changed, after, left, as_json)
    return 1 if after.rows or after.mentions else 0


def _found(settings: Settings, tenant: str, person: Person) -> Found:
    bulk = bulk_tables(settings)
    with bulk.reading():
        return find(bulk, tenant, person, master_keys(settings), blob_place_of(settings))


async def _delete(settings: Settings, tenant: str, found: Found, cancel: bool) -> None:
    ledger = made_ledger(settings)
    await ledger.open()
    try:
        await delete(ledger, tenant, found, cancel=cancel)
    finally:
        await ledger.close()


def _redacted(settings: Settings, tenant: str, person: Person) -> tuple[int, list[Mention]]:
    mentions = _found(settings, tenant, person).mentions
    bulk = bulk_tables(settings)
    with bulk.writing():
        return redact(bulk, tenant, person, mentions, master_keys(settings), blob_place_of(settings))


# -- what is told -----------------------------------------------------------------------------------------------------
def _tell(tenant: str, person: str, found: Found, as_json: bool) -> None:
    told: dict[str, Any] = {
        "tenant": tenant,
        "person": person,
        "rows": dict(sorted(found.rows.items())),
        "named_in": _by_table(found.mentions),
        "active_runs": found.active,
        "shared_threads": sorted(found.shared),
    }
    if as_json:
        print(json.dumps(told, indent=2))
        return
    print(f"Would delete: {_shown(told['rows'])}.")
    print(f"Would take the name out of: {_shown(told['named_in'])}.")
    if found.active:
        print(f"Active, to be cancelled with --cancel: {', '.join(found.active)}")
    if found.shared:
        print(f"Others ran something on these threads too, which go whole: {', '.join(sorted(found.shared))}")


def _report(before: Found, changed: int, after: Found, left: Sequence[Mention], as_json: bool) -> None:
    deleted = dict(sorted((before.rows - after.rows).items()))
    if as_json:
        rest = [{"table": m.table, "row": list(m.key), "columns": list(m.columns), "active": m.held} for m in left]
        print(json.dumps({"deleted": deleted, "changed": changed, "left": rest}, indent=2))
        return
    print(f"Deleted: {_shown(deleted)}. The name was taken out of {changed} rows of others.")
    for each in left:
        why = "its thread has an active run: do this again when it has ended" if each.held else "part of an id"
        print(f"Left: {each.table} {list(each.key)}, {', '.join(each.columns)}: {why}.", file=sys.stderr)
    print("Not reached: backups, exports, WAL archives, logs, and what was sent to others.", file=sys.stderr)


def _by_table(mentions: Iterable[Mention]) -> Mapping[str, int]:
    return dict(sorted(Counter(mention.table for mention in mentions).items()))


def _shown(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {table}" for table, count in counts.items()) or "nothing"
