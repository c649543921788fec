"""Cases of what the arrangement and the order refuse, and of what is let in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from exchange.errors import Code
from exchange.model.header import Marking, Reference, TrustPoint
from exchange.model.identity import digest
from exchange.seal.close import Envelope
from tests import builders
from tests.builders import (
    AUDIT,
    COAST,
    DAY,
    DESK,
    HOUR,
    MINSA,
    NOW,
    OPS,
    WATCH,
    World,
    refers,
    suspended,
)
from tests.vectors import bearing, bounding, forging
from tests.vectors.case import Case, Posted, again
from tests.vectors.checking import FILES
from tests.vectors.trusting import brought

NOBODY = Reference("corrects", "01a229f1-2800-7768-b6ef-52555962d008", "A" * 43)


def _with(**changes: Any) -> Callable[[World], Envelope]:
    return lambda world: world.envelope(**changes)


def _marked(**changes: Any) -> Marking:
    usual = Marking("amber", ["PAN", "USA"], [], originator_control=False)
    return msgspec.structs.replace(usual, **changes)


def _trust_point(position: int, head: int) -> Callable[[World], Envelope]:
    """Positions from the end of the trust inbox: 0 is its newest."""

    def make(world: World) -> Envelope:
        view = world.view
        return world.envelope(
            trust=TrustPoint(view.position + position, view.heads[view.position + head])
        )

    return make


# What is in force changes between sealing and posting: the header's trust point stays valid.
def _after(document: Callable[[World], bytes], **changes: Any) -> Callable[[World], Posted]:
    return lambda world: Posted(world.arrival(world.envelope(**changes)), (document(world),))


POLICY = [
    *bounding.POLICY,
    Case("feed-of-no-name", "no such feed", Code.UNKNOWN_FEED, "/feed", _with(feed="air")),
    Case(
        "type-on-another-feed",
        "a request on the maritime feed",
        Code.TYPE_NOT_ON_FEED,
        "/type",
        _with(type="rfi"),
    ),
    Case(
        "member-may-not-post",
        "a member that reads this feed and may not post",
        Code.MAY_NOT_POST,
        "/feed",
        lambda w: w.envelope(endpoint=OPS, feed="dialogue", type="dlg", to=["us.jiatfs/watch"]),
    ),
    Case(
        "endpoint-may-not-post",
        "an endpoint without the poster's role, of a member that may post",
        Code.MAY_NOT_POST,
        "/feed",
        _with(endpoint=DESK),
    ),
    Case(
        "member-may-not-read",
        "a recipient whose member does not read this feed",
        Code.MAY_NOT_READ,
        "/to/0",
        _with(to=[MINSA]),
    ),
    Case(
        "endpoint-may-not-read",
        "a recipient without the reader's role, of a member that reads",
        Code.MAY_NOT_READ,
        "/to/0",
        _with(to=[AUDIT]),
    ),
    Case(
        "recipient-of-no-name",
        "a recipient in no directory",
        Code.UNKNOWN_RECIPIENT,
        "/to/0",
        lambda w: w.envelope(
            w.header(to=["us.jiatfs/nadie", WATCH]),
            recipients=[w.key(COAST), w.key(WATCH)],
        ),
    ),
    Case(
        "recipient-suspended",
        "a recipient that was suspended",
        Code.ENDPOINT_SUSPENDED,
        "/to/1",
        _after(lambda w: w.amended(COAST, suspended)),
    ),
    Case(
        "not-releasable",
        "a recipient of a nation to which it may not be released",
        Code.NOT_RELEASABLE,
        "/to/0",
        _with(marking=_marked(releasable_to=["PAN"])),
    ),
    Case(
        "verb-of-a-report",
        "a vessel of interest that cancels",
        Code.VERB_TYPE_MISMATCH,
        "/verb",
        _with(verb="cancel"),
    ),
    Case(
        "verb-of-a-correction",
        "a correction that is new",
        Code.VERB_TYPE_MISMATCH,
        "/verb",
        _with(type="cor"),
    ),
    Case(
        "verb-of-a-reply",
        "a reply that cancels",
        Code.VERB_TYPE_MISMATCH,
        "/verb",
        _with(type="rpy", feed="requests", verb="cancel", to=[WATCH]),
    ),
    Case(
        "update-of-nothing",
        "an update that names nothing it supersedes",
        Code.REFERENCE_MISSING,
        "/refs",
        _with(verb="update"),
    ),
    Case(
        "cancellation-of-nothing",
        "a cancellation that corrects and cancels nothing",
        Code.REFERENCE_MISSING,
        "/refs",
        _with(type="can", verb="cancel", refs=[NOBODY]),
    ),
    Case(
        "two-cancelled-at-once",
        "a cancellation of two: the second would be passed over in silence",
        Code.WRONG_VALUE,
        "/refs",
        _with(
            type="can",
            verb="cancel",
            refs=[
                Reference("cancels", NOBODY.id, "A" * 43),
                Reference("cancels", NOBODY.id, "C" * 43),
            ],
        ),
    ),
    Case(
        "issued-ahead",
        "issued one second beyond the tolerated skew",
        Code.NOT_YET_ISSUED,
        "/issued",
        _with(issued=NOW + 301),
    ),
    Case(
        "expires-at-receipt",
        "expires in the very second of its receipt",
        Code.EXPIRED,
        "/expires",
        _with(expires=NOW),
    ),
    Case(
        "lifetime-too-long",
        "a lifetime one second over the arrangement's",
        Code.LIFETIME,
        "/expires",
        _with(issued=NOW, expires=NOW + 90 * DAY + 1, retain_until=NOW + 91 * DAY),
    ),
    Case(
        "lifetime-of-nothing",
        "expires in the second of its issue, which is ahead within the skew",
        Code.LIFETIME,
        "/expires",
        _with(issued=NOW + 200, expires=NOW + 200),
    ),
    Case(
        "retained-shorter-than-valid",
        "to be purged before it expires",
        Code.LIFETIME,
        "/retain_until",
        _with(retain_until=NOW + DAY - 1),
    ),
    Case(
        "schema-of-no-version",
        "a schema version that was not agreed",
        Code.SCHEMA_NOT_KNOWN,
        "/schema",
        _with(schema="9.0"),
    ),
    Case(
        "regime-of-no-name",
        "a consent regime that was not agreed",
        Code.WRONG_VALUE,
        "/regime",
        _with(regime="none-such"),
    ),
    Case(
        "trust-ahead",
        "a sender who says that it saw more trust documents than there are",
        Code.TRUST_INVALID,
        "/trust",
        _trust_point(1, 0),
    ),
    Case(
        "trust-forked",
        "a sender who was shown another history of trust documents",
        Code.TRUST_INVALID,
        "/trust",
        _trust_point(0, -1),
    ),
    *(
        Case(
            f"protected-person-{tlp}",
            f"a protected person under TLP {tlp}",
            Code.PROTECTED_PERSONS,
            "/marking/tlp",
            _with(declares=["persons", "protected-person"], marking=_marked(tlp=tlp)),
        )
        for tlp in ("amber", "green", "clear")
    ),
]


def _corrects(world: World, first: Envelope, **changes: Any) -> Envelope:
    usual: dict[str, Any] = {
        "type": "cor",
        "verb": "correct",
        "refs": refers("corrects", first),
    }
    return world.envelope(**{**usual, **changes})


def _about(first: Envelope, **changes: Any) -> Any:
    header = builders.decoded(first.header)
    subject = {
        "endpoint": header.endpoint,
        "id": header.id,
        "header_digest": digest(first.header),
    }
    return builders.objects.Subject(**{**subject, **changes})


def _acked_twice(world: World) -> Posted:
    envelope = world.envelope()
    first = world.ack(envelope)
    used = json.loads(forging.payload_of(first))["id"]
    second = world.ack(envelope, id=used, outcome="actioned")
    before = (world.arrival(envelope), world.arrival(first))
    return Posted(world.arrival(second), (), before)


def _acked_ack(world: World) -> Posted:
    envelope = world.envelope()
    ack = world.ack(envelope)
    second = world.ack(envelope, OPS, of=_about(envelope, header_digest=digest(ack)))
    return Posted(world.arrival(second), (), (world.arrival(envelope), world.arrival(ack)))


def _corrected_ack(world: World) -> Posted:
    envelope = world.envelope()
    ack = world.ack(envelope)
    refs = [Reference("corrects", NOBODY.id, digest(ack))]
    return Posted(
        world.arrival(_corrects(world, envelope, refs=refs)),
        (),
        (world.arrival(envelope), world.arrival(ack)),
    )


ORDER = [
    Case(
        "id-used-again",
        "the same id over other bytes",
        Code.ID_REUSED,
        "/id",
        again(lambda w, f: w.envelope(id=builders.decoded(f.header).id, precedence="flash")),
    ),
    Case(
        "acknowledgement-id-used-again",
        "an acknowledgement whose id was used",
        Code.ID_REUSED,
        "/id",
        _acked_twice,
    ),
    Case(
        "posted-by-another",
        "another member posts the bytes of an accepted bulletin",
        Code.NOT_YOURS,
        "/endpoint",
        again(lambda w, f: w.arrival(f, caller=WATCH)),
    ),
    Case(
        "acknowledged-and-not-owed",
        "an acknowledgement by one whom the bulletin is not owed to",
        Code.NOT_OWED,
        "/of",
        again(lambda w, f: w.ack(f, COAST), to=[WATCH]),
    ),
    Case(
        "acknowledged-unknown",
        "an acknowledgement of a bulletin that is not here",
        Code.NOT_OWED,
        "/of",
        lambda w: w.ack(w.envelope()),
    ),
    Case(
        "acknowledged-acknowledgement",
        "an acknowledgement of an acknowledgement, by the author it is owed to",
        Code.NOT_OWED,
        "/of",
        _acked_ack,
    ),
    Case(
        "acknowledged-ahead",
        "an acknowledgement from beyond the tolerated skew",
        Code.NOT_YET_ISSUED,
        "/at",
        again(lambda w, f: w.ack(f, at=NOW + 301)),
    ),
    Case(
        "acknowledged-under-another-id",
        "an acknowledgement whose id and digest are of two bulletins",
        Code.TARGET_MISMATCH,
        "/of",
        again(lambda w, f: w.ack(f, of=_about(f, id=NOBODY.id))),
    ),
    Case(
        "acknowledged-of-another-author",
        "an acknowledgement that names another author",
        Code.TARGET_MISMATCH,
        "/of",
        again(lambda w, f: w.ack(f, of=_about(f, endpoint=DESK))),
    ),
    Case(
        "correction-by-another-member",
        "a correction of another member's bulletin",
        Code.TARGET_MISMATCH,
        "/refs",
        again(lambda w, f: _corrects(w, f, endpoint=COAST, to=[WATCH])),
    ),
    Case(
        "cancellation-by-another-member",
        "a cancellation of another member's bulletin",
        Code.TARGET_MISMATCH,
        "/refs",
        again(
            lambda w, f: _corrects(
                w,
                f,
                endpoint=COAST,
                to=[WATCH],
                type="can",
                verb="cancel",
                refs=refers("cancels", f),
            )
        ),
    ),
    Case(
        "correction-under-another-id",
        "a correction whose id and digest are of two bulletins",
        Code.TARGET_MISMATCH,
        "/refs",
        again(
            lambda w, f: _corrects(
                w, f, refs=[Reference("corrects", NOBODY.id, digest(f.header))]
            )
        ),
    ),
    Case(
        "correction-of-an-acknowledgement",
        "a correction of what is no bulletin",
        Code.TARGET_MISMATCH,
        "/refs",
        _corrected_ack,
    ),
    *bearing.REFUSED,
]


def _cancelled_before(world: World) -> Posted:
    target = world.envelope()
    cancellation = world.envelope(type="can", verb="cancel", refs=refers("cancels", target))
    return Posted(world.arrival(target), (), (world.arrival(cancellation),))


ACCEPT = [
    Case("bulletin", "a bulletin to two endpoints", None, "", _with()),
    Case(
        "attachments",
        "a bulletin with two attachments that were uploaded",
        None,
        "",
        lambda world: Posted(world.arrival(world.envelope(attachments=FILES)), held=(*FILES,)),
    ),
    Case(
        "late",
        "a bulletin that took a second over an hour",
        None,
        "",
        _with(issued=NOW - HOUR - 1),
    ),
    Case(
        "on-the-edge",
        "issued at the end of the skew, the whole lifetime, kept until it expires",
        None,
        "",
        _with(
            issued=NOW + 300, expires=NOW + 300 + 90 * DAY, retain_until=NOW + 300 + 90 * DAY
        ),
    ),
    Case(
        "all-members-set",
        "observed, due, regime, handling and declarations",
        None,
        "",
        _with(
            observed=NOW - HOUR,
            due=NOW + HOUR,
            regime="salas-becker",
            declares=["must-purge", "persons", "protected-person"],
            marking=_marked(tlp="amber+strict", handling=["h1", "h2"]),
            precedence="flash",
        ),
    ),
    Case(
        "trust-behind",
        "a sender whose trust inbox is one document behind",
        None,
        "",
        _trust_point(-1, -1),
    ),
    Case(
        "correction",
        "a correction, owed to every holder of its target",
        None,
        "",
        again(lambda w, f: _corrects(w, f, to=["us.jiatfs/desk"])),
    ),
    Case(
        "cancellation-first",
        "a cancellation that comes before its target",
        None,
        "",
        _cancelled_before,
    ),
    Case(
        "acknowledgement",
        "an acknowledgement by a recipient, owed to the author",
        None,
        "",
        again(lambda w, f: w.ack(f)),
    ),
    *bearing.ACCEPTED,
    Case("subscription", "a subscription", None, "", lambda w: w.subscription()),
    Case(
        "member-changed",
        "the next version of a member's document, brought by an operator",
        None,
        "",
        brought(lambda w: w.amended(OPS, suspended)),
    ),
]
