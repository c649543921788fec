"""An auditor who replays a journal comes to every entry again, and notices any other fact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from exchange.broker.replay import Replayer
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.policy import choices
from tests import builders
from tests.books import Book
from tests.builders import COAST, DESK, MINSA, NOW, OPS, WATCH, refers
from tests.requested import answer, request

FILES = [Blob("F" * 43, 1_000), Blob("G" * 43, 2_000)]
FIRST = len(builders.world().documents)  # the index of the first bulletin


class Journal:
    """A node's entries from the first on, and the documents of its trust entries."""

    def __init__(self) -> None:
        self.anchor = builders.world().anchor
        self.book = Book(View(anchor=self.anchor))
        self.documents: dict[str, bytes] = {}

    def post(self, what: Any, caller: str | None = None, at: int = NOW) -> None:
        arrival = builders.world().arrival(what, caller, at)
        self.documents[digest(arrival.raw)] = arrival.raw
        self.book.post(arrival)


@pytest.fixture(scope="module")
def journal() -> Journal:
    """Each kind of entry that takes a decision, with everything that one may say of another."""
    made, w = Journal(), builders.world()
    for document in w.documents:
        made.post(document, "")
    target, late = w.envelope(), w.envelope(issued=NOW - 2 * builders.HOUR)
    cancelled = w.envelope()
    made.post(w.envelope(type="can", verb="cancel", refs=refers("cancels", cancelled)))
    for what in (target, late, cancelled, w.ack(target), w.ack(cancelled, COAST)):
        made.post(what)
    made.post(w.envelope(expires=NOW))
    made.post(
        w.envelope(to=[DESK], type="cor", verb="correct", refs=refers("corrects", target))
    )
    made.post(w.subscription())
    made.post(w.amended(COAST, builders.suspended), MINSA)
    made.post(w.envelope(to=[WATCH]))
    made.book.hold(*FILES)
    made.post(w.envelope(to=[WATCH], attachments=FILES))
    corrected = w.closed(to=[WATCH])
    refs = refers("corrects", corrected.envelope)
    made.post(corrected.envelope)
    made.post(w.envelope(to=[WATCH], type="cor", verb="correct", refs=refs))
    made.post(w.grant(corrected))
    asked = request(w)
    made.post(asked)
    made.post(answer(w, asked))
    return made


def audited(journal: Journal, change: Callable[[int, bytes], bytes] | None = None) -> int:
    """Replay a whole journal from its entries, its documents and the anchor."""
    written = [
        change(index, raw) if change else raw for index, raw in enumerate(journal.book.entries)
    ]
    replayer = Replayer(View(anchor=journal.anchor), written.__getitem__, journal.documents.get)
    return sum(replayer.step(raw).was_judged for raw in written)


def test_journal_replays_to_the_same_bytes(journal: Journal) -> None:
    kinds = [entries.kind_of(entries.decode(raw).facts) for raw in journal.book.entries]
    assert kinds[FIRST:] == [
        *["accepted"] * 4,
        *["acknowledged"] * 2,
        "refused",
        "accepted",
        *["trust"] * 2,
        *["accepted"] * 4,
        "granted",
        *["requested"] * 2,
    ]
    assert audited(journal) == len(kinds) - 1


def test_choice_that_a_node_let_in_beyond_entitlement_is_found(monkeypatch) -> None:
    made, w = Journal(), builders.world()
    for document in w.documents:
        made.post(document, "")
    with monkeypatch.context() as lax:
        lax.setattr(choices, "decide", lambda *_: None)
        made.post(w.subscription(COAST, ["maritime", "requests"]))
    with pytest.raises(Refusal) as refused:
        audited(made)
    assert (refused.value.code, refused.value.at) == (Code.MAY_NOT_READ, "/feeds/1")


def _facts(place: int, **changes: Any) -> Callable[[int, bytes], bytes]:
    """The journal's entry at a place, counted after the founding, with other facts."""

    def change(index: int, raw: bytes) -> bytes:
        if index != FIRST + place:
            return raw
        entry = entries.decode(raw)
        return entries.encode(msgspec.structs.replace(entry.facts, **changes), entry.object)

    return change


@pytest.mark.parametrize(
    ("place", "changes", "at"),
    [
        (0, {"digest": "A" * 43}, "/digest"),
        (1, {"late": True}, "/late"),
        (2, {"late": False}, "/late"),
        (3, {"cancelled_by": None}, "/cancelled_by"),
        (1, {"cancelled_by": 9}, "/cancelled_by"),
        (7, {"target": None}, "/target"),
        (7, {"owed": [entries.Owed(DESK, 0)]}, "/owed"),
        (1, {"owed": [entries.Owed(WATCH, 1), entries.Owed(COAST, 2)]}, "/owed"),
        (1, {"view": 3}, "/view"),
        (4, {"of": 9}, "/of"),
        (4, {"owed": [entries.Owed(OPS, 1)]}, "/owed"),
        (4, {"digest": "A" * 43}, "/digest"),
        (6, {"taken_ms": 1}, "/taken_ms"),
        (6, {"view": 3}, "/view"),
        (8, {"name": "subscriptions/us.uscg/ops"}, "/name"),
        (8, {"version": 2}, "/version"),
        (8, {"document": Blob("A" * 43, 1)}, "/document"),
        (9, {"position": 9}, "/position"),
        (14, {"corrected_by": msgspec.UNSET}, "/corrected_by"),
        (14, {"superseded_by": [9]}, "/superseded_by"),
    ],
)
def test_altered_fact_is_named(
    journal: Journal, place: int, changes: dict[str, Any], at: str
) -> None:
    with pytest.raises(Refusal) as refused:
        audited(journal, _facts(place, **changes))
    found = (refused.value.code, refused.value.at, refused.value.facts["found"])
    assert found == (Code.BAD_PROOF, at, FIRST + place)


@pytest.mark.parametrize(
    "files",
    [
        FILES[:1],
        [],
        [FILES[0], Blob(FILES[1].digest, 2_001)],
        [FILES[0], Blob("H" * 43, 2_000)],
    ],
)
def test_entry_that_does_not_say_all_attachments_were_here_is_found(
    journal: Journal, files: list[Blob]
) -> None:
    facts = entries.decode(journal.book.entries[FIRST + 11]).facts
    assert isinstance(facts, entries.Accepted)
    assert facts.blobs[1:] == FILES
    with pytest.raises(Refusal) as refused:
        audited(journal, _facts(11, blobs=[facts.blobs[0], *files]))
    told = refused.value
    assert (told.code, told.at, told.facts["expected"]) == (
        Code.BAD_PROOF,
        "/kind",
        "missing-blob",
    )


@pytest.mark.parametrize("files", [[*FILES, Blob("H" * 43, 1)], FILES[::-1]])
def test_entry_that_says_more_or_otherwise_than_its_header_is_found(
    journal: Journal, files: list[Blob]
) -> None:
    facts = entries.decode(journal.book.entries[FIRST + 11]).facts
    assert isinstance(facts, entries.Accepted)
    with pytest.raises(Refusal) as refused:
        audited(journal, _facts(11, blobs=[facts.blobs[0], *files]))
    assert (refused.value.code, refused.value.at) == (Code.BAD_PROOF, "/blobs")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"wraps": []}, Code.WRAPS_MISMATCH),
        ({"blobs": [Blob("A" * 43, 1)]}, Code.SIZE_MISMATCH),
        ({"blobs": []}, Code.BAD_PROOF),
        ({"taken_ms": 2_000_000_000_000}, Code.KEY_NOT_VALID),
    ],
)
def test_fact_under_which_it_would_be_refused_is_refused(
    journal: Journal, changes: dict[str, Any], code: Code
) -> None:
    with pytest.raises(Refusal) as refused:
        audited(journal, _facts(1, **changes))
    assert refused.value.code == code


def test_salt_is_taken_as_given(journal: Journal) -> None:
    assert audited(journal, _facts(1, salt=b64(b"another salt 123"))) == audited(journal)


def test_bulletin_recorded_twice_is_found(journal: Journal) -> None:
    def twice(index: int, raw: bytes) -> bytes:
        return journal.book.entries[FIRST + 1] if index == FIRST + 2 else raw

    with pytest.raises(Refusal) as refused:
        audited(journal, twice)
    assert (refused.value.code, refused.value.facts["found"]) == (Code.BAD_PROOF, FIRST + 2)


def test_decision_recorded_under_the_view_of_another_history_is_found(journal: Journal) -> None:
    """The document that suspends an endpoint, left out: what follows says so."""

    def without(index: int, raw: bytes) -> bytes:
        return journal.book.entries[FIRST + 6] if index == FIRST + 9 else raw

    with pytest.raises(Refusal) as refused:
        audited(journal, without)
    assert refused.value.code == Code.BAD_PROOF
