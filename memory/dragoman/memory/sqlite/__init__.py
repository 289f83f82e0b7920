"""The embedded ledger: one SQLite file, one process on it, one thread that writes.

``SqliteLedger`` implements ``dragoman.memory.ledger.Ledger``. ``SqliteKeys`` edits API keys while a server runs, and
``read_lock`` tells which process has a ledger open.
"""

from dragoman.memory.sqlite.aside import SqliteDeliveries, SqliteKeys
from dragoman.memory.sqlite.ledger import SqliteLedger
from dragoman.memory.sqlite.lockfile import LockInfo, read_lock

__all__ = ["LockInfo", "SqliteDeliveries", "SqliteKeys", "SqliteLedger", "read_lock"]
