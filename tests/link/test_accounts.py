"""What our node says of a place that is not here: by its notice, and no longer than agreed."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from exchange.api import homes as api
from exchange.broker import retaining
from exchange.client.homes import MAX_AGE_S, HomeProver
from exchange.errors import Code, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.bundle import TlogProof
from exchange.journal.proofs import inclusion_proof
from exchange.model import entry as entries
from exchange.model import objects
from exchange.node.stored import with_hashes
from exchange.seal import notices
from tests.builders import COAST, DESK, NOW, OPS, WATCH, border, new_id, refers, suspended
from tests.link.bordered import bordered
from tests.link.test_completeness import (
    PATH,
    active,
    changed,
    scene,
    spoiled,
    while_suspended,
    with_a_refused,
)
from tests.link.test_fetching import attached
from tests.link.test_waiting import Held, closed_with

LIMITS = border().arrangement.limits
LIMIT_S = LIMITS.late_s + LIMITS.skew_s


async def one_waits(here):
    """A bulletin has no room here; another one came after it."""
    await attached(here.both.pa, b"attachment")
    await here.sent([WATCH])
    home = await here.tallied()
    assert (home.count, home.here, home.elsewhere) == (2, 1, {"waiting": 1})


async def later(here, seconds):
    """Both nodes stand where they are; the link is up."""
    here.both.clock.ms += seconds * 1000
    await here.both.settle(1)


async def entered(side, of, recipient, about="waiting"):
    """A notice that our node signs and enters now, as it appears in an account."""
    node = side.node
    notice = objects.Notice(
        v="xb1",
        suite="xb1-h",
        id=new_id(),
        node=node.name,
        of=of,
        about=about,
        recipient=recipient,
        code=None if about == "late" else "kept-quota",
        at=NOW,
    )
    raw = notices.sign(notice, node.settings.signer)
    at = await node.writer.enter(lambda ledger, _: retaining.notify(ledger, raw, None, []))
    (row,) = await node.store.read(at, 1)
    receipt = msgspec.json.decode(msgspec.json.encode(await node.receipt(at)))
    return {"entry": row.entry.decode(), "receipt": receipt}


def some():
    return objects.Subject(OPS, new_id(), "A" * 43)


async def test_what_waits_is_told_by_a_notice_and_is_an_alarm_once_it_is_late(tmp_path):
    async with scene(tmp_path, blobs=Held(0)) as here:
        await one_waits(here)
        await later(here, LIMIT_S)
        assert (await here.tallied()).elsewhere == {"waiting": 1}
        await later(here, 1)
        said = await here.alarm(Code.ITEM_WITHHELD, "/homes/pa/waiting")
        assert said.facts == {"name": "us", "position": 0}


async def test_what_waited_and_came_is_no_alarm_however_long_that_was(tmp_path):
    held = Held(0)
    async with scene(tmp_path, blobs=held) as here:
        await one_waits(here)
        await later(here, LIMIT_S + 1)
        held.make_room()
        await later(here, 900)
        home = await here.tallied()
        assert (home.count, home.here, home.elsewhere) == (2, 2, {})
        assert here.reader.world.seen.of("pa").read(border().anchor, "pa").waiting == {}


@pytest.mark.parametrize("told", [0, 1_000_000])
async def test_a_notice_that_is_told_anew_or_dated_ahead_starts_no_time_anew(tmp_path, told):
    async with scene(tmp_path, blobs=Held(0)) as here:
        await one_waits(here)
        await later(here, LIMIT_S)
        here.both.clock.ms += told * 1000
        anew = await entered(here.both.us, some(), WATCH)
        here.both.clock.ms -= told * 1000
        await here.both.us.sign()
        changed(here, lambda value: spoiled(value, 0, **anew))
        assert (await here.tallied()).elsewhere == {"waiting": 1}
        here.both.clock.ms += 1000
        await here.alarm(Code.ITEM_WITHHELD, "/homes/pa/waiting")


async def test_no_time_is_gained_by_a_date_ahead_of_who_asks_for_the_first_time(tmp_path):
    async with scene(tmp_path, blobs=Held(0)) as here:
        await attached(here.both.pa, b"attachment")
        await here.sent([WATCH])
        here.both.clock.ms += 1_000_000_000
        ahead = await entered(here.both.us, some(), WATCH)
        here.both.clock.ms -= 1_000_000_000
        changed(here, lambda value: spoiled(value, 0, **ahead))
        await here.tallied()
        seen = here.reader.world.seen.of("pa").read(border().anchor, "pa")
        assert seen.waiting == {0: here.both.clock.ms // 1000}


@pytest.mark.parametrize(
    ("recipient", "about"), [(COAST, "waiting"), (None, "late"), (COAST, "refused")]
)
async def test_a_notice_of_something_else_is_no_account_of_what_waits(
    tmp_path, recipient, about
):
    async with scene(tmp_path, blobs=Held(0)) as here:
        await one_waits(here)
        other = await entered(here.both.us, some(), recipient, about)
        changed(here, lambda value: spoiled(value, 0, **other))
        await here.alarm(Code.ITEM_WITHHELD, "/homes/pa/elsewhere")


async def test_our_nodes_bare_word_that_something_waits_is_none(tmp_path):
    async with scene(tmp_path, blobs=Held(0)) as here:
        await one_waits(here)
        changed(here, lambda value: spoiled(value, 0, entry="", receipt=None))
        await here.alarm(Code.ITEM_WITHHELD, "/homes/pa/elsewhere")


async def test_one_notice_may_account_for_all_that_waits_for_one_bulletin(tmp_path):
    async with scene(tmp_path, blobs=Held(0)) as here:
        await one_waits(here)

        def twice(value):
            (first,) = value["elsewhere"]
            # Of a place that came meanwhile: nothing hangs on it.
            return {**value, "elsewhere": [first, {**first, "position": 1}]}

        changed(here, twice)
        assert (await here.tallied()).elsewhere == {"waiting": 1}
        assert list(here.reader.world.seen.of("pa").read(border().anchor, "pa").waiting) == [0]


async def test_what_is_about_what_waits_has_a_notice_of_its_own(tmp_path):
    land = border()
    async with scene(tmp_path, blobs=Held(0)) as here:
        closed = await closed_with(here.both.pa, b"attachment", to=[DESK])
        await here.both.pa.post(closed.envelope)
        await here.both.pa.post(land.grant(closed, WATCH))
        gone = land.header(
            type="can", verb="cancel", to=[DESK], refs=refers("cancels", closed.envelope)
        )
        await here.both.pa.post(land.envelope(gone))
        await here.both.settle()
        home = await here.tallied()
        assert (home.count, home.here, home.elsewhere) == (2, 0, {"waiting": 2})
        # Whom its poster did not name, he is not told of.
        told = [
            notices.verify(each.object, land.view).recipient
            for each in await here.both.pa.inbox(OPS)
            if isinstance(each.facts, entries.Noticed)
        ]
        assert told == [WATCH]


async def test_what_is_owed_at_home_to_who_holds_nothing_here_is_accounted_for(tmp_path):
    land = border()
    async with scene(tmp_path) as here:
        both = here.both
        closed = land.closed(to=[DESK, COAST])
        await both.pa.post(closed.envelope)
        await both.settle()
        over = land.amended(WATCH, suspended)
        await both.us.post(over, "")
        # At home it is granted, and what corrects it is owed to who was given it.
        await both.pa.post(land.grant(closed, WATCH))
        await both.settle()
        gone = land.header(
            type="can",
            verb="cancel",
            to=[DESK, COAST],
            refs=refers("cancels", closed.envelope),
        )
        await both.pa.post(land.envelope(gone))
        await both.us.post(land.after(over).amended(WATCH, active), "")
        await both.settle()
        assert await both.us.inbox(WATCH) == []
        home = await here.tallied()
        assert (home.count, home.here) == (2, 0)
        assert home.elsewhere == {"endpoint-suspended": 1, "not-owed": 1}


async def test_what_waits_is_signed_and_entered_once_however_often_it_is_tried(monkeypatch):
    async with bordered(blobs=Held(0)) as both:
        await both.settle()
        await attached(both.pa, b"attachment")
        await both.settle()
        size = both.us.node.size
        monkeypatch.setattr(notices, "sign", None)
        for _ in range(3):
            both.clock.ms += 901_000
            await both.us.puller.pull()
        (waits,) = both.us.puller.pulled.waiting.values()
        assert (waits.tries, both.us.node.size) == (4, size)


# -- what our node answers, and what is done with it --------------------------------------


async def test_accounts_come_a_few_at_a_time_and_all_of_them(tmp_path, monkeypatch):
    async with scene(tmp_path) as here:
        await with_a_refused(here)
        monkeypatch.setattr(api, "MAX_PLACES", 1)
        home = await here.tallied()
        assert (home.count, home.elsewhere) == (4, {"endpoint-suspended": 2})
        answers = []
        here.liar.change = lambda _, told: answers.append(told) or told
        await here.tallied()
        pages = [each for each in answers if "elsewhere" in each]
        assert [len(each["elsewhere"]) for each in pages] == [1, 1, 0]
        assert [each["more"] for each in pages] == [2, 3, 0]


async def test_a_place_beyond_the_head_is_not_told_of_yet(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        old = here.both.us.node.crossed.newest("pa")
        await while_suspended(here, [WATCH])
        here.both.us.node.crossed.keep("pa", old)
        home = await here.tallied()
        assert (home.count, home.elsewhere) == (1, {})


@pytest.mark.parametrize("name", ["us", "mx"])
async def test_of_our_own_node_and_of_none_there_is_no_head_of_elsewhere(tmp_path, name):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        # As if something were kept of it.
        kept = here.both.us.node.crossed
        kept.keep(name, kept.newest("pa"))
        with pytest.raises(Refusal) as caught:
            await here.reader.transport.get("/v1/heads/" + name, first=0)
        assert (caught.value.code, caught.value.at) == (Code.NOT_FOUND, "/node")


async def test_an_endpoint_that_was_not_listed_there_yet_has_no_head_there(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([COAST])
        kept = here.both.us.node.crossed
        known = kept.newest("pa")
        own = {name: each for name, each in known.heads.own.items() if name != WATCH}
        heads = msgspec.structs.replace(known.heads, own=own)
        kept.keep("pa", msgspec.structs.replace(known, heads=heads))
        assert (await here.reader.prove()).homes == []


async def test_an_answer_that_is_no_head_is_not_taken_for_silence(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        there = here.reader.transport.get_as

        async def refused(kind, path, **asked):
            if path == PATH:
                raise Refusal(Code.MISSING_ROLE, "")
            return await there(kind, path, **asked)

        here.reader.transport.get_as = refused
        await here.alarm(Code.MISSING_ROLE, "")


def heads_changed(here, change):
    """Their node's entry of inbox heads, as our node shows it."""

    def lie(told):
        return {**told, "entry": change(told["entry"])}

    changed(here, lie)


async def test_another_entry_of_theirs_or_an_altered_one_shows_no_heads(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        (row,) = await here.both.pa.node.store.read(0, 1)
        heads_changed(here, lambda _: row.entry.decode())
        await here.alarm(Code.BAD_PROOF, "/homes/pa")
        heads_changed(here, lambda told: told.replace('"taken_ms":1', '"taken_ms":2'))
        with pytest.raises(Refusal) as caught:
            await here.reader.prove()
        assert caught.value.code is Code.BAD_PROOF


async def test_who_remembers_one_past_is_not_shown_another_of_the_same_size(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        home = await here.tallied()
        memory = here.reader.world.seen.of("pa")
        seen = memory.read(border().anchor, "pa")
        memory.keep(msgspec.structs.replace(seen, root="A" * 43))
        said = await here.alarm(Code.HEAD_WENT_BACK, "/homes/pa/root")
        assert "evidence" in said.facts
        # Nor fewer items under a journal that grew.
        more = {"size": home.size - 1, "count": home.count + 1}
        memory.keep(msgspec.structs.replace(seen, **more))
        await here.alarm(Code.HEAD_WENT_BACK, "/homes/pa")
        memory.keep(msgspec.structs.replace(seen, size=home.size + 1))
        await here.alarm(Code.HEAD_WENT_BACK, "/homes/pa")


@pytest.mark.parametrize(
    ("seconds", "is_stale"), [(540, False), (541, True), (-540, False), (-541, True)]
)
async def test_their_word_is_old_beyond_its_limit_and_so_is_one_of_the_future(
    tmp_path, seconds, is_stale
):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        assert MAX_AGE_S + LIMITS.skew_s == 540
        prover = prover_of(here.reader)
        await here.reader.prove()
        asked, now = await prover.ask("pa"), here.both.clock.ms // 1000
        assert prover.judge("pa", asked, None, now + seconds).is_stale is is_stale
        # Without a memory each is judged by itself.
        assert prover.judge("pa", asked, None, now).count == 1


async def test_a_link_that_stopped_for_what_proves_nothing_is_said_and_is_no_alarm(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        kept = here.both.us.node.crossed
        kept.keep("pa", msgspec.structs.replace(kept.newest("pa"), trouble="bad-proof"))
        assert (await here.tallied()).trouble == "bad-proof"
        for code in ("item-withheld", "chain-differs", "head-went-back", "journal-forked"):
            kept.keep("pa", msgspec.structs.replace(kept.newest("pa"), trouble=code))
            await here.alarm(Code(code), "/homes/pa/there")


# -- what no honest node says --------------------------------------------------------------


def prover_of(reader):
    return HomeProver(reader.transport, reader.inbox.held, reader.trust, reader.profile)


async def test_what_is_held_counts_whatever_our_node_says_of_its_place(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        waits = await entered(here.both.us, some(), WATCH)
        await here.both.us.sign()
        other = {"position": 0, "index": 1, "leaf": "A" * 43, **waits}
        changed(here, lambda value: {**value, "elsewhere": [other]})
        home = await here.tallied()
        assert (home.count, home.here, home.elsewhere) == (1, 1, {})


async def test_places_are_those_of_ours_in_what_came_from_that_node_alone(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        own = border().envelope(endpoint=COAST, to=[WATCH])
        assert (await here.both.us.post(own)).refusal is None
        # Of the other reader it is the first: its place there is none of ours.
        await here.sent([WATCH, COAST])
        home = await here.tallied()
        assert (home.count, home.here) == (2, 2)
        prover = prover_of(here.reader)
        assert sorted(prover.places("pa")) == [0, 1]
        assert prover.places("mx") == {}


async def test_heads_that_cover_more_than_stands_before_them_are_none(tmp_path):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        theirs, kept = here.both.pa.node, here.both.us.node.crossed.newest("pa")
        told = entries.decode(kept.heads.entry.encode()).facts

        def beyond(ledger):
            # Theirs says so of what it has not entered yet, under its own signature.
            size = ledger.next_index + 1
            return entries.InboxHeads(
                size=size, seed=told.seed, root=told.root, **ledger.common()
            )

        at = await theirs.writer.note(beyond)
        # Of bookkeeping alone there is no news to sign.
        await here.both.pa.post(border().envelope(to=[DESK]))
        note = await theirs.checkpoints.checkpoint()
        size = c2sp.parse(note).size
        path = await with_hashes(theirs.store, partial(inclusion_proof, at, size))
        (row,) = await theirs.store.read(at, 1)
        proof = TlogProof(index=at, path=tuple(path), note=note).encode().decode()
        await here.reader.prove()
        prover = prover_of(here.reader)
        answer, _ = await prover.ask("pa")
        shown = msgspec.structs.replace(answer, proof=proof, entry=row.entry.decode())
        now = here.both.clock.ms // 1000
        with pytest.raises(Refusal) as caught:
            prover.judge("pa", (shown, []), None, now)
        assert (caught.value.code, caught.value.at) == (Code.BAD_PROOF, "/homes/pa")
        # All else of it holds.
        assert prover.judge("pa", (answer, []), None, now).count == 1
