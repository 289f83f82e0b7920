"""What is sent is sent whole, to the address that was judged, and what comes back is understood as HTTP/1.1 has it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from dragoman.auth import dialling
from dragoman.auth.egress import Egress, EgressRefused, Resolver
from dragoman.auth.posting import Poster, Unanswered

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
NAME = "hooks.example"


class Peer:
    """Gives one answer to each request, and closes the connection where ``keeps`` is off."""

    def __init__(self, answer: bytes, keeps: bool) -> None:
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        self.connections = 0
        self.port = 0
        self._answer = answer
        self._keeps = keeps

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                writer.write(self._answer)
                await writer.drain()
                if not self._keeps:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def peer(answer: bytes = OK, *, keeps: bool = True, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Peer]:
    there = Peer(answer, keeps)
    if tls is not None:
        tls.sni_callback = lambda _, name, __: there.names.append(name)
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0, ssl=tls)
    there.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(10):
            yield there
    finally:
        server.close()


def at(*addresses: str) -> Resolver:
    async def answer(host: str, port: int) -> Sequence[str]:
        return addresses

    return answer


@asynccontextmanager
async def poster(url: str, *, addresses: Sequence[str] = ("127.0.0.1",), limit: int = 1000) -> AsyncGenerator[Poster]:
    made = Poster(Egress(["127.0.0.0/8"], resolver=at(*addresses)), url, limit)
    try:
        yield made
    finally:
        made.close()


async def test_a_request_arrives_whole_and_its_connection_is_kept() -> None:
    async with peer() as there, poster(f"http://{NAME}:{there.port}/a%20b?c=d") as to:
        for body in (b"first", b"second"):
            answer = await to.post({"x-token": "t"}, body)
            assert (answer.status, answer.headers["content-length"]) == (200, "2")
        head, body = there.requests[1].split(b"\r\n\r\n")
        assert body == b"second"
        assert head.startswith(b"POST /a%20b?c=d HTTP/1.1\r\n")
        assert f"host: {NAME}:{there.port}".encode() in head
        assert b"x-token: t" in head
        assert there.connections == 1


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", 202),
        (b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n" + OK, 200),
        (b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n", 307),
        (b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\ncontent-length: 0\r\n\r\n", 429),
    ],
)
async def test_answers_of_all_shapes_are_read_and_the_connection_is_kept(answer: bytes, status: int) -> None:
    async with peer(answer) as there, poster(f"http://{NAME}:{there.port}/") as to:
        for _ in range(2):
            told = await to.post({}, b"")
            assert told.status == status
            assert told.headers.get("retry-after") == ("7" if status == 429 else None)
            assert "link" not in told.headers
        assert there.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        OK + OK,
        b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n" + b"x" * 300_000,
    ],
    ids=["told to close", "HTTP/1.0", "two answers", "more than is read"],
)
async def test_a_connection_that_cannot_be_kept_is_not(answer: bytes) -> None:
    async with peer(answer) as there, poster(f"http://{NAME}:{there.port}/") as to:
        assert [(await to.post({}, b"")).status for _ in range(2)] == [200, 200]
        assert there.connections == 2


async def test_an_answer_that_ends_with_its_connection_counts() -> None:
    async with peer(b"HTTP/1.1 200 OK\r\n\r\nok", keeps=False) as there, poster(f"http://{NAME}:{there.port}/") as to:
        assert (await to.post({}, b"")).status == 200


async def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    async with peer(keeps=False) as there, poster(f"http://{NAME}:{there.port}/") as to:
        assert [(await to.post({}, b"")).status for _ in range(3)] == [200, 200, 200]
        assert there.connections == 3


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent", "within its head"),
        (b"HTTP/1.1 200 OK\r\n" + b"x-more: and more\r\n" * 500, "grew too long"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "another protocol"),
    ],
)
async def test_what_is_no_answer_is_told(answer: bytes, says: str) -> None:
    async with peer(answer, keeps=False) as there, poster(f"http://{NAME}:{there.port}/") as to:
        with pytest.raises(Unanswered, match=says):
            await to.post({}, b"")


async def test_a_header_never_holds_a_second_one() -> None:
    async with peer() as there, poster(f"http://{NAME}:{there.port}/") as to:
        with pytest.raises(Unanswered, match="line break"):
            await to.post({"x-token": "a\r\nx-other: b"}, b"")
        assert there.requests == []


async def test_the_next_address_is_tried_and_a_refused_one_never() -> None:
    async with peer() as there:
        async with poster(f"http://{NAME}:{there.port}/", addresses=("127.0.0.2", "127.0.0.1")) as to:
            assert (await to.post({}, b"")).status == 200
        async with poster(f"http://{NAME}:{there.port}/", addresses=("127.0.0.1", "10.0.0.1")) as to:
            with pytest.raises(EgressRefused):
                await to.post({}, b"")
        async with poster(f"http://{NAME}:{there.port}/", addresses=("127.0.0.2",)) as to:
            with pytest.raises(Unanswered, match="cannot be reached"):
                await to.post({}, b"")


# -- TLS --------------------------------------------------------------------------------------------------------------
def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for a name, and the file of who vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    authority, pair = folder / "authority.pem", folder / "pair.pem"
    authority.write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pair.write_bytes(private + authority.read_bytes())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair)
    return context, authority


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Lets a test set SSL_CERT_FILE, which is read once."""
    dialling.tls.cache_clear()
    yield monkeypatch
    dialling.tls.cache_clear()


async def test_tls_keeps_the_name_while_the_judged_address_is_dialled(
    tmp_path: Path, trusting: pytest.MonkeyPatch
) -> None:
    context, authority = certified(tmp_path, NAME)
    trusting.setenv("SSL_CERT_FILE", str(authority))
    async with peer(tls=context) as there:
        async with poster(f"https://{NAME}:{there.port}/") as to:
            assert [(await to.post({}, b"x")).status for _ in range(2)] == [200, 200]
        assert (there.names, there.connections) == ([NAME], 1)
        async with poster(f"https://other.example:{there.port}/") as to:
            with pytest.raises(Unanswered, match="certificate is not valid"):
                await to.post({}, b"x")


async def test_a_certificate_that_nobody_vouches_for_is_not_taken(tmp_path: Path) -> None:
    context, _ = certified(tmp_path, NAME)
    async with peer(tls=context) as there, poster(f"https://{NAME}:{there.port}/") as to:
        with pytest.raises(Unanswered, match="certificate is not valid"):
            await to.post({}, b"x")
        assert there.requests == []
