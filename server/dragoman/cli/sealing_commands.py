"""``dragoman keys rotate`` and ``dragoman keys seal``: their options, and nothing else. ``commands.py`` adds them to
the others."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["add_sealing"]

Config = Annotated[
    str | None,
    typer.Option("--config", "-c", help="dragoman.toml, or a folder with one.", show_default="dragoman.toml"),
]
Storage = Annotated[str | None, typer.Option(help="The ledger: a file, or the URL of a Postgres database.")]


def add_sealing(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (rotate, seal):
        app.command()(command)


def rotate(
    data: Annotated[bool, typer.Option("--data", help="Make every tenant a new data key, too.")] = False,
    config: Config = None,
    storage: Storage = None,
) -> None:
    """Put all data keys under the first master key, also while the server runs."""
    from dragoman.cli.sealing import rotate

    rotate(data=data, config=config, storage=storage)


def seal(
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="Rewrite the storage then, so that nothing deleted is left in it.")
    ] = False,
    config: Config = None,
    storage: Storage = None,
) -> None:
    """Seal what was kept before sealing was on, or under an older data key, also while the server runs."""
    from dragoman.cli.sealing import seal

    seal(vacuum=vacuum, config=config, storage=storage)
