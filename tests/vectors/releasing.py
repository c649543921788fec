"""Cases of what goes out only once a second person released it, as was agreed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from exchange.broker.intake import Arrival
from exchange.errors import Code
from exchange.model.header import Blob, Marking
from exchange.seal.close import Envelope
from tests.builders import DESK, NOW, OPS, World, refers, releaser, subject
from tests.drafted import declined, drafted, withdrawn
from tests.vectors.case import Case, Posted

RED: dict[str, Any] = {"marking": Marking("red", ["PAN", "USA"], [], originator_control=False)}

FILE = Blob("F" * 43, 1000)

Before = Callable[[World, Envelope], list[Any]]


def documents(world: World) -> tuple[bytes, ...]:
    """TLP:RED and FLASH are agreed to need a release; a desk may give it."""
    return (
        world.rearranged(four_eyes=["tlp:red", "precedence:flash"]),
        world.amended(DESK, releaser),
    )


def _red(before: Before, **changes: Any) -> Callable[[World], Posted]:
    """A bulletin that needs a release, after what came before it."""

    def make(world: World) -> Posted:
        sent = world.envelope(**{**RED, **changes})
        came = tuple(_arrival(world, each) for each in before(world, sent))
        return Posted(world.arrival(sent), documents(world), came)

    return make


def _arrival(world: World, what: Any) -> Arrival:
    return what if isinstance(what, Arrival) else world.arrival(what)


def _of_another(world: World, sent: Envelope) -> list[Any]:
    other = subject(world.envelope(**RED)).header_digest
    return [world.release(sent, of=msgspec.structs.replace(subject(sent), header_digest=other))]


def _under_another_id(world: World, sent: Envelope) -> list[Any]:
    of = msgspec.structs.replace(subject(sent), id="01a229f1-2800-7768-b6ef-52555962d008")
    return [world.release(sent, of=of)]


def _late(world: World) -> Posted:
    sent = world.envelope(**RED)
    before = (world.arrival(world.release(sent)), world.arrival(sent))
    return Posted(world.arrival(world.release(sent)), documents(world), before)


def _withdrawing(world: World) -> Posted:
    sent = world.envelope(**RED)
    cancelling = world.envelope(
        type="can", verb="cancel", precedence="flash", refs=refers("cancels", sent), **RED
    )
    before = (world.arrival(world.release(sent)), world.arrival(sent))
    return Posted(world.arrival(cancelling), documents(world), before)


def _withdrawing_with_a_file(world: World) -> Posted:
    """It cancels what nobody has, and brings a file."""
    target = world.envelope(**RED)
    cancelling = world.envelope(
        type="can", verb="cancel", refs=refers("cancels", target), attachments=[FILE], **RED
    )
    return Posted(world.arrival(cancelling), documents(world), held=(FILE,))


REFUSE = [
    Case("release-missing", "TLP:RED, and nobody released it", Code.RELEASE_REQUIRED, "",
         _red(lambda _, __: [])),
    Case("release-missing-of-one-mark", "FLASH, of two marks that are agreed",
         Code.RELEASE_REQUIRED, "",
         lambda w: Posted(w.arrival(w.envelope(precedence="flash")), documents(w))),
    Case("release-of-another-header", "what was released is another header",
         Code.RELEASE_REQUIRED, "", _red(_of_another)),
    Case("release-of-another-id", "the release names this digest and another id",
         Code.RELEASE_REQUIRED, "", _red(_under_another_id)),
    Case("release-missing-of-a-cancellation-with-a-file", "a TLP:RED cancellation with a file",
         Code.RELEASE_REQUIRED, "", _withdrawing_with_a_file),
    Case("released-and-declined", "declined by a releaser, after its release",
         Code.DRAFT_OVER, "",
         _red(lambda w, sent: [drafted(w, sent), w.release(sent), declined(w, sent)])),
    Case("released-and-withdrawn", "taken back by its author, after its release",
         Code.DRAFT_OVER, "",
         _red(lambda w, sent: [drafted(w, sent), w.release(sent), withdrawn(w, sent)])),
    Case("release-after-its-bulletin", "one more release, when the bulletin is in",
         Code.RELEASE_LATE, "/of", _late),
]  # fmt: skip
ACCEPT = [
    Case("released", "a bulletin after its release", None, "",
         _red(lambda w, sent: [w.release(sent)])),
    Case("released-brought-by-its-author", "its author brings release and bulletin", None, "",
         _red(lambda w, sent: [w.arrival(w.release(sent), OPS)])),
    Case("released-not-needed", "of none of the marks that are agreed", None, "",
         lambda w: Posted(w.arrival(w.envelope(issued=NOW - 60)), documents(w))),
    Case("released-not-to-cancel", "a TLP:RED cancellation, at once", None, "", _withdrawing),
]  # fmt: skip
