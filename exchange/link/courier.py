"""Carries a node's checkpoints to its witnesses over HTTPS, each held to its certificate.

What a witness says is proved by its signature, so the connection protects no more than how long
the journal is. An address may end in ``#sha256=`` and the digest of the witness's certificate,
as ``exchange witness found`` prints it; without any such end, the machine's own authorities
decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import aiohttp

from exchange.client import tls
from exchange.errors import Code, Fault, Refusal
from exchange.journal.note import MAX_NOTE_BYTES
from exchange.journal.quorum import PIN
from exchange.model.codec import unb64

if TYPE_CHECKING:
    from exchange.journal.quorum import Witness

# A link may take 600 ms for each way; a witness that takes longer than this is asked again.
_ANSWER_S: Final = 10
_TEXT: Final = "application/octet-stream"


class Courier:
    """Meets ``node.ports.Courier``. Use it as an async context manager."""

    def __init__(self) -> None:
        """Prepare; nothing is sent before the first call."""
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S, sock_connect=5)
        self._http = aiohttp.ClientSession(timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def add(self, witness: Witness, request: bytes) -> tuple[int, bytes]:
        """Return the status and body of a witness's answer to a checkpoint."""
        return await self._post(witness, "add-checkpoint", request)

    async def remembered(self, witness: Witness, note: bytes) -> bytes | None:
        """Return the newest checkpoint of our log that a witness cosigned, if any."""
        status, body = await self._post(witness, "get-checkpoint", note)
        return body if status == 200 else None

    async def _post(self, witness: Witness, path: str, data: bytes) -> tuple[int, bytes]:
        if self._http is None:
            message = "use the courier as an async context manager"
            raise RuntimeError(message)
        url, _, pin = witness.url.partition(PIN)
        # Another end would be left out of the check, and of nothing else.
        if not url.startswith("https://") or "#" in url:
            raise Fault(Code.NODE_UNREACHABLE, name=witness.name, expected="https")
        try:
            pinned = tls.pinned_to(unb64(pin)) if pin else True
            async with self._http.post(
                f"{url.removesuffix('/')}/{path}",
                data=data,
                headers={"Content-Type": _TEXT},
                ssl=pinned,
                # Nothing is sent where the nations did not agree on.
                allow_redirects=False,
            ) as answer:
                return answer.status, await _bounded(answer)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, Refusal) as error:
            kind = type(error).__name__
            raise Fault(Code.NODE_UNREACHABLE, name=witness.name, found=kind) from error


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > MAX_NOTE_BYTES:
            message = "longer than any answer of a witness"
            raise ValueError(message)
    return bytes(body)
