"""Cases of grants, releases and acknowledgements: what a node takes in, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from exchange.errors import Code
from exchange.model.header import Blob, Marking
from exchange.model.identity import digest
from exchange.model.objects import GRANT_TYP, RELEASE_TYP
from tests import builders
from tests.builders import (
    AUDIT,
    COAST,
    DESK,
    MINSA,
    NOW,
    OPS,
    WATCH,
    WATCH_DESK,
    Closed,
    Envelope,
    World,
    refers,
    releaser,
    subject,
    suspended,
)
from tests.vectors import forging
from tests.vectors.case import Case, Posted
from tests.vectors.changes import keys_from

ANOTHER_ID = "01a229f1-2800-7768-b6ef-52555962d008"
Make = Callable[[World, Closed], Any]


def of_one(second: Make, *documents: Callable[[World], bytes], **changes: Any) -> Any:
    """A bulletin that was let in, then what is made of it."""

    def make(world: World) -> Posted:
        closed = world.closed(**changes)
        made = second(world, closed)
        arrival = made if not isinstance(made, Envelope | bytes) else world.arrival(made)
        brought = tuple(each(world) for each in documents)
        return Posted(arrival, brought, (world.arrival(closed.envelope),))

    return make


def after(*more: Callable[[World, Closed], Any]) -> Callable[[World], Posted]:
    """A bulletin, then each of these; the last is what is at the door."""

    def make(world: World) -> Posted:
        closed = world.closed()
        arrivals = [world.arrival(each(world, closed)) for each in more]
        return Posted(arrivals[-1], (), (world.arrival(closed.envelope), *arrivals[:-1]))

    return make


def granted(**changes: Any) -> Make:
    return lambda world, closed: world.grant(closed, **changes)


def granted_to(endpoint: str, by: str = OPS) -> Make:
    return lambda world, closed: world.grant(closed, endpoint, by)


def cancelled(world: World, closed: Closed) -> Envelope:
    refs = refers("cancels", closed.envelope)
    return world.envelope(type="can", verb="cancel", refs=refs, to=[WATCH])


def about(**changes: Any) -> Make:
    """A grant of another bulletin than was posted, in one member."""

    def make(world: World, closed: Closed) -> Envelope:
        of = msgspec.structs.replace(subject(closed.envelope), **changes)
        return world.grant(closed, of=of)

    return make


def payload(change: Callable[[Any], object]) -> Make:
    """A grant whose payload is changed and signed again."""

    def make(world: World, closed: Closed) -> Envelope:
        grant = world.grant(closed)
        raw = forging.altered(forging.payload_of(grant.header), change)
        return grant._replace(header=forging.signed(world, raw, typ=GRANT_TYP))

    return make


def wrap_as(change: Callable[[bytes], bytes]) -> Make:
    """A grant that names a wrapped key that was changed."""

    def make(world: World, closed: Closed) -> Envelope:
        wrapped = change(world.grant(closed).body)
        grant = world.grant(closed, wrap=Blob(digest(wrapped), len(wrapped)))
        return grant._replace(body=wrapped)

    return make


def wrap_member(change: Callable[[Any], object]) -> Make:
    return wrap_as(lambda raw: forging.altered(raw, change))


def wrap_to(endpoint: str, use: str = "enc") -> Make:
    """A grant to one whose key is wrapped to another's."""

    def make(world: World, closed: Closed) -> Any:
        jwk = world.key(endpoint) if use == "enc" else world.signers[endpoint].keys[0]
        made = wrap_member(lambda told: told["header"].update(kid=jwk.kid))
        return made(world, closed)

    return make


def brought_by(caller: str) -> Make:
    return lambda world, closed: world.arrival(world.grant(closed), caller)


def without_wrap(world: World, closed: Closed) -> Envelope:
    return world.grant(closed)._replace(body=b"")


def other_wrap(change: Callable[[bytes], bytes]) -> Make:
    """Another wrapped key than the grant names."""

    def make(world: World, closed: Closed) -> Envelope:
        grant = world.grant(closed)
        return grant._replace(body=change(grant.body))

    return make


def poster(endpoint: Any) -> Any:
    return msgspec.structs.replace(endpoint, roles=["poster", "reader"])


def releasing(world: World) -> bytes:
    return world.amended(DESK, releaser)


def _at_the_end(world: World, closed: Closed) -> Any:
    until = builders.decoded(closed.envelope.header).retain_until
    return world.arrival(world.grant(closed), at=until)


def _id_again(world: World) -> Posted:
    closed = world.closed()
    first = world.grant(closed)
    used = json.loads(forging.payload_of(first.header))["id"]
    before = (world.arrival(closed.envelope), world.arrival(first))
    return Posted(world.arrival(world.grant(closed, DESK, id=used)), (), before)


def _cancelled_first(world: World) -> Posted:
    closed = world.closed()
    before = (world.arrival(cancelled(world, closed)), world.arrival(closed.envelope))
    return Posted(world.arrival(world.grant(closed)), (), before)


_PAN = Marking("amber", ["PAN"], [], originator_control=False)

GRANTS = [
    Case("grant-without-wrap", "no wrapped key", Code.MISSING_BLOB, "/body",
         of_one(without_wrap)),
    Case("grant-wrap-longer", "a wrapped key one byte longer than named", Code.SIZE_MISMATCH,
         "/wrap/size",
         of_one(other_wrap(lambda raw: raw.replace(b'"header":', b'"header": ')))),
    Case("grant-wrap-of-other-digest", "another wrapped key than named", Code.DIGEST_MISMATCH,
         "/wrap/digest",
         of_one(lambda w, c: w.grant(c)._replace(body=w.grant(c).body))),
    Case("grant-wrap-oversized", "a wrapped key over 4 KiB", Code.OVERSIZED, "/body",
         of_one(wrap_member(lambda told: told.update(encrypted_key="A" * 5000)))),
    Case("grant-wrap-duplicate", "a member twice in the wrapped key", Code.DUPLICATE_MEMBER,
         "/body",
         of_one(wrap_as(lambda raw: raw[:-1] + b',"encrypted_key":"'
                        + json.loads(raw)["encrypted_key"].encode() + b'"}'))),
    Case("grant-wrap-unknown-member", "a member of no name in the wrapped key",
         Code.UNKNOWN_MEMBER, "/body", of_one(wrap_member(lambda told: told.update(x=1)))),
    Case("grant-wrap-of-another-algorithm", "a wrapped key of another algorithm",
         Code.WRONG_VALUE, "/body/header/alg",
         of_one(wrap_member(lambda told: told["header"].update(alg="HPKE-0-KE")))),
    Case("grant-wrap-short", "a wrapped key of 46 bytes", Code.WRONG_VALUE,
         "/body/encrypted_key",
         of_one(wrap_member(lambda told: told.update(encrypted_key="A" * 62)))),
    Case("grant-unknown-member", "a member of no name", Code.UNKNOWN_MEMBER, "",
         of_one(payload(lambda told: told.update(note="x")))),
    Case("grant-without-recipient", "no recipient", Code.MISSING_MEMBER, "/to",
         of_one(payload(lambda told: told.pop("to")))),
    Case("grant-to-many", "a list of recipients", Code.WRONG_TYPE, "/to",
         of_one(payload(lambda told: told.update(to=[told["to"]])))),
    Case("grant-of-other-caller", "another endpoint brings it", Code.NOT_YOURS, "/endpoint",
         of_one(brought_by(WATCH))),
    Case("grant-under-anothers-keys", "signed by another endpoint of the same member",
         Code.UNKNOWN_KEY, "/signatures/0",
         of_one(lambda w, c: w.grant(c)._replace(header=w.sign(
             forging.payload_of(w.grant(c).header), GRANT_TYP, DESK)))),
    Case("grant-under-another-typ", "a grant's payload signed as a release",
         Code.MISSING_MEMBER, "/officer",
         of_one(lambda w, c: w.sign(forging.altered(
             forging.payload_of(w.grant(c).header),
             lambda told: [told.pop("to"), told.pop("wrap")]), RELEASE_TYP, OPS))),
    Case("grant-to-nobody", "a recipient in no directory", Code.UNKNOWN_RECIPIENT, "/to",
         of_one(granted(to="us.jiatfs/nadie"))),
    Case("grant-to-suspended", "a recipient that was suspended", Code.ENDPOINT_SUSPENDED,
         "/to", of_one(granted(), lambda w: w.amended(WATCH_DESK, suspended))),
    Case("grant-wrapped-to-another", "wrapped to a key of another endpoint",
         Code.WRAPS_MISMATCH, "/body/header/kid", of_one(wrap_to(WATCH))),
    Case("grant-wrapped-to-a-signing-key", "wrapped to the recipient's signing key",
         Code.RECIPIENT_KEY_UNFIT, "/to", of_one(wrap_to(WATCH_DESK, "sig"))),
    Case("grant-key-expired", "wrapped to a key in the first second after its time",
         Code.RECIPIENT_KEY_UNFIT, "/to",
         of_one(granted(), lambda w: w.amended(WATCH_DESK, keys_from("enc", 0, 0, NOW)))),
    Case("grant-ahead", "made beyond the tolerated skew", Code.NOT_YET_ISSUED, "/at",
         of_one(granted(at=NOW + 301))),
    Case("grant-of-nothing", "a bulletin that is not here", Code.TARGET_UNKNOWN, "/of",
         of_one(about(header_digest="A" * 43))),
    Case("grant-under-another-id", "id and digest of two bulletins", Code.TARGET_MISMATCH,
         "/of", of_one(about(id=ANOTHER_ID))),
    Case("grant-of-another-author", "another author than its header's", Code.TARGET_MISMATCH,
         "/of", of_one(about(endpoint=DESK))),
    Case("grant-by-another-member", "another member's bulletin, beyond its marking",
         Code.TLP_ONWARD, "/to", of_one(granted_to(WATCH_DESK, COAST))),
    Case("grant-after-cancellation", "a bulletin that was cancelled", Code.TARGET_CANCELLED,
         "/of", after(cancelled, granted())),
    Case("grant-after-early-cancellation", "a bulletin cancelled before it came",
         Code.TARGET_CANCELLED, "/of", _cancelled_first),
    Case("grant-at-retain-until", "in the second at which the content is to be gone",
         Code.EXPIRED, "/of", of_one(_at_the_end)),
    Case("grant-to-a-recipient", "an endpoint named in its header", Code.ALREADY_HELD, "/to",
         of_one(granted_to(WATCH))),
    Case("grant-twice", "an endpoint that was granted it before", Code.ALREADY_HELD, "/to",
         after(granted(), granted())),
    Case("grant-to-member-that-may-not-read", "a member that does not read the feed",
         Code.MAY_NOT_READ, "/to", of_one(granted_to(MINSA))),
    Case("grant-to-endpoint-that-may-not-read", "an endpoint without the reader's role",
         Code.MAY_NOT_READ, "/to", of_one(granted_to(AUDIT))),
    Case("grant-not-releasable", "a nation to which it may not be released",
         Code.NOT_RELEASABLE, "/to", of_one(granted(), to=[DESK], marking=_PAN)),
    Case("grant-by-who-may-not-post", "a colleague without the poster's role",
         Code.MAY_NOT_POST, "/endpoint", of_one(granted_to(WATCH_DESK, DESK))),
    Case("grant-id-used-again", "a grant whose id was used", Code.ID_REUSED, "/id", _id_again),
]  # fmt: skip


def released(by: str = DESK, **changes: Any) -> Make:
    return lambda world, closed: world.release(closed.envelope, by, **changes)


def release_of(**changes: Any) -> Make:
    def make(world: World, closed: Closed) -> bytes:
        of = msgspec.structs.replace(subject(closed.envelope), **changes)
        return world.release(closed.envelope, of=of)

    return make


def _release_again(world: World) -> Posted:
    closed = world.closed()
    first = world.release(closed.envelope)
    used = json.loads(forging.payload_of(first))["id"]
    second = world.release(closed.envelope, id=used, officer=None)
    before = (world.arrival(closed.envelope), world.arrival(first))
    # Taken under the same documents: the releaser has its role from the beginning.
    return Posted(world.arrival(second), (releasing(world),), before)


def author_releases(world: World) -> bytes:
    return world.amended(OPS, releaser)


RELEASES = [
    Case("release-by-its-author", "the posting endpoint, with the releaser's role",
         Code.OWN_RELEASE, "/of/endpoint", of_one(released(OPS), author_releases)),
    Case("release-without-role", "an endpoint without the releaser's role", Code.MISSING_ROLE,
         "/endpoint", of_one(released())),
    Case("release-by-another-member", "a releaser of another member", Code.ORIGIN_MISMATCH,
         "/of/endpoint",
         of_one(released(WATCH), lambda w: w.amended(WATCH, releaser))),
    Case("release-of-other-caller", "neither releaser nor author brings it", Code.NOT_YOURS,
         "/endpoint",
         of_one(lambda w, c: w.arrival(w.release(c.envelope), WATCH), releasing)),
    Case("release-forged", "signed by the author in the releaser's name", Code.UNKNOWN_KEY,
         "/signatures/0",
         of_one(lambda w, c: w.sign(forging.payload_of(w.release(c.envelope)), RELEASE_TYP,
                                    OPS), releasing)),
    Case("release-of-no-author", "of an endpoint in no directory", Code.UNKNOWN_ENDPOINT,
         "/of/endpoint", of_one(release_of(endpoint="pa.senan/nadie"), releasing)),
    Case("release-under-another-id", "id and digest of two bulletins", Code.TARGET_MISMATCH,
         "/of", of_one(release_of(id=ANOTHER_ID), releasing)),
    Case("release-ahead", "made beyond the tolerated skew", Code.NOT_YET_ISSUED, "/at",
         of_one(released(at=NOW + 301), releasing)),
    Case("release-with-a-body", "a body beside a release", Code.BAD_FRAMING, "/body",
         of_one(lambda w, c: Envelope(w.release(c.envelope), b"{}"), releasing)),
    Case("release-unknown-member", "a member of no name", Code.UNKNOWN_MEMBER, "",
         of_one(lambda w, c: w.sign(forging.altered(
             forging.payload_of(w.release(c.envelope)), lambda told: told.update(x=1)),
             RELEASE_TYP, DESK), releasing)),
    Case("release-id-used-again", "a release whose id was used", Code.ID_REUSED, "/id",
         _release_again),
    Case("acknowledged-with-no-outcome", "an outcome that is not in the list",
         Code.WRONG_VALUE, "/outcome",
         of_one(lambda w, c: w.ack(c.envelope, outcome="read"))),
    Case("acknowledged-purge-not-owed", "a purge attested by one who never held it",
         Code.NOT_OWED, "/of", of_one(lambda w, c: w.ack(c.envelope, DESK, outcome="purged"))),
    Case("acknowledged-before-the-grant", "by one whom it was not granted to yet",
         Code.NOT_OWED, "/of", of_one(lambda w, c: w.ack(c.envelope, WATCH_DESK))),
]  # fmt: skip

ACCEPT = [
    Case("grant", "a bulletin granted to one more recipient", None, "", of_one(granted())),
    Case("grant-by-a-colleague", "granted by another poster of the same member", None, "",
         of_one(granted_to(WATCH_DESK, DESK), lambda w: w.amended(DESK, poster))),
    Case("grant-at-the-last-second", "one second before the content is to be gone", None, "",
         of_one(lambda w, c: w.arrival(
             w.grant(c), at=builders.decoded(c.envelope.header).retain_until - 1))),
    Case("cancellation-of-a-granted", "a cancellation, owed to the late recipient as well",
         None, "", after(granted(), cancelled)),
    Case("acknowledgement-of-a-granted", "an acknowledgement by the late recipient", None, "",
         after(granted(), lambda w, c: w.ack(c.envelope, WATCH_DESK))),
    Case("acknowledgement-purged", "a recipient attests that it purged", None, "",
         after(lambda w, c: w.ack(c.envelope, outcome="purged"))),
    Case("acknowledgement-unreadable", "a recipient attests that it cannot read", None, "",
         after(lambda w, c: w.ack(c.envelope, outcome="unreadable"))),
    Case("release", "a release by another endpoint of the same member", None, "",
         of_one(released(), releasing)),
    Case("release-first", "a release that comes before its bulletin, brought by the author",
         None, "",
         lambda w: Posted(w.arrival(w.release(w.envelope()), OPS), (releasing(w),))),
]  # fmt: skip
