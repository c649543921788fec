"""Which old opening keys are due to be destroyed: none that anybody still needs."""

from __future__ import annotations

import pytest

from exchange.cli.keying import ending
from exchange.client.sealed import Sealed
from exchange.custody import ring
from exchange.custody.container import Life
from exchange.errors import Code, Refusal
from exchange.model.trust import EndpointKey
from exchange.seal.software import new_opening
from tests.builders import DAY, NOW, WATCH, Randomness, world

SECRETS = world().secrets[WATCH]
PRESENT = new_opening(world().view.standing(WATCH).endpoint.suite, Randomness("present"))
PAST = world().key(WATCH)
# One past key, and the one in use.
HELD = ring.with_keys(SECRETS, ring.OPEN, [*SECRETS.of(ring.OPEN), PRESENT], Life(0, NOW))


def due(listed=(), retained=(), kept=()):
    entries = {jwk.kid: EndpointKey("enc", jwk, 0, until) for jwk, until in listed}
    items = [Sealed("id", 7, until, frozenset({kid, "another's"})) for kid, until in retained]
    return ending._due(HELD, ending._Found(entries, items, list(kept)), NOW)


def test_past_key_that_nobody_needs_is_due():
    assert due() == [PAST.kid]
    assert due(listed=[(PAST, NOW)]) == [PAST.kid]
    assert due(retained=[(PAST.kid, NOW)]) == [PAST.kid]
    assert due(retained=[("another's", NOW + DAY)]) == [PAST.kid]


def test_key_that_others_may_seal_to_is_not_due():
    assert due(listed=[(PAST, NOW + 1)]) == []


def test_key_that_a_bulletin_to_be_retained_needs_is_not_due():
    assert due(retained=[(PAST.kid, NOW + 1)]) == []


def test_key_that_a_grant_may_be_made_with_is_not_due():
    assert due(kept=[("id", NOW + 1, PAST.kid)]) == []
    assert due(kept=[("id", NOW, PAST.kid), ("id", NOW + 1, "x")]) == [PAST.kid]


def test_key_that_something_was_granted_under_is_not_due():
    assert due(retained=[(PAST.kid, None)]) == []


def test_what_can_no_longer_be_granted_is_told():
    found = ending._Found({}, [], [("one", NOW + 1, PAST.kid), ("two", NOW, PAST.kid)])
    assert ending._lost(found, {PAST.kid}, NOW, []).grants == ["one"]


def test_beginning_of_a_kid_must_mean_one_key():
    assert ending._chosen(HELD, [PAST.kid[:8]]) == [PAST.kid]
    for kid in ("", "no-such-key", world().signers[WATCH].keys[0].kid):
        with pytest.raises(Refusal) as refusal:
            ending._chosen(HELD, [kid])
        assert refusal.value.code == Code.UNKNOWN_KEY
