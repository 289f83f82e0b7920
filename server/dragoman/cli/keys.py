"""``dragoman keys``: edits the key table of a ledger, also while a server has it open."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from dragoman.auth.keys import make_key
from dragoman.cli.errors import CommandError
from dragoman.cli.shown import moment, table
from dragoman.memory.sqlite import SqliteKeys
from dragoman.settings import Settings, find

__all__ = ["create", "list_all", "revoke"]


def create(subject: str, tenant: str, scopes: Iterable[str], *, config: str | None, storage: Path | None) -> None:
    """Make a key; its text goes to stdout, alone, and is nowhere else from then on."""
    path = _settings(config, storage).made_storage()
    row, text, digest = make_key(tenant, subject, scopes)
    SqliteKeys(path).add_key(row, digest)
    print(text)
    print(f"# Key {row.id} of {subject}, tenant {tenant}: kept as a hash in {path}, not shown again.", file=sys.stderr)


def list_all(*, config: str | None, storage: Path | None, as_json: bool) -> None:
    """All keys, oldest first."""
    path = _settings(config, storage).storage_path
    rows = [
        {
            "id": key.id,
            "tenant": key.tenant,
            "subject": key.subject,
            "scopes": sorted(key.scopes),
            "created": moment(key.created_at),
            "revoked": moment(key.revoked_at),
        }
        for key in (SqliteKeys(path).keys() if path.exists() else ())
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        table(rows)
    else:
        print(f"No keys in {path} yet: dragoman keys create NAME", file=sys.stderr)


def revoke(key: str, *, config: str | None, storage: Path | None) -> None:
    """Revoke one key by its id, or by its whole text."""
    path = _settings(config, storage).storage_path
    wanted = key.split("_")[1] if key.startswith("dg_") else key
    if not path.exists() or not SqliteKeys(path).revoke_key(wanted):
        raise CommandError(f"There is no valid key {wanted!r} in {path}; `dragoman keys list` shows them.")
    print(f"Key {wanted} is revoked; a running server refuses it within seconds.", file=sys.stderr)


def _settings(config: str | None, storage: Path | None) -> Settings:
    return find(config, {"storage": {"path": storage}}, needs_agents=False)
