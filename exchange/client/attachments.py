"""One endpoint's attachments: sealed into the outbox and uploaded; fetched and saved."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from exchange.client import attaching, saving
from exchange.client.uploading import Patience, upload
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from exchange.client.attaching import Attached, File, Tell
    from exchange.client.outbox import Outbox
    from exchange.client.reading import Delivered
    from exchange.client.transport import Transport
    from exchange.model.bulletin.blocks import Attachment
    from exchange.model.header import Blob, Header


class Attachments:
    """See the module. ``pause`` waits for so many seconds, between two attempts."""

    def __init__(
        self,
        transport: Transport,
        outbox: Outbox,
        randomness: Callable[[int], bytes],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        """Use what the agency uses."""
        self._transport = transport
        self._outbox = outbox
        self._randomness = randomness
        self._pause = pause

    async def seal(self, files: Sequence[File], identity: str, tell: Tell) -> list[Attached]:
        """Seal the files of a bulletin into the outbox; see ``attaching.seal``."""
        if files:
            self._outbox.attach(identity)
        return [
            await asyncio.to_thread(
                attaching.seal,
                file,
                identity,
                place,
                self._outbox.attached(identity, place),
                self._randomness,
                tell,
            )
            for place, file in enumerate(files)
        ]

    async def upload(self, header: Header, tell: Tell) -> None:
        """Upload what the outbox holds for a header; see ``uploading.upload``."""
        for place, blob in enumerate(header.attachments):
            sealed = self._outbox.attached(header.id, place)
            await upload(self._transport, sealed, blob, Patience(self._pause), tell)

    async def give_up(self, blobs: Sequence[Blob]) -> bool:
        """Have the node let go of what was uploaded for a header that it will never take in.

        It counts for the endpoint's uploads until then. What is not given up, because the node
        is away, say, expires there by itself (``store.quota``).

        Returns:
            Whether there is nothing to be tried again: it did, or it said no.
        """
        try:
            for blob in blobs:
                with suppress(Refusal):
                    where = f"/v1/uploads/{blob.digest}"
                    await self._transport.delete(where, size=blob.size)
        except Fault:
            return False
        return True

    async def unsealed(
        self, item: Delivered, place: int, folder: Path, tell: Tell
    ) -> Iterator[bytes]:
        """Fetch one as ``save`` does; return what gives its pieces, opened.

        Nothing that is opened is written down: the ciphertext alone lies in ``folder``, and is
        to stay there until the last piece was given. The first piece takes as long as opening
        the whole, which is held to what was promised before any of it is given; it raises what
        ``save`` would.
        """
        part = await self._fetched(item, place, folder, tell)
        told = _told(item, place)
        return saving.unsealed(part, told, item.header.id, place)

    async def save(self, item: Delivered, place: int, folder: Path, tell: Tell) -> Path:
        """Fetch, open and save one; see ``Agency.save``."""
        part = await self._fetched(item, place, folder, tell)
        told = _told(item, place)
        return await asyncio.to_thread(saving.save, part, told, item.header.id, place, folder)

    async def _fetched(self, item: Delivered, place: int, folder: Path, tell: Tell) -> Path:
        """Fetch the ciphertext of one; return where it is."""
        _told(item, place)
        blob = item.header.attachments[place]
        part, patience = saving.part_of(blob, folder), Patience(self._pause)
        await saving.fetch(self._transport, item.index, blob, part, patience, tell)
        return part


def _told(item: Delivered, place: int) -> Attachment:
    if item.bulletin is None:
        raise item.locked or Refusal(Code.CANNOT_DECRYPT)
    return item.bulletin.attachments[place]
