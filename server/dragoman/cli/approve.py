"""``dragoman approve``: answers what a waiting run asks."""

from __future__ import annotations

import asyncio
import sys

from dragoman.cli.ask import answer_of, ask, can_ask, decision, shown
from dragoman.cli.errors import CommandError
from dragoman.cli.find import find_host
from dragoman.cli.host import Host, phase_of
from dragoman.cli.phase import Phase
from dragoman.memory.model import Interrupt, InterruptKind, Json, RunView

__all__ = ["approve"]

WHOLE_ID = 36


def approve(
    run: str,
    answer: str | None,
    question: str | None,
    *,
    reject: bool,
    comment: str | None,
    show: bool,
    config: str | None,
    storage: str | None,
    url: str | None,
    key: str | None,
) -> None:
    """Answer one question of a run. Raises ``CommandError``, ``InputInvalid``, ``Conflict``."""
    if answer is not None and (reject or comment):
        raise CommandError("--answer stands alone; --reject and --comment answer an approval.", 2)

    async def work() -> None:
        async with find_host(config, storage, url, key, works=False) as host:
            view = await _find(host, run)
            asked = view.open_interrupts
            if not asked:
                raise CommandError(f"Run {view.run.id} is {phase_of(view.run.status)}; it asks nothing.")
            if show:
                print("\n\n".join(f"{q.key}: {shown(q)}" for q in asked))
                return
            chosen = _choose(view, question)
            value = await _answer(
                chosen, answer, approved=not reject, decided=reject or comment is not None, comment=comment
            )
            await host.answer(view.run.id, {chosen.id: value})
            _tell(host, view)

    asyncio.run(work())


async def _find(host: Host, run: str) -> RunView:
    """The run of this id, or the one run whose id has this part and which asks something: another of its questions may
    just have been answered."""
    if len(run) >= WHOLE_ID:
        return await host.get(run)
    listed = [view for phase in (Phase.WAITING, Phase.ACTIVE) for view in await host.runs(phase, None, 1000)]
    found = list({view.run.id: view for view in listed if run in view.run.id and view.open_interrupts}.values())
    if len(found) != 1:
        which = "No run that asks something has" if not found else f"{len(found)} runs that ask something have"
        raise CommandError(f"{which} {run!r} in its id; `dragoman runs` lists them.")
    return await host.get(found[0].run.id)


def _choose(view: RunView, key: str | None) -> Interrupt:
    asked = view.open_interrupts
    fitting = [q for q in asked if key is None or key in (q.key, q.id)]
    if len(fitting) == 1:
        return fitting[0]
    keys = ", ".join(q.key for q in asked)
    problem = f"{len(asked)} questions are open" if fitting else f"It does not ask {key!r}"
    raise CommandError(f"{problem}; choose one with --question: {keys}.", 2)


async def _answer(
    question: Interrupt, answer: str | None, *, approved: bool, decided: bool, comment: str | None
) -> Json:
    if answer is not None:
        return answer_of(question, answer)
    if decided or question.kind is InterruptKind.APPROVAL:
        return decision(question, approved=approved, comment=comment)
    if can_ask():
        return await ask(question)
    return decision(question, approved=approved, comment=comment)


def _tell(host: Host, view: RunView) -> None:
    goes_on = "it goes on" if host.shared else "it goes on when a server opens this ledger"
    print(f"Answered. Run {view.run.id}: {goes_on} ({host.where}).", file=sys.stderr)
