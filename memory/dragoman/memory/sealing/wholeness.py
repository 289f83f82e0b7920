"""Whether all that a ledger keeps is sealed, so that a value in plain is somebody's forgery: it is *whole*.

A ledger is whole that was sealed when it was empty, or of which ``dragoman keys seal`` has sealed everything. What says
so is each data key: how it is wrapped is authenticated by the master key, so that whoever writes to the ledger can take
neither the mark off a key nor the key away, with which all that it sealed would be lost. Plain functions of what runs
a statement. Below: ``master_keys``. Above: the ledgers, when they are opened; ``cells``, which refuses.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.memory.sealing.data_keys import Ask
from dragoman.memory.sealing.errors import Unreadable
from dragoman.memory.sealing.master_keys import MasterKeys
from dragoman.memory.statements import SQL

__all__ = ["check_keys_are_there", "is_whole", "make_whole"]

_LIMIT: Final = 200
_ANY_WHOLE: Final = SQL["any_whole_data_key"]
_ANY_KEY: Final = SQL["any_data_key"]
_ANY_PLAIN: Final = SQL["any_value_in_plain"]
_ANY_SEALED: Final = SQL["any_sealed_run"]
_NOT_WHOLE: Final = SQL["data_keys_not_whole"]
_REWRAP: Final = SQL["rewrap_data_key"]


def is_whole(ask: Ask) -> bool:
    """Whether a value in plain is to be refused. A ledger without keys is whole that has no value at all."""
    if ask(_ANY_WHOLE, ()).fetchone() is not None:
        return True
    return ask(_ANY_KEY, ()).fetchone() is None and ask(_ANY_PLAIN, ()).fetchone() is None


def check_keys_are_there(ask: Ask) -> None:
    """Raises ``Unreadable`` where runs are sealed and there is no data key: somebody took them away."""
    if ask(_ANY_KEY, ()).fetchone() is None and ask(_ANY_SEALED, ()).fetchone() is not None:
        raise Unreadable(
            "There are sealed runs in the ledger and no data key: the rows of data_keys were deleted. Restore them from"
            " a backup; without them nothing that is sealed can be read."
        )


def make_whole(ask: Ask, masters: MasterKeys) -> int:
    """Put the mark on some data keys that do not have it; how many there were. Raises ``MasterKeyMissing``."""
    rows: list[tuple[Any, ...]] = ask(_NOT_WHOLE, (_LIMIT,)).fetchall()
    for tenant, number, master, wrapped in rows:
        key, _ = masters.unwrap(wrapped, master, tenant, number)
        ask(_REWRAP, (masters.first, masters.wrap(key, tenant, number, whole=True), tenant, number, master))
    return len(rows)
