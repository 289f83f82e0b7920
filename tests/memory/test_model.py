"""The transition table, and what a run says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dragoman.memory.errors import Conflict, RunEnded
from dragoman.memory.model import (
    ACTIVE,
    TERMINAL,
    TRANSITIONS,
    Interrupt,
    InterruptKind,
    InterruptStatus,
    Principal,
    Run,
    RunStatus,
    RunView,
    check_transition,
)

RUN = Run("acme", "r", "t", "a", "1", RunStatus.QUEUED, 1, 1)


def test_every_status_is_active_or_terminal_and_has_its_transitions() -> None:
    assert set(RunStatus) == ACTIVE | TERMINAL == set(TRANSITIONS)
    assert not ACTIVE & TERMINAL


def test_nothing_leaves_a_terminal_status_and_every_active_one_can_be_cancelled() -> None:
    assert all(not TRANSITIONS[status] for status in TERMINAL)
    assert all(RunStatus.CANCELLED in TRANSITIONS[status] for status in ACTIVE)


def test_every_terminal_status_is_reached_from_the_queue() -> None:
    reached = {RunStatus.QUEUED}
    while more := {new for old in reached for new in TRANSITIONS[old]} - reached:
        reached |= more
    assert reached == set(RunStatus)


@pytest.mark.parametrize("old", RunStatus)
@pytest.mark.parametrize("new", RunStatus)
def test_a_transition_is_let_pass_or_refused_by_the_table(old: RunStatus, new: RunStatus) -> None:
    if new in TRANSITIONS[old]:
        check_transition(old, new)
        return
    with pytest.raises(Conflict) as caught:
        check_transition(old, new)
    assert isinstance(caught.value, RunEnded) == (old in TERMINAL)


@pytest.mark.parametrize("status", RunStatus)
def test_a_run_has_settled_when_nothing_happens_until_someone_acts(status: RunStatus) -> None:
    run = replace(RUN, status=status)
    assert run.ended == (status in TERMINAL)
    assert run.settled == (run.ended or status is RunStatus.WAITING)


@pytest.mark.parametrize("status", RunStatus)
def test_open_questions_are_shown_until_the_run_has_ended(status: RunStatus) -> None:
    asked = tuple(
        Interrupt("r", "t", of, of, InterruptKind.INPUT, "?", {}, status=InterruptStatus(of)) for of in InterruptStatus
    )
    shown = RunView(replace(RUN, status=status), asked).open_interrupts
    assert [i.key for i in shown] == ([] if status in TERMINAL else ["open"])


def test_a_scope_is_held_by_name_or_by_all() -> None:
    assert Principal("acme", "ada").may("runs:write")
    reader = Principal("acme", "bob", frozenset({"runs:read"}))
    assert reader.may("runs:read")
    assert not reader.may("runs:write")
