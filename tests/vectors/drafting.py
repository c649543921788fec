"""Cases of sealed drafts: what asks for a release, declines one, or takes the question back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from exchange.errors import Code
from exchange.model.header import Blob
from exchange.model.objects import DRAFT_TYP
from exchange.model.trust import Sizes
from exchange.seal.close import Envelope
from tests.builders import DAY, DESK, MINSA, NOW, OPS, WATCH, WATCH_DESK, World, releaser
from tests.consented import controlled
from tests.drafted import declined, drafted, withdrawn
from tests.vectors import forging
from tests.vectors.case import Case, Posted
from tests.vectors.releasing import RED, documents

LABEL = "exercise-author"
Make = Callable[[World, Envelope], Any]


def of_one(make: Make, *befores: Make, documents: Any = documents) -> Callable[[World], Posted]:
    """What is made of one bulletin that is not posted yet, after what came before."""

    def posted(world: World) -> Posted:
        sent = world.envelope(**RED)
        before = tuple(world.arrival(each(world, sent)) for each in befores)
        made = make(world, sent)
        raw = made.header if isinstance(made, Envelope) else made
        caller = json.loads(forging.payload_of(raw))["endpoint"]
        return Posted(world.arrival(made, caller), documents(world), before)

    return posted


def asking(by: str = OPS, **changes: Any) -> Make:
    return lambda world, sent: drafted(world, sent, by, **changes)


def altered(change: Callable[[Any], Any]) -> Make:
    """A draft whose payload was changed before it was signed."""

    def make(world: World, sent: Envelope) -> Envelope:
        honest = drafted(world, sent)
        raw = forging.altered(forging.payload_of(honest.header), change)
        return honest._replace(header=world.sign(raw, DRAFT_TYP, OPS))

    return make


def _released_by(officer: str) -> Make:
    return lambda world, sent: world.release(sent, officer=officer)


def _bounded(world: World) -> tuple[bytes, ...]:
    """It is agreed, too, that an attachment has 999 bytes at most."""
    agreed = world.rearranged(four_eyes=["tlp:red"], sizes=Sizes(524_288, 999, 1200))
    return (agreed, documents(world)[1])


def _named(world: World) -> tuple[bytes, ...]:
    """It is agreed, too, that whoever has to do with a release is named."""
    agreed = world.rearranged(four_eyes=["tlp:red"], officers=["released"])
    return (agreed, documents(world)[1])


def _posted(world: World) -> Posted:
    sent = world.envelope(**RED)
    before = (world.arrival(world.release(sent)), world.arrival(sent))
    return Posted(world.arrival(drafted(world, sent)), documents(world), before)


def _sealed_to_another(world: World, sent: Envelope) -> Envelope:
    """Named is the desk, sealed to the watch."""
    other = drafted(world, sent, to=[WATCH])
    told = json.loads(forging.payload_of(other.header))
    return other._replace(header=world.sign({**told, "to": [DESK]}, DRAFT_TYP, OPS))


def _forged(world: World, sent: Envelope) -> Envelope:
    honest = drafted(world, sent)
    raw = forging.payload_of(honest.header)
    return honest._replace(header=world.sign(raw, DRAFT_TYP, DESK))


def _no_releaser(world: World) -> tuple[bytes, ...]:
    return documents(world)[:1]


def _author_releases(world: World) -> tuple[bytes, ...]:
    return (documents(world)[0], world.amended(OPS, releaser))


def _reader(endpoint: Any) -> Any:
    return msgspec.structs.replace(endpoint, roles=["reader"])


def _no_poster(world: World) -> tuple[bytes, ...]:
    return (documents(world)[0], world.amended(OPS, _reader))


def _with_what_is_controlled(*, is_granted: bool) -> Callable[[World], Posted]:
    """A recipient asks a colleague to release what carries an attachment under control."""

    def posted(world: World) -> Posted:
        attached = Blob("B" * 43, 1024)
        closed = controlled(world, attachments=[attached], to=[WATCH])
        own = world.envelope(endpoint=WATCH, to=[OPS], attachments=[attached])
        asked = drafted(world, own, WATCH, to=[WATCH_DESK], attachments=[attached])
        before = [closed.envelope, *([world.grant(closed)] if is_granted else [])]
        arrivals = tuple(map(world.arrival, before))
        brought = (world.amended(WATCH_DESK, _releasing_reader),)
        return Posted(world.arrival(asked), brought, arrivals, (attached,))

    return posted


def _releasing_reader(endpoint: Any) -> Any:
    return msgspec.structs.replace(endpoint, roles=["reader", "releaser"])


_OTHER = Blob("A" * 43, 4)

REFUSE = [
    Case("draft-to-no-releaser", "sealed to a colleague without the role", Code.MISSING_ROLE,
         "/to/0", of_one(asking(), documents=_no_releaser)),
    Case("draft-to-oneself", "sealed to its own author, who has the role", Code.OWN_RELEASE,
         "/to/0", of_one(asking(to=[OPS]), documents=_author_releases)),
    Case("draft-to-another-member", "sealed to another agency", Code.ORIGIN_MISMATCH, "/to/0",
         of_one(asking(to=[MINSA]))),
    Case("draft-by-no-poster", "by one who may not post", Code.MISSING_ROLE, "/endpoint",
         of_one(asking(), documents=_no_poster)),
    Case("draft-to-a-stranger", "sealed to an endpoint in no directory",
         Code.UNKNOWN_RECIPIENT, "/to/0",
         of_one(altered(lambda told: told.update(to=["pa.senan/nadie"])))),
    Case("draft-sealed-to-another", "named is one endpoint, and the key is another's",
         Code.WRAPS_MISMATCH, "/to/0", of_one(_sealed_to_another)),
    Case("draft-without-body", "asked, and nothing to look at", Code.MISSING_BLOB, "/body",
         of_one(lambda w, s: drafted(w, s)._replace(body=b""))),
    Case("draft-of-another-body", "the body is not the one named", Code.DIGEST_MISMATCH,
         "/body/digest", of_one(altered(lambda told: told["body"].update(digest="A" * 43)))),
    Case("draft-of-a-longer-body", "the body is shorter than named", Code.SIZE_MISMATCH,
         "/body/size", of_one(altered(lambda told: told["body"].update(size=7)))),
    Case("draft-with-no-body-named", "asked, and a body that it does not name",
         Code.WRONG_VALUE, "/body", of_one(altered(lambda told: told.update(body=None)))),
    Case("draft-withdrawn-with-a-body", "a body beside a withdrawal", Code.BAD_FRAMING, "/body",
         of_one(lambda w, s: withdrawn(w, s)._replace(body=b"{}"), asking())),
    Case("draft-declined-with-attachments", "attachments of what is declined",
         Code.WRONG_VALUE, "/attachments",
         of_one(lambda w, s: declined(w, s, attachments=[_OTHER]), asking())),
    Case("draft-without-its-attachment", "it names a file that nobody uploaded",
         Code.MISSING_BLOB, "/attachments/0", of_one(asking(attachments=[_OTHER]))),
    Case("draft-with-an-attachment-too-large", "it names a file larger than was agreed",
         Code.OVERSIZED, "/attachments/0/size",
         of_one(asking(attachments=[Blob("A" * 43, 1000)]), documents=_bounded)),
    Case("draft-with-attachments-too-large", "its files are larger together than was agreed",
         Code.OVERSIZED, "/attachments",
         of_one(asking(attachments=[Blob("A" * 43, 600), Blob("B" * 43, 601)]),
                documents=_bounded)),
    Case("draft-with-what-is-controlled", "it names the attachment of what is under another's "
         "control, to a releaser who does not hold that", Code.ORIGINATOR_CONTROL,
         "/attachments/0", _with_what_is_controlled(is_granted=False)),
    Case("draft-unknown-member", "a member of no name", Code.UNKNOWN_MEMBER, "",
         of_one(altered(lambda told: told.update(x=1)))),
    Case("draft-to-unsorted", "two releasers, not in order", Code.WRONG_VALUE, "/to",
         of_one(altered(lambda told: told.update(to=[OPS, DESK])))),
    Case("draft-ahead", "made beyond the tolerated skew", Code.NOT_YET_ISSUED, "/at",
         of_one(asking(at=NOW + 301))),
    Case("draft-over-at-once", "to be gone this very second", Code.EXPIRED, "/until",
         of_one(asking(until=NOW))),
    Case("draft-for-too-long", "kept for longer than a bulletin may live", Code.LIFETIME,
         "/until", of_one(asking(until=NOW + 365 * DAY))),
    Case("draft-of-other-caller", "brought by another than its author", Code.NOT_YOURS,
         "/endpoint",
         lambda w: Posted(w.arrival(drafted(w, w.envelope(**RED)), DESK), documents(w))),
    Case("draft-forged", "signed by a colleague in its author's name", Code.UNKNOWN_KEY,
         "/signatures/0", of_one(_forged)),
    Case("draft-twice", "the same is asked a second time", Code.ALREADY_HELD, "/of",
         of_one(asking(), asking())),
    Case("draft-of-what-is-posted", "its bulletin is in", Code.RELEASE_LATE, "/of", _posted),
    Case("draft-declined-unasked", "nobody asked", Code.TARGET_UNKNOWN, "/of",
         of_one(declined)),
    Case("draft-declined-without-role", "by one who releases nothing", Code.MISSING_ROLE,
         "/endpoint",
         of_one(lambda w, s: drafted(w, s, MINSA, "declined"), asking())),
    Case("draft-declined-to-two", "to more than its author", Code.WRONG_VALUE, "/to",
         of_one(lambda w, s: declined(w, s, to=[DESK, OPS]), asking())),
    Case("draft-declined-twice", "it was declined before", Code.DRAFT_OVER, "/of",
         of_one(declined, asking(), declined)),
    Case("draft-declined-after-withdrawal", "it was withdrawn before", Code.DRAFT_OVER, "/of",
         of_one(declined, asking(), withdrawn)),
    Case("draft-withdrawn-unasked", "nothing was asked", Code.TARGET_UNKNOWN, "/of",
         of_one(withdrawn)),
    Case("draft-withdrawn-from-others", "from others than were asked", Code.TARGET_MISMATCH,
         "/to", of_one(lambda w, s: withdrawn(w, s, to=[MINSA]), asking())),
    Case("release-of-a-declined", "what was declined is released all the same",
         Code.DRAFT_OVER, "/of", of_one(lambda w, s: w.release(s), asking(), declined)),
    Case("release-of-a-withdrawn", "what its author took back is released",
         Code.DRAFT_OVER, "/of", of_one(lambda w, s: w.release(s), asking(), withdrawn)),
    Case("release-by-the-same-officer", "by the person who asked, at another desk",
         Code.OWN_RELEASE, "/officer",
         of_one(_released_by(LABEL), asking(officer=LABEL))),
    Case("release-by-the-same-officer-otherwise-spelled", "by the same, in capital letters",
         Code.OWN_RELEASE, "/officer",
         of_one(_released_by(LABEL.upper()), asking(officer=LABEL))),
    Case("release-by-one-endpoint-twice", "by one that released it before",
         Code.ALREADY_RELEASED, "/of",
         of_one(_released_by("exercise-2"), asking(), _released_by("exercise-1"))),
    Case("draft-without-an-officer", "where one is to be named", Code.OFFICER_REQUIRED,
         "/officer", of_one(asking(), documents=_named)),
    Case("release-without-an-officer", "where one is to be named", Code.OFFICER_REQUIRED,
         "/officer",
         of_one(lambda w, s: w.release(s, officer=None), documents=_named)),
    Case("draft-declined-without-an-officer", "where one is to be named",
         Code.OFFICER_REQUIRED, "/officer",
         of_one(declined, asking(officer=LABEL), documents=_named)),
]  # fmt: skip
ACCEPT = [
    Case("draft", "an author asks for a release", None, "", of_one(asking(officer=LABEL))),
    Case("draft-declined", "a releaser declines", None, "", of_one(declined, asking())),
    Case("draft-withdrawn", "its author takes it back", None, "",
         of_one(withdrawn, asking())),
    Case("draft-with-what-is-controlled-and-held", "and to a releaser who was granted that",
         None, "", _with_what_is_controlled(is_granted=True)),
    Case("draft-withdrawn-late", "taken back when its own time is over", None, "",
         of_one(lambda w, s: withdrawn(w, s, until=NOW - DAY), asking())),
    Case("draft-withdrawn-after-release", "released, and not posted after all", None, "",
         of_one(withdrawn, asking(), lambda w, s: w.release(s))),
    Case("release-by-another-officer", "by another person than asked", None, "",
         of_one(_released_by("exercise-releaser"), asking(officer=LABEL))),
    Case("draft-withdrawn-without-an-officer", "taken back, by nobody that is named", None, "",
         of_one(withdrawn, asking(officer=LABEL), documents=_named)),
    Case("release-without-officers", "neither who asked nor who released is named", None, "",
         of_one(lambda w, s: w.release(s, officer=None), asking())),
]  # fmt: skip
