"""That a key ends is said 30 days ahead, 7, 1, and once it has ended: of the right key."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from exchange.model.trust import Endpoint, EndpointKey
from exchange.model.view import View
from exchange.policy import expiry
from exchange.policy.expiry import Lapse
from tests import builders
from tests.builders import DAY, NOW, OPS, WATCH

WORLD = builders.world()
Change = Callable[[EndpointKey], EndpointKey]


def ending(use: str, until: int, alg: str | None = None) -> Callable[[Endpoint], Endpoint]:
    """An endpoint whose keys of a use end then."""

    def change(endpoint: Endpoint) -> Endpoint:
        keys = [
            msgspec.structs.replace(key, until=until)
            if key.use == use and alg in (None, key.jwk.alg)
            else key
            for key in endpoint.keys
        ]
        return msgspec.structs.replace(endpoint, keys=keys)

    return change


@pytest.mark.parametrize(
    ("left", "step"),
    [
        (30 * DAY + 1, None),
        (30 * DAY, 30),
        (7 * DAY + 1, 30),
        (7 * DAY, 7),
        (DAY + 1, 7),
        (DAY, 1),
        (1, 1),
        (0, 0),
        (-DAY, 0),
    ],
)
def test_step_is_the_narrowest_that_was_reached(left: int, step: int | None) -> None:
    assert Lapse("enc", NOW + left).step(NOW) == step


def test_days_left_are_whole_and_negative_once_it_ended() -> None:
    assert [Lapse("sig", NOW + left).days(NOW) for left in (DAY, DAY - 1, -1)] == [1, 0, -1]


def test_signing_ends_with_the_first_algorithm_that_no_key_is_left_of() -> None:
    endpoint = WORLD.view.standing(OPS).endpoint
    alg = next(key.jwk.alg for key in endpoint.keys if key.use == "sig")
    (sig, enc) = expiry.lapses(ending("sig", NOW + 9, alg)(endpoint))
    assert (sig, enc.use) == (Lapse("sig", NOW + 9), "enc")
    assert enc.until > NOW + DAY


def test_successor_that_is_listed_ends_the_warning_only_once_it_is_in_use() -> None:
    endpoint = ending("sig", NOW + 9)(WORLD.view.standing(OPS).endpoint)
    others = WORLD.view.standing(WATCH).endpoint.keys
    fresh = [key for key in others if key.use == "sig"]
    both = msgspec.structs.replace(endpoint, keys=[*endpoint.keys, *fresh])
    old = {key.jwk.kid for key in endpoint.keys}
    assert expiry.lapses(both, old)[0] == Lapse("sig", NOW + 9)
    assert expiry.lapses(both)[0].until == fresh[0].until
    assert expiry.lapses(both, {key.jwk.kid for key in fresh})[0].until == fresh[0].until


def test_newest_opening_key_counts() -> None:
    endpoint = ending("enc", NOW + 9)(WORLD.view.standing(OPS).endpoint)
    newer = EndpointKey("enc", WORLD.key(WATCH), NOW, NOW + 90 * DAY)
    for keys in ([*endpoint.keys, newer], [newer, *endpoint.keys]):
        both = msgspec.structs.replace(endpoint, keys=keys)
        assert expiry.lapses(both)[-1] == Lapse("enc", NOW + 90 * DAY)


def view(*changes: tuple[str, Callable[[Endpoint], Endpoint]]) -> View:
    return WORLD.later(*(WORLD.amended(name, change) for name, change in changes))


def test_endpoints_are_counted_by_how_soon_their_first_key_ends() -> None:
    assert expiry.counts(WORLD.view, NOW) == {0: 0, 1: 0, 7: 0, 30: 0}
    for left, counted in (
        (30 * DAY, {0: 0, 1: 0, 7: 0, 30: 1}),
        (7 * DAY, {0: 0, 1: 0, 7: 1, 30: 1}),
        (DAY, {0: 0, 1: 1, 7: 1, 30: 1}),
        (0, {0: 1, 1: 1, 7: 1, 30: 1}),
    ):
        assert expiry.counts(view((OPS, ending("enc", NOW + left))), NOW) == counted
    both = view((OPS, ending("enc", NOW + DAY)), (WATCH, ending("sig", NOW + 7 * DAY)))
    assert expiry.counts(both, NOW) == {0: 0, 1: 1, 7: 2, 30: 2}


def test_suspended_endpoint_alarms_nobody() -> None:
    def both(endpoint: Endpoint) -> Endpoint:
        return builders.suspended(ending("enc", NOW)(endpoint))

    assert set(expiry.counts(view((OPS, both)), NOW).values()) == {0}
