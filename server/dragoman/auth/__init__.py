"""Who is calling, and from where: API keys, hosts and origins, and how much they may send.

Pure ASGI in front of the faces; knows no face's wire types beyond the shape of a refusal. Above it is ``app``,
below it the ledger's key table.
"""

from dragoman.auth.asgi import refuse
from dragoman.auth.gate import LOCAL, KeyGate, LocalGate
from dragoman.auth.hosts import HostGate
from dragoman.auth.keys import KeyRing, KeyTable, make_key
from dragoman.auth.limits import BodyLimit

__all__ = ["LOCAL", "BodyLimit", "HostGate", "KeyGate", "KeyRing", "KeyTable", "LocalGate", "make_key", "refuse"]
