"""How long a bulletin is kept: by its header, and no longer than each rule that is for it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange import render
from exchange.client import compose
from exchange.errors import Code, Refusal
from exchange.model import trust
from exchange.model.trust import Retention
from exchange.policy import retention
from tests import builders
from tests.builders import DAY, NOW, OPS
from tests.client import dealing
from tests.model.bulletins import CODES

WORLD = builders.world()
LABEL: Any = {"es": "EJERCICIO", "en": "EXERCISE"}
TYPED = Retention("voi", LABEL, 20 * DAY, types=["voi"])
PERSONS = Retention("persons", LABEL, 10 * DAY, declares=["persons", "protected-person"])
ASKED = Retention("asked", LABEL, 90 * DAY, review_s=5 * DAY, silence_s=DAY)


def agreed(*rules: Retention) -> Any:
    return msgspec.structs.replace(WORLD.arrangement, retention=list(rules))


def header(until: int, **changes: Any) -> Any:
    return WORLD.header(**{"issued": NOW, "retain_until": until, **changes})


@pytest.mark.parametrize(
    ("rules", "changes", "name"),
    [
        ([], {}, None),
        ([TYPED], {}, "voi"),
        ([TYPED], {"type": "szr"}, None),
        ([PERSONS], {}, None),
        ([PERSONS], {"declares": ["protected-person"]}, "persons"),
        ([TYPED, PERSONS, ASKED], {"declares": ["persons"]}, "persons"),
        ([ASKED, TYPED], {}, "voi"),
        ([ASKED, TYPED], {"type": "szr"}, "asked"),
    ],
)
def test_strictest_rule_that_is_for_a_bulletin_holds(rules, changes, name):
    found = retention.longest(header(NOW + DAY, **changes), agreed(*rules))
    assert (found.name if found else None) == name


def test_review_is_by_the_rule_that_asks_soonest():
    later = msgspec.structs.replace(ASKED, name="later", review_s=6 * DAY)
    assert retention.review(header(NOW), agreed(later, ASKED, TYPED)) == ASKED
    assert retention.review(header(NOW), agreed(TYPED)) is None


@pytest.mark.parametrize(
    ("until", "taken", "expected"),
    [
        (NOW + 20 * DAY, NOW + 60, (NOW + 20 * DAY, "voi")),
        # Shorter than it might be: its author's own wish.
        (NOW + 20 * DAY - 1, NOW + 60, (NOW + 20 * DAY - 1, "")),
        (NOW + 20 * DAY + 60, NOW + 60, (NOW + 20 * DAY + 60, "voi")),
        # Issued ahead, within the skew: the rule counts from when it is taken in.
        (NOW + 20 * DAY, NOW - 60, (NOW + 20 * DAY - 60, "voi")),
        (NOW + 20 * DAY - 1, NOW - 60, (NOW + 20 * DAY - 60, "voi")),
        (NOW + 20 * DAY - 60, NOW - 60, (NOW + 20 * DAY - 60, "voi")),
        (NOW + 20 * DAY - 61, NOW - 60, (NOW + 20 * DAY - 61, "")),
    ],
)
def test_bulletin_is_kept_until_the_earlier_of_header_and_rule(until, taken, expected):
    assert retention.term(header(until), agreed(TYPED), taken) == expected
    assert retention.term(header(until), agreed(), taken) == (until, "")


@pytest.mark.parametrize(
    ("until", "taken", "limit"),
    [
        (NOW + 20 * DAY, NOW, None),
        (NOW + 20 * DAY + 1, NOW, NOW + 20 * DAY),
        (NOW + 20 * DAY + 9, NOW + 9, None),
        (NOW + 20 * DAY + 10, NOW + 9, NOW + 20 * DAY + 9),
        (NOW + 20 * DAY, NOW - 9, None),
    ],
)
def test_header_past_what_the_rule_allows_is_refused_and_told_which(until, taken, limit):
    def admit(*rules: Retention) -> None:
        retention.admit(header(until), agreed(*rules), taken)

    admit()
    if limit is None:
        admit(TYPED)
        return
    with pytest.raises(Refusal) as refusal:
        admit(TYPED)
    assert (refusal.value.code, refusal.value.at) == (
        Code.RETENTION_TOO_LONG,
        "/retain_until",
    )
    assert refusal.value.facts == {"name": "voi", "day": "2026-12-20"}


def prepared(*rules: Retention, **changes: Any) -> compose.Prepared:
    draft = dealing.draft()
    post = msgspec.structs.replace(draft.post, **changes)
    return compose.prepare(
        msgspec.structs.replace(draft, post=post),
        msgspec.structs.replace(WORLD.view, arrangement=agreed(*rules)),
        endpoint=OPS,
        identity=builders.new_id(),
        now=NOW,
        codes=CODES,
    )


def test_draft_is_kept_no_longer_than_agreed_and_its_author_is_told():
    of_rule = prepared(TYPED)
    assert of_rule.header.retain_until == NOW + 20 * DAY
    (warning,) = [each for each in of_rule.warnings if each.code == "retention-shortened"]
    assert warning.facts["name"] == "voi"
    for lang in ("es", "en"):
        assert "voi" in CODES.words(
            "indicators", warning.code, lang
        ) or "{name}" in CODES.words("indicators", warning.code, lang)
    as_written = prepared(ASKED)
    assert as_written.header.retain_until == NOW + 30 * DAY
    assert "retention-shortened" not in {each.code for each in as_written.warnings}


def test_draft_that_holds_longer_than_its_author_would_keep_it_is_kept_until_then_and_told():
    for retain, told in (("1s", ["retention-lengthened"]), ("72h", []), ("73h", [])):
        made = prepared(expires="72h", retain=retain)
        assert made.header.retain_until >= made.header.expires == NOW + 3 * DAY
        found = [each for each in made.warnings if each.code.startswith("retention-")]
        assert [each.code for each in found] == told
        assert all(each.at == "/post/retain" and each.facts["day"] for each in found)


def test_draft_that_holds_longer_than_it_may_be_kept_is_refused_before_it_is_sealed():
    with pytest.raises(Refusal) as refusal:
        prepared(TYPED, expires="21d")
    assert refusal.value.code == Code.RETENTION_TOO_LONG
    for lang in ("es", "en"):
        told = render.refusal(refusal.value, lang, CODES)
        assert "voi" in told.what
        assert "retain" in told.next


def test_arrangement_without_rules_is_spelled_as_before_there_were_any():
    payload = trust.encode(WORLD.arrangement)
    assert b"retention" not in payload
    ruled = agreed(TYPED, PERSONS, ASKED)
    assert trust.decode(trust.encode(ruled)) == ruled
    assert b"silence_s" not in trust.encode(agreed(TYPED))
    with pytest.raises(Refusal):
        trust.decode(trust.encode(ruled).replace(b'"keep_s":1728000', b'"keep_s":0'))
