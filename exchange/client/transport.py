"""HTTPS to one node: TLS 1.3 with its certificate pinned, sessions, and problems as errors."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec

from exchange.client import tls
from exchange.client.answers import decoded
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model import objects, wire
from exchange.model.identity import digest
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

T = TypeVar("T")

# No answer of a node is nearly that long: its pages are bounded, and so are the objects.
MAX_ANSWER_BYTES = 64 * 1024 * 1024
# A request that gets no answer for this long is given up; a long poll has its wait on top.
_ANSWER_S = 30
# A piece of an upload: half a mebibyte at 64 kbit/s takes 66 seconds.
_SEGMENT_S = 180
# An answer that is read as it comes may take hours, and may not fall silent.
_STREAMED = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)


class _Asked(NamedTuple):
    """One request, but for who asks."""

    method: str
    path: str
    query: dict[str, str | int]
    data: bytes | None


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint's place in the world: who it is, and the node it trusts by certificate.

    ``anchor`` is the digest of the first root, as the custodians read it aloud.
    """

    endpoint: str
    node: str
    url: str
    certificate: str
    anchor: str

    @property
    def member(self) -> str:
        """The agency that the endpoint belongs to."""
        return self.endpoint.partition("/")[0]


class Transport:
    """A session with the home node. Use it as an async context manager."""

    def __init__(
        self, profile: Profile, signer: jws.Signer | None, clock: Callable[[], int]
    ) -> None:
        """Prepare; nothing is sent before the first call. Without a signer: no session."""
        self._profile = profile
        self._signer = signer
        self._clock = clock
        self._token: str | None = None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        connector = aiohttp.TCPConnector(ssl=tls.pinned(self._profile.certificate), limit=64)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        self._http = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    @property
    def is_in_session(self) -> bool:
        """Whether the node gave us a token, and did not turn it down since."""
        return self._token is not None

    async def get(self, path: str, **query: str | int) -> bytes:
        """Return what the node answers to a read.

        Raises:
            Refusal, Fault: the node's problem; or ``node-unreachable``.
        """
        return await self._in_session("GET", path, query, None)

    async def get_as(self, wanted: type[T], path: str, **query: str | int) -> T:
        """Return a read's answer, decoded."""
        return decoded(await self.get(path, **query), wanted)

    async def post(self, path: str, data: bytes) -> bytes:
        """Return what the node answers to a write.

        Raises:
            Refusal, Fault: the node's problem. ``node-unreachable`` when nothing was sent;
                ``outcome-unknown`` when the answer was lost: ask, or post the same bytes again.
        """
        return await self._in_session("POST", path, {}, data)

    async def ask_in(self, data: bytes) -> bytes:
        """Return what the node answers to a request by invitation, which takes no session.

        Raises:
            Refusal, Fault: as ``post``.
        """
        return await self._send("POST", "/v1/enrolments", {}, data)

    async def patch(self, path: str, data: bytes, **query: str | int) -> bytes:
        """Return what the node answers to a piece of an upload; it is given longer than others.

        Raises:
            Refusal, Fault: as ``post``; after ``outcome-unknown``, ask how far it has come.
        """
        return await self._in_session("PATCH", path, query, data)

    async def delete(self, path: str, **query: str | int) -> bytes:
        """Return what the node answers where something is given up.

        Raises:
            Refusal, Fault: as ``post``; twice does no harm.
        """
        return await self._in_session("DELETE", path, query, None)

    async def stream(self, path: str, **query: str | int) -> AsyncGenerator[bytes, None]:
        """Yield what the node answers to a read, as it comes.

        Raises:
            Refusal, Fault: the node's problem; or ``node-unreachable``, wherever it is cut.
        """
        asked = _Asked("GET", path, query, None)
        while True:
            is_renewed = self._token is None
            token = self._token = self._token or await self._open_session()
            try:
                async with self._answered(asked, token, _STREAMED) as response:
                    async for piece in response.content.iter_any():
                        yield piece
            except Refusal as refusal:
                if refusal.code is not Code.BAD_TOKEN or is_renewed:
                    raise
                self._token = None
            else:
                return

    async def _in_session(
        self, method: str, path: str, query: dict[str, str | int], data: bytes | None
    ) -> bytes:
        if self._token is None:
            self._token = await self._open_session()
        try:
            return await self._send(method, path, query, data, self._token)
        except Refusal as refusal:
            if refusal.code is not Code.BAD_TOKEN:
                raise
        # Tokens end, and end with the node's key: prove possession once more, once.
        self._token = await self._open_session()
        return await self._send(method, path, query, data, self._token)

    async def _open_session(self) -> str:
        if self._signer is None:
            message = "a transport without a signer opens no session"
            raise RuntimeError(message)
        challenge = decoded(await self._send("GET", "/v1/nonce", {}, None), wire.Nonce)
        if challenge.node != self._profile.node:
            raise Refusal(Code.BAD_SESSION, "/node", expected=self._profile.node)
        request = objects.SessionRequest(
            v="xb1",
            suite=self._signer.suite,
            origin=self._profile.member,
            endpoint=self._profile.endpoint,
            node=challenge.node,
            nonce=challenge.nonce,
            issued=self._clock(),
        )
        signed = jws.sign(msgspec.json.encode(request), objects.SESSION_TYP, [self._signer])
        answer = await self._send("POST", "/v1/session", {}, signed)
        return decoded(answer, objects.Answered).token

    async def _send(
        self,
        method: str,
        path: str,
        query: dict[str, str | int],
        data: bytes | None,
        token: str | None = None,
    ) -> bytes:
        seconds = _SEGMENT_S if method == "PATCH" else _ANSWER_S + int(query.get("wait", 0))
        asked, total = _Asked(method, path, query, data), aiohttp.ClientTimeout(total=seconds)
        async with self._answered(asked, token, total) as response:
            return await _bounded(response)

    @asynccontextmanager
    async def _answered(
        self, asked: _Asked, token: str | None, limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask, and give out an answer that is no problem; its bytes are still to be read."""
        if self._http is None:
            message = "use the transport as an async context manager"
            raise RuntimeError(message)
        try:
            async with self._http.request(
                asked.method,
                self._profile.url + asked.path,
                params=asked.query,
                data=asked.data,
                headers={"Authorization": f"Bearer {token}"} if token else {},
                timeout=limits,
                # Nothing is sent where the profile does not say, least of all a token.
                allow_redirects=False,
            ) as response:
                if response.status >= 300:
                    raise error_of(await _bounded(response), response.status)
                yield response
        except aiohttp.ClientConnectorError as error:
            raise Fault(
                Code.NODE_UNREACHABLE, name=self._profile.url, found=_kind(error)
            ) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            code = Code.NODE_UNREACHABLE if asked.method == "GET" else Code.OUTCOME_UNKNOWN
            raise Fault(code, name=self._profile.url, found=_kind(error)) from error


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise Fault(Code.OVERSIZED, limit=MAX_ANSWER_BYTES)
    return bytes(body)


def _kind(error: BaseException) -> str:
    # The kind of fault and no more: library messages may quote what was sent.
    return type(error).__name__


def certificate_digest(certificate: str) -> str:
    """Return the SHA-256 of a certificate (PEM), as trust documents spell it."""
    return digest(ssl.PEM_cert_to_DER_cert(certificate))


def certificate_at(url: str, pin: str) -> str:
    """Return the certificate (PEM) that a node shows, once it is the one that was told.

    Raises:
        Refusal: ``digest-mismatch``: it is another; ``bad-invitation``: that is no address.
        Fault: ``node-unreachable``.
    """
    try:
        where = urlsplit(url)
        host, port = where.hostname, where.port or 443
    except ValueError:
        raise Refusal(Code.BAD_INVITATION, "/url") from None
    if where.scheme != "https" or not host:
        raise Refusal(Code.BAD_INVITATION, "/url")
    try:
        # Whoever it is: only its digest decides, and nothing is said to it before.
        found = ssl.get_server_certificate((host, port), timeout=10)
    except OSError as error:
        raise Fault(Code.NODE_UNREACHABLE, name=url, found=_kind(error)) from error
    if certificate_digest(found) != pin:
        raise Refusal(Code.DIGEST_MISMATCH, "/tls", expected=pin)
    return found


async def group_of(profile: Profile) -> str:
    """Return the group in which a node and this machine exchange TLS's keys.

    Raises:
        Fault: ``node-unreachable``.
    """
    where = urlsplit(profile.url)
    context = tls.pinned(profile.certificate)
    try:
        async with asyncio.timeout(10):
            _, writer = await asyncio.open_connection(
                where.hostname, where.port or 443, ssl=context, server_hostname=where.hostname
            )
    except (TimeoutError, OSError) as error:
        raise Fault(Code.NODE_UNREACHABLE, name=profile.url, found=_kind(error)) from error
    session: tls.Session = writer.get_extra_info("ssl_object")
    group = session.group() or ""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return group


# The node is not there or takes nothing now: of no single thing that was asked for.
AWAY = frozenset(
    {
        *(Code.NODE_UNREACHABLE, Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN, Code.CLOCK),
        # As a fault: too much of ours is under way, again and again (``bodies``).
        Code.TOO_MANY,
    }
)


def is_away(error: ExchangeError) -> bool:
    """Tell whether an error says of the node that it is away, and of nothing else."""
    return isinstance(error, Fault) and error.code in AWAY


def error_of(body: bytes, status: int) -> ExchangeError:
    """Return a node's problem document as the error it stands for."""
    try:
        problem = decoded(body, wire.Problem)
    except Fault:
        return Fault(Code.UNAVAILABLE, found=status)
    try:
        code = Code(problem.code)
    except ValueError:
        # A newer node's no is a no, though we have no words for it.
        code = Code.NOT_UNDERSTOOD if problem.status < 500 else Code.UNAVAILABLE
    kind = Fault if problem.status >= 500 else Refusal
    # The node chooses the names of facts; these would be taken for the error's own arguments.
    facts = {k: v for k, v in problem.facts.items() if k not in {"self", "code", "at"}}
    error = kind(code, problem.at, **facts)
    error.receipt = problem.receipt
    return error
