"""What is sealed anew, and what never is: only after a proved refusal, for a changed key."""

from __future__ import annotations

import msgspec
import pytest

from exchange.client import resealing
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.model.trust import EndpointKey
from exchange.policy import sealed
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import SoftwareSigner, new_opening, new_signing
from tests.api.serving import serving
from tests.builders import (
    DAY,
    MINSA,
    NOW,
    OPS,
    WATCH,
    Randomness,
    decoded,
    suspended,
    world,
)
from tests.client.attached import a_file
from tests.client.dealing import Liar, agency, draft, fronted
from tests.node.running import journal, post

OTHER = SoftwareSigner.of(new_signing("xb1-h", Randomness("next signing keys")))
NEXT = SoftwareOpener(new_opening("xb1-h", Randomness("next opening key")))


def rotated(endpoint):
    """Its opening key is another; the one before is good no more."""
    kept = [key for key in endpoint.keys if key.use == "sig"]
    fresh = EndpointKey("enc", NEXT.key, NOW - DAY, NOW + 90 * DAY)
    return msgspec.structs.replace(endpoint, keys=[*kept, fresh])


def signing_anew(signer):
    def changed(endpoint):
        kept = [key for key in endpoint.keys if key.use == "enc"]
        fresh = [EndpointKey("sig", jwk, NOW - DAY, NOW + 90 * DAY) for jwk in signer.keys]
        return msgspec.structs.replace(endpoint, keys=[*fresh, *kept])

    return changed


async def queued(url, folder, **options):
    """Sealed, and not sent."""
    async with agency(url, folder) as line:
        return await line.queue(await line.prepare(draft(), **options), "mark")


async def entries_of(door, kind):
    return [each for each in await journal(door.node) if isinstance(each.facts, kind)]


async def test_bulletin_whose_reader_rotated_is_sealed_anew_under_its_id_once(tmp_path):
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        await post(door.node, world().amended(WATCH, rotated), MINSA)
        async with agency(door.url, tmp_path / "box") as line:
            box = line.world.outbox
            before = box.envelope(identity)
            (receipt,) = await line.resume()
            after = box.envelope(identity)
            assert (box.waiting(), box.refused(), box.sent()) == ([], [], [identity])
            assert box.anew(identity) is None  # its text is kept for no longer than it takes
        old, new = decoded(before.header), decoded(after.header)
        assert new.trust.position == old.trust.position + 1
        same = {"commit": old.commit, "body": old.body, "trust": old.trust}
        assert msgspec.structs.replace(new, **same) == old
        # The first is in the journal as refused, the second as accepted; nothing besides.
        (refused,) = await entries_of(door, entries.Refused)
        assert refused.facts.code in {"wraps-mismatch", "recipient-key-unfit"}
        (accepted,) = await entries_of(door, entries.Accepted)
        assert (accepted.object, receipt.index) == (after.header, refused_index(door) + 1)
        async with agency(door.url, tmp_path / "in", WATCH) as reader:
            reader.keys = msgspec.structs.replace(reader.keys, openers=[NEXT])
            (item,) = await reader.everything()
            assert item.bulletin is not None, item.locked


def refused_index(door):
    return door.node.writer.size - 2


async def test_attachment_is_not_sealed_again_and_still_opens(tmp_path):
    path = a_file(tmp_path, size=10_000)
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box", attach=[path])
        await post(door.node, world().amended(WATCH, rotated), MINSA)
        async with agency(door.url, tmp_path / "box") as line:
            blobs = decoded(line.world.outbox.envelope(identity).header).attachments
            await line.resume()
            assert decoded(line.world.outbox.envelope(identity).header).attachments == blobs
        async with agency(door.url, tmp_path / "in", WATCH) as reader:
            reader.keys = msgspec.structs.replace(reader.keys, openers=[NEXT])
            (item,) = await reader.everything()
            saved = await reader.save(item, 0, tmp_path / "in")
        assert saved.read_bytes() == path.read_bytes()


async def test_bulletin_that_we_signed_with_a_key_no_longer_listed_is_signed_anew(tmp_path):
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        await post(door.node, world().amended(OPS, signing_anew(OTHER)), MINSA)
        async with agency(door.url, tmp_path / "box") as line:
            line.keys = msgspec.structs.replace(line.keys, signer=OTHER)
            line.transport._signer = OTHER
            await line.resume()
            assert line.world.outbox.sent() == [identity]
        (accepted,) = await entries_of(door, entries.Accepted)
        assert decoded(accepted.object).id == identity


async def test_content_key_of_what_was_sealed_anew_is_the_one_that_is_kept(tmp_path):
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        await post(door.node, world().amended(WATCH, rotated), MINSA)
        async with agency(door.url, tmp_path / "box") as line:
            await line.resume()
            header = decoded(line.world.outbox.envelope(identity).header)
            assert len(line.world.kept.key(header, world().openers[OPS], NOW)) == 32


async def test_reader_who_may_no_longer_read_has_it_refused_and_not_sealed_anew(tmp_path):
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        await post(door.node, world().amended(WATCH, suspended), MINSA)
        async with agency(door.url, tmp_path / "box") as line:
            with pytest.raises(Refusal) as caught:
                await line.resume()
            box = line.world.outbox
            (refused,) = box.refused()
            assert (refused.id, refused.why.code) == (identity, caught.value.code.value)
            about = refused.about
            assert (about.type, about.to) == (draft().bulletin["type"], [WATCH])
            assert about.title == draft().bulletin["title"]["text"]
            # What proves it is kept, and what it is known by; the rest is not.
            assert refused.receipt.index == door.node.writer.size - 1
            assert (box.waiting(), box.envelope(identity), box.anew(identity)) == (
                [],
                None,
                None,
            )
            assert not line.world.kept.has(identity)
            assert box.marked("mark") is None
            line.world.outbox.purge(NOW + 2 * 366 * DAY)
            assert box.refused() == []
        assert len(await entries_of(door, entries.Refused)) == 1
        assert await entries_of(door, entries.Accepted) == []


async def test_what_is_refused_twice_is_not_tried_a_third_time(tmp_path):
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        await post(door.node, world().amended(WATCH, rotated), MINSA)
        async with agency(door.url, tmp_path / "box") as line:
            box, sealed = line.world.outbox, line._poster._resealed
            before = box.envelope(identity)

            def with_the_old_key(*args):
                closed, anew = sealed(*args)
                return closed._replace(envelope=before), anew

            line._poster._resealed = with_the_old_key
            with pytest.raises(Refusal):
                await line.resume()
            assert [each.id for each in box.refused()] == [identity]
            assert await line.resume() == []
        assert len(await entries_of(door, entries.Refused)) == 2


@pytest.mark.parametrize("proof", ["none", "altered"])
async def test_refusal_without_proof_seals_nothing_anew(tmp_path, proof):
    """The node may have it all the same."""
    async with serving() as door:
        liar = Liar(door)

        def unproved(path, value):
            if path == "/v1/objects" and "receipt" in value:
                if proof == "none":
                    del value["receipt"]
                else:
                    value["receipt"]["index"] += 1
            return value

        liar.change = unproved
        identity = await queued(door.url, tmp_path / "box")
        await post(door.node, world().amended(WATCH, rotated), MINSA)
        async with fronted(problems(liar)) as url, agency(url, tmp_path / "box") as line:
            before = line.world.outbox.envelope(identity)
            with pytest.raises((Refusal, Fault)):
                await line.resume()
            assert line.world.outbox.waiting() == [identity]
            assert line.world.outbox.envelope(identity) == before
            assert line.world.outbox.waits(identity).tries == 1


def problems(liar):
    """The liar's front, for problem documents as well."""
    from aiohttp import web  # noqa: PLC0415

    async def handle(request):
        answer = await liar.handle(request)
        if answer.content_type == "application/problem+json":
            value = liar.change(request.path, msgspec.json.decode(answer.body))
            return web.Response(
                body=msgspec.json.encode(value),
                status=answer.status,
                content_type=answer.content_type,
            )
        return answer

    return handle


async def test_lost_answer_to_what_was_sealed_anew_is_asked_for_and_accepted_once(tmp_path):
    async with serving() as door:
        liar, lost = Liar(door), []
        identity = await queued(door.url, tmp_path / "box")
        await post(door.node, world().amended(WATCH, rotated), MINSA)

        async def handle(request):
            answer = await liar.handle(request)
            if request.path == "/v1/objects" and answer.status == 201 and not lost:
                lost.append(answer)
                request.transport.abort()
            return answer

        async with fronted(handle) as url, agency(url, tmp_path / "box") as line:
            with pytest.raises(Fault) as caught:
                await line.resume()
            assert caught.value.code is Code.OUTCOME_UNKNOWN
            sealed = line.world.outbox.envelope(identity)
            (receipt,) = await line.resume()
            assert line.world.outbox.envelope(identity) == sealed
        (accepted,) = await entries_of(door, entries.Accepted)
        assert (accepted.object, len(lost)) == (sealed.header, 1)
        assert receipt.index == door.node.writer.size - 1


async def test_refusal_for_anything_else_seals_nothing_anew_though_a_key_changed(tmp_path):
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        # Somebody used the id: another machine of ours, say, from a copy of this one.
        await post(door.node, world().envelope(id=identity, to=[WATCH]))
        async with agency(door.url, tmp_path / "box") as line:
            envelope = line.world.outbox.envelope(identity)
            line.world.outbox.keep(identity, envelope)
            line.keys = msgspec.structs.replace(line.keys, signer=OTHER)
            with pytest.raises(Refusal) as caught:
                await line.send(identity, envelope)
            assert caught.value.code is Code.ID_REUSED
        assert len(await entries_of(door, entries.Accepted)) == 1
        assert len(await entries_of(door, entries.Refused)) == 1


async def test_refusal_that_no_other_key_would_mend_seals_nothing_anew(tmp_path, monkeypatch):
    """The node takes offence at keys that are in force for all we know."""

    def offended(*_):
        raise Refusal(Code.WRAPS_MISMATCH, "/body/recipients")

    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        monkeypatch.setattr(sealed, "wraps", offended)
        async with agency(door.url, tmp_path / "box") as line:
            with pytest.raises(Refusal) as caught:
                await line.resume()
            assert caught.value.code is Code.WRAPS_MISMATCH
            assert [each.id for each in line.world.outbox.refused()] == [identity]
        assert len(await entries_of(door, entries.Refused)) == 1


async def test_bulletin_of_another_suite_than_ours_by_now_is_not_sealed_anew(tmp_path):
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        async with agency(door.url, tmp_path / "box") as line:
            box = line.world.outbox
            anew, envelope = box.anew(identity), box.envelope(identity)
    view = world().later(world().amended(WATCH, rotated))
    of_now, of_before = world("xb1-c").signers[OPS], world().signers[OPS]
    draw = Randomness("anew")
    assert resealing.reseal(anew, envelope, view, of_now, NOW, draw) is None
    closed, _ = resealing.reseal(anew, envelope, view, of_before, NOW, draw)
    assert closed.header.id == identity
    with pytest.raises(Fault) as caught:
        resealing.reseal(b"{}", envelope, view, of_before, NOW, draw)
    assert caught.value.code is Code.MAIL_DAMAGED
