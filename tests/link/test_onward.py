"""What goes back to where it came from: of bulletins of theirs that are passed on here."""

from __future__ import annotations

import msgspec

from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.header import Blob
from exchange.model.trust import EndpointKey
from exchange.seal import notices
from exchange.seal.close import wrap
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import new_opening
from tests.builders import (
    COAST,
    DESK,
    HOUR,
    NOW,
    OPS,
    WATCH,
    WATCH_DESK,
    Randomness,
    border,
    digest,
    new_id,
    refers,
    subject,
)
from tests.consented import consent, controlled, withdrawn
from tests.link.bordered import bordered


def confirmation(land, of):
    said = objects.Confirmation(
        v="xb1",
        suite=land.suite(OPS),
        id=new_id(),
        origin="pa.senan",
        endpoint=OPS,
        of=subject(of),
        at=NOW,
    )
    return land.sign(said, objects.CONFIRMATION_TYP, OPS)


async def test_a_bulletin_that_is_passed_on_abroad_stops_no_link():
    land = border()
    async with bordered() as both:
        await both.settle()
        freely, held = land.closed(), controlled(land)
        for each in (freely, held):
            assert (await both.pa.post(each.envelope)).refusal is None
        await both.pa.post(consent(land, held.envelope))
        corrected = land.envelope(
            type="cor",
            verb="correct",
            refs=refers("corrects", freely.envelope),
            to=[WATCH, COAST],
        )
        assert (await both.pa.post(corrected)).refusal is None
        await both.settle()
        for closed, by in ((freely, WATCH), (held, COAST)):
            granted = await both.us.post(land.grant(closed, WATCH_DESK, by), by)
            assert granted.refusal is None
        await both.settle()
        told = await both.pa.inbox(OPS)
        grants = [each for each in told if isinstance(each.facts, entries.Granted)]
        assert [entries.home_of(each.facts).node for each in grants] == ["us", "us"]
        given = [each.facts for each in await both.us.inbox(WATCH_DESK)]
        assert sum(isinstance(each, entries.Granted) for each in given) == 2


async def test_what_its_author_confirms_is_known_wherever_the_bulletin_is_held():
    land = border()
    async with bordered() as both:
        await both.settle()
        shared, granted, domestic = (land.closed(to=to) for to in ([WATCH], [DESK], [DESK]))
        for each in (shared, granted, domestic):
            await both.pa.post(each.envelope)
        await both.pa.post(land.grant(granted, WATCH))
        await both.settle()
        size = both.us.node.size
        for each in (shared, granted, domestic):
            said = await both.pa.post(confirmation(land, each.envelope), OPS)
            assert said.refusal is None
        await both.settle()
        rows = await both.us.node.store.read(size, 100)
        read = [entries.decode(row.entry) for row in rows]
        confirmed = [each for each in read if isinstance(each.facts, entries.Confirmed)]
        of = [(await both.us.entry(each.facts.of)).object for each in confirmed]
        assert of == [shared.envelope.header, granted.envelope.header]


def suspend(each):
    return msgspec.structs.replace(each, status="suspended")


async def test_who_gave_it_is_told_that_a_recipient_abroad_may_not_have_it():
    land = border()
    async with bordered() as both:
        await both.settle()
        closed = controlled(land, origin="us.jiatfs", endpoint=WATCH, to=[COAST])
        assert (await both.us.post(closed.envelope, WATCH)).refusal is None
        said = consent(land, closed.envelope, WATCH, by=COAST, to=DESK)
        assert (await both.us.post(said, WATCH)).refusal is None
        await both.pa.post(land.amended(DESK, suspend), "")
        # Suspended there alone: the other side has not heard of it when it is given.
        given = await both.us.post(land.grant(closed, DESK, COAST), COAST)
        assert given.refusal is None
        await both.us.sign()
        while await both.pa.puller.pull():
            pass
        await both.pa.sign()
        await both.us.puller.pull()
        told = (await both.us.inbox(COAST))[-1]
        notice = notices.verify(told.object, both.us.node.writer.homes.newest("pa"))
        assert (notice.about, notice.recipient) == ("refused", DESK)
        author = await both.us.inbox(WATCH)
        assert not any(isinstance(each.facts, entries.Noticed) for each in author)


async def test_each_of_two_who_gave_it_is_told_that_a_recipient_abroad_may_not_have_it():
    land = border()
    fresh = SoftwareOpener(new_opening("xb1-h", Randomness("fresh"))).key

    def rekey(each):
        over = [
            msgspec.structs.replace(key, until=NOW + 600) if key.use == "enc" else key
            for key in each.keys
        ]
        keys = [*over, EndpointKey("enc", fresh, NOW - 1, NOW + 9 * HOUR)]
        return msgspec.structs.replace(each, keys=keys)

    async with bordered() as both:
        await both.pa.post(land.amended(DESK, rekey), "")
        closed = controlled(land)
        await both.pa.post(closed.envelope)
        for by in (WATCH, COAST):
            await both.pa.post(consent(land, closed.envelope, by=by, to=DESK))
        await both.settle()
        # Withdrawn there, and not heard of on the other side.
        for by in (WATCH, COAST):
            await both.pa.post(withdrawn(land, closed.envelope, by=by, to=DESK))
        wrapped = msgspec.json.encode(wrap(closed.key, closed.header, fresh))
        again = land.grant(closed, DESK, COAST, wrap=Blob(digest(wrapped), len(wrapped)))
        for by, given in (
            (WATCH, land.grant(closed, DESK, WATCH)),
            (COAST, again._replace(body=wrapped)),
        ):
            answer = await both.us.post(given, by)
            assert answer.refusal is None
            # The recipient's older keys are over.
            both.clock.ms += 700_000
        await both.us.sign()
        while await both.pa.puller.pull():
            pass
        await both.pa.sign()
        await both.us.puller.pull()
        for by in (WATCH, COAST):
            told = [each for each in await both.us.inbox(by) if is_notice(each)]
            found = [
                notices.verify(each.object, both.us.node.writer.homes.newest("pa"))
                for each in told
            ]
            assert [(each.about, each.recipient) for each in found] == [("refused", DESK)]


def is_notice(each):
    return isinstance(each.facts, entries.Noticed)
