"""Multi round-trip requests: a waiting run as an ``InputRequiredResult``, and the retry of it.

The run is in the ledger; ``requestState`` only says, sealed, which run the retry goes on with. It is bound to the
caller, to the tool and its arguments, and to a time. It is good once in the sense that counts: a question is answered
at most once, and a retry whose answer has been taken before gets the run's result and changes nothing. Follows
2026-07-28 "Multi Round-Trip Requests".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.mcp import forms
from dragoman.mcp.call import Call
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError
from dragoman.mcp.sealed import BadSeal, Lapsed, Sealer
from dragoman.memory.model import Interrupt, Json

__all__ = ["input_requests", "input_required", "resumed_run"]

_PURPOSE: Final = "requestState"


def input_requests(interrupts: Sequence[Interrupt], version: str, problems: Mapping[str, str]) -> dict[str, Json]:
    """Open questions as ``inputRequests``; ``problems`` says by key why one is asked again."""
    return {
        i.key: {"method": "elicitation/create", "params": forms.elicit_params(i, version, problems.get(i.key, ""))}
        for i in interrupts
        if forms.askable(i)
    }


def input_required(
    call: Call, sealer: Sealer, run_id: str, interrupts: Sequence[Interrupt], ttl: float, problems: Mapping[str, str]
) -> dict[str, Json]:
    """The result that asks the client for what the run waits for."""
    state = sealer.seal(_PURPOSE, call.principal, {"run": run_id, "digest": _digest(call.params)}, ttl)
    return {
        "resultType": "input_required",
        "inputRequests": input_requests(interrupts, call.version, problems),
        "requestState": state,
    }


def resumed_run(call: Call, sealer: Sealer) -> str | None:
    """The run that a retry goes on with; None where the request is no retry. Raises ``ProtocolError``."""
    state: Any = call.params.get("requestState")
    if state is None:
        if call.params.get("inputResponses"):
            raise ProtocolError(INVALID_PARAMS, "inputResponses came without the requestState that they answer.")
        return None
    try:
        if not isinstance(state, str):
            raise BadSeal("It is not a string.")
        payload = sealer.open(_PURPOSE, call.principal, state)
    except Lapsed:
        raise ProtocolError(INVALID_PARAMS, "The requestState has lapsed; call the tool anew.") from None
    except BadSeal as error:
        raise ProtocolError(INVALID_PARAMS, f"The requestState is not valid: {error}") from None
    if payload["digest"] != _digest(call.params):
        raise ProtocolError(INVALID_PARAMS, "The requestState belongs to a call of another tool or other arguments.")
    run_id: str = payload["run"]
    return run_id


def _digest(params: Mapping[str, Any]) -> str:
    salient: list[Json] = [params.get("name"), params.get("arguments") or {}]
    text = json.dumps(salient, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
