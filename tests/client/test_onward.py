"""A holder passes on what its originator lets it; its reader believes nobody more than that."""

from __future__ import annotations

import msgspec
import pytest

from exchange.client import onward, opening, passing
from exchange.client.held import Held
from exchange.client.inbox import Inbox
from exchange.client.reading import Consented, Delivered, Granted, Locked, verify
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.header import Marking
from exchange.model.identity import digest
from tests.api.serving import serving
from tests.builders import COAST, DESK, HOUR, MINSA, NOW, OPS, WATCH, WATCH_DESK, world
from tests.client.dealing import draft
from tests.client.granting import line, read
from tests.consented import HELD, consent, withdrawn
from tests.node.running import Clock, post

FREE = Marking("green", ["PAN", "USA"], [], originator_control=False)


async def sent(url, tmp_path, marking=HELD, to=(COAST, WATCH)):
    """A bulletin from OPS; its envelope."""
    async with line(url, tmp_path) as sender:
        made = draft()
        said = msgspec.structs.replace(made.post, marking=marking, to=list(to))
        prepared = await sender.prepare(msgspec.structs.replace(made, post=said))
        await sender.post(prepared)
        return sender.world.outbox.envelope(prepared.header.id)


async def passed(url, tmp_path, to=WATCH_DESK, by=COAST):
    """What a holder passes on, of all it holds; the receipt."""
    async with line(url, tmp_path, by) as giver:
        (item,) = [each for each in await giver.everything() if isinstance(each, Delivered)]
        return await onward.grant(giver, item, await onward.prepare(giver, item, to))


async def delivered(url, tmp_path, endpoint=WATCH_DESK):
    items = await read(url, tmp_path, endpoint)
    return next(each for each in items if isinstance(each, Delivered))


async def test_what_is_passed_on_by_consent_is_read_and_its_originator_hears_of_it(tmp_path):
    async with serving() as door:
        envelope = await sent(door.url, tmp_path)
        await post(door.node, consent(world(), envelope))
        receipt = await passed(door.url, tmp_path)
        first = await delivered(door.url, tmp_path, WATCH)
        late = await delivered(door.url, tmp_path)
        assert (late.locked, late.index) == (None, receipt.index)
        assert late.bulletin == first.bulletin
        assert (late.grant.endpoint, late.grant.origin) == (COAST, "us.uscg")
        (told,) = await read(door.url, tmp_path, OPS)
        assert isinstance(told, Granted)
        assert (told.grant.to, told.is_passed_on) == (WATCH_DESK, True)


async def test_without_consent_it_is_refused_before_anything_is_signed(tmp_path):
    async with serving() as door:
        await sent(door.url, tmp_path)
        with pytest.raises(Refusal) as caught:
            await passed(door.url, tmp_path)
        assert (caught.value.code, caught.value.at) == (Code.ORIGINATOR_CONTROL, "/to")
        async with line(door.url, tmp_path, COAST) as giver:
            assert giver.world.outbox.waiting() == []


async def test_the_node_refuses_what_a_holder_passes_on_in_spite_of_all(tmp_path):
    async with serving() as door:
        await sent(door.url, tmp_path)
        async with line(door.url, tmp_path, COAST) as giver:
            (item,) = await giver.everything()
            # As a program would that asks nobody: prepared as of what needs no consent.
            header = msgspec.structs.replace(item.header, marking=FREE)
            free = msgspec.structs.replace(item, header=header)
            prepared = await onward.prepare(giver, free, WATCH_DESK)
            prepared = msgspec.structs.replace(prepared, header=item.header)
            with pytest.raises(Refusal) as caught:
                await onward.grant(giver, item, prepared)
            assert (caught.value.code, caught.value.at) == (Code.ORIGINATOR_CONTROL, "/to")
        assert await read(door.url, tmp_path, WATCH_DESK) == []


async def test_withdrawn_it_is_locked_here_too_until_there_is_a_consent_anew(tmp_path):
    async with serving() as door:
        envelope = await sent(door.url, tmp_path)
        await post(door.node, consent(world(), envelope))
        await passed(door.url, tmp_path)
        assert (await delivered(door.url, tmp_path)).locked is None
        await post(door.node, withdrawn(world(), envelope))
        # What it holds already is not shown, whatever the node would give.
        item = await delivered(door.url, tmp_path)
        assert isinstance(item.locked, Fault)
        assert (item.locked.code, item.bulletin) == (Code.CONSENT_WITHDRAWN, None)
        with pytest.raises(Refusal):
            await passed(door.url, tmp_path, DESK)
        await post(door.node, consent(world(), envelope))
        assert (await delivered(door.url, tmp_path)).locked is None


async def test_given_in_time_it_is_read_when_the_consent_is_over(tmp_path):
    clock = Clock()
    async with serving(clock=clock) as door:
        envelope = await sent(door.url, tmp_path)
        await post(door.node, consent(world(), envelope))
        await passed(door.url, tmp_path)
        clock.ms = (NOW + 2 * HOUR) * 1000
        async with line(door.url, tmp_path, WATCH_DESK, clock=clock) as reader:
            (_, item) = await reader.everything()
            assert item.locked is None
        async with line(door.url, tmp_path, COAST, clock=clock) as giver:
            (held, _) = await giver.everything()
            with pytest.raises(Refusal) as caught:
                await onward.prepare(giver, held, WATCH_DESK)
            assert caught.value.code is Code.CONSENT_OVER


async def test_what_its_marking_lets_go_needs_no_consent_and_goes_on_from_hand_to_hand(
    tmp_path,
):
    async with serving() as door:
        await sent(door.url, tmp_path, FREE, (COAST,))
        await passed(door.url, tmp_path, WATCH)
        await passed(door.url, tmp_path, WATCH_DESK, WATCH)
        item = await delivered(door.url, tmp_path)
        assert (item.grant.endpoint, item.locked) == (WATCH, None)
        async with line(door.url, tmp_path, WATCH) as giver:
            (held,) = await giver.everything()
            with pytest.raises(Refusal) as caught:
                await onward.prepare(giver, held, COAST)
        assert (caught.value.code, caught.value.at) == (Code.ALREADY_HELD, "/to")


async def test_who_may_not_pass_on_is_not_told_who_holds_it(tmp_path):
    async with serving() as door:
        await sent(door.url, tmp_path, FREE)
        reader = world().amended(
            COAST, lambda each: msgspec.structs.replace(each, roles=["reader"])
        )
        assert (await post(door.node, reader, MINSA)).refusal is None
        with pytest.raises(Refusal) as caught:
            await passed(door.url, tmp_path, WATCH)
        assert (caught.value.code, caught.value.at) == (Code.MAY_NOT_POST, "/endpoint")


async def test_what_cannot_be_read_here_is_not_passed_on(tmp_path):
    async with serving() as door:
        await sent(door.url, tmp_path, FREE, (COAST,))
        async with line(door.url, tmp_path, COAST) as giver:
            (item,) = await giver.everything()
            locked = Refusal(Code.CANNOT_DECRYPT, "/body")
            shut = msgspec.structs.replace(item, bulletin=None, locked=locked)
            with pytest.raises(Refusal) as caught:
                await onward.prepare(giver, shut, WATCH)
            assert caught.value is locked


# -- a node that lies ------------------------------------------------------------------------


@pytest.fixture
async def story(tmp_path):
    """The reader, its grant, the bulletin's entry, and all consents that its inbox holds."""
    async with serving() as door:
        envelope = await sent(door.url, tmp_path)
        for said in (
            consent(world(), envelope),
            withdrawn(world(), envelope),
            consent(world(), envelope, until=NOW + 2 * HOUR),
        ):
            await post(door.node, said)
        await passed(door.url, tmp_path)
        await read(door.url, tmp_path, WATCH_DESK)
        await post(door.node, withdrawn(world(), envelope))
        async with line(door.url, tmp_path, WATCH_DESK) as reader:
            await reader.everything()
            (raw,) = [each for each in reader.inbox.held.items() if '"granted"' in each.entry]
            grant = verify(raw, WATCH_DESK, reader.trust)
            assert isinstance(grant, Granted)
            entry = await reader.bodies.granted(grant.index)
            yield reader, grant, entry, reader.inbox.consents()


async def test_reader_holds_a_grant_to_the_last_word_before_it(story):
    reader, grant, entry, consents = story
    assert [each.consent.until for each in consents] == [
        NOW + HOUR,
        None,
        NOW + 2 * HOUR,
        None,
    ]
    assert grant.consent == consents[2].index
    found = passing.fetched(grant, entry, reader.trust, consents)
    # Good when it was given; and withdrawn since.
    assert passing.withdrawn(found, consents[:3]) is None
    assert passing.withdrawn(found, consents).code is Code.CONSENT_WITHDRAWN
    for said, code in (
        ([], Code.ORIGINATOR_CONTROL),
        (consents[:1], None),
        (consents[:2], Code.CONSENT_WITHDRAWN),
    ):
        named = msgspec.structs.replace(grant, consent=None)
        if code is None:
            passing.fetched(named, entry, reader.trust, said)
            continue
        with pytest.raises(Refusal) as caught:
            passing.fetched(named, entry, reader.trust, said)
        assert caught.value.code is code


@pytest.mark.parametrize(
    "changes", [{"by": WATCH}, {"to": DESK}, {"of": None}], ids=["by", "to", "of"]
)
async def test_reader_takes_a_consent_to_something_else_for_none(story, changes):
    reader, grant, entry, consents = story
    last = consents[2]
    if "of" in changes:
        of = msgspec.structs.replace(last.consent.of, header_digest="A" * 43)
        changes = {"of": of}
    other = msgspec.structs.replace(
        last, consent=msgspec.structs.replace(last.consent, **changes)
    )
    with pytest.raises(Refusal) as caught:
        passing.fetched(grant, entry, reader.trust, [other])
    assert caught.value.code is Code.ORIGINATOR_CONTROL


async def test_reader_holds_a_consent_to_its_end_at_the_grant(story):
    reader, grant, entry, consents = story
    late = msgspec.structs.replace(grant, taken_ms=(NOW + 2 * HOUR) * 1000)
    with pytest.raises(Refusal) as caught:
        passing.fetched(late, entry, reader.trust, consents)
    assert caught.value.code is Code.CONSENT_OVER


async def test_a_grant_told_ahead_of_its_consent_is_locked_until_that_is_here(story):
    reader, grant, _, consents = story
    ours = reader._ours()._replace(consents=lambda: consents[:2])
    item = await opening.opened(grant, ours, reader.bodies, NOW)
    assert isinstance(item, Locked)
    assert isinstance(item.locked, Fault)


def forged(raw, consent):
    """The row as a faulty node could have it: signed rightly, by a member with no say in it."""
    entry = entries.decode(raw.entry.encode())
    said = msgspec.structs.replace(consent, origin="us.jiatfs", endpoint=WATCH, by=COAST)
    signed = world().sign(said, objects.CONSENT_TYP, WATCH)
    facts = msgspec.structs.replace(entry.facts, digest=digest(signed))
    return msgspec.structs.replace(raw, entry=entries.encode(facts, signed).decode())


async def test_what_does_not_verify_hides_no_withdrawal_that_comes_after_it(story):
    reader, grant, entry, consents = story
    found = passing.fetched(grant, entry, reader.trust, consents)
    rows = reader.inbox.held.items()
    place = consents[1].position
    rows[place] = forged(rows[place], consents[0].consent)
    held = Held(reader.world.cabinet, "a faulty node")
    inbox = Inbox(reader, held, reader.bodies, reader._ours)
    held.take(rows, 0)
    told = inbox.consents()
    assert told == [consents[0], *consents[2:]]
    assert passing.withdrawn(found, told).code is Code.CONSENT_WITHDRAWN


async def test_a_consent_by_another_member_than_its_bulletins_is_locked(story):
    """Whatever node takes it in: it is signed rightly, by one who has nothing to say of it."""
    reader, _, _, consents = story
    (raw,) = reader.inbox.held.items(consents[0].position, 1)
    assert isinstance(verify(raw, WATCH_DESK, reader.trust), Consented)
    lie = forged(raw, consents[0].consent)
    found = verify(lie, WATCH_DESK, reader.trust)
    assert isinstance(found, Locked)
    assert (found.locked.code, found.locked.at) == (Code.TARGET_MISMATCH, "/of")
    # Owed to somebody else, it says nothing to us.
    found = verify(raw, WATCH, reader.trust)
    assert isinstance(found, Locked)
    assert found.locked.code is Code.NOT_A_RECIPIENT
