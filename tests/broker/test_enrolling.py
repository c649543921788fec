"""Who is new comes in by three steps of three people, and each step by itself gives nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.broker import enrolling
from exchange.broker.records import Recorded, Rejected
from exchange.broker.replay import Replayer
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.seal import invitation, jws
from tests import builders, enrolled
from tests.books import Book
from tests.builders import MINSA, NOW, OPS, new_id
from tests.vectors import enrolling as enrolling_cases
from tests.vectors import inviting
from tests.vectors.case import Case, answer, posted

WORLD = builders.world()


@pytest.mark.parametrize("case", inviting.REFUSE, ids=lambda case: case.name)
def test_is_refused(case: Case) -> None:
    made = posted(case, WORLD)
    settled, book = answer(made, WORLD.later(*made.documents))
    assert isinstance(settled, Rejected), case.name
    assert (settled.refusal.code, settled.refusal.at) == (case.code, case.at)
    facts = entries.decode(book.entries[-1]).facts
    assert isinstance(facts, entries.Refused)
    assert facts.code == settled.refusal.code.value


@pytest.mark.parametrize("case", inviting.ACCEPT, ids=lambda case: case.name)
def test_is_let_in_owed_to_nobody_and_changes_no_directory(case: Case) -> None:
    made = posted(case, WORLD)
    view = WORLD.later(*made.documents)
    settled, book = answer(made, view)
    assert isinstance(settled, Recorded)
    facts = entries.decode(book.entries[-1]).facts
    assert isinstance(facts, entries.Invited | entries.EnrolmentAsked | entries.Decided)
    assert entries.owed_by(facts) == ()
    assert enrolled.NEW not in book.view.endpoints
    assert book.view.index == view.index


def test_the_same_request_again_is_the_same_entry_also_once_its_keys_are_known() -> None:
    book = Book(WORLD.view)
    first = enrolled.invited(WORLD)
    second = enrolled.asked(WORLD, first)
    book.post(WORLD.arrival(first), WORLD.arrival(second))
    (again,) = book.post(WORLD.arrival(second))
    assert again == Recorded(book.base + 1, is_new=False)
    # Past the invitation's end too: whoever lost the answer asks with the same bytes.
    (late,) = book.post(WORLD.arrival(second, at=NOW + 40 * builders.DAY))
    assert late == Recorded(book.base + 1, is_new=False)


def test_two_requests_in_one_group_are_one_and_a_refusal() -> None:
    book = Book(WORLD.view)
    first = enrolled.invited(WORLD)
    book.post(WORLD.arrival(first))
    requests = [enrolled.asked(WORLD, first, seed) for seed in ("one", "two")]
    let_in, refused = book.post(*map(WORLD.arrival, requests))
    assert let_in == Recorded(book.base + 1, is_new=True)
    assert isinstance(refused, Rejected)
    assert refused.refusal.code == Code.INVITATION_USED


def numbered(count: int, at: int = NOW) -> list[bytes]:
    until = at + 3600
    return [
        enrolled.invited(WORLD, invited=f"pa.senan/n{number}", id=new_id(), at=at, until=until)
        for number in range(count)
    ]


def test_a_nation_s_invitations_are_bounded_within_the_longest_life_of_one() -> None:
    book, most = Book(WORLD.view), enrolling.MAX_INVITATIONS
    given = book.post(*map(WORLD.arrival, numbered(most)))
    assert all(isinstance(each, Recorded) for each in given)
    (over,) = book.post(WORLD.arrival(enrolled.invited(WORLD)))
    assert isinstance(over, Rejected)
    assert over.refusal.code == Code.TOO_MANY
    assert over.refusal.facts == {"limit": most, "wait": invitation.MAX_LIFE_S}
    later = NOW + invitation.MAX_LIFE_S
    (raw,) = numbered(1, later)
    (after,) = book.post(WORLD.arrival(raw, at=later))
    assert isinstance(after, Recorded)


def test_a_group_over_the_edge_of_the_bound_is_held_to_it_and_replays() -> None:
    book, documents = founded()
    most, later = enrolling.MAX_INVITATIONS, NOW + invitation.MAX_LIFE_S
    given = [*dated(6, NOW), *dated(most - 6, NOW + 60)]
    for raw, at in given:
        assert isinstance(book.post(WORLD.arrival(raw, at=at))[0], Recorded)
    # Six are three days old by now, and no more than six may be given.
    group = book.post(*(WORLD.arrival(raw, at=at) for raw, at in dated(8, later)))
    assert [type(each) for each in group] == [Recorded] * 6 + [Rejected] * 2
    replayer = Replayer(View(anchor=WORLD.anchor), book.entries.__getitem__, documents.get)
    for raw in book.entries:
        replayer.step(raw)


def dated(count: int, at: int) -> list[tuple[bytes, int]]:
    return [(raw, at) for raw in numbered(count, at)]


@pytest.mark.parametrize("given", [0, 1, 2, 3, 4, 5, 8, 31])
def test_invitations_are_counted_one_by_one(given: int) -> None:
    book = Book(WORLD.view)
    for raw in numbered(given):
        book.post(WORLD.arrival(raw))
    assert enrolling.count("pa", book.known.get) == given
    assert enrolling.count("us", book.known.get) == 0


def founded() -> tuple[Book, dict[str, bytes]]:
    """A journal of trust documents alone, the first among them; and these."""
    book, documents = Book(View(anchor=WORLD.anchor)), {}
    for raw in (*WORLD.documents, enrolled.second_operator(WORLD)):
        documents[digest(raw)] = raw
        book.post(WORLD.arrival(raw, ""))
    return book, documents


def journal() -> tuple[Book, dict[str, bytes]]:
    """From the founding to an approval, with refusals between."""
    book, documents = founded()
    first = enrolled.invited(WORLD)
    second = enrolled.asked(WORLD, first)
    for raw in (
        first,
        enrolled.invited(WORLD, OPS, invited="pa.senan/other", officer="x"),
        second,
        enrolled.asked(WORLD, first, "other"),
        enrolled.ruled(WORLD, second, MINSA),
        enrolled.ruled(WORLD, second),
    ):
        book.post(WORLD.arrival(raw))
    return book, documents


def test_it_all_replays_and_a_wrong_order_does_not() -> None:
    book, documents = journal()
    kinds = [entries.kind_of(entries.decode(raw).facts) for raw in book.entries[-6:]]
    assert kinds == ["invited", "invited", "enrolment-asked", "refused", "refused", "decided"]
    replayer = Replayer(View(anchor=WORLD.anchor), book.entries.__getitem__, documents.get)
    judged = [replayer.step(raw).was_judged for raw in book.entries]
    assert judged[-6:] == [True, True, True, False, False, True]
    assert replayer._by_key == {key: found.index for key, found in book.known.items()}
    changed = entries.decode(book.entries[-4])
    facts = msgspec.structs.replace(changed.facts, of=len(book.entries) - 5)
    forged = [*book.entries[:-4], entries.encode(facts, changed.object)]
    replayer = Replayer(View(anchor=WORLD.anchor), forged.__getitem__, documents.get)
    for raw in forged[:-1]:
        replayer.step(raw)
    with pytest.raises(Refusal) as refused:
        replayer.step(forged[-1])
    assert (refused.value.code, refused.value.at) == (Code.BAD_PROOF, "/of")


KINDS: dict[str, Any] = {
    objects.INVITATION_TYP: lambda raw: entries.Invited(digest(raw), **common()),
    objects.ENROLMENT_TYP: lambda raw: entries.EnrolmentAsked(digest(raw), 0, **common()),
    objects.VERDICT_TYP: lambda raw: entries.Decided(digest(raw), 0, **common()),
}


def common() -> dict[str, Any]:
    return {"salt": b64(bytes(16)), "taken_ms": NOW * 1000, "view": WORLD.view.index}


@pytest.mark.parametrize("typ", KINDS)
@pytest.mark.parametrize("other", [objects.ACK_TYP, *KINDS])
def test_what_was_signed_as_something_else_is_never_taken_for_it(typ: str, other: str) -> None:
    if typ == other:
        return
    raw = WORLD.sign(b'{"endpoint":"pa.minsa/ops"}', other, MINSA)
    replayer = Replayer(WORLD.view, lambda _: b"", lambda _: None)
    replayer.size = WORLD.view.index + 1
    with pytest.raises(Refusal) as refused:
        replayer.step(entries.encode(KINDS[typ](raw), raw))
    assert refused.value.code == Code.UNKNOWN_OBJECT


def test_nobody_is_invited_or_approved_while_the_nation_s_documents_are_over() -> None:
    view = WORLD.later(enrolled.second_operator(WORLD))
    over = {**view.files, "pa": view.files["pa"]._replace(expires=NOW)}
    ended = msgspec.structs.replace(view, files=over)
    for raw in (enrolled.invited(WORLD), enrolled.ruled(WORLD, b"x")):
        (settled,) = Book(ended).post(WORLD.arrival(raw))
        assert isinstance(settled, Rejected)
        assert settled.refusal.code == Code.TRUST_EXPIRED


def test_a_request_is_for_the_node_that_its_invitation_names() -> None:
    asked = enrolling_cases.first(node="us")
    invited = objects.decode_invitation(
        jws.read(enrolled.invited(WORLD), objects.MAX_OBJECT_BYTES).payload
    )
    with pytest.raises(Refusal) as refused:
        invitation.must_be_for(invited, asked)
    assert (refused.value.code, refused.value.at) == (Code.INVITATION_OTHER, "/node")
