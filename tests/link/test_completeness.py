"""All that the other nation addressed to us is accounted for, or it is said who hides it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, cast

import msgspec
import pytest
from aiohttp import web

from exchange.broker import keys
from exchange.cli.proving import of_home
from exchange.client.agency import Agency
from exchange.errors import Code, Refusal
from exchange.link import pages
from exchange.model import entry as entries
from exchange.model import wire
from exchange.node.crossed import account
from tests.api.serving import serve
from tests.builders import COAST, WATCH, border, refers, suspended
from tests.client.abroad import officer
from tests.client.dealing import Liar, fronted
from tests.link.bordered import Border, bordered
from tests.link.test_fetching import attached
from tests.link.test_waiting import Held

PATH = "/v1/heads/pa"


class Scene(NamedTuple):
    """Both nodes; a reader at ours, what stands before it, and before what theirs offers."""

    both: Border
    reader: Agency
    liar: Liar
    offers: Any

    async def sent(self, *to: list[str]) -> None:
        """Bulletins of Panama's, which cross."""
        for each in to:
            assert (await self.both.pa.post(border().envelope(to=each))).refusal is None
        await self.both.settle()

    async def tallied(self) -> Any:
        (home,) = (await self.reader.prove()).homes
        return home

    async def alarm(self, code: Code, at: str) -> Refusal:
        with pytest.raises(Refusal) as caught:
            await self.reader.prove()
        assert (caught.value.code, caught.value.at) == (code, at)
        return caught.value

    async def stopped(self) -> Code:
        """Pull until the link is stopped; why it was."""
        await self.both.pa.sign()
        async with asyncio.timeout(5):
            await self.both.us.puller.run()
        await self.both.us.sign()
        trouble = self.both.us.puller.trouble
        assert trouble is not None
        return trouble.code


class Offers:
    """What a node offers to the other one, altered from some moment on."""

    def __init__(self) -> None:
        self.change: Any = lambda page: page

    def between(self, app: web.Application, name: str) -> web.Application:
        if name != "pa":
            return app

        @web.middleware
        async def lie(request: web.Request, handler: Any) -> Any:
            answer: Any = await handler(request)
            if request.path != "/entries" or answer.status != 200:
                return answer
            line, _, _ = answer.body.partition(b"\n")
            told = msgspec.json.decode(line, type=wire.LinkPage)
            came = pages.decode(answer.body, "pa").items
            bodies = {each.index: each.body or b"" for each in came}
            page = self.change(told)
            return web.Response(
                body=pages.encode(page, [bodies[each.index] for each in page.items])
            )

        app.middlewares.append(lie)
        return app


@asynccontextmanager
async def scene(folder: Any, endpoint: str = WATCH, **options: Any) -> Any:
    offers = Offers()
    async with bordered(offers.between, **options) as both, serve(both.us.node) as door:
        liar, clock = Liar(door), cast("Any", both.clock)
        async with (
            fronted(liar.handle) as url,
            officer(url, "us", folder, endpoint, clock) as reader,
        ):
            await both.settle()
            yield Scene(both, reader, liar, offers)


async def while_suspended(here: Scene, *to: list[str]) -> Any:
    """What crosses while our node alone knows that the reader is suspended; it is over then."""
    over = border().amended(WATCH, suspended)
    restored = border().after(over).amended(WATCH, active)
    await here.both.us.post(over, "")
    await here.sent(*to)
    await here.both.us.post(restored, "")
    await here.both.settle()
    return border().after(over, restored)


def active(each):
    return msgspec.structs.replace(each, status="active")


def bulletins(page):
    return [each for each in page.items if '"kind":"accepted"' in each.entry[:24]]


def without(page, left_out, **changes):
    kept = [each for each in page.items if each not in left_out]
    return msgspec.structs.replace(page, items=kept, **changes)


# -- honest nodes -------------------------------------------------------------------------


async def test_all_that_came_is_proved_by_what_their_node_signed(tmp_path):
    async with scene(tmp_path) as here:
        assert (await here.tallied()).count == 0
        await here.sent([WATCH], [COAST], [WATCH, COAST])
        home = await here.tallied()
        assert (home.node, home.count, home.here, home.elsewhere) == ("pa", 2, 2, {})
        assert (home.later, home.is_stale, home.age_s, home.trouble) == (0, False, 0, "")
        assert home.covered <= home.size == here.both.us.puller.size
        # What is here and newer than their word is no alarm; nor is what waits to be asked for.
        newest = here.both.us.node.crossed.newest("pa")
        await here.sent([WATCH])
        here.both.us.node.crossed.keep("pa", newest)
        assert ((await here.tallied()).count, (await here.tallied()).later) == (2, 1)


async def test_what_is_not_here_is_told_with_the_entry_that_says_why(tmp_path):
    async with scene(tmp_path) as here:
        land, both = border(), here.both
        await here.sent([WATCH])
        await while_suspended(here, [WATCH], [WATCH, COAST])
        gone = land.envelope(to=[WATCH])
        await both.pa.post(gone)
        cancels = land.header(
            type="can",
            verb="cancel",
            to=[WATCH],
            refs=refers("cancels", gone),
            declares=["must-purge"],
        )
        await both.pa.post(land.envelope(cancels))
        for _ in range(3):
            await both.pa.node.retainer.step()
        await both.settle()
        home = await here.tallied()
        assert (home.count, home.here) == (6, 2)
        assert home.elsewhere == {
            "body-gone": 1,
            "endpoint-suspended": 2,
            "purge-ordered": 1,
        }


async def test_how_old_their_word_is_stands_in_it_and_is_said_once_it_is_old(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        here.both.clock.ms += 3_600_000
        await here.both.us.sign()
        home = await here.tallied()
        assert (home.age_s, home.is_stale, home.count) == (3600, True, 1)
        # The link is there again: they date it anew, though nothing is new.
        await here.both.settle()
        home = await here.tallied()
        assert (home.age_s, home.is_stale) == (0, False)


async def test_what_waits_for_room_is_said_to_wait_until_it_is_here(tmp_path):
    held = Held()
    async with scene(tmp_path, blobs=held) as here:
        for each in range(2):
            await attached(here.both.pa, b"attachment %d" % each)
        await here.sent([WATCH])
        home = await here.tallied()
        assert (home.count, home.here, home.elsewhere) == (3, 2, {"waiting": 1})
        for words in of_home(home):
            assert "!!! 1 " in words
        held.make_room()
        here.both.clock.ms += 31_000
        await here.both.settle()
        home = await here.tallied()
        assert (home.count, home.here, home.elsewhere) == (3, 3, {})


# -- their node lies ----------------------------------------------------------------------


async def test_the_nth_that_their_node_withholds_is_named_by_its_place(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        here.offers.change = lambda page: without(page, bulletins(page)[:1])
        for _ in range(3):
            await here.both.pa.post(border().envelope())
        assert await here.stopped() is Code.ITEM_WITHHELD
        said = await here.alarm(Code.ITEM_WITHHELD, "/homes/pa/there")
        assert said.facts == {"name": "pa", "position": 1, "expected": 4, "found": 1}


async def test_a_tail_that_their_node_withholds_is_seen_at_once(tmp_path):
    async with scene(tmp_path) as here:
        here.offers.change = lambda page: without(page, bulletins(page)[-1:])
        for _ in range(3):
            await here.both.pa.post(border().envelope())
        assert await here.stopped() is Code.ITEM_WITHHELD
        assert here.both.us.puller.trouble.at == "/heads"
        assert len(await here.both.us.inbox(WATCH)) == 2
        said = await here.alarm(Code.ITEM_WITHHELD, "/homes/pa/there")
        assert (said.facts["name"], said.facts["position"]) == ("pa", 2)


async def test_an_item_withheld_with_the_heads_that_count_it_is_an_alarm_all_the_same(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        here.offers.change = lambda page: msgspec.structs.replace(
            without(page, bulletins(page)[:1]), heads=None
        )
        for _ in range(2):
            await here.both.pa.post(border().envelope())
        assert await here.stopped() is Code.ITEM_WITHHELD
        await here.alarm(Code.ITEM_WITHHELD, "/homes/pa/there")


async def test_a_withheld_tail_that_comes_at_last_is_taken_in(tmp_path):
    async with scene(tmp_path) as here:
        here.offers.change = lambda page: without(page, bulletins(page)[-1:])
        for _ in range(2):
            await here.both.pa.post(border().envelope())
        assert await here.stopped() is Code.ITEM_WITHHELD
        with pytest.raises(Refusal):
            await here.both.us.puller.pull()
        await here.alarm(Code.ITEM_WITHHELD, "/homes/pa/there")
        here.offers.change = lambda page: page
        # The operator has started the node again.
        here.both.us.puller.trouble = None
        await here.both.settle()
        assert ((await here.tallied()).count, (await here.tallied()).trouble) == (2, "")


async def test_heads_that_stand_still_are_as_old_as_they_are_under_whatever_checkpoint(
    tmp_path,
):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        heads = here.both.pa.node.heads
        _, old = await heads.under(here.both.pa.node.newest)

        async def frozen(note):
            return note, old

        heads.under = frozen
        here.both.clock.ms += 600_000
        await here.sent([WATCH])
        here.both.clock.ms += 60_000
        await here.sent([COAST])
        home = await here.tallied()
        assert (home.count, home.is_stale, home.age_s) == (1, True, 660)
        assert home.later == 1


async def test_heads_older_than_those_that_are_here_gain_nothing_and_stop_nothing(tmp_path):
    async with scene(tmp_path) as here:
        heads = here.both.pa.node.heads
        _, old = await heads.under(here.both.pa.node.newest)
        await here.sent([WATCH])

        async def set_back(note):
            return note, old

        heads.under = set_back
        here.both.clock.ms += 600_000
        await here.sent([WATCH])
        home = await here.tallied()
        assert (home.count, home.later, home.age_s, home.trouble) == (1, 1, 600, "")


async def test_heads_left_out_grow_old(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        here.offers.change = lambda page: msgspec.structs.replace(page, heads=None)
        here.both.clock.ms += 600_000
        await here.sent([WATCH])
        home = await here.tallied()
        assert (home.count, home.later, home.is_stale) == (1, 1, True)


def own(page, change):
    if page.heads is None:
        return page
    told = change(dict(page.heads.own))
    return msgspec.structs.replace(page, heads=msgspec.structs.replace(page.heads, own=told))


@pytest.mark.parametrize(
    "change",
    [
        lambda told: {**told, WATCH: told[COAST]},
        lambda told: {name: each for name, each in told.items() if name != WATCH},
        lambda told: {**told, WATCH: msgspec.structs.replace(told[WATCH], count=0)},
    ],
)
async def test_anothers_leaf_or_none_is_no_head(tmp_path, change):
    async with scene(tmp_path) as here:
        await here.sent([WATCH], [COAST], [COAST])
        here.offers.change = lambda page: own(page, change)
        await here.both.pa.post(border().envelope())
        assert await here.stopped() is Code.BAD_PROOF
        home = await here.tallied()
        assert (home.count, home.later, home.trouble) == (1, 1, "bad-proof")


async def test_heads_of_no_entry_of_theirs_are_none(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])

        def forged(page):
            if page.heads is None:
                return page
            entry = page.heads.entry.replace('"salt":"', '"salt":"A')
            return msgspec.structs.replace(
                page, heads=msgspec.structs.replace(page.heads, entry=entry)
            )

        here.offers.change = forged
        await here.both.pa.post(border().envelope())
        assert await here.stopped() in (Code.BAD_PROOF, Code.BAD_BASE64)


# -- our node lies ------------------------------------------------------------------------


def changed(scene, change):
    """Our node's front tells the reader otherwise what it knows of theirs."""
    scene.liar.change = lambda path, value: change(value) if path == PATH else value


async def with_a_refused(here):
    """Two bulletins are here; of two between them we are told why they are not."""
    await here.sent([WATCH])
    land = await while_suspended(here, [WATCH], [WATCH, COAST])
    await here.sent([WATCH])
    assert (await here.tallied()).elsewhere == {"endpoint-suspended": 2}
    return land


async def test_a_place_of_which_our_node_says_nothing_is_withheld_by_ours(tmp_path):
    async with scene(tmp_path) as here:
        await with_a_refused(here)
        changed(here, lambda told: {**told, "elsewhere": told["elsewhere"][1:]})
        said = await here.alarm(Code.ITEM_WITHHELD, "/homes/pa/here")
        assert said.facts == {"name": "us", "position": 1, "expected": 4, "found": 3}


def spoiled(told, place, **changes):
    each = {**told["elsewhere"][place], **changes}
    return {
        **told,
        "elsewhere": [each if at == place else e for at, e in enumerate(told["elsewhere"])],
    }


@pytest.mark.parametrize(
    "change",
    [
        # A refusal is of the one place that it names.
        lambda told: spoiled(told, 0, index=told["elsewhere"][0]["index"] + 1),
        # One entry is not the account of two places.
        lambda told: spoiled(
            told, 0, **{name: told["elsewhere"][1][name] for name in ("entry", "receipt")}
        ),
        # An order to purge is its home's own entry; nothing else stands without a receipt.
        lambda told: spoiled(told, 0, receipt=None),
        lambda told: spoiled(told, 1, receipt=told["elsewhere"][0]["receipt"]),
        lambda told: spoiled(
            told,
            0,
            entry=told["elsewhere"][0]["entry"].replace("suspended", "unknown"),
        ),
    ],
)
async def test_an_account_that_is_not_borne_out_is_none(tmp_path, change):
    async with scene(tmp_path) as here:
        await with_a_refused(here)
        changed(here, change)
        await here.alarm(Code.ITEM_WITHHELD, "/homes/pa/elsewhere")


async def test_an_account_of_another_entry_differs_from_their_chain(tmp_path):
    async with scene(tmp_path) as here:
        await with_a_refused(here)
        leaf = "A" * 43
        changed(here, lambda told: spoiled(told, 0, leaf=leaf))
        await here.alarm(Code.CHAIN_DIFFERS, "/homes/pa")


async def test_a_notice_to_another_accounts_for_nothing(tmp_path):
    async with scene(tmp_path) as here:
        land, both = await with_a_refused(here), here.both
        await both.us.post(land.amended(COAST, suspended), "")
        await here.sent([WATCH, COAST])
        (place,) = both.us.node.crossed.places("pa", COAST)
        crossed = keys.crossed(entries.Home("pa", place.index))
        found = (await both.us.node.store.find([crossed]))[crossed]
        at = await account(both.us.node.store, COAST, found)
        receipt = msgspec.json.decode(msgspec.json.encode(await both.us.node.receipt(at)))
        (row,) = await both.us.node.store.read(at, 1)
        changed(here, lambda told: spoiled(told, 1, entry=row.entry.decode(), receipt=receipt))
        await here.alarm(Code.ITEM_WITHHELD, "/homes/pa/elsewhere")


async def test_an_older_head_than_was_seen_went_back(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        kept = here.both.us.node.crossed
        old = kept.newest("pa")
        await here.sent([WATCH])
        await here.tallied()
        kept.keep("pa", old)
        await here.alarm(Code.HEAD_WENT_BACK, "/homes/pa")
        # To show none any more is ours to answer for.
        here.both.us.node.crossed = None
        await here.alarm(Code.HEAD_MISSING, "/homes/pa")


async def test_another_past_than_was_seen_is_an_alarm_though_it_holds(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        await here.tallied()
        memory = here.reader.world.seen.of("pa")
        seen = memory.read(border().anchor, "pa")
        memory.keep(msgspec.structs.replace(seen, chain="A" * 43))
        await here.sent([WATCH])
        await here.alarm(Code.CHAIN_DIFFERS, "/homes/pa/seen")


async def test_no_head_though_items_came_is_said_by_name(tmp_path):
    async with scene(tmp_path) as here:
        here.both.us.node.crossed = None
        await here.sent([WATCH])
        # The first may be on its way.
        assert (await here.reader.prove()).homes == []
        here.both.clock.ms += 600_000
        await here.sent([WATCH])
        said = await here.alarm(Code.HEAD_MISSING, "/homes/pa")
        assert said.facts == {"name": "pa", "found": 2}


async def test_a_head_of_another_is_not_ours(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH], [COAST], [COAST])
        other = here.both.us.node.crossed.newest("pa").heads.own[COAST]
        told = msgspec.json.decode(msgspec.json.encode(other))
        changed(here, lambda value: {**value, "own": told})
        await here.alarm(Code.BAD_PROOF, "")


async def test_what_our_node_keeps_back_of_its_own_inbox_is_its_own_alarm(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH], [WATCH])

        def short(path, value):
            if path != "/v1/inbox":
                return value
            kept = [each for each in value["items"] if each["position"] == 0]
            return {**value, "items": kept, "total": 1}

        here.liar.change = short
        await here.alarm(Code.ITEM_WITHHELD, "/own")
