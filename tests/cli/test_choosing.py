"""Two bulletins under one id: told apart by entry number, never taken for one another."""

from __future__ import annotations

import pytest

from exchange.cli import choosing
from exchange.errors import Code, Refusal
from tests.api.serving import serving
from tests.builders import COAST, WATCH
from tests.client.dealing import agency, draft


async def posted(by, identity=None):
    if identity:
        by.new_id = lambda: identity
    prepared = await by.prepare(draft())
    return prepared.header.id, (await by.post(prepared)).index


async def refused(line, identity):
    """The code, and the entry numbers that are told with it."""
    with pytest.raises(Refusal) as caught:
        await choosing.target(line, identity)
    return caught.value.code, caught.value.facts.get("found")


async def test_id_that_two_agencies_used_is_read_by_entry_number_alone(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "reader", WATCH) as line:
        async with agency(door.url, tmp_path / "ops") as ops:
            identity, first = await posted(ops)
        only = choosing.in_inbox(await line.everything(), identity)
        assert only.index == first
        async with agency(door.url, tmp_path / "coast", COAST) as coast:
            _, second = await posted(coast, identity)
        items = await line.everything()
        with pytest.raises(Refusal) as caught:
            choosing.in_inbox(items, identity)
        told = (caught.value.code, caught.value.facts["found"])
        assert told == (Code.ID_UNCLEAR, f"{first}, {second}")
        for index, origin in ((first, "pa.senan"), (second, "us.uscg")):
            item = choosing.in_inbox(items, str(index))
            assert (item.index, item.header.origin) == (index, origin)
        assert await refused(line, identity) == told
        target = await choosing.target(line, str(second))
        assert (target.id, target.origin) == (identity, "us.uscg")


async def test_own_bulletin_is_not_taken_for_anothers_of_the_same_id(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "watch", WATCH) as line:
        async with agency(door.url, tmp_path / "ops") as ops:
            identity, theirs = await posted(ops)
        line.new_id = lambda: identity
        prepared = await line.prepare(draft())
        own = (await line.post(prepared)).index
        told = await refused(line, identity)
        assert told == (Code.ID_UNCLEAR, f"{own}, {theirs}")
        assert (await choosing.target(line, str(own))).origin == "us.jiatfs"
        assert (await choosing.target(line, str(theirs))).origin == "pa.senan"


async def test_what_was_posted_from_here_is_found_by_its_id_and_by_its_entry(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "ops") as ops:
        identity, index = await posted(ops)
        for name in (identity, str(index)):
            assert (await choosing.target(ops, name)).id == identity
        assert (await refused(ops, str(index + 1)))[0] is Code.NOT_FOUND
