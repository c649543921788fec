"""What became of a request, as its asker and those who are asked are told."""

from __future__ import annotations

import msgspec
import pytest

from exchange.client import requesting
from exchange.client.outbox import Outbox
from exchange.client.reading import Delivered, Requested
from exchange.client.requesting import Ask, every
from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.seal.close import Envelope
from tests.api.serving import serving
from tests.builders import COAST, DESK, OPS, WATCH_DESK, digest, new_id, world
from tests.client.dealing import cabinet
from tests.client.granting import line
from tests.requested import answer, asked, request
from tests.vectors.forging import payload_of

W = world()


def come(index, raw):
    return Requested(index, index, 0, asked(raw), digest(raw))


def granted(index, feed="maritime", by=OPS):
    made = W.closed(feed=feed)
    grant = asked_grant(W.grant(made, WATCH_DESK, by))
    header = made.header
    return Delivered(
        index, index, 0, header, digest(made.envelope.header), False, None, 1, 0, grant=grant
    )


def asked_grant(envelope):
    return objects.decode_grant(payload_of(envelope.header))


def sent(folder, *objects_):
    """An outbox of which each object was recorded, at the index of its place."""
    box = Outbox(cabinet(folder))
    for index, raw in enumerate(objects_):
        identity = asked(raw).id
        box.keep(identity, Envelope(raw, b""))
        box.settle(identity, objects.Receipt("pa", index, "{}", [], msgspec.Raw(b"{}")))
    return box


def test_request_is_open_until_it_is_answered_and_the_newest_answer_counts(tmp_path):
    raw = request(W, WATCH_DESK)
    box = sent(tmp_path, raw)
    (known,) = every(box, [])
    assert (known.state, known.is_ours, known.index) == ("open", True, 0)
    declined = answer(W, raw)
    given = answer(W, raw, DESK, step="granted", reason=None)
    (known,) = every(box, [come(5, declined)])
    assert (known.state, known.reason, known.answered_by) == ("declined", "no-need", OPS)
    for order in ([come(5, declined), come(6, given)], [come(6, given), come(5, declined)]):
        (known,) = every(box, order)
        assert (known.state, known.reason, known.answered_by) == ("granted", None, DESK)


def test_request_that_was_not_sent_yet_waits(tmp_path):
    raw = request(W, WATCH_DESK)
    box = Outbox(cabinet(tmp_path))
    box.keep(asked(raw).id, Envelope(raw, b""))
    (known,) = every(box, [])
    assert (known.state, known.index) == ("waiting", None)


@pytest.mark.parametrize(
    ("changes", "at"),
    [({"bulletin": "not-an-id"}, "/bulletin"), ({"since": -86_400}, "/since")],
    ids=["bulletin", "since"],
)
async def test_what_nobody_could_decode_is_refused_before_it_is_signed(tmp_path, changes, at):
    async with serving() as door, line(door.url, tmp_path, WATCH_DESK) as asker:
        view, _ = await asker.known_view()
        ask = Ask(**{"to": OPS, "feed": "maritime", "since": 0, **changes})
        with pytest.raises(Refusal) as caught:
            requesting.asked(asker, ask, view)
        assert (caught.value.code, caught.value.at) == (Code.WRONG_VALUE, at)


def test_answer_to_another_request_says_nothing_of_this_one(tmp_path):
    raw = request(W, WATCH_DESK)
    (known,) = every(sent(tmp_path, raw), [come(5, answer(W, request(W, WATCH_DESK)))])
    assert known.state == "open"


def test_answer_of_another_member_than_was_asked_is_none(tmp_path):
    raw = request(W, WATCH_DESK)
    (known,) = every(sent(tmp_path, raw), [come(5, answer(W, raw, COAST))])
    assert (known.state, known.answered_by) == ("open", None)


def test_what_was_granted_since_by_whom_was_asked_on_that_feed_is_told(tmp_path):
    raw = request(W, WATCH_DESK)
    items = [granted(7), granted(8, feed="dialogue"), granted(9, by="us.jiatfs/watch")]
    box = sent(tmp_path, raw)
    (known,) = every(box, items)
    assert known.granted == [items[0].header.id]
    # What came before it was asked was not granted because of it.
    later = request(W, WATCH_DESK, id=new_id())
    box = sent(tmp_path / "later", *(request(W) for _ in range(8)), later)
    known = {each.digest: each for each in every(box, items)}
    assert known[digest(later)].granted == []


def test_who_is_asked_sees_what_is_open_and_what_a_colleague_answered(tmp_path):
    one, other = request(W, WATCH_DESK), request(W, WATCH_DESK)
    items = [come(3, one), come(4, other), come(5, answer(W, one, DESK))]
    known = {each.digest: each for each in every(sent(tmp_path), items)}
    assert (known[digest(one)].state, known[digest(one)].answered_by) == ("declined", DESK)
    assert (known[digest(other)].state, known[digest(other)].is_ours) == ("open", False)
    # What was answered here as well, though it waits for nobody's inbox.
    box = sent(tmp_path, answer(W, other))
    known = {each.digest: each for each in every(box, items)}
    assert known[digest(other)].state == "declined"
    assert requesting.one(list(known.values()), "4").digest == digest(other)
