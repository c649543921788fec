"""The one order: nothing twice, nothing lost, no gap, and no trace of what was thrown away."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.broker import keys
from exchange.broker.intake import consider
from exchange.broker.lookups import lookups
from exchange.broker.records import MAX_OWED, Recorded, Rejected
from exchange.broker.settle import TRUST_INBOX
from exchange.errors import Code
from exchange.model import entry as entries
from exchange.model.header import MAX_RECIPIENTS
from exchange.model.trust import Endpoint
from tests import builders
from tests.books import Book
from tests.broker.amending import DESK_US, WORLD, cancelling, correcting, facts, owed, updating
from tests.builders import COAST, DAY, DESK, MINSA, NOW, OPS, WATCH, refers, suspended
from tests.vectors import deciding
from tests.vectors.case import Case, answer, posted


@pytest.mark.parametrize("case", deciding.ORDER, ids=lambda case: case.name)
def test_is_refused(case: Case) -> None:
    made = posted(case, WORLD)
    settled, _ = answer(made, WORLD.later(*made.documents))
    assert isinstance(settled, Rejected)
    assert (settled.refusal.code, settled.refusal.at) == (case.code, case.at)


# -- once, for ever ----------------------------------------------------------------------------


@pytest.mark.parametrize("in_one_group", [True, False])
@pytest.mark.parametrize("what", ["bulletin", "acknowledgement"])
def test_same_bytes_are_the_same_entry(in_one_group: bool, what: str) -> None:
    book, envelope = Book(), WORLD.envelope()
    book.post(WORLD.arrival(envelope))
    thing = WORLD.arrival(envelope if what == "bulletin" else WORLD.ack(envelope))
    groups = [[thing, thing, thing]] if in_one_group else [[thing], [thing], [thing]]
    indices = {settled.index for group in groups for settled in book.post(*group)}
    assert len(indices) == 1
    assert len(book.entries) == (1 if what == "bulletin" else 2)


def test_only_the_first_answer_is_new() -> None:
    book, arrival = Book(), WORLD.arrival(WORLD.envelope())
    first, again = book.post(arrival, arrival)
    assert (first, again) == (
        Recorded(book.base, is_new=True),
        Recorded(book.base, is_new=False),
    )


@pytest.mark.parametrize(
    "document",
    [
        None,
        WORLD.amended(COAST, suspended),
        WORLD.amended(OPS, suspended),
        WORLD.rearranged(feeds=[]),
    ],
    ids=["expired", "recipient-suspended", "author-suspended", "feed-ended"],
)
def test_same_bytes_are_the_same_entry_when_they_would_no_longer_pass(
    document: bytes | None,
) -> None:
    """An answer was lost on the way: whoever asks again must hear that it was recorded."""
    book, envelope = Book(), WORLD.envelope()
    book.post(WORLD.arrival(envelope))
    at = NOW
    if document is None:
        at = NOW + DAY
    else:
        book.post(WORLD.arrival(document, MINSA))
    before = len(book.entries)
    fresh = WORLD.envelope(builders.decoded(envelope.header))
    new = msgspec.structs.replace(builders.decoded(fresh.header), id=builders.new_id())
    settled = book.post(
        WORLD.arrival(envelope, at=at), WORLD.arrival(WORLD.envelope(new), at=at)
    )
    assert settled[0] == Recorded(book.base, is_new=False)
    assert isinstance(settled[1], Rejected), "the very rule holds for anything new"
    assert len(book.entries) == before + 1


@pytest.mark.parametrize(
    ("body", "code"), [(b"", Code.MISSING_BLOB), (b"{}", Code.MISSING_MEMBER)]
)
def test_header_posted_again_with_another_body_is_not_what_was_recorded(body, code) -> None:
    book, envelope = Book(), WORLD.envelope()
    book.post(WORLD.arrival(envelope))
    settled = book.post(WORLD.arrival(envelope)._replace(body=body))[0]
    assert isinstance(settled, Rejected)
    assert settled.refusal.code == code


def test_another_caller_with_the_same_bytes_learns_nothing() -> None:
    """The answer is alike whether or not the bulletin is here."""
    known, unknown = WORLD.envelope(), WORLD.envelope()
    book = Book()
    book.post(WORLD.arrival(known))
    answers = book.post(*(WORLD.arrival(each, caller=WATCH) for each in (known, unknown)))
    assert all(isinstance(each, Rejected) for each in answers)
    told = [
        (each.refusal.code, each.refusal.at, each.refusal.facts)
        for each in answers
        if isinstance(each, Rejected)
    ]
    assert told[0] == told[1]
    recorded = [facts(book, each.index) for each in answers]
    assert {each.caller for each in recorded} == {WATCH}
    assert {each.code for each in recorded} == {"not-yours"}


def test_trust_document_brought_again_is_the_same_entry() -> None:
    book, raw = Book(), WORLD.amended(COAST, suspended)
    first = book.post(WORLD.arrival(raw, MINSA))[0]
    again = book.post(WORLD.arrival(raw, MINSA))[0]
    assert again == Recorded(first.index, is_new=False)
    assert len(book.entries) == 1


def test_refusal_takes_no_id() -> None:
    """What was refused may be tried again, unchanged, and pass."""
    book, envelope = Book(), WORLD.envelope(issued=NOW + 301)
    first = book.post(WORLD.arrival(envelope))[0]
    again = book.post(WORLD.arrival(envelope))[0]
    later = book.post(WORLD.arrival(envelope, at=NOW + 1))[0]
    assert isinstance(first, Rejected)
    assert isinstance(again, Rejected)
    assert later == Recorded(book.base + 2, is_new=True)


def test_one_id_may_be_used_by_two_endpoints() -> None:
    book, first = Book(), WORLD.envelope()
    used = builders.decoded(first.header).id
    other = WORLD.envelope(endpoint=WATCH, to=[OPS], id=used)
    assert [type(each) for each in book.post(WORLD.arrival(first), WORLD.arrival(other))] == [
        Recorded,
        Recorded,
    ]


@pytest.mark.parametrize("in_one_group", [True, False])
def test_id_with_other_bytes_is_refused_for_ever(in_one_group: bool) -> None:
    book, first = Book(), WORLD.envelope()
    header = builders.decoded(first.header)
    other = WORLD.envelope(msgspec.structs.replace(header, precedence="flash"))
    arrivals = [WORLD.arrival(first), WORLD.arrival(other), WORLD.arrival(first)]
    settled = (
        book.post(*arrivals)
        if in_one_group
        else [book.post(arrival)[0] for arrival in arrivals]
    )
    assert isinstance(settled[1], Rejected)
    assert settled[1].refusal.code == Code.ID_REUSED
    assert settled[1].refusal.facts["found"] == book.base
    assert settled[2] == Recorded(book.base, is_new=False)


# -- what one says of another ------------------------------------------------------------------


def test_acknowledgement_is_owed_to_the_author() -> None:
    book, envelope = Book(), WORLD.envelope()
    acks = [WORLD.ack(envelope, outcome=each) for each in ("delivered", "opened", "actioned")]
    book.post(WORLD.arrival(envelope), *(WORLD.arrival(each) for each in acks))
    assert [owed(book, book.base + n) for n in (1, 2, 3)] == [{OPS: 0}, {OPS: 1}, {OPS: 2}]
    assert {facts(book, book.base + n).of for n in (1, 2, 3)} == {book.base}


def test_holder_acknowledges_an_amendment_it_was_not_addressed_by() -> None:
    book, target = Book(), WORLD.envelope(to=[COAST])
    cancellation = cancelling(target, to=[WATCH])
    ack = WORLD.ack(cancellation, COAST)
    book.post(*(WORLD.arrival(each) for each in (target, cancellation, ack)))
    assert facts(book, book.base + 2).of == book.base + 1


def test_chain_of_corrections_does_not_outgrow_an_entry() -> None:
    """Ever new recipients, each owed all that follows: refused before the entry bursts."""
    count = 5 * MAX_RECIPIENTS
    names = [f"us.jiatfs/desk-{n:03}" for n in range(count)]
    made = [WORLD.founder.new_endpoint(name) for name in names]
    plan = builders.MemberPlan(
        "us.jiatfs",
        {"es": "EJERCICIO", "en": "EXERCISE"},
        tuple(
            builders.EndpointPlan(name, {"es": "EJERCICIO", "en": "EXERCISE"}) for name in names
        ),
    )
    secrets = dict(zip(names, made, strict=True))
    endpoints = [WORLD.founder._endpoint(each, secrets[each.id]) for each in plan.endpoints]
    view = _with_endpoints(endpoints)
    book, chained = Book(view), dict[str, Any]()
    settled: Any = None
    for first in range(0, count, MAX_RECIPIENTS):
        to = names[first : first + MAX_RECIPIENTS]
        keys_ = [builders.SoftwareOpener(secrets[each].of("open")[0]).key for each in to]
        envelope = WORLD.envelope(WORLD.header(to=to, **chained), recipients=keys_)
        settled = book.post(WORLD.arrival(envelope))[0]
        chained = {"type": "cor", "verb": "correct", "refs": refers("corrects", envelope)}
        if first + MAX_RECIPIENTS <= MAX_OWED:
            assert isinstance(settled, Recorded)
    assert isinstance(settled, Rejected)
    assert (settled.refusal.code, settled.refusal.at) == (Code.OVERSIZED, "/refs")


def _with_endpoints(endpoints: list[Endpoint]) -> builders.View:
    """A view with a member too large for one trust document of this test's patience."""
    member = msgspec.structs.replace(WORLD.member("us.jiatfs"), endpoints=endpoints)
    standings = dict(WORLD.view.endpoints)
    for endpoint in endpoints:
        kids = {key.jwk.kid: key for key in endpoint.keys}
        standings[endpoint.id] = type(WORLD.view.endpoints[OPS])(member, endpoint, kids)
    return msgspec.structs.replace(WORLD.view, endpoints=standings)


# -- the order itself --------------------------------------------------------------------------

TARGETS = [
    WORLD.envelope(to=[WATCH]),
    WORLD.envelope(),
    WORLD.envelope(endpoint=WATCH, to=[OPS]),
]
POOL = [
    *(WORLD.arrival(each) for each in TARGETS),
    *(WORLD.arrival(cancelling(each)) for each in TARGETS[:2]),
    WORLD.arrival(correcting(TARGETS[1], to=[DESK_US])),
    WORLD.arrival(correcting(TARGETS[1], to=[COAST])),
    *(WORLD.arrival(updating(TARGETS[0], to=[each])) for each in (DESK_US, COAST)),
    WORLD.arrival(WORLD.ack(TARGETS[0])),
    WORLD.arrival(WORLD.ack(TARGETS[1], COAST)),
    WORLD.arrival(WORLD.ack(TARGETS[2], OPS)),
    WORLD.arrival(WORLD.ack(TARGETS[2], COAST)),
    WORLD.arrival(WORLD.envelope(expires=NOW)),
    WORLD.arrival(TARGETS[0], caller=DESK),
    WORLD.arrival(b"{}", caller=OPS),
]
# Considered once: the view never changes in these runs.
CONSIDERED = [consider(each, WORLD.view) for each in POOL]


@settings(max_examples=150)
@given(st.lists(st.lists(st.sampled_from(range(len(POOL))), max_size=6), max_size=6))
def test_every_inbox_is_gap_free_and_every_key_unique(groups: list[list[int]]) -> None:
    book, answers = Book(), []
    for group in groups:
        ledger = book.ledger()
        for each in group:
            answers += [(each, book.place(ledger, CONSIDERED[each], POOL[each]))]
        book.commit(ledger)  # asserts that no key leads to a second entry
    positions: dict[str, list[int]] = {}
    for raw in book.entries:
        read = entries.decode(raw).facts
        if isinstance(read, entries.Accepted | entries.Acknowledged):
            for place in read.owed:
                positions.setdefault(place.endpoint, []).append(place.position)
    assert all(told == list(range(len(told))) for told in positions.values())
    assert {name: len(told) for name, told in positions.items()} == book.positions
    recorded: dict[int, set[int]] = {}
    for each, settled in answers:
        if isinstance(settled, Recorded):
            recorded.setdefault(each, set()).add(settled.index)
    assert all(len(indices) == 1 for indices in recorded.values())
    new = sum(isinstance(s, Rejected) or s.is_new for _, s in answers)
    assert new == len(book.entries)


def test_ledger_thrown_away_leaves_no_trace() -> None:
    book, envelope = Book(), WORLD.envelope()
    before = (dict(book.positions), dict(book.known), book.taken_ms)
    dropped = book.ledger()
    book.settle(dropped, WORLD.arrival(envelope))
    assert dropped.positions == {COAST: 1, WATCH: 1}
    assert (book.positions, book.known, book.taken_ms) == before
    assert book.post(WORLD.arrival(envelope)) == [Recorded(book.base, is_new=True)]
    assert owed(book, book.base) == {COAST: 0, WATCH: 0}


def test_what_was_decided_under_an_older_view_goes_back() -> None:
    book = Book()
    ledger = book.ledger()
    bulletin = WORLD.arrival(WORLD.envelope())
    ready = consider(bulletin, book.view)
    assert not ledger.must_go_back(ready)
    book.settle(ledger, WORLD.arrival(WORLD.amended(COAST, suspended), MINSA))
    assert ledger.must_go_back(ready)
    book.commit(ledger)
    settled = book.post(bulletin)[0]
    assert isinstance(settled, Rejected)
    assert settled.refusal.code == Code.ENDPOINT_SUSPENDED
    assert facts(book, settled.index).view == book.base


def test_what_was_taken_earlier_than_the_last_entry_goes_back() -> None:
    book = Book()
    book.post(WORLD.arrival(WORLD.envelope(), at=NOW + 1))
    arrival = WORLD.arrival(WORLD.envelope())
    assert book.ledger().must_go_back(consider(arrival, book.view))
    same = arrival._replace(taken_ms=(NOW + 1) * 1000)
    assert not book.ledger().must_go_back(consider(same, book.view))


def test_trust_entries_have_an_inbox_for_everybody() -> None:
    book = Book()
    for each in (WORLD.subscription(), WORLD.subscription(COAST)):
        book.post(WORLD.arrival(each))
    assert [facts(book, book.base + n).position for n in (0, 1)] == [0, 1]
    assert book.positions == {TRUST_INBOX: 2}
    assert facts(book, book.base).name == "subscriptions/us.jiatfs/watch"


def test_bookkeeping_takes_its_place_and_is_owed_to_nobody() -> None:
    book = Book()
    ledger = book.ledger()
    opened = entries.EpochOpened(
        node="pa", epoch=1, salt=ledger.salt(), taken_ms=NOW * 1000, view=ledger.view
    )
    assert ledger.append(opened) == book.base
    assert book.settle(ledger, WORLD.arrival(WORLD.envelope())).index == book.base + 1
    book.commit(ledger)
    assert facts(book, book.base) == opened


def test_names_of_different_things_never_meet() -> None:
    """No part holds a line feed, so parts cannot run into each other."""
    made = {
        keys.bulletin("t", "o", "e", "i"),
        keys.bulletin("t", "o", "ei", ""),
        keys.by_digest("d"),
        keys.bearing("cancels", "o", "d", "i"),
        keys.bearing("corrects", "o", "d", "i"),
        keys.bearing("cancels", "od", "", "i"),
        keys.bearing("cancels", "o", "d", "j"),
        keys.bearing("supersedes", "o", "d", "i", "szr"),
        keys.bearing("supersedes", "o", "d", "i", "voi"),
        keys.trust("root", 1),
        keys.trust("roo", 11),
    }
    assert len(made) == 11
    assert all(len(each) == 32 for each in made)
    # Fixed for ever: another value would let an old bulletin in again.
    assert keys.by_digest("A" * 43).hex() == GOLDEN


GOLDEN = "eb0926ffb090c5b6bf22b63e67a9d80cbbf666f9fa3fb39f402f52cf50d76f7e"


def test_lookups_name_all_that_settling_needs() -> None:
    target = WORLD.envelope()
    ack = consider(WORLD.arrival(WORLD.ack(target)), WORLD.view)
    amended = consider(WORLD.arrival(cancelling(target)), WORLD.view)
    digest = builders.digest(target.header)
    assert keys.by_digest(digest) in lookups(ack, {})
    assert keys.by_digest(digest) in lookups(amended, {})
