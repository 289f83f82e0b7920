"""``dragoman keys``: edits the key table of a ledger, also while a server has it open."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from dragoman.auth.keys import make_key
from dragoman.cli.errors import CommandError
from dragoman.cli.shown import moment, table
from dragoman.settings import Settings, find
from dragoman.settings.storage import is_there, key_table

__all__ = ["create", "list_all", "revoke"]


def create(subject: str, tenant: str, scopes: Iterable[str], *, config: str | None, storage: str | None) -> None:
    """Make a key; its text goes to stdout, alone, and is nowhere else from then on."""
    settings = _settings(config, storage)
    settings.made_storage()
    row, text, digest = make_key(tenant, subject, scopes)
    key_table(settings).add_key(row, digest)
    print(text)
    place = settings.storage_shown
    print(f"# Key {row.id} of {subject}, tenant {tenant}: kept as a hash in {place}, not shown again.", file=sys.stderr)


def list_all(*, config: str | None, storage: str | None, as_json: bool) -> None:
    """All keys, oldest first."""
    settings = _settings(config, storage)
    rows = [
        {
            "id": key.id,
            "tenant": key.tenant,
            "subject": key.subject,
            "scopes": sorted(key.scopes),
            "created": moment(key.created_at),
            "revoked": moment(key.revoked_at),
        }
        for key in (key_table(settings).keys() if is_there(settings) else ())
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        table(rows)
    else:
        print(f"No keys in {settings.storage_shown} yet: dragoman keys create NAME", file=sys.stderr)


def revoke(key: str, *, config: str | None, storage: str | None) -> None:
    """Revoke one key by its id, or by its whole text."""
    settings = _settings(config, storage)
    wanted = key.split("_")[1] if key.startswith("dg_") else key
    if not is_there(settings) or not key_table(settings).revoke_key(wanted):
        raise CommandError(
            f"There is no valid key {wanted!r} in {settings.storage_shown}; `dragoman keys list` shows them."
        )
    print(f"Key {wanted} is revoked; a running server refuses it within seconds.", file=sys.stderr)


def _settings(config: str | None, storage: str | None) -> Settings:
    return find(config, {"storage": {"path": storage}}, needs_agents=False)
