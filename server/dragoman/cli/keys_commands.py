"""``dragoman keys``: the options of its commands, and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from dragoman.cli.options import AsJson, Config, Storage
from dragoman.cli.sealing_commands import add_sealing

__all__ = ["keys_app"]

keys_app = typer.Typer(
    name="keys",
    help="API keys, and the keys that the ledger is sealed with, also while the server runs.",
    no_args_is_help=True,
)


@keys_app.command("create")
def keys_create(
    subject: Annotated[str, typer.Argument(help="Who will use it.")] = "default",
    tenant: Annotated[str, typer.Option(help="The tenant whose runs it sees.")] = "default",
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do; may be given again.", show_default="*")
    ] = None,
    config: Config = None,
    storage: Storage = None,
) -> None:
    """Make a key. It is printed once, and only its hash is kept."""
    from dragoman.cli.keys import create

    create(subject, tenant, scope or ["*"], config=config, storage=storage)


@keys_app.command("list")
def keys_list(config: Config = None, storage: Storage = None, as_json: AsJson = False) -> None:
    """List the keys: whose they are, and whether they are revoked."""
    from dragoman.cli.keys import list_all

    list_all(config=config, storage=storage, as_json=as_json)


@keys_app.command("revoke")
def keys_revoke(
    key: Annotated[str, typer.Argument(help="The key's id: the part between the underscores.")],
    config: Config = None,
    storage: Storage = None,
) -> None:
    """Revoke a key; a running server refuses it within seconds."""
    from dragoman.cli.keys import revoke

    revoke(key, config=config, storage=storage)


add_sealing(keys_app)
