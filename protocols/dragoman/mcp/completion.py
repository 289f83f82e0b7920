"""``completion/complete``: what an argument of a prompt, or a variable of a resource template, may become.

People give completers with their prompts and resources (``dragoman.agents``); for the templates of this face, ids are
looked up among the caller's own (``ids.py``). Follows 2026-07-28 and 2025-11-25 "Completion".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dragoman.agents.catalog import Catalog
from dragoman.agents.completion import Completer, complete
from dragoman.agents.prompt import Prompt
from dragoman.agents.templates import LONGEST, UriTemplate
from dragoman.mcp import eras, params, scopes
from dragoman.mcp.call import Call
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError
from dragoman.mcp.ids import Found, Ids
from dragoman.mcp.objects import is_object
from dragoman.mcp.pace import Pace
from dragoman.mcp.prompts import Prompts
from dragoman.memory.model import Json

__all__ = ["Completion"]

_MOST: Final = 100
"""Values in one result ("CompleteResult")."""
_RATE: Final = 20.0
_BURST: Final = 100
"""What typing causes, of a caller: so many at once, then so many a second."""


class Completion:
    """The verb of completion. ``templates`` are the face's own resource templates, whose variables are ids."""

    def __init__(self, catalog: Catalog, prompts: Prompts, ids: Ids, templates: Iterable[UriTemplate]) -> None:
        self._catalog = catalog
        self._prompts = prompts
        self._ids = ids
        self._pace = Pace(_RATE, _BURST)
        self._templates = {template.text: template for template in templates}

    async def complete(self, call: Call) -> Mapping[str, Json]:
        """Values that an argument may have."""
        self._pace.take(call.principal, call.request.method)
        ref = params.an_object(call, "ref")
        name, typed = _argument(call)
        if ref.get("type") == "ref/prompt":
            found = await self._of_prompt(call, _named(call, ref, "name"), name, typed)
        elif ref.get("type") == "ref/resource":
            found = await self._of_resource(call, _named(call, ref, "uri"), name, typed)
        else:
            raise _invalid(call, '"ref.type" is ref/prompt or ref/resource.')
        return {"completion": _told(found)}

    async def _of_prompt(self, call: Call, prompt_name: str, name: str, typed: str) -> Found:
        prompt = self._prompts.find(call, prompt_name)
        _known(call, name, [argument.name for argument in prompt.arguments], f"the prompt {prompt.name!r}")
        completer = prompt.completers.get(name)
        if completer is None:
            completer = _choices(prompt, name)
        return await _asked(completer, typed, _chosen(call))

    async def _of_resource(self, call: Call, uri: str, name: str, typed: str) -> Found:
        own = self._templates.get(uri)
        if own is not None:
            _known(call, name, own.names, uri)
            return await self._ids.begun(call.principal, name, typed, _chosen(call))
        resource = self._catalog.resources.get(uri)
        if resource is None:
            raise _invalid(call, f"there is no resource template {uri[:200]!r}; resources/templates/list has them.")
        scopes.require(call.principal, resource.scopes, f"The resource {uri!r}")
        _known(call, name, resource.template.names, uri)
        return await _asked(resource.completers.get(name, ()), typed, _chosen(call))


async def _asked(completer: Completer, typed: str, chosen: Mapping[str, str]) -> Found:
    return Found([str(value) for value in await complete(completer, typed, chosen)])


def _told(found: Found) -> dict[str, Json]:
    told: dict[str, Json] = {"values": found.values[:_MOST], "hasMore": not found.all or len(found.values) > _MOST}
    if found.all:
        told["total"] = len(found.values)
    return told


def _choices(prompt: Prompt, name: str) -> Sequence[str]:
    """The values that a parameter's own type allows, where it is a choice."""
    if prompt.signature is None:
        return ()
    schema: Mapping[str, Any] = prompt.signature.input_schema
    part: Mapping[str, Any] = schema.get("properties", {}).get(name, {})
    reference = part.get("$ref", "")
    part = schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"), part)
    return [str(value) for value in part.get("enum", ())]


def _argument(call: Call) -> tuple[str, str]:
    argument = params.an_object(call, "argument")
    name, value = argument.get("name"), argument.get("value")
    if not isinstance(name, str) or not isinstance(value, str):
        raise _invalid(call, '"argument" needs a "name" and a "value", both strings.')
    if len(value) > LONGEST:
        raise _invalid(call, f'"argument.value" has more than {LONGEST} characters.')
    return name, value


def _named(call: Call, ref: Mapping[str, Any], member: str) -> str:
    value = ref.get(member)
    if not isinstance(value, str):
        raise _invalid(call, f'"ref.{member}" must be a string.')
    return value


def _chosen(call: Call) -> Mapping[str, str]:
    """What was chosen already; versions before 2025-06-18 do not tell it."""
    if not eras.has("completion_context", call.version):
        return {}
    arguments: Any = params.an_object(call, "context").get("arguments")
    if arguments is None:
        return {}
    if not is_object(arguments) or not all(isinstance(value, str) for value in arguments.values()):
        raise _invalid(call, '"context.arguments" must be an object of strings.')
    return arguments


def _known(call: Call, name: str, names: Sequence[str], what: str) -> None:
    if name not in names:
        raise _invalid(call, f"{what} has no argument {name[:80]!r}; it has: {', '.join(names) or 'none'}.")


def _invalid(call: Call, why: str) -> ProtocolError:
    return ProtocolError(INVALID_PARAMS, f"{call.request.method}: {why}")
