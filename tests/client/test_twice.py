"""The same thing posted twice by its program: it is there once, and nothing of it is lost."""

from __future__ import annotations

from exchange.model import entry as entries
from tests.api.serving import serving
from tests.client.dealing import agency, draft
from tests.node.running import journal


async def test_what_was_posted_is_answered_with_its_receipt_when_it_is_posted_again(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        prepared = await line.prepare(draft())
        receipt = await line.post(prepared)
        assert await line.post(prepared) == receipt
        box, identity = line.world.outbox, prepared.header.id
        assert (box.sent(), box.waiting(), box.refused()) == ([identity], [], [])
        # It can still be granted and read by its author.
        assert line.world.kept.has(identity)
        assert not [
            each for each in await journal(door.node) if isinstance(each.facts, entries.Refused)
        ]


async def test_what_waits_goes_as_it_was_sealed_when_it_is_posted_again(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        prepared = await line.prepare(draft())
        identity = await line.queue(prepared)
        waiting = line.world.outbox.envelope(identity)
        assert await line.queue(prepared) == identity
        assert line.world.outbox.envelope(identity) == waiting
        await line.post(prepared)
        (entry,) = [
            each.object
            for each in await journal(door.node)
            if isinstance(each.facts, entries.Accepted)
        ]
        assert entry == waiting.header
