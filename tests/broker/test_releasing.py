"""What needs a second person: let in after its release, once, and judged again in a replay."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.broker import releasing
from exchange.broker.intake import Admitted, consider
from exchange.broker.records import Recorded, Rejected
from exchange.broker.replay import Replayer
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.policy import rules
from exchange.seal.close import Envelope
from tests.books import Book
from tests.broker.test_drafting import THIRD, with_a_third
from tests.broker.test_regranting import FRESH, OVER, regrant, rekeyed
from tests.builders import DAY, DESK, MINSA, NOW, OPS, WATCH, WATCH_DESK, releaser, world
from tests.drafted import declined, drafted, withdrawn
from tests.vectors.case import Case, answer
from tests.vectors.case import posted as made
from tests.vectors.releasing import ACCEPT, RED, REFUSE, documents


@pytest.mark.parametrize("case", REFUSE, ids=lambda case: case.name)
def test_is_refused(case: Case) -> None:
    told = made(case, world())
    settled, book = answer(told, world().later(*told.documents))
    assert isinstance(settled, Rejected)
    assert (settled.refusal.code, settled.refusal.at) == (case.code, case.at)
    # And it is on record that it was.
    last = entries.decode(book.entries[-1]).facts
    assert isinstance(last, entries.Refused)
    assert (last.code, last.at) == (case.code, case.at)


@pytest.mark.parametrize("case", ACCEPT, ids=lambda case: case.name)
def test_is_let_in(case: Case) -> None:
    told = made(case, world())
    settled, _ = answer(told, world().later(*told.documents))
    assert isinstance(settled, Recorded)
    assert settled.is_new


@pytest.fixture
def sent() -> Envelope:
    return world().envelope(**RED)


@pytest.fixture
def book() -> Book:
    return Book(world().later(*documents(world())))


def post(book: Book, what: Any, caller: str | None = None) -> Any:
    return book.post(world().arrival(what, caller))[0]


def code(settled: Any) -> Code:
    assert isinstance(settled, Rejected), settled
    return settled.refusal.code


def facts(book: Book, place: int = -1) -> Any:
    return entries.decode(book.entries[place]).facts


def test_bulletin_names_the_entry_of_its_release(book: Book, sent: Envelope) -> None:
    released = post(book, world().release(sent))
    assert isinstance(post(book, sent), Recorded)
    assert facts(book).released == released.index


def test_bulletin_that_needs_none_names_none(book: Book) -> None:
    free = world().envelope()
    post(book, world().release(free))
    assert isinstance(post(book, free), Recorded)
    assert facts(book).released is msgspec.UNSET


def test_release_and_bulletin_of_one_batch_are_let_in_together(
    book: Book, sent: Envelope
) -> None:
    pair = (world().arrival(world().release(sent), OPS), world().arrival(sent))
    assert all(isinstance(each, Recorded) for each in book.post(*pair))


def test_bulletin_before_its_release_in_one_batch_is_refused(
    book: Book, sent: Envelope
) -> None:
    pair = (world().arrival(sent), world().arrival(world().release(sent), OPS))
    first, second = book.post(*pair)
    assert code(first) == Code.RELEASE_REQUIRED
    assert isinstance(second, Recorded)
    # A refusal takes no id: the very same bytes are let in now.
    assert isinstance(post(book, sent), Recorded)


def test_release_posted_again_is_the_same_entry_and_releases_nothing_more(
    book: Book, sent: Envelope
) -> None:
    release = world().release(sent)
    first = post(book, release)
    assert isinstance(post(book, sent), Recorded)
    assert post(book, release) == Recorded(first.index, is_new=False)
    other = world().envelope(**RED)
    assert code(post(book, other)) == Code.RELEASE_REQUIRED


@pytest.mark.parametrize(
    "change",
    [
        {"status": "suspended"},
        {"roles": ["poster", "reader"]},
    ],
)
def test_release_by_one_who_may_not_any_more_lets_nothing_in(
    book: Book, sent: Envelope, change: dict[str, Any]
) -> None:
    post(book, world().release(sent))
    after = world().after(*documents(world()))
    book.view = after.later(
        after.amended(DESK, lambda each: msgspec.structs.replace(each, **change))
    )
    assert code(post(book, sent)) == Code.RELEASE_REQUIRED


def test_one_endpoint_takes_one_place_and_others_may_stand_in() -> None:
    w, book = world(), Book(with_a_third())
    sent = w.envelope(to=[WATCH], **RED)
    assert isinstance(post(book, w.release(sent)), Recorded)
    again = post(book, w.release(sent, officer="exercise-2"))
    assert (code(again), again.refusal.at) == (Code.ALREADY_RELEASED, "/of")
    third = w._replace(signers={**w.signers, THIRD: w.signers[WATCH]})
    assert isinstance(post(book, third.release(sent, THIRD)), Recorded)
    assert isinstance(post(book, sent), Recorded)


def test_more_releases_than_anybody_needs_are_refused(
    sent: Envelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releasing, "MAX_RELEASES", 1)
    w, book = world(), Book(with_a_third())
    third = w._replace(signers={**w.signers, THIRD: w.signers[WATCH]})
    assert isinstance(post(book, w.release(sent)), Recorded)
    assert code(post(book, third.release(sent, THIRD))) == Code.OVERSIZED


def test_release_of_another_than_who_asked_counts_beside_that_of_who_asked() -> None:
    w, book = world(), Book(with_a_third())
    sent = w.envelope(to=[WATCH], **RED)
    third = w._replace(signers={**w.signers, THIRD: w.signers[WATCH]})
    for each in (
        w.release(sent, officer="exercise-1"),
        third.release(sent, THIRD, officer="exercise-2"),
        drafted(w, sent, officer="exercise-1"),
    ):
        assert isinstance(post(book, each), Recorded)
    assert isinstance(post(book, sent), Recorded)
    assert facts(book).released == book.base + 1


@pytest.mark.parametrize("decided", [declined, withdrawn])
def test_what_was_declined_or_withdrawn_after_its_release_does_not_go_out(
    book: Book, sent: Envelope, decided: Any
) -> None:
    for each in (drafted(world(), sent), world().release(sent)):
        assert isinstance(post(book, each), Recorded)
    said_no = post(book, decided(world(), sent))
    refused = post(book, sent)
    assert code(refused) == Code.DRAFT_OVER
    assert refused.refusal.facts == {"found": said_no.index}


def test_what_is_declined_in_one_group_with_its_bulletin_does_not_go_out(
    book: Book, sent: Envelope
) -> None:
    w = world()
    group: list[Any] = [drafted(w, sent), w.release(sent), declined(w, sent), sent]
    *before, refused = book.post(*map(w.arrival, group))
    assert all(isinstance(each, Recorded) for each in before)
    assert code(refused) == Code.DRAFT_OVER


def test_front_that_says_it_needs_no_release_lets_nothing_in(
    book: Book, sent: Envelope
) -> None:
    considered = consider(world().arrival(sent), book.view)
    assert isinstance(considered.decision, Admitted)
    decision = considered.decision._replace(is_marked=False)
    lying = considered._replace(decision=decision)
    arrival = ("", sent.header, sent.body)
    settled = book.ledger().settle(lying, arrival, book.look_up(lying))
    assert code(settled) == Code.RELEASE_REQUIRED
    # Not by a release of the same group either: what else is on record was not looked up.
    ledger, release = book.ledger(), world().release(sent)
    found = consider(world().arrival(release), book.view)
    assert isinstance(ledger.settle(found, ("", release, b""), book.look_up(found)), Recorded)
    settled = ledger.settle(lying, arrival, book.look_up(lying))
    assert code(settled) == Code.RELEASE_REQUIRED


def test_whoever_forgets_to_say_who_released_it_is_refused() -> None:
    view = world().later(*documents(world()))
    with pytest.raises(Refusal) as refusal:
        rules.decide("accept", world().header(**RED), view, NOW)
    assert refusal.value.code == Code.RELEASE_REQUIRED


# -- who may be given it later ---------------------------------------------------------------


def test_grant_names_the_entry_of_its_release_and_its_draft_goes(book: Book) -> None:
    closed = world().closed(**RED)
    for each in (world().release(closed.envelope), closed.envelope):
        post(book, each)
    grant = world().grant(closed)
    asked = post(book, drafted(world(), grant))
    released = post(book, world().release(grant))
    ledger = book.ledger()
    assert isinstance(book.settle(ledger, world().arrival(grant)), Recorded)
    record: Any = ledger.records[-1]
    assert record.facts.released == released.index
    ends = [(row.index, row.at, row.cause) for row in record.due]
    assert ends == [(asked.index, NOW, "decided")]


@pytest.mark.parametrize("by_grant", [False, True])
def test_who_holds_it_is_granted_it_under_a_new_key_without_a_release(
    *, by_grant: bool
) -> None:
    """As `exchange incident KEY --regrant` does for whoever lost a key."""
    closed, end = world().closed(to=[WATCH], **RED), NOW + 90 * DAY
    to = WATCH_DESK if by_grant else WATCH
    w = world().after(*documents(world()))
    renewed = rekeyed(to, (FRESH[0], end))
    book = Book(w.later(renewed, now=NOW))
    before: list[Any] = [world().release(closed.envelope), closed.envelope]
    if by_grant:
        grant = world().grant(closed)
        before += [world().release(grant), grant]
    for each in before:
        assert isinstance(post(book, each), Recorded)
    again = book.post(world().arrival(regrant(closed, FRESH[0], to), None, OVER))[0]
    assert isinstance(again, Recorded), again
    assert facts(book).released is msgspec.UNSET


# -- replay --------------------------------------------------------------------------------


def record(sent: Envelope) -> tuple[Book, dict[str, bytes]]:
    """A journal from its first document on, with a release and its bulletin."""
    w = world()
    book, known = Book(View(anchor=w.anchor)), {}
    everything: list[tuple[Any, str | None]] = [
        *((each, "") for each in (*w.documents, w.rearranged(four_eyes=["tlp:red"]))),
        (w.amended(DESK, releaser), MINSA),
        (w.release(sent), None),
        (sent, None),
    ]
    for what, caller in everything:
        arrival = w.arrival(what, caller)
        known[digest(arrival.raw)] = arrival.raw
        assert isinstance(book.post(arrival)[0], Recorded)
    return book, known


def replay(book: Book, known: dict[str, bytes]) -> list[str]:
    replayer = Replayer(View(anchor=world().anchor), book.entries.__getitem__, known.get)
    return [entries.kind_of(replayer.step(raw).record.facts) for raw in book.entries]


def test_journal_with_a_released_bulletin_replays(sent: Envelope) -> None:
    assert replay(*record(sent))[-2:] == ["released", "accepted"]


def test_journal_that_let_a_bulletin_in_without_its_release_does_not_replay(
    sent: Envelope,
) -> None:
    book, known = record(sent)
    *before, _, last = book.entries
    entry = entries.decode(last)
    book.entries = [*before, entries.encode(entry.facts, entry.object)]
    with pytest.raises(Refusal) as refusal:
        replay(book, known)
    told = refusal.value
    assert (told.code, told.at) == (Code.BAD_PROOF, "/kind")
    assert told.facts["expected"] == Code.RELEASE_REQUIRED


def test_journal_that_names_another_release_does_not_replay(sent: Envelope) -> None:
    book, known = record(sent)
    entry = entries.decode(book.entries[-1])
    other = msgspec.structs.replace(entry.facts, released=0)
    book.entries[-1] = entries.encode(other, entry.object)
    with pytest.raises(Refusal) as refusal:
        replay(book, known)
    assert (refusal.value.code, refusal.value.at) == (Code.BAD_PROOF, "/released")
