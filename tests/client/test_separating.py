"""Readers who are not to see each other: an envelope for each group, sent as one act."""

from __future__ import annotations

import msgspec
import pytest

from exchange.client import purging, separating
from exchange.client.attaching import untold
from exchange.client.reading import Drafted
from exchange.errors import Code, Refusal
from tests.api.serving import serving
from tests.builders import COAST, DESK, MINSA, NOW, OPS, WATCH, suspended, world
from tests.client.attached import a_file, received
from tests.client.dealing import agency, draft
from tests.client.foureyes import MARK, guarded, line, red
from tests.node.running import post


def to(*names, free=None):
    """A draft to these."""
    made = free or draft()
    return msgspec.structs.replace(
        made, post=msgspec.structs.replace(made.post, to=list(names))
    )


async def split(author, by="nation", free=None):
    prepared = await author.prepare(free or to(DESK, WATCH))
    now = author.world.now()
    return separating.split(prepared, by, author.trust.newest, now, author.new_id)


def states(standing):
    return [(each.state, each.to) for each in standing]


async def test_each_group_gets_a_bulletin_that_names_it_alone(tmp_path):
    async with serving() as door, line(door, tmp_path) as author:
        parts = await split(author)
        assert len({each.header.id for each in parts}) == 2
        assert all(each.bulletin.id == each.header.id for each in parts)
        standing = await author.separating.post(parts, MARK, untold)
        assert states(standing) == [("sent", [DESK]), ("sent", [WATCH])]
        for name, each in zip((DESK, WATCH), standing, strict=True):
            async with line(door, tmp_path, name) as reader:
                item = await received(reader)
                assert (item.header.id, item.header.to) == (each.id, [name])
                assert item.index == each.index
        (act,) = author.separating.acts()
        assert [each.id for each in act.parts] == [each.id for each in standing]


async def test_readers_of_one_group_stay_together_and_one_group_is_one_envelope(tmp_path):
    async with serving() as door, line(door, tmp_path) as author:
        all_three = to(COAST, DESK, WATCH)
        assert len(await split(author, "endpoint", all_three)) == 3
        apart = await split(author, "nation", all_three)
        assert [each.header.to for each in apart] == [[DESK], [WATCH, COAST]]
        prepared = await author.prepare(to(WATCH))
        view = author.trust.newest
        assert separating.split(prepared, "nation", view, NOW, author.new_id) == [prepared]


async def test_nothing_is_sent_twice_nor_half_of_it_forgotten_while_the_node_is_away(tmp_path):
    async with serving() as door:
        async with line(door, tmp_path) as author:
            away = [
                msgspec.structs.replace(each, as_of_ms=author.world.clock_ms())
                for each in await split(author)
            ]
            standing = await author.separating.post(away, MARK, untold)
            assert states(standing) == [("waits", [DESK]), ("waits", [WATCH])]
            assert not author.world.outbox.sent()
        # Another command, later: what was kept goes, and nothing is sealed anew.
        async with line(door, tmp_path) as author:
            again = await author.separating.post(await split(author), MARK, untold)
            assert [each.id for each in again] == [each.id for each in standing]
            assert states(again) == [("sent", [DESK]), ("sent", [WATCH])]
            assert len(author.world.outbox.sent()) == 2


async def test_one_that_is_refused_is_named_and_keeps_no_other(tmp_path):
    async with serving() as door, line(door, tmp_path) as author:
        parts = await split(author)
        await post(door.node, world().amended(WATCH, suspended), MINSA)
        standing = await author.separating.post(parts, MARK, untold)
        assert states(standing) == [("sent", [DESK]), ("refused", [WATCH])]
        assert standing[1].why.error().code in (Code.UNKNOWN_RECIPIENT, Code.ENDPOINT_SUSPENDED)


async def test_what_cannot_be_sealed_leaves_nothing_behind(tmp_path, monkeypatch):
    async with serving() as door, line(door, tmp_path) as author:
        prepared = await author.prepare(to(DESK, WATCH), attach=[a_file(tmp_path, size=10)])
        view = author.trust.newest
        first, second = separating.split(prepared, "nation", view, NOW, author.new_id)
        poster = author.separating._poster
        sealed = poster.sealed

        async def fail(prepared, tell):
            if prepared is second:
                raise Refusal(Code.SIZE_MISMATCH)
            return await sealed(prepared, tell)

        monkeypatch.setattr(poster, "sealed", fail)
        with pytest.raises(Refusal):
            await author.separating.post([first, second], MARK, untold)
        assert author.world.outbox.waiting() == []
        assert author.separating.acts() == []
        assert not list(author.world.cabinet.folder.glob("*.attached"))


async def test_each_envelope_waits_for_a_release_of_its_own(tmp_path):
    async with guarded(tmp_path) as door, line(door, tmp_path) as author:
        parts = await split(author, "endpoint", to(COAST, WATCH, free=red()))
        assert all(each.releasers for each in parts)
        standing = await author.separating.post(parts, MARK, untold, "exercise-author")
        assert {each.state for each in standing} == {"asked"}
        async with line(door, tmp_path, DESK) as desk:
            asked = [each for each in await desk.everything() if isinstance(each, Drafted)]
            await desk.releasing.approve(asked[0], "exercise-releaser")
            await desk.releasing.decline(asked[1], "EXERCISE", "exercise-releaser")
        await author.resume()
        (act,) = author.separating.acts()
        assert sorted(each.state for each in author.separating.standing(act)) == [
            "over",
            "sent",
        ]


@pytest.mark.parametrize(("verb", "kind"), [("update", "voi"), ("new", "brq"), ("new", "dcf")])
async def test_what_is_one_matter_for_all_goes_in_one_envelope(tmp_path, verb, kind):
    async with serving() as door, line(door, tmp_path) as author:
        prepared = await author.prepare(to(DESK, WATCH))
        header = msgspec.structs.replace(prepared.header, verb=verb, type=kind)
        whole = msgspec.structs.replace(prepared, header=header)
        with pytest.raises(Refusal) as refused:
            separating.split(whole, "nation", author.trust.newest, NOW, author.new_id)
        assert (refused.value.code, refused.value.at) == (
            Code.NOT_SEPARABLE,
            "/post/separately",
        )


async def test_an_act_is_forgotten_with_what_it_sent(tmp_path):
    async with serving() as door, agency(door.url, tmp_path, OPS) as author:
        await author.separating.post(await split(author), MARK, untold)
        (act,) = author.separating.acts()
        purging.purge(author.world.cabinet, act.until * 1000 - 1)
        assert author.separating.acts() == [act]
        purging.purge(author.world.cabinet, (act.until + 86_400) * 1000)
        assert author.separating.acts() == []
