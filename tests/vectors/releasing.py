"""Cases of what goes out only once a second person released it, as was agreed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from exchange.broker.intake import Arrival
from exchange.errors import Code
from exchange.model.header import Blob, Marking
from exchange.seal.close import Envelope
from tests.builders import (
    COAST,
    DESK,
    NOW,
    OPS,
    WATCH,
    WATCH_DESK,
    World,
    refers,
    releaser,
    subject,
)
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
    target = world.envelope(**RED)
    cancelling = _cancelling(world, target, attachments=[FILE])
    before = (world.arrival(world.release(target)), world.arrival(target))
    return Posted(world.arrival(cancelling), documents(world), before, held=(FILE,))


def _withdrawing_what_is_absent(*, released: bool) -> Callable[[World], Posted]:
    def make(world: World) -> Posted:
        made = _cancelling(world, world.envelope(**RED))
        before = (world.arrival(world.release(made)),) if released else ()
        return Posted(world.arrival(made), documents(world), before)

    return make


def _withdrawing_unmarked(world: World) -> Posted:
    """To those who hold what it cancels, whom nobody released that for."""
    target = world.envelope(issued=NOW - 60)
    made = _cancelling(world, target)
    return Posted(world.arrival(made), documents(world), (world.arrival(target),))


def _cancelling(world: World, target: Envelope, **changes: Any) -> Envelope:
    refs = refers("cancels", target)
    return world.envelope(type="can", verb="cancel", refs=refs, **{**RED, **changes})


def _withdrawing_at_length(world: World) -> Posted:
    """With a text that no reason needs."""
    made = world.closed(**RED).envelope
    before = (world.arrival(world.release(made)), world.arrival(made))
    refs = refers("cancels", made)
    header = world.header(type="can", verb="cancel", refs=refs, **RED)
    return Posted(world.arrival(world.envelope(header, b" " * 8193)), documents(world), before)


def _withdrawing_from(*to: str, granted: bool = False) -> Callable[[World], Posted]:
    """A cancellation to these, of what went to the watch, and may have been granted."""

    def make(world: World) -> Posted:
        closed = world.closed(to=[WATCH], **RED)
        before: list[Any] = [world.release(closed.envelope), closed.envelope]
        if granted:
            grant = world.grant(closed)
            before += [world.release(grant), grant]
        arrivals = tuple(map(world.arrival, before))
        made = _cancelling(world, closed.envelope, to=sorted(to))
        return Posted(world.arrival(made), documents(world), arrivals)

    return make


Grants = Callable[[World, Envelope], list[Any]]


def _granted(before: Grants, last: Any = None) -> Any:
    """A grant of what was released, to another than that was for; after what came before."""

    def make(world: World) -> Posted:
        closed = world.closed(to=[WATCH], **RED)
        grant = world.grant(closed)
        came = [world.release(closed.envelope), closed.envelope, *before(world, grant)]
        arrivals = tuple(_arrival(world, each) for each in came)
        at_the_door = grant if last is None else last(world, grant)
        return Posted(_arrival(world, at_the_door), documents(world), arrivals)

    return make


def _grant_of_another(world: World) -> Posted:
    """What was released is a grant to the coast guard."""
    closed = world.closed(to=[WATCH], **RED)
    other = world.release(world.grant(closed, COAST))
    came: list[Any] = [world.release(closed.envelope), closed.envelope, other]
    grant = world.grant(closed)
    return Posted(world.arrival(grant), documents(world), tuple(map(world.arrival, came)))


def _grant_unmarked(world: World) -> Posted:
    closed = world.closed(to=[WATCH])
    before = (world.arrival(closed.envelope),)
    return Posted(world.arrival(world.grant(closed)), documents(world), before)


def _grant_passed_on(world: World) -> Posted:
    """By a recipient, to a colleague, as its marking lets it."""
    closed = world.closed(to=[WATCH], precedence="flash")
    before: list[Any] = [world.release(closed.envelope), closed.envelope]
    arrivals = tuple(map(world.arrival, before))
    return Posted(
        world.arrival(world.grant(closed, WATCH_DESK, WATCH)), documents(world), arrivals
    )


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
    Case("release-missing-of-a-long-cancellation", "a TLP:RED cancellation with a long text",
         Code.RELEASE_REQUIRED, "", _withdrawing_at_length),
    Case("release-missing-of-a-cancellation-to-others", "a TLP:RED cancellation, also to one "
         "that what it cancels never went to", Code.RELEASE_REQUIRED, "",
         _withdrawing_from(WATCH, WATCH_DESK)),
    Case("release-missing-of-a-cancellation-of-nothing", "a TLP:RED cancellation of what "
         "is not here", Code.RELEASE_REQUIRED, "", _withdrawing_what_is_absent(released=False)),
    Case("release-missing-of-a-cancellation-of-less", "a TLP:RED cancellation of a TLP:GREEN "
         "bulletin", Code.RELEASE_REQUIRED, "", _withdrawing_unmarked),
    Case("grant-not-released", "what was released for one, its author gives to another",
         Code.RELEASE_REQUIRED, "", _granted(lambda _, __: [])),
    Case("grant-of-another-release", "the grant that was released is to somebody else",
         Code.RELEASE_REQUIRED, "", _grant_of_another),
    Case("grant-released-and-declined", "a grant that a releaser declined after its release",
         Code.DRAFT_OVER, "",
         _granted(lambda w, g: [drafted(w, g), w.release(g), declined(w, g)])),
    Case("grant-released-by-its-granter", "who signed the grant releases it", Code.OWN_RELEASE,
         "/of/endpoint",
         _granted(lambda _, __: [], last=lambda w, g: w.release(g, OPS))),
    Case("release-after-its-grant", "one more release, when the grant is in",
         Code.RELEASE_LATE, "/of",
         _granted(lambda w, g: [w.release(g), g], last=lambda w, g: w.release(g))),
    Case("draft-of-what-is-granted", "its release is asked for when the grant is in",
         Code.RELEASE_LATE, "/of",
         _granted(lambda w, g: [w.release(g), g], last=drafted)),
    Case("released-and-declined", "declined by a releaser, after its release",
         Code.DRAFT_OVER, "",
         _red(lambda w, sent: [drafted(w, sent), w.release(sent), declined(w, sent)])),
    Case("released-and-withdrawn", "taken back by its author, after its release",
         Code.DRAFT_OVER, "",
         _red(lambda w, sent: [drafted(w, sent), w.release(sent), withdrawn(w, sent)])),
    Case("released-by-who-asked-for-it-later", "by an officer who then asks for it, elsewhere",
         Code.OWN_RELEASE, "",
         _red(lambda w, sent: [
             w.release(sent, officer="exercise-1"), drafted(w, sent, officer="EXERCISE-1")])),
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
    Case("released-not-to-cancel-what-was-granted", "a TLP:RED cancellation, also to who was "
         "granted what it cancels", None, "",
         _withdrawing_from(WATCH, WATCH_DESK, granted=True)),
    Case("released-to-cancel-what-is-not-here", "a TLP:RED cancellation of what is not here, "
         "after its release", None, "", _withdrawing_what_is_absent(released=True)),
    Case("grant-released", "a grant to one more, after its release", None, "",
         _granted(lambda w, g: [drafted(w, g), w.release(g)])),
    Case("grant-needs-no-release", "of none of the marks that are agreed", None, "",
         _grant_unmarked),
    Case("grant-passed-on-needs-no-release", "another member passes on what was released",
         None, "", _grant_passed_on),
]  # fmt: skip
