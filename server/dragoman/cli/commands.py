"""The commands and their options, and nothing else: what each does is in the module that it imports when it runs.

Typer reads the annotations; no module of the server is imported at the top, because ``--help`` would pay for it.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dragoman.cli.keeping_commands import add_keeping
from dragoman.cli.phase import Phase
from dragoman.cli.sealing_commands import add_sealing

__all__ = ["app"]

app = typer.Typer(
    name="dragoman",
    help="Give it agents; each speaks MCP, A2A and Agent Protocol, as one durable run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
keys_app = typer.Typer(
    name="keys",
    help="API keys, and the keys that the ledger is sealed with, also while the server runs.",
    no_args_is_help=True,
)
app.add_typer(keys_app)
deliveries_app = typer.Typer(
    name="deliveries",
    help="Webhooks and push notifications: see what is owed and what was given up, also while the server runs.",
    no_args_is_help=True,
)
app.add_typer(deliveries_app)
add_keeping(app)


class AuthMode(StrEnum):
    """``[auth] mode``."""

    OFF = "off"
    KEYS = "keys"


class Standing(StrEnum):
    """How deliveries stand."""

    ACTIVE = "active"
    DONE = "done"
    DEAD = "dead"


class Level(StrEnum):
    """``[log] level``."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class ClientName(StrEnum):
    """The MCP clients that ``connect`` knows."""

    CLAUDE = "claude"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"
    GOOSE = "goose"
    WINDSURF = "windsurf"


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
