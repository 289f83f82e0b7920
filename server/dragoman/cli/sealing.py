"""``dragoman keys rotate`` and ``seal``: master keys, data keys and old rows turned over, piece by piece."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from dragoman.cli.errors import CommandError
from dragoman.memory.ids import now_micros
from dragoman.memory.sealing import MasterKeys
from dragoman.memory.sealing.turning import After, Piece, tables
from dragoman.settings import Settings, find
from dragoman.settings.master_keys import VARIABLE, master_keys
from dragoman.settings.storage import Sealing, is_there, sealing

__all__ = ["rotate", "seal"]

T = TypeVar("T")

_LONGEST_PAUSE_S = 0.5


def rotate(*, data: bool, config: str | None, storage: str | None) -> None:
    """Put all data keys under the first master key; with ``data`` give each tenant a new one."""
    keys, ledger = _opened(config, storage)
    made = _all(partial(ledger.new_data_keys, now_micros())) if data else 0
    wrapped = 0
    while done := _paced(ledger.rewrap):
        wrapped += done
    told = f"; {made} new ones were made, which servers use within a minute" if data else ""
    _say(f"{wrapped} data keys were put under the master key {keys.first}{told}.")
    _say(f"Used now: {', '.join(ledger.used()) or 'none'}. A master key that is not used may be taken away.")


def seal(*, vacuum: bool, config: str | None, storage: str | None) -> None:
    """Seal all rows that are not, and those under an older data key."""
    _, ledger = _opened(config, storage)
    for table in tables():
        _say(f"{table}: {_all(partial(ledger.seal_rows, table))} rows sealed.")
    _say(f"full-text index: {_all(ledger.seal_words)} texts hidden.")
    _say(f"index of threads' values: {_all(ledger.forget_values)} entries taken out.")
    _hold_to_it(ledger)
    if vacuum:
        ledger.vacuum()
        _say("The storage was rewritten.")
    else:
        _say("What was in plain may be left in free pages and backups; --vacuum rewrites the storage.")


def _hold_to_it(ledger: Sealing) -> None:
    """Say in the ledger that all of it is sealed, when that is found to be so."""
    if left := sum(_all(partial(ledger.seal_rows, table)) for table in tables()):
        _say(
            f"{left} rows were written in plain meanwhile, and are sealed now: some server has no key. Give it one, and"
            " do this again: until then what somebody writes in plain is read as it is."
        )
        return
    while _paced(ledger.make_whole):
        continue
    _say("All is sealed: servers refuse a value in plain from their next start on.")


def _opened(config: str | None, storage: str | None) -> tuple[MasterKeys, Sealing]:
    settings: Settings = find(config, {"storage": {"path": storage}}, needs_agents=False)
    keys = master_keys(settings)
    if keys is None:
        raise CommandError(f"No master key is given: [sealing] file or command, or {VARIABLE}.")
    if not is_there(settings):
        raise CommandError(f"There is no ledger at {settings.storage_shown}.")
    return keys, sealing(settings, keys)


def _all(piece: Callable[[After], Piece]) -> int:
    """Do all pieces; how many things were turned over."""
    turned, after = 0, None
    while True:
        done = _paced(partial(piece, after))
        turned, after = turned + done.turned, done.after
        if after is None:
            return turned


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _paced(piece: Callable[[], T]) -> T:
    """Do a piece, then leave a server as much time as it took."""
    began = time.monotonic()
    done = piece()
    time.sleep(min(time.monotonic() - began, _LONGEST_PAUSE_S))
    return done
