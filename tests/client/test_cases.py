"""A boarding request as its officers see it, on both sides, and as evidence for others."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest

from exchange.cli import world as cli_world
from exchange.client import cases, documenting, dossier, story
from exchange.client.dossier import Leaf, Text
from exchange.errors import Code, Refusal
from exchange.model import header as headers
from exchange.model.codec import b64
from exchange.seal import jws
from exchange.seal.close import Envelope
from tests.api.serving import serve
from tests.builders import NOW, OPS, WATCH, border, refers
from tests.client.abroad import officer
from tests.link.asking import DEEMED, DUE, begin, reply, step
from tests.link.bordered import Border, bordered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from exchange.client.agency import Agency
    from exchange.client.dossier import Body
    from exchange.client.reading import Item

CODES = cli_world.codes()
# Of half a million bytes: each is under one digest, so a few say as much as all.
SAMPLES = 40


class Officers(NamedTuple):
    """Both nodes, who asks (of Panama) and who is asked (of the United States)."""

    both: Border
    asker: Agency
    asked: Agency
    request: Envelope

    async def lapses(self) -> None:
        """Let the time run out, and both nodes prove it."""
        self.both.clock.ms = (DUE + 61) * 1000
        for _ in range(2):
            await step(self.both)


def header_of(envelope: Envelope) -> headers.Header:
    return headers.decode(jws.read(envelope.header, headers.MAX_HEADER_BYTES).payload)


@asynccontextmanager
async def officers(folder: Path, clock=DEEMED, *, told: bool = True) -> AsyncIterator[Officers]:
    async with (
        bordered() as both,
        serve(both.pa.node) as at_pa,
        serve(both.us.node) as at_us,
        officer(at_pa.url, "pa", folder, OPS, both.clock) as asker,
        officer(at_us.url, "us", folder, WATCH, both.clock) as asked,
    ):
        request = await begin(both, clock, told=told)
        await asker.view()
        # As if it had been posted from here.
        identity, outbox = header_of(request).id, asker.world.outbox
        outbox.keep(identity, request)
        outbox.settle(identity, (await asker.receipt(identity, request))[0])
        yield Officers(both, asker, asked, request)


async def seen(agency: Agency) -> tuple[list[cases.BoardingCase], list[Item]]:
    items = await agency.everything()
    posted = story.every(agency.world.outbox)
    return cases.cases(cases.Held(posted, items, agency.trust, agency.world.now())), items


async def one(agency: Agency) -> cases.BoardingCase:
    (found,), _ = await seen(agency)
    return found


async def made(agency: Agency) -> bytes:
    (found,), items = await seen(agency)
    return await documenting.document(agency, found, items, with_content=False)


def checked(raw: bytes) -> dossier.Checked:
    return dossier.check(raw, border().anchor, CODES)


async def test_silence_is_told_to_both_officers_as_it_is_proved(tmp_path):
    async with officers(tmp_path) as four:
        here, there = await one(four.asker), await one(four.asked)
        assert (here.case.state, here.clock.due, here.clock.node) == ("open", DUE, "us")
        assert (there.case.state, there.known.received, there.asked) == ("open", NOW, [WATCH])
        four.both.clock.ms = (DUE + 1) * 1000
        late = await one(four.asker)
        assert (late.case.state, late.case.reason) == ("undetermined", "not-covered")
        await four.lapses()
        for each in (await one(four.asker), await one(four.asked)):
            assert (each.case.state, each.proof.notice.code) == ("deemed-consent",) * 2
            assert [owed.what for owed in each.owes()] == ["result"]
            assert not any(told.doubt for told in each.told)
        (found,), items = await seen(four.asker)
        clock = found.proof.notice.clock
        late = msgspec.structs.replace(clock, dated=clock.dated + 1)
        notice = msgspec.structs.replace(found.proof.notice, clock=late)
        lie = msgspec.structs.replace(found.proof, notice=notice)
        kept = [lie if each == found.proof else each for each in items]
        posted = story.every(four.asker.world.outbox)
        (told,) = cases.cases(cases.Held(posted, kept, four.asker.trust, DUE + 61))
        assert (told.told[-1].doubt, told.case.state) == ("not-proved", "undetermined")


async def test_late_reply_changes_nothing_and_its_both_times_are_kept(tmp_path):
    async with officers(tmp_path) as four:
        four.both.clock.ms = (DUE + 1) * 1000
        await four.both.us.post(reply(four.request), WATCH)
        await four.lapses()
        found = await one(four.asker)
        assert (found.case.state, found.case.is_late) == ("deemed-consent", True)
        (said,) = found.replies
        assert (said.came.taken_ms, said.here_ms) == ((DUE + 1) * 1000, (DUE + 61) * 1000)


async def test_request_that_was_cancelled_is_withdrawn_and_nobody_owes_anything(tmp_path):
    async with officers(tmp_path) as four:
        cancel = border().envelope(
            type="can", verb="cancel", to=[WATCH], refs=refers("cancels", four.request)
        )
        await four.both.pa.post(cancel)
        await four.both.settle()
        found = await one(four.asked)
        assert (found.case.state, found.owes()) == ("withdrawn", [])
        assert [each.header.verb for each in found.also] == ["cancel"]


@pytest.mark.parametrize(
    ("changes", "time", "doubt"),
    [
        ({}, {"due": DUE - 1}, "not-agreed"),
        ({}, {"silence": "deemed-refusal"}, "not-agreed"),
        ({}, {"node": "pa"}, "not-its-own"),
        ({"about": "deemed", "code": "deemed-consent"}, {"dated": DUE + 9}, "not-proved"),
        (
            {"about": "deemed", "code": "deemed-refusal", "node": "pa"},
            {"dated": DUE + 9},
            "not-proved",
        ),
    ],
)
async def test_what_a_node_tells_otherwise_than_agreed_or_unproved_is_not_gone_by(
    tmp_path, changes, time, doubt
):
    async with officers(tmp_path) as four:
        found, items = await seen(four.asker)
        (case,) = found
        (told,) = case.told
        is_outcome = "about" in changes
        clock = msgspec.structs.replace(told.item.notice.clock, **time)
        notice = msgspec.structs.replace(told.item.notice, clock=clock, **changes)
        if is_outcome:
            notice = msgspec.structs.replace(notice, node="pa")
        lie = msgspec.structs.replace(told.item, notice=notice)
        kept = [*items, lie] if is_outcome else [lie]
        posted = story.every(four.asker.world.outbox)
        four.both.clock.ms = (DUE + 61) * 1000
        held = cases.Held(posted, kept, four.asker.trust, DUE + 61)
        (case,) = cases.cases(held)
        assert (case.told[-1].doubt, case.case.state) == (doubt, "undetermined")


async def test_evidence_is_made_by_both_sides_and_checked_with_the_anchor_alone(tmp_path):
    async with officers(tmp_path) as four:
        await four.lapses()
        for agency, hidden in ((four.asker, 0), (four.asked, None)):
            told = checked(await made(agency))
            assert told.case.case.state == "deemed-consent"
            assert (told.seal.endpoint, told.hidden) == (agency.profile.endpoint, hidden)
            assert told.abroad.keys() == {"pa", "us"} - {agency.profile.node}


async def test_what_came_beside_the_case_is_told_by_its_hash_alone_and_counted(tmp_path):
    async with officers(tmp_path) as four:
        await four.both.us.post(border().envelope(endpoint=WATCH, to=[OPS]), WATCH)
        await four.lapses()
        raw = await made(four.asker)
        assert checked(raw).hidden == 1
        _, seal, body = dossier._read(raw)
        shown = {each.index for each in body.items}
        leaves = [e if e.index in shown else Leaf(e.index, "A" * 43) for e in body.leaves]
        assert leaves != body.leaves
        other, who = (
            msgspec.structs.replace(body, leaves=leaves),
            (seal.origin, seal.endpoint),
        )
        with pytest.raises(Refusal) as refused:
            checked(dossier.encode(other, seal.of, who, seal.at, border().signers[OPS]))
        assert (refused.value.code, refused.value.at) == (Code.CHAIN_DIFFERS, "/leaves")


async def test_every_falsified_byte_is_found(tmp_path):
    async with officers(tmp_path) as four:
        await four.lapses()
        raw = await made(four.asker)
    places = range(0, len(raw), len(raw) // SAMPLES)
    seal = raw.index(b"\n")
    # Also of each of its two lines, the first and the last.
    for place in {*places, 0, seal - 2, seal, seal + 1, len(raw) - 2, len(raw) - 1}:
        altered = bytearray(raw)
        altered[place] ^= 1
        with pytest.raises(Refusal):
            checked(bytes(altered))
    for altered in (raw + b"\n", raw[:-1], raw[: seal + 1], b"", raw + raw):
        with pytest.raises(Refusal):
            checked(altered)
    with pytest.raises(Refusal):
        dossier.check(raw, "A" * 43, CODES)


def _without_notice(body: Body) -> Body:
    return msgspec.structs.replace(body, leaves=body.leaves[:-1])


def _other_leaf(body: Body) -> Body:
    first, *rest = body.leaves
    return msgspec.structs.replace(body, leaves=[Leaf(first.index, "A" * 43), *rest])


def _other_place(body: Body) -> Body:
    items = [msgspec.structs.replace(each, position=each.position + 1) for each in body.items]
    return msgspec.structs.replace(body, items=items)


def _other_time(body: Body) -> Body:
    items = [
        msgspec.structs.replace(each, entry=each.entry.replace('"taken_ms":1', '"taken_ms":2'))
        for each in body.items
    ]
    return msgspec.structs.replace(body, items=items)


def _other_receipt(body: Body) -> Body:
    own = [
        msgspec.structs.replace(
            each, receipt=msgspec.structs.replace(each.receipt, index=each.receipt.index + 1)
        )
        for each in body.own
    ]
    return msgspec.structs.replace(body, own=own)


def _other_proof(body: Body) -> Body:
    other = body.heads.proof
    return msgspec.structs.replace(
        body, own=[msgspec.structs.replace(each, proof=other) for each in body.own]
    )


def _no_abroad(body: Body) -> Body:
    return msgspec.structs.replace(body, abroad={})


def _less_trust(body: Body) -> Body:
    return msgspec.structs.replace(body, trust=body.trust[:-1])


def _other_salt_of_trust(body: Body) -> Body:
    first, *rest = body.trust
    facts = msgspec.json.decode(first.entry.partition("\n")[0])
    facts["salt"] = facts["salt"][::-1]
    entry = msgspec.json.encode(facts).decode() + "\n" + first.entry.partition("\n")[2]
    return msgspec.structs.replace(
        body, trust=[msgspec.structs.replace(first, entry=entry), *rest]
    )


def _less_there(body: Body) -> Body:
    us = body.homes["us"]
    there = msgspec.structs.replace(us, leaves=us.leaves[:-1])
    return msgspec.structs.replace(body, homes={"us": there})


def _other_text(body: Body) -> Body:
    digest = jws.read(body.own[0].object.encode(), headers.MAX_HEADER_BYTES).digest
    return msgspec.structs.replace(body, texts=[Text(digest, b64(bytes(32)), "{}")])


CHANGES: list[Callable[[Body], Body]] = [
    _without_notice,
    _other_leaf,
    _other_place,
    _other_time,
    _other_receipt,
    _other_proof,
    _no_abroad,
    _less_trust,
    _other_salt_of_trust,
    _less_there,
    _other_text,
]


async def test_who_makes_the_file_cannot_falsify_it_either_nor_be_made_out_to_have(tmp_path):
    async with officers(tmp_path) as four:
        await four.lapses()
        _, seal, body = dossier._read(await made(four.asker))

    def sealed(said: Body, by: str = OPS) -> bytes:
        who = (seal.origin, seal.endpoint)
        return dossier.encode(said, seal.of, who, seal.at, border().signers[by])

    assert checked(sealed(body)).hidden == 0
    for change in CHANGES:
        changed = change(body)
        assert changed != body, change
        with pytest.raises(Refusal):
            checked(sealed(changed))
    with pytest.raises(Refusal):
        checked(sealed(body, WATCH))


async def test_what_was_left_out_of_the_file_by_its_maker_is_counted(tmp_path):
    async with officers(tmp_path) as four:
        four.both.clock.ms = (NOW + 60) * 1000
        await four.both.us.post(reply(four.request), WATCH)
        await step(four.both)
        raw = await made(four.asker)
        assert (checked(raw).case.case.state, checked(raw).hidden) == ("answered", 0)
        _, seal, body = dossier._read(raw)
        for kept in (body.homes, {}):
            items = [each for each in body.items if '"kind":"accepted"' not in each.entry]
            less = msgspec.structs.replace(body, items=items, homes=kept)
            who = (seal.origin, seal.endpoint)
            told = checked(dossier.encode(less, seal.of, who, seal.at, border().signers[OPS]))
            assert told.case.case.state != "answered"
            assert told.hidden == 1


async def test_what_is_newer_than_the_head_is_waited_for_and_refused_in_the_end(tmp_path):
    async with officers(tmp_path) as four:
        four.both.clock.ms += 60_000
        await four.both.us.post(reply(four.request), WATCH)
        await four.both.us.sign()
        while await four.both.pa.puller.pull():
            pass
        (found,), items = await seen(four.asker)
        waited = []

        async def pause(seconds):
            waited.append(seconds)

        four.asker.world = msgspec.structs.replace(four.asker.world, pause=pause)
        with pytest.raises(Exception, match="head-too-old") as fault:
            await documenting.document(four.asker, found, items, with_content=False)
        assert (fault.value.code, len(waited)) == (Code.HEAD_TOO_OLD, 30)
