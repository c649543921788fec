"""What a STA is counted from: what was corrected or cancelled elsewhere is known, or said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from exchange.client import sources, statistics
from exchange.client.reports import Asked
from exchange.client.sources import Mail
from exchange.desk.ours import Ours
from exchange.errors import Code, Fault, Refusal
from exchange.model.header import Reference
from tests.api.serving import serving
from tests.broker.amending import cancelling as cancels
from tests.broker.amending import updating as updates
from tests.builders import DESK, MINSA, OPS, WATCH, new_id, world
from tests.client.dealing import Liar, agency, fronted
from tests.client.test_amending import correcting, sent
from tests.client.test_elsewhere import SEIZED, at, at_two, poster
from tests.client.test_statistics import szr
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
    told = {} if tell is None else {"tell": tell}
    return await sources.account(one, mail, asked, **told)


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
        # While the node is away, what it told before is known.
        away = await counted(one, away=Fault(Code.NODE_UNREACHABLE))
        assert (packages(away), why(away)) == (packages(made), why(made))
        assert away.unasked.ids == [target.id]
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


SPAN = YEAR._replace(start=datetime(2026, 11, 20, tzinfo=UTC))
SEIZED_AT = "/content/seized_at"


def dated(day, to=(), refs=(), **content):
    """A seizure on a day of November."""
    at_ = f"2026-11-{day:02}T09:40:00Z"
    told = SEIZED["content"] | {"seized_at": at_, "custody": []} | content
    made = at(SEIZED | {"observed": at_, "content": told}, *to)
    return msgspec.structs.replace(made, post=msgspec.structs.replace(made.post, refs=[*refs]))


async def official(one, day, of):
    """Its official count, which counts for the event."""
    (drug,) = SEIZED["content"]["drugs"]
    drugs = [drug | {"quantity": KILOGRAMS | {"count": "official"}}]
    refs = [Reference("answers", of.id, of.header_digest)]
    return await sent(one, dated(day, refs=refs, drugs=drugs, arrested=[]))


@pytest.mark.parametrize("is_far_one_first", [True, False])
async def test_report_of_an_event_is_asked_of_however_far_from_the_period_it_is(
    tmp_path, is_far_one_first
):
    async with serving() as door, agency(door.url, tmp_path / "one") as one:
        field = await sent(one, dated(17 if is_far_one_first else 21))
        count = await official(one, 21 if is_far_one_first else 17, field)
        made = await counted(one, SPAN, away=Fault(Code.NODE_UNREACHABLE))
        assert {*made.unasked.ids} == {field.id, count.id}
        # The official count is of the day that counts, and tells no arrests: the other does.
        assert made.content.arrests == (4 if is_far_one_first else None)
        async with agency(door.url, tmp_path / "two") as two:
            await at_two(two, field.id if is_far_one_first else count.id)
        made = await counted(one, SPAN)
        assert made.content.arrests == (0 if is_far_one_first else 4)
        assert made.unasked.ids == []


async def test_report_that_was_moved_from_afar_or_away_here_is_asked_of(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "one") as one:
        await post(door.node, world().amended(DESK, poster), MINSA)
        target = await sent(one, dated(24, [DESK]))
        late = YEAR._replace(start=datetime(2026, 11, 27, tzinfo=UTC))
        into = (SEIZED_AT, "2026-11-24T09:40:00Z", "2026-11-27T09:40:00Z")
        async with agency(door.url, tmp_path / "desk", DESK) as desk:
            await desk.everything()
            moved = correcting(into)
            to = msgspec.structs.replace(moved.post, to=[OPS, WATCH])
            await sent(desk, msgspec.structs.replace(moved, post=to), target)
        await one.everything()
        assert packages(await counted(one, late)) == [34]
        away = correcting((SEIZED_AT, "2026-11-27T09:40:00Z", "2026-11-02T09:40:00Z"))
        correction = await sent(one, away, target)
        assert packages(await counted(one, SPAN)) == []
        # By its own text it is of this one: what moved it away was cancelled.
        async with agency(door.url, tmp_path / "two") as two:
            await at_two(two, correction.id)
        assert packages(await counted(one, SPAN)) == [34]
        async with agency(door.url, tmp_path / "two") as two:
            await at_two(two, target.id)
        # From afar it is asked of, since it came out to be of the period.
        assert packages(await counted(one, late)) == []


async def test_newer_version_that_is_of_another_day_is_asked_of(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "one") as one:
        target = await sent(one, dated(24))
        newer = await sent(one, dated(2), target)
        assert (await counted(one, SPAN)).left == []
        async with agency(door.url, tmp_path / "two") as two:
            await at_two(two, newer.id)
        assert why(await counted(one, SPAN)) == [(target.id, "version")]


async def test_report_that_an_officer_takes_for_one_may_only_come_to_stand_by_asking(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "one") as one:
        first, second = await sent(one, at(SEIZED)), await sent(one, dated(2))
        async with agency(door.url, tmp_path / "two") as two:
            correction = await at_two(two, second.id, correcting(WEIGHED), unchecked=True)
        assert why(await counted(one)) == [(second.id, "correction")]
        # Far from the period, and tied to nothing of it but by an officer's word.
        mail = Mail(await one.inbox.as_held(), Ours(one, CODES).items)
        both = one, mail, SPAN, [(first.id, second.id)]
        with pytest.raises(Refusal) as caught:
            await sources.account(*both)
        assert (caught.value.code, caught.value.facts["id"]) == (Code.NOT_FOUND, second.id)
        async with agency(door.url, tmp_path / "two") as two:
            await at_two(two, correction)
        assert second.id in (await sources.account(*both)).rests_on


@pytest.mark.parametrize("relation", ["corrects", "supersedes"])
@pytest.mark.parametrize("is_locked", [True, False])
def test_report_that_what_is_not_here_may_have_moved_into_the_period_is_listed(
    relation, is_locked
):
    def left(hours, *earlier):
        at = YEAR.start - timedelta(hours=hours)
        report = szr(1, "EX-9", at=at, value=1.0, header={"observed": int(at.timestamp())})
        text = None if is_locked else report.bulletin
        report = msgspec.structs.replace(report, bulletin=text, earlier=[*earlier])
        return [each.item.index for each in statistics.compute([report], YEAR, CODES).left]

    assert left(9, (relation, 4)) == [1]
    assert left(25, (relation, 4)) == left(9) == []
