"""A draft waits for its release, is decided once, and goes; a replay comes to the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.broker import due, retaining
from exchange.broker.due import Due
from exchange.broker.records import Found, Recorded, Rejected
from exchange.broker.replay import Replayer
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.identity import digest
from exchange.model.objects import decode_draft
from exchange.model.trust import Sizes
from exchange.model.view import Directory, View
from exchange.seal.body import MAX_DRAFT_BYTES, MAX_PLAINTEXT_BYTES, look
from exchange.seal.close import Envelope
from exchange.seal.open import open_draft
from tests.books import Book
from tests.builders import DAY, DESK, MINSA, NOW, OPS, WATCH, decoded, releaser, world
from tests.drafted import declined, drafted, withdrawn
from tests.vectors.case import Case, answer
from tests.vectors.case import posted as made
from tests.vectors.drafting import ACCEPT, REFUSE
from tests.vectors.forging import payload_of
from tests.vectors.releasing import RED, documents


@pytest.mark.parametrize("case", REFUSE, ids=lambda case: case.name)
def test_is_refused(case: Case) -> None:
    told = made(case, world())
    settled, _ = answer(told, world().later(*told.documents))
    assert isinstance(settled, Rejected), case.name
    assert (settled.refusal.code, settled.refusal.at) == (case.code, case.at)


@pytest.mark.parametrize("case", ACCEPT, ids=lambda case: case.name)
def test_is_let_in(case: Case) -> None:
    told = made(case, world())
    settled, _ = answer(told, world().later(*told.documents))
    assert isinstance(settled, Recorded)
    assert settled.is_new


class Kept(Book):
    """A book that keeps the table of what is due as a store does."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.due: dict[tuple[int, int], Due] = {}

    def commit(self, ledger: Any) -> None:
        for record in ledger.records:
            for gone in record.undue:
                self.due.pop(gone, None)
            self.due.update({(row.index, row.what): row for row in record.due})
        super().commit(ledger)


@pytest.fixture
def sent() -> Envelope:
    return world().envelope(**RED)


@pytest.fixture
def book() -> Kept:
    return Kept(world().later(*documents(world())))


def post(book: Book, what: Any, caller: str | None = None) -> Any:
    (settled,) = book.post(world().arrival(what, caller))
    assert isinstance(settled, Recorded), settled
    return settled.index


def owed(book: Book) -> list[str]:
    facts: Any = entries.decode(book.entries[-1]).facts
    return [each.endpoint for each in facts.owed]


def test_draft_is_owed_to_those_it_is_sealed_to_and_tells_nobody_else(
    book: Kept, sent: Envelope
) -> None:
    post(book, drafted(world(), sent))
    assert owed(book) == [DESK]


def test_draft_says_nothing_of_its_bulletin_in_the_clear_but_a_digest(sent: Envelope) -> None:
    draft, header = drafted(world(), sent), decoded(sent.header)
    said = payload_of(draft.header) + draft.body
    for secret in (header.id, header.commit, header.body.digest, WATCH, header.feed):
        assert secret.encode() not in said


THIRD = "pa.senan/turno"


def with_a_third() -> View:
    """One more releaser of the author's member, with the keys of somebody else."""
    view = world().later(*documents(world()))
    desk, lent = view.endpoints[DESK], view.endpoints[WATCH]
    third = desk._replace(
        endpoint=msgspec.structs.replace(desk.endpoint, id=THIRD), keys=lent.keys
    )
    mine = {OPS: view.endpoints[OPS], DESK: desk, THIRD: third}
    others = {"us.jiatfs": {WATCH: lent}}
    return msgspec.structs.replace(view, endpoints=Directory({"pa.senan": mine, **others}))


def test_what_is_decided_is_told_to_the_other_releasers_too(sent: Envelope) -> None:
    w, both = world(), [DESK, THIRD]
    to_both = world()._replace(openers={**w.openers, THIRD: w.openers[WATCH]})
    for decide, told in (
        (lambda: declined(w, sent), [OPS, THIRD]),
        (lambda: w.release(sent), [OPS, THIRD]),
        (lambda: withdrawn(w, sent, to=both), both),
    ):
        book = Kept(with_a_third())
        post(book, drafted(to_both, sent, to=both))
        assert owed(book) == both
        post(book, decide())
        assert owed(book) == told


def test_releaser_who_was_not_asked_declines_nothing(sent: Envelope) -> None:
    w, book = world(), Kept(with_a_third())
    post(book, drafted(w, sent))
    third = w._replace(signers={**w.signers, THIRD: w.signers[WATCH]})
    (settled,) = book.post(world().arrival(drafted(third, sent, THIRD, "declined"), THIRD))
    assert isinstance(settled, Rejected)
    assert (settled.refusal.code, settled.refusal.at) == (Code.NOT_OWED, "/of")


def test_refusal_to_release_is_told_to_the_author(book: Kept, sent: Envelope) -> None:
    post(book, drafted(world(), sent))
    post(book, declined(world(), sent))
    assert owed(book) == [OPS]


def test_withdrawal_is_told_to_the_releasers(book: Kept, sent: Envelope) -> None:
    post(book, drafted(world(), sent))
    post(book, withdrawn(world(), sent))
    assert owed(book) == [DESK]


def test_draft_has_room_for_the_longest_text_and_what_stands_before_it(
    book: Kept, sent: Envelope
) -> None:
    longest = MAX_PLAINTEXT_BYTES + 64 * 1024
    draft = drafted(world(), sent, text=b"x" * longest)
    post(book, draft)
    said = decode_draft(payload_of(draft.header))
    assert open_draft(said, draft.body, world().openers[DESK]) == b"x" * longest
    with pytest.raises(Refusal) as refusal:
        drafted(world(), sent, text=b"x" * (MAX_DRAFT_BYTES + 1))
    assert refusal.value.code == Code.OVERSIZED
    with pytest.raises(Refusal) as refusal:
        look(draft.body, "xb1-h")
    assert (refusal.value.code, refusal.value.at) == (Code.OVERSIZED, "/body/ciphertext")


def test_draft_is_held_to_the_size_of_its_bulletin(sent: Envelope) -> None:
    w = world()
    tight = w.rearranged(four_eyes=["tlp:red"], sizes=Sizes(20_000, 1, 1))
    book = Kept(w.later(tight, documents(w)[1]))
    draft = drafted(w, sent, text=b"x" * 200_000)
    (settled,) = book.post(w.arrival(draft))
    assert isinstance(settled, Rejected)
    assert (settled.refusal.code, settled.refusal.at) == (Code.OVERSIZED, "/body/size")
    post(book, drafted(w, sent, text=b"x" * 100_000))


# -- what goes, and when -------------------------------------------------------------------


def test_draft_goes_at_its_time(book: Kept, sent: Envelope) -> None:
    index = post(book, drafted(world(), sent))
    assert book.due == {
        (index, due.PURGE): Due(index, due.PURGE, NOW + DAY, "header", "", book.view.index)
    }


@pytest.mark.parametrize("decision", [declined, withdrawn])
def test_draft_goes_at_once_when_it_is_decided(
    book: Kept, sent: Envelope, decision: Any
) -> None:
    index = post(book, drafted(world(), sent))
    post(book, decision(world(), sent))
    row = book.due[index, due.PURGE]
    assert (row.at, row.cause) == (NOW, "decided")


def test_draft_goes_at_once_when_its_bulletin_is_in(book: Kept, sent: Envelope) -> None:
    index = post(book, drafted(world(), sent))
    post(book, world().release(sent))
    assert book.due[index, due.PURGE].at == NOW + DAY
    post(book, sent)
    row = book.due[index, due.PURGE]
    assert (row.at, row.cause) == (NOW, "decided")


def order(book: Kept, index: int) -> int | None:
    ledger = book.ledger()
    ledger.taken_ms = NOW * 1000
    target = retaining.of(Found(index, book.entries[index - book.base]))
    assert target is not None
    found = retaining.order(ledger, book.due[index, due.PURGE], target, book.known.get)
    book.commit(ledger)
    return found


def test_order_names_the_sealed_draft_and_is_owed_to_nobody(book: Kept, sent: Envelope) -> None:
    draft = drafted(world(), sent)
    index = post(book, draft)
    assert order(book, index) is None  # too early
    post(book, withdrawn(world(), sent))
    assert order(book, index) is not None
    facts = entries.decode(book.entries[-1]).facts
    assert isinstance(facts, entries.PurgeOrdered)
    assert (facts.of, facts.cause, facts.owed) == (index, "decided", [])
    assert (index, due.PURGE) not in book.due


def test_what_is_ordered_to_be_purged_is_not_due_again(book: Kept, sent: Envelope) -> None:
    index = post(book, drafted(world(), sent, until=NOW + 1))
    row = book.due[index, due.PURGE]
    book.due[index, due.PURGE] = msgspec.structs.replace(row, at=NOW)
    assert order(book, index) is not None
    post(book, withdrawn(world(), sent))
    assert (index, due.PURGE) not in book.due


# -- replay --------------------------------------------------------------------------------


def record(sent: Envelope) -> tuple[Kept, dict[str, bytes]]:
    w = world()
    book, known = Kept(View(anchor=w.anchor)), {}
    everything: list[tuple[Any, str | None]] = [
        *((each, "") for each in (*w.documents, w.rearranged(four_eyes=["tlp:red"]))),
        (w.amended(DESK, releaser), MINSA),
        (drafted(w, sent), None),
        (w.release(sent), None),
        (sent, None),
    ]
    for what, caller in everything:
        arrival = w.arrival(what, caller)
        known[digest(arrival.raw)] = arrival.raw
        post(book, what, caller)
    order(book, len(book.entries) - 3)
    return book, known


def replay(book: Book, known: dict[str, bytes]) -> Replayer:
    replayer = Replayer(View(anchor=world().anchor), book.entries.__getitem__, known.get)
    for raw in book.entries:
        replayer.step(raw)
    return replayer


def test_journal_with_a_draft_replays_and_has_the_same_due(sent: Envelope) -> None:
    book, known = record(sent)
    assert replay(book, known).due == book.due
    kinds = [entries.kind_of(entries.decode(raw).facts) for raw in book.entries]
    assert kinds[-4:] == ["drafted", "released", "accepted", "purge-ordered"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"wraps": ["A" * 43]}, (Code.WRAPS_MISMATCH, "/to/0")),
        ({"blobs": []}, (Code.BAD_PROOF, "/blobs")),
        ({"of": 1}, (Code.BAD_PROOF, "/of")),
        ({"owed": []}, (Code.BAD_PROOF, "/owed")),
    ],
)
def test_journal_that_tells_another_draft_does_not_replay(
    sent: Envelope, change: dict[str, Any], expected: tuple[Code, str]
) -> None:
    book, known = record(sent)
    entry = entries.decode(book.entries[-4])
    facts = msgspec.structs.replace(entry.facts, **change)
    book.entries[-4] = entries.encode(facts, entry.object)
    with pytest.raises(Refusal) as refusal:
        replay(book, known)
    assert (refusal.value.code, refusal.value.at) == expected
