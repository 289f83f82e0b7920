"""The commands that keep, move and forget what a ledger holds: their options, and nothing else. ``commands.py`` adds
them to the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dragoman.cli.options import Config, Storage

__all__ = ["add_keeping"]


def add_keeping(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (backup, restore, move, export, erase):
        app.command()(command)
    app.command("import")(import_)


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; nothing is overwritten.")],
    config: Config = None,
    storage: Storage = None,
) -> None:
    """Back up a ledger that is a file, also while a server has it open. The copy is checked."""
    from dragoman.cli.backup import backup

    backup(file, config=config, storage=storage)


def restore(
    file: Annotated[Path, typer.Argument(help="A file made by `dragoman backup`.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the ledger that is there aside, under another name.")
    ] = False,
    config: Config = None,
    storage: Storage = None,
) -> None:
    """Make a ledger what a backup is. No server may have it open."""
    from dragoman.cli.backup import restore

    restore(file, replace=replace, config=config, storage=storage)


def move(
    target: Annotated[str, typer.Option("--to", help="The URL of an empty Postgres database.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="The ledger's file.", show_default="that of the settings")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the file in its place.")] = False,
    config: Config = None,
) -> None:
    """Move a ledger from a file to Postgres: all of it, verified, or nothing. No server may have it open."""
    from dragoman.cli.move import move

    move(source, target, keep=keep, config=config)


def export(
    file: Annotated[Path, typer.Argument(help="The file to write, JSON Lines; nothing is overwritten.")],
    tenant: Annotated[str, typer.Option(help="The tenant whose data it is.")] = "default",
    config: Config = None,
    storage: Storage = None,
) -> None:
    """Write all that a tenant has to a file, as of one moment, also while servers run."""
    from dragoman.cli.portable import export

    export(file, tenant, config=config, storage=storage)


def import_(
    file: Annotated[Path, typer.Argument(help="A file made by `dragoman export`.")],
    tenant: Annotated[
        str | None, typer.Option(help="The tenant to import it as.", show_default="that of the export")
    ] = None,
    without_keys: Annotated[bool, typer.Option("--without-keys", help="Leave the API keys out.")] = False,
    config: Config = None,
    storage: Storage = None,
) -> None:
    """Add an exported tenant to a ledger: all of it, or nothing. A file must not be open in a server."""
    from dragoman.cli.portable import import_tenant

    import_tenant(file, tenant, keys=not without_keys, config=config, storage=storage)


def erase(
    person: Annotated[str, typer.Option(help="Their id: the subject of their keys and runs.")],
    tenant: Annotated[str, typer.Option(help="The tenant whose person it is.")] = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what there is, and delete nothing.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel their active runs first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: Config = None,
    storage: Storage = None,
) -> int:
    """Delete all that a ledger has of one person, and look for it again. A file must not be open in a server."""
    from dragoman.cli.erase import erase

    return erase(person, tenant, dry_run=dry_run, cancel=cancel, as_json=as_json, config=config, storage=storage)
