"""What was cancelled or corrected is marked, by its own originator only."""

from exchange.cli.reading import _marks
from exchange.client.reading import Delivered
from exchange.model.header import Reference
from tests.builders import COAST, world

DIGEST = "D" * 43


def delivered(position: int, index: int, digest: str, **header) -> Delivered:
    return Delivered(
        position=position,
        index=index,
        taken_ms=0,
        header=world().header(**header),
        digest=digest,
        late=False,
        target=None,
        cancelled_by=None,
        accepted=index,
        accepted_ms=0,
    )


def test_target_is_marked_by_what_cancels_and_corrects_it() -> None:
    first = delivered(0, 5, DIGEST)
    refs = [Reference("corrects", first.header.id, DIGEST)]
    correction = delivered(1, 8, "E" * 43, type="cor", verb="correct", refs=refs)
    refs = [Reference("cancels", first.header.id, DIGEST)]
    cancel = delivered(2, 9, "F" * 43, type="can", verb="cancel", refs=refs)
    assert _marks([first, correction, cancel]) == {5: [("correct", 8), ("cancel", 9)]}


def test_another_members_cancellation_marks_nothing() -> None:
    first = delivered(0, 5, DIGEST)
    refs = [Reference("cancels", first.header.id, DIGEST)]
    other = delivered(1, 9, "F" * 43, endpoint=COAST, type="can", verb="cancel", refs=refs)
    assert _marks([first, other]) == {}
