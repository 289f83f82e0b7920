"""What the server itself has, as resource contents and as entries of lists. Pure: values in, plain dicts out.

``uris.py`` says how these are named; ``resources.py`` finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from dragoman.agents.agent import Agent
from dragoman.agents.templates import UriTemplate
from dragoman.mcp import eras, project, uris
from dragoman.memory.codec import dumps
from dragoman.memory.model import Json, Run, RunView, StoreItem, Thread

__all__ = [
    "agent_contents",
    "agent_entry",
    "item_contents",
    "recent_entries",
    "run_contents",
    "template_entries",
    "thread_contents",
]

_JSON: Final = "application/json"
_MARKDOWN: Final = "text/markdown"

_TEMPLATES: Final[tuple[tuple[UriTemplate, str, str, str | None], ...]] = (
    (uris.RUN, "run", "A run: how it stands, what it asks, what came of it.", _JSON),
    (uris.ARTIFACT, "artifact", "A file that a run made.", None),
    (uris.THREAD, "thread", "A conversation: its messages, and what agents keep in it.", _JSON),
    (uris.ITEM, "store item", "A remembered value; the path is its namespace and its key.", _JSON),
    (uris.AGENT, "agent instructions", "What an agent is good for, what it takes and what it gives.", _MARKDOWN),
)


# -- contents ----------------------------------------------------------------------------------------------------------
def run_contents(view: RunView) -> Mapping[str, Json]:
    """A run's summary; its artifacts are named, and read by their own URIs."""
    run = view.run
    told = project.run_summary(view) | {
        "thread": uris.THREAD.expand({"thread_id": run.thread_id}),
        "created_at": _time(run.created_at),
        "updated_at": _time(run.updated_at),
    }
    if view.artifacts:
        told["artifacts"] = [
            {
                "uri": uris.ARTIFACT.expand({"run_id": run.id, "artifact_id": artifact.id}),
                "name": artifact.name,
                "mime_type": artifact.mime_type,
                "size": len(artifact.data),
            }
            for artifact in view.artifacts
        ]
    return _text(uris.RUN.expand({"run_id": run.id}), _JSON, dumps(told).decode())


def thread_contents(thread: Thread) -> Mapping[str, Json]:
    """A thread with its values, of which ``messages`` are one."""
    told: dict[str, Json] = {
        "thread_id": thread.id,
        "status": str(thread.status),
        "created_at": _time(thread.created_at),
        "updated_at": _time(thread.updated_at),
        "metadata": thread.metadata,
        "values": thread.values,
    }
    return _text(uris.THREAD.expand({"thread_id": thread.id}), _JSON, dumps(told).decode())


def item_contents(item: StoreItem) -> Mapping[str, Json]:
    """An item's value."""
    return _text(uris.item(item.namespace, item.key), _JSON, dumps(dict(item.value)).decode())


def agent_contents(agent: Agent) -> Mapping[str, Json]:
    """An agent's instructions."""
    return _text(uris.AGENT.expand({"agent": agent.name}), _MARKDOWN, _instructions(agent))


def _text(uri: str, mime_type: str, text: str) -> dict[str, Json]:
    return {"uri": uri, "mimeType": mime_type, "text": text}


def _instructions(agent: Agent) -> str:
    lines = [f"# {agent.title}", "", agent.description or agent.title, ""]
    lines += [f"Call it as the tool `{agent.name}`. Version {agent.version}.", "", "## Skills", ""]
    for skill in agent.skills:
        lines.append(f"- **{skill.name}**: {skill.description}")
        lines += [f"  - for example: {example}" for example in skill.examples]
    lines += ["", "## What it takes", "", *_fenced(agent.input_schema)]
    if agent.output_schema:
        lines += ["", "## What it gives", "", *_fenced(agent.output_schema)]
    return "\n".join([*lines, ""])


def _fenced(schema: Mapping[str, Json]) -> Iterable[str]:
    return ("```json", dumps(dict(schema)).decode(), "```")


# -- entries of lists --------------------------------------------------------------------------------------------------
def agent_entry(agent: Agent, version: str) -> dict[str, Json]:
    """An agent's instructions, as a list tells of them."""
    told: dict[str, Json] = {
        "uri": uris.AGENT.expand({"agent": agent.name}),
        "name": agent.name,
        "description": f"Instructions for {agent.title}.",
        "mimeType": _MARKDOWN,
        "size": len(_instructions(agent).encode()),
    }
    if eras.has("titles", version):
        told["title"] = f"{agent.title}: instructions"
    return told


def recent_entries(runs: Iterable[Run], version: str) -> list[dict[str, Json]]:
    """Runs, newest first, each thread after the newest of its runs."""
    told: list[dict[str, Json]] = []
    threads: set[str] = set()
    for run in runs:
        about = f"A run of {run.agent}, {run.status}."
        told.append(_recent(uris.RUN.expand({"run_id": run.id}), f"{run.agent} {run.id}", about, run, version))
        if run.thread_id not in threads:
            threads.add(run.thread_id)
            uri = uris.THREAD.expand({"thread_id": run.thread_id})
            told.append(_recent(uri, f"thread {run.thread_id}", f"A conversation with {run.agent}.", run, version))
    return told


def _recent(uri: str, name: str, about: str, run: Run, version: str) -> dict[str, Json]:
    told: dict[str, Json] = {"uri": uri, "name": name, "description": about, "mimeType": _JSON}
    if eras.has("titles", version):
        told["annotations"] = {"lastModified": _time(run.updated_at)}
    return told


def template_entries() -> list[dict[str, Json]]:
    """The templates of the server's own resources."""
    return [
        {"uriTemplate": template.text, "name": name, "description": description}
        | ({} if mime_type is None else {"mimeType": mime_type})
        for template, name, description, mime_type in _TEMPLATES
    ]


def _time(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
