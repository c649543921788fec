"""What crosses the border: judged under its home, then under our own arrangement, now."""

from __future__ import annotations

import msgspec
import pytest

from exchange.broker import peering
from exchange.broker.peering import Crossing
from exchange.broker.records import Recorded, Rejected
from exchange.broker.replay import Replayer
from exchange.errors import Code, Refusal
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.header import Blob
from exchange.model.trust import WhenUnwitnessed
from tests.books import Book
from tests.builders import (
    COAST,
    DESK,
    FOUNDED,
    MINSA,
    NOW,
    OPS,
    WATCH,
    Arrival,
    View,
    border,
    digest,
    refers,
)
from tests.node.vouching import agreed
from tests.vectors import releasing as releasing_vectors


@pytest.fixture
def land():
    return border()


def begun(land, node):
    """The journal of a node that took in the first documents."""
    book = Book(View(anchor=land.anchor), node)
    ledger = book.ledger()
    ledger.append(entries.EpochOpened(node=node, epoch=1, **ledger.common()))
    book.commit(ledger)
    for document in land.documents:
        book.post(Arrival("", document, b"", FOUNDED * 1000))
    return book


def crossing(book, index, body):
    return Crossing(entries.Home(book.node, index), book.entries[index], body)


def introduced(land):
    """Two journals, each of which holds the other's trust documents in their order."""
    ours, theirs = begun(land, "pa"), begun(land, "us")
    for one, other in ((ours, theirs), (theirs, ours)):
        for index, document in enumerate(land.documents, 1):
            (settled,) = one.receive(crossing(other, index, document), at=FOUNDED)
            assert settled.is_new
    return ours, theirs


def posted(book, land, what, at=NOW):
    (settled,) = book.post(land.arrival(what, at=at))
    assert isinstance(settled, Recorded), settled
    return settled.index


def facts_at(book, index):
    return entries.decode(book.entries[index])


def test_a_bulletin_crosses_and_its_acknowledgement_comes_back(land):
    ours, theirs = introduced(land)
    sealed = land.envelope()
    at_home = posted(ours, land, sealed)
    (settled,) = theirs.receive(crossing(ours, at_home, sealed.body), at=NOW + 5)
    there = facts_at(theirs, settled.index)
    assert [each.endpoint for each in there.facts.owed] == [WATCH, COAST]
    assert there.facts.home == entries.Home("pa", at_home)
    # The entry at home stands in it byte for byte: its leaf is proved by that tree.
    assert there.at_home == ours.entries[at_home]
    assert leaf_hash(there.at_home) == leaf_hash(ours.entries[at_home])
    assert there.object == sealed.header
    ack = land.ack(sealed, WATCH)
    answered = posted(theirs, land, ack, NOW + 9)
    assert facts_at(theirs, answered).facts.of == settled.index
    (back,) = ours.receive(crossing(theirs, answered, b""), at=NOW + 12)
    told = facts_at(ours, back.index).facts
    assert (told.of, [each.endpoint for each in told.owed]) == (at_home, [OPS])


def test_both_journals_replay(land):
    ours, theirs = introduced(land)
    sealed = land.envelope()
    at_home = posted(ours, land, sealed)
    theirs.receive(crossing(ours, at_home, sealed.body), at=NOW + 5)
    answered = posted(theirs, land, land.ack(sealed, WATCH), NOW + 9)
    ours.receive(crossing(theirs, answered, b""), at=NOW + 12)
    documents = {digest(each): each for each in land.documents}
    for book in (ours, theirs):
        replayer = Replayer(View(anchor=land.anchor), book.entries.__getitem__, documents.get)
        judged = [replayer.step(raw).was_judged for raw in book.entries]
        # All but who wrote it.
        assert judged == [False, *[True] * (len(book.entries) - 1)]
        assert replayer.positions == book.positions


def test_what_came_before_is_not_taken_in_twice(land):
    ours, theirs = introduced(land)
    sealed = land.envelope()
    came = crossing(ours, posted(ours, land, sealed), sealed.body)
    first, again = theirs.receive(came, came, at=NOW + 5)
    assert (first.index, first.is_new, again.index, again.is_new) == (
        first.index,
        True,
        first.index,
        False,
    )


def test_what_is_for_nobody_of_ours_stands_in_no_inbox_here(land):
    ours, theirs = introduced(land)
    sealed = land.envelope(to=[OPS.replace("ops", "desk")])
    at_home = posted(ours, land, sealed)
    assert not peering.is_for(facts_at(ours, at_home).facts, ["us"])
    (settled,) = theirs.receive(crossing(ours, at_home, sealed.body), at=NOW + 5)
    assert facts_at(theirs, settled.index).facts.owed == []


def suspend(each):
    return msgspec.structs.replace(each, status="suspended")


def test_one_of_ours_is_suspended_here_alone_and_only_it_goes_without(land):
    ours, theirs = introduced(land)
    theirs.post(Arrival("", land.amended(WATCH, suspend), b"", NOW * 1000))
    sealed = land.envelope()
    (settled,) = theirs.receive(
        crossing(ours, posted(ours, land, sealed), sealed.body), at=NOW + 5
    )
    facts = facts_at(theirs, settled.index).facts
    assert [each.endpoint for each in facts.owed] == [COAST]
    assert facts.declined == [entries.Unowed(WATCH, Code.ENDPOINT_SUSPENDED.value)]
    alone = land.envelope(to=[WATCH])
    (settled,) = theirs.receive(
        crossing(ours, posted(ours, land, alone), alone.body), at=NOW + 6
    )
    assert isinstance(settled, Rejected)
    entry = facts_at(theirs, settled.index)
    assert (entry.facts.home.node, entry.object) == ("pa", b"")


def test_a_key_that_is_over_here_was_good_at_home_then(land):
    ours, theirs = introduced(land)
    # Here its author is suspended by now; at home it was not when it posted.
    theirs.post(Arrival("", land.amended(OPS, suspend), b"", NOW * 1000))
    sealed = land.envelope()
    (settled,) = theirs.receive(
        crossing(ours, posted(ours, land, sealed), sealed.body), at=NOW + 5
    )
    assert isinstance(settled, Recorded)


def spoiled(came, **changes):
    _, _, raw = came.entry.partition(b"\n")
    facts = msgspec.structs.replace(entries.decode(came.entry).facts, **changes)
    return came._replace(entry=entries.encode(facts, raw))


def test_what_its_home_does_not_bear_out_is_not_taken_in(land):
    ours, theirs = introduced(land)
    sealed = land.envelope()
    came = crossing(ours, posted(ours, land, sealed), sealed.body)
    size = len(theirs.entries)
    other = land.envelope()
    for wrong, at in (
        (came._replace(body=other.body), "/body"),
        (spoiled(came, digest=digest(b"")), "/digest"),
        # Said to be under documents that never crossed.
        (spoiled(came, view=99), "/view"),
        (came._replace(entry=came.entry.replace(b'"payload":"', b'"payload":"A')), None),
    ):
        with pytest.raises(Refusal) as refused:
            theirs.receive(wrong, at=NOW + 5)
        if at is not None:
            assert (refused.value.code, refused.value.at) == (Code.BAD_PROOF, at)
    assert len(theirs.entries) == size


def lying(crossed, **lies):
    """An entry as it crossed, but for what its node says of its order; none of it is signed."""
    entry = entries.decode(crossed.entry)
    facts = msgspec.structs.replace(entry.facts, **lies)
    return crossed._replace(entry=entries.encode(facts, entry.object))


@pytest.mark.parametrize("is_named", [True, False])
def test_an_entry_names_the_attachments_of_its_header_and_no_others(land, is_named):
    ours, theirs = introduced(land)
    filling = Blob(digest(b"filling"), 7)
    ours.hold(filling)
    sealed = land.envelope(attachments=[] if is_named else [filling])
    came = crossing(ours, posted(ours, land, sealed), sealed.body)
    body, *_ = entries.decode(came.entry).facts.blobs
    with pytest.raises(Refusal) as refused:
        theirs.receive(lying(came, blobs=[body, filling] if is_named else [body]), at=NOW + 5)
    assert (refused.value.code, refused.value.at) == (Code.BAD_PROOF, "/blobs")


def chosen(theirs, land):
    """A trust entry of theirs that did not cross yet: its own facts, and the crossing."""
    document = land.subscription(COAST)
    theirs.post(Arrival(COAST, document, b"", NOW * 1000))
    at = theirs.view.index
    return facts_at(theirs, at).facts, crossing(theirs, at, document)


@pytest.mark.parametrize(
    ("lie", "at"), [("view", "/view"), ("position", "/position"), ("taken_ms", "/taken_ms")]
)
def test_a_trust_entry_is_the_next_one_of_its_journal(land, lie, at):
    ours, theirs = introduced(land)
    facts, came = chosen(theirs, land)
    least = {"view": facts.view - 1, "position": facts.position + 1, "taken_ms": 0}[lie]
    for false in (lying(came, **{lie: least}), came._replace(home=entries.Home("us", 1))):
        with pytest.raises(Refusal) as refused:
            ours.receive(false, at=NOW + 5)
        assert refused.value.code is Code.BAD_PROOF
        assert refused.value.at == (at if false.home == came.home else "/view")
    (settled,) = ours.receive(came, at=NOW + 5)
    assert settled.is_new


@pytest.mark.parametrize(
    ("lie", "at"), [("view", "/view"), ("early", "/taken_ms"), ("late", "/taken_ms")]
)
def test_what_was_in_force_at_home_is_not_for_the_home_to_choose(land, lie, at):
    ours, theirs = introduced(land)
    sealed = land.envelope()
    theirs.receive(crossing(ours, posted(ours, land, sealed), sealed.body), at=NOW - 1)
    before = theirs.view.index
    if lie == "late":
        answered = posted(theirs, land, land.ack(sealed, WATCH), NOW)
    _, came = chosen(theirs, land)
    ours.receive(came, at=NOW + 5)
    if lie != "late":
        answered = posted(theirs, land, land.ack(sealed, WATCH), NOW + 9)
    lies = {
        "view": {"view": before},
        "early": {"taken_ms": NOW * 1000 - 1},
        "late": {"taken_ms": NOW * 1000 + 1},
    }[lie]
    honest = crossing(theirs, answered, b"")
    with pytest.raises(Refusal) as refused:
        ours.receive(lying(honest, **lies), at=NOW + 12)
    assert (refused.value.code, refused.value.at) == (Code.BAD_PROOF, at)
    (settled,) = ours.receive(honest, at=NOW + 12)
    assert settled.is_new


def test_what_ours_sign_does_not_come_by_the_other_node(land):
    ours, theirs = introduced(land)
    sealed = land.envelope(to=[DESK])
    posted(ours, land, sealed)
    ack = land.ack(sealed, DESK)
    ledger = theirs.ledger()
    facts = entries.Acknowledged(
        digest=digest(ack), of=1, owed=[], **{**ledger.common(), "taken_ms": NOW * 1000}
    )
    theirs.entries.append(entries.encode(facts, ack))
    with pytest.raises(Refusal) as refused:
        ours.receive(crossing(theirs, len(theirs.entries) - 1, b""), at=NOW + 5)
    assert refused.value.code is Code.NOT_HOME


def noticed(theirs, land, of, told, code="endpoint-suspended"):
    """A notice that their node signed of a bulletin, twice in their journal."""
    raw = land.notice(of, node="us", about="refused", recipient=WATCH, code=code)
    ledger = theirs.ledger()
    ledger.taken_ms = NOW * 1000
    first = ledger.next_index
    for place in range(2):
        facts = entries.Noticed(
            digest=digest(raw), of=None, owed=[entries.Owed(told, place)], **ledger.common()
        )
        ledger.append(facts, raw)
    theirs.commit(ledger)
    return [crossing(theirs, each, b"") for each in (first, first + 1)]


def test_a_notice_that_is_told_twice_is_here_once(land):
    ours, theirs = introduced(land)
    sealed = land.envelope()
    posted(ours, land, sealed)
    first, again = ours.receive(*noticed(theirs, land, sealed, OPS), at=NOW + 5)
    assert (first.is_new, again) == (True, Recorded(first.index, is_new=False))


@pytest.mark.parametrize(("told", "is_told"), [(OPS, True), (DESK, True), (MINSA, False)])
def test_a_notice_is_for_who_has_to_do_with_its_bulletin(land, told, is_told):
    ours, theirs = introduced(land)
    sealed = land.envelope(to=[DESK])
    posted(ours, land, sealed)
    came, _ = noticed(theirs, land, sealed, told)
    (settled,) = ours.receive(came, at=NOW + 5)
    assert isinstance(settled, Recorded if is_told else Rejected)
    if is_told:
        (owed,) = facts_at(ours, settled.index).facts.owed
        assert owed.endpoint == told


def test_what_does_not_fit_with_our_facts_around_it_is_refused(land):
    ours, theirs = introduced(land)
    sealed = land.envelope()
    theirs.receive(crossing(ours, posted(ours, land, sealed), sealed.body), at=NOW + 1)
    answered = crossing(theirs, posted(theirs, land, land.ack(sealed, WATCH), NOW + 2), b"")

    def owing(crossed, room):
        each = entries.Owed("us.x/y", 1000)
        fit = (room - len(crossed.entry)) // (len(msgspec.json.encode(each)) + 1)
        return lying(crossed, owed=[each] * fit)

    (settled,) = ours.receive(owing(answered, entries.MAX_ENTRY_BYTES), at=NOW + 5)
    assert settled.refusal.code is Code.OVERSIZED
    # No honest one has a line that leaves no room to say so.
    bare = entries.encode(entries.decode(answered.entry).facts)
    other = crossing(theirs, 0, b"")._replace(entry=bare)
    with pytest.raises(Refusal) as refused:
        ours.receive(owing(other, entries.MAX_ENTRY_BYTES - 1024), at=NOW + 5)
    assert (refused.value.code, refused.value.at) == (Code.BAD_PROOF, "/entry")


def test_what_its_home_took_in_is_marked_but_not_declined_while_no_quorum_vouches(land):
    ours, theirs = introduced(land)
    declines = WhenUnwitnessed("decline", "decline", "decline", "decline")
    arrangement = msgspec.structs.replace(
        theirs.view.agreed(), witnesses=agreed(["w1"], past=declines)
    )
    theirs.view = msgspec.structs.replace(theirs.view, arrangement=arrangement)
    sealed = land.envelope()
    came = crossing(ours, posted(ours, land, sealed), sealed.body)
    ledger = theirs.ledger()
    ledger.unwitnessed_s = 9999
    considered = peering.consider(came, theirs.homes, theirs.view, NOW * 1000, ledger.here)
    settled = ledger.settle(
        considered, ("", sealed.header, sealed.body), theirs.look_up(considered)
    )
    assert isinstance(settled, Recorded)
    assert ledger.records[0].facts.unwitnessed is True


def four_eyed(land):
    """Two books whose arrangement asks for a second person for what is red."""
    ours, theirs = introduced(land)
    documents = releasing_vectors.documents(land)
    for book in (ours, theirs):
        for document in documents:
            book.post(Arrival("", document, b"", FOUNDED * 1000))
    for one, other in ((ours, theirs), (theirs, ours)):
        trust = [
            n for n, raw in enumerate(other.entries) if raw.startswith(b'{"kind":"trust",')
        ]
        for index, document in zip(trust[-len(documents) :], documents, strict=True):
            one.receive(crossing(other, index, document), at=FOUNDED)
    return ours, theirs


def test_a_cancellation_to_readers_of_both_nations_needs_no_release_on_either_side(land):
    ours, theirs = four_eyed(land)
    both = [OPS.replace("ops", "desk"), WATCH]
    sent = land.envelope(to=both, **releasing_vectors.RED)
    released = posted(ours, land, land.release(sent))
    at_home = posted(ours, land, sent)
    theirs.receive(
        crossing(ours, released, b""), crossing(ours, at_home, sent.body), at=NOW + 5
    )
    changes = {"type": "can", "verb": "cancel", "to": both, "refs": refers("cancels", sent)}
    gone = land.envelope(land.header(**changes, **releasing_vectors.RED))
    came = crossing(ours, posted(ours, land, gone), gone.body)
    (settled,) = theirs.receive(came, at=NOW + 9)
    assert isinstance(settled, Recorded)
    assert [each.endpoint for each in facts_at(theirs, settled.index).facts.owed] == [WATCH]


def test_a_cancellation_also_to_who_was_granted_it_at_home_alone_crosses(land):
    ours, theirs = four_eyed(land)
    closed = land.closed(to=[WATCH], **releasing_vectors.RED)
    sent, desk = closed.envelope, OPS.replace("ops", "desk")
    released = posted(ours, land, land.release(sent))
    at_home = posted(ours, land, sent)
    theirs.receive(
        crossing(ours, released, b""), crossing(ours, at_home, sent.body), at=NOW + 5
    )
    grant = land.grant(closed, desk)
    posted(ours, land, land.release(grant))
    posted(ours, land, grant)
    changes = {"type": "can", "verb": "cancel", "refs": refers("cancels", sent)}
    gone = land.envelope(land.header(**changes, to=[desk, WATCH], **releasing_vectors.RED))
    came = crossing(ours, posted(ours, land, gone), gone.body)
    (settled,) = theirs.receive(came, at=NOW + 9)
    assert isinstance(settled, Recorded)
    assert [each.endpoint for each in facts_at(theirs, settled.index).facts.owed] == [WATCH]
