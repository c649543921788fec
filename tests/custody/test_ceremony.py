"""A proposal, what each custodian signs of it, and all of it put together: nothing slips by."""

from __future__ import annotations

import os
from itertools import permutations

import msgspec
import pytest

from exchange.cli.arranging import telling
from exchange.custody import cards, consent, proposal, proposing
from exchange.custody.proposal import Part
from exchange.custody.proposing import Wanted
from exchange.errors import Code, Refusal
from exchange.model import metadata
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.seal import jws, trust, trust_making
from exchange.seal.software import SoftwareSigner, new_signing
from tests.custody.ceremony import (
    DAY_S,
    NAMES,
    NOW,
    UNTIL,
    Delegations,
    arrangement,
    member,
    new_node,
)

PA, US = NAMES[:2], NAMES[2:]


def refused(call, *args, **options):
    with pytest.raises(Refusal) as refusal:
        call(*args, **options)
    return refusal.value


@pytest.fixture(scope="module")
def founded():
    """An arrangement in force; each test goes on from it with what it needs."""
    made = Delegations()
    made.take(made.founding(), NAMES)
    return made


@pytest.fixture
def made(founded):
    copied = Delegations(())
    copied.signers, copied.view = dict(founded.signers), founded.view
    copied.bundles = list(founded.bundles)
    return copied


def joined(made, name):
    made.signers[name] = SoftwareSigner.of(new_signing("xb1-h", os.urandom))
    return made.cards([name])


# -- a founding --------------------------------------------------------------------------------


def test_founding_names_both_nations_custodians_arrangement_and_node(founded):
    view = founded.view
    assert [*view.files] == ["root", "targets", "pa", "us"]
    for nation, names in (("pa", PA), ("us", US)):
        circle = view.custodians["root"][nation]
        assert [each.name for each in circle.signatories] == list(names)
        assert view.custodians[nation][nation] == circle
    assert view.agreed().name == arrangement().name
    assert view.nodes["pa"].receipts.keys == list(view.online["pa"].keys)


def test_any_node_folds_what_was_agreed_from_the_anchor_alone(founded):
    view = View(anchor=founded.view.anchor)
    for place, bundle in enumerate(founded.bundles):
        view = trust.apply(bundle, view, place, NOW)
    assert view.files.keys() == founded.view.files.keys()


def test_order_of_signing_makes_no_difference_to_a_single_byte():
    made = Delegations()
    proposed = made.propose(made.founding())
    given = [made.sign(proposed, name) for name in NAMES]
    steps = made.steps(proposed)
    agreed = [
        consent.agree(proposed, steps, order, NOW).bundles for order in permutations(given)
    ]
    assert all(each == agreed[0] for each in agreed)


def test_each_signs_what_is_theirs_alone():
    made = Delegations()
    proposed = made.propose(made.founding())
    roles = [part.role for part in proposed.parts]
    signed = {name: made.sign(proposed, name).parts for name in NAMES}
    for name in NAMES:
        mine = [role for role, given in zip(roles, signed[name], strict=True) if given]
        assert mine == ["root", "targets", name[:2]]


@pytest.mark.parametrize("absent", NAMES)
def test_founding_takes_every_custodian_that_it_names(absent):
    made = Delegations((*NAMES, "pa-custodian-3", "us-custodian-3"))
    proposed = made.propose(made.founding())
    there = [name for name in made.signers if name != absent]
    refusal = refused(made.agree, proposed, there)
    assert (refusal.code, refusal.facts["name"]) == (Code.CONSENT_MISSING, absent)


def test_founding_without_enough_custodians_of_a_nation_is_not_proposed():
    made = Delegations(NAMES[:3])
    refusal = refused(made.propose, made.founding())
    assert (refusal.code, refusal.at) == (Code.TRUST_INVALID, "/us/threshold")


def test_founding_without_an_arrangement_is_not_proposed():
    made = Delegations()
    wanted = Wanted(custodians=made.cards(), nodes=[new_node().node])
    assert refused(made.propose, wanted).code is Code.TRUST_INVALID


# -- what travels ------------------------------------------------------------------------------


def test_proposal_is_read_as_it_was_written(made):
    proposed = made.propose(proposing.renewal(()))
    raw = proposal.encode(proposed.base, proposed.issued, proposed.parts)
    assert (proposal.read(raw), proposed.digest) == (proposed, digest(raw))


def test_changed_byte_of_a_proposal_is_another_proposal_or_none(made):
    proposed = made.propose(Wanted(arrangement=arrangement(), renew=["pa"]))
    given = made.sign(proposed, PA[0])
    raw = proposal.encode(proposed.base, proposed.issued, proposed.parts)
    for place in range(0, len(raw), 37):
        altered = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        try:
            other = proposal.read(altered)
            steps = made.steps(other)
        except Refusal:
            continue
        assert refused(consent.verify, given, other, steps).code is Code.CONSENT_OTHER


@pytest.mark.parametrize("change", [(b"[1]", b"[1,1]"), (b",", b", "), (b"\n", b"\n\n")])
def test_proposal_in_another_spelling_is_none(made, change):
    proposed = made.propose(proposing.renewal(["pa"]))
    raw = proposal.encode(proposed.base, proposed.issued, proposed.parts)
    assert refused(proposal.read, raw.replace(*change, 1)).code is Code.MALFORMED


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff\n", b"[" * 9999, b"null\n"])
def test_file_that_is_no_proposal_or_consent_is_refused(raw):
    for read in (proposal.read, consent.read, cards.read):
        refused(read, raw)


def test_proposal_of_a_snapshot_is_none(made):
    proposed = made.propose(proposing.renewal(["pa"]))
    part = proposed.parts[0]
    spelled = (
        b'{"_type":"snapshot","expires":"2027-01-01T00:00:00Z","meta":{},'
        b'"spec_version":"1.0.31","version":1}'
    )
    assert refused(lambda: part._replace(spelled=spelled).read).code is Code.TRUST_INVALID


def test_older_proposal_is_refused_where_a_newer_was_agreed(made):
    older = made.propose(proposing.renewal(["pa"]))
    made.take(proposing.renewal(["pa"]), PA)
    refusal = refused(made.steps, older)
    assert (refusal.code, refusal.facts["name"]) == (Code.PROPOSAL_STALE, "pa")


def test_proposal_of_another_arrangement_is_refused(made):
    other = Delegations()
    other.take(other.founding(), NAMES)
    refusal = refused(made.steps, other.propose(proposing.renewal(["pa"])))
    assert (refusal.code, refusal.facts["name"]) == (Code.PROPOSAL_STALE, "anchor")


def test_what_a_node_would_refuse_is_refused_before_anybody_signs(made):
    """A member of the other nation in a nation's own file, written by hand."""
    proposed = made.propose(Wanted(members=[member("pa.senan")]))
    part = proposed.parts[0]
    raw = part.files[0].replace(b"pa.senan", b"us.senan")
    spelled = part.spelled.replace(
        part.read.targets["members/pa.senan.json"].hashes.sha256.encode(),
        metadata.info(raw).hashes.sha256.encode(),
    )
    forged = proposed._replace(parts=[part._replace(spelled=spelled, files=[raw])])
    refusal = refused(made.steps, forged)
    assert refusal.code is Code.TRUST_INVALID
    assert refusal.at.startswith("/parts/0/files/0")


def test_role_stands_once_in_a_proposal_so_that_no_part_hides_between_two(made):
    """Made with other words and made as before: told from end to end, nothing changes."""
    agreed, view, parts = made.view.agreed(), made.view, []
    for skew in (9999, agreed.limits.skew_s):
        version = view.version_of("arrangement") + 1
        limits = msgspec.structs.replace(agreed.limits, skew_s=skew)
        after = msgspec.structs.replace(agreed, version=version, limits=limits)
        top, files = trust_making.rearranged(view, after, UNTIL)
        parts.append(Part(metadata.encode(top), files))
        view = view.after(trust.foresee(parts[-1].unsigned(), view, NOW), view.index + 1)
    base = proposal.base_of(made.view)
    hidden = proposal.read(proposal.encode(base, NOW, parts))
    refusal = refused(made.steps, hidden)
    assert (refusal.code, refusal.at) == (Code.TRUST_INVALID, "/parts/1")


def test_roles_stand_in_their_order(made):
    proposed = made.propose(proposing.renewal(["pa", "us"]))
    turned = proposed._replace(parts=proposed.parts[::-1])
    refusal = refused(made.steps, turned)
    assert (refusal.code, refusal.at) == (Code.TRUST_INVALID, "/parts/1")


def test_changes_are_told_part_by_part_with_the_file_that_makes_them(made):
    wanted = Wanted(members=[member("pa.senan")], renew=["root", "us"])
    told = telling.changes(made.steps(made.propose(wanted)))["en"]
    heads = ("root:", "Panama (pa):", "United States (us):")
    root, pa, us = (told.index(next(x for x in told if x.startswith(head))) for head in heads)
    assert root < pa < us == len(told) - 1
    assert {"pa.senan" in line for line in told[pa + 1 : us]} == {True}


def test_expired_proposal_is_refused(made):
    proposed = made.propose(proposing.renewal(["pa"]), until=NOW + DAY_S)
    assert refused(made.steps, proposed, NOW + DAY_S).code is Code.TRUST_EXPIRED


# -- consents ----------------------------------------------------------------------------------


def test_other_nations_custodian_has_nothing_to_sign_of_a_nations_own_file(made):
    proposed = made.propose(proposing.renewal(["us"]))
    refusal = refused(made.sign, proposed, PA[0])
    assert (refusal.code, refusal.facts["expected"]) == (Code.NOT_A_CUSTODIAN, "us")


def test_stranger_has_nothing_to_sign(made):
    joined(made, "pa-custodian-9")
    proposed = made.propose(proposing.renewal(()))
    assert refused(made.sign, proposed, "pa-custodian-9").code is Code.NOT_A_CUSTODIAN


def test_consent_in_the_name_of_who_is_not_asked_is_refused(made):
    proposed = made.propose(proposing.renewal(["us"]))
    empty = consent.Consent("xb1-consent", proposed.digest, PA[0], [[]])
    steps = made.steps(proposed)
    assert refused(consent.verify, empty, proposed, steps).code is Code.NOT_A_CUSTODIAN


def test_consent_to_another_proposal_is_refused(made):
    one = made.propose(proposing.renewal(["us"]))
    two = made.propose(proposing.renewal(["us"]), until=UNTIL + DAY_S)
    given = made.sign(one, US[0])
    refusal = refused(consent.verify, given, two, made.steps(two))
    assert (refusal.code, refusal.facts["name"]) == (Code.CONSENT_OTHER, US[0])


def altered(given, place, signatures):
    parts = [*given.parts]
    parts[place] = signatures
    return msgspec.structs.replace(given, parts=parts)


def test_consent_without_its_post_quantum_signature_is_refused(made):
    proposed = made.propose(proposing.renewal(["us"]))
    given = made.sign(proposed, US[0])
    steps = made.steps(proposed)
    for kept in ([0], [1], [], [1, 0]):
        partial = altered(given, 0, [given.parts[0][each] for each in kept])
        assert refused(consent.verify, partial, proposed, steps).code is Code.SIGNATURE_COUNT


def test_consent_that_leaves_out_a_part_is_refused(made):
    proposed = made.propose(proposing.renewal(["root", "us"]))
    given, steps = made.sign(proposed, US[0]), made.steps(proposed)
    for parts in ([given.parts[0]], [given.parts[0], []], [*given.parts, []]):
        partial = msgspec.structs.replace(given, parts=parts)
        assert refused(consent.verify, partial, proposed, steps).code is Code.SIGNATURE_COUNT


def test_altered_signature_is_refused_and_named(made):
    proposed = made.propose(proposing.renewal(["us"]))
    given, steps = made.sign(proposed, US[0]), made.steps(proposed)
    for place, signature in enumerate(given.parts[0]):
        flipped = signature.sig[:-1] + ("0" if signature.sig[-1] != "0" else "1")
        bad = [*given.parts[0]]
        bad[place] = msgspec.structs.replace(signature, sig=flipped)
        refusal = refused(consent.verify, altered(given, 0, bad), proposed, steps)
        assert (refusal.code, refusal.at) == (Code.BAD_SIGNATURE, f"/parts/0/{place}")


def test_one_custodian_does_not_sign_under_anothers_name(made):
    proposed = made.propose(proposing.renewal(["us"]))
    given = msgspec.structs.replace(made.sign(proposed, US[0]), name=US[1])
    steps = made.steps(proposed)
    assert refused(consent.verify, given, proposed, steps).code is Code.SIGNATURE_COUNT


def test_custodian_counts_once(made):
    proposed = made.propose(proposing.renewal(["us"]))
    twice = [made.sign(proposed, US[0]), made.sign(proposed, US[0])]
    refusal = refused(consent.agree, proposed, made.steps(proposed), twice, NOW)
    assert (refusal.code, refusal.facts["name"]) == (Code.CONSENT_TWICE, US[0])


def test_one_nation_alone_changes_neither_root_nor_arrangement(made):
    for wanted in (proposing.renewal(["root"]), Wanted(arrangement=arrangement())):
        proposed = made.propose(wanted)
        for names, lacking in ((PA, "us"), (US, "pa"), ((*PA, US[0]), "us")):
            refusal = refused(made.agree, proposed, names)
            assert (refusal.code, refusal.facts["name"]) == (Code.CONSENT_MISSING, lacking)


def test_consent_in_another_spelling_is_refused(made):
    proposed = made.propose(proposing.renewal(["us"]))
    raw = consent.sign(proposed, made.steps(proposed), made.signers[US[0]])
    assert refused(consent.read, raw.replace(b",", b", ", 1)).code is Code.MALFORMED


# -- what comes after --------------------------------------------------------------------------


def test_half_yearly_renewal_changes_nothing_but_versions_and_ends(made):
    before = made.view
    made.take(proposing.renewal(()), NAMES, NOW + 180 * DAY_S, UNTIL + 180 * DAY_S)
    assert {file.version for file in made.view.files.values()} == {2}
    assert {file.expires for file in made.view.files.values()} == {UNTIL + 180 * DAY_S}
    for same in ("arrangement", "nodes", "custodians", "online"):
        assert getattr(made.view, same) == getattr(before, same)


def test_role_that_has_expired_is_mended_by_a_renewal(made):
    late = UNTIL + DAY_S
    made.take(proposing.renewal(()), NAMES, late, late + 366 * DAY_S)
    made.view.must_hold("pa", late, "")


def test_custodian_is_replaced_on_the_old_terms_and_the_new(made):
    fresh = joined(made, "pa-custodian-3")
    wanted = Wanted(custodians=fresh, retire=[PA[0]])
    proposed = made.propose(wanted)
    for lacking in (PA[0], "pa-custodian-3"):
        there = [name for name in (*NAMES, "pa-custodian-3") if name != lacking]
        assert refused(made.agree, proposed, there).code is Code.CONSENT_MISSING
    made.take(wanted, (*NAMES, "pa-custodian-3"))
    for role in ("root", "targets", "pa"):
        names = [each.name for each in made.view.custodians[role]["pa"].signatories]
        assert names == [PA[1], "pa-custodian-3"]
    # And the one who left signs nothing any more.
    proposed = made.propose(proposing.renewal(["pa"]))
    assert refused(made.sign, proposed, PA[0]).code is Code.NOT_A_CUSTODIAN


def test_name_of_a_custodian_is_never_given_again(made):
    fresh = joined(made, PA[0])
    for retire in ([], [PA[0]]):
        wanted = Wanted(custodians=fresh, retire=retire)
        assert refused(made.propose, wanted).code is Code.TRUST_INVALID


def test_name_is_not_given_again_to_another_after_its_owner_left(made):
    """Minutes and `signed by` would mean two people; nobody's program lets it in."""
    third = joined(made, "pa-custodian-3")
    made.take(Wanted(custodians=third, retire=[PA[1]]), (*NAMES, "pa-custodian-3"))
    old = made.cards([PA[1]])
    for cards_again in (old, joined(made, PA[1])):
        assert refused(made.propose, Wanted(custodians=cards_again)).code is Code.TRUST_INVALID
    circles = dict(made.view.custodians["root"])
    people = (*circles["pa"].signatories, cards_again[0].signatory)
    circles["pa"] = circles["pa"]._replace(signatories=tuple(sorted(people, key=str)))
    root = trust_making.root(3, UNTIL, circles, made.view.online)
    part = Part(metadata.encode(root), [])
    forged = proposal.encode(proposal.base_of(made.view), NOW, [part])
    refusal = refused(made.steps, proposal.read(forged))
    assert (refusal.code, refusal.facts["name"]) == (Code.TRUST_INVALID, PA[1])


def test_who_is_no_custodian_cannot_be_retired(made):
    assert refused(made.propose, Wanted(retire=["pa-custodian-7"])).code is (
        Code.NOT_A_CUSTODIAN
    )


def test_nothing_is_proposed_where_nothing_changes(made):
    assert refused(made.propose, Wanted()).code is Code.NOTHING_PROPOSED


# -- cards -------------------------------------------------------------------------------------


def test_card_that_shows_another_key_than_it_is_signed_by_is_refused(made):
    card = made.cards([PA[0]])[0]
    raw = cards.sign(card, made.signers[PA[1]])
    assert refused(cards.read, raw).code is Code.UNKNOWN_KEY


def test_card_of_the_other_nations_name_is_refused(made):
    card = msgspec.structs.replace(made.cards([PA[0]])[0], nation="us")
    assert refused(cards.read, cards.sign(card, made.signers[PA[0]])).code is Code.TRUST_INVALID


def test_card_with_a_weak_key_is_refused(made):
    card = made.cards([PA[0]])[0]
    keys = [msgspec.structs.replace(card.signatory.keys[0], x="A" * 43)]
    signatory = msgspec.structs.replace(card.signatory, keys=keys + card.signatory.keys[1:])
    weak = msgspec.structs.replace(card, signatory=signatory)
    assert refused(cards.read, cards.sign(weak, made.signers[PA[0]])).code is Code.WEAK_KEY


def test_card_of_half_a_suite_is_refused(made):
    card = made.cards([PA[0]])[0]
    half = msgspec.structs.replace(card.signatory, keys=card.signatory.keys[:1])
    raw = cards.sign(msgspec.structs.replace(card, signatory=half), made.signers[PA[0]])
    assert refused(cards.read, raw).code is Code.TRUST_INVALID


def test_card_in_another_spelling_or_of_another_kind_is_refused(made):
    signer = made.signers[PA[0]]
    payload = msgspec.json.encode(made.cards([PA[0]])[0])
    spaced = jws.sign(payload.replace(b",", b", ", 1), cards.TYP, [signer])
    assert refused(cards.read, spaced).code is Code.MALFORMED
    assert refused(cards.read, jws.sign(payload, "xb-ack+jws", [signer])).code is (
        Code.UNKNOWN_OBJECT
    )


def test_node_card_shows_the_certificate_that_its_digest_names():
    one, two = new_node(), new_node()
    signer = SoftwareSigner.of(new_signing("xb1-h", os.urandom))
    node = msgspec.structs.replace(
        one.node,
        receipts=msgspec.structs.replace(one.node.receipts, keys=list(signer.keys)),
    )
    for certificate, code in (
        (two.certificate, Code.DIGEST_MISMATCH),
        ("no certificate", Code.WRONG_VALUE),
    ):
        card = cards.NodeCard("xb1", NOW, node, certificate)
        assert refused(cards.read, cards.sign(card, signer)).code is code
