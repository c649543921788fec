"""What is under originator control goes no further than its originator consents."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.broker import consents, keys
from exchange.broker.records import Found, Recorded, Rejected
from exchange.broker.replay import Replayer
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.header import Blob
from exchange.model.view import View
from tests import builders
from tests.books import Book
from tests.builders import COAST, DESK, HOUR, NOW, OPS, WATCH, WATCH_DESK, Envelope, digest
from tests.consented import consent, controlled, withdrawn
from tests.vectors import consenting
from tests.vectors.case import Case, answer, posted
from tests.vectors.granting import poster

WORLD = builders.world()


@pytest.mark.parametrize("case", consenting.REFUSE, ids=lambda case: case.name)
def test_is_refused_and_journaled(case: Case) -> None:
    made = posted(case, WORLD)
    settled, book = answer(made, WORLD.later(*made.documents))
    assert isinstance(settled, Rejected), case.name
    assert (settled.refusal.code, settled.refusal.at) == (case.code, case.at)
    facts = entries.decode(book.entries[-1]).facts
    assert isinstance(facts, entries.Refused)
    assert (facts.code, facts.caller) == (str(case.code), made.arrival.caller)


@pytest.mark.parametrize("case", consenting.ACCEPT, ids=lambda case: case.name)
def test_is_let_in(case: Case) -> None:
    made = posted(case, WORLD)
    settled, _ = answer(made, WORLD.later(*made.documents))
    assert isinstance(settled, Recorded), getattr(settled, "refusal", None)


def after(*more: consenting.Make, **changes: Any) -> tuple[Book, Any]:
    made = posted(Case("", "", None, "", consenting.after(*more, **changes)), WORLD)
    settled, book = answer(made, WORLD.later(*made.documents))
    assert isinstance(settled, Recorded), settled
    return book, entries.decode(book.entries[-1]).facts


def test_consent_and_withdrawal_are_owed_to_giver_and_receiver_and_to_the_author() -> None:
    _, facts = after(consenting.said())
    assert isinstance(facts, entries.Consented)
    assert [each.endpoint for each in facts.owed] == [COAST, WATCH_DESK]
    _, facts = after(consenting.said(), consenting.back())
    assert [each.endpoint for each in facts.owed] == [COAST, WATCH_DESK]
    documents = [lambda world: world.amended(DESK, poster)]
    _, facts = after(consenting.said(DESK), documents=documents)
    assert [each.endpoint for each in facts.owed] == [COAST, WATCH_DESK, OPS]


def test_what_is_passed_on_names_its_consent_and_is_owed_to_the_author() -> None:
    book, facts = after(consenting.said(), consenting.passed())
    assert isinstance(facts, entries.Granted)
    assert facts.consent == book.base + 1
    assert [each.endpoint for each in facts.owed] == [WATCH_DESK, OPS]


def test_what_its_originator_grants_names_no_consent() -> None:
    _, facts = after(consenting.said(), consenting.passed(by=OPS))
    assert isinstance(facts, entries.Granted)
    assert not isinstance(facts.consent, int)


def test_who_was_given_it_passes_it_on_by_a_consent_of_its_own() -> None:
    posts = [lambda world: world.amended(WATCH_DESK, poster)]
    chain = (consenting.said(), consenting.passed())
    own = consenting.said(by=WATCH_DESK, to=DESK)
    on = consenting.passed(to=DESK, by=WATCH_DESK)
    _, facts = after(*chain, own, on, documents=posts)
    assert isinstance(facts, entries.Granted)


def test_a_withdrawal_is_taken_of_who_is_suspended_meanwhile() -> None:
    closed, book = controlled(WORLD), Book(WORLD.view)
    book.post(WORLD.arrival(closed.envelope))
    book.post(WORLD.arrival(consent(WORLD, closed.envelope)))
    book.view = WORLD.later(WORLD.amended(WATCH_DESK, builders.suspended))
    (settled,) = book.post(WORLD.arrival(withdrawn(WORLD, closed.envelope)))
    assert isinstance(settled, Recorded)


def test_consents_are_bounded_and_a_withdrawal_always_has_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consents, "MAX_CONSENTS", 2)
    closed, book = controlled(WORLD), Book(WORLD.view)
    book.post(WORLD.arrival(closed.envelope))
    first, second, back = (
        consent(WORLD, closed.envelope),
        consent(WORLD, closed.envelope),
        withdrawn(WORLD, closed.envelope),
    )
    assert isinstance(book.post(WORLD.arrival(first))[0], Recorded)
    (refused,) = book.post(WORLD.arrival(second))
    assert isinstance(refused, Rejected)
    assert (refused.refusal.code, refused.refusal.at) == (Code.OVERSIZED, "/of")
    assert isinstance(book.post(WORLD.arrival(back))[0], Recorded)


def test_within_one_group_a_withdrawal_bites_what_comes_after_it() -> None:
    closed, book = controlled(WORLD), Book(WORLD.view)
    book.post(WORLD.arrival(closed.envelope))
    settled = book.post(
        WORLD.arrival(consent(WORLD, closed.envelope)),
        WORLD.arrival(withdrawn(WORLD, closed.envelope)),
        WORLD.arrival(WORLD.grant(closed, WATCH_DESK, COAST)),
    )
    assert isinstance(settled[2], Rejected)
    assert settled[2].refusal.code is Code.CONSENT_WITHDRAWN


def test_ciphertext_named_twice_under_control_is_found_as_the_first_ones() -> None:
    attached = Blob("B" * 43, 1024)
    book = Book(WORLD.view)
    book.hold(attached)
    for _ in range(2):
        closed = controlled(WORLD, attachments=[attached])
        assert isinstance(book.post(WORLD.arrival(closed.envelope))[0], Recorded)


def test_what_comes_back_from_an_outsider_is_refused_for_whoever_is_outside() -> None:
    """All who may not have it are looked up in one go: the first of them is named."""
    closed, book = controlled(WORLD, to=[WATCH]), Book(WORLD.view)
    book.post(WORLD.arrival(closed.envelope))
    refs = builders.refers("answers", closed.envelope)
    reply = WORLD.envelope(endpoint=WATCH, refs=refs, to=[OPS, WATCH_DESK, COAST])
    (refused,) = book.post(WORLD.arrival(reply))
    assert isinstance(refused, Rejected)
    assert refused.refusal.facts["name"] == WATCH_DESK


def test_what_was_ordered_to_be_purged_is_consented_to_no_more() -> None:
    closed, book = controlled(WORLD), Book(WORLD.view)
    book.post(WORLD.arrival(closed.envelope))
    book.known[keys.purge(digest(closed.envelope.header))] = Found(book.base, book.entries[0])
    (refused,) = book.post(WORLD.arrival(consent(WORLD, closed.envelope)))
    assert isinstance(refused, Rejected)
    assert (refused.refusal.code, refused.refusal.at) == (Code.PURGED, "/of")


def test_who_is_owed_a_header_alone_may_be_referred_to_it() -> None:
    """A correction to one of two holders: the other was told of it, and what it is."""
    closed, book = controlled(WORLD), Book(WORLD.view)
    book.post(WORLD.arrival(closed.envelope))
    refs = builders.refers("corrects", closed.envelope)
    corrected: dict[str, Any] = {"type": "cor", "verb": "correct", "refs": refs, "to": [WATCH]}
    correction = controlled(WORLD, **corrected).envelope
    assert isinstance(book.post(WORLD.arrival(correction))[0], Recorded)
    reply: dict[str, Any] = {
        "endpoint": WATCH,
        "refs": builders.refers("answers", correction),
    }
    (settled,) = book.post(WORLD.arrival(WORLD.envelope(to=[COAST], **reply)))
    assert isinstance(settled, Recorded)
    (settled,) = book.post(WORLD.arrival(WORLD.envelope(to=[WATCH_DESK], **reply)))
    assert told(settled) == (Code.ORIGINATOR_CONTROL, "/refs/0")


def told(settled: Any) -> tuple[Code, str]:
    """Why something was refused."""
    assert isinstance(settled, Rejected), settled
    return settled.refusal.code, settled.refusal.at


@pytest.fixture
def cited() -> tuple[Book, Any, Envelope]:
    """A reply to what is under control, to one by a consent that was withdrawn since."""
    closed, book = controlled(WORLD, to=[COAST]), Book(WORLD.view)
    refs = builders.refers("answers", closed.envelope)
    reply = WORLD.closed(endpoint=COAST, refs=refs, to=[WATCH_DESK])
    for each in (
        closed.envelope,
        consent(WORLD, closed.envelope),
        reply.envelope,
        withdrawn(WORLD, closed.envelope),
    ):
        assert isinstance(book.post(WORLD.arrival(each))[0], Recorded)
    return book, reply, closed.envelope


def cancelling(of: Envelope, *refs: Any, **changes: Any) -> Envelope:
    named = [*builders.refers("cancels", of), *refs]
    usual = {"endpoint": COAST, "type": "can", "verb": "cancel", "to": [WATCH_DESK]}
    return WORLD.envelope(**{**usual, "refs": named, **changes})


def test_cancellation_repeats_to_who_was_told_what_its_target_cites(cited: Any) -> None:
    book, reply, closed = cited
    again = builders.refers("answers", closed)
    # Nothing else that its author says is let in by that.
    other = WORLD.envelope(endpoint=COAST, refs=again, to=[WATCH_DESK])
    assert told(book.post(WORLD.arrival(other))[0]) == (Code.CONSENT_WITHDRAWN, "/refs/0")
    corrects = [*builders.refers("corrects", reply.envelope), *again]
    correction = cancelling(reply.envelope, type="cor", verb="correct", refs=corrects)
    assert told(book.post(WORLD.arrival(correction))[0]) == (Code.CONSENT_WITHDRAWN, "/refs/1")
    wider = cancelling(reply.envelope, *again, to=[DESK, WATCH_DESK])
    assert isinstance(book.post(WORLD.arrival(wider))[0], Recorded)  # DESK is of its author


def test_cancellation_tells_nobody_of_what_was_not_told_before(cited: Any) -> None:
    book, reply, closed = cited
    again = builders.refers("answers", closed)
    another = controlled(WORLD).envelope
    book.post(WORLD.arrival(another))
    more = cancelling(reply.envelope, *again, *builders.refers("answers", another))
    assert told(book.post(WORLD.arrival(more))[0]) == (Code.ORIGINATOR_CONTROL, "/refs/2")
    wider = cancelling(reply.envelope, *again, to=sorted([WATCH, WATCH_DESK]))
    refusal = told(book.post(WORLD.arrival(wider))[0])
    assert refusal == (Code.ORIGINATOR_CONTROL, "/refs/1")
    assert isinstance(book.post(WORLD.arrival(cancelling(reply.envelope, *again)))[0], Recorded)


def test_what_may_not_be_cited_to_one_is_refused_before_it_is_told_who_holds_it(
    cited: Any,
) -> None:
    book, reply, _ = cited
    (settled,) = book.post(WORLD.arrival(WORLD.grant(reply, WATCH_DESK, COAST)))
    assert told(settled) == (Code.CONSENT_WITHDRAWN, "/to")


# -- replay --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record() -> tuple[Book, dict[str, bytes]]:
    closed = controlled(WORLD)
    book, documents = Book(View(anchor=WORLD.anchor)), {}
    steps: tuple[tuple[Envelope | bytes, int], ...] = (
        *((each, NOW) for each in WORLD.documents),
        (closed.envelope, NOW),
        (consent(WORLD, closed.envelope), NOW),
        (WORLD.grant(closed, WATCH_DESK, COAST), NOW),
        (withdrawn(WORLD, closed.envelope), NOW),
        (consent(WORLD, closed.envelope), NOW + HOUR),
    )
    for what, at in steps:
        caller = "" if what in WORLD.documents else None
        arrival = WORLD.arrival(what, caller, at)
        documents[digest(arrival.raw)] = arrival.raw
        book.post(arrival)
    return book, documents


def replayed(record: tuple[Book, dict[str, bytes]], place: int, **changes: Any) -> list[str]:
    book, documents = record
    written = list(book.entries)
    if changes:
        entry = entries.decode(written[place])
        written[place] = entries.encode(
            entry.facts.__class__(
                **{
                    name: changes.get(name, getattr(entry.facts, name))
                    for name in entry.facts.__struct_fields__
                }
            ),
            entry.object,
        )
    replayer = Replayer(View(anchor=WORLD.anchor), written.__getitem__, documents.get)
    return [entries.kind_of(replayer.step(raw).record.facts) for raw in written]


FIRST = len(WORLD.documents)


def test_journal_with_consents_replays(record: Any) -> None:
    assert replayed(record, 0)[FIRST:] == [
        *("accepted", "consented", "granted", "consented", "refused")
    ]


@pytest.mark.parametrize(
    ("place", "changes", "at"),
    [
        (FIRST + 1, {"of": 1}, "/of"),
        (FIRST + 1, {"owed": []}, "/owed"),
        (FIRST + 1, {"digest": "A" * 43}, "/digest"),
        (FIRST + 2, {"consent": FIRST}, "/consent"),
        (FIRST + 3, {"owed": []}, "/owed"),
    ],
)
def test_altered_fact_is_found(record: Any, place: int, changes: Any, at: str) -> None:
    with pytest.raises(Refusal) as caught:
        replayed(record, place, **changes)
    assert (caught.value.code, caught.value.at) == (Code.BAD_PROOF, at)
