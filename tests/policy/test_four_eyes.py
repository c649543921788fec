"""Where a second person is asked for, by whom it may be released, and who is shown a draft."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.errors import Code, Refusal
from exchange.model.header import WRAP_BYTES, Blob, Marking, Reference
from exchange.model.identity import SuiteId
from exchange.model.objects import SealedDraft
from exchange.model.view import Directory, View
from exchange.policy import book, drafting, releasing, rules
from exchange.seal.close import at_most
from exchange.seal.suites import SUITES
from tests import builders
from tests.builders import COAST, DESK, MINSA, NOW, OPS, WATCH, WATCH_DESK, releaser

WORLD = builders.world()
CANCELS = [Reference("cancels", "01a229f1-2800-7768-b6ef-52555962d008", "A" * 43)]
RED = Marking("red", ["PAN", "USA"], [], originator_control=False)


def agreed(*marks: str) -> View:
    """The view where these marks need a release: the desk may give it, and its author may not.

    Others, and the author, have the role too.
    """
    arrangement = msgspec.structs.replace(WORLD.arrangement, four_eyes=list(marks))
    world = WORLD
    for name in (DESK, OPS, WATCH):
        world = world.after(world.amended(name, releaser))
    view = world.view
    return msgspec.structs.replace(view, arrangement=arrangement)


@pytest.mark.parametrize(
    ("mark", "header"),
    [
        ("tlp:red", {"marking": RED}),
        ("declares:persons", {"declares": ["persons"]}),
        ("declares:protected-person", {"declares": ["protected-person"]}),
        ("precedence:flash", {"precedence": "flash"}),
        ("type:voi", {}),
        ("feed:maritime", {}),
        ("status:exercise", {}),
    ],
)
def test_any_mark_that_is_agreed_asks_for_a_release(mark: str, header: dict[str, Any]) -> None:
    made, view = WORLD.header(**header), agreed("tlp:green", mark)
    assert releasing.needs_release(made, view, None)
    assert not releasing.needs_release(made, agreed("tlp:green"), None)
    assert not releasing.needs_release(made, agreed(), None)


WRAP = WRAP_BYTES["xb1-h"]
MOST = book.PLAIN_BODY_BYTES + WRAP

TWO = [WATCH, WATCH_DESK]


@pytest.mark.parametrize(
    ("change", "holders", "needs"),
    [
        ({}, None, True),
        ({}, [WATCH, DESK], False),
        ({"type": "cor", "verb": "correct"}, [WATCH], True),
        ({"attachments": [Blob("A" * 43, 1)]}, [WATCH], True),
        ({"body": Blob("A" * 43, MOST)}, [WATCH], False),
        ({"body": Blob("A" * 43, MOST + 1)}, [WATCH], True),
        ({"suite": "xb1-ch", "body": Blob("A" * 43, MOST + 1)}, [WATCH], False),
        ({"to": TWO, "body": Blob("A" * 43, MOST + WRAP)}, TWO, False),
        ({"to": TWO, "body": Blob("A" * 43, MOST + WRAP + 1)}, TWO, True),
        ({"to": [WATCH, WATCH_DESK]}, [WATCH], True),
        ({}, [], True),
    ],
)
def test_what_cancels_and_no_more_never_waits(
    change: dict[str, Any], holders: list[str] | None, *, needs: bool
) -> None:
    usual: dict[str, Any] = {"type": "can", "verb": "cancel", "to": [WATCH]}
    made = WORLD.header(**(usual | change))
    assert releasing.needs_release(made, agreed("feed:maritime"), holders) == needs
    assert not releasing.needs_release(made, agreed("tlp:red"), holders)


def test_what_cancels_goes_unreleased_to_nobody_if_its_target_bears_no_mark() -> None:
    green, red = WORLD.header(), WORLD.header(marking=RED)
    assert releasing.released_for(red, TWO, agreed("tlp:red")) == TWO
    assert not releasing.released_for(green, TWO, agreed("tlp:red"))


@pytest.mark.parametrize(("holders", "is_let_in"), [(None, True), ([WATCH], True), ([], False)])
def test_what_cancels_what_is_not_here_comes_from_abroad_by_its_homes_word(
    holders: list[str] | None, *, is_let_in: bool
) -> None:
    made = WORLD.header(type="can", verb="cancel", to=[WATCH], refs=CANCELS)
    asked: dict[str, Any] = {"recipient": WATCH, "here": ["us"], "holders": holders}
    view = agreed("feed:maritime")
    if is_let_in:
        rules.decide("ingress", made, view, NOW, **asked)
        asked = {"holders": None}
        with pytest.raises(Refusal, match=Code.RELEASE_REQUIRED):
            rules.decide("accept", made, view, NOW, **asked)
        return
    with pytest.raises(Refusal, match=Code.RELEASE_REQUIRED):
        rules.decide("ingress", made, view, NOW, **asked)


@pytest.mark.parametrize("suite", SUITES)
def test_short_cancellation_to_everybody_is_within_the_bound(suite: SuiteId) -> None:
    """So its author's program knows before it is sealed that the node will let it in."""
    w, text = builders.world(suite), b" " * 8192
    one, two = (
        w.closed(w.header(to=to), text).header.body.size for to in ([WATCH], [WATCH, COAST])
    )
    most = book.PLAIN_BODY_BYTES + WRAP_BYTES[suite]
    assert one < at_most(len(text), 1, suite) < most
    # So it is however many there are, and no longer text passes: each adds just what it may.
    assert two - one == WRAP_BYTES[suite]
    assert at_most(len(text) + 1, 1, suite) > most


def given(by: str = OPS, **changes: Any) -> rules.Given:
    return rules.Given(by, NOW, **changes)


@pytest.mark.parametrize(
    ("asked", "by", "is_let_in"),
    [
        ({"given": given()}, [], False),
        ({"given": given()}, [DESK], True),
        ({"given": given()}, [OPS], False),
        ({"given": given()}, None, True),
        # A colleague gives what another of the member wrote: not by a release of its own.
        ({"given": given("pa.senan/turno")}, ["pa.senan/turno"], False),
        ({"given": given("pa.senan/turno")}, [DESK], True),
        ({"given": given(holds=True)}, [], True),
        ({"given": given(), "recipient": WATCH}, [], True),
        ({"given": given(COAST, consent=rules.Consent(NOW + 9))}, [], True),
    ],
)
def test_grant_to_who_was_not_released_for_needs_a_release_of_its_own(
    asked: dict[str, Any], by: list[str] | None, *, is_let_in: bool
) -> None:
    view, header = with_turno(agreed("feed:maritime")), WORLD.header()
    asked = {"recipient": WATCH_DESK, "released": by, **asked}
    if is_let_in:
        rules.decide("grant", header, view, NOW, **asked)
        return
    with pytest.raises(Refusal) as refusal:
        rules.decide("grant", header, view, NOW, **asked)
    assert refusal.value.code == Code.RELEASE_REQUIRED
    rules.decide("grant", header, with_turno(agreed("tlp:red")), NOW, **asked)


def with_turno(view: View) -> View:
    """Author and one more desk of its member write and release."""
    roles, mine = ["poster", "reader", "releaser"], {**view.endpoints.members["pa.senan"]}
    for name in (OPS, "pa.senan/turno"):
        each = msgspec.structs.replace(mine[OPS].endpoint, id=name, roles=roles)
        mine[name] = mine[OPS]._replace(endpoint=each)
    members = {**view.endpoints.members, "pa.senan": mine}
    return msgspec.structs.replace(view, endpoints=Directory(members))


@pytest.mark.parametrize(
    ("by", "is_let_in"),
    [
        ([], False),
        ([DESK], True),
        ([OPS], False),
        ([WATCH], False),
        (["pa.senan/nadie"], False),
        ([OPS, WATCH, DESK], True),
    ],
)
def test_one_release_by_one_who_may_is_enough(by: list[str], *, is_let_in: bool) -> None:
    view, header = agreed("feed:maritime"), WORLD.header()
    if is_let_in:
        rules.decide("accept", header, view, NOW, released=by)
        assert releasing.must_be_released(header, OPS, view, by) == DESK
        return
    with pytest.raises(Refusal) as refusal:
        rules.decide("accept", header, view, NOW, released=by)
    assert (refusal.value.code, refusal.value.at) == (Code.RELEASE_REQUIRED, "")


@pytest.mark.parametrize(
    ("by", "is_let_in"),
    [((), False), (None, False), ([OPS], False), ([MINSA], False), (["pa.senan/turno"], True)],
)
def test_from_abroad_it_needs_a_colleague_of_its_author_s(by: Any, *, is_let_in: bool) -> None:
    """Whether that colleague was active there and had the role, its home's directory says."""
    view, header = agreed("feed:maritime"), WORLD.header()
    asked = {"recipient": WATCH, "here": ["us"], "released": by}
    if is_let_in:
        rules.decide("ingress", header, view, NOW, **asked)
        return
    with pytest.raises(Refusal) as refusal:
        rules.decide("ingress", header, view, NOW, **asked)
    assert refusal.value.code == Code.RELEASE_REQUIRED


def test_it_is_asked_last_so_that_nobody_releases_what_is_refused_all_the_same() -> None:
    header = WORLD.header(to=[WATCH_DESK, "us.jiatfs/none"])
    with pytest.raises(Refusal) as refusal:
        rules.decide("accept", header, agreed("feed:maritime"), NOW)
    assert refusal.value.code == Code.UNKNOWN_RECIPIENT


@pytest.mark.parametrize("mark", ["feed:air", "type:zzz", "regime:none"])
def test_mark_of_what_is_not_there_is_refused_with_its_place(mark: str) -> None:
    arrangement = msgspec.structs.replace(WORLD.arrangement, four_eyes=["tlp:red", mark])
    with pytest.raises(Refusal) as refusal:
        book.must_cohere(arrangement)
    assert (refusal.value.code, refusal.value.at) == (Code.WRONG_VALUE, "/four_eyes/1")


def test_arrangement_without_it_is_spelled_as_before() -> None:
    raw = msgspec.json.encode(WORLD.arrangement)
    assert b"four_eyes" not in raw


def test_sealed_draft_is_shown_to_those_it_names_alone() -> None:
    draft = SealedDraft(
        v="xb1",
        suite="xb1-h",
        id=builders.new_id(),
        origin="pa.senan",
        endpoint=OPS,
        step="asked",
        of="A" * 43,
        to=[DESK],
        body=None,
        attachments=[],
        until=NOW + 1,
        at=NOW,
        officer=None,
    )
    drafting.must_be_shown(draft, DESK, agreed())
    for name, code in ((OPS, Code.NOT_A_RECIPIENT), ("pa.senan/nadie", Code.UNKNOWN_ENDPOINT)):
        with pytest.raises(Refusal) as refusal:
            drafting.must_be_shown(draft, name, agreed())
        assert refusal.value.code == code
    with pytest.raises(Refusal) as refusal:
        drafting.must_be_shown(draft, DESK, WORLD.view)
    assert refusal.value.code == Code.MISSING_ROLE
