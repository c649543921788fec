"""Who may say what to whom: each rule on its edge."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.broker.records import Recorded, Rejected
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.header import Blob, Marking, Reference
from exchange.policy import rules, sealed
from exchange.policy.ageing import is_late
from tests import builders
from tests.books import Book
from tests.builders import COAST, DAY, HOUR, MINSA, NOW, OPS, WATCH
from tests.vectors import deciding, retaining
from tests.vectors.case import Case, answer, posted

WORLD = builders.world()
LIFETIME = WORLD.arrangement.limits.lifetime_s


@pytest.mark.parametrize(
    "case", [*deciding.POLICY, *retaining.REFUSE], ids=lambda case: case.name
)
def test_is_refused(case: Case) -> None:
    made = posted(case, WORLD)
    settled, _ = answer(made, WORLD.later(*made.documents))
    assert isinstance(settled, Rejected)
    assert (settled.refusal.code, settled.refusal.at) == (case.code, case.at)


@pytest.mark.parametrize(
    "case", [*deciding.ACCEPT, *retaining.ACCEPT], ids=lambda case: case.name
)
def test_is_let_in(case: Case) -> None:
    made = posted(case, WORLD)
    settled, book = answer(made, WORLD.later(*made.documents))
    assert settled == Recorded(book.base + len(book.entries) - 1, is_new=True)


def code(now: int = NOW, **changes: Any) -> Code | None:
    """What the rules say of a header; nothing is sealed for it."""
    header = WORLD.header(**changes)
    try:
        rules.decide("accept", header, WORLD.view, now)
    except Refusal as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"expires": NOW + 1}, None),
        ({"expires": NOW}, Code.EXPIRED),
        ({"issued": NOW + 300}, None),
        ({"issued": NOW + 301}, Code.NOT_YET_ISSUED),
        ({"issued": NOW - 89 * DAY, "expires": NOW + DAY}, None),
        ({"issued": NOW - 89 * DAY, "expires": NOW + DAY + 1}, Code.LIFETIME),
        ({"issued": NOW + 10, "expires": NOW + 11}, None),
        ({"issued": NOW + 10, "expires": NOW + 10}, Code.LIFETIME),
        ({"issued": NOW + 10, "expires": NOW + 9}, Code.LIFETIME),
        ({"retain_until": NOW + DAY}, None),
        ({"retain_until": NOW + DAY - 1}, Code.LIFETIME),
    ],
)
def test_times_hold_to_the_second(changes: dict[str, int], expected: Code | None) -> None:
    assert code(**changes) == expected


@pytest.mark.parametrize(("age", "late"), [(HOUR, False), (HOUR + 1, True)])
def test_late_is_later_than_the_arrangement_s_hour(age: int, late: bool) -> None:
    header = WORLD.header(issued=NOW - age)
    assert is_late(header, WORLD.view, NOW) is late
    book = Book()
    book.post(WORLD.arrival(WORLD.envelope(header)))
    facts = entries.decode(book.entries[0]).facts
    assert isinstance(facts, entries.Accepted)
    assert facts.late is late


def ref(rel: Any) -> Reference:
    return Reference(rel, builders.new_id(), "A" * 43)


@pytest.mark.parametrize(
    ("type_", "verb", "rels", "expected"),
    [
        ("voi", "new", [], None),
        ("voi", "update", ["supersedes"], None),
        ("voi", "update", ["answers"], Code.REFERENCE_MISSING),
        ("voi", "update", ["supersedes", "supersedes"], Code.WRONG_VALUE),
        ("voi", "correct", ["corrects"], Code.VERB_TYPE_MISMATCH),
        ("voi", "cancel", ["cancels"], Code.VERB_TYPE_MISMATCH),
        ("voi", "reply", ["answers"], Code.VERB_TYPE_MISMATCH),
        ("cor", "correct", ["corrects"], None),
        ("cor", "correct", [], Code.REFERENCE_MISSING),
        ("cor", "correct", ["corrects", "corrects"], Code.WRONG_VALUE),
        ("cor", "correct", ["corrects", "supersedes"], None),
        ("cor", "update", ["supersedes"], Code.VERB_TYPE_MISMATCH),
        ("can", "cancel", ["cancels"], None),
        ("can", "cancel", ["corrects"], Code.REFERENCE_MISSING),
        ("can", "cancel", ["cancels", "cancels"], Code.WRONG_VALUE),
        ("can", "new", [], Code.VERB_TYPE_MISMATCH),
    ],
)
def test_verb_type_and_reference_go_together(
    type_: str, verb: Any, rels: list[str], expected: Code | None
) -> None:
    assert code(type=type_, verb=verb, refs=[ref(rel) for rel in rels]) == expected


@pytest.mark.parametrize(
    ("verb", "rels", "expected"),
    [
        ("reply", ["answers"], None),
        ("reply", ["answers", "answers"], None),
        ("reply", [], Code.REFERENCE_MISSING),
        ("new", [], Code.VERB_TYPE_MISMATCH),
    ],
)
def test_reply_answers(verb: Any, rels: list[str], expected: Code | None) -> None:
    told = {"type": "rpy", "feed": "requests", "verb": verb, "to": [WATCH]}
    assert code(**told, refs=[ref(rel) for rel in rels]) == expected


@pytest.mark.parametrize(
    ("tlp", "declares", "expected"),
    [
        ("red", ["protected-person"], None),
        ("amber+strict", ["protected-person"], None),
        ("amber", ["protected-person"], Code.PROTECTED_PERSONS),
        ("clear", ["must-purge", "persons"], Code.PERSONS_AUDIENCE),
        ("green", ["persons"], Code.PERSONS_AUDIENCE),
        ("amber", ["persons"], None),
        ("clear", ["must-purge"], None),
    ],
)
def test_protected_persons_are_handled_narrowly(
    tlp: Any, declares: Any, expected: Code | None
) -> None:
    marking = Marking(tlp, ["PAN", "USA"], [], originator_control=False)
    assert code(marking=marking, declares=declares) == expected


def receives(endpoint: str, feed: str, releasable_to: list[str]) -> Code | None:
    try:
        marking = Marking("amber", releasable_to, [], originator_control=False)
        header = WORLD.header(feed=feed, marking=marking)
        rules.may_receive(header, WORLD.view, NOW, endpoint, "/to/0")
    except Refusal as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(
    ("endpoint", "feed", "releasable_to", "expected"),
    [
        (WATCH, "requests", ["USA"], None),
        (WATCH, "requests", ["PAN"], Code.NOT_RELEASABLE),
        (OPS, "requests", ["PAN"], None),
        (OPS, "requests", ["USA"], Code.NOT_RELEASABLE),
        (OPS, "requests", [], Code.NOT_RELEASABLE),
        (COAST, "requests", ["USA"], Code.MAY_NOT_READ),
        (MINSA, "dialogue", ["PAN"], None),
        (WATCH, "air", ["USA"], Code.UNKNOWN_FEED),
    ],
)
def test_audience_fails_closed(
    endpoint: str, feed: str, releasable_to: list[str], expected: Code | None
) -> None:
    assert receives(endpoint, feed, releasable_to) == expected


def test_wraps_are_one_valid_key_for_each_recipient() -> None:
    owed = [WORLD.view.endpoints[each] for each in (WATCH, COAST)]
    keys = [WORLD.key(each).kid for each in (WATCH, COAST)]
    sealed.wraps(keys, owed, "HPKE-9-KE", NOW)
    signing = WORLD.signers[COAST].keys[0].kid
    for seen, expected, at in (
        ([keys[0]], Code.WRAPS_MISMATCH, "/to/1"),
        ([keys[1]], Code.WRAPS_MISMATCH, "/to/0"),
        ([], Code.WRAPS_MISMATCH, "/to/0"),
        ([*keys, "A" * 43], Code.WRAPS_MISMATCH, "/body/recipients"),
        ([keys[0], signing], Code.RECIPIENT_KEY_UNFIT, "/to/1"),
        ([*keys, signing], Code.WRAPS_MISMATCH, "/to/1"),
    ):
        with pytest.raises(Refusal) as refusal:
            sealed.wraps(seen, owed, "HPKE-9-KE", NOW)
        assert (refusal.value.code, refusal.value.at) == (expected, at)


def test_key_of_another_suite_is_no_key_to_wrap_to() -> None:
    """Its owner could open nothing with it."""
    with pytest.raises(Refusal) as refusal:
        sealed.wraps([WORLD.key(WATCH).kid], [WORLD.view.endpoints[WATCH]], "HPKE-13-KE", NOW)
    assert (refusal.value.code, refusal.value.at) == (Code.RECIPIENT_KEY_UNFIT, "/to/0")
    assert refusal.value.facts["name"] == WATCH


def test_trust_point_may_lie_behind_and_must_be_of_our_history() -> None:
    view = WORLD.view
    for place, head in enumerate(view.heads):
        point = msgspec.structs.replace(WORLD.header().trust, position=place, head=head)
        # Nobody can seal before having seen the root.
        assert code(trust=point) == (None if place else Code.TRUST_INVALID)
        other = view.heads[(place + 1) % len(view.heads)]
        point = msgspec.structs.replace(WORLD.header().trust, position=place, head=other)
        assert code(trust=point) == Code.TRUST_INVALID


def test_attachments_must_all_be_here_by_digest_and_size() -> None:
    one, two = Blob("A" * 43, 1), Blob("B" * 43, 2)
    header = WORLD.header(attachments=[one, two])
    sealed.attached(header.attachments, {one, two, Blob("C" * 43, 3)})
    sealed.attached([], ())
    for held, place in ((set(), 0), ({one}, 1), ({two}, 0), ({one, Blob("B" * 43, 3)}, 1)):
        with pytest.raises(Refusal) as refusal:
            sealed.attached(header.attachments, held)
        assert refusal.value.code == Code.MISSING_BLOB
        assert refusal.value.at == f"/attachments/{place}"
        assert refusal.value.facts == {"digest": header.attachments[place].digest}


def test_rules_follow_the_arrangement_in_force() -> None:
    assert LIFETIME == 90 * DAY
    limits = msgspec.structs.replace(WORLD.arrangement.limits, lifetime_s=HOUR)
    view = WORLD.later(WORLD.rearranged(limits=limits, schemas=["2.0"]))
    header = WORLD.header()
    with pytest.raises(Refusal) as refusal:
        rules.decide("accept", header, view, NOW)
    assert refusal.value.code == Code.LIFETIME
