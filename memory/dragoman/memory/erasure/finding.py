"""What of a tenant's rows is a person's, and which other rows name them. Reads every row, changes none.

A thread is theirs when they ran something on it, or its metadata has their id as a value; all that hangs on it goes
with it. An item is theirs when their id is in its namespace or key, a session or other fact when it is in it, and a
cron, assistant or key when it is its subject's or owner's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from dragoman.memory.blobs import BlobPlace
from dragoman.memory.bulk import Bulk
from dragoman.memory.erasure.person import Person
from dragoman.memory.plain import Plain
from dragoman.memory.sealing import MasterKeys
from dragoman.memory.verbs.store_items import decoded

__all__ = ["KEYS", "Found", "Mention", "find", "plain_rows"]

Named = dict[str, Any]

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "threads": ("id",),
    "checkpoints": ("thread_id", "number"),
    "runs": ("id",),
    "steps": ("run_id", "key"),
    "events": ("thread_id", "seq"),
    "interrupts": ("run_id", "key"),
    "artifacts": ("run_id", "id"),
    "store_items": ("namespace", "key"),
    "store_texts": ("id",),
    "facts": ("kind", "key"),
    "facets": ("kind", "key", "value", "ordinal", "id"),
    "deliveries": ("run_id", "id"),
    "delivery_secrets": ("delivery",),
    "dead_letters": ("number",),
    "assistants": ("id",),
    "assistant_versions": ("assistant_id", "version"),
    "crons": ("id",),
    "api_keys": ("id",),
}
"""What names a row of a table within its tenant."""

_ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})


class Mention(NamedTuple):
    """A row of another's that names the person: its table, what names the row, the columns, and whether its thread has
    an active run, which must not find its values changed."""

    table: str
    key: tuple[Any, ...]
    columns: tuple[str, ...]
    held: bool


@dataclass
class Found:
    """What there is. ``rows`` counts the person's own by table; ``shared`` are those of their threads on which others
    ran something too, ``active`` runs on them that have not ended; ``histories`` are other threads with a state that
    names them."""

    threads: set[str] = field(default_factory=set[str])
    shared: set[str] = field(default_factory=set[str])
    active: list[str] = field(default_factory=list[str])
    items: list[tuple[tuple[str, ...], str]] = field(default_factory=list[tuple[tuple[str, ...], str]])
    facts: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    crons: list[str] = field(default_factory=list[str])
    assistants: list[str] = field(default_factory=list[str])
    keys: list[str] = field(default_factory=list[str])
    histories: set[str] = field(default_factory=set[str])
    mentions: list[Mention] = field(default_factory=list[Mention])
    rows: Counter[str] = field(default_factory=Counter[str])


def find(
    bulk: Bulk, tenant: str, person: Person, masters: MasterKeys | None = None, blobs: BlobPlace | None = None
) -> Found:
    """Look through all rows of a tenant, within a transaction of ``bulk``. Raises ``MasterKeyMissing``."""
    return _Search(bulk, tenant, person, Plain(bulk, masters, blobs)).found()


def plain_rows(bulk: Bulk, plain: Plain, table: str, tenant: str) -> Iterator[Named]:
    """The rows of a table with their values in the open."""
    names = bulk.tables()[table]
    for row in bulk.rows(table, names, tenant):
        yield plain.opened(table, dict(zip(names, row, strict=True)))


class _Search:
    def __init__(self, bulk: Bulk, tenant: str, person: Person, plain: Plain) -> None:
        self._bulk = bulk
        self._tenant = tenant
        self._person = person
        self._plain = plain
        self._found = Found()
        self._runs: set[str] = set()
        self._ordinals: set[int] = set()
        self._deliveries: set[int] = set()
        self._busy: set[str] = set()
        self._busy_runs: set[str] = set()

    def found(self) -> Found:
        """All of it."""
        self._own_threads()
        self._runs_of_threads()
        self._own_assistants()
        for table in self._bulk.tables():
            if table == "data_keys":
                continue
            for row in plain_rows(self._bulk, self._plain, table, self._tenant):
                if self._is_own(table, row):
                    self._found.rows[table] += 1
                else:
                    self._note(table, row)
        return self._found

    def _own_threads(self) -> None:
        for id, metadata in self._bulk.rows("threads", ("id", "metadata"), self._tenant):
            if self._person.owns(metadata):
                self._found.threads.add(id)
        for thread, subject in self._bulk.rows("runs", ("thread_id", "subject"), self._tenant):
            if subject == self._person.id:
                self._found.threads.add(thread)

    def _runs_of_threads(self) -> None:
        columns = ("id", "thread_id", "subject", "status", "ordinal")
        for id, thread, subject, status, ordinal in self._bulk.rows("runs", columns, self._tenant):
            own = thread in self._found.threads
            if own:
                self._runs.add(id)
                self._ordinals.add(ordinal)
                if subject != self._person.id:
                    self._found.shared.add(thread)
            if status not in _ENDED:
                self._busy.add(thread)
                self._busy_runs.add(id)
                if own:
                    self._found.active.append(id)
        for ordinal, run in self._bulk.rows("deliveries", ("ordinal", "run_id"), self._tenant):
            if run in self._runs:
                self._deliveries.add(ordinal)

    def _own_assistants(self) -> None:
        for id, metadata in self._bulk.rows("assistant_versions", ("assistant_id", "metadata"), self._tenant):
            if self._person.owns(metadata) and id not in self._found.assistants:
                self._found.assistants.append(id)

    # -- whose a row is -----------------------------------------------------------------------------------------------
    def _is_own(self, table: str, row: Named) -> bool:
        if row.get("run_id") in self._runs or row.get("thread_id") in self._found.threads:
            return True
        match table:
            case "threads":
                return row["id"] in self._found.threads
            case "runs":
                return row["id"] in self._runs
            case "facets":
                return row["ordinal"] in self._ordinals if row["kind"] == "run" else row["id"] in self._found.threads
            case "delivery_secrets" | "dead_letters":
                return row["delivery"] in self._deliveries
            case "store_items" | "store_texts":
                return self._own_item(table, row)
            case _:
                return self._own_kept(table, row)

    def _own_item(self, table: str, row: Named) -> bool:
        namespace = decoded(row["namespace"])
        own = any(self._person.meant_by(part) for part in (*namespace, row["key"]))
        if own and table == "store_items":
            self._found.items.append((namespace, row["key"]))
        return own

    def _own_kept(self, table: str, row: Named) -> bool:
        found = self._found
        if table == "assistant_versions" or table == "assistants":
            return row["assistant_id" if table == "assistant_versions" else "id"] in found.assistants
        if table == "facts" and (self._person.meant_by(row["key"]) or self._person.meant_by(row["value"])):
            found.facts.append((row["kind"], row["key"]))
            return True
        if table == "crons" and (row["subject"] == self._person.id or self._person.owns(row["metadata"])):
            found.crons.append(row["id"])
            return True
        if table == "api_keys" and row["subject"] == self._person.id:
            found.keys.append(row["id"])
            return True
        return table == "crons" and row["assistant_id"] in found.assistants

    def _note(self, table: str, row: Named) -> None:
        if table == "facets" and row["kind"] == "value":
            return  # made of a checkpoint, and made anew with it
        columns = (column for column in row if column != "tenant")
        named = tuple(column for column in columns if self._names(table, column, row[column]))
        if named:
            held = row.get("thread_id", row.get("id")) in self._busy or row.get("run_id") in self._busy_runs
            if table == "checkpoints" and not held and self._person.meant_by(row["content"]):
                self._found.histories.add(row["thread_id"])
            self._found.mentions.append(Mention(table, tuple(row[part] for part in KEYS[table]), named, held))

    def _names(self, table: str, column: str, value: Any) -> bool:
        # What the index of metadata has of a text begins with its kind.
        return self._person.named_in(value[1:] if (table, column) == ("facets", "value") else value)
