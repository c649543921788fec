"""Custodians list somebody new only for two persons who stand for it, and what is on record."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.client import vouching
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.identity import digest
from exchange.model.view import Change
from exchange.seal import jws
from exchange.seal.software import load
from tests import builders, enrolled
from tests.builders import COAST, DAY, HOUR, MINSA, NOW, NOW_MS, OPS, WATCH, new_id
from tests.vectors import enrolling

BEFORE = builders.world()
WORLD = BEFORE.after(enrolled.second_operator(BEFORE))
INVITED = enrolled.invited(WORLD)
ASKED = enrolled.asked(WORLD, INVITED)
APPROVED = enrolled.ruled(WORLD, ASKED)


def refused(raw: bytes, world: builders.World = WORLD, now: int = NOW) -> Refusal:
    with pytest.raises(Refusal) as found:
        enrolled.checked(raw, world, now)
    return found.value


def whole(*raw: bytes, **changes: Any) -> bytes:
    """A file with a receipt for each, whatever they are."""
    return enrolled.file(WORLD, *raw, **changes)


def test_custodians_take_a_request_with_two_persons() -> None:
    made = enrolled.checked(whole(ASKED, INVITED, APPROVED), WORLD)
    assert made.endpoint == enrolled.NEW
    assert vouching.request_in(whole(ASKED, INVITED, APPROVED)) == ASKED


def other(**changes: Any) -> bytes:
    return enrolled.invited(WORLD, **changes)


CASES: dict[str, tuple[bytes, Code]] = {
    "alone": (ASKED, Code.NOT_APPROVED),
    "without an approval": (whole(ASKED, INVITED), Code.NOT_APPROVED),
    "without an invitation": (whole(ASKED, APPROVED), Code.NOT_APPROVED),
    "in another order": (whole(ASKED, APPROVED, INVITED), Code.NOT_APPROVED),
    "with more": (whole(ASKED, INVITED, APPROVED, APPROVED), Code.NOT_APPROVED),
    "declined": (
        whole(ASKED, INVITED, enrolled.ruled(WORLD, ASKED, verdict="declined")),
        Code.NOT_APPROVED,
    ),
    "of another request": (
        whole(ASKED, INVITED, enrolled.ruled(WORLD, enrolled.asked(WORLD, INVITED, "x"))),
        Code.NOT_APPROVED,
    ),
    "by another invitation": (whole(ASKED, other(id=new_id()), APPROVED), Code.BAD_INVITATION),
    "with three objects alone": (b"\n".join([ASKED, INVITED, APPROVED]), Code.NOT_APPROVED),
    "by the inviter": (
        whole(ASKED, INVITED, enrolled.ruled(WORLD, ASKED, MINSA)),
        Code.OWN_INVITATION,
    ),
    "by one person": (
        whole(ASKED, INVITED, enrolled.ruled(WORLD, ASKED, officer="exercise-inviter")),
        Code.OWN_INVITATION,
    ),
    "by no operator": (
        whole(ASKED, INVITED, enrolled.ruled(WORLD, ASKED, COAST)),
        Code.MISSING_ROLE,
    ),
    "by nobody known": (
        whole(ASKED, INVITED, enrolled.ruled(WORLD, ASKED, endpoint=MINSA, origin="pa.minsa")),
        Code.UNKNOWN_KEY,
    ),
    "with vouchers for none": (
        whole(enrolling.signed(enrolling.first(), enrolling.signer()), INVITED, APPROVED),
        Code.BAD_INVITATION,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_custodians_refuse_a_request(name: str) -> None:
    raw, code = CASES[name]
    if name == "by nobody known":
        payload = jws.read(APPROVED, 1 << 20).payload
        raw = whole(ASKED, INVITED, WORLD.sign(payload, objects.VERDICT_TYP, WATCH))
    assert refused(raw).code == code


def test_custodians_refuse_what_another_proof_or_name_asks() -> None:
    strange = enrolled.asked(WORLD, INVITED, shown=enrolled.link(WORLD, INVITED, url="x").shown)
    raw = whole(strange, INVITED, enrolled.ruled(WORLD, strange))
    assert refused(raw).code == Code.BAD_INVITATION
    guard = enrolled.asked(WORLD, INVITED, endpoint="pa.senan/guard")
    raw = whole(guard, INVITED, enrolled.ruled(WORLD, guard))
    assert refused(raw).code == Code.INVITATION_OTHER


def test_custodians_refuse_the_other_nation_s_operators() -> None:
    world = WORLD.after(WORLD.amended(WATCH, enrolled.operator))
    raw = whole(ASKED, INVITED, enrolled.ruled(WORLD, ASKED, WATCH))
    assert refused(raw, world).code == Code.NOT_APPROVED


def test_an_operator_who_was_suspended_since_stands_for_nobody() -> None:
    world = WORLD.after(WORLD.amended(OPS, builders.suspended))
    raw = whole(ASKED, INVITED, APPROVED)
    assert refused(raw, world).code == Code.ENDPOINT_SUSPENDED


# -- what the node let in, and nothing beside its journal -----------------------------------


def lines(*changed: tuple[int, bytes]) -> bytes:
    """The good file with other lines at these places."""
    made = whole(ASKED, INVITED, APPROVED).split(b"\n")
    for place, line in changed:
        made[place] = line
    return b"\n".join(made)


def receipt(**changes: Any) -> bytes:
    told = msgspec.json.decode(lines().split(b"\n")[5], type=objects.Receipt)
    return msgspec.json.encode(msgspec.structs.replace(told, **changes))


@pytest.mark.parametrize("place", range(3))
def test_what_no_journal_holds_is_refused(place: int) -> None:
    """Signed by who should, beside what was recorded: an approval after another declined."""
    again = [
        lambda: enrolled.asked(WORLD, INVITED, id=new_id()),
        lambda: enrolled.invited(WORLD, id=new_id()),
        lambda: enrolled.ruled(WORLD, ASKED, id=new_id()),
    ]
    assert refused(lines((place, again[place]()))).code == Code.BAD_PROOF


def test_what_the_node_refused_is_refused() -> None:
    """A second request by an invitation, say, or one by an invitation that was withdrawn."""
    late = enrolled.asked(WORLD, INVITED, id=new_id())
    ruled = enrolled.ruled(WORLD, late)
    facts = entries.Refused(
        salt="A" * 22, taken_ms=NOW_MS, view=9, caller=enrolled.NEW, digest=digest(late),
        size=len(late), code="invitation-used", at="/invitation",
    )  # fmt: skip
    (_, given, decided) = whole(late, INVITED, ruled).split(b"\n")[3:]
    no = enrolled.receipt(WORLD, late, facts, 41, b"")
    told = b"\n".join([late, INVITED, ruled, msgspec.json.encode(no), given, decided])
    found = refused(told)
    assert (found.code, found.facts["found"]) == (Code.BAD_PROOF, "invitation-used")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (receipt(node="us"), Code.BAD_PROOF),
        (receipt(index=43), Code.BAD_PROOF),
        (receipt(path=["A" * 43]), Code.BAD_PROOF),
        (receipt(group=msgspec.Raw(APPROVED)), Code.BAD_PROOF),
        (b"{}", Code.MISSING_MEMBER),
        (b"\xff", Code.MALFORMED),
        (b'{"node":' + b"[" * 9000, Code.WRONG_TYPE),
        (b"{", Code.MALFORMED),
    ],
)  # fmt: skip
def test_a_receipt_that_proves_nothing_is_refused(line: bytes, code: Code) -> None:
    assert refused(lines((5, line))).code == code


def test_receipts_signed_by_others_than_the_node_are_refused() -> None:
    forged = WORLD._replace(nodes={"pa": WORLD.secrets[OPS]})
    raw = enrolled.file(forged, ASKED, INVITED, APPROVED)
    assert refused(raw).code == Code.UNKNOWN_KEY


def test_receipts_of_another_node_than_the_request_is_for_are_refused() -> None:
    home = WORLD.view.nodes["pa"]
    other = msgspec.structs.replace(home, node="us")
    change = Change("us", 1, "A" * 43, documents=(other,))
    view = WORLD.view.after(change, WORLD.view.index + 1)
    facts = entries.Decided(
        salt="A" * 22, taken_ms=NOW_MS, view=9, digest=digest(APPROVED), of=41
    )
    told = enrolled.receipt(WORLD, APPROVED, facts, 42, node="us")
    with pytest.raises(Refusal) as found:
        vouching.check(lines((5, msgspec.json.encode(told))), view, NOW)
    assert (found.value.code, found.value.facts["name"]) == (Code.BAD_PROOF, "us")


@pytest.mark.parametrize(("name", "of"), [("asked", 39), ("decided", 40)])
def test_entries_that_are_on_others_are_refused(name: str, of: int) -> None:
    raw = whole(ASKED, INVITED, APPROVED, **{name: {"of": of}})
    assert refused(raw).code == Code.BAD_PROOF


def test_a_file_without_bounds_is_refused() -> None:
    raw = lines() + b"\n" + b"x" * vouching.MAX_FILE_BYTES
    assert refused(raw).code == Code.OVERSIZED


def test_an_invitation_that_was_over_brings_nobody_in() -> None:
    """By the node's time when it took the request, or by the request's own."""
    late = {"taken_ms": (NOW + HOUR) * 1000}
    assert refused(whole(ASKED, INVITED, APPROVED, asked=late)).code == Code.INVITATION_OVER
    just = {"taken_ms": (NOW + HOUR) * 1000 - 1}
    enrolled.checked(whole(ASKED, INVITED, APPROVED, asked=just), WORLD)
    asked = enrolled.asked(WORLD, INVITED, issued=NOW + HOUR)
    raw = whole(asked, INVITED, enrolled.ruled(WORLD, asked))
    assert refused(raw).code == Code.INVITATION_OVER


def test_an_invitation_takes_no_place_over_also_where_its_keys_were_lost() -> None:
    invited = enrolled.invited(WORLD, invited=OPS)
    asked = enrolled.asked(WORLD, invited, endpoint=OPS)
    raw = whole(asked, invited, enrolled.ruled(WORLD, asked, WATCH))
    for anew in (False, True):
        with pytest.raises(Refusal) as found:
            vouching.check(raw, WORLD.view, NOW, anew=anew)
        assert found.value.code == Code.ALREADY_ENROLLED


@pytest.mark.parametrize("who", [MINSA, OPS])
def test_a_key_that_ended_since_stands_for_nobody(who: str) -> None:
    """It was stolen, say: its custodians ended it, and what it signed ends with it."""
    world = WORLD.after(WORLD.amended(who, enrolled.over_in_an_hour))
    raw = whole(ASKED, INVITED, APPROVED)
    enrolled.checked(raw, world)
    assert refused(raw, world, NOW + HOUR).code == Code.KEY_NOT_VALID


@pytest.mark.parametrize("name", ["invited", "decided"])
def test_a_key_that_was_not_valid_when_it_was_recorded_stands_for_nobody(name: str) -> None:
    early = {name: {"taken_ms": NOW_MS - 1000 * DAY * 400}}
    raw = whole(ASKED, INVITED, APPROVED, **early)
    assert refused(raw).code == Code.KEY_NOT_VALID


def test_receipts_by_keys_that_the_node_handed_over_still_hold() -> None:
    fresh = WORLD.founder.new_node("pa")
    node = WORLD.view.nodes["pa"]
    keys = [load(each)[0] for each in fresh.of("sign")]
    handed = msgspec.structs.replace(
        node, receipts=msgspec.structs.replace(node.receipts, keys=keys)
    )
    change = Change("pa", 99, "A" * 43, documents=(handed,))
    view = WORLD.view.after(change, WORLD.view.index + 1)
    assert view.nodes["pa"] == handed
    assert vouching.check(whole(ASKED, INVITED, APPROVED), view, NOW)
