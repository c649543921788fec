"""A sender is told whose key is unfit, and why, before anything is sealed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from exchange import render
from exchange.client import compose
from exchange.errors import Code, Refusal
from exchange.model.codes import Lang
from exchange.model.trust import Endpoint
from exchange.seal.suites import SUITES
from tests import builders
from tests.builders import COAST, DAY, DESK, NOW, OPS, WATCH
from tests.client import dealing
from tests.model.bulletins import CODES
from tests.policy.test_expiry import ending

WORLD = builders.world()
WRAP = SUITES[WORLD.view.standing(OPS).endpoint.suite].wrap


def begins(since: int) -> Callable[[Endpoint], Endpoint]:
    def change(endpoint: Endpoint) -> Endpoint:
        keys = [
            msgspec.structs.replace(key, since=since) if key.use == "enc" else key
            for key in endpoint.keys
        ]
        return msgspec.structs.replace(endpoint, keys=keys)

    return change


def signs_only(endpoint: Endpoint) -> Endpoint:
    keys = [key for key in endpoint.keys if key.use == "sig"]
    return msgspec.structs.replace(endpoint, keys=keys)


def prepare(
    *documents: bytes, to: str = WATCH, releasable_to: tuple[str, ...] = ()
) -> compose.Prepared:
    read = dealing.draft()
    nations = list(releasable_to) or read.post.marking.releasable_to
    marking = msgspec.structs.replace(read.post.marking, releasable_to=nations)
    post = msgspec.structs.replace(read.post, to=[to] if to else [], marking=marking)
    return compose.prepare(
        msgspec.structs.replace(read, post=post),
        WORLD.later(*documents),
        endpoint=OPS,
        identity=builders.new_id(),
        now=NOW,
        codes=CODES,
    )


UNFIT: list[Any] = [
    (ending("enc", NOW), Code.RECIPIENT_KEY_UNFIT, "unexpired-key"),
    (begins(NOW + 1), Code.RECIPIENT_KEY_UNFIT, "begun-key"),
    (signs_only, Code.RECIPIENT_LACKS_SUITE, WRAP),
    (builders.suspended, Code.ENDPOINT_SUSPENDED, None),
]


@pytest.mark.parametrize(("change", "code", "expected"), UNFIT)
def test_named_recipient_whose_key_is_unfit_is_refused_by_name(
    change: Any, code: Code, expected: str | None
) -> None:
    assert [each.endpoint for each in prepare().readers] == [WATCH]
    with pytest.raises(Refusal) as refusal:
        prepare(WORLD.amended(WATCH, change))
    assert (refusal.value.code, refusal.value.facts["name"]) == (code, WATCH)
    assert refusal.value.facts.get("expected") == expected


@pytest.mark.parametrize(("change", "code", "expected"), UNFIT[:3])
def test_subscriber_whose_key_is_unfit_is_left_out_by_name_and_silences_nobody(
    change: Any, code: Code, expected: str
) -> None:
    subscribed = WORLD.subscription(COAST)
    assert prepare(subscribed).left_out == []
    prepared = prepare(subscribed, WORLD.amended(COAST, change))
    assert [each.endpoint for each in prepared.readers] == [WATCH]
    assert prepared.header.to == [WATCH]
    (left,) = prepared.left_out
    assert (left.endpoint, left.why.code, left.why.facts["expected"]) == (COAST, code, expected)


def test_feed_of_which_no_subscriber_can_be_sealed_to_is_refused_with_the_reason() -> None:
    documents = [WORLD.subscription(COAST), WORLD.amended(COAST, ending("enc", NOW - DAY))]
    with pytest.raises(Refusal) as refusal:
        prepare(*documents, to="")
    assert (refusal.value.code, refusal.value.facts["name"]) == (
        Code.RECIPIENT_KEY_UNFIT,
        COAST,
    )


def test_feed_that_nobody_subscribed_to_is_refused_as_such() -> None:
    with pytest.raises(Refusal) as refusal:
        prepare(to="")
    assert (refusal.value.code, refusal.value.at) == (Code.NO_READERS, "/post/to")
    assert refusal.value.facts == {"name": dealing.draft().post.feed}


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ([], f"{WATCH} (not-releasable)"),
        (
            [WORLD.subscription(DESK), WORLD.amended(DESK, ending("enc", NOW - DAY))],
            f"{DESK} (recipient-key-unfit), {WATCH} (not-releasable)",
        ),
    ],
)
def test_feed_of_which_the_marking_keeps_subscribers_out_says_whom_and_why(
    more: list[bytes], found: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        prepare(WORLD.subscription(WATCH), *more, to="", releasable_to=("PAN",))
    assert (refusal.value.code, refusal.value.facts["found"]) == (Code.NO_READERS, found)
    languages: tuple[Lang, Lang] = ("en", "es")
    for lang in languages:
        assert found in render.refusal(refusal.value, lang, CODES).what


@pytest.mark.parametrize(
    ("lang", "change", "said"),
    [
        ("en", ending("enc", NOW - DAY), "the last one ended on 2026-11-"),
        ("es", ending("enc", NOW - DAY), "la última terminó el 2026-11-"),
        ("en", begins(NOW + DAY), "the next one begins on 2026-12-0"),
        ("es", begins(NOW + DAY), "la próxima comienza el 2026-12-0"),
        ("en", signs_only, WRAP),
        ("es", signs_only, WRAP),
    ],
)
def test_reason_is_told_in_both_languages(lang: Any, change: Any, said: str) -> None:
    with pytest.raises(Refusal) as refusal:
        prepare(WORLD.amended(WATCH, change))
    text = render.refusal(refusal.value, lang, CODES).what
    assert said in text
    assert WATCH in text
