"""The options that several commands have. Typer reads the annotations."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["AsJson", "Config", "Key", "Level", "Log", "Storage", "Target", "Url"]


class Level(StrEnum):
    """``[log] level``."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Target = Annotated[
    str | None,
    typer.Argument(
        help="dragoman.toml, a folder with one, agents.py or package.module:agent.", show_default="dragoman.toml"
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config", "-c", help="dragoman.toml, agents.py or package.module:agent.", show_default="dragoman.toml"
    ),
]
Storage = Annotated[str | None, typer.Option(help="The ledger: a file, or the URL of a Postgres database.")]
Log = Annotated[Level | None, typer.Option(help="How much is logged, as JSON on stderr.")]
Url = Annotated[str | None, typer.Option(help="A running server.", envvar="DRAGOMAN_URL", show_envvar=True)]
Key = Annotated[str | None, typer.Option(help="An API key for it.", envvar="DRAGOMAN_KEY", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
