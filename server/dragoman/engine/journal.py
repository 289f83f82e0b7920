"""A run's journal in memory, while it is driven: the steps and answers of its earlier activations, and the names of
new ones."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic_core import to_json

from dragoman.agents.errors import StepFailed
from dragoman.memory.errors import StepMismatch
from dragoman.memory.model import Failure, FailureKind, Interrupt, Step

__all__ = ["Journal", "digest_of", "failure_of", "revive"]


class Journal:
    """What has been, by key; and the counters that give each call its key, in the order of the calls."""

    def __init__(self, steps: Mapping[str, Step], interrupts: Iterable[Interrupt]) -> None:
        self.steps = dict(steps)
        self.interrupts = {i.key: i for i in interrupts}
        self._counts: dict[str, int] = {}

    def name(self, name: str) -> str:
        """The key of the next call of that name: ``name``, ``name#2``, ``name#3``..."""
        count = self._counts.get(name, 0) + 1
        self._counts[name] = count
        return name if count == 1 else f"{name}#{count}"

    def step(self, key: str, digest: str) -> Step | None:
        """The step journaled under a key. Raises ``StepMismatch`` when it was made with other arguments."""
        step = self.steps.get(key)
        if step is not None and digest and step.digest and step.digest != digest:
            raise StepMismatch(
                f"The step {key!r} was journaled with other arguments than it is given now. Steps are told apart by "
                "their name and the order of calls: give parallel steps a key of their own, and keep time, chance and "
                "the network inside of steps."
            )
        return step


def digest_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """A short hash of a call's arguments, equal in every process. What has no JSON counts by its type alone."""
    plain = [[_ordered(a) for a in args], {k: _ordered(v) for k, v in kwargs.items()}]
    return hashlib.blake2b(to_json(plain, fallback=_type_name), digest_size=8).hexdigest()


def _ordered(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(cast("set[Any]", value), key=repr)
    return value


def _type_name(value: Any) -> str:
    return type(value).__qualname__


def failure_of(error: BaseException, kind: FailureKind = FailureKind.ERROR) -> Failure:
    """An exception as a value: its class by module and name, and its message."""
    return Failure(kind, str(error) or type(error).__name__, f"{type(error).__module__}:{type(error).__qualname__}")


def revive(failure: Failure) -> Exception:
    """The exception of a journaled failure: of its own class where that is loaded, so that a replay is caught as the
    first execution was; ``StepFailed`` otherwise."""
    module, _, name = failure.type.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, type) and issubclass(found, Exception):
        try:
            return found(failure.message)
        except Exception:
            pass
    return StepFailed(failure.message, type=name)
