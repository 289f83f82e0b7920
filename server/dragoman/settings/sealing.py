"""The keys that seal what others carry for the server: one home for all faces.

MCP's ``requestState`` and event ids, A2A's links to files and the signatures of webhooks are made with the first key;
all open what was sealed before. Replicas are given the same keys; a server alone makes its own, beside the ledger. What
is sealed with them, and how, is the faces' to say.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path

from dragoman.agents.errors import ConfigurationError
from dragoman.settings.root import Settings, shown

__all__ = ["VARIABLE", "load_key", "sealing_keys"]

VARIABLE = "DRAGOMAN_SEALING_KEYS"
"""The environment variable that holds the keys themselves."""
_LEAST = 32
_MAKE = "make one with `openssl rand -base64 32`"


def sealing_keys(settings: Settings, env: Mapping[str, str] | None = None) -> tuple[bytes, ...]:
    """The keys, the first of which seals: those of the environment, else of the files that ``[auth] sealing_keys``
    names, else the one beside the ledger, which is made on first use.

    ``env`` is the process's unless given. Raises ``ConfigurationError`` naming the variable or file that holds no key.
    """
    told = (os.environ if env is None else env).get(VARIABLE, "").strip()
    if told:
        return tuple(
            _decoded(key.strip(), f"{VARIABLE}: key {number}") for number, key in enumerate(told.split(","), 1)
        )
    if settings.auth.sealing_keys:
        where = f"{shown(settings.file)}: [auth] sealing_keys" if settings.file else "[auth] sealing_keys"
        paths = [(settings.base / Path(name).expanduser()).absolute() for name in settings.auth.sealing_keys]
        return tuple(_in_file(path, f"{where}: {shown(path)}") for path in paths)
    storage = settings.made_storage()
    return (load_key(storage.with_name(f"{storage.name}.key")),)


def load_key(path: Path) -> bytes:
    """The 32-byte key kept in a file, made on first use and readable by its owner alone.

    Safe when two processes start at once. Raises ``ConfigurationError`` naming the file when it does not hold a key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(os.urandom(_LEAST))
        try:
            os.link(draft, path)  # fails where another was first; never shows a half-written key
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_bytes()
    if len(key) != _LEAST:
        raise ConfigurationError(
            f"{path} should hold a key of {_LEAST} bytes and holds {len(key)}; remove it and a new one is made."
        )
    return key


def _in_file(path: Path, where: str) -> bytes:
    """The key in a file that was named, which is never made here: each replica would make one of its own."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{where} cannot be read ({error.strerror or error}); {_MAKE}.") from None
    return raw if len(raw) == _LEAST else _decoded(raw.decode("latin-1").strip(), where)


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) < _LEAST:
        raise ConfigurationError(f"{where} holds no Base64 of {_LEAST} bytes or more; {_MAKE}.")
    return key
