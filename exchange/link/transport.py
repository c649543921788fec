"""Ask another node for what crosses: one session, held to the certificate in the directory."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final, Self

import aiohttp
import msgspec

from exchange.client import tls
from exchange.client.answers import decoded
from exchange.errors import Code, Fault, Refusal
from exchange.link import leaves, pages
from exchange.link.pages import NOTHING
from exchange.model import peers, wire
from exchange.model.codec import unb64
from exchange.seal import jws

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

    from exchange.link.leaves import Told
    from exchange.link.pages import Asked, Page
    from exchange.model.trust import Node
    from exchange.seal.jws import Signer

# A page waits for news that long at the other side, and the link may be slow besides (seconds).
WAIT_S: Final = 10
_ANSWER_S: Final = 25
# Where packets vanish, silence is all that tells: an idle connection is tried after so many
# seconds, and what was sent is acknowledged within so many milliseconds, or the link is down.
_KEEPALIVE: Final = {
    "TCP_KEEPIDLE": 5,
    "TCP_KEEPINTVL": 3,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 15_000,
}
_MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024


class Peer:
    """Another nation's node, as it answers. Use it as an async context manager."""

    def __init__(
        self,
        url: str,
        names: tuple[str, str],
        document: Callable[[], Node],
        signer: Callable[[], Signer],
        clock: Callable[[], int],
    ) -> None:
        """Prepare; nothing is sent before the first call.

        Args:
            url: where it answers other nodes.
            names: ours and its own.
            document: what the directory says of it now.
            signer: who signs for us now.
            clock: seconds UTC.
        """
        self.node = names[1]
        # For how long a page waits for news at the other side (seconds).
        self.wait_s = WAIT_S
        self._answers = False
        # How long the newest answer took to come, from its first byte to the last (seconds).
        self._came_s = 0.0
        self._us = names[0]
        self._url = url.removesuffix("/")
        self._document = document
        self._signer = signer
        self._clock = clock
        self._token = ""
        self._pin = ""
        self._tls: ssl.SSLContext | None = None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_ANSWER_S)
        connector = aiohttp.TCPConnector(socket_factory=_socket)
        self._http = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def entries(self, after: int, since: int, asked: Asked = NOTHING) -> Page:
        """Return what crosses after an index, under a checkpoint no older than ``since``."""
        # At the first page after a silence, that it answers is the news.
        wait_s = self.wait_s if self._answers else 0
        query = {"after": str(after), "since": str(since), "wait": str(wait_s)}
        if asked.told:
            query["told"] = ".".join(map(str, asked.told))
        if asked.again:
            query["again"] = ".".join(map(str, asked.again))
        if asked.trust is not None:
            query["trust"] = str(asked.trust)
        if asked.most < pages.MAX_ITEMS:
            query["most"] = str(asked.most)
        if asked.heads:
            query["heads"] = str(asked.heads)
        self._answers = False
        page = pages.decode(await self._in_session("/entries", query), self.node)
        self._answers = True
        return page._replace(came_s=self._came_s)

    async def leaves(self, first: int, size: int) -> Told:
        """Return leaf hashes from an entry on, which lead to a checkpoint of this size."""
        query = {"from": str(first), "size": str(size)}
        return leaves.decode(await self._in_session("/leaves", query), self.node)

    async def pieces(
        self, digest: str, index: int, by: int, offset: int
    ) -> AsyncIterator[bytes]:
        """Yield the bytes of an attachment from an offset on."""
        query = {"index": str(index), "by": str(by), "offset": str(offset)}
        for is_last in (False, True):
            token = self._token = self._token or await self._open_session()
            try:
                async with self._asked("GET", f"/blobs/{digest}", query, token) as answer:
                    if answer.status < 300:
                        async for piece in answer.content.iter_chunked(256 * 1024):
                            yield piece
                        return
                    error = _error_of(await _bounded(answer), answer.status)
            except (TimeoutError, aiohttp.ClientError, OSError) as cut:
                raise self._cut(cut) from cut
            # It may have been started again, or an hour is over.
            if error.code is not Code.BAD_TOKEN or is_last:
                raise error
            self._token = ""

    async def _in_session(self, path: str, query: dict[str, str]) -> bytes:
        for is_last in (False, True):
            self._token = self._token or await self._open_session()
            try:
                return await self._send("GET", path, query, self._token)
            except Refusal as refusal:
                if refusal.code is not Code.BAD_TOKEN or is_last:
                    raise
                self._token = ""
        raise AssertionError

    async def _open_session(self) -> str:
        challenge = decoded(await self._send("GET", "/nonce", {}), wire.Nonce)
        if challenge.node != self.node:
            raise Refusal(Code.BAD_SESSION, "/node", expected=self.node)
        signer = self._signer()
        request = peers.PeerRequest(
            v="xb1",
            suite=signer.suite,
            node=self._us,
            to=self.node,
            nonce=challenge.nonce,
            issued=self._clock(),
        )
        raw = jws.sign(msgspec.json.encode(request), peers.TYP, [signer])
        return decoded(await self._send("POST", "/session", {}, data=raw), wire.LinkToken).token

    async def _send(
        self, method: str, path: str, query: dict[str, str], token: str = "", data: bytes = b""
    ) -> bytes:
        try:
            async with self._asked(method, path, query, token, data) as answer:
                begun = asyncio.get_running_loop().time()
                body = await _bounded(answer)
                self._came_s = asyncio.get_running_loop().time() - begun
                if answer.status >= 300:
                    raise _error_of(body, answer.status)
                return body
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._cut(error) from error

    def _cut(self, error: Exception) -> Fault:
        return Fault(Code.NODE_UNREACHABLE, name=self.node, found=type(error).__name__)

    def _asked(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        token: str,
        data: bytes = b"",
    ) -> aiohttp.client._RequestContextManager:
        if self._http is None:
            message = "use the peer as an async context manager"
            raise RuntimeError(message)
        return self._http.request(
            method,
            self._url + path,
            params=query,
            data=data or None,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            # The very certificate that both nations signed for, whoever vouches for it.
            ssl=self._pinned(self._document().tls),
            allow_redirects=False,
        )

    def _pinned(self, pin: str) -> ssl.SSLContext:
        """Return the context of a pin; the same while it is, so that connections are kept."""
        if self._tls is None or pin != self._pin:
            self._pin, self._tls = pin, tls.pinned_to(unb64(pin))
        return self._tls


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        # Not every system has each of them; `_ANSWER_S` ends a silence there.
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _MAX_ANSWER_BYTES:
            raise Fault(Code.OVERSIZED, limit=_MAX_ANSWER_BYTES)
    return bytes(body)


def _error_of(body: bytes, status: int) -> Refusal | Fault:
    try:
        told = msgspec.json.decode(body, type=wire.LinkProblem)
        code = Code(told.code)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return Fault(Code.UNAVAILABLE, found=status)
    return Fault(code, told.at) if status >= 500 else Refusal(code, told.at)
