"""The master keys under which the ledger's values are sealed: ``DRAGOMAN_MASTER_KEYS``, else ``[sealing]``.

Not the keys of ``sealing.py``, which seal what others carry for the server: losing those ends links and cursors, losing
these loses what is kept. They are therefore never made here, and never kept beside the ledger.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG

from dragoman.agents.errors import ConfigurationError
from dragoman.memory.sealing import MasterKeys
from dragoman.memory.sealing.master_keys import KEY_BYTES
from dragoman.settings.root import Settings, shown

__all__ = ["VARIABLE", "is_sealing", "master_keys"]

VARIABLE = "DRAGOMAN_MASTER_KEYS"
"""The environment variable that holds the keys themselves."""
_MAKE = "make one with `openssl rand -base64 32`"
_COMMAND_S = 30
_MOST = 65_536  # bytes


def master_keys(settings: Settings, env: Mapping[str, str] | None = None) -> MasterKeys | None:
    """The master keys, the first of which wraps new data keys; None where nothing is sealed.

    Each is 32 bytes in Base64; several are told apart by commas or whitespace. ``env`` is the process's unless given.
    Raises ``ConfigurationError`` naming the variable, file or command that gives no key, or a file that others can
    read. A place that is named and empty is an error, too: it is what a failed look-up of a secret leaves, and nothing
    would be sealed.
    """
    told = (os.environ if env is None else env).get(VARIABLE)
    if told is not None:
        return _parsed(told, VARIABLE)
    table = settings.sealing
    where = f"{shown(settings.file)}: [sealing]" if settings.file else "[sealing]"
    if table.file and table.command:
        raise ConfigurationError(f"{where} names a file and a command; the master keys come from one of them.")
    if table.file:
        path = (settings.base / Path(table.file).expanduser()).absolute()
        return _parsed(_in_file(path, f"{where} file: {shown(path)}"), f"{where} file: {shown(path)}")
    if table.command:
        return _parsed(_said(table.command, f"{where} command"), f"{where} command")
    if table.model_fields_set:
        raise ConfigurationError(f"{where} names no file and no command: leave it out, or say where the key is.")
    return None


def is_sealing(settings: Settings) -> bool:
    """Whether master keys are named; none is read."""
    return bool(VARIABLE in os.environ or settings.sealing.file or settings.sealing.command)


def _in_file(path: Path, where: str) -> str:
    try:
        told = path.stat()
        if not S_ISREG(told.st_mode) or told.st_size > _MOST:
            raise ConfigurationError(f"{where} is no file of keys, or larger than {_MOST} bytes; {_MAKE}.")
        text = path.read_bytes().decode("ascii", "replace")
    except OSError as error:
        raise ConfigurationError(f"{where} cannot be read ({error.strerror or error}); {_MAKE}.") from None
    if told.st_mode & 0o077 and sys.platform != "win32":
        raise ConfigurationError(f"{where} can be read by others (mode {told.st_mode & 0o777:o}); chmod 600 it.")
    return text


def _said(command: tuple[str, ...], where: str) -> str:
    """What a command prints. What it says on stderr is shown, for it is the operator's own; stdin is not given to it,
    for a client may be talking there."""
    nothing = subprocess.DEVNULL
    try:
        done = subprocess.run(command, stdin=nothing, stdout=subprocess.PIPE, timeout=_COMMAND_S, check=False)
    except OSError as error:
        raise ConfigurationError(f"{where}: {command[0]} cannot be run ({error.strerror or error}).") from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"{where}: {command[0]} has not answered in {_COMMAND_S} s.") from None
    if done.returncode:
        raise ConfigurationError(f"{where}: {command[0]} ended with {done.returncode}.")
    return done.stdout.decode("ascii", "replace")


def _parsed(text: str, where: str) -> MasterKeys:
    keys = [
        _decoded(part, f"{where}, key {number}") for number, part in enumerate(re.split(r"[\s,]+", text.strip()), 1)
    ]
    return MasterKeys(keys)


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{where}: no Base64 of {KEY_BYTES} bytes; {_MAKE}.")
    return key
