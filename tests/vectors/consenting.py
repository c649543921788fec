"""Cases of consents and of passing on by them: what a node takes in, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from exchange.errors import Code
from exchange.model.header import TYP as HEADER_TYP
from exchange.model.header import Blob, Marking
from exchange.model.objects import CONSENT_TYP
from exchange.seal.close import Closed, Envelope
from tests import builders
from tests.builders import (
    COAST,
    DESK,
    HOUR,
    NOW,
    OPS,
    WATCH,
    WATCH_DESK,
    World,
    refers,
    suspended,
)
from tests.consented import consent, controlled, withdrawn
from tests.vectors import forging
from tests.vectors.case import Case, Posted
from tests.vectors.granting import ANOTHER_ID, cancelled, poster

Make = Callable[[World, Closed], Any]
LATE = NOW + 2 * HOUR


def after(*more: Make, documents: Any = (), at: int = NOW, **changes: Any) -> Any:
    """A bulletin under control, then each of these; the last is at the door, at its time."""

    def make(world: World) -> Posted:
        closed = controlled(world, **changes)
        made = [each(world, closed) for each in more]
        arrivals = [
            each if isinstance(each, builders.Arrival) else world.arrival(each) for each in made
        ]
        last = arrivals[-1]._replace(taken_ms=at * 1000)
        brought = tuple(each(world) for each in documents)
        return Posted(last, brought, (world.arrival(closed.envelope), *arrivals[:-1]))

    return make


def said(by: str = OPS, /, **changes: Any) -> Make:
    return lambda world, closed: consent(world, closed.envelope, by, **changes)


def back(by: str = OPS, /, **changes: Any) -> Make:
    return lambda world, closed: withdrawn(world, closed.envelope, by, **changes)


def passed(to: str = WATCH_DESK, by: str = COAST, **changes: Any) -> Make:
    return lambda world, closed: world.grant(closed, to, by, **changes)


def _of(**changes: Any) -> Make:
    def make(world: World, closed: Closed) -> bytes:
        of = builders.subject(closed.envelope)
        named = {name: getattr(of, name) for name in of.__struct_fields__}
        return consent(world, closed.envelope, of=type(of)(**{**named, **changes}))

    return make


def _altered(change: Any) -> Make:
    def make(world: World, closed: Closed) -> bytes:
        raw = forging.payload_of(consent(world, closed.envelope))
        return world.sign(forging.altered(raw, change), CONSENT_TYP, OPS)

    return make


def _id_again(world: World) -> Posted:
    closed = controlled(world)
    first = consent(world, closed.envelope)
    used = json.loads(forging.payload_of(first))["id"]
    again = consent(world, closed.envelope, id=used, at=NOW - 1)
    before = (world.arrival(closed.envelope), world.arrival(first))
    return Posted(world.arrival(again), (), before)


def _of_another_bulletin(world: World) -> Posted:
    one, other = controlled(world), controlled(world)
    before: tuple[Envelope | bytes, ...] = (
        one.envelope,
        other.envelope,
        consent(world, one.envelope),
    )
    arrivals = tuple(world.arrival(each) for each in before)
    return Posted(world.arrival(world.grant(other, WATCH_DESK, COAST)), (), arrivals)


def _cancelled_with_its_reference(world: World) -> Posted:
    closed = controlled(world, to=[COAST])
    refs = refers("answers", closed.envelope)
    reply = world.envelope(endpoint=COAST, refs=refs, to=[WATCH_DESK])
    cancel: dict[str, Any] = {"endpoint": COAST, "type": "can", "verb": "cancel"}
    refs = [*refers("cancels", reply), *refs]
    before: tuple[Envelope | bytes, ...] = (
        closed.envelope,
        consent(world, closed.envelope),
        reply,
        withdrawn(world, closed.envelope),
    )
    arrivals = tuple(world.arrival(each) for each in before)
    last = world.envelope(refs=refs, to=[WATCH_DESK], **cancel)
    return Posted(world.arrival(last), (), arrivals)


def _answer(to: list[str], by: str = COAST, **changes: Any) -> Make:
    """A bulletin of a recipient that refers to what is under control."""

    def make(world: World, closed: Closed) -> Envelope:
        refs = refers("answers", closed.envelope)
        return world.envelope(endpoint=by, refs=refs, to=to, **changes)

    return make


def _attached(of: Callable[[Closed], Blob], to: list[str]) -> Any:
    """A bulletin of a recipient that names ciphertext of what is under control."""

    def make(world: World) -> Posted:
        attached = Blob("B" * 43, 1024)
        closed = controlled(world, attachments=[attached])
        named = of(closed)
        second = world.envelope(endpoint=COAST, attachments=[named], to=to)
        before = (world.arrival(closed.envelope),)
        return Posted(world.arrival(second), (), before, (attached, named))

    return make


def _cited_in_a_grant(world: World) -> Posted:
    closed = controlled(world)
    refs = refers("answers", closed.envelope)
    reply = world.closed(endpoint=COAST, refs=refs, to=[WATCH])
    before = (world.arrival(closed.envelope), world.arrival(reply.envelope))
    return Posted(world.arrival(world.grant(reply, WATCH_DESK, COAST)), (), before)


def _attached_after_a_withdrawal(world: World) -> Posted:
    """By the very giver whose leave was taken: what the node shows by it no more."""
    attached = Blob("B" * 43, 1024)
    closed = controlled(world, attachments=[attached])
    before = (
        closed.envelope,
        consent(world, closed.envelope),
        world.grant(closed, WATCH_DESK, COAST),
        withdrawn(world, closed.envelope),
    )
    second = world.envelope(endpoint=COAST, attachments=[attached], to=[WATCH_DESK])
    arrivals = tuple(world.arrival(each) for each in before)
    return Posted(world.arrival(second), (), arrivals, (attached,))


def _body_again(world: World) -> Posted:
    """A colleague of its recipient posts its sealed body, byte for byte, as that of its own."""
    closed = controlled(world, to=[WATCH])
    free = Marking("green", ["PAN", "USA"], [], originator_control=False)
    own = world.header(endpoint=WATCH_DESK, to=[WATCH], marking=free)
    own = msgspec.structs.replace(own, body=closed.header.body)
    envelope = Envelope(world.sign(own, HEADER_TYP, WATCH_DESK), closed.envelope.body)
    brought = (world.amended(WATCH_DESK, poster),)
    return Posted(world.arrival(envelope), brought, (world.arrival(closed.envelope),))


_RED = Marking("red", ["PAN", "USA"], [], originator_control=False)
_AMBER = Marking("amber", ["PAN", "USA"], [], originator_control=False)

REFUSE = [
    Case("consent-of-nothing", "of a bulletin that is not here", Code.TARGET_UNKNOWN, "/of",
         lambda w: Posted(w.arrival(consent(w, w.envelope())))),
    Case("consent-of-a-cancelled", "of what was cancelled", Code.TARGET_CANCELLED, "/of",
         after(cancelled, said())),
    Case("consent-by-another-member", "by a recipient, to its own wish", Code.TARGET_MISMATCH,
         "/of", after(said(WATCH))),
    Case("consent-under-another-id", "id and digest of two bulletins", Code.TARGET_MISMATCH,
         "/of", after(_of(id=ANOTHER_ID))),
    Case("consent-without-role", "by a colleague who may not post", Code.MISSING_ROLE,
         "/endpoint", after(said(DESK))),
    Case("consent-of-other-caller", "brought by another than who signed it", Code.NOT_YOURS,
         "/endpoint", after(lambda w, c: w.arrival(consent(w, c.envelope), COAST))),
    Case("consent-forged", "signed by who would like to have it", Code.UNKNOWN_KEY,
         "/signatures/0",
         after(lambda w, c: w.sign(forging.payload_of(consent(w, c.envelope)), CONSENT_TYP,
                                   COAST))),
    Case("consent-ahead", "made beyond the tolerated skew", Code.NOT_YET_ISSUED, "/at",
         after(said(at=NOW + 301))),
    Case("consent-with-a-body", "a body beside a consent", Code.BAD_FRAMING, "/body",
         after(lambda w, c: Envelope(consent(w, c.envelope), b"{}"))),
    Case("consent-unknown-member", "a member of no name", Code.UNKNOWN_MEMBER, "",
         after(_altered(lambda told: told.update(x=1)))),
    Case("consent-without-an-end", "no end is not for ever: it is written, or null",
         Code.MISSING_MEMBER, "/until", after(_altered(lambda told: told.pop("until")))),
    Case("consent-id-used-again", "a consent whose id was used", Code.ID_REUSED, "/id",
         _id_again),
    Case("consent-to-a-colleague", "its own member needs none", Code.WRONG_VALUE, "/by",
         after(said(by=DESK))),
    Case("consent-to-itself", "who holds it gives it to itself", Code.WRONG_VALUE, "/to",
         after(said(to=COAST))),
    Case("consent-to-who-holds-nothing", "who would give it has it not", Code.NOT_A_RECIPIENT,
         "/by", after(said(by=WATCH_DESK, to=COAST))),
    Case("consent-to-nobody", "to give it to one in no directory", Code.UNKNOWN_RECIPIENT,
         "/to", after(said(to="us.jiatfs/nadie"))),
    Case("consent-to-suspended", "to give it to one who is suspended", Code.ENDPOINT_SUSPENDED,
         "/to", after(said(), documents=[lambda w: w.amended(WATCH_DESK, suspended)])),
    Case("consent-over-already", "its end is now", Code.CONSENT_OVER, "/to",
         after(said(until=NOW))),
    Case("consent-to-who-may-not-read", "to who may not read the feed", Code.MAY_NOT_READ,
         "/to", after(said(to=builders.MINSA))),
    Case("consent-withdrawn-twice", "nothing is left to withdraw", Code.CONSENT_UNKNOWN, "/to",
         after(said(), back(), back())),
    Case("consent-withdrawn-never-given", "nothing was consented to", Code.CONSENT_UNKNOWN,
         "/to", after(back())),
    Case("consent-to-who-holds-it", "who would receive it was sent it", Code.ALREADY_HELD,
         "/to", after(said(to=WATCH))),
    Case("consent-to-who-was-given-it", "by another giver's consent, which stands",
         Code.ALREADY_HELD, "/to", after(said(), passed(), said(by=WATCH))),
    Case("granted-twice-after-a-withdrawal", "it was granted it anew, so holds it",
         Code.ALREADY_HELD, "/to",
         after(said(), passed(), back(), passed(by=OPS), passed(by=OPS))),
    Case("onward-without-consent", "a recipient passes on what is under control",
         Code.ORIGINATOR_CONTROL, "/to", after(passed())),
    Case("onward-without-consent-to-who-holds-it", "by another's consent: rights come first",
         Code.ORIGINATOR_CONTROL, "/to", after(said(), passed(), passed(by=WATCH))),
    Case("onward-by-who-holds-nothing", "passed on by who never had it", Code.NOT_A_RECIPIENT,
         "/endpoint", after(said(), passed(COAST, WATCH_DESK))),
    Case("onward-by-another-than-consented", "the consent is for another giver",
         Code.ORIGINATOR_CONTROL, "/to", after(said(), passed(by=WATCH))),
    Case("onward-to-another-than-consented", "the consent is for another recipient",
         Code.ORIGINATOR_CONTROL, "/to", after(said(), passed(to=DESK))),
    Case("onward-of-another-bulletin", "the consent is of another bulletin",
         Code.ORIGINATOR_CONTROL, "/to", _of_another_bulletin),
    Case("onward-after-its-end", "the consent ended at this second", Code.CONSENT_OVER, "/to",
         after(said(until=NOW + HOUR), passed(at=NOW + HOUR), at=NOW + HOUR)),
    Case("onward-after-a-withdrawal", "the consent was withdrawn", Code.CONSENT_WITHDRAWN,
         "/to", after(said(), back(), passed())),
    Case("onward-by-who-is-shown-it-no-more",
         "given by a consent that was withdrawn, it goes on to a colleague",
         Code.CONSENT_WITHDRAWN, "/endpoint",
         after(said(), passed(), back(), passed(WATCH, WATCH_DESK),
               documents=[lambda w: w.amended(WATCH_DESK, poster)],
               marking=_AMBER, to=[COAST])),
    Case("consent-to-who-is-shown-it-no-more", "who would give it was given it by a consent "
         "that was withdrawn", Code.CONSENT_WITHDRAWN, "/by",
         after(said(), passed(), back(), said(by=WATCH_DESK, to=DESK),
               documents=[lambda w: w.amended(WATCH_DESK, poster)])),
    Case("onward-of-red-without-consent", "TLP:RED stays with those it was sent to",
         Code.TLP_ONWARD, "/to", after(passed(), marking=_RED)),
    Case("cited-to-others", "a reference to what is under control, to who does not hold it",
         Code.ORIGINATOR_CONTROL, "/refs/0", after(_answer([OPS, WATCH_DESK]))),
    Case("cited-to-others-after-a-withdrawal", "the consent was withdrawn",
         Code.CONSENT_WITHDRAWN, "/refs/0", after(said(), back(), _answer([WATCH_DESK]))),
    Case("cited-to-who-is-shown-it-no-more", "it was given it by a consent that was withdrawn",
         Code.CONSENT_WITHDRAWN, "/refs/0",
         after(said(), passed(), back(), _answer([WATCH_DESK]))),
    Case("attached-to-who-is-shown-it-no-more",
         "its attachment, to who was given it by a consent that was withdrawn",
         Code.CONSENT_WITHDRAWN, "/attachments/0", _attached_after_a_withdrawal),
    Case("cited-in-a-grant", "what refers to it is granted to who does not hold it",
         Code.ORIGINATOR_CONTROL, "/to", _cited_in_a_grant),
    Case("attachment-of-what-is-controlled", "its attachment is named to others",
         Code.ORIGINATOR_CONTROL, "/attachments/0",
         _attached(lambda c: c.header.attachments[0], [WATCH_DESK])),
    Case("body-of-what-is-controlled-attached", "its sealed body is named to others",
         Code.ORIGINATOR_CONTROL, "/attachments/0",
         _attached(lambda c: c.header.body, [WATCH_DESK])),
    Case("body-of-what-is-controlled-again", "its sealed body, as that of a colleague's own",
         Code.ORIGINATOR_CONTROL, "/body", _body_again),
]  # fmt: skip

ACCEPT = [
    Case("cancelled-with-its-reference-after-a-withdrawal",
         "a cancellation repeats what its target cites, to who was told that", None, "",
         _cancelled_with_its_reference),
    Case("consent", "its originator lets a recipient pass it on", None, "", after(said())),
    Case("consent-by-a-colleague", "by another poster of the same member, owed to the author",
         None, "", after(said(DESK), documents=[lambda w: w.amended(DESK, poster)])),
    Case("consent-withdrawn", "and takes that back", None, "", after(said(), back())),
    Case("consent-withdrawn-of-a-cancelled", "whatever became of the bulletin since", None, "",
         after(said(), cancelled, back())),
    Case("consent-again", "and says so anew, with another end", None, "",
         after(said(), back(), said(until=LATE))),
    Case("onward", "a recipient passes it on by consent", None, "", after(said(), passed())),
    Case("onward-anew", "by a consent that was given anew", None, "",
         after(said(), back(), said(), passed())),
    Case("granted-by-its-originator-after-a-withdrawal", "who was shown it no more is given it "
         "by its originator, under the same key", None, "",
         after(said(), passed(), back(), passed(by=OPS))),
    Case("consent-of-another-giver-after-a-withdrawal", "and by another holder", None, "",
         after(said(), passed(), back(), said(by=WATCH), passed(by=WATCH))),
    Case("onward-of-green", "what its marking lets go needs no consent", None, "",
         after(passed(), marking=Marking("green", ["PAN", "USA"], [],
                                         originator_control=False))),
    Case("cited-to-who-holds-it", "a reference to it, to its originator and who holds it", None,
         "", after(_answer([DESK, OPS, WATCH]))),
    Case("cited-by-consent", "a reference to it, to whom its originator consents", None, "",
         after(said(), _answer([WATCH_DESK]))),
    Case("onward-to-a-colleague-by-who-is-shown-it-anew", "withdrawn, and given anew", None, "",
         after(said(), passed(), back(), said(), passed(WATCH, WATCH_DESK),
               documents=[lambda w: w.amended(WATCH_DESK, poster)],
               marking=_AMBER, to=[COAST])),
    Case("cited-by-its-originator", "what it says itself is its own release", None, "",
         after(_answer([WATCH_DESK], OPS))),
    Case("attachment-to-who-holds-it", "its attachment is named to who holds it", None, "",
         _attached(lambda c: c.header.attachments[0], [OPS, WATCH])),
]  # fmt: skip
