"""What a lost key bears on besides bulletins: whatever it signed, and who must be told."""

from __future__ import annotations

import pytest

from exchange.client import affected
from exchange.client.affected import Lost
from exchange.model import entry as entries
from tests import enrolled
from tests.builders import COAST, DESK, MINSA, OPS, WATCH, WATCH_DESK, releaser, world
from tests.confirmed import confirmation
from tests.consented import consent, controlled
from tests.drafted import drafted
from tests.node.running import post, running
from tests.requested import request


async def posted(make):
    """A journal with what is said of a bulletin; its entries."""
    async with running(documents=[*world().documents, world().amended(DESK, releaser)]) as node:
        envelope = controlled(world()).envelope
        await post(node, envelope)
        answer = await post(node, make(envelope))
        assert answer.refusal is None, answer.refusal
        return await node.store.read(0, 1000)


def found(rows, lost):
    shown = [affected.of_entry(row.index, row.entry, lost) for row in rows]
    return [each for each in shown if each is not None]


def kid(endpoint):
    return world().signers[endpoint].keys[0].kid


KINDS = {
    "acknowledgement": (lambda of: world().ack(of), WATCH, [OPS]),
    "release": (lambda of: world().release(of), DESK, [OPS, WATCH, COAST]),
    "consent": (lambda of: consent(world(), of), OPS, [WATCH_DESK, COAST]),
    "confirmation": (lambda of: confirmation(world(), of), OPS, []),
    "draft": (lambda _: drafted(world(), world().envelope()), OPS, [DESK]),
    "request": (lambda _: request(world(), WATCH, OPS), WATCH, [OPS]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_key", [False, True])
async def test_what_was_signed_by_it_is_told_to_whom_it_concerns(kind, is_key):
    make, by, tell = KINDS[kind]
    lost = Lost(by, kid(by) if is_key else None)
    rows = await posted(make)
    (row,) = [each for each in found(rows, lost) if each.type == kind]
    assert (row.origin, row.why, row.tell) == (by, ["signed-by"], tell)
    assert found(rows, Lost(MINSA, kid(MINSA) if is_key else None)) == []


@pytest.mark.parametrize("is_key", [False, True])
async def test_whose_key_opens_a_draft_has_its_author_told(is_key):
    """What waited for its release was readable before it went out."""
    opens = world().key(DESK).kid
    rows = await posted(lambda _: drafted(world(), world().envelope()))
    lost = Lost(DESK, opens if is_key else None)
    (row,) = [each for each in found(rows, lost) if each.type == "draft"]
    assert (row.why, row.tell) == (["sealed-to"], [OPS])


@pytest.mark.parametrize("is_key", [False, True])
async def test_a_choice_of_feeds_that_was_signed_by_it_is_shown(is_key):
    made = world().subscription(WATCH)
    lost = Lost(WATCH, kid(WATCH) if is_key else None)
    row = affected.of_subscription(7, made, lost)
    assert (row.index, row.type, row.origin, row.tell) == (7, "subscription", WATCH, [])
    other = Lost(OPS, kid(OPS) if is_key else None)
    assert affected.of_subscription(7, made, other) is None
    # Another trust document is none.
    assert affected.of_subscription(7, world().documents[0], lost) is None


async def test_bookkeeping_is_signed_by_no_endpoint():
    async with running() as node:
        await node.checkpoints.checkpoint()
        rows = await node.store.read(0, 1000)
    kinds = {entries.kind_of(entries.decode(row.entry).facts) for row in rows}
    assert "checkpoint" in kinds
    assert found(rows, Lost(OPS)) == []


@pytest.mark.parametrize("is_key", [False, True])
async def test_whom_a_lost_key_invited_or_approved_is_shown(is_key):
    w = world()
    first = enrolled.invited(w)
    asked = enrolled.asked(w, first)
    async with running(documents=[*w.documents, enrolled.second_operator(w)]) as node:
        for raw, by in ((first, MINSA), (asked, enrolled.NEW), (enrolled.ruled(w, asked), OPS)):
            answer = await node.submit(by, raw, b"")
            assert answer.refusal is None, answer.refusal
        rows = await node.store.read(0, 1000)
    (invited,) = found(rows, Lost(MINSA, kid(MINSA) if is_key else None))
    assert (invited.type, invited.why, invited.tell) == (
        "invitation",
        ["signed-by"],
        [enrolled.NEW],
    )
    (decided,) = found(rows, Lost(OPS, kid(OPS) if is_key else None))
    assert (decided.type, decided.why, decided.tell) == ("verdict", ["signed-by"], [])
