"""What needs a release is shown to a colleague first, and goes out as it was shown."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange import resources
from exchange.client.asking import Asking
from exchange.client.pending import Pending, Waiting
from exchange.client.reading import Drafted
from exchange.client.releasing import Releasing
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.bulletin.strangers import Unknown
from exchange.model.draft import read_draft
from exchange.model.identity import digest
from exchange.seal.close import close_draft
from tests.builders import DAY, DESK, MINSA, NOW, OPS, WATCH, new_id, releaser, suspended, world
from tests.client.attached import a_file, received
from tests.client.dealing import cabinet, draft
from tests.client.foureyes import (
    MARK,
    approved,
    asked,
    bulletins,
    guarded,
    line,
    queue,
    red,
    state,
    taken_up,
    to_release,
)
from tests.node.running import journal, post
from tests.vectors.forging import payload_of


def quiet(*_: object) -> None:
    pass


async def test_releaser_sees_what_the_recipient_reads_and_then_it_goes_out(tmp_path):
    async with guarded(tmp_path) as door:
        pending = await asked(door, tmp_path, "exercise-author")
        assert await bulletins(door, tmp_path, WATCH) == []
        assert await state(door, tmp_path) == "waiting"
        async with line(door, tmp_path, DESK) as desk:
            shown = await desk.releasing.opened(await to_release(desk))
        assert shown.header.to == [WATCH]
        assert shown.header.marking.tlp == "red"
        await approved(door, tmp_path, "exercise-releaser")
        assert await state(door, tmp_path) == "released"
        assert await state(door, tmp_path, DESK) == "released"
        assert await bulletins(door, tmp_path, WATCH) == []
        (receipt,) = await taken_up(door, tmp_path)
        (read,) = await bulletins(door, tmp_path, WATCH)
        assert (read.index, read.header.id) == (receipt.index, pending.id)
        assert (read.header, read.digest) == (shown.header, shown.digest)
        assert (read.opened, read.bulletin) == (shown.opened, shown.bulletin)
        (ours,) = await queue(door, tmp_path)
        assert (ours.state, ours.by, ours.officer) == ("posted", DESK, "exercise-releaser")
        # Nothing more is to be done.
        assert await taken_up(door, tmp_path) == []


async def test_journal_tells_which_release_let_it_in(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        released = await approved(door, tmp_path)
        await taken_up(door, tmp_path)
        kinds = [entries.kind_of(each.facts) for each in await journal(door.node)]
        assert kinds[-3:] == ["drafted", "released", "accepted"]
        last: Any = (await journal(door.node))[-1].facts
        assert last.released == released.index


async def test_author_cannot_post_it_without_asking(tmp_path):
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        prepared = await author.prepare(red())
        for send in (author.post, author.queue):
            with pytest.raises(Refusal) as refusal:
                await send(prepared)
            assert refusal.value.code == Code.RELEASE_REQUIRED
        assert author.world.outbox.waiting() == []


async def test_node_refuses_it_from_an_author_who_does_not_ask(tmp_path):
    async with guarded(tmp_path) as door:
        async with line(door, tmp_path) as author:
            prepared = await author.prepare(red())
            free = msgspec.structs.replace(prepared, releasers=[])
            with pytest.raises(Refusal) as refusal:
                await author.post(free)
        assert refusal.value.code == Code.RELEASE_REQUIRED
        last = (await journal(door.node))[-1].facts
        assert isinstance(last, entries.Refused)
        assert last.code == "release-required"


async def test_what_needs_no_release_is_posted_as_ever(tmp_path):
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        prepared = await author.prepare(draft())
        assert prepared.releasers == []
        assert (await author.post(prepared)).index > 0


@pytest.mark.parametrize("is_posted", [True, False])
async def test_cancellation_waits_where_nobody_released_whom_its_target_went_to(
    tmp_path, *, is_posted
):
    """A green bulletin went out by nobody's release; of another nothing is known here."""
    raw = resources.read("v1/examples/can-2.en.toml")
    told = read_draft(raw, toml=True).bulletin
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        named = (new_id(), "B" * 43)
        if is_posted:
            green = await author.prepare(draft())
            await author.post(green)
            posted = author.world.outbox.envelope(green.header.id)
            named = (green.header.id, digest(posted.header))
        of = {"id": named[0], "origin": "pa.senan", "type": "voi", "header_digest": named[1]}
        content = {**told["content"], "target": of}
        free = msgspec.structs.replace(red(), bulletin={**told, "content": content})
        prepared = await author.prepare(free)
        assert [each.endpoint for each in prepared.releasers] == [DESK]
        # The node says the same.
        with pytest.raises(Refusal, match=Code.RELEASE_REQUIRED):
            await author.post(msgspec.structs.replace(prepared, releasers=[]))


async def test_nobody_to_release_it_is_told_before_anything_is_sealed(tmp_path):
    async with guarded(tmp_path) as door:
        suspended = world().after(
            world().rearranged(four_eyes=["tlp:red"]), world().amended(DESK, releaser)
        )
        raw = suspended.amended(
            DESK, lambda each: msgspec.structs.replace(each, roles=["reader"])
        )
        await post(door.node, raw, MINSA)
        async with line(door, tmp_path) as author:
            with pytest.raises(Refusal) as refusal:
                await author.prepare(red())
        assert refusal.value.code == Code.NO_RELEASER


async def test_decline_reaches_the_author_with_its_reason_and_nobody_reads_it_on_the_way(
    tmp_path,
):
    async with guarded(tmp_path) as door:
        pending = await asked(door, tmp_path)
        async with line(door, tmp_path, DESK) as desk:
            item = await to_release(desk)
            await desk.releasing.decline(
                item, "EJERCICIO: sobra el puerto", "exercise-releaser"
            )
        assert await state(door, tmp_path, DESK) == "declined"
        assert "puerto" not in str(await journal(door.node))
        assert await taken_up(door, tmp_path) == []
        (ours,) = await queue(door, tmp_path)
        assert (ours.state, ours.by) == ("declined", DESK)
        assert (ours.reason, ours.officer) == (
            "EJERCICIO: sobra el puerto",
            "exercise-releaser",
        )
        async with line(door, tmp_path) as author:
            assert author.world.held.envelope(pending.id) is None
            assert not author.world.kept.has(pending.id)
        # What was declined is released by nobody any more.
        async with line(door, tmp_path, DESK) as desk:
            with pytest.raises(Refusal) as refusal:
                await desk.releasing.approve(item)
        assert refusal.value.code == Code.DRAFT_OVER


async def test_author_that_only_posts_is_told_why_it_was_declined(tmp_path):
    async with guarded(tmp_path) as door:
        w = world().after(
            world().rearranged(four_eyes=["tlp:red"]), world().amended(DESK, releaser)
        )
        only = w.amended(OPS, lambda each: msgspec.structs.replace(each, roles=["poster"]))
        assert (await post(door.node, only, MINSA)).refusal is None
        await asked(door, tmp_path)
        async with line(door, tmp_path, DESK) as desk:
            await desk.releasing.decline(await to_release(desk), "EXERCISE: not this port")
        await taken_up(door, tmp_path)
        (found,) = await queue(door, tmp_path)
        assert (found.state, found.reason) == ("declined", "EXERCISE: not this port")


async def test_what_is_declined_after_its_release_goes_nowhere_and_everybody_says_so(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        await approved(door, tmp_path)
        async with line(door, tmp_path, DESK) as desk:
            await desk.releasing.decline(await to_release(desk), "EXERCISE: not this port")
        assert await taken_up(door, tmp_path) == []
        assert await bulletins(door, tmp_path, WATCH) == []
        (found,) = await queue(door, tmp_path)
        assert (found.state, found.reason) == ("declined", "EXERCISE: not this port")


async def test_what_its_author_withdraws_goes_nowhere(tmp_path):
    async with guarded(tmp_path) as door:
        pending = await asked(door, tmp_path)
        async with line(door, tmp_path, DESK) as desk:
            item = await to_release(desk)
        async with line(door, tmp_path) as author:
            assert await author.asking.withdraw(pending, quiet) is not None
            assert author.world.held.envelope(pending.id) is None
        assert await state(door, tmp_path) == "withdrawn"
        assert await state(door, tmp_path, DESK) == "withdrawn"
        async with line(door, tmp_path, DESK) as desk:
            with pytest.raises(Refusal) as refusal:
                await desk.releasing.approve(item)
        assert refusal.value.code == Code.DRAFT_OVER
        async with line(door, tmp_path) as author:
            over = author.asking.waiting.of(pending.of)
            with pytest.raises(Refusal) as refusal:
                await author.asking.withdraw(over, quiet)
        assert refusal.value.code == Code.DRAFT_OVER


@pytest.mark.parametrize("how", ["withdrawn", "declined"])
async def test_file_of_what_is_over_takes_no_room_any_more(tmp_path, how):
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        prepared = await author.prepare(red(), attach=[a_file(tmp_path, size=10)])
        pending = await author.asking.ask(prepared, MARK, quiet)
        uploads = tmp_path / "blobs" / "uploads"
        assert len(list(uploads.glob("*/*.*"))) == 1
        if how == "withdrawn":
            await author.asking.withdraw(pending, quiet)
        else:
            async with line(door, tmp_path, DESK) as desk:
                await desk.releasing.decline(await to_release(desk), "EXERCISE: not this port")
            await author.resume()
        assert not list(uploads.glob("*/*.*"))


def test_what_waited_at_an_older_program_is_read(tmp_path):
    waiting = Waiting(cabinet(tmp_path))
    pending = Pending(new_id(), new_id(), "A" * 43, [DESK], NOW, ended="withdrawn")
    raw = msgspec.to_builtins(pending)
    del raw["uploads"], raw["withdrawal"]
    waiting._cabinet.put("held.pending", pending.of, msgspec.json.encode(raw), NOW)
    assert waiting.of(pending.of) == pending


async def test_same_officer_at_another_desk_does_not_release_it(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path, "exercise-1")
        with pytest.raises(Refusal) as refusal:
            await approved(door, tmp_path, "exercise-1")
        assert (refusal.value.code, refusal.value.at) == (Code.OWN_RELEASE, "/officer")
        # Nothing was signed: the node was not asked.
        assert refusal.value.receipt is None
        await approved(door, tmp_path, "exercise-2")


async def test_sealed_draft_opens_to_its_releasers_alone(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        async with line(door, tmp_path, DESK) as desk:
            item = await to_release(desk)
        named = item.draft.body.digest
        for other in (OPS, WATCH, MINSA):
            said = await door.get(f"/v1/blobs/{named}?index={item.index}", other)
            assert said.status == 404, other
        # Who releases nothing any more is shown nothing any more.
        after = world().after(
            world().rearranged(four_eyes=["tlp:red"]), world().amended(DESK, releaser)
        )
        raw = after.amended(DESK, lambda each: msgspec.structs.replace(each, roles=["reader"]))
        await post(door.node, raw, MINSA)
        said = await door.get(f"/v1/blobs/{named}?index={item.index}", DESK)
        assert (said.status, said.code) == (403, "missing-role")


async def test_draft_is_gone_from_the_node_once_it_is_posted(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        async with line(door, tmp_path, DESK) as desk:
            item = await to_release(desk)
        await approved(door, tmp_path)
        await taken_up(door, tmp_path)
        assert await door.node.store.blob(item.draft.body.digest) is not None
        await door.node.retainer.step()
        await door.node.retainer.step()
        assert await door.node.store.blob(item.draft.body.digest) is None
        (read,) = await bulletins(door, tmp_path, WATCH)
        assert read.bulletin is not None
        said = await door.get(f"/v1/blobs/{item.draft.body.digest}?index={item.index}", DESK)
        assert said.code == "purged"


async def test_attachments_are_shown_to_the_releaser_and_travel_once(tmp_path):
    async with guarded(tmp_path) as door:
        photo = a_file(tmp_path, size=200_000)
        async with line(door, tmp_path) as author:
            prepared = await author.prepare(red(), attach=[photo])
            await author.asking.ask(prepared, MARK, quiet)
        async with line(door, tmp_path, DESK) as desk:
            found = await desk.releasing.opened(await to_release(desk))
            (tmp_path / "saved").mkdir()
            saved = await desk.save(found, 0, tmp_path / "saved")
        assert saved.read_bytes() == photo.read_bytes()
        await approved(door, tmp_path)
        await taken_up(door, tmp_path)
        async with line(door, tmp_path, WATCH) as reader:
            item = await received(reader)
            (tmp_path / "read").mkdir()
            read = await reader.save(item, 0, tmp_path / "read")
        assert read.read_bytes() == photo.read_bytes()
        # The draft goes, and what its bulletin names as well stays.
        await door.node.retainer.step()
        await door.node.retainer.step()
        async with line(door, tmp_path, WATCH) as reader:
            (tmp_path / "again").mkdir()
            assert (await reader.save(item, 0, tmp_path / "again")).exists()


async def test_attachments_of_what_was_declined_are_gone_too(tmp_path):
    async with guarded(tmp_path) as door:
        photo = a_file(tmp_path, size=200_000)
        async with line(door, tmp_path) as author:
            prepared = await author.prepare(red(), attach=[photo])
            await author.asking.ask(prepared, MARK, quiet)
        async with line(door, tmp_path, DESK) as desk:
            item = await to_release(desk)
            await desk.releasing.decline(item, "EXERCISE")
        (blob,) = item.draft.attachments
        assert await door.node.blobs.is_kept(blob)
        await door.node.retainer.step()
        await door.node.retainer.step()
        assert not await door.node.blobs.is_kept(blob)
        await taken_up(door, tmp_path)
        assert list((tmp_path / "pa.senan-ops").glob("*.attached")) == []


# -- what a draft may not be ---------------------------------------------------------------


class Forging(Asking):
    """An author's machine that shows its releaser something else than it will post."""

    change: Any = None

    def _sealed(self, told, draft, releasers):
        posted, salt, text = told
        header, text = type(self).change(posted, text)
        named = msgspec.structs.replace(draft, of=digest(header))
        return super()._sealed((header, salt, text), named, releasers)


def other_text(posted, text):
    return posted, text.replace(b"EJERCICIO", b"EXERCISE!")


def other_header(_, text):
    signed = world().envelope().header
    return signed, text


def another_authors(_, text):
    """Signed by who asks, and of another."""
    w = world()
    return w.envelope(w.header(endpoint=DESK), signer=w.signers[OPS]).header, text


def unsigned(posted, text):
    """Signed by another than its author."""
    return world().sign(payload_of(posted), headers.TYP, DESK), text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (other_text, Code.COMMIT_MISMATCH),
        (other_header, Code.COMMIT_MISMATCH),
        (another_authors, Code.TARGET_MISMATCH),
        (unsigned, Code.UNKNOWN_KEY),
    ],
)
async def test_another_text_than_will_be_posted_is_not_shown(tmp_path, change, code):
    async with guarded(tmp_path) as door:
        async with line(door, tmp_path) as author:
            forging = Forging(author, author._poster)
            Forging.change = staticmethod(change)
            await forging.ask(await author.prepare(red()), MARK, quiet)
        async with line(door, tmp_path, DESK) as desk:
            item = await to_release(desk)
            for look in (desk.releasing.opened, desk.releasing.approve):
                with pytest.raises(Refusal) as refusal:
                    await look(item)
                assert refusal.value.code == code


async def test_header_of_another_digest_than_named_is_not_shown(tmp_path):
    async with guarded(tmp_path) as door:
        async with line(door, tmp_path) as author:
            await author.asking.ask(await author.prepare(red()), MARK, quiet)
            (pending,) = author.asking.waiting.open()
            # The same once more, of another digest.
            view = await author.view()
            key = view.sealing_key(DESK, "HPKE-9-KE", author.world.now(), "").jwk
            envelope = author.world.held.envelope(pending.id)
            draft = objects.SealedDraft(
                v="xb1",
                suite="xb1-h",
                id=author.new_id(),
                origin="pa.senan",
                endpoint=OPS,
                step="asked",
                of="A" * 43,
                to=[DESK],
                body=None,
                attachments=[],
                until=author.world.now() + DAY,
                at=author.world.now(),
                officer=None,
            )
            told = b"\n".join((envelope.header, b"A" * 43, b"{}"))
            forged = close_draft(
                told, draft, [key], author.keys.signer, author.world.randomness
            )
            await author.send(draft.id, forged)
        async with line(door, tmp_path, DESK) as desk:
            items = [each for each in await desk.everything() if isinstance(each, Drafted)]
            with pytest.raises(Refusal) as refusal:
                await desk.releasing.opened(items[-1])
        assert (refusal.value.code, refusal.value.at) == (Code.DIGEST_MISMATCH, "/of")


async def test_what_would_be_refused_all_the_same_is_not_released(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        await post(door.node, world().amended(WATCH, suspended), MINSA)
        with pytest.raises(Refusal) as refusal:
            await approved(door, tmp_path)
        assert refusal.value.code == Code.ENDPOINT_SUSPENDED


class Puzzled(Releasing):
    """A releaser's program that is older than what it is shown."""

    async def opened(self, item):
        found = await super().opened(item)
        return msgspec.structs.replace(found, not_understood=[Unknown("/content/x", "1")])


async def test_what_is_understood_in_part_is_not_released(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        async with line(door, tmp_path, DESK) as desk:
            puzzled = Puzzled(desk, desk._poster)
            with pytest.raises(Refusal) as refusal:
                await puzzled.approve(await to_release(desk))
        assert refusal.value.code == Code.NOT_UNDERSTOOD
