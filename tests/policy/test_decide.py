"""What an arrangement may bound: markings, categories, sizes, passing on; each on its edge."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.errors import Code, Refusal
from exchange.model import trust
from exchange.model.header import Blob, Marking
from exchange.model.trust import Budget, Budgets, Category, CategoryValue, Sizes
from exchange.model.view import View
from exchange.policy import book, rules
from exchange.policy.rules import Consent, Given
from tests import builders
from tests.books import Book
from tests.builders import COAST, DAY, DESK, MINSA, NOW, OPS, WATCH, WATCH_DESK, feeds

WORLD = builders.world()
LABEL: Any = {"es": "EJERCICIO", "en": "EXERCISE"}
WEEK = trust.Retention("week", LABEL, 7 * DAY)


def agreed(**changes: Any) -> View:
    """The view under another arrangement; it is not signed, for rules do not look at that."""
    arrangement = msgspec.structs.replace(WORLD.arrangement, **changes)
    return msgspec.structs.replace(WORLD.view, arrangement=arrangement)


def bounded(**changes: Any) -> View:
    """The same with bounds for what the maritime feed carries."""
    return agreed(
        feeds=[
            msgspec.structs.replace(each, **changes) if each.name == "maritime" else each
            for each in feeds()
        ]
    )


def marked(tlp: Any = "amber", *handling: Any, control: bool = False, to: Any = None) -> Any:
    nations = to or ["PAN", "USA"]
    return {"marking": Marking(tlp, nations, list(handling), originator_control=control)}


def said(act: Any, view: View, header: Any = None, **asked: Any) -> tuple[str, str] | None:
    """What is said of a header: a code and a place, or nothing."""
    try:
        rules.decide(act, WORLD.header(**(header or {})), view, NOW, **asked)
    except Refusal as refusal:
        return refusal.code.value, refusal.at
    return None


# -- what a feed carries ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "header", "expected"),
    [
        ({"statuses": ["test"]}, {}, ("status-not-on-feed", "/status")),
        ({"statuses": ["exercise"]}, {}, None),
        ({"tlp": ["red", "clear"]}, {}, ("marking-not-on-feed", "/marking/tlp")),
        ({"tlp": ["amber"]}, {}, None),
        ({"handling": []}, {}, None),
        (
            {"handling": []},
            marked("amber", "h1"),
            ("marking-not-on-feed", "/marking/handling/0"),
        ),
        (
            {"handling": ["h0", "h1"]},
            marked("amber", "h0", "h2"),
            ("marking-not-on-feed", "/marking/handling/1"),
        ),
        ({"handling": ["h0", "h2"]}, marked("amber", "h0", "h2"), None),
    ],
)
@pytest.mark.parametrize("act", ["accept", "ingress"])
def test_feed_carries_what_was_agreed_for_it(act, bounds, header, expected):
    asked = {} if act == "accept" else {"recipient": WATCH, "here": ["us"]}
    assert said(act, bounded(**bounds), header, **asked) == expected


def test_bounds_that_are_left_out_bound_nothing_and_are_not_spelt():
    view = bounded()
    for status in ("actual", "exercise", "test"):
        assert said("accept", view, {"status": status}) is None
    for tlp in ("red", "amber+strict", "amber", "green", "clear"):
        assert said("accept", view, marked(tlp, "h0", "h1", "h2", "h3")) is None
    raw = trust.encode(WORLD.arrangement)
    for name in (b"statuses", b'"tlp"', b"handling", b"categories", b"budgets", b"sizes"):
        assert name not in raw
    assert trust.encode(trust.decode(raw)) == raw


def test_all_that_can_be_agreed_is_signed_and_read_again():
    changes = {
        "feeds": [
            msgspec.structs.replace(feeds()[0], statuses=["test"], tlp=["red"], handling=[])
        ],
        "categories": [category("restrictive", ["tlp:red"], [WATCH, "pa.senan"])],
        "budgets": Budgets(*[Budget(1, 1)] * 4),
        "sizes": Sizes(1, 2, 3),
    }
    view = WORLD.later(WORLD.rearranged(**changes))
    for name, value in changes.items():
        assert getattr(view.agreed(), name) == value


# -- sizes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "attached", "expected"),
    [
        (100, [50, 50, 20], None),
        (101, [], ("oversized", "/body/size")),
        (100, [1, 51], ("oversized", "/attachments/1/size")),
        (100, [50, 50, 21], ("oversized", "/attachments")),
    ],
)
def test_sizes_hold_to_the_byte(body, attached, expected):
    view = agreed(sizes=Sizes(100, 50, 120))
    header = {
        "body": Blob("A" * 43, body),
        "attachments": [Blob("A" * 43, size) for size in attached],
    }
    assert said("accept", view, header) == expected
    assert said("ingress", view, header, recipient=WATCH, here=["us"]) == expected


# -- categories ------------------------------------------------------------------------------


def category(kind: Any, *values: Any, name: str = "need") -> Category:
    """Each value: its marks and its holders, one after the other."""
    pairs = zip(values[::2], values[1::2], strict=True)
    made = [CategoryValue(f"v{n}", marks, holders) for n, (marks, holders) in enumerate(pairs)]
    return Category(name, LABEL, kind, made)


AMBER, FLASH = ["tlp:amber"], ["precedence:flash", "declares:persons"]


@pytest.mark.parametrize(
    ("kind", "values", "header", "expected"),
    [
        # Of what it bears, a restrictive one asks for all.
        ("restrictive", (AMBER, ["us.jiatfs", COAST]), {}, None),
        ("restrictive", (AMBER, [WATCH]), {}, "category-not-held"),
        ("restrictive", (AMBER, []), {}, "category-not-held"),
        ("restrictive", (FLASH, []), {}, None),
        ("restrictive", (AMBER, [WATCH, COAST], FLASH, [WATCH]), {}, None),
        (
            "restrictive",
            (AMBER, [WATCH, COAST], FLASH, [WATCH]),
            {"declares": ["persons"]},
            "category-not-held",
        ),
        # Of what it bears, a permissive one asks for one.
        ("permissive", (AMBER, [WATCH], FLASH, [COAST]), {}, "no-category-held"),
        ("permissive", (AMBER, [WATCH], FLASH, [COAST]), {"precedence": "flash"}, None),
        ("permissive", (AMBER, []), {}, "no-category-held"),
        ("permissive", (FLASH, []), {}, None),
    ],
)
def test_restrictive_asks_for_all_and_permissive_for_one(kind, values, header, expected):
    view = agreed(categories=[category(kind, *values)])
    found = said("accept", view, {"to": [COAST, WATCH], **header})
    assert found == (expected and (expected, "/to/0"))


@pytest.mark.parametrize(
    ("mark", "header"),
    [
        ("tlp:amber+strict", marked("amber+strict")),
        ("handling:h2", marked("amber", "h0", "h2")),
        ("originator-control:yes", marked(control=True)),
        ("declares:must-purge", {"declares": ["must-purge"]}),
        ("status:actual", {"status": "actual"}),
        ("precedence:flash", {"precedence": "flash"}),
        ("type:szr", {"type": "szr"}),
        ("feed:requests", {"feed": "requests", "type": "rfi", "to": [WATCH]}),
        ("regime:salas-becker", {"regime": "salas-becker"}),
    ],
)
def test_each_mark_is_borne_by_what_says_it_and_by_nothing_else(mark, header):
    view = agreed(categories=[category("restrictive", [mark], [])])
    assert said("accept", view, header) == ("category-not-held", "/to/0")
    assert said("accept", view) is None


def test_every_category_is_asked_on_its_own():
    one = category("permissive", AMBER, [WATCH])
    other = category("permissive", AMBER, [COAST], name="other")
    for both in ([one, other], [other, one]):
        assert said("accept", agreed(categories=both), {"to": [WATCH]}) is not None


# -- passing on ------------------------------------------------------------------------------


def passed_on(
    header: Any, by: str, consent: Consent | None = None, to: str = WATCH_DESK
) -> Any:
    changed, given = {"to": [WATCH], **header}, Given(by, NOW, consent)
    found = [
        said(act, WORLD.view, changed, recipient=to, given=given, here=["us"])
        for act in ("grant", "deliver", "ingress")
    ]
    codes = [each and each[0] for each in found]
    assert len(set(codes)) == 1
    assert [each and each[1] for each in found] == (
        [None] * 3 if codes[0] is None else ["/to", "", "/to"]
    )
    return codes[0]


@pytest.mark.parametrize(
    ("header", "outside", "within"),
    [
        (marked("clear"), None, None),
        (marked("green"), None, None),
        (marked("amber"), "tlp-onward", None),
        (marked("amber+strict"), "tlp-onward", None),
        (marked("red"), "tlp-onward", "tlp-onward"),
        (marked("green", "h0", "h1", "h3"), None, None),
        (marked("green", "h2"), "originator-control", "originator-control"),
        (marked("clear", control=True), "originator-control", "originator-control"),
        (marked("red", "h2"), "originator-control", "originator-control"),
    ],
)
def test_what_another_holder_gives_is_bound_by_its_marking(header, outside, within):
    assert passed_on(header, COAST) == outside
    assert passed_on(header, WATCH) == within
    # Its originator's member may give it to anybody, and whoever has its consent.
    assert passed_on(header, OPS) is None
    assert passed_on(header, COAST, Consent(NOW + 1)) is None


def test_consent_changes_no_marking():
    header = marked("red", "h2", to=["PAN"])
    assert passed_on(header, COAST, Consent(NOW + 1)) == "not-releasable"


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (NOW + 1, None),
        (NOW, "consent-over"),
        (NOW - 1, "consent-over"),
        (None, "consent-withdrawn"),
    ],
)
@pytest.mark.parametrize(
    "held", [marked("green", "h2"), marked("clear", control=True), marked("red")]
)
def test_consent_holds_until_its_end_and_until_it_is_withdrawn(held, until, expected):
    assert passed_on(held, COAST, Consent(until)) == expected
    # What needs none is not held up by one that is over; nor is who was sent it.
    assert passed_on(marked("green"), COAST, Consent(until)) is None
    assert passed_on({**held, "to": [WATCH, WATCH_DESK]}, COAST, Consent(until)) is None
    assert passed_on(held, OPS, Consent(until)) is None


def test_what_was_given_in_time_stays_given_and_a_withdrawal_bites_at_once():
    header, before = {"to": [WATCH], **marked("red")}, NOW - 60

    def shown(consent: Consent) -> Any:
        given = Given(COAST, before, consent)
        return said("deliver", WORLD.view, header, recipient=WATCH_DESK, given=given)

    assert shown(Consent(before + 1)) is None
    assert shown(Consent(before)) == ("consent-over", "")
    assert shown(Consent(None)) == ("consent-withdrawn", "")


# -- delivery and the other nation -----------------------------------------------------------


def delivered(view: View = WORLD.view, to: str = WATCH, **header: Any) -> Any:
    return said("deliver", view, header, recipient=to)


def test_delivery_asks_of_its_reader_what_holds_now():
    assert delivered() is None
    assert delivered(to=DESK) == ("not-a-recipient", "")
    assert delivered(to="us.jiatfs/nadie") == ("unknown-endpoint", "")
    off = WORLD.later(WORLD.amended(WATCH, builders.suspended))
    assert delivered(off) == ("endpoint-suspended", "")
    assert delivered(**marked(to=["PAN"])) == ("not-releasable", "")
    assert delivered(agreed(feeds=feeds()[1:])) == ("unknown-feed", "/feed")
    # Expiry is judged at the moment of receipt, and never again at reading.
    assert delivered(expires=NOW - DAY) is None
    assert delivered(retain_until=NOW + 1) is None
    assert delivered(retain_until=NOW) == ("retention-over", "/retain_until")


def came_over(to: str = WATCH, here: Any = ("us",), **header: Any) -> Any:
    return said("ingress", WORLD.view, header, recipient=to, here=here)


def test_of_the_other_nation_is_taken_what_is_for_us_and_not_ours():
    assert came_over() is None
    assert came_over(here=("pa",)) == ("not-home", "/endpoint")
    assert came_over(to=DESK) == ("not-a-recipient", "/to")
    header = {"to": [DESK, WATCH]}
    both = {"recipient": DESK, "here": ["us"]}
    assert said("ingress", WORLD.view, header, **both) == ("not-home", "/to/0")
    assert said("ingress", WORLD.view, header, **{**both, "recipient": WATCH}) is None
    assert came_over(feed="dialogue", type="dlg") == ("may-not-post", "/feed")


def test_late_from_the_other_nation_is_taken_and_what_is_to_be_nowhere_is_not():
    old = {"issued": NOW - DAY, "expires": NOW - 60}
    assert came_over(**old, retain_until=NOW + 1) is None
    assert came_over(**old, retain_until=NOW) == ("retention-over", "/retain_until")


def test_nothing_passes_before_there_is_an_arrangement():
    view = msgspec.structs.replace(WORLD.view, arrangement=None)
    for act in ("accept", "grant", "deliver", "ingress"):
        assert said(act, view) == ("trust-invalid", "/trust")


def test_one_recipient_or_all_of_them_is_never_left_open():
    for act, recipient in (("accept", WATCH), ("deliver", None), ("ingress", None)):
        with pytest.raises(ValueError, match="judged"):
            rules.decide(act, WORLD.header(), WORLD.view, NOW, recipient=recipient)


def test_grant_by_nobody_is_refused():
    assert said("grant", WORLD.view, recipient=WATCH_DESK) == ("may-not-post", "/endpoint")


# -- the arrangement itself ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"feeds": [feeds()[0], feeds()[1], feeds()[0]]}, "/feeds/2/name"),
        ({"categories": [category("permissive", AMBER, [])] * 2}, "/categories/1/name"),
        ({"retention": [WEEK, WEEK]}, "/retention/1/name"),
        (
            {"categories": [category("permissive", [*AMBER, "feed:air"], [])]},
            "/categories/0/values/0/marks/1",
        ),
        (
            {"categories": [category("restrictive", AMBER, [], ["type:xxx"], [])]},
            "/categories/0/values/1/marks/0",
        ),
        (
            {"categories": [category("restrictive", ["regime:none"], [])]},
            "/categories/0/values/0/marks/0",
        ),
        (
            {
                "categories": [
                    msgspec.structs.replace(
                        category("restrictive"), values=[CategoryValue("v", AMBER, [])] * 2
                    )
                ]
            },
            "/categories/0/values/1/name",
        ),
    ],
)
def test_arrangement_that_names_what_is_not_there_is_refused_at_the_door(changes, at):
    made = Book()
    (settled,) = made.post(WORLD.arrival(WORLD.rearranged(**changes), MINSA))
    told = (settled.refusal.code, settled.refusal.at)
    assert told == (Code.WRONG_VALUE, f"/files/0{at}")
    assert made.view.arrangement == WORLD.arrangement


@pytest.mark.parametrize("mark", ["tlp:purple", "handling:h4", "nation:pan", "tlp", "type:vo"])
def test_mark_that_nothing_can_bear_cannot_be_spelt(mark):
    plain = msgspec.to_builtins(WORLD.arrangement)
    plain["categories"] = [msgspec.to_builtins(category("restrictive", [mark], []))]
    with pytest.raises(Refusal) as caught:
        trust.decode(msgspec.json.encode(plain))
    assert caught.value.at == "/categories/0/values/0/marks/0"


def test_sets_are_made_once_for_an_arrangement_whatever_else_changes():
    first = book.book(WORLD.view)
    later = WORLD.later(WORLD.amended(COAST, builders.suspended))
    assert book.book(later) is first
    assert book.book(agreed(schemas=["2.0"])) is not first
    # By what it is, not by where it lies: another of the same words is another.
    assert book.book(agreed()) is not first
