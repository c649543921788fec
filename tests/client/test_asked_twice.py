"""The same thing asked for release twice by its program: nothing of it is lost or doubled."""

from __future__ import annotations

import asyncio
import threading
from typing import ClassVar

import msgspec
import pytest

from exchange.client import attaching, documenting, separating
from exchange.client.reading import Drafted
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model.identity import digest
from exchange.seal import jws
from tests.api.serving import serving
from tests.builders import DESK, NOW, WATCH
from tests.client.attached import a_file, node
from tests.client.dealing import agency, draft
from tests.client.foureyes import MARK, approved, guarded, line, red, taken_up
from tests.node.running import journal


def quiet(*_):
    """Tell nobody how it goes."""


async def accepted(door):
    found = await journal(door.node)
    assert not [each for each in found if isinstance(each.facts, entries.Refused)]
    return [each.object for each in found if isinstance(each.facts, entries.Accepted)]


@pytest.mark.parametrize("mark", [MARK, ""])
async def test_what_was_released_and_posted_stays_whole_when_it_is_asked_for_again(
    tmp_path, mark
):
    async with guarded(tmp_path) as door:
        async with line(door, tmp_path) as author:
            prepared = await author.prepare(red())
            asked = await author.asking.ask(prepared, mark, quiet)
            # While it waits: once more, nothing is made.
            assert await author.asking.ask(prepared, mark, quiet) == asked
            assert len(author.asking.waiting.all()) == 1
        await approved(door, tmp_path, "b")
        (receipt,) = await taken_up(door, tmp_path)
        async with line(door, tmp_path) as author:
            await author.view()
            again = await author.asking.ask(prepared, mark, quiet)
            assert (again.of, again.ended) == (asked.of, "posted")
            assert await author.resume() == []
            box, identity = author.world.outbox, prepared.header.id
            (posted,) = await accepted(door)
            assert box.envelope(identity).header == posted
            assert box.receipt(identity) == receipt
            # Still its author's, to read and to grant.
            assert documenting.own_text(author, prepared.header) is not None
            assert author.world.kept.has(identity)
        async with line(door, tmp_path, "pa.senan/desk") as desk:
            drafts = [each for each in await desk.everything() if isinstance(each, Drafted)]
            assert len({each.draft.of for each in drafts}) == 1


async def test_what_is_declined_under_its_id_later_leaves_what_went(tmp_path):
    """A withdrawal of what was kept by mistake takes nothing with it that has a receipt."""
    async with guarded(tmp_path) as door:
        async with line(door, tmp_path) as author:
            prepared = await author.prepare(red())
            asked = await author.asking.ask(prepared, MARK, quiet)
        await approved(door, tmp_path, "b")
        await taken_up(door, tmp_path)
        async with line(door, tmp_path) as author:
            author.asking._over.note(msgspec.structs.replace(asked, ended="declined"))
            author.asking._over.clear(asked)
            assert author.world.kept.has(asked.id)
            assert author.world.outbox.envelope(asked.id) is not None


async def test_what_was_taken_back_may_be_asked_for_again_and_leaves_no_digest(tmp_path):
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        prepared = await author.prepare(red())
        asked = await author.asking.ask(prepared, MARK, quiet)
        assert author.world.outbox.reviewed(asked.id)
        await author.asking.withdraw(asked, quiet)
        assert author.world.outbox.reviewed(asked.id) is None
        again = await author.asking.ask(prepared, MARK, quiet)
        assert (again.id, again.ended) == (asked.id, None)
        assert await author.asking.ask(prepared, MARK, quiet) == again


async def test_something_else_under_the_same_id_is_refused_before_it_is_sealed(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line_:
        prepared = await line_.prepare(draft())
        waiting = await line_.queue(prepared)
        title = msgspec.structs.replace(prepared.bulletin.title, text="EXERCISE: another one")
        other = [
            msgspec.structs.replace(
                prepared, bulletin=msgspec.structs.replace(prepared.bulletin, title=title)
            ),
            msgspec.structs.replace(
                prepared, header=msgspec.structs.replace(prepared.header, precedence="flash")
            ),
        ]
        for is_sent in (False, True):
            if is_sent:
                receipt = await line_.post(prepared)
            for each in other:
                for post in (line_.post, line_.queue):
                    with pytest.raises(Refusal) as refusal:
                        await post(each)
                    assert (refusal.value.code, refusal.value.at) == (Code.ID_REUSED, "/id")
        assert await line_.post(prepared) == receipt
        assert line_.world.outbox.sent() == [waiting]
        assert len(await accepted(door)) == 1


async def test_something_else_is_not_asked_for_under_the_id_of_what_waits(tmp_path):
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        prepared = await author.prepare(red())
        asked = await author.asking.ask(prepared, MARK, quiet)
        other = msgspec.structs.replace(
            prepared, header=msgspec.structs.replace(prepared.header, precedence="flash")
        )
        ready = await author.asking.sealed(prepared, "", quiet, None)
        assert author.asking.keep(ready) == asked
        with pytest.raises(Refusal) as refusal:
            await author.asking.ask(other, "", quiet)
        assert refusal.value.code == Code.ID_REUSED
        assert author.asking.waiting.open() == [asked]


def is_whole(author, header):
    """Whether the sealed file is the one that a header tells of."""
    sealed = author.world.outbox.attached(header.id, 0)
    return digest(sealed.read_bytes()) == header.attachments[0].digest


def header_of(envelope):
    return headers.decode(jws.read(envelope.header, headers.MAX_HEADER_BYTES).payload)


class Watched(attaching.File, frozen=True):
    """A file that notes which threads read it."""

    by: ClassVar[set[int]] = set()

    def pieces(self):
        self.by.add(threading.get_ident())
        return super().pieces()


async def test_files_of_what_waits_are_not_sealed_over_by_the_same_at_once_or_later(tmp_path):
    """Other bytes would lie there under the name of those that the header tells of."""
    file = a_file(tmp_path, size=70_000)
    watched = Watched(*msgspec.structs.astuple(attaching.look([file])[0]))
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        box = author.world.outbox
        prepared = await author.prepare(draft(), attach=[watched])
        for _ in range(2):
            identity, again = await asyncio.gather(*(author.queue(prepared) for _ in range(2)))
            assert identity == again
            assert is_whole(author, header_of(box.envelope(identity)))
        prepared = await author.prepare(red(), attach=[watched])
        for _ in range(2):
            one, other = await asyncio.gather(
                *(author.asking.ask(prepared, "", quiet) for _ in range(2))
            )
            assert one == other
            assert is_whole(author, author.asking.header_of(one.of))
        assert author.asking.waiting.all() == [one]
        file.write_bytes(file.read_bytes()[::-1])
        with pytest.raises(Refusal) as refusal:
            await author.asking.ask(prepared, "", quiet)
        assert refusal.value.code == Code.ID_REUSED
        # So too where it was kept while this one was sealed; by what was sealed.
        ready = await author.asking.sealed(prepared, "", quiet, None)
        with pytest.raises(Refusal) as refusal:
            author.asking.keep(ready)
        assert refusal.value.code == Code.ID_REUSED
        # Large ones are read, and all else goes on meanwhile.
        assert threading.get_ident() not in Watched.by
        assert Watched.by


async def test_several_envelopes_posted_twice_at_once_wait_once_and_whole(tmp_path):
    async with node(tmp_path) as door, agency(door.url, tmp_path / "box") as author:
        file, free = a_file(tmp_path, size=70_000), draft()
        two = msgspec.structs.replace(
            free, post=msgspec.structs.replace(free.post, to=[DESK, WATCH])
        )
        prepared = await author.prepare(two, attach=[file])
        now, view = author.world.clock_ms(), author.trust.newest
        parts = [
            msgspec.structs.replace(each, as_of_ms=now)
            for each in separating.split(prepared, "nation", view, NOW, author.new_id)
        ]
        one, other = await asyncio.gather(
            *(author.separating.post(parts, MARK, quiet) for _ in range(2))
        )
        assert [each.state for each in one] == ["waits", "waits"]
        assert one == other
        box = author.world.outbox
        assert all(is_whole(author, header_of(box.envelope(each.id))) for each in one)
        # Nor does one that gives up its own take away what another kept.
        author.separating._discard(parts)
        assert author.separating.standing(author.separating.acts()[0]) == one
