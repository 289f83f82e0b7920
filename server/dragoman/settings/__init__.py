"""Settings: ``dragoman.toml``, the environment and the command line, read once and checked.

The only reader of files and environment variables of settings; not a registry that others ask at run time: what a
part needs is handed to it. Used by ``app`` and ``cli``; the layers below get plain values.
"""

from dragoman.settings.ledger_tables import StorageTable
from dragoman.settings.read import FILE_NAME, Flags, find, load, user_folder
from dragoman.settings.root import Settings, is_loopback
from dragoman.settings.tables import AgentTable, AuthTable, EngineTable, LogTable, ServerTable

__all__ = [
    "FILE_NAME",
    "AgentTable",
    "AuthTable",
    "EngineTable",
    "Flags",
    "LogTable",
    "ServerTable",
    "Settings",
    "StorageTable",
    "find",
    "is_loopback",
    "load",
    "user_folder",
]
