"""The audience that was released is the audience: one more reader is released anew."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange import resources
from exchange.client import granting, onward
from exchange.client.reading import Delivered, Drafted
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.bulletin.blocks import Target
from exchange.model.draft import Draft, read_draft
from exchange.model.identity import digest
from exchange.seal.close import close_draft
from tests.builders import (
    COAST,
    DESK,
    MINSA,
    OPS,
    WATCH,
    WATCH_DESK,
    World,
    releaser,
    suspended,
    world,
)
from tests.client.attached import a_file
from tests.client.foureyes import (
    approved,
    asked,
    bulletins,
    guarded,
    line,
    queue,
    red,
    taken_up,
)
from tests.node.running import journal, post

GRANT = "G" * 43


async def released(door: Any, tmp_path: Any) -> str:
    """A bulletin that went out by its release; its id."""
    pending = await asked(door, tmp_path)
    await approved(door, tmp_path)
    assert len(await taken_up(door, tmp_path)) == 1
    return str(pending.id)


async def asked_to_give(door: Any, tmp_path: Any) -> Any:
    """A bulletin that was released, and a grant of it that waits."""
    identity = await released(door, tmp_path)
    async with line(door, tmp_path) as author:
        prepared = await author.prepare_grant(identity, WATCH_DESK)
        assert [each.endpoint for each in prepared.releasers] == [DESK]
        return await granting.ask(author, prepared, GRANT, "exercise-author")


async def newest(desk: Any) -> Drafted:
    """What the releaser was asked last."""
    asked = [each for each in await desk.everything() if isinstance(each, Drafted)]
    return [each for each in asked if each.draft.step == "asked"][-1]


async def row(door: Any, tmp_path: Any, pending: Any, endpoint: str = OPS) -> Any:
    rows = await queue(door, tmp_path, endpoint)
    return next(each for each in rows if each.of == pending.of)


async def test_one_more_reader_is_shown_to_a_colleague_first_and_reads_it_then(tmp_path):
    async with guarded(tmp_path) as door:
        pending = await asked_to_give(door, tmp_path)
        identity = pending.gives.bulletin
        assert await bulletins(door, tmp_path, WATCH_DESK) == []
        async with line(door, tmp_path, DESK) as desk:
            item = await newest(desk)
            shown = await desk.releasing.opened(item)
            receipt = await desk.releasing.approve(item, "exercise-releaser")
        assert shown.grant is not None
        assert (shown.header.id, shown.grant.to) == (identity, WATCH_DESK)
        found = await row(door, tmp_path, pending)
        assert (found.state, found.gives, found.bulletin) == ("released", WATCH_DESK, identity)
        (granted,) = await taken_up(door, tmp_path)
        last: Any = (await journal(door.node))[granted.index].facts
        assert isinstance(last, entries.Granted)
        assert last.released == receipt.index
        (read,) = await bulletins(door, tmp_path, WATCH_DESK)
        assert (read.header, read.opened) == (shown.header, shown.opened)
        assert (await row(door, tmp_path, pending)).state == "posted"
        assert await taken_up(door, tmp_path) == []
        # Under another key it would be given to it again without asking anybody.
        async with line(door, tmp_path) as author:
            assert (await author.prepare_grant(identity, WATCH_DESK)).releasers == []


async def test_grant_is_not_made_without_asking_and_the_node_would_refuse_it(tmp_path):
    async with guarded(tmp_path) as door:
        identity = await released(door, tmp_path)
        async with line(door, tmp_path) as author:
            prepared = await author.prepare_grant(identity, WATCH_DESK)
            before = len(await journal(door.node))
            with pytest.raises(Refusal) as refusal:
                await author.grant(prepared)
            assert refusal.value.code == Code.RELEASE_REQUIRED
            assert len(await journal(door.node)) == before
            with pytest.raises(Refusal) as refusal:
                await author.grant(msgspec.structs.replace(prepared, releasers=[]))
            assert refusal.value.code == Code.RELEASE_REQUIRED
        last = (await journal(door.node))[-1].facts
        assert isinstance(last, entries.Refused)
        assert await bulletins(door, tmp_path, WATCH_DESK) == []


async def test_declined_grant_goes_nowhere_and_the_bulletin_stays_with_its_readers(tmp_path):
    async with guarded(tmp_path) as door:
        pending = await asked_to_give(door, tmp_path)
        async with line(door, tmp_path, DESK) as desk:
            item = await newest(desk)
            await desk.releasing.decline(item, "EXERCISE: not theirs to know")
        assert await taken_up(door, tmp_path) == []
        found = await row(door, tmp_path, pending)
        assert (found.state, found.reason) == ("declined", "EXERCISE: not theirs to know")
        assert await bulletins(door, tmp_path, WATCH_DESK) == []
        assert len(await bulletins(door, tmp_path, WATCH)) == 1
        # It may still be given to others: its key is kept.
        async with line(door, tmp_path) as author:
            assert author.world.kept.has(pending.gives.bulletin)
            assert author.world.held.envelope(pending.id) is None


async def test_withdrawn_grant_goes_nowhere(tmp_path):
    async with guarded(tmp_path) as door:
        pending = await asked_to_give(door, tmp_path)
        async with line(door, tmp_path) as author:
            await author.asking.withdraw(pending, lambda *_: None)
        for endpoint in (OPS, DESK):
            assert (await row(door, tmp_path, pending, endpoint)).state == "withdrawn"


async def test_nobody_is_asked_twice_for_the_same_grant(tmp_path):
    async with guarded(tmp_path) as door:
        first = await asked_to_give(door, tmp_path)
        async with line(door, tmp_path) as author:
            prepared = await author.prepare_grant(first.gives.bulletin, WATCH_DESK)
            again = await granting.ask(author, prepared, GRANT)
        assert again == first


def writes_and_releases(endpoint: Any) -> Any:
    return releaser(msgspec.structs.replace(endpoint, roles=["poster", "reader"]))


async def test_colleague_who_holds_it_asks_its_author_to_release_its_grant(tmp_path):
    async with guarded(tmp_path) as door:
        both = world().after(
            world().rearranged(four_eyes=["tlp:red"]), world().amended(DESK, releaser)
        )
        async with line(door, tmp_path) as author:
            told = red()
            to = msgspec.structs.replace(told.post, to=[DESK, WATCH])
            prepared = await author.prepare(msgspec.structs.replace(told, post=to))
            await author.asking.ask(prepared, "M" * 43, lambda *_: None)
        await approved(door, tmp_path)
        await taken_up(door, tmp_path)
        await post(door.node, _both_write_and_release(both), MINSA)
        async with line(door, tmp_path, DESK) as desk:
            item = [x for x in await desk.everything() if isinstance(x, Delivered)][-1]
            prepared = await onward.prepare(desk, item, WATCH_DESK)
            assert [each.endpoint for each in prepared.releasers] == [OPS]
            before = len(await journal(door.node))
            with pytest.raises(Refusal) as refusal:
                await onward.grant(desk, item, prepared)
            assert refusal.value.code == Code.RELEASE_REQUIRED
            assert len(await journal(door.node)) == before
            await onward.ask(desk, item, prepared, GRANT, None)
        async with line(door, tmp_path) as author:
            await author.releasing.approve(await newest(author))
        async with line(door, tmp_path, DESK) as desk:
            await desk.resume()
            # Who lost its key since was released before: by its giver's own machine,
            assert (await onward.prepare(desk, item, WATCH_DESK)).releasers == []
        (read,) = await bulletins(door, tmp_path, WATCH_DESK)
        assert read.digest == item.digest
        async with line(door, tmp_path) as author:
            await author.everything()
            # and by its author's, that was told of the grant.
            assert (await author.prepare_grant(item.header.id, WATCH_DESK)).releasers == []
            asked = (await author.prepare_grant(item.header.id, COAST)).releasers
            assert [each.endpoint for each in asked] == [DESK]


def _both_write_and_release(w: World) -> bytes:
    before = w.member("pa.senan")
    endpoints = [writes_and_releases(each) for each in before.endpoints]
    changed = msgspec.structs.replace(before, version=before.version + 1, endpoints=endpoints)
    return w.signed(changed, ["pa"])


def other_text(told: list[bytes]) -> list[bytes]:
    return [*told[:3], told[3].replace(b"EJERCICIO", b"EXERCISE!")]


def other_bulletin(told: list[bytes]) -> list[bytes]:
    return [told[0], world().envelope().header, *told[2:]]


def no_bulletin(told: list[bytes]) -> list[bytes]:
    return told[:1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (other_text, Code.COMMIT_MISMATCH),
        (other_bulletin, Code.TARGET_MISMATCH),
        (no_bulletin, Code.MALFORMED),
    ],
)
async def test_another_bulletin_than_the_grant_gives_is_not_shown(
    tmp_path, monkeypatch, change, code
):
    async with guarded(tmp_path) as door:
        identity = await released(door, tmp_path)
        async with line(door, tmp_path) as author:
            prepared = await author.prepare_grant(identity, WATCH_DESK)
            asking = author.asking

            def forged(told, draft, releasers):
                keys = [each.key for each in releasers]
                world_ = author.world
                text = b"\n".join(change(list(told)))
                return close_draft(text, draft, keys, author.keys.signer, world_.randomness)

            monkeypatch.setattr(asking, "_sealed", forged)
            await granting.ask(author, prepared, GRANT)
        async with line(door, tmp_path, DESK) as desk:
            item = await newest(desk)
            for look in (desk.releasing.opened, desk.releasing.approve):
                with pytest.raises(Refusal) as refusal:
                    await look(item)
                assert refusal.value.code == code


async def test_grant_that_would_be_refused_is_not_released(tmp_path):
    async with guarded(tmp_path) as door:
        await asked_to_give(door, tmp_path)
        gone = world().amended(WATCH_DESK, suspended)
        assert (await post(door.node, gone, MINSA)).refusal is None
        before = len(await journal(door.node))
        async with line(door, tmp_path, DESK) as desk:
            with pytest.raises(Refusal) as refusal:
                await desk.releasing.approve(await newest(desk))
        assert refusal.value.code == Code.ENDPOINT_SUSPENDED
        assert len(await journal(door.node)) == before


# -- what cancels it -----------------------------------------------------------------------


def cancelling(**content: Any) -> Any:
    """The committed example of a cancellation, marked TLP:RED, to nobody by name."""
    told = read_draft(resources.read("v1/examples/can-2.en.toml"), toml=True).bulletin
    marked = msgspec.structs.replace(red().post, to=[])
    changed = {**told, "content": {**told["content"], **content}}
    return Draft(post=marked, bulletin=changed)


async def target_of(author: Any, identity: str) -> Target:
    posted = author.world.outbox.envelope(identity)
    return Target(identity, "pa.senan", "voi", digest(posted.header))


@pytest.mark.parametrize("is_known", [True, False])
async def test_cancellation_goes_to_who_holds_it_and_waits_for_nobody(tmp_path, *, is_known):
    async with guarded(tmp_path) as door:
        pending = await asked_to_give(door, tmp_path)
        async with line(door, tmp_path, DESK) as desk:
            await desk.releasing.approve(await newest(desk), "exercise-releaser")
        await taken_up(door, tmp_path)
        # One who subscribes now never held it.
        await post(door.node, world().subscription(COAST), COAST)
        async with line(door, tmp_path) as author:
            target = await target_of(author, pending.gives.bulletin)
            if not is_known:
                target = msgspec.structs.replace(target, header_digest="A" * 43)
            prepared = await author.prepare(cancelling(), target)
            unknown = [] if is_known else [DESK]
            assert [each.endpoint for each in prepared.releasers] == unknown
            found = {each.endpoint: each.reason for each in prepared.readers}
            if not is_known:
                assert set(found) == {COAST}
                told = cancelling()
                to = msgspec.structs.replace(told.post, to=[WATCH])
                named = await author.prepare(msgspec.structs.replace(told, post=to), target)
                assert named.header.to == [WATCH]
                return
            assert found == {WATCH: "holds", WATCH_DESK: "holds"}
            assert (await author.post(prepared)).index > 0


async def test_cancellation_to_another_at_length_or_with_a_file_waits(tmp_path):
    text = {"lang": "en", "text": "EXERCISE " * 900}
    async with guarded(tmp_path) as door:
        identity = await released(door, tmp_path)
        async with line(door, tmp_path) as author:
            target = await target_of(author, identity)
            told = cancelling()
            to = msgspec.structs.replace(told.post, to=[WATCH, WATCH_DESK])
            for made, files in (
                (msgspec.structs.replace(told, post=to), []),
                (cancelling(explanation=text), []),
                (told, [a_file(tmp_path)]),
            ):
                prepared = await author.prepare(made, target, attach=files)
                assert [each.endpoint for each in prepared.releasers] == [DESK]
                # The node says the same.
                with pytest.raises(Refusal) as refusal:
                    await author.post(msgspec.structs.replace(prepared, releasers=[]))
                assert refusal.value.code == Code.RELEASE_REQUIRED
