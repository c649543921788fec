"""What a node shows an operator of an invitation is believed only as far as it verifies."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.client import inviting
from exchange.errors import Code, Refusal
from exchange.model import objects, wire
from exchange.seal import jws
from tests import builders, enrolled
from tests.builders import COAST, DAY, HOUR, MINSA, NOW, new_id
from tests.vectors import enrolling

BEFORE = builders.world()
WORLD = BEFORE.after(enrolled.second_operator(BEFORE))
INVITED = enrolled.invited(WORLD)
ASKED = enrolled.asked(WORLD, INVITED)


def given(*raw: bytes | None, now: int = NOW, view: Any = None) -> inviting.Given:
    """What is made of an invitation, a request and a verdict, as a node shows them."""
    shown = [*raw, None, None][:3]
    kept = [None if each is None else wire.KeptObject(1, each.decode()) for each in shown]
    assert kept[0] is not None
    item = wire.InvitationItem(0, kept[0], kept[1], kept[2])
    return inviting._given(item, view or WORLD.view, now)


def test_each_invitation_is_told_as_it_stands() -> None:
    approved = enrolled.ruled(WORLD, ASKED)
    declined = enrolled.ruled(WORLD, ASKED, verdict="declined")
    withdrawn = enrolled.ruled(WORLD, INVITED, MINSA, verdict="declined")
    assert given(INVITED).state == "open"
    assert given(INVITED, now=NOW + HOUR - 1).state == "open"
    assert given(INVITED, now=NOW + HOUR).state == "over"
    assert given(INVITED, None, withdrawn).state == "withdrawn"
    assert given(INVITED, ASKED, now=NOW + DAY).state == "waiting"
    assert given(INVITED, ASKED, approved).state == "approved"
    assert given(INVITED, ASKED, declined).state == "declined"


def test_a_verdict_on_something_else_decides_nothing() -> None:
    other = enrolled.ruled(WORLD, enrolled.asked(WORLD, INVITED, "other"))
    assert given(INVITED, ASKED, other).state == "waiting"
    assert given(INVITED, None, other).state == "open"


def test_what_is_shown_as_something_else_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        given(ASKED)
    assert refused.value.code == Code.UNKNOWN_OBJECT


def test_a_request_that_holds_is_what_the_approver_sees() -> None:
    request = inviting.judge(given(INVITED, ASKED), WORLD.view, NOW)
    assert request.endpoint == enrolled.NEW


def by_nobody() -> tuple[bytes, bytes]:
    """An invitation by who is no operator, and a request by it."""
    invited = enrolled.invited(WORLD, COAST)
    return invited, enrolled.asked(WORLD, invited)


def by_another() -> tuple[bytes, bytes]:
    """A request by another invitation than the one beside it."""
    return enrolled.invited(WORLD, id=new_id()), ASKED


def by_an_altered_link() -> tuple[bytes, bytes]:
    strange = enrolled.link(WORLD, INVITED, anchor=bytes(32)).shown
    return INVITED, enrolled.asked(WORLD, INVITED, shown=strange)


def for_another() -> tuple[bytes, bytes]:
    return INVITED, enrolled.asked(WORLD, INVITED, endpoint="pa.senan/guard")


def without_possession() -> tuple[bytes, bytes]:
    keys = [*enrolling.sig(enrolling.signer("other")), enrolling.enc()]
    return INVITED, enrolled.asked(WORLD, INVITED, keys=keys)


CASES = [
    (by_nobody, Code.MISSING_ROLE),
    (by_another, Code.BAD_INVITATION),
    (by_an_altered_link, Code.BAD_INVITATION),
    (for_another, Code.INVITATION_OTHER),
    (without_possession, Code.UNKNOWN_KEY),
]


@pytest.mark.parametrize(
    ("shown", "code"), CASES, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_node_that_shows_anything_else_gets_nobody_s_yes(shown: Any, code: Code) -> None:
    with pytest.raises(Refusal) as refused:
        inviting.judge(given(*shown()), WORLD.view, NOW)
    assert refused.value.code == code


def test_nobody_is_asked_to_approve_what_nobody_asked_for() -> None:
    with pytest.raises(Refusal) as refused:
        inviting.judge(given(INVITED), WORLD.view, NOW)
    assert refused.value.code == Code.NOT_FOUND


def by_its_inviter(on: bytes, how: str) -> bytes:
    return enrolled.ruled(WORLD, on, MINSA, verdict=how)


def by_the_same_person(on: bytes, how: str) -> bytes:
    return enrolled.ruled(WORLD, on, verdict=how, officer="Exercise-Inviter")


def by_no_operator(on: bytes, how: str) -> bytes:
    return enrolled.ruled(WORLD, on, COAST, verdict=how)


def by_no_signature(on: bytes, how: str) -> bytes:
    payload = jws.read(enrolled.ruled(WORLD, on, verdict=how), 1 << 20).payload
    return WORLD.sign(payload, objects.VERDICT_TYP, COAST)


@pytest.mark.parametrize(
    ("signed", "how", "code"),
    [
        (by_its_inviter, "approved", Code.OWN_INVITATION),
        (by_the_same_person, "approved", Code.OWN_INVITATION),
        (by_no_operator, "approved", Code.MISSING_ROLE),
        (by_no_operator, "declined", Code.MISSING_ROLE),
        (by_no_signature, "approved", Code.UNKNOWN_KEY),
        (by_no_signature, "declined", Code.UNKNOWN_KEY),
    ],
)
def test_a_verdict_that_nobody_may_have_given_is_unproved(
    signed: Any, how: str, code: Code
) -> None:
    found = given(INVITED, ASKED, signed(ASKED, how))
    assert (found.state, found.wrong and found.wrong.code) == ("unproved", code)


def test_a_withdrawal_that_no_operator_signed_is_unproved() -> None:
    found = given(INVITED, None, by_no_signature(INVITED, "declined"))
    assert found.state == "unproved"


def test_an_approval_of_what_another_link_asked_is_unproved() -> None:
    strange = enrolled.link(WORLD, INVITED, anchor=bytes(32)).shown
    asked = enrolled.asked(WORLD, INVITED, shown=strange)
    found = given(INVITED, asked, enrolled.ruled(WORLD, asked))
    assert (found.state, found.wrong and found.wrong.code) == ("unproved", Code.BAD_INVITATION)


def test_an_invitation_whose_operator_s_key_is_over_gets_nobody_s_yes() -> None:
    view = WORLD.after(WORLD.amended(MINSA, enrolled.over_in_an_hour)).view
    inviting.judge(given(INVITED, ASKED), view, NOW + HOUR - 1)
    with pytest.raises(Refusal) as refused:
        inviting.judge(given(INVITED, ASKED), view, NOW + HOUR)
    assert refused.value.code == Code.KEY_NOT_VALID
    # What became of it is told all the same: somebody may withdraw it, or have declined.
    assert given(INVITED, view=view, now=NOW + HOUR - 1).state == "open"
    assert given(INVITED, ASKED, view=view, now=NOW + HOUR).state == "waiting"
