"""``dragoman export`` and ``dragoman import``: a tenant to a file, and into a ledger."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from dragoman.cli.errors import CommandError
from dragoman.cli.shown import moment
from dragoman.memory import portable
from dragoman.settings import Settings, find
from dragoman.settings.bulk import blob_place_of, bulk_tables
from dragoman.settings.master_keys import master_keys
from dragoman.settings.storage import is_there

__all__ = ["export", "import_tenant"]


def export(file: Path, tenant: str, *, config: str | None, storage: str | None) -> None:
    """Write a tenant's data to a file."""
    settings = _settings(config, storage)
    if not is_there(settings):
        raise CommandError(f"There is no ledger {settings.storage_path}.")
    rows = portable.export_tenant(bulk_tables(settings), tenant, file, master_keys(settings), blob_place_of(settings))
    print(f"{file}: tenant {tenant}: {_shown(rows)}.", file=sys.stderr)
    print("Its values are in the open, and what webhooks are sent with is in it: keep it as a secret.", file=sys.stderr)


def import_tenant(file: Path, tenant: str | None, *, keys: bool, config: str | None, storage: str | None) -> None:
    """Add a tenant's data to a ledger."""
    settings = _settings(config, storage)
    done = portable.import_tenant(bulk_tables(settings), file, tenant, keys=keys, masters=master_keys(settings))
    named = f", there {done.header.tenant}" if done.header.tenant != done.tenant else ""
    print(
        f"{settings.storage_shown}: tenant {done.tenant}{named}, as of {moment(done.header.at)}: {_shown(done.rows)}.",
        file=sys.stderr,
    )


def _shown(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in rows.items()) or "nothing"


def _settings(config: str | None, storage: str | None) -> Settings:
    return find(config, {"storage": {"path": storage}}, needs_agents=False)
