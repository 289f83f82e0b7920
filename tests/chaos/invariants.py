"""What must hold of a whole ledger once the faults are over and everything has settled, whatever they were.

Reads the tables themselves, of either database, and the file that the agents' side effects are in; asks no server.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Found", "check", "settled"]

Rows = Callable[[str], Awaitable[list[tuple[Any, ...]]]]
_ENDS = ("run.succeeded", "run.failed", "run.cancelled")
_RESTS = (*_ENDS, "run.waiting", "run.asleep")


@dataclass(slots=True)
class Found:
    """What was counted while it was checked."""

    runs: int = 0
    steps: int = 0
    events: int = 0
    effects: int = 0
    taken_over: int = 0
    orphaned: int = 0
    done_again: int = 0
    lost: list[str] = field(default_factory=list[str])
    repeated: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return (
            f"{self.runs} runs, {self.steps} finished steps, {self.events} events, {self.effects} side effects; "
            f"{self.taken_over} taken over at work and {self.orphaned} before that, "
            f"{self.done_again} unfinished steps done again; "
            f"{len(self.lost)} lost, {len(self.repeated)} repeated"
        )


async def settled(rows: Rows) -> bool:
    """Whether nothing is queued or running any more."""
    return await rows("SELECT count(*) FROM runs WHERE status IN ('running', 'queued')") == [(0,)]


async def check(rows: Rows, acknowledged: Mapping[str, str], effects: Path) -> Found:
    """Raises ``AssertionError`` naming the first run or thread that is wrong."""
    found = Found()
    runs: dict[str, str] = dict(await rows("SELECT id, status FROM runs"))
    log = await rows("SELECT thread_id, seq, run_id, type, data FROM events ORDER BY thread_id, seq")
    steps = await rows("SELECT run_id, key, status FROM steps")
    found.runs, found.events = len(runs), len(log)
    found.lost = [run_id for run_id in acknowledged if run_id not in runs]
    assert not found.lost, f"acknowledged and gone: {found.lost[:5]}"
    _check_states(runs)
    threads = _by_thread(log)
    for thread, events in threads.items():
        _check_numbers(thread, [seq for seq, *_ in events])
        _check_turns(thread, events, found)
    finished = _check_attempts(log)
    _check_steps(steps, finished, found)
    _check_effects(_counted(effects), finished, found)
    heads = await rows("SELECT id FROM threads")
    assert {thread for (thread,) in heads} == set(threads), "a thread without a log, or a log without a thread"
    return found


def _check_states(runs: Mapping[str, str]) -> None:
    wrong = {run_id: status for run_id, status in runs.items() if status not in ("succeeded", "waiting")}
    assert not wrong, f"{len(wrong)} runs neither succeeded nor wait, such as {list(wrong.items())[:3]}"


def _by_thread(log: Iterable[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    threads: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for thread, *event in log:
        threads[thread].append(tuple(event))
    return threads


def _check_numbers(thread: str, numbers: list[int]) -> None:
    assert numbers == list(range(1, len(numbers) + 1)), f"the events of {thread} have a gap, or one twice"


def _check_turns(thread: str, events: Iterable[tuple[Any, ...]], found: Found) -> None:
    """One run at work at a time, from its start until it ends or rests. Counts those that lost their worker on the way:
    at work, or before they wrote anything, as a run does that was opened for a caller who could not be told of it."""
    at_work: str | None = None
    wrote = False
    for _, run_id, type_, _ in events:
        if type_ == "run.started":
            assert at_work in (None, run_id), f"two runs of {thread} at once: {at_work} and {run_id}"
            found.taken_over += at_work is not None and wrote
            found.orphaned += at_work is not None and not wrote
            at_work, wrote = run_id, False
        elif at_work == run_id:
            at_work, wrote = (None, False) if type_ in _RESTS else (at_work, True)
    assert at_work is None, f"{at_work} is at work by the log of {thread}"


def _check_attempts(log: Iterable[tuple[Any, ...]]) -> dict[tuple[str, str], int]:
    """The attempt in which each step finished. What an attempt says of itself stands where it was the run's own, ends
    are final, and no step finishes twice."""
    attempts: dict[str, int] = defaultdict(int)
    ended: set[str] = set()
    finished: dict[tuple[str, str], int] = {}
    for _, _, run_id, type_, data in log:
        assert run_id not in ended, f"{run_id} was written to after its end: {type_}"
        if type_ == "run.started":
            began = _of(data)["attempt"]
            assert began > attempts[run_id], f"{run_id}: attempt {began} after {attempts[run_id]}"
            attempts[run_id] = began
        elif type_ == "custom" and _of(data)["name"] == "attempt":
            said = _of(data)["data"]
            assert said == attempts[run_id], f"{run_id}: attempt {said} wrote while {attempts[run_id]} was the run's"
        elif type_ == "step.finished":
            step = run_id, str(_of(data)["step"])
            assert step not in finished, f"a step finished twice: {step}"
            finished[step] = attempts[run_id]
        elif type_ in _ENDS:
            ended.add(run_id)
    return finished


def _check_steps(steps: Iterable[tuple[Any, ...]], finished: Mapping[tuple[str, str], int], found: Found) -> None:
    rows = Counter((run_id, key) for run_id, key, _ in steps)
    assert not [step for step, count in rows.items() if count > 1], "a step has two rows"
    journaled = {(run_id, key) for run_id, key, status in steps if status == "finished"}
    found.steps = len(journaled)
    assert set(finished) <= journaled, f"in the log and not in the journal: {set(finished) - journaled}"


def _check_effects(
    effects: Mapping[tuple[str, str], Counter[int]], finished: Mapping[tuple[str, str], int], found: Found
) -> None:
    """A finished step was done in the attempt in which it finished, once, and never later. Who counts by idempotency
    keys has counted each step once: the key of a step is the same in all attempts, and no other step's."""
    found.effects = sum(counts.total() for counts in effects.values())
    for step, counts in effects.items():
        found.done_again += counts.total() - 1
        attempt = finished.get(step)
        if attempt is not None and (counts[attempt] != 1 or max(counts) > attempt):
            found.repeated.append(f"{step}: finished in attempt {attempt}, done in {dict(counts)}")
    assert not found.repeated, f"finished steps were repeated: {found.repeated[:5]}"
    undone = [step for step in finished if step[1] in _EFFECTFUL and step not in effects]
    assert not undone, f"finished and never done: {undone[:5]}"


_EFFECTFUL = frozenset({"before", "after", "left", "right", *(f"effect-{n}" for n in range(6))})


def _counted(effects: Path) -> dict[tuple[str, str], Counter[int]]:
    """How often each step was done in each attempt."""
    counted: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for line in effects.read_text().splitlines() if effects.exists() else ():
        key, _, attempt = line.partition(" ")
        run_id, _, step = key.partition(":")
        counted[run_id, step][int(attempt)] += 1
    return counted


def _of(data: bytes) -> Any:
    return json.loads(data)
