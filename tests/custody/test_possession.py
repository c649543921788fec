"""Whoever signs a proposal sees of each new key who showed to hold it, or signs nothing."""

from __future__ import annotations

import os

import msgspec
import pytest

from exchange.cli import fingerprint
from exchange.cli.arranging import telling
from exchange.custody import cards, consent, listing, proposal, proposing
from exchange.custody.cards import NodeCard
from exchange.custody.listing import Asked
from exchange.custody.proposal import Part
from exchange.custody.proposing import Wanted
from exchange.errors import Code, Refusal
from exchange.model import metadata, objects
from exchange.model.identity import digest
from exchange.seal import enrolment, jws, trust_making
from exchange.seal.software import SoftwareSigner, new_signing
from tests import builders, enrolled
from tests.custody import ceremony
from tests.custody.ceremony import DAY_S, NAMES, NOW, UNTIL, Delegations, new_node
from tests.custody.test_listing import DRAFT, OPS, request

PA, US = NAMES[:2], NAMES[2:]


@pytest.fixture(scope="module")
def founded():
    """An arrangement with one endpoint listed, whose signing keys are at hand."""
    made = Delegations()
    made.node, made.ops = new_node(), new_signing("xb1-h", os.urandom)
    made.take(made.founding(made.node), NAMES)
    made.take(wanted(made, request(signing=made.ops)), PA)
    return made


@pytest.fixture
def made(founded):
    copied = Delegations(())
    copied.signers, copied.view = dict(founded.signers), founded.view
    copied.node, copied.ops = founded.node, founded.ops
    return copied


def wanted(made, *requests, anew=False, shown=None):
    """What custodians want who list these requests, of which these are shown."""
    asked = Asked(drafts=[DRAFT], requests=requests, anew=anew)
    members = listing.members(made.view, asked, NOW)
    return Wanted(members=members, shown=requests if shown is None else shown)


def raw_of(made, wish):
    """The file, with what is shown and nothing that a test adds by itself."""
    return proposal.read(proposing.propose(made.view, wish, NOW, UNTIL))


def refused(made, wish, now=NOW):
    with pytest.raises(Refusal) as refusal:
        made.steps(raw_of(made, wish), now)
    return refusal.value.code, refusal.value.at


def shown(made, wish):
    (told,) = telling.shown(made.steps(raw_of(made, wish)))
    return told.kind, told.name, told.how


def altered(made, **changes):
    """The member as listed, with other keys than its endpoint has: nobody asked for them."""
    member = made.view.member("pa.senan")
    (endpoint,) = member.endpoints
    keys = [msgspec.structs.replace(key, **changes) for key in endpoint.keys]
    return msgspec.structs.replace(
        member, endpoints=[msgspec.structs.replace(endpoint, keys=keys)]
    )


# -- endpoints ---------------------------------------------------------------------------------


def test_key_that_nobody_asked_for_is_signed_by_nobody(made):
    other = request("pa.senan/other")
    described = msgspec.structs.replace(DRAFT.endpoints[0], id="pa.senan/other")
    draft = msgspec.structs.replace(DRAFT, endpoints=[described])
    asked = Asked(drafts=[draft], requests=[other])
    members = listing.members(made.view, asked, NOW)
    assert refused(made, Wanted(members=members)) == (Code.KEY_UNPROVED, "/parts/0")
    # The request of somebody else, or of the same one for other keys, shows nothing of these.
    for beside in (request("pa.senan/third"), request("pa.senan/other")):
        code, at = refused(made, Wanted(members=members, shown=[beside]))
        assert (code, at) == (Code.KEY_UNPROVED, "/parts/0")
    held = Wanted(members=members, shown=[other])
    assert shown(made, held) == ("endpoint", "pa.senan/other", "first")


@pytest.mark.parametrize("changes", [{"until": NOW + 91 * DAY_S}, {"since": NOW - 1}])
def test_listed_key_gets_no_longer_life_unasked(made, changes):
    code, at = refused(made, Wanted(members=[altered(made, **changes)]))
    assert (code, at) == (Code.KEY_UNPROVED, "/parts/0")


def test_listed_key_may_end_sooner(made):
    wish = Wanted(members=[altered(made, until=NOW + DAY_S)])
    assert telling.shown(made.steps(raw_of(made, wish))) == []


def test_key_with_other_dates_than_were_asked_for_is_refused(made):
    again = request()
    wish = wanted(made, again, anew=True)
    (member,) = wish.members
    (endpoint,) = member.endpoints
    asked = objects.decode_enrolment(jws.read(again, 1 << 20).payload)
    fresh = {key.jwk.kid for key in asked.keys}
    keys = [
        msgspec.structs.replace(key, until=key.until + (key.jwk.kid in fresh))
        for key in endpoint.keys
    ]
    endpoint = msgspec.structs.replace(endpoint, keys=keys)
    member = msgspec.structs.replace(member, endpoints=[endpoint])
    assert refused(made, wish._replace(members=[member]))[0] is Code.KEY_UNPROVED


def test_request_is_looked_at_again_by_whoever_signs(made):
    """Its signatures, its keys and its age, on the signer's machine and clock."""
    again = request()
    wish = wanted(made, again, anew=True)
    assert shown(made, wish) == ("endpoint", OPS, "anew")
    late = NOW + enrolment.MAX_AGE_S + 1
    assert refused(made, wish, late) == (Code.REQUEST_STALE, "/shown/0/issued")
    # By other keys than it brings: as if it were somebody else's.
    payload = jws.read(again, 1 << 20).payload
    stranger = SoftwareSigner.of(new_signing("xb1-h", os.urandom))
    forged = jws.sign(payload, objects.ENROLMENT_TYP, [stranger])
    code, at = refused(made, wish._replace(shown=[forged]))
    assert (code, at) == (Code.SIGNATURE_COUNT, "/shown/0/signatures")


def test_who_puts_it_together_counts_its_age_from_when_it_was_proposed(made):
    proposed = raw_of(made, wanted(made, request(), anew=True))
    steps = made.steps(proposed)
    given = [consent.read(consent.sign(proposed, steps, made.signers[name])) for name in PA]
    late = NOW + enrolment.MAX_AGE_S + 1
    then = proposal.steps(proposed, made.view, late, proposed.issued)
    assert consent.agree(proposed, then, given, late).names == [list(PA)]


def test_who_signs_is_told_whether_the_keys_in_force_signed(made):
    rotated = request(before=[SoftwareSigner.of(made.ops)])
    assert shown(made, wanted(made, rotated)) == ("endpoint", OPS, "in-force")
    wish = wanted(made, request(), anew=True)
    assert shown(made, wish) == ("endpoint", OPS, "anew")
    for lang, said in (("es", "NO FIRMÓ CON LAS CLAVES QUE TENÍA"), ("en", "NOT SIGNED BY")):
        (line,) = telling.holders(made.steps(raw_of(made, wish)), lang)
        assert line.startswith(f"{OPS}: {said}")


def test_who_signs_is_told_who_invited_somebody_new_and_who_approved():
    """And the file is held again to all that custodians hold it to."""
    world = builders.world().after(enrolled.second_operator(builders.world()))
    invited = enrolled.invited(world)
    asked = enrolled.asked(world, invited)
    file = enrolled.file(world, asked, invited, enrolled.ruled(world, asked))
    described = listing.EndpointDraft(enrolled.NEW, ceremony.TITLE, ["poster"])
    draft = listing.MemberDraft("pa.senan", ceremony.TITLE, [described])
    members = listing.members(world.view, Asked(drafts=[draft], requests=[file]), builders.NOW)

    def steps(file):
        wish = Wanted(members=members, shown=[file])
        until = builders.NOW + DAY_S
        raw = proposing.propose(world.view, wish, builders.NOW, until)
        return proposal.steps(proposal.read(raw), world.view, builders.NOW)

    (line,) = telling.holders(steps(file), "en")
    assert line.endswith(
        "invited by exercise-inviter (pa.minsa/ops), approved by exercise-second (pa.senan/ops)"
    )
    (told,) = telling.shown(steps(file))
    assert (told.how, told.digest) == ("invited", digest(asked))
    with pytest.raises(Refusal) as refusal:
        steps(asked)
    assert refusal.value.code is Code.NOT_APPROVED


# -- custodians and nodes ----------------------------------------------------------------------


def test_custodian_without_a_card_is_signed_by_nobody(made):
    name = "pa-custodian-3"
    made.signers[name] = SoftwareSigner.of(new_signing("xb1-h", os.urandom))
    wish = Wanted(custodians=made.cards([name]))
    assert refused(made, wish) == (Code.KEY_UNPROVED, "/parts/0")
    # Nor by another's card under the same name.
    before, made.signers[name] = made.signers[name], made.signers[PA[0]]
    assert refused(made, wish._replace(shown=[made.card(name)])) == (
        Code.KEY_UNPROVED,
        "/parts/0",
    )
    made.signers[name] = before
    assert shown(made, wish._replace(shown=[made.card(name)])) == ("custodian", name, "first")


def test_custodian_who_left_comes_back_by_a_card_and_its_words_alone(made):
    """After a theft, the stolen keys listed again by hand; the root itself takes them."""
    name, third = PA[1], "pa-custodian-3"
    made.signers[third] = SoftwareSigner.of(new_signing("xb1-h", os.urandom))
    there = made.view.custodians["root"]
    made.take(Wanted(custodians=made.cards([third]), retire=[name]), (*NAMES, third))
    root = trust_making.root(made.view.version_of("root") + 1, UNTIL, there, made.view.online)
    part, card = Part(metadata.encode(root), []), made.card(name)

    def by_hand(*brought):
        base = proposal.base_of(made.view)
        return proposal.read(proposal.encode(base, NOW, [part], list(brought)))

    with pytest.raises(Refusal) as refusal:
        made.steps(by_hand())
    assert (refusal.value.code, refusal.value.at) == (Code.KEY_UNPROVED, "/parts/0")
    steps = made.steps(by_hand(card))
    (told,) = telling.shown(steps)
    assert (told.kind, told.name, told.how) == ("custodian", name, "again")
    page = telling.page(by_hand(card), steps)
    assert all(line in page for line in fingerprint.lines(digest(card)))
    for words in ("FUE CUSTODIO Y DEJÓ DE SERLO", "WAS A CUSTODIAN AND LEFT"):
        assert any(words in line for line in page)


def test_node_without_its_card_is_signed_by_nobody(made):
    other = new_node("us", serves=())
    wish = Wanted(nodes=[other.node])
    assert refused(made, wish) == (Code.KEY_UNPROVED, "/parts/0")
    raw = ceremony.NODE_CARDS[other.node.receipts.keys[0].kid]
    moved = msgspec.structs.replace(other.node, url="https://elsewhere:1")
    # The root lists its keys, as its card shows them; its document is another one.
    code, at = refused(made, Wanted(nodes=[moved], shown=[raw]))
    assert (code, at) == (Code.KEY_UNPROVED, "/parts/1")
    assert shown(made, wish._replace(shown=[raw])) == ("node", "us", "first")


def old_keys(made):
    return ceremony.NODE_SIGNERS[made.node.node.receipts.keys[0].kid]


def other_keys(made, *before):
    """The card of the node with other keys, signed by these besides."""
    signer = SoftwareSigner.of(new_signing("xb1-h", os.urandom))
    node = made.view.nodes["pa"]
    receipts = msgspec.structs.replace(node.receipts, keys=list(signer.keys))
    node = msgspec.structs.replace(node, receipts=receipts)
    card = NodeCard("xb1", NOW, node, made.node.certificate)
    return cards.sign(card, signer, *before), node


def test_who_signs_is_told_whether_a_node_s_old_keys_hand_over(made):
    raw, node = other_keys(made)
    assert shown(made, Wanted(nodes=[node], shown=[raw])) == ("node", "pa", "anew")
    # Signed by somebody's keys besides: those that the directory lists are others.
    raw, node = other_keys(made, SoftwareSigner.of(new_signing("xb1-h", os.urandom)))
    assert shown(made, Wanted(nodes=[node], shown=[raw])) == ("node", "pa", "anew")
    raw, node = other_keys(made, old_keys(made))
    assert shown(made, Wanted(nodes=[node], shown=[raw])) == ("node", "pa", "in-force")


# -- what travels ------------------------------------------------------------------------------


def test_what_shows_nothing_of_this_is_refused(made):
    wish = Wanted(renew=["pa"], shown=[request()])
    assert refused(made, wish) == (Code.TRUST_INVALID, "/shown/0")


def test_what_travels_is_in_the_fingerprint_and_reads_back(made):
    wish = wanted(made, request(), anew=True)
    one, other = raw_of(made, wish), raw_of(made, wish._replace(shown=[]))
    assert one.digest != other.digest
    assert one.shown == list(wish.shown)


def test_half_a_proposal_is_none(made):
    made_of = proposing.propose(made.view, wanted(made, request(), anew=True), NOW, UNTIL)
    with pytest.raises(Refusal) as refusal:
        proposal.read(made_of.removesuffix(b"\n").rpartition(b"\n")[0] + b"\n")
    assert refusal.value.code is Code.MALFORMED


def test_weak_key_is_refused_before_anybody_signs(made):
    wish = wanted(made, request(), anew=True)
    (member,) = wish.members
    (endpoint,) = member.endpoints
    place, key = next((n, k) for n, k in enumerate(endpoint.keys) if k.jwk.x and k.use == "sig")
    keys = [*endpoint.keys]
    keys[place] = msgspec.structs.replace(key, jwk=msgspec.structs.replace(key.jwk, x="A" * 43))
    member = msgspec.structs.replace(
        member, endpoints=[msgspec.structs.replace(endpoint, keys=keys)]
    )
    with pytest.raises(Refusal) as refusal:
        raw_of(made, wish._replace(members=[member]))
    assert refusal.value.code is Code.WEAK_KEY


# -- one that shows them, and another beside it ------------------------------------------------


def test_card_of_other_keys_beside_the_one_that_shows_them_is_refused(made):
    """Else its words, which are the right ones, would be compared for those of a thief's."""
    name = "pa-custodian-3"
    made.signers[name] = SoftwareSigner.of(new_signing("xb1-h", os.urandom))
    honest = made.card(name)
    made.signers[name] = SoftwareSigner.of(new_signing("xb1-h", os.urandom))
    wish = Wanted(custodians=made.cards([name]))
    for place, brought in enumerate(([honest, made.card(name)], [made.card(name), honest])):
        code, at = refused(made, wish._replace(shown=brought))
        assert (code, at) == (Code.TRUST_INVALID, f"/shown/{place}")
    proposed = raw_of(made, wish._replace(shown=[made.card(name)]))
    page = telling.page(proposed, made.steps(proposed))
    assert {f"  {key.kid}" for key in made.signers[name].keys} <= set(page)


def test_node_s_other_card_beside_the_one_of_its_document_is_refused(made):
    """Also where the same keys signed both: which one the document is, nobody would see."""
    other = new_node("us", serves=())
    signer = ceremony.NODE_SIGNERS[other.node.receipts.keys[0].kid]
    moved = msgspec.structs.replace(other.node, url="https://elsewhere:1")
    raw = ceremony.NODE_CARDS[other.node.receipts.keys[0].kid]
    beside = cards.sign(NodeCard("xb1", NOW, moved, other.certificate), signer)
    wish = Wanted(nodes=[other.node], shown=[raw])
    assert refused(made, wish._replace(shown=[raw, beside])) == (
        Code.TRUST_INVALID,
        "/shown/1",
    )
    assert shown(made, wish) == ("node", "us", "first")


def test_request_for_other_keys_beside_the_one_that_is_listed_is_refused(made):
    honest, thief = request(), request()
    wish = wanted(made, thief, anew=True)
    assert refused(made, wish._replace(shown=[honest, thief])) == (
        Code.TRUST_INVALID,
        "/shown/0",
    )
    # Nor is it enough that one key of the other is listed too: all that it asks for is.
    (member,) = wish.members
    (endpoint,) = member.endpoints
    asked = objects.decode_enrolment(jws.read(honest, 1 << 20).payload)
    one = next(key for key in asked.keys if key.use == "enc")
    endpoint = msgspec.structs.replace(endpoint, keys=[*endpoint.keys, one])
    members = [msgspec.structs.replace(member, endpoints=[endpoint])]
    wish = wish._replace(members=members, shown=[honest, thief])
    assert refused(made, wish) == (Code.KEY_UNPROVED, "/parts/0")


# -- out of a suspension -----------------------------------------------------------------------


def test_suspended_endpoint_comes_back_by_new_keys_and_the_old_ones_are_over(made):
    """The way that a custodian is told to go: one proposal, and another says what it would."""
    made.take(Wanted(members=listing.members(made.view, Asked(suspended=[OPS]), NOW)), PA)
    old = made.view.endpoints[OPS].keys
    stolen = request(before=[SoftwareSigner.of(made.ops)])
    for anew in (False, True):
        with pytest.raises(Refusal) as refusal:
            wanted(made, stolen, anew=anew)
        expected = Code.SIGNATURE_COUNT if anew else Code.ENDPOINT_SUSPENDED
        assert refusal.value.code is expected
    again = request()
    asked = Asked(requests=[again], resumed=[OPS], anew=True, overlap_s=7 * DAY_S)
    wish = Wanted(members=listing.members(made.view, asked, NOW), shown=[again])
    assert shown(made, wish) == ("endpoint", OPS, "anew")
    told = telling.changes(made.steps(raw_of(made, wish)))
    assert not any("GOOD AGAIN" in line for line in told["en"])
    bare = Wanted(members=listing.members(made.view, Asked(resumed=[OPS]), NOW))
    told = telling.changes(made.steps(raw_of(made, bare)))
    for lang, said in (("es", "VUELVEN A VALER"), ("en", "GOOD AGAIN")):
        (line,) = [line for line in told[lang] if said in line]
        assert all(kid in line for kid in old)
    made.take(wish, PA)
    standing = made.view.standing(OPS)
    # Nothing was sealed to it meanwhile, so no opening key goes on for an overlap either.
    assert not old.keys() & standing.keys.keys()
