"""Multi round-trip requests: what the client is asked in an ``InputRequiredResult``, and the retry of it.

``requestState`` is sealed, and bound to the caller, to the request (its method and all that a retry repeats) and to a
time. Of a run it only says which run the retry goes on with: the run is in the ledger. Such a state is good once in the
sense that counts: a question is answered at most once, and a retry that comes again, with the same answer or another,
is answered with how the run stands and changes nothing, so that a client whose connection broke may repeat it. Of a
function that is no run (``plain.py``) it holds the answers so far; there it is taken once, and refused from then on.
Follows 2026-07-28 "Multi Round-Trip Requests".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.mcp import questions
from dragoman.mcp.call import Call
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError
from dragoman.mcp.objects import is_object
from dragoman.mcp.sealed import BadSeal, Lapsed, Sealer
from dragoman.memory.model import Interrupt, Json

__all__ = ["input_requests", "input_required", "open_state", "responses", "resumed_run", "seal_state"]

_PURPOSE: Final = "requestState"
_OF_THE_ROUND: Final = frozenset({"_meta", "inputResponses", "requestState", "task"})
_LONGEST: Final = 1024 * 1024
"""What a state may have in characters: one of a plain function holds the answers so far."""


def input_requests(call: Call, interrupts: Sequence[Interrupt], problems: Mapping[str, str]) -> dict[str, Json]:
    """Open questions as ``inputRequests``, those that this client can be asked; ``problems`` says by key why one is
    asked again."""
    asked = questions.askable(call, interrupts)
    return {i.key: questions.request_for(call, i, problems.get(i.key, "")) for i in asked}


def input_required(
    call: Call, sealer: Sealer, run_id: str, interrupts: Sequence[Interrupt], ttl: float, problems: Mapping[str, str]
) -> dict[str, Json]:
    """The result that asks the client for what the run waits for."""
    state = seal_state(call, sealer, {"run": run_id}, ttl)
    return {
        "resultType": "input_required",
        "inputRequests": input_requests(call, interrupts, problems),
        "requestState": state,
    }


def responses(call: Call) -> dict[str, Json]:
    """The request's ``inputResponses``; none is an empty object. Raises ``ProtocolError``."""
    given: Any = call.params.get("inputResponses")
    if given is None:
        return {}
    if not is_object(given):
        raise ProtocolError(INVALID_PARAMS, '"inputResponses" must be an object.')
    return given


def resumed_run(call: Call, sealer: Sealer) -> str | None:
    """The run that a retry goes on with; None where the request is no retry. Raises ``ProtocolError``."""
    state = open_state(call, sealer)
    if state is None:
        return None
    if "run" not in state:
        raise ProtocolError(INVALID_PARAMS, "The requestState is not one of a run; call the tool anew.")
    run_id: str = state["run"]
    return run_id


def seal_state(call: Call, sealer: Sealer, payload: Mapping[str, Json], ttl: float) -> str:
    """A ``requestState`` that is good for ``ttl`` seconds, for this caller and this request."""
    return sealer.seal(_PURPOSE, call.principal, {**payload, "digest": _digest(call)}, ttl)


def open_state(call: Call, sealer: Sealer) -> dict[str, Any] | None:
    """What the request's ``requestState`` holds, or None without one. Raises ``ProtocolError`` for one that is not
    ours, has lapsed, or belongs to another caller or another request."""
    state: Any = call.params.get("requestState")
    if state is None:
        return None
    try:
        if not isinstance(state, str):
            raise BadSeal("It is not a string.")
        payload = sealer.open(_PURPOSE, call.principal, state, _LONGEST)
    except Lapsed:
        raise ProtocolError(INVALID_PARAMS, "The requestState has lapsed; send the request anew.") from None
    except BadSeal as error:
        raise ProtocolError(INVALID_PARAMS, f"The requestState is not valid: {error}") from None
    if payload["digest"] != _digest(call):
        raise ProtocolError(INVALID_PARAMS, "The requestState belongs to another request or to other arguments.")
    return payload


def _digest(call: Call) -> str:
    """Of the method and of all that a retry repeats; an absent ``arguments`` is an empty one."""
    repeated = {k: v for k, v in call.params.items() if k not in _OF_THE_ROUND and not (k == "arguments" and not v)}
    text = json.dumps([call.request.method, repeated], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
