"""The commands and their options, and nothing else: what each does is in the module that it imports when it runs.

Typer reads the annotations; no module of the server is imported at the top, because ``--help`` would pay for it.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dragoman.cli.deliveries_commands import deliveries_app
from dragoman.cli.keeping_commands import add_keeping
from dragoman.cli.keys_commands import keys_app
from dragoman.cli.options import AsJson, Config, Key, Log, Storage, Target, Url
from dragoman.cli.phase import Phase

__all__ = ["app"]

app = typer.Typer(
    name="dragoman",
    help="Give it agents; each speaks MCP, A2A and Agent Protocol, as one durable run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(keys_app)
app.add_typer(deliveries_app)
add_keeping(app)


class AuthMode(StrEnum):
    """``[auth] mode``."""

    OFF = "off"
    KEYS = "keys"


class ClientName(StrEnum):
    """The MCP clients that ``connect`` knows."""

    CLAUDE = "claude"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"
    GOOSE = "goose"
    WINDSURF = "windsurf"


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"dragoman {version('dragoman')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Give it agents; each speaks MCP, A2A and Agent Protocol, as one durable run."""


@app.command()
def serve(
    target: Target = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one.", show_default="8000")] = None,
    storage: Storage = None,
    auth: Annotated[AuthMode | None, typer.Option(help="Whether callers need an API key.", show_default="off")] = None,
    public_url: Annotated[str | None, typer.Option(help="The address that others reach it by.")] = None,
    log_level: Log = None,
) -> None:
    """Serve agents over HTTP: MCP, A2A and Agent Protocol."""
    from dragoman.cli.serve import serve

    serve(target, host=host, port=port, storage=storage, auth=auth, public_url=public_url, log_level=log_level)


@app.command()
def stdio(target: Target = None, storage: Storage = None, log_level: Log = None) -> None:
    """Serve agents over MCP on standard input and output, for a client that starts the server itself."""
    from dragoman.cli.stdio import stdio

    stdio(target, storage=storage, log_level=log_level)


@app.command()
def worker(target: Target = None, storage: Storage = None, log_level: Log = None) -> None:
    """Drive runs of a ledger on Postgres, and serve nothing."""
    from dragoman.cli.worker import worker

    worker(target, storage=storage, log_level=log_level)


@app.command()
def migrate(config: Config = None, storage: Storage = None) -> None:
    """Bring a ledger on Postgres to this version, before servers of it start."""
    from dragoman.cli.worker import migrate

    migrate(config=config, storage=storage)


@app.command()
def run(
    agent: Annotated[str, typer.Argument(help="The agent's name.")],
    input: Annotated[str, typer.Argument(help="Its input: JSON, or plain text. - reads standard input.")] = "",
    config: Config = None,
    storage: Storage = None,
    url: Url = None,
    key: Key = None,
    thread: Annotated[str | None, typer.Option(help="Go on with this thread.")] = None,
    as_json: AsJson = False,
) -> int:
    """Run an agent, watch it, and answer what it asks. In the running server where there is one, else right here."""
    from dragoman.cli.run import run

    return run(agent, input, config=config, storage=storage, url=url, key=key, thread=thread, as_json=as_json)


@app.command()
def runs(
    status: Annotated[Phase | None, typer.Option(help="Only runs of this status.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only runs of this agent.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    config: Config = None,
    storage: Storage = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from dragoman.cli.runs import runs

    runs(status, agent, limit, config=config, storage=storage, url=url, key=key, as_json=as_json)


@app.command()
def approve(
    run: Annotated[str, typer.Argument(help="The run's id, or a part of it that no other waiting run has.")],
    answer: Annotated[str | None, typer.Option(help="The answer: JSON or text.")] = None,
    question: Annotated[str | None, typer.Option(help="The key of the question, when several are open.")] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Refuse what is to be approved.")] = False,
    comment: Annotated[str | None, typer.Option(help="A word to go with the decision.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Show what is asked, and answer nothing.")] = False,
    config: Config = None,
    storage: Storage = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Answer what a waiting run asks: approve it, reject it, or give the answer it needs."""
    from dragoman.cli.approve import approve

    approve(
        run,
        answer,
        question,
        reject=reject,
        comment=comment,
        show=show,
        config=config,
        storage=storage,
        url=url,
        key=key,
    )


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Where to.")] = Path()) -> None:
    """Make a starter folder: two agents, a dragoman.toml and a README."""
    from dragoman.cli.init import init

    init(folder)


@app.command()
def connect(
    client: Annotated[ClientName, typer.Argument(help="The MCP client.")],
    url: Annotated[str | None, typer.Option(help="The server's address.", show_default="http://127.0.0.1:8000")] = None,
    stdio: Annotated[
        Path | None, typer.Option(help="Have the client start the server itself, with this dragoman.toml or agents.py.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the client calls it.")] = "dragoman",
    with_key: Annotated[bool, typer.Option("--with-key", help="Send the API key in DRAGOMAN_KEY.")] = False,
) -> None:
    """Print what to put into an MCP client's configuration."""
    from dragoman.cli.connect import connect

    connect(client.value, url, stdio, name, with_key=with_key)


@app.command()
def bundle(
    target: Target = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file.", show_default="NAME.mcpb")] = None,
    name: Annotated[
        str | None, typer.Option(help="What the host calls it.", show_default="of pyproject.toml, or the folder's")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Its version, as 1.2.3.")] = None,
    description: Annotated[str | None, typer.Option(help="What it does, in a line.")] = None,
    author: Annotated[str | None, typer.Option(help="Who made it.")] = None,
    homepage: Annotated[str | None, typer.Option(help="A web page about it.")] = None,
    requires: Annotated[
        list[str] | None, typer.Option("--with", help="A package that the agents need; may be given again.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(help="A secret that the agents read from the environment: the host asks for it; again for more."),
    ] = None,
) -> None:
    """Make an .mcpb file of agents, which Claude Desktop and other hosts install."""
    from dragoman.cli.about import Given
    from dragoman.cli.bundle import bundle

    bundle(target, out, Given(name, version, description, author, homepage, tuple(requires or ())), env or [])


@app.command("server-json")
def server_json(
    name: Annotated[str, typer.Option(help="Its name in the MCP registry, as io.github.ada/desk.")],
    target: Target = None,
    url: Annotated[
        str | None, typer.Option(help="The running server's public address.", show_default="[server] public_url")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="A file made by `dragoman bundle`.")] = None,
    bundle_url: Annotated[str | None, typer.Option(help="Where others download that file.")] = None,
    version: Annotated[str | None, typer.Option(help="Its version, as 1.2.3.")] = None,
    description: Annotated[str | None, typer.Option(help="What it does, in at most 100 characters.")] = None,
    homepage: Annotated[str | None, typer.Option(help="A web page about it.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file.", show_default="print it")] = None,
) -> None:
    """Make the server.json that the MCP registry takes."""
    from dragoman.cli.about import Given
    from dragoman.cli.server_json import Places, server_json

    given = Given(version=version, description=description, homepage=homepage)
    server_json(target, name, Places(url, bundle, bundle_url), given, out)


@app.command()
def demo() -> None:
    """One run over three protocols, through a kill -9."""
    from dragoman.demo import main

    main()
