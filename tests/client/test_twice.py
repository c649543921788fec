"""The same thing posted twice by its program: it is there once, and nothing of it is lost."""

from __future__ import annotations

import msgspec
import pytest

from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from tests.api.serving import serving
from tests.client.attached import a_file, node
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


async def test_what_was_refused_and_went_under_its_id_later_is_listed_once(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        prepared = await line.prepare(draft())
        box, identity = line.world.outbox, prepared.header.id
        late = msgspec.structs.replace(prepared.header, expires=prepared.header.issued)
        with pytest.raises(Refusal):
            await line.post(msgspec.structs.replace(prepared, header=late))
        (refused,) = box.refused()
        await line.queue(prepared)
        assert (box.waiting(), box.refused()) == ([identity], [])
        await line.resume()
        # Beside a receipt, as an older version left it; and where it went from elsewhere.
        receipt, envelope = box.receipt(identity), box.envelope(identity)
        for settled in (
            lambda: box.settle(identity, receipt),
            lambda: box.take_back(identity, envelope, receipt),
        ):
            line.world.cabinet.put("posted.refused", identity, msgspec.json.encode(refused))
            assert box.refused() == [refused]
            settled()
            assert box.refused() == []
            line.world.cabinet.drop("posted.sealed", identity)


async def test_file_that_changed_under_its_name_and_size_is_something_else(tmp_path):
    async with node(tmp_path) as door, agency(door.url, tmp_path / "box") as line:
        file = a_file(tmp_path, size=70_000)
        before = file.read_bytes()
        prepared = await line.prepare(draft(), attach=[file])
        for way in (line.queue, line.post):
            first = await way(prepared)
            file.write_bytes(before[::-1])
            for again in (line.queue, line.post):
                with pytest.raises(Refusal) as caught:
                    await again(prepared)
                assert caught.value.code is Code.ID_REUSED
            file.write_bytes(before)
            assert await way(prepared) == first
        file.unlink()
        with pytest.raises(Fault) as fault:
            await line.post(prepared)
        assert (fault.value.code, fault.value.at) == (Code.STORE_FAILED, "/attachments/0")
