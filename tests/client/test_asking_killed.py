"""Whoever is killed between two steps of a release loses nothing, and sends nothing twice."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.client import arriving, losses
from exchange.client.purging import purge
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model import entry as entries
from tests.builders import DAY, DESK, NOW_MS, OPS, WATCH
from tests.client.attached import Pauses, a_file
from tests.client.dealing import agency
from tests.client.foureyes import (
    MARK,
    approved,
    asked,
    bulletins,
    guarded,
    line,
    red,
    state,
    taken_up,
    to_release,
)
from tests.node.running import Clock, journal


def quiet(*_: object) -> None:
    pass


class Killed(BaseException):
    """The machine goes down at just this point."""


def dying(owner: Any, name: str) -> Any:
    """The next call of this never comes to its end."""

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    setattr(owner, name, die)


async def test_author_killed_before_the_draft_is_sent_asks_once_with_the_next_command(
    tmp_path,
):
    async with guarded(tmp_path) as door:
        async with line(door, tmp_path) as author:
            prepared = await author.prepare(red())
            dying(author._poster, "resolve")
            with pytest.raises(Killed):
                await author.asking.ask(prepared, MARK, quiet)
        assert await state(door, tmp_path) == "asking"
        await taken_up(door, tmp_path)
        assert await state(door, tmp_path) == "waiting"
        # The same command again finds what waits.
        async with line(door, tmp_path) as author:
            assert author.asking.under(MARK).id == prepared.header.id
            again = await author.asking.ask(await author.prepare(red()), MARK, quiet)
        assert again.id == prepared.header.id
        async with line(door, tmp_path) as author:
            await author.resume()
            # It has its receipt, and nothing is over.
            assert author.world.outbox.envelope(again.draft).body
        kinds = [entries.kind_of(each.facts) for each in await journal(door.node)]
        assert kinds.count("drafted") == 1


async def test_author_killed_between_the_release_and_its_receipt_posts_once(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        await approved(door, tmp_path)
        async with line(door, tmp_path) as author:
            items = await author.everything()
            dying(author._poster, "resolve")
            with pytest.raises(Killed):
                await author.asking.take_up(items, quiet)
        assert await state(door, tmp_path) == "released"
        (receipt,) = await taken_up(door, tmp_path)
        (read,) = await bulletins(door, tmp_path, WATCH)
        assert read.index == receipt.index
        assert await state(door, tmp_path) == "posted"


async def test_releaser_killed_before_the_release_is_sent_releases_once(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        async with line(door, tmp_path, DESK) as desk:
            item = await to_release(desk)
            dying(desk._poster, "_send")
            with pytest.raises(Killed):
                await desk.releasing.approve(item)
        assert await state(door, tmp_path, DESK) == "released"
        async with line(door, tmp_path, DESK) as desk:
            await desk.resume()
            await desk.releasing.approve(item)
        assert len(await taken_up(door, tmp_path)) == 1
        kinds = [entries.kind_of(each.facts) for each in await journal(door.node)]
        assert kinds.count("released") == 1


async def test_author_killed_while_it_withdraws_never_posts_it(tmp_path):
    async with guarded(tmp_path) as door:
        pending = await asked(door, tmp_path)
        async with line(door, tmp_path) as author:
            dying(author._poster, "resolve")
            with pytest.raises(Killed):
                await author.asking.withdraw(pending, quiet)
        await approved(door, tmp_path)
        # The withdrawal goes out, and nothing else does.
        await taken_up(door, tmp_path)
        assert await bulletins(door, tmp_path, WATCH) == []
        assert await state(door, tmp_path) == "withdrawn"
        assert await state(door, tmp_path, DESK) == "withdrawn"


async def test_file_of_what_was_withdrawn_while_the_node_was_away_takes_no_room_later(tmp_path):
    async with guarded(tmp_path) as door:
        uploads = tmp_path / "blobs" / "uploads"
        async with line(door, tmp_path) as author:
            prepared = await author.prepare(red(), attach=[a_file(tmp_path, size=10)])
            pending = await author.asking.ask(prepared, MARK, quiet)
            url = author.transport._profile
            author.transport._profile = msgspec.structs.replace(url, url="https://127.0.0.1:9")
            for command in (author.asking.withdraw(pending, quiet), author.resume()):
                with pytest.raises(Fault):
                    await command
            over = author.asking.waiting.of(pending.of)
            assert not await author.attachments.give_up(over.uploads)
            # Not before the node knows that it is over.
            author.transport._profile = url
            await author.asking._over.let_go(over)
            assert len(list(uploads.glob("*/*.*"))) == 1
        # The node takes the withdrawal, and the machine goes down before it says of the file.
        async with line(door, tmp_path) as author:
            dying(author.attachments, "give_up")
            with pytest.raises(Killed):
                await author.resume()
        assert await state(door, tmp_path) == "withdrawn"
        async with line(door, tmp_path) as author:
            assert await author.resume() == []
            over = author.asking.waiting.of(pending.of)
            assert (over.ended, over.uploads, over.withdrawal) == ("withdrawn", [], "")
            # Nothing is left of it here either.
            assert not author.world.outbox.envelope(pending.draft).body
            assert not list(author.world.cabinet.folder.glob("*.attached"))
        assert not list(uploads.glob("*/*.*"))


@pytest.mark.parametrize("how", ["later", "at once", "killed"])
async def test_what_was_withdrawn_before_the_node_had_it_ends_as_withdrawn(tmp_path, how):
    """Its file is destroyed by then: sent all the same, its draft would be refused."""
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        prepared = await author.prepare(red(), attach=[a_file(tmp_path, size=10)])
        there = author.transport._profile
        away = msgspec.structs.replace(there, url="https://127.0.0.1:9")
        author.transport._profile = away
        author.attachments._pause = Pauses()
        with pytest.raises(Fault):
            await author.asking.ask(prepared, MARK, quiet)
        (pending,) = author.asking.waiting.open()
        if how == "at once":
            author.transport._profile = there
            assert await author.asking.withdraw(pending, quiet) is None
        elif how == "killed":
            # Its draft is forgotten by then, and its withdrawal is not.
            author.transport._profile = there
            dying(author.asking._over, "_unsaid")
            with pytest.raises(Killed):
                await author.asking.withdraw(pending, quiet)
            del author.asking._over._unsaid
        else:
            with pytest.raises(Fault):
                await author.asking.withdraw(pending, quiet)
            author.transport._profile = there
        assert await author.resume() == []
        box, over = author.world.outbox, author.asking.waiting.of(pending.of)
        assert (box.waiting(), box.refused(), over.uploads) == ([], [], [])
        assert await state(door, tmp_path) == "withdrawn"
        found = await journal(door.node)
        kinds = {type(each.facts) for each in found}
        assert not kinds & {entries.Drafted, entries.Refused}


@pytest.mark.parametrize("is_killed", [False, True])
async def test_what_may_still_arrive_is_sent_once_more_and_then_taken_back(tmp_path, is_killed):
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        prepared = await author.prepare(red())
        owner, name = (author.transport, "post") if is_killed else (author._poster, "resolve")
        dying(owner, name)
        with pytest.raises(Killed):
            await author.asking.ask(prepared, MARK, quiet)
        delattr(owner, name)
        (pending,) = author.asking.waiting.open()
        box = author.world.outbox
        assert box.waits(pending.draft).may_arrive == is_killed
        if not is_killed:
            box.tried(pending.draft, Fault(Code.OUTCOME_UNKNOWN), NOW_MS)
        # Nothing that is learned later takes that back.
        box.tried(pending.draft, Fault(Code.NODE_UNREACHABLE), NOW_MS)
        assert await author.asking.withdraw(pending, quiet) is not None
        found = [each.facts for each in await journal(door.node)]
        assert len([each for each in found if isinstance(each, entries.Drafted)]) == 2


async def test_what_cannot_arrive_is_not_noted_as_if_it_could(tmp_path):
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        prepared = await author.prepare(red())
        dying(author._poster, "resolve")
        with pytest.raises(Killed):
            await author.asking.ask(prepared, MARK, quiet)
        (pending,) = author.asking.waiting.open()
        box, draft_id = author.world.outbox, pending.draft
        envelope, noted = box.envelope(draft_id), []
        for error in (
            Fault(Code.NODE_UNREACHABLE),
            Refusal(Code.QUOTA),
            Fault(Code.UNAVAILABLE),
            Fault(Code.NODE_UNREACHABLE),
        ):
            with pytest.raises(ExchangeError), arriving.noted(box, draft_id, envelope):
                raise error
            noted.append(box.waits(draft_id).may_arrive)
        assert noted == [False, False, True, True]


async def test_while_the_node_is_away_it_is_kept_and_asked_later(tmp_path):
    async with guarded(tmp_path) as door:
        async with line(door, tmp_path) as author:
            prepared = await author.prepare(red())
            url, author.transport._profile = author.transport._profile, None
            author.transport._profile = msgspec.structs.replace(url, url="https://127.0.0.1:9")
            with pytest.raises(Fault):
                await author.asking.ask(prepared, MARK, quiet)
        await taken_up(door, tmp_path)
        assert await state(door, tmp_path, DESK) == "waiting"


# -- in time -------------------------------------------------------------------------------


async def test_what_nobody_released_in_time_says_so_and_its_text_goes(tmp_path):
    clock = Clock(NOW_MS)
    async with guarded(tmp_path, clock) as door:
        pending = await asked(door, tmp_path)
        clock.ms += 2 * DAY * 1000
        later = agency(door.url, tmp_path / "pa.senan-ops", OPS, clock)
        async with later as author:
            (ours,) = author.releasing.queue(await author.inbox.as_held())
            assert ours.state == "expired"
        await door.node.retainer.step()
        await door.node.retainer.step()
        facts = [each.facts for each in await journal(door.node)]
        causes = [each.cause for each in facts if isinstance(each, entries.PurgeOrdered)]
        assert causes == ["header"]
    assert pending.ended is None


async def test_its_files_wait_with_it_here_and_at_the_node(tmp_path):
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        prepared = await author.prepare(red(), attach=[a_file(tmp_path, size=1000)])
        pending = await author.asking.ask(prepared, MARK, quiet)
        (blob,) = author.asking.header_of(pending.of).attachments
        # Not uploaded a second time when it is released.
        assert await door.node.blobs.held(OPS, [blob]) == {blob}
        sealed = author.world.outbox.attached(pending.id, 0)
        assert sealed.exists()
        purge(author.world.cabinet, NOW_MS + 3 * DAY * 1000)
        assert sealed.exists()
        assert author.world.held.envelope(pending.id).body


async def test_nothing_of_it_is_kept_past_its_time(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        async with line(door, tmp_path) as author:
            assert author.asking.waiting.all()
            purge(author.world.cabinet, NOW_MS + 40 * DAY * 1000)
            assert author.asking.waiting.all() == []
            assert author.world.held.waiting() == []


async def test_one_damaged_row_keeps_no_other_from_going_out(tmp_path):
    async with guarded(tmp_path) as door:
        pending = await asked(door, tmp_path)
        async with line(door, tmp_path) as author:
            cabinet = author.world.cabinet
            cabinet.put("held.pending", "another", b"")
            with cabinet.change():
                named = cabinet.seal.name("held.pending", "another")
                cabinet._connection.execute(
                    "UPDATE row SET sealed = ? WHERE name = ?", (b"damaged" * 9, named)
                )
        await approved(door, tmp_path)
        assert len(await taken_up(door, tmp_path)) == 1
        assert await state(door, tmp_path) == "posted"
        async with line(door, tmp_path) as author:
            (lost,) = losses.listed(author.world.cabinet)
            assert (lost.drawer, lost.how) == ("held.pending", "aside")
    assert pending.ended is None
