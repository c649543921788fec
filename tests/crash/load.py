"""Agencies at work on a node that will be killed: what they sent, what they were told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from exchange.cli import world
from exchange.client.transport import Transport, error_of
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.journal import checkpoint
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects, wire
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.model.objects import Receipt
from exchange.model.wire import InboxItem
from exchange.seal import jws
from tests.crash.dice import Dice
from tests.crash.exercise import POSTERS, READERS, Exercise

# Refusals that say nothing of the object: the node was going down, or did not know us yet.
_AT_THE_DOOR = {Code.BAD_TOKEN, Code.NO_TOKEN, Code.TOO_MANY}


class Sent:
    """One object, and everything that its poster was ever told of it."""

    def __init__(self, caller: str, raw: bytes, body: bytes, owed: Sequence[str]) -> None:
        self.caller, self.raw, self.body, self.owed = caller, raw, body, tuple(owed)
        self.receipts: list[Receipt] = []
        self.refused: Code | None = None
        self.is_unknown = False
        # What an honest node must say of it; None: it is to be taken in.
        self.must_be: Code | None = None

    def framed(self) -> bytes:
        return self.raw + b"\n" + self.body + b"\n"

    def told(self, answer: Receipt | ExchangeError) -> None:
        if isinstance(answer, Receipt):
            self.receipts.append(answer)
            self.is_unknown = False
        elif isinstance(answer, Refusal) and answer.code not in _AT_THE_DOOR:
            self.refused = answer.code
            self.is_unknown = False
        elif not self.receipts:
            self.is_unknown = True


class Told:
    """The agencies' memory over all kills."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.inboxes: dict[str, list[InboxItem]] = defaultdict(list)
        self.checkpoints: list[bytes] = []

    def unknown(self) -> list[Sent]:
        return [each for each in self.sent if each.is_unknown]


class Agencies:
    """Posters and readers of one round."""

    def __init__(self, exercise: Exercise, told: Told, dice: Dice, port: int) -> None:
        self._exercise, self._told, self._dice, self._port = exercise, told, dice, port

    async def work(self, until: asyncio.Event) -> None:
        """Post and read until told to stop; a node that is gone ends nobody's work."""
        tasks = [
            *(self._single(name) for name in POSTERS),
            *(self._batches(name) for name in POSTERS[:2]),
            self._attaching(POSTERS[2]),
            self._again(),
            *(self._reader(name) for name in READERS),
        ]
        running = [asyncio.ensure_future(each) for each in tasks]
        stop = asyncio.ensure_future(until.wait())
        await asyncio.wait([*running, stop], return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        ended = await asyncio.gather(*running, return_exceptions=True)
        for end in ended:
            if isinstance(end, Exception) and not isinstance(end, Fault):
                raise end

    async def settle(self) -> None:
        """Post again, byte for byte, whatever has no answer yet."""
        by_caller: dict[str, list[Sent]] = defaultdict(list)
        for each in self._told.unknown():
            by_caller[each.caller].append(each)
        for caller, waiting in by_caller.items():
            async with self._transport(caller) as transport:
                for each in waiting:
                    await _post(transport, each)

    async def catch_up(self) -> None:
        """Read every inbox to its end."""
        for name in READERS:
            async with self._transport(name) as transport:
                while await self._page(transport, name, 0):
                    pass

    @asynccontextmanager
    async def _transport(self, endpoint: str) -> AsyncIterator[Transport]:
        async with self._exercise.transport(endpoint, self._port) as transport:
            yield transport

    def _new(self, poster: str, dice: Dice, attached: Sequence[Blob] = ()) -> Sent:
        to = dice.some([each for each in READERS if each != poster])
        envelope = self._exercise.envelope(poster, to, attached)
        sent = Sent(poster, envelope.header, envelope.body, to)
        self._told.sent.append(sent)
        return sent

    def _misdirected(self, poster: str, dice: Dice) -> Sent:
        """A bulletin that somebody can open who is none of its recipients."""
        (to,) = {dice.pick([each for each in READERS if each != poster])}
        other = dice.pick([each for each in READERS if each != to])
        envelope = self._exercise.envelope(poster, [to], sealed_to=[other])
        sent = Sent(poster, envelope.header, envelope.body, [to])
        sent.must_be = Code.WRAPS_MISMATCH
        self._told.sent.append(sent)
        return sent

    async def _single(self, poster: str) -> None:
        dice = self._dice.fork(f"single/{poster}")
        async with self._transport(poster) as transport:
            while True:
                is_honest = dice.below(8) > 0
                made = self._new if is_honest else self._misdirected
                await _post(transport, made(poster, dice))

    async def _attaching(self, poster: str) -> None:
        """Upload what stands for a ciphertext, in two pieces, and post what names it."""
        dice = self._dice.fork(f"attaching/{poster}")
        async with self._transport(poster) as transport:
            while True:
                data = world.randomness(2 + dice.below(60_000))
                blob, half = Blob(digest(data), len(data)), len(data) // 2
                where = f"/v1/uploads/{blob.digest}"
                for at, piece in ((0, data[:half]), (half, data[half:])):
                    await transport.patch(where, piece, size=blob.size, offset=at)
                await _post(transport, self._new(poster, dice, [blob]))

    async def _batches(self, poster: str) -> None:
        """Batches, in which now and then one stands twice."""
        dice = self._dice.fork(f"batch/{poster}")
        async with self._transport(poster) as transport:
            while True:
                batch = [self._new(poster, dice) for _ in range(1 + dice.below(12))]
                if dice.below(3) == 0:
                    batch.append(dice.pick(batch))
                await _post_batch(transport, batch)

    async def _again(self) -> None:
        """Post again what has its receipt long since, as one does who lost a note of it."""
        dice = self._dice.fork("again")
        async with self._transport(POSTERS[0]) as transport:
            while True:
                mine = [
                    each
                    for each in self._told.sent
                    if each.caller == POSTERS[0] and each.receipts
                ]
                if mine:
                    await _post(transport, dice.pick(mine))
                else:
                    await asyncio.sleep(0.01)

    async def _reader(self, name: str) -> None:
        """Follow an inbox, acknowledge some of it, and keep the checkpoints shown."""
        dice = self._dice.fork(f"reader/{name}")
        async with self._transport(name) as transport:
            while True:
                items = await self._page(transport, name, 1)
                for item in items:
                    if dice.below(4) == 0:
                        await self._acknowledge(transport, name, item)
                await self._checkpoint(transport)

    async def _checkpoint(self, transport: Transport) -> None:
        try:
            self._told.checkpoints.append(await transport.get("/v1/checkpoint"))
        except Refusal as refusal:
            if refusal.code is not Code.NOT_FOUND:  # there is none in the first moments
                raise

    async def _page(self, transport: Transport, name: str, wait_s: int) -> list[InboxItem]:
        held = self._told.inboxes[name]
        after = held[-1].index if held else -1
        page = await transport.get_as(
            wire.InboxPage, "/v1/inbox", after=after, limit=64, wait=wait_s
        )
        held += page.items
        return page.items

    async def _acknowledge(self, transport: Transport, name: str, item: InboxItem) -> None:
        entry = entries.decode(item.entry.encode())
        if isinstance(entry.facts, entries.Accepted):
            signed = jws.read(entry.object, headers.MAX_HEADER_BYTES)
            header = headers.decode(signed.payload)
            raw = self._exercise.ack(name, entry.object, header)
            sent = Sent(name, raw, b"", [header.endpoint])
            self._told.sent.append(sent)
            await _post(transport, sent)


async def _post(transport: Transport, sent: Sent) -> None:
    sent.is_unknown = not sent.receipts
    try:
        answer = await transport.post("/v1/objects", sent.framed())
    except ExchangeError as error:
        sent.told(error)
        if isinstance(error, Fault):
            raise
    else:
        sent.told(msgspec.json.decode(answer, type=Receipt))


async def _post_batch(transport: Transport, batch: Sequence[Sent]) -> None:
    for each in batch:
        each.is_unknown = not each.receipts
    answer = await transport.post("/v1/batch", b"".join(each.framed() for each in batch))
    lines = wire.decode_lines(answer)
    for each, line in zip(batch, lines, strict=True):
        if line.problem is not None:
            problem = msgspec.json.encode(line.problem)
            each.told(error_of(problem, line.problem.status))
        elif line.receipt is not None:
            each.told(line.receipt)


def size_of(note: bytes) -> tuple[int, bytes]:
    """The size and root that a checkpoint promises."""
    promised = checkpoint.parse(note)
    return promised.size, promised.root


__all__ = ["Agencies", "Sent", "Told", "objects", "size_of"]
