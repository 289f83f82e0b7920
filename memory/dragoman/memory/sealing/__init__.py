"""What is kept is sealed: values in the ledger's rows are unreadable without a key that is not in the ledger.

AES-256-GCM, a data key a tenant, wrapped by a master key that the operator keeps. What a value is sealed to (its
additional data) is the tenant, table, row and column, so that one that is copied elsewhere does not open.

``tables`` says what is sealed, ``places`` where statements carry it, ``master_keys`` and ``data_keys`` hold the keys,
``cells`` seals and opens one value, ``cursors`` the rows of a statement. Not a store of secrets and no part of the
verbs: it stands between them and the database, and where it is off there is nothing of it. Above: the two ledgers.
"""

from dragoman.memory.sealing.errors import MasterKeyMissing, Unreadable
from dragoman.memory.sealing.master_keys import MasterKeys

__all__ = ["MasterKeyMissing", "MasterKeys", "Unreadable"]
