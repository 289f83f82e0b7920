"""POSTs to one receiver that others chose, over one connection that is kept: HTTP/1.1, and no more of it than that.

For what is sent often: it costs a tenth of a general client, on the loop that also serves streams. The rules of
``dialling`` hold here too: the address that is dialled is the one that was judged, TLS and Host keep the name, no
redirect is followed, no proxy used. Time-outs are the caller's; knows no queue and no retries.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import httptools
import httpx

from dragoman.auth.dialling import tls
from dragoman.auth.egress import Egress

__all__ = ["Answered", "Poster", "Unanswered"]

_CHUNK = 65_536


class Unanswered(Exception):
    """The receiver could not be reached, or did not answer in HTTP. The message says how, and no secret."""


@dataclass(slots=True)
class Answered:
    """The head of an answer; names of headers are in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    keep: bool = False
    complete: bool = False
    parser: httptools.HttpResponseParser | None = None

    # -- called by httptools ------------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        """The beginning of an answer; what came before was a word ahead of it (RFC 9110, section 15.2)."""
        self.headers.clear()
        if self.complete:  # nobody asked for a second
            self.keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the answer."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The end of its head."""
        if self.parser is not None and not self.complete:
            self.status, self.keep = self.parser.get_status_code(), self.parser.should_keep_alive()

    def on_message_complete(self) -> None:
        """The end of it; nobody wants its body."""
        self.complete = self.status >= 200


class Poster:
    """``limit`` is how many bytes of an answer are read for the sake of keeping the connection."""

    def __init__(self, egress: Egress, url: str, limit: int) -> None:
        """Raises ``httpx.InvalidURL``."""
        self._egress = egress
        self._url = httpx.URL(url)
        self._limit = limit
        self._target = self._url.raw_path.decode("ascii")
        self._host = self._url.netloc.decode("ascii")
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, headers: Mapping[str, str], body: bytes) -> Answered:
        """Send, and read the answer. Raises ``Unanswered``, ``EgressRefused``, ``Unresolved``."""
        request = self._request(headers, body)
        if self._streams is not None:
            answer = await self._exchange(self._streams, request)
            if answer is not None:
                return answer
            # Closed while it was not used, or right now: whoever sends at least once may send again.
        streams = self._streams = await self._connect()
        answer = await self._exchange(streams, request)
        if answer is None:
            raise Unanswered("the connection was closed without an answer")
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    # -- inside -------------------------------------------------------------------------------------------------------
    def _request(self, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = [f"POST {self._target} HTTP/1.1", f"host: {self._host}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise Unanswered("a header holds a line break")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = self._url
        context = tls() if url.scheme == "https" else None
        name = url.raw_host.decode("ascii") if context else None
        port = url.port or (443 if context else 80)
        failure: Exception = Unanswered("it has no address")
        for address in await self._egress.addresses(url):
            try:
                return await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
            except ssl.SSLCertVerificationError as error:
                failure = Unanswered(f"its certificate is not valid: {error.verify_message}")
            except (OSError, ssl.SSLError) as error:
                failure = Unanswered(f"cannot be reached: {getattr(error, 'strerror', None) or type(error).__name__}")
        raise failure

    async def _exchange(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes
    ) -> Answered | None:
        """One request on a connection; None where it was closed before a byte of an answer came."""
        keep = False
        try:
            reader, writer = streams
            writer.write(request)
            await writer.drain()
            answer, keep = await self._read(reader)
            return answer
        except (ConnectionError, ssl.SSLError):
            return None
        finally:
            if not keep:
                self.close()

    async def _read(self, reader: asyncio.StreamReader) -> tuple[Answered | None, bool]:
        """The answer, and whether the connection can be used again."""
        answer = Answered()
        parser = answer.parser = httptools.HttpResponseParser(answer)
        read = 0
        while not answer.complete:
            data = await reader.read(_CHUNK)
            if not data and not read:
                return None, False
            try:
                parser.feed_data(data)
            except httptools.HttpParserUpgrade:
                raise Unanswered("it wants another protocol") from None
            except httptools.HttpParserError:
                raise Unanswered("its answer is not HTTP") from None
            read += len(data)
            if not answer.complete and (not data or read > self._limit):
                # The head says what became of the message; how its body ends does not matter.
                return _headed(answer), False
        return answer, answer.keep


def _headed(answer: Answered) -> Answered:
    if answer.status < 200:
        raise Unanswered("the answer ended, or grew too long, within its head")
    return answer
