"""Lists of what is offered, as pages of JSON that are made once: for each version, and for what a caller may see.

A cursor names the entries between which it lies, so a list that changes between two pages neither repeats nor skips an
entry that stayed. Knows no kind of entry; ``prompts.py`` and its like say what is listed and when that has changed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

from dragoman.mcp import project
from dragoman.mcp.call import Call
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError
from dragoman.mcp.settings import McpSettings
from dragoman.memory.codec import dumps, loads
from dragoman.memory.model import Json

__all__ = ["Pages", "cut", "position"]

_MOST_KEPT: Final = 256
_LONGEST: Final = 32_768
"""Characters of a cursor: pages are kept by theirs, and what a client makes up is not to fill the memory."""
_Entry = Mapping[str, Json]


class Pages:
    """The pages of one list: ``member`` is where a page holds its entries, ``named`` what tells entries apart."""

    def __init__(self, member: str, named: str, settings: McpSettings, server_info: Mapping[str, Json]) -> None:
        self._member = member
        self._named = named
        self._settings = settings
        self._server_info = server_info
        self._kept: dict[tuple[Hashable, ...], bytes] = {}

    def forget(self) -> None:
        """The list has changed: what was made of it is dropped."""
        self._kept.clear()

    def page(self, call: Call, entries: Callable[[], Sequence[_Entry]], seen_as: Hashable = None) -> bytes:
        """The page that a request asks for. ``seen_as`` stands for all that ``entries`` depends on beside the version.

        Raises ``ProtocolError`` for a cursor that is not ours, or between whose entries nothing is left to go on from.
        """
        cursor: Any = call.params.get("cursor")
        if cursor is not None and (not isinstance(cursor, str) or len(cursor) > _LONGEST):
            raise _stale(call)
        key = (call.version, seen_as, cursor)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._made(call, entries())
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = kept
        return kept

    def _made(self, call: Call, entries: Sequence[_Entry]) -> bytes:
        shown, following = cut(call, entries, self._named, self._settings.page_size)
        page: dict[str, Json] = {self._member: shown}
        if following is not None:
            page["nextCursor"] = following
        if call.modern:
            page |= {"ttlMs": self._settings.list_ttl_ms, "cacheScope": "private"}
        return dumps(project.stamp(page, call.modern, self._server_info))


def cut(call: Call, entries: Sequence[_Entry], named: str, size: int) -> tuple[Sequence[_Entry], str | None]:
    """The entries of the page that a request asks for, and the cursor of the next one, if there is one.

    Raises ``ProtocolError`` for a cursor that is not ours, or between whose entries nothing is left to go on from.
    """
    start = position(call, entries, named)
    if start is None:
        raise _stale(call)
    shown, rest = entries[start : start + size], entries[start + size : start + size + 1]
    return shown, _cursor(shown[-1][named], rest[0][named]) if rest else None


def position(call: Call, entries: Sequence[_Entry], named: str) -> int | None:
    """Where the page that a request asks for begins; None where its cursor lies beside none of the entries."""
    cursor: Any = call.params.get("cursor")
    if cursor is None:
        return 0
    if not isinstance(cursor, str) or len(cursor) > _LONGEST:
        raise _stale(call)
    places = {entry[named]: place for place, entry in enumerate(entries)}
    last, following = _read(cursor)
    return places[last] + 1 if last in places else places.get(following)


def _stale(call: Call) -> ProtocolError:
    return ProtocolError(
        INVALID_PARAMS,
        f"{call.request.method}: the cursor is not one of ours, or its list has changed; begin anew.",
    )


def _cursor(last: str, following: str) -> str:
    return base64.urlsafe_b64encode(dumps([last, following])).rstrip(b"=").decode()


def _read(cursor: str) -> tuple[str, str]:
    """The entries between which a cursor lies; empty names where it is none of ours."""
    try:
        read: Any = loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        last, following = read
    except (ValueError, TypeError, binascii.Error):
        return "", ""
    return str(last), str(following)
