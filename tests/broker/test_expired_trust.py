"""What custodians did not renew in time: nothing new rests on it, and it can be mended."""

from __future__ import annotations

import msgspec
import pytest

from exchange.broker.records import Recorded, Rejected
from exchange.errors import Code
from tests.books import Book
from tests.builders import COAST, HOUR, MINSA, NOW, OPS, WATCH, new_id, refers, suspended, world
from tests.drafted import drafted
from tests.vectors.listing import expiring

WORLD = world()
THEN = NOW + HOUR
replace = msgspec.structs.replace


def told(settled):
    assert isinstance(settled, Rejected)
    refusal = settled.refusal
    return refusal.code, refusal.at, refusal.facts["name"]


def book(*nations):
    """A journal in which these nations' files run out after an hour."""
    made = Book()
    for nation in nations:
        there = WORLD._replace(view=made.view)
        made.post(there.arrival(expiring(there, nation, THEN), MINSA))
    return made


def posted(made, *arrivals):
    (settled,) = made.post(*arrivals)
    return settled


@pytest.mark.parametrize(
    ("nation", "to", "at"), [("pa", COAST, "/endpoint"), ("us", COAST, "/to/0")]
)
def test_bulletin_is_refused_from_the_second_in_which_a_role_runs_out(nation, to, at):
    made = book(nation)
    last = WORLD.arrival(WORLD.envelope(to=[to]), at=THEN - 1)
    assert isinstance(posted(made, last), Recorded)
    first = WORLD.arrival(WORLD.envelope(to=[to]), at=THEN)
    assert told(posted(made, first)) == (Code.TRUST_EXPIRED, at, nation)


def test_grant_release_and_draft_are_refused_as_a_bulletin_is():
    closed = WORLD.closed()
    for nation, at in (("pa", "/endpoint"), ("us", "/to")):
        made = book(nation)
        assert isinstance(posted(made, WORLD.arrival(closed.envelope)), Recorded)
        grant = WORLD.arrival(WORLD.grant(closed, at=THEN), OPS, at=THEN)
        assert told(posted(made, grant)) == (Code.TRUST_EXPIRED, at, nation)
    made = book("pa")
    release = WORLD.arrival(WORLD.release(closed.envelope, at=THEN), OPS, at=THEN)
    assert told(posted(made, release)) == (Code.TRUST_EXPIRED, "/endpoint", "pa")
    draft = drafted(WORLD, closed.envelope, at=THEN, until=THEN + 1)
    asked = WORLD.arrival(draft, OPS, at=THEN)
    assert told(posted(made, asked)) == (Code.TRUST_EXPIRED, "/endpoint", "pa")


def cancelling(of, **changes):
    refs = refers("cancels", of)
    usual = {"type": "can", "verb": "cancel", "refs": refs, "expires": THEN + HOUR}
    envelope = WORLD.envelope(**{**usual, **changes})
    return WORLD.arrival(envelope, at=THEN)


def test_cancellation_is_taken_whatever_ran_out_and_a_correction_is_not():
    made, envelope = book("pa", "us"), WORLD.envelope()
    assert isinstance(posted(made, WORLD.arrival(envelope)), Recorded)
    refs = refers("corrects", envelope)
    correction = WORLD.envelope(type="cor", verb="correct", refs=refs)
    settled = posted(made, WORLD.arrival(correction, at=THEN))
    assert told(settled) == (Code.TRUST_EXPIRED, "/endpoint", "pa")
    assert isinstance(posted(made, cancelling(envelope)), Recorded)


def test_cancellation_by_a_key_that_is_over_or_a_suspended_author_is_refused_all_the_same():
    def over(endpoint):
        keys = [replace(key, until=THEN) for key in endpoint.keys]
        return replace(endpoint, keys=keys)

    for change, code in ((over, Code.KEY_NOT_VALID), (suspended, Code.ENDPOINT_SUSPENDED)):
        made, envelope = book("us"), WORLD.envelope()
        assert isinstance(posted(made, WORLD.arrival(envelope)), Recorded)
        there = WORLD._replace(view=made.view)
        amended = there.arrival(there.amended(OPS, change), MINSA)
        assert isinstance(posted(made, amended), Recorded)
        settled = posted(made, cancelling(envelope))
        assert isinstance(settled, Rejected)
        assert settled.refusal.code is code


def test_acknowledgement_of_what_was_let_in_is_still_taken():
    made, envelope = book("pa", "us"), WORLD.envelope()
    assert isinstance(posted(made, WORLD.arrival(envelope)), Recorded)
    ack = WORLD.arrival(WORLD.ack(envelope, WATCH, id=new_id(), at=THEN), WATCH, at=THEN)
    assert isinstance(posted(made, ack), Recorded)


def test_what_mends_it_is_taken_and_so_is_a_suspension_meanwhile():
    made = book("pa", "us")
    there = WORLD._replace(view=made.view)
    suspension = there.amended(COAST, suspended)
    assert isinstance(posted(made, there.arrival(suspension, MINSA, at=THEN)), Recorded)
    there = WORLD._replace(view=made.view)
    renewed = there.arrival(expiring(there, "pa", THEN + HOUR), MINSA, at=THEN)
    assert isinstance(posted(made, renewed), Recorded)
    after = WORLD.arrival(WORLD.envelope(to=[WATCH]), at=THEN)
    assert isinstance(posted(made, after), Recorded)


@pytest.mark.parametrize("name", ["root", "targets"])
def test_what_both_nations_sign_stops_both(name):
    view = WORLD.view
    file = view.files[name]._replace(expires=THEN)
    made = Book(msgspec.structs.replace(view, files={**view.files, name: file}))
    for endpoint in (OPS, WATCH):
        envelope = WORLD.envelope(endpoint=endpoint, to=[COAST])
        arrival = WORLD.arrival(envelope, at=THEN)
        assert told(posted(made, arrival)) == (Code.TRUST_EXPIRED, "/endpoint", name)
