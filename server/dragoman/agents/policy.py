"""What is to happen when a step fails or its process dies. Values only; the engine acts on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["NO_RETRY", "CrashPolicy", "Retry"]

CrashPolicy = Literal["retry", "ask", "fail"]
"""What to do when a crash hides whether a step happened: do it again, ask a person, or fail the run."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently a failing step is tried: exponential back-off with jitter.

    ``attempts`` counts the first try too. Times are seconds. ``on`` are the exceptions worth another try.
    """

    attempts: int = 3
    wait_initial: float = 0.1
    wait_max: float = 5.0
    wait_jitter: float = 1.0
    on: tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"Retry.attempts must be 1 or more, not {self.attempts}.")


NO_RETRY = Retry(attempts=1)
