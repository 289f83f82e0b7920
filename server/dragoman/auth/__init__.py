"""Who is calling, and from where: API keys, proxies, hosts and origins, and how much they may send.

Pure ASGI in front of the faces; knows no face's wire types beyond the shape of a refusal. Above it is ``app``,
below it the ledger's key table.
"""

from dragoman.auth.asgi import refuse
from dragoman.auth.forwarded import Forwarded
from dragoman.auth.gate import LOCAL, KeyGate, LocalGate
from dragoman.auth.hosts import HostGate
from dragoman.auth.keys import KeyRing, KeyTable, make_key
from dragoman.auth.limits import BodyLimit
from dragoman.auth.outside import Outside, name_in

__all__ = [
    "LOCAL",
    "BodyLimit",
    "Forwarded",
    "HostGate",
    "KeyGate",
    "KeyRing",
    "KeyTable",
    "LocalGate",
    "Outside",
    "make_key",
    "name_in",
    "refuse",
]
