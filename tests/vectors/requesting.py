"""Cases of requests for a grant and of answers: what a node takes in, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from exchange.errors import Code
from exchange.model.objects import REQUEST_TYP
from exchange.seal.close import Envelope
from tests.builders import AUDIT, COAST, DESK, NOW, OPS, WATCH, World, subject, suspended
from tests.requested import answer, asked, of, request
from tests.vectors import forging
from tests.vectors.case import Case, Posted
from tests.vectors.granting import ANOTHER_ID, poster


def _asked(by: str = WATCH, to: str = OPS, **changes: Any) -> Callable[[World], bytes]:
    return lambda world: request(world, by, to, **changes)


def _answered(by: str = OPS, **changes: Any) -> Callable[[World], Posted]:
    """A request that was let in, then an answer to it."""

    def make(world: World) -> Posted:
        raw = request(world)
        made = answer(world, raw, by, **changes)
        return Posted(world.arrival(made), (), (world.arrival(raw),))

    return make


def _by_colleague(world: World) -> Posted:
    raw = request(world)
    made = world.arrival(answer(world, raw, DESK, step="granted", reason=None))
    return Posted(made, (world.amended(DESK, poster),), (world.arrival(raw),))


def _about(change: Callable[[World, bytes], Any]) -> Callable[[World], Posted]:
    def make(world: World) -> Posted:
        raw = request(world)
        made = answer(world, raw, of=change(world, raw))
        return Posted(world.arrival(made), (), (world.arrival(raw),))

    return make


def _of_a_bulletin(world: World) -> Posted:
    sent = world.envelope()
    raw = request(world)
    made = answer(world, raw, of=subject(sent))
    return Posted(world.arrival(made), (), (world.arrival(sent), world.arrival(raw)))


def _of_an_answer(world: World) -> Posted:
    raw = request(world)
    first = answer(world, raw)
    back = request(
        world, WATCH, OPS, step="declined", of=of(first), feed=None, since=None, reason="over"
    )
    return Posted(world.arrival(back), (), (world.arrival(raw), world.arrival(first)))


def _altered(change: Any) -> Callable[[World], bytes]:
    def make(world: World) -> bytes:
        raw = forging.payload_of(request(world))
        return world.sign(forging.altered(raw, change), REQUEST_TYP, WATCH)

    return make


def _id_again(world: World) -> Posted:
    raw = request(world)
    again = request(world, id=asked(raw).id, at=NOW - 1)
    return Posted(world.arrival(again), (), (world.arrival(raw),))


REQUESTS = [
    Case("request-beyond-entitlement", "of a feed that its member may not read",
         Code.MAY_NOT_READ, "/feed", _asked(COAST, feed="requests")),
    Case("request-of-no-feed", "of a feed that there is not", Code.UNKNOWN_FEED, "/feed",
         _asked(feed="air")),
    Case("request-of-no-reader", "by an endpoint without the reader's role",
         Code.MISSING_ROLE, "/endpoint", _asked(AUDIT)),
    Case("request-to-nobody", "of an endpoint that there is not", Code.UNKNOWN_RECIPIENT,
         "/to", _asked(to="pa.senan/nadie")),
    Case("request-to-suspended", "of an endpoint that was suspended", Code.ENDPOINT_SUSPENDED,
         "/to", lambda w: Posted(w.arrival(request(w)), (w.amended(OPS, suspended),))),
    Case("request-to-no-poster", "of an endpoint that does not post", Code.MAY_NOT_POST, "/to",
         _asked(to=DESK)),
    Case("request-to-another-feed-s-poster", "of a member that does not post there",
         Code.MAY_NOT_POST, "/to", _asked(to="us.uscg/ops", feed="requests")),
    Case("request-of-other-caller", "brought by another than who signed it", Code.NOT_YOURS,
         "/endpoint", lambda w: w.arrival(request(w), COAST)),
    Case("request-forged", "signed by another in the asker's name", Code.UNKNOWN_KEY,
         "/signatures/0",
         lambda w: w.sign(forging.payload_of(request(w)), REQUEST_TYP, COAST)),
    Case("request-ahead", "made beyond the tolerated skew", Code.NOT_YET_ISSUED, "/at",
         _asked(at=NOW + 301)),
    Case("request-with-a-body", "a body beside a request", Code.BAD_FRAMING, "/body",
         lambda w: Envelope(request(w), b"{}")),
    Case("request-unknown-member", "a member of no name", Code.UNKNOWN_MEMBER, "",
         _altered(lambda told: told.update(x=1))),
    Case("request-without-a-feed", "asked for nothing", Code.WRONG_VALUE, "/feed",
         _asked(feed=None)),
    Case("request-without-a-time", "asked for since ever", Code.WRONG_VALUE, "/since",
         _asked(since=None)),
    Case("request-with-a-reason", "asked and declined at once", Code.WRONG_VALUE, "/reason",
         _asked(reason="no-need")),
    Case("request-id-used-again", "a request whose id was used", Code.ID_REUSED, "/id",
         _id_again),
    Case("answer-of-nothing", "to a request that is not here", Code.TARGET_UNKNOWN, "/of",
         lambda w: answer(w, request(w))),
    Case("answer-by-another-member", "by one who was not asked", Code.TARGET_MISMATCH, "/of",
         _answered(COAST)),
    Case("answer-to-another", "for one who did not ask", Code.TARGET_MISMATCH, "/of",
         _answered(to=COAST)),
    Case("answer-under-another-id", "id and digest of two requests", Code.TARGET_MISMATCH,
         "/of", _about(lambda _, raw: msgspec.structs.replace(of(raw), id=ANOTHER_ID))),
    Case("answer-to-a-bulletin", "as if a bulletin had asked", Code.TARGET_MISMATCH, "/of",
         _of_a_bulletin),
    Case("answer-to-an-answer", "as if an answer had asked", Code.TARGET_MISMATCH, "/of",
         _of_an_answer),
    Case("answer-without-role", "by a colleague who may not post", Code.MISSING_ROLE,
         "/endpoint", _answered(DESK)),
    Case("answer-without-a-reason", "declined, and not why", Code.WRONG_VALUE, "/reason",
         _answered(reason=None)),
    Case("answer-granted-with-a-reason", "granted, and why not", Code.WRONG_VALUE, "/reason",
         _answered(step="granted")),
    Case("answer-of-no-request", "an answer to nothing named", Code.WRONG_VALUE, "/of",
         _answered(of=None)),
    Case("answer-with-a-feed", "an answer that asks", Code.WRONG_VALUE, "/feed",
         _answered(feed="maritime")),
    Case("answer-with-a-bulletin", "an answer that names a bulletin", Code.WRONG_VALUE,
         "/bulletin", _answered(bulletin=ANOTHER_ID)),
]  # fmt: skip

ACCEPT = [
    Case("request", "one asks for what was posted on a feed that it may read", None, "",
         _asked()),
    Case("request-of-one", "by a reader that posts nothing, for one bulletin, of which the node"
         " does not say whether it is there", None, "",
         _asked(DESK, WATCH, bulletin=ANOTHER_ID)),
    Case("answer-declined", "one who was asked declines, with a reason", None, "",
         _answered()),
    Case("answer-granted", "a colleague of who was asked says that it is granted, owed to both",
         None, "", _by_colleague),
]  # fmt: skip
