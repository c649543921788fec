"""Members as custodians say they shall be: drafts, requests, suspensions, keys that end."""

from __future__ import annotations

import os

import msgspec
import pytest

from exchange.custody import listing, ring
from exchange.custody.container import Life, Secrets
from exchange.custody.listing import Asked, EndpointDraft, MemberDraft
from exchange.custody.proposing import Wanted
from exchange.errors import Code, Refusal
from exchange.model.identity import uuid7
from exchange.model.objects import Enrolment
from exchange.seal.software import SoftwareSigner, new_opening, new_signing
from tests.custody.ceremony import DAY_S, NAMES, NOW, TITLE, Delegations

OPS = "pa.senan/ops"
DRAFT = MemberDraft("pa.senan", TITLE, [EndpointDraft(OPS, TITLE, ["reader", "poster"])])


def request(endpoint=OPS, signing=None, before=()):
    """An endpoint's request for keys, as `keys new` writes it; signed by others ``before``."""
    life = Life(NOW, NOW + 90 * DAY_S)
    signing = signing or new_signing("xb1-h", os.urandom)
    secrets = ring.with_keys(Secrets(endpoint, {}), ring.SIGN, signing, life)
    secrets = ring.with_keys(secrets, ring.OPEN, [new_opening("xb1-h", os.urandom)], life)
    signer = SoftwareSigner.of(signing)
    keys = ring.asked(secrets, signer.keys, secrets.of(ring.OPEN))
    made = Enrolment(
        v="xb1",
        suite="xb1-h",
        id=uuid7(NOW * 1000, os.urandom(10)),
        origin=endpoint.partition("/")[0],
        endpoint=endpoint,
        node="pa",
        keys=keys,
        replaces=[],
        issued=NOW,
    )
    return ring.request(made, [*before, signer])


@pytest.fixture(scope="module")
def founded():
    made = Delegations()
    made.take(made.founding(), NAMES)
    return made


@pytest.fixture(scope="module")
def enrolled(founded):
    """One agency with one endpoint, listed by its own nation."""
    made = Delegations(())
    made.signers, made.view = founded.signers, founded.view
    asked = Asked(drafts=[DRAFT], requests=[request()])
    found = listing.members(made.view, asked, NOW)
    made.take(Wanted(members=found, shown=asked.requests), NAMES[:2])
    return made


def refused(view, **asked):
    with pytest.raises(Refusal) as refusal:
        listing.members(view, Asked(**asked), NOW)
    return refusal.value.code


def endpoint_of(members):
    ((endpoint,),) = [each.endpoints for each in members]
    return endpoint


def test_described_endpoint_is_listed_with_the_keys_of_its_own_request(enrolled):
    standing = enrolled.view.standing(OPS)
    assert standing.endpoint.roles == ["poster", "reader"]
    assert sorted(key.use for key in standing.endpoint.keys) == ["enc", "sig", "sig"]


def test_endpoint_that_nobody_described_is_not_listed(founded):
    bare = msgspec.structs.replace(DRAFT, endpoints=[])
    asked = {"drafts": [bare], "requests": [request()]}
    assert refused(founded.view, **asked) is Code.UNKNOWN_ENDPOINT
    assert refused(founded.view, requests=[request()]) is Code.UNKNOWN_ENDPOINT


def test_described_endpoint_without_a_request_waits(founded):
    (member,) = listing.members(founded.view, Asked(drafts=[DRAFT]), NOW)
    assert member.endpoints == []


def test_draft_changes_title_and_roles_and_no_key(enrolled):
    said = EndpointDraft(OPS, {"es": "Otro", "en": "Other"}, ["reader"])
    draft = msgspec.structs.replace(DRAFT, endpoints=[said])
    after = endpoint_of(listing.members(enrolled.view, Asked(drafts=[draft]), NOW))
    before = enrolled.view.standing(OPS).endpoint
    assert (after.title["en"], after.roles, after.keys) == ("Other", ["reader"], before.keys)


def test_suspended_endpoint_is_let_in_again(enrolled):
    for change, status in (({"suspended": [OPS]}, "suspended"), ({"resumed": [OPS]}, "active")):
        after = endpoint_of(listing.members(enrolled.view, Asked(**change), NOW))
        assert after.status == status


def test_key_that_ends_stays_listed_with_its_end_and_no_other_changes(enrolled):
    keys = enrolled.view.standing(OPS).endpoint.keys
    lost = keys[0].jwk.kid
    after = endpoint_of(listing.members(enrolled.view, Asked(ended=[lost]), NOW + 5))
    assert [key.until for key in after.keys] == [NOW + 5, *(key.until for key in keys[1:])]


def test_what_nobody_has_is_neither_suspended_nor_ended(enrolled):
    view = enrolled.view
    assert refused(view, suspended=["pa.senan/none"]) is Code.UNKNOWN_ENDPOINT
    assert refused(view, suspended=["us.none/none"]) is Code.UNKNOWN_ENDPOINT
    assert refused(view, ended=["A" * 43]) is Code.UNKNOWN_KEY


def test_endpoint_that_lost_its_keys_is_taken_in_anew_only_when_vouched_for(enrolled):
    again = request()
    assert refused(enrolled.view, requests=[again]) is Code.SIGNATURE_COUNT
    asked = Asked(requests=[again], anew=True)
    after = endpoint_of(listing.members(enrolled.view, asked, NOW))
    old = {key.jwk.kid for key in enrolled.view.standing(OPS).endpoint.keys}
    assert not old & {key.jwk.kid for key in after.keys if key.until > NOW}
