"""Grants, releases and notices in their order: who may give what to whom, and who is told."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from exchange.broker import holding, retaining
from exchange.broker.records import Recorded, Rejected
from exchange.broker.replay import Replayer
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.header import Blob, Marking
from exchange.model.identity import SuiteId, digest
from exchange.model.view import View
from exchange.seal import body, close
from exchange.seal.open import open_body
from tests import builders
from tests.books import Book
from tests.builders import (
    COAST,
    DESK,
    MINSA,
    NOW,
    OPS,
    WATCH,
    WATCH_DESK,
    Closed,
    Envelope,
    refers,
    releaser,
    subject,
    world,
)
from tests.vectors import forging, granting
from tests.vectors.case import Case, answer
from tests.vectors.case import posted as case_posted

COLLEAGUE = "pa.senan/desk"


@pytest.mark.parametrize(
    "case", [*granting.GRANTS, *granting.RELEASES], ids=lambda case: case.name
)
def test_is_refused(case: Case) -> None:
    made = case_posted(case, world())
    settled, _ = answer(made, world().later(*made.documents))
    assert refusal(settled) == (case.code, case.at)


@pytest.mark.parametrize("case", granting.ACCEPT, ids=lambda case: case.name)
def test_is_let_in(case: Case) -> None:
    made = case_posted(case, world())
    settled, _ = answer(made, world().later(*made.documents))
    assert isinstance(settled, Recorded)
    assert settled.is_new


def journal(*before: Any, documents: tuple[bytes, ...] = ()) -> Book:
    """A journal in which all this was let in."""
    book = Book(world().later(*documents))
    for each in before:
        assert isinstance(book.post(world().arrival(each))[0], Recorded)
    return book


def posted(book: Book, what: Any, caller: str | None = None, at: int = NOW) -> Any:
    return book.post(world().arrival(what, caller, at))[0]


def refusal(settled: Any) -> tuple[Code, str]:
    assert isinstance(settled, Rejected), settled
    return settled.refusal.code, settled.refusal.at


def facts(book: Book, place: int = -1) -> Any:
    return entries.decode(book.entries[place]).facts


def owed(book: Book, place: int = -1) -> list[str]:
    return [each.endpoint for each in facts(book, place).owed]


def cancel(of: Envelope, **changes: Any) -> Envelope:
    return world().envelope(type="can", verb="cancel", refs=refers("cancels", of), **changes)


@pytest.fixture
def closed() -> Closed:
    return world().closed()


def test_grant_is_recorded_with_its_wrap_and_owed_to_its_recipient(closed: Closed) -> None:
    book, grant = journal(closed.envelope), world().grant(closed)
    posted(book, grant)
    found = facts(book)
    assert isinstance(found, entries.Granted)
    assert (found.of, found.wrap.digest) == (book.base, digest(grant.body))
    assert found.kid == world().key(WATCH_DESK).kid
    assert owed(book) == [WATCH_DESK]


def test_grant_by_a_colleague_is_news_to_the_posting_endpoint(closed: Closed) -> None:
    poster = world().amended(
        COLLEAGUE, lambda each: msgspec.structs.replace(each, roles=["poster", "reader"])
    )
    book = journal(closed.envelope, documents=(poster,))
    assert isinstance(posted(book, world().grant(closed, WATCH_DESK, COLLEAGUE)), Recorded)
    assert owed(book) == [WATCH_DESK, OPS]


def test_grant_posted_again_is_the_same_entry(closed: Closed) -> None:
    book, grant = journal(closed.envelope), world().grant(closed)
    first = posted(book, grant)
    assert posted(book, grant) == Recorded(first.index, is_new=False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": "01a229f1-2800-7768-b6ef-52555962d008"}, (Code.TARGET_MISMATCH, "/of")),
        ({"endpoint": DESK}, (Code.TARGET_MISMATCH, "/of")),
        ({"header_digest": "A" * 43}, (Code.TARGET_UNKNOWN, "/of")),
    ],
)
def test_grant_of_another_bulletin_than_named_is_refused(
    closed: Closed, changes: dict[str, Any], expected: tuple[Code, str]
) -> None:
    of = msgspec.structs.replace(subject(closed.envelope), **changes)
    book = journal(closed.envelope)
    assert refusal(posted(book, world().grant(closed, of=of))) == expected


def test_another_members_bulletin_is_granted_no_further_than_its_marking_lets_it_go(
    closed: Closed,
) -> None:
    book = journal(closed.envelope)
    assert refusal(posted(book, world().grant(closed, WATCH_DESK, COAST))) == (
        Code.TLP_ONWARD,
        "/to",
    )
    # Amber stays with the organization of who holds it.
    assert isinstance(posted(book, world().grant(closed, WATCH_DESK, WATCH)), Recorded)


def test_grant_of_an_acknowledgement_is_refused(closed: Closed) -> None:
    ack = world().ack(closed.envelope)
    of = msgspec.structs.replace(subject(closed.envelope), header_digest=digest(ack))
    book = journal(closed.envelope, ack)
    assert refusal(posted(book, world().grant(closed, of=of))) == (Code.TARGET_MISMATCH, "/of")


def test_no_grant_after_a_cancellation(closed: Closed) -> None:
    book = journal(closed.envelope, cancel(closed.envelope))
    settled = posted(book, world().grant(closed))
    assert refusal(settled) == (Code.TARGET_CANCELLED, "/of")
    assert settled.refusal.facts["found"] == book.base + 1


def test_no_grant_of_what_was_cancelled_before_it_came(closed: Closed) -> None:
    book = journal(cancel(closed.envelope), closed.envelope)
    assert refusal(posted(book, world().grant(closed))) == (Code.TARGET_CANCELLED, "/of")


def test_no_grant_after_a_cancellation_of_the_same_group(closed: Closed) -> None:
    book, w = journal(closed.envelope), world()
    _, second = book.post(w.arrival(cancel(closed.envelope)), w.arrival(w.grant(closed)))
    assert refusal(second) == (Code.TARGET_CANCELLED, "/of")


def test_another_members_cancellation_forbids_no_grant(closed: Closed) -> None:
    """It is a cancellation of something it never posted: refused, and without effect."""
    book = journal(closed.envelope)
    posted(book, cancel(closed.envelope, endpoint=COAST, to=[WATCH]))
    assert isinstance(posted(book, world().grant(closed)), Recorded)


@pytest.mark.parametrize("verb", ["cancel", "correct"])
def test_what_bears_on_a_bulletin_is_owed_to_whom_it_was_granted(
    closed: Closed, verb: str
) -> None:
    book = journal(closed.envelope, world().grant(closed))
    if verb == "cancel":
        later = cancel(closed.envelope, to=[WATCH])
    else:
        refs = refers("corrects", closed.envelope)
        later = world().envelope(type="cor", verb="correct", refs=refs, to=[WATCH])
    posted(book, later)
    assert owed(book) == [WATCH, COAST, WATCH_DESK]


def test_cancellation_in_the_group_of_a_grant_reaches_its_recipient(closed: Closed) -> None:
    book, w = journal(closed.envelope), world()
    book.post(w.arrival(w.grant(closed)), w.arrival(cancel(closed.envelope, to=[WATCH])))
    assert WATCH_DESK in owed(book)


def test_every_one_of_many_grants_is_told_of_the_cancellation() -> None:
    closed = world().closed(to=[WATCH])
    grants = [world().grant(closed, to) for to in (WATCH_DESK, COAST, DESK)]
    book = journal(closed.envelope, *grants)
    posted(book, cancel(closed.envelope, to=[WATCH]))
    assert owed(book) == [WATCH, WATCH_DESK, COAST, DESK]


def test_who_was_granted_may_acknowledge_and_nobody_else(closed: Closed) -> None:
    book = journal(closed.envelope)
    early = world().ack(closed.envelope, WATCH_DESK)
    assert refusal(posted(book, early)) == (Code.NOT_OWED, "/of")
    posted(book, world().grant(closed))
    assert isinstance(posted(book, early), Recorded)
    assert owed(book) == [OPS]


def test_what_a_recipient_holds_is_not_granted_again(closed: Closed) -> None:
    book = journal(closed.envelope)
    assert refusal(posted(book, world().grant(closed, WATCH))) == (Code.ALREADY_HELD, "/to")
    posted(book, world().grant(closed))
    assert refusal(posted(book, world().grant(closed))) == (Code.ALREADY_HELD, "/to")


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (MINSA, (Code.MAY_NOT_READ, "/to")),
        (builders.AUDIT, (Code.MAY_NOT_READ, "/to")),
    ],
)
def test_recipient_that_may_not_read_the_feed_is_refused(
    closed: Closed, to: str, expected: tuple[Code, str]
) -> None:
    assert refusal(posted(journal(closed.envelope), world().grant(closed, to))) == expected


def test_nation_that_it_is_not_releasable_to_is_refused() -> None:
    marking = Marking("amber", ["PAN"], [], originator_control=False)
    closed = world().closed(to=[DESK], marking=marking)
    assert refusal(posted(journal(closed.envelope), world().grant(closed))) == (
        Code.NOT_RELEASABLE,
        "/to",
    )


def test_policy_is_that_of_now_and_not_of_when_it_was_posted(closed: Closed) -> None:
    """The feed was taken from the recipient's member between the bulletin and the grant."""
    book = journal(closed.envelope)
    feeds = [msgspec.structs.replace(each, read=["pa.senan"]) for each in builders.feeds()]
    book.view = world().later(world().rearranged(feeds=feeds))
    assert refusal(posted(book, world().grant(closed))) == (Code.MAY_NOT_READ, "/to")
    feeds = [msgspec.structs.replace(each, post=["us.jiatfs"]) for each in builders.feeds()]
    book.view = world().later(world().rearranged(feeds=feeds))
    assert refusal(posted(book, world().grant(closed))) == (Code.MAY_NOT_POST, "/endpoint")
    book.view = world().later(world().rearranged(feeds=[]))
    assert refusal(posted(book, world().grant(closed))) == (Code.UNKNOWN_FEED, "/of")


def test_granter_that_may_not_post_is_refused(closed: Closed) -> None:
    book = journal(closed.envelope)
    assert refusal(posted(book, world().grant(closed, WATCH_DESK, COLLEAGUE))) == (
        Code.MAY_NOT_POST,
        "/endpoint",
    )


def test_nothing_is_granted_from_the_second_on_at_which_it_is_to_be_gone(
    closed: Closed,
) -> None:
    until = builders.decoded(closed.envelope.header).retain_until
    book = journal(closed.envelope)
    assert refusal(posted(book, world().grant(closed), at=until)) == (Code.EXPIRED, "/of")
    assert isinstance(posted(journal(closed.envelope), world().grant(closed)), Recorded)
    last = posted(journal(closed.envelope), world().grant(closed), at=until - 1)
    assert isinstance(last, Recorded)


def test_grants_of_one_bulletin_are_bounded(
    closed: Closed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "MAX_GRANTS", 1)
    book = journal(closed.envelope, world().grant(closed))
    assert refusal(posted(book, world().grant(closed, DESK))) == (Code.OVERSIZED, "/of")


def test_a_bulletin_owed_to_too_many_is_not_granted_so_that_it_can_be_cancelled(
    closed: Closed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exchange.broker import records  # noqa: PLC0415
    from exchange.model.header import MAX_RECIPIENTS  # noqa: PLC0415

    book = journal(closed.envelope)
    monkeypatch.setattr(records, "MAX_OWED", MAX_RECIPIENTS + 3)
    assert refusal(posted(book, world().grant(closed))) == (Code.OVERSIZED, "/of")
    monkeypatch.setattr(records, "MAX_OWED", MAX_RECIPIENTS + 4)
    assert isinstance(posted(book, world().grant(closed)), Recorded)


# -- suites --------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", ["xb1-h", "xb1-c", "xb1-ch"])
def test_grant_is_of_its_bulletins_suite_and_opens(suite: Any) -> None:
    w = world(suite)
    closed, book = w.closed(to=[WATCH]), Book(w.view)
    grant = w.grant(closed)
    book.post(w.arrival(closed.envelope))
    assert isinstance(book.post(w.arrival(grant))[0], Recorded)
    wrap = body.parse_wrap(grant.body, suite)
    found = open_body(closed.header, closed.envelope.body, w.openers[WATCH_DESK], wrap)
    assert found.text == builders.TEXT


def test_wrap_of_another_suite_is_refused_and_so_is_another_algorithms_name() -> None:
    w = builders.mixed()
    closed, book = w.closed(to=[WATCH]), Book(w.view)
    book.post(w.arrival(closed.envelope))
    other: SuiteId = "xb1-c"
    assert closed.header.suite != other
    header = msgspec.structs.replace(closed.header, suite=other)
    wrapped = msgspec.json.encode(close.wrap(closed.key, header, w.key(WATCH_DESK, other)))
    assert refusal(book.post(w.arrival(wrapped_as(w, closed, wrapped)))[0]) == (
        Code.RECIPIENT_KEY_UNFIT,
        "/to",
    )
    kid = json.loads(w.grant(closed).body)["header"]["kid"]
    lying = forging.altered(wrapped, lambda told: told["header"].update(kid=kid))
    assert refusal(book.post(w.arrival(wrapped_as(w, closed, lying)))[0]) == (
        Code.WRONG_VALUE,
        "/body/header/alg",
    )


def wrapped_as(w: builders.World, closed: Closed, raw: bytes) -> Envelope:
    blob = Blob(digest(raw), len(raw))
    return w.grant(closed, wrap=blob)._replace(body=raw)


# -- releases ------------------------------------------------------------------------------


def with_releaser(*before: Any) -> Book:
    return journal(*before, documents=(world().amended(DESK, releaser),))


def test_release_is_owed_to_author_and_holders(closed: Closed) -> None:
    book = with_releaser(closed.envelope, world().grant(closed))
    posted(book, world().release(closed.envelope))
    found = facts(book)
    assert isinstance(found, entries.Released)
    assert found.of == book.base
    assert owed(book) == [OPS, WATCH, COAST, WATCH_DESK]


def test_release_may_come_first_and_be_brought_by_the_author(closed: Closed) -> None:
    book = with_releaser()
    settled = posted(book, world().release(closed.envelope), caller=OPS)
    assert isinstance(settled, Recorded)
    assert facts(book).of is None
    assert owed(book) == [OPS]
    again = posted(book, world().release(closed.envelope), caller=WATCH)
    assert refusal(again) == (Code.NOT_YOURS, "/endpoint")


def test_release_of_another_bulletin_than_named_is_refused(closed: Closed) -> None:
    of = msgspec.structs.replace(
        subject(closed.envelope), id="01a229f1-2800-7768-b6ef-52555962d008"
    )
    book = with_releaser(closed.envelope)
    release = world().release(closed.envelope, of=of)
    assert refusal(posted(book, release)) == (Code.TARGET_MISMATCH, "/of")


# -- replay --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record() -> tuple[Book, dict[str, bytes]]:
    """A journal from its first document on, with each of these kinds in it."""
    w, closed = world(), world().closed()
    book, documents = Book(View(anchor=w.anchor)), {}
    everything: list[tuple[Any, str | None]] = [
        *((each, "") for each in w.documents),
        (w.amended(DESK, releaser), MINSA),
        (closed.envelope, None),
        (w.grant(closed), None),
        (w.release(closed.envelope), None),
        (w.ack(closed.envelope, WATCH_DESK), None),
        (cancel(closed.envelope, to=[WATCH]), None),
        (w.grant(closed, DESK), None),
    ]
    for what, caller in everything:
        arrival = w.arrival(what, caller)
        documents[digest(arrival.raw)] = arrival.raw
        book.post(arrival)
    ledger = book.ledger()
    of = len(w.documents) + 1
    retaining.notify(ledger, w.notice(closed.envelope), of, [OPS, WATCH])
    book.commit(ledger)
    return book, documents


def replayed(record: tuple[Book, dict[str, bytes]], change: Any = None) -> list[str]:
    book, documents = record
    written = [change(index, raw) if change else raw for index, raw in enumerate(book.entries)]
    replayer = Replayer(View(anchor=world().anchor), written.__getitem__, documents.get)
    return [entries.kind_of(replayer.step(raw).record.facts) for raw in written]


def test_journal_with_grants_releases_and_notices_replays(record: Any) -> None:
    kinds = replayed(record)[len(world().documents) + 1 :]
    assert kinds == [
        *("accepted", "granted", "released", "acknowledged", "accepted", "refused", "notice")
    ]


GRANTED, RELEASED, NOTICED = (len(world().documents) + place for place in (2, 3, 7))


@pytest.mark.parametrize(
    ("place", "changes", "expected"),
    [
        (GRANTED, {"kid": "A" * 43}, (Code.WRAPS_MISMATCH, "/body/header/kid")),
        (GRANTED, {"wrap": Blob("A" * 43, 1)}, (Code.SIZE_MISMATCH, "/wrap/size")),
        (GRANTED, {"of": 1}, (Code.BAD_PROOF, "/of")),
        (GRANTED, {"owed": []}, (Code.BAD_PROOF, "/owed")),
        (GRANTED, {"digest": "A" * 43}, (Code.BAD_PROOF, "/digest")),
        (RELEASED, {"of": None}, (Code.BAD_PROOF, "/of")),
        (RELEASED, {"owed": []}, (Code.BAD_PROOF, "/owed")),
        (NOTICED, {"of": 1}, (Code.BAD_PROOF, "/of")),
        (NOTICED, {"of": 999}, (Code.BAD_PROOF, "/of")),
        (NOTICED, {"digest": "A" * 43}, (Code.BAD_PROOF, "/digest")),
        (NOTICED, {"owed": [entries.Owed(OPS, 9)]}, (Code.BAD_PROOF, "/owed")),
    ],
)
def test_altered_fact_is_found(
    record: Any, place: int, changes: dict[str, Any], expected: tuple[Code, str]
) -> None:
    def change(index: int, raw: bytes) -> bytes:
        if index != place:
            return raw
        entry = entries.decode(raw)
        return entries.encode(msgspec.structs.replace(entry.facts, **changes), entry.object)

    with pytest.raises(Refusal) as caught:
        replayed(record, change)
    assert (caught.value.code, caught.value.at) == expected


def test_notice_under_another_signature_is_found(record: Any) -> None:
    def change(index: int, raw: bytes) -> bytes:
        if index != NOTICED:
            return raw
        entry = entries.decode(raw)
        payload = forging.payload_of(entry.object)
        forged = world().sign(payload, builders.objects.NOTICE_TYP, OPS)
        facts = msgspec.structs.replace(entry.facts, digest=digest(forged))
        return entries.encode(facts, forged)

    with pytest.raises(Refusal) as caught:
        replayed(record, change)
    assert caught.value.code is Code.UNKNOWN_KEY


def test_object_without_an_author_is_refused_and_no_crash(record: Any) -> None:
    def change(index: int, raw: bytes) -> bytes:
        if index != GRANTED:
            return raw
        forged = forging.signed(world(), b'{"x":1}', typ=builders.objects.GRANT_TYP)
        return entries.encode(entries.decode(raw).facts, forged)

    with pytest.raises(Refusal) as caught:
        replayed(record, change)
    assert (caught.value.code, caught.value.at) == (Code.MALFORMED, "/payload")
