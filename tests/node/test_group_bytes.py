"""A commit group is bounded by bytes: what is committed can be backed up."""

from __future__ import annotations

import asyncio

from exchange.cli.backing import records
from exchange.model import header as headers
from exchange.node import settings, writer
from exchange.seal import body
from exchange.store.memory import MemoryStore
from tests.builders import world
from tests.node.running import Gate, post, running, until
from tests.node.test_writer import BASE, done_in


async def test_group_is_bounded_by_bytes_and_splits_no_arrival():
    gate = Gate(MemoryStore())
    texts = [b"{}", b" " * 9000 + b"{}", b"{}", b" " * 3000 + b"{}", b" " * 3000 + b"{}", b"{}"]
    sent = [world().envelope(text=text) for text in texts]
    sizes = [len(each.header) + len(each.body) for each in sent]
    most = sum(sizes[3:5])
    assert sizes[1] > most > sum(sizes[2:4])
    async with running(gate, group_bytes=most) as node:
        gate.shut()
        first = post(node, world().envelope())
        await until(lambda: gate.batches == [1])
        waiting = [post(node, each) for each in sent]
        await until(lambda: len(done_in(node.writer.arrivals._under_way)) == len(sent))
        gate.open.set()
        answers = await asyncio.gather(first, *waiting)
    # The second alone is over it; the next two are within it, the one after is not.
    assert gate.batches == [1, 1, 1, 2, 2]
    assert [answer.receipt.index for answer in answers] == list(range(BASE, BASE + 7))


def test_group_of_the_largest_arrivals_fits_into_one_record_of_a_backup():
    entries_beside = writer.MAX_GROUP * 64 * 1024
    largest = headers.MAX_HEADER_BYTES + body.MAX_BODY_BYTES
    assert (
        writer.MAX_GROUP * largest
        > records._MAX_RECORD_BYTES
        > 2 * (settings.MAX_GROUP_BYTES + largest + entries_beside)
    )
