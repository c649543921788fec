"""What a STA is counted from: what was corrected or cancelled elsewhere is known, or said."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from exchange.client import sources, statistics
from exchange.client.reports import Asked
from exchange.client.sources import Mail
from exchange.desk.ours import Ours
from exchange.errors import Code, Fault
from tests.api.serving import serving
from tests.broker.amending import cancelling as cancels
from tests.broker.amending import updating as updates
from tests.builders import DESK, MINSA, OPS, WATCH, new_id, world
from tests.client.dealing import Liar, agency, fronted
from tests.client.test_amending import correcting, sent
from tests.client.test_elsewhere import SEIZED, at, at_two, poster
from tests.desk.desked import Front
from tests.model.bulletins import CODES
from tests.node.running import post

YEAR = Asked(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "exercise")
BEFORE = YEAR._replace(start=datetime(2025, 1, 1, tzinfo=UTC), end=YEAR.start)
PACKAGES = {"qualifier": "exact", "count": "field", "packages": 34}
KILOGRAMS = PACKAGES | {"value": 1.5, "unit": "kg", "basis": "bulk"}
OTHER = SEIZED | {"content": SEIZED["content"] | {"event": "EX-2026-0999"}}
WEIGHED = ("/content/drugs/0/quantity", PACKAGES, KILOGRAMS)


async def counted(one, asked=YEAR, away=None, tell=None):
    """The account as an edge has it made: of the inbox as held, and of what was posted."""
    mail = Mail(await one.inbox.as_held(), Ours(one, CODES).items, away)
    told = () if tell is None else (tell,)
    found = await sources.gather(one, mail, asked, *told)
    made = statistics.compute(found.items, asked, CODES, acts=one.separating.together())
    return msgspec.structs.replace(made, unasked=found.unasked)


def packages(made):
    return [each.quantity.packages for each in made.content.drug_totals]


def why(made):
    return [(each.item.header.id, each.why) for each in made.left]


@pytest.mark.parametrize("is_read", [True, False])
async def test_colleague_s_correction_is_applied_or_the_report_is_listed(tmp_path, is_read):
    async with serving() as door, agency(door.url, tmp_path / "one") as one:
        await post(door.node, world().amended(DESK, poster), MINSA)
        target = await sent(one, at(SEIZED, DESK))
        made = await counted(one)
        assert (packages(made), made.left, made.unasked) == ([34], [], ([], None))
        async with agency(door.url, tmp_path / "desk", DESK) as desk:
            await desk.everything()
            theirs = correcting(WEIGHED)
            to = [OPS, WATCH] if is_read else [WATCH]
            changed = msgspec.structs.replace(theirs.post, to=to)
            await sent(desk, msgspec.structs.replace(theirs, post=changed), target)
        await one.everything()
        made = await counted(one)
        if is_read:
            (total,) = made.content.drug_totals
            assert (total.quantity.value, made.left) == (1.5, [])
        else:
            assert (packages(made), why(made)) == ([], [(target.id, "correction")])
        assert made.unasked.ids == []
        # Asked of what is of the period alone.
        assert [e.content.counts for e in (await counted(one, BEFORE),)] == [[]]


async def test_what_the_second_machine_cancelled_or_replaced_is_not_counted(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "one") as one:
        first, second = await sent(one, at(SEIZED)), await sent(one, at(OTHER))
        told = []
        made = await counted(one, tell=lambda *said: told.append(said))
        assert (packages(made), told) == ([68], [(2, 2)])
        async with agency(door.url, tmp_path / "two") as two:
            await at_two(two, first.id)
            correction = await at_two(two, second.id, correcting(WEIGHED), unchecked=True)
        await one.everything()
        made = await counted(one)
        assert (made.content.counts, why(made)) == ([], [(second.id, "correction")])
        assert not one.world.kept.has(first.id)
        # That the correction was cancelled is known by way of it.
        async with agency(door.url, tmp_path / "two") as two:
            await at_two(two, correction)
        made = await counted(one)
        assert (packages(made), made.left) == ([34], [])
        # What is taken in is asked of in its turn: the newer version was cancelled, too.
        newer = updates(one.world.outbox.envelope(second.id), type="szr")
        for each in (newer, cancels(newer, type="can")):
            assert (await post(door.node, each)).refusal is None
        made = await counted(one)
        assert (packages(made), why(made)) == ([], [(second.id, "version")])


async def test_what_the_node_was_not_asked_is_said_and_counts_as_it_is_here(
    tmp_path, monkeypatch
):
    async with serving() as door:
        front = Front(door)
        async with fronted(front.handle) as url, agency(url, tmp_path / "one") as one:
            targets = [await sent(one, at(SEIZED)), await sent(one, at(OTHER))]
            ids = sorted(each.id for each in targets)
            ways = {f"/v1/posted/{each}/bearing": "/v1/no-such-thing" for each in ids}

            async def unasked(**how):
                made = await counted(one, **how)
                assert packages(made) == [68]
                error = made.unasked.why
                return sorted(made.unasked.ids), None if error is None else error.code

            assert await unasked() == ([], None)
            assert await unasked(away=Fault(Code.NODE_UNREACHABLE)) == (
                ids,
                Code.NODE_UNREACHABLE,
            )
            # An older node does not tell of such.
            front.instead = ways
            assert await unasked() == (ids, None)
            front.instead = dict([ways.popitem()])
            assert await unasked() == ([ids[1]], None)
            front.instead, front.shut = {}, ("/v1/posted/",)
            assert await unasked() == (ids, Code.UNAVAILABLE)
            front.back()
            monkeypatch.setattr(sources, "MOST", 1)
            assert len((await unasked())[0]) == 1


async def test_a_node_that_is_away_is_asked_no_more_and_one_that_lies_is_not_believed(
    tmp_path, monkeypatch
):
    async with serving() as door:
        liar = Liar(door)
        async with fronted(liar.handle) as url, agency(url, tmp_path / "one") as one:
            ids = sorted([(await sent(one, at(each))).id for each in (SEIZED, OTHER)])
            monkeypatch.setattr(sources, "_AT_ONCE", 1)

            async def asked():
                liar.asked.clear()
                made = await counted(one)
                assert (packages(made), sorted(made.unasked.ids)) == ([68], ids)
                n = sum(each.endswith("/bearing") for each in liar.asked)
                return n, made.unasked.why.code

            # No answer at all, and one of what this endpoint never posted.
            lies = [({}, 1, Code.UNAVAILABLE), ({"ids": [new_id()]}, 2, Code.NOT_FOUND)]
            for lie, n, code in lies:
                liar.change = lambda path, said, lie=lie: (
                    lie if path.endswith("/bearing") else said
                )
                assert await asked() == (n, code)
