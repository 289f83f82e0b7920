"""The file of an export: a header, a line for each row, an end that says how many there were and what they add up to.

    {"dragoman":"export","version":1,"tenant":"acme","at":1767225600000000}
    {"threads":{"id":"…","metadata":{},…}}
    {"end":{"rows":{"threads":1},"sha256":"…"}}

The checksum is the SHA-256 of all bytes before the last line: it tells a file that was cut or damaged, not who made it.
A NULL is a key that is not there, so that JSON's ``null`` stays one. No line is longer than ``LONGEST`` bytes, which is
about as much as a row of a ledger can have. Knows no table.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import orjson

from dragoman.memory.errors import Conflict, InputInvalid
from dragoman.memory.files import opened

__all__ = ["LONGEST", "Header", "Lines", "checked", "read_lines", "written"]

VERSION: Final = 1
LONGEST: Final = 1 << 30
"""The most bytes of a line."""

_BUFFER: Final = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Header:
    """Whose export it is, and of which moment (microseconds)."""

    tenant: str
    at: int
    version: int = VERSION


class Lines:
    """Writes rows to a file that is open."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self.rows: Counter[str] = Counter()
        self._write({"dragoman": "export", "version": header.version, "tenant": header.tenant, "at": header.at})

    def add(self, kind: str, row: Mapping[str, Any]) -> None:
        """One row; bytes in it are JSON, as it is. Raises ``InputInvalid`` for one that no import would take."""
        self._write({kind: {k: orjson.Fragment(v) if type(v) is bytes else v for k, v in row.items()}})
        self.rows[kind] += 1

    def end(self) -> None:
        """The last line."""
        self._write({"end": {"rows": dict(sorted(self.rows.items())), "sha256": self._sum.hexdigest()}})

    def _write(self, line: Mapping[str, Any]) -> None:
        text = orjson.dumps(line) + b"\n"
        if len(text) > LONGEST:
            [kind] = line
            raise InputInvalid(
                f"A row of {kind} has {len(text)} bytes as a line, and an import takes {LONGEST}: take the value"
                " elsewhere and delete it here first."
            )
        self._sum.update(text)
        self._file.write(text)


@contextmanager
def written(path: Path, header: Header) -> Generator[Lines]:
    """The file of an export, which appears when it is whole; for its owner alone. Raises ``Conflict`` when there is
    one."""
    if os.path.lexists(path):
        raise Conflict(f"{path} is there already; an export overwrites nothing.")
    draft = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb", _BUFFER) as file:
            lines = Lines(file, header)
            yield lines
            lines.end()
            file.flush()
            os.fsync(handle)
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def checked(path: Path) -> tuple[Header, Mapping[str, int]]:
    """Whose export a file is and how many rows of each kind it has, read from end to end. Raises ``InputInvalid``."""
    counts: Counter[str] = Counter()
    lines = read_lines(path)
    header = next(lines)
    assert isinstance(header, Header)
    for line in lines:
        assert isinstance(line, tuple)
        counts[line[0]] += 1
    return header, counts


def read_lines(path: Path) -> Iterator[Header | tuple[str, dict[str, Any], int]]:
    """The header, then each row with its kind and how many bytes its line has. Raises ``InputInvalid`` naming the line;
    at the end also when the file is not what was written. No line that is too long is held."""
    total = hashlib.sha256()
    counts: Counter[str] = Counter()
    ended = False
    with opened(path, _BUFFER) as file:
        _check_lengths(path, file)
        for number, text in enumerate(file, 1):
            if ended:
                raise InputInvalid(f"{path}: line {number}: there is more after the end.")
            kind, value = _parsed(path, number, text)
            if number == 1:
                yield value
            elif kind == "end":
                _check_end(path, value, counts, total.hexdigest())
                ended = True
            else:
                counts[kind] += 1
                yield kind, value, len(text)
            total.update(text)
    if not ended:
        raise InputInvalid(f"{path} has no end: it is not whole.")


def _check_lengths(path: Path, file: BinaryIO) -> None:
    """Raises ``InputInvalid`` for a line that is too long, before any is held; then the file is at its beginning."""
    number, held = 1, 0
    while piece := file.read(_BUFFER):
        ends = piece.count(b"\n")
        held = held + len(piece) if not ends else len(piece) - piece.rfind(b"\n") - 1
        number += ends
        if held > LONGEST:
            raise InputInvalid(f"{path}: line {number}: longer than {LONGEST} bytes, which no line of an export is.")
    file.seek(0)


def _parsed(path: Path, number: int, text: bytes) -> tuple[str, Any]:
    try:
        line: Any = orjson.loads(text)
        if number == 1:
            return "header", _header(path, line)
        [(kind, row)] = cast("Mapping[str, object]", line).items()
        if isinstance(row, dict):
            return kind, cast("dict[str, Any]", row)
    except (ValueError, AttributeError):
        pass
    raise InputInvalid(f"{path}: line {number}: not a line of an export.")


def _header(path: Path, line: Any) -> Header:
    if line.get("dragoman") != "export" or type(line.get("tenant")) is not str or type(line.get("at")) is not int:
        raise ValueError
    if line.get("version") != VERSION:
        raise InputInvalid(f"{path}: an export of version {line.get('version')!r}; this one reads version {VERSION}.")
    return Header(line["tenant"], line["at"])


def _check_end(path: Path, end: dict[str, Any], counts: Mapping[str, int], sha256: str) -> None:
    if end.get("rows") != dict(counts):
        raise InputInvalid(f"{path}: its end tells of {end.get('rows')} rows, there are {dict(counts)}.")
    if end.get("sha256") != sha256:
        raise InputInvalid(f"{path}: its checksum is another: it was changed since it was written.")
