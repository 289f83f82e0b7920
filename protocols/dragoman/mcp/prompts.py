"""Prompts: what people wrote, or keep in files, to start a conversation with.

The catalog holds them and says when they change. A prompt is rendered within its request, and may ask there if its
function takes a ``CallContext``; nothing here is a run. Follows 2026-07-28 and 2025-11-25 "Prompts".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from dragoman.agents.catalog import Catalog, Change
from dragoman.agents.content import Message
from dragoman.agents.prompt import Argument, Prompt
from dragoman.mcp import blocks, eras, params, scopes
from dragoman.mcp.call import Call
from dragoman.mcp.errors import INTERNAL, INVALID_PARAMS, ProtocolError
from dragoman.mcp.pages import Pages
from dragoman.mcp.plain import InputRequired, Plain, TookTooLong
from dragoman.mcp.plain_context import PlainContext
from dragoman.mcp.settings import McpSettings
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json

__all__ = ["Prompts"]


class Prompts:
    """The verbs of prompts."""

    def __init__(self, catalog: Catalog, plain: Plain, settings: McpSettings, server_info: Mapping[str, Json]) -> None:
        self._catalog = catalog
        self._plain = plain
        self._pages = Pages("prompts", "name", settings, server_info)
        self._scopes = _scopes(catalog)
        catalog.listen(self._changed)

    # -- list ---------------------------------------------------------------------------------------------------------
    async def list_prompts(self, call: Call) -> bytes:
        """A page of the prompts that the caller may use, in the order in which they were added."""
        held = scopes.held_of(call.principal, self._scopes)
        return self._pages.page(call, partial(self._told, call.version, held), held)

    def _told(self, version: str, held: frozenset[str]) -> list[dict[str, Json]]:
        return [_told(prompt, version) for prompt in self._catalog.prompts.values() if prompt.scopes <= held]

    def _changed(self, kind: Change) -> None:
        if kind == "prompts":
            self._pages.forget()
            self._scopes = _scopes(self._catalog)

    # -- get ----------------------------------------------------------------------------------------------------------
    async def get_prompt(self, call: Call) -> Mapping[str, Json]:
        """The messages of a prompt, or what its function asks before."""
        prompt = self.find(call, params.text(call, "name"))
        arguments = _checked(prompt, params.an_object(call, "arguments"))
        takes_context = prompt.signature is not None and prompt.signature.takes_context

        async def work(context: PlainContext) -> Any:
            return await (prompt.render(context, **arguments) if takes_context else prompt.render(**arguments))

        try:
            done = await self._plain.do(call, work)
        except TookTooLong as error:
            raise ProtocolError(INTERNAL, f"The prompt {prompt.name!r}: {error}") from error
        return done.result if isinstance(done, InputRequired) else _result(prompt, done.value, call.version)

    def find(self, call: Call, name: str) -> Prompt:
        """The prompt of a name. Raises ``ProtocolError``; ``ScopeMissing`` where the caller may not use it."""
        prompt = self._catalog.prompts.get(name)
        if prompt is None:
            raise ProtocolError(INVALID_PARAMS, f"Unknown prompt {name[:80]!r}; prompts/list tells which there are.")
        scopes.require(call.principal, prompt.scopes, f"The prompt {name!r}")
        return prompt


def _scopes(catalog: Catalog) -> frozenset[str]:
    return frozenset(scope for prompt in catalog.prompts.values() for scope in prompt.scopes)


def _told(prompt: Prompt, version: str) -> dict[str, Json]:
    described: dict[str, Json] = {"name": prompt.name, "description": prompt.description or prompt.title}
    if prompt.arguments:
        described["arguments"] = [_argument(argument, version) for argument in prompt.arguments]
    if eras.has("titles", version):
        described["title"] = prompt.title
        if prompt.meta:
            described["_meta"] = dict(prompt.meta)
    if prompt.icons and eras.has("icons", version):
        described["icons"] = [icon.to_json() for icon in prompt.icons]
    return described


def _argument(argument: Argument, version: str) -> dict[str, Json]:
    described: dict[str, Json] = {"name": argument.name, "required": argument.required}
    if argument.description:
        described["description"] = argument.description
    if argument.title and eras.has("titles", version):
        described["title"] = argument.title
    return described


def _checked(prompt: Prompt, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the prompt's function takes of the arguments, which are texts. Raises ``InputInvalid`` naming each that is
    wrong."""
    known = {argument.name: argument for argument in prompt.arguments}
    problems = [
        {"field": name, "problem": "it must be a string" if name in known else "there is no such argument"}
        for name, value in given.items()
        if name not in known or not isinstance(value, str)
    ]
    problems += [
        {"field": name, "problem": "it is required"}
        for name, argument in known.items()
        if argument.required and name not in given
    ]
    what = f"arguments of the prompt {prompt.name!r}"
    if problems:
        lines = "; ".join(f"{p['field'][:80]}: {p['problem']}" for p in problems[:20])
        raise InputInvalid(f"Invalid {what}: {lines}.", tuple(problems))
    if prompt.signature is None:
        return dict(given)
    return prompt.signature.arguments(prompt.signature.validate(dict(given), what))


def _result(prompt: Prompt, made: Any, version: str) -> dict[str, Json]:
    """A GetPromptResult of what a prompt's function returned."""
    parts = cast(Sequence[Any], made) if isinstance(made, list | tuple) else [made]
    messages: list[Json] = []
    for part in parts:
        message = part if isinstance(part, Message) else Message.of(part)
        messages.append({"role": message.role, "content": blocks.block(message.content, version)})
    return {"description": prompt.description or prompt.title, "messages": messages}
