"""What an export holds of each table, in the order of the file: what a row needs stands before it.

Not in it: what a process holds (leases), what a ledger numbers by itself, what is made from other rows (the index of
metadata and values) and the keys that values are sealed with. A migration that adds a table names it here, or under
``LEFT_OUT``; its columns come by themselves, but for those that hold bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["KINDS", "LEFT_OUT", "Kind"]


class Kind(NamedTuple):
    """``order`` is that of the lines. ``json`` columns hold JSON, ``binary`` ones bytes of any kind; ``omitted`` ones
    are the ledger's own."""

    order: str
    json: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()
    omitted: tuple[str, ...] = ()


KINDS: Final[Mapping[str, Kind]] = {
    "assistants": Kind("id"),
    "assistant_versions": Kind("assistant_id, version", ("config", "context", "metadata")),
    "threads": Kind("ordinal, id", ("metadata", "ttl")),
    "checkpoints": Kind("thread_id, number", ("content", "metadata")),
    "runs": Kind(
        "ordinal",
        ("metadata", "input", "message", "output", "failure", "setup"),
        omitted=("ordinal", "lease_owner", "lease_until"),
    ),
    "steps": Kind("run_id, key", ("result", "failure")),
    "interrupts": Kind("run_id, key", ("schema", "payload", "answer")),
    "artifacts": Kind("run_id, ordinal", binary=("data",), omitted=("ordinal",)),
    "events": Kind("thread_id, seq", ("data",)),
    "deliveries": Kind("ordinal", ("options", "secret"), omitted=("ordinal", "lease_owner", "lease_until")),
    "dead_letters": Kind("number", binary=("body",), omitted=("number",)),
    "crons": Kind("id", ("payload", "metadata")),
    "store_items": Kind("namespace, key", ("value",)),
    "facts": Kind("kind, key", ("value",)),
    "api_keys": Kind("ordinal", ("scopes",), ("secret_hash",), ("ordinal",)),
}

LEFT_OUT: Final[Mapping[str, str]] = {
    "facets": "made from the metadata of threads and runs and the values of threads",
    "delivery_secrets": "with their deliveries",
    "store_texts": "with their items",
    "data_keys": "values are exported in the open",
}
"""Tables that have no lines of their own, and why."""
