"""What waits for a release, with several commands at once, or with an answer that was lost."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from exchange.client.outbox import Outbox
from exchange.client.posting import Poster
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model import entry as entries
from tests.builders import DESK
from tests.client.dealing import agency, fronted
from tests.client.foureyes import (
    MARK,
    approved,
    asked,
    bulletins,
    guarded,
    line,
    red,
    taken_up,
    to_release,
)
from tests.client.test_asking_killed import Killed
from tests.client.test_outbox import lossy
from tests.node.running import journal

WATCH = "us.jiatfs/watch"


def silent(*_):
    pass


async def states(author):
    return [each.state for each in author.releasing.queue(await author.everything())]


async def test_draft_whose_answer_was_lost_is_whole_until_it_has_its_receipt(tmp_path):
    """Released before its author had the receipt: nothing is refused, and it goes once."""
    async with guarded(tmp_path) as door:
        async with fronted(lossy(door, 1)) as url, agency(url, tmp_path / "pa.senan-ops") as at:
            with pytest.raises(ExchangeError):
                await at.asking.ask(await at.prepare(red()), MARK, silent)
        await approved(door, tmp_path, "b")
        async with line(door, tmp_path) as at:
            # As `release list` does: nothing was resumed before.
            posted = await at.asking.take_up(await at.everything(), silent)
            assert len(posted) == 1
            assert (at.world.outbox.waiting(), at.world.outbox.refused()) == ([], [])
            await at.resume()
            assert await states(at) == ["posted"]
        assert len(await bulletins(door, tmp_path, WATCH)) == 1
        kinds = [each.facts for each in await journal(door.node)]
        assert not [each for each in kinds if isinstance(each, entries.Refused)]


def dying(patched):
    """The machine goes down before the text is destroyed."""

    def die(*_):
        raise Killed

    patched.setattr(Outbox, "drop_body", die)


def misled(patched, draft):
    """No sound answer is had for a draft."""
    resolve = Poster.resolve

    async def untrue(self, box, identity, tell):
        if identity == draft:
            raise Fault(Code.BAD_PROOF)
        return await resolve(self, box, identity, tell)

    patched.setattr(Poster, "resolve", untrue)


@pytest.mark.parametrize(
    ("is_released", "is_killed"), [(True, True), (True, False), (False, False)]
)
async def test_text_of_a_draft_that_was_over_before_its_receipt_goes_once_it_has_one(
    tmp_path, monkeypatch, is_released, is_killed
):
    async with guarded(tmp_path) as door:
        async with fronted(lossy(door, 1)) as url, agency(url, tmp_path / "pa.senan-ops") as at:
            with pytest.raises(ExchangeError):
                await at.asking.ask(await at.prepare(red()), MARK, silent)
        async with line(door, tmp_path, DESK) as desk:
            item = await to_release(desk)
            if is_released:
                await desk.releasing.approve(item)
            else:
                await desk.releasing.decline(item, "EXERCISE: not this port")
        async with line(door, tmp_path) as at:
            (pending,) = at.asking.waiting.open()
            with monkeypatch.context() as patched:
                if is_killed:
                    dying(patched)
                else:
                    misled(patched, pending.draft)
                with pytest.raises(Killed) if is_killed else nullcontext():
                    await at.asking.take_up(await at.everything(), silent)
            assert at.asking.waiting.of(pending.of).ended
            assert at.world.outbox.envelope(pending.draft).body
            assert (at.world.outbox.waits(pending.draft) is None) == is_killed
        async with line(door, tmp_path) as at:
            await at.resume()
            assert at.world.outbox.envelope(pending.draft).body == b""
            assert await states(at) == ["posted" if is_released else "declined"]


async def test_what_went_out_during_the_question_is_not_called_withdrawn(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        async with line(door, tmp_path) as at:
            (pending,) = at.asking.waiting.open()
            await approved(door, tmp_path, "b")
            assert len(await taken_up(door, tmp_path)) == 1
            with pytest.raises(Refusal) as caught:
                await at.asking.withdraw(pending, silent)
            assert (caught.value.code, caught.value.facts["name"]) == (
                Code.DRAFT_OVER,
                "posted",
            )
            assert await states(at) == ["posted"]
            assert at.world.outbox.waiting() == []


async def test_what_was_withdrawn_meanwhile_is_not_sent(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        await approved(door, tmp_path, "b")
        async with line(door, tmp_path) as at, line(door, tmp_path) as other:
            items, stale = await at.everything(), at.asking.waiting.open()
            (pending,) = other.asking.waiting.open()
            await other.asking.withdraw(pending, silent)
            assert stale[0].ended is None
            for each in stale:
                assert not at.asking._move(each)
            assert await at.asking.take_up(items, silent) == []
            assert await states(other) == ["withdrawn"]
        assert await bulletins(door, tmp_path, WATCH) == []
