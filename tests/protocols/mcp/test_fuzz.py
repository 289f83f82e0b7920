"""Requests that were made up: whatever they hold, the answer is an error that says so, never a fault of ours."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from dragoman.mcp import eras
from dragoman.memory.codec import dumps

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]

METHODS = sorted({method for method, _ in eras.VERBS} | {"prompts/list", "", "tools/call/extra"})
WORDS = [
    "",
    "echo",
    "refund",
    "run_status",
    "run_answer",
    "2025-11-25",
    "dragoman://runs/x/artifacts/y",
    "after-1",
    "\0",
    "ä",
]
KEYS = [
    *("name", "arguments", "cursor", "uri", "taskId", "inputResponses", "requestState", "level", "protocolVersion"),
    *("capabilities", "run_id", "answer", "question", "text", "action", "content", "elicitation", "extensions"),
    *("dragoman/idempotencyKey", "progressToken", "io.modelcontextprotocol/tasks"),
]


def _made_up(chance: random.Random, depth: int = 3) -> Any:
    kind = chance.randrange(8 if depth else 6)
    if kind == 6:
        return [_made_up(chance, depth - 1) for _ in range(chance.randrange(3))]
    if kind == 7:
        return {chance.choice(KEYS): _made_up(chance, depth - 1) for _ in range(chance.randrange(5))}
    return [None, True, chance.randrange(-5, 5), 0.5, chance.choice(WORDS), chance.choice(WORDS)][kind]


def _params(chance: random.Random) -> dict[str, Any]:
    made = {key: _made_up(chance) for key in chance.sample(KEYS, chance.randrange(8))}
    if chance.random() < 0.5:
        made["name"] = chance.choice(WORDS)
    return made


@pytest.mark.parametrize("seed", range(4))
async def test_a_made_up_request_is_answered_and_never_with_a_fault(
    in_process: Start, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    with caplog.at_level(logging.ERROR, "dragoman.mcp"):
        async with in_process(inline_wait=0.02, call_wait=0.03) as client:
            for _ in range(150):
                method, params = chance.choice(METHODS), _params(chance)
                how = {"tasks": chance.random() < 0.5, "elicits": chance.random() < 0.5, "meta": _params(chance)}
                if chance.random() < 0.5:
                    response = await client.modern(method, params, **how)
                else:
                    response = await client.older(method, params, elicits=how["elicits"])
                assert ("result" in response) != ("error" in response)
                assert response.get("error", {}).get("code") != -32603, (method, params)
                dumps(response)
    assert caplog.records == []
