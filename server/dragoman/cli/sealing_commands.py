"""``dragoman keys rotate`` and ``dragoman keys seal``: their options, and nothing else. ``commands.py`` adds them to
the others."""

from __future__ import annotations

from typing import Annotated

import typer

from dragoman.cli.options import Config, Storage

__all__ = ["add_sealing"]


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
