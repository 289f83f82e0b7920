"""``dragoman deliveries``: the options of its commands, and nothing else."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dragoman.cli.options import AsJson, Config, Storage

__all__ = ["deliveries_app"]

deliveries_app = typer.Typer(
    name="deliveries",
    help="Webhooks and push notifications: see what is owed and what was given up, also while the server runs.",
    no_args_is_help=True,
)


class Standing(StrEnum):
    """How deliveries stand."""

    ACTIVE = "active"
    DONE = "done"
    DEAD = "dead"


Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many, oldest first.")]
Number = Annotated[int, typer.Argument(help="The dead letter's number, as `dragoman deliveries dead` shows it.")]


@deliveries_app.command("list")
def deliveries_list(
    status: Annotated[
        Standing | None, typer.Option(help="Only these: dead ones wait at a message that was given up.")
    ] = None,
    limit: Limit = 100,
    config: Config = None,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """List deliveries: to whom runs are told, how far, and the last error."""
    from dragoman.cli.deliveries import list_all

    list_all(None if status is None else status.value, limit, config=config, storage=storage, as_json=as_json)


@deliveries_app.command("dead")
def deliveries_dead(
    limit: Limit = 100, config: Config = None, storage: Storage = None, as_json: AsJson = False
) -> None:
    """List dead letters: the messages that were given up, and why."""
    from dragoman.cli.deliveries import dead

    dead(limit, config=config, storage=storage, as_json=as_json)


@deliveries_app.command("retry")
def deliveries_retry(
    number: Annotated[int | None, typer.Argument(help="The dead letter's number.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    config: Config = None,
    storage: Storage = None,
) -> None:
    """Send a dead letter again, and what comes after it; a running server does so within seconds."""
    from dragoman.cli.deliveries import retry

    retry(number, every=every, config=config, storage=storage)


@deliveries_app.command("drop")
def deliveries_drop(number: Number, config: Config = None, storage: Storage = None) -> None:
    """Forget a dead letter: its delivery goes on with what comes after it."""
    from dragoman.cli.deliveries import drop

    drop(number, config=config, storage=storage)


@deliveries_app.command("secret")
def deliveries_secret(
    tenant: Annotated[str, typer.Option(help="The tenant whose runs the receiver is told of.")] = "default",
    config: Config = None,
    storage: Storage = None,
) -> None:
    """Print the secret that receivers check signatures with."""
    from dragoman.cli.deliveries import secret

    secret(tenant, config=config, storage=storage)
