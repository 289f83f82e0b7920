"""All that a ledger has of one person: found, deleted, and looked for again.

What is the person's own goes whole, by the ledger's verbs: threads that they ran something on or own, with all that
hangs on them, items under their id, sessions, keys, crons, assistants. Where another's row names them, the name is
taken out. ``person`` recognises a name, ``finding`` says what is whose, ``deleting`` and ``redacting`` are the two ways
it goes. Not a way into backups, logs and what was sent to others. Above: the command line.
"""

from dragoman.memory.erasure.deleting import ErasureLedger, delete
from dragoman.memory.erasure.finding import Found, Mention, find
from dragoman.memory.erasure.person import Person
from dragoman.memory.erasure.redacting import redact

__all__ = ["ErasureLedger", "Found", "Mention", "Person", "delete", "find", "redact"]
