"""What a request for new keys must hold before custodians list them, and what follows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.broker.intake import Admitted, Declined, consider
from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.header import Header
from exchange.model.identity import Jwk, SuiteId
from exchange.model.trust import Endpoint
from exchange.seal import enrolment, jws, trust
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import SoftwareSigner, new_opening, new_signing
from exchange.seal.suites import SUITES, raw_public
from tests import builders
from tests.builders import DAY, NOW, OPS, WATCH, Randomness
from tests.vectors.enrolling import NEW, SUITE, asked, enc, first, opener, sig, signed, signer

WORLD = builders.world()


def refused(raw: bytes, **how: Any) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        enrolment.check(raw, WORLD.view, NOW, **how)
    return refusal.value


# -- who may ask -------------------------------------------------------------------------------


def test_rotation_is_signed_by_the_keys_in_force_and_then_by_the_new_ones() -> None:
    for request, by in (
        (asked(), [WORLD.signers[OPS]]),
        (asked(keys=sig(signer()), replaces=[]), [WORLD.signers[OPS], signer()]),
        (asked(keys=[*sig(signer()), enc()]), [WORLD.signers[OPS], signer()]),
    ):
        assert enrolment.check(signed(request, *by), WORLD.view, NOW) == request


def test_new_endpoint_signs_with_the_keys_it_brings() -> None:
    request = first()
    assert enrolment.check(signed(request, signer()), WORLD.view, NOW) == request


@pytest.mark.parametrize(
    ("by", "code"),
    [
        ([signer()], Code.SIGNATURE_COUNT),
        ([WORLD.signers[OPS]], Code.SIGNATURE_COUNT),
        ([signer(), WORLD.signers[OPS]], Code.UNKNOWN_KEY),
        ([WORLD.signers[WATCH], signer()], Code.UNKNOWN_KEY),
        ([WORLD.signers[OPS], signer("other")], Code.UNKNOWN_KEY),
        ([WORLD.signers[OPS], WORLD.signers[OPS]], Code.UNKNOWN_KEY),
        ([WORLD.signers[OPS], signer(), signer()], Code.SIGNATURE_COUNT),
    ],
    ids=range(7),
)
def test_every_signing_key_old_and_new_must_sign(by: list[SoftwareSigner], code: Code) -> None:
    assert refused(signed(asked(keys=sig(signer()), replaces=[]), *by)).code == code


def test_signature_of_a_new_key_that_does_not_hold_is_no_possession() -> None:
    raw = msgspec.json.decode(signed(asked(keys=sig(signer())), WORLD.signers[OPS], signer()))
    forged = raw["signatures"][-1]["signature"]
    raw["signatures"][-1]["signature"] = ("B" if forged[0] == "A" else "A") + forged[1:]
    assert refused(msgspec.json.encode(raw)).code == Code.BAD_SIGNATURE


def test_keys_that_expired_ask_for_no_others_unless_custodians_say_so() -> None:
    later = NOW + 366 * DAY
    until = later + DAY
    keys = [*sig(signer(), since=later, until=until), enc(since=later, until=until)]
    request = asked(keys=keys, replaces=[], issued=later)
    raw = signed(request, WORLD.signers[OPS], signer())
    with pytest.raises(Refusal) as refusal:
        enrolment.check(raw, WORLD.view, later)
    assert refusal.value.code == Code.KEY_NOT_VALID
    alone = signed(request, signer())
    assert enrolment.check(alone, WORLD.view, later, anew=True) == request
    assert refused(signed(asked(), signer()), anew=True).code == Code.SIGNATURE_COUNT


def test_request_is_for_one_place_in_one_exchange() -> None:
    for changes, code, at in (
        ({"origin": "pa.minsa"}, Code.ORIGIN_MISMATCH, "/origin"),
        ({"node": "us"}, Code.NOT_HOME, "/node"),
    ):
        refusal = refused(signed(asked(**changes)))
        assert (refusal.code, refusal.at) == (code, at)
    assert refused(signed(first(origin="pa.minsa"), signer())).code == Code.ORIGIN_MISMATCH
    view = WORLD.later(WORLD.amended(OPS, builders.suspended))
    with pytest.raises(Refusal) as suspended:
        enrolment.check(signed(asked()), view, NOW)
    assert suspended.value.code == Code.ENDPOINT_SUSPENDED
    anew = asked(keys=[*sig(signer()), enc()], replaces=[])
    assert enrolment.check(signed(anew, signer()), view, NOW, anew=True) == anew
    view = WORLD.later(WORLD.rearranged(suites=[]))
    with pytest.raises(Refusal) as disallowed:
        enrolment.check(signed(first(), signer()), view, NOW)
    assert disallowed.value.code == Code.SUITE_NOT_ALLOWED


def test_what_was_signed_as_something_else_is_no_enrolment() -> None:
    raw = jws.sign(msgspec.json.encode(asked()), objects.ACK_TYP, [WORLD.signers[OPS]])
    assert refused(raw).code == Code.UNKNOWN_OBJECT
    assert refused(b"{}").code == Code.MISSING_MEMBER


# -- which keys --------------------------------------------------------------------------------


def test_set_of_signing_keys_is_whole_and_in_order() -> None:
    keys = sig(signer())
    for broken in (keys[:1], keys[::-1], [*keys, *sig(signer("more"))]):
        refusal = refused(signed(asked(keys=broken), WORLD.signers[OPS], signer()))
        assert (refusal.code, refusal.at) == (Code.WRONG_VALUE, "/keys")


def _member(jwk: Jwk) -> str:
    return "pub" if jwk.kty == "AKP" else "x"


def _spoilt(jwk: Jwk) -> dict[str, str]:
    """Ways to write a key that must not be listed, by name: what stands in its member."""
    raw = raw_public(jwk)
    ways = {"short": b64(raw[:-1]), "long": b64(raw + b"\0"), "padded": b64(raw) + "="}
    ways["zero"] = b64(bytes(len(raw)))
    if jwk.kty == "AKP":
        # All but the seed of the matrix: everyone could sign, or open, under such a key.
        ways["no-t1"] = b64(raw[:32] + bytes(len(raw) - 32))
    if jwk.alg.startswith("HPKE"):
        size = 1184 if len(raw) < 1568 else 1568
        ways["no-t"] = b64(bytes(size - 32) + raw[size - 32 :])
        del ways["no-t1"]
    # To ML-DSA this is t1 * 2^d = -1 everywhere; to others no key.
    ways["ones"] = b64(b"\xff" * len(raw))
    return ways


def _every_key() -> list[Any]:
    """Each algorithm of each suite, spoilt each way, at its place among the keys asked for."""
    found = []
    for name in SUITES:
        by = SoftwareSigner(name, new_signing(name, Randomness("weak")))
        secret = new_opening(name, Randomness("weak open"))
        for place, jwk in enumerate([*by.keys, SoftwareOpener(secret).key]):
            for way, text in _spoilt(jwk).items():
                changed = msgspec.structs.replace(jwk, **{_member(jwk): text})
                found.append(pytest.param(name, place, changed, id=f"{name}-{jwk.alg}-{way}"))
    return found


@pytest.mark.parametrize(("suite", "place", "jwk"), _every_key())
def test_weak_and_malformed_keys_are_refused_for_every_algorithm(
    suite: SuiteId, place: int, jwk: Jwk
) -> None:
    whole = SoftwareSigner(suite, new_signing(suite, Randomness("weak")))
    keys = [*sig(whole), enc()]
    keys[place] = msgspec.structs.replace(keys[place], jwk=jwk)
    with pytest.raises(Refusal) as refusal:
        enrolment._check_keys(asked(suite=suite, keys=keys), NOW)
    assert refusal.value.at.startswith(f"/keys/{place}/jwk")
    assert refusal.value.code in (Code.WEAK_KEY, Code.WRONG_VALUE, Code.BAD_BASE64)


def test_key_of_no_suite_is_refused() -> None:
    other = msgspec.structs.replace(opener().key, alg="HPKE-0-KE")
    refusal = refused(signed(asked(keys=[enc(other)])))
    assert (refusal.code, refusal.at) == (Code.WRONG_VALUE, "/keys/0/jwk/alg")


@pytest.mark.parametrize("whose", [OPS, WATCH])
def test_key_that_is_listed_already_is_refused_and_its_owner_named(whose: str) -> None:
    refusal = refused(signed(asked(keys=[enc(WORLD.key(whose))], replaces=[])))
    assert (refusal.code, refusal.facts["name"]) == (Code.KEY_KNOWN, whose)


def test_signing_key_of_a_node_or_custodian_is_nobody_else_s() -> None:
    node = SoftwareSigner(SUITE, WORLD.node.of("sign"))
    custodian = WORLD.founder.custodians["pa"]["pa-custodian-1"]
    for taken in (node, custodian):
        raw = signed(asked(keys=sig(taken), replaces=[]), WORLD.signers[OPS], taken)
        assert refused(raw).code == Code.KEY_KNOWN


def test_key_is_asked_for_once() -> None:
    refusal = refused(signed(asked(keys=[enc(), enc()])))
    assert (refusal.code, refusal.at) == (Code.KEY_KNOWN, "/keys/1/jwk")


@pytest.mark.parametrize(
    ("since", "until"), [(NOW, NOW), (NOW + 2, NOW + 1), (NOW - 2 * DAY, NOW)]
)
def test_key_is_good_for_some_time_to_come(since: int, until: int) -> None:
    refusal = refused(signed(asked(keys=[enc(since=since, until=until)])))
    assert (refusal.code, refusal.at) == (Code.KEY_NOT_VALID, "/keys/0/until")


@pytest.mark.parametrize(("use", "days"), [("sig", 397), ("enc", 124)])
def test_key_lives_no_longer_than_a_key_may(use: str, days: int) -> None:
    """From now or from its beginning, whichever is the earlier."""
    by = [WORLD.signers[OPS], signer()] if use == "sig" else [WORLD.signers[OPS]]

    def raw(since: int, until: int) -> bytes:
        keys = [enc(since=since, until=until)]
        if use == "sig":
            keys = sig(signer(), since=since, until=until)
        return signed(asked(keys=keys, replaces=[]), *by)

    end = NOW + days * DAY
    for since in (NOW, NOW + 30 * DAY):
        enrolment.check(raw(since, end), WORLD.view, NOW)
        refusal = refused(raw(since, end + 1))
        assert (refusal.code, refusal.at) == (Code.KEY_LIFETIME, "/keys/0/until")
    enrolment.check(raw(NOW - DAY, end - DAY), WORLD.view, NOW)
    assert refused(raw(NOW - DAY, end - DAY + 1)).code == Code.KEY_LIFETIME


def test_request_is_neither_a_month_old_nor_of_tomorrow() -> None:
    for issued in (NOW - 31 * DAY, NOW + DAY):
        enrolment.check(signed(asked(issued=issued)), WORLD.view, NOW)
    for issued, code in (
        (NOW - 31 * DAY - 1, Code.REQUEST_STALE),
        (NOW + DAY + 1, Code.NOT_YET_ISSUED),
    ):
        refusal = refused(signed(asked(issued=issued)))
        assert (refusal.code, refusal.at) == (code, "/issued")
    assert refused(signed(asked(issued=NOW - 32 * DAY)), anew=True).code == Code.REQUEST_STALE


def test_only_own_keys_of_the_same_use_are_replaced() -> None:
    mine = WORLD.signers[OPS].keys[0].kid
    for kid in (WORLD.key(WATCH).kid, mine, "A" * 43):
        refusal = refused(signed(asked(replaces=[kid])))
        assert (refusal.code, refusal.at) == (Code.UNKNOWN_KEY, "/replaces/0")


# -- how it is written -------------------------------------------------------------------------


def test_payload_is_closed_and_has_one_spelling() -> None:
    raw = msgspec.json.encode(asked())
    assert objects.decode_enrolment(raw) == msgspec.json.decode(raw, type=objects.Enrolment)
    for spoilt, code in (
        (raw[:-1] + b',"x":1}', Code.UNKNOWN_MEMBER),
        (raw[:-1] + b',"issued":1}', Code.DUPLICATE_MEMBER),
        (raw.replace(b'"kty":', b'"x":null,"kty":'), Code.DUPLICATE_MEMBER),
        (raw.replace(b'"use":"enc"', b'"use":"enc","use":"enc"'), Code.DUPLICATE_MEMBER),
        (raw.replace(b'"node":"pa",', b""), Code.MISSING_MEMBER),
    ):
        with pytest.raises(Refusal) as refusal:
            objects.decode_enrolment(spoilt)
        assert refusal.value.code == code
    kids = sorted(each.kid for each in WORLD.signers[OPS].keys)[::-1]
    with pytest.raises(Refusal) as unsorted:
        objects.decode_enrolment(msgspec.json.encode(asked(replaces=kids)))
    assert unsorted.value.at == "/replaces"


@pytest.mark.parametrize("suite", SUITES)
def test_request_for_every_key_at_once_is_within_bounds(suite: SuiteId) -> None:
    by = [SoftwareSigner(suite, new_signing(suite, Randomness(f"{n}"))) for n in range(2)]
    opening = [SoftwareOpener(new_opening(each, Randomness("all"))).key for each in SUITES]
    keys = [*sig(by[1]), *(enc(jwk) for jwk in opening)]
    replaces = sorted(b64(bytes(31) + bytes([n])) for n in range(len(keys)))
    raw = signed(asked(suite=suite, keys=keys, replaces=replaces), *by)
    assert len(raw) < objects.MAX_OBJECT_BYTES
    payload = jws.read(raw, objects.MAX_OBJECT_BYTES).payload
    assert objects.decode_enrolment(payload).keys == keys


# -- the document that follows -----------------------------------------------------------------


def view_after(
    request: objects.Enrolment, overlap_s: int = 7 * DAY, **more: Any
) -> builders.View:
    member = enrolment.admitted(WORLD.member("pa.senan"), request, NOW, overlap_s, **more)
    return WORLD.later(WORLD.signed(member, ["pa"]))


def test_sender_uses_the_newest_key_and_the_old_one_overlaps() -> None:
    old, new = WORLD.key(OPS), opener().key
    view = view_after(asked(keys=[enc(since=NOW + DAY)]))
    keys = view.standing(OPS).keys
    assert view.sealing_key(OPS, SUITES[SUITE].wrap, NOW + DAY - 1).jwk == old
    assert view.sealing_key(OPS, SUITES[SUITE].wrap, NOW + DAY).jwk == new
    assert keys[old.kid].until == NOW + DAY + 7 * DAY
    assert keys[new.kid].until == NOW + 90 * DAY


def test_overlap_never_makes_a_key_live_longer() -> None:
    view = view_after(asked(), overlap_s=10_000 * DAY)
    before = WORLD.view.standing(OPS).keys[WORLD.key(OPS).kid]
    assert view.standing(OPS).keys[before.jwk.kid].until == before.until


def test_both_signing_sets_are_good_during_the_overlap() -> None:
    old = sorted(key.kid for key in WORLD.signers[OPS].keys)
    view = view_after(asked(keys=sig(signer()), replaces=old))
    for by in (WORLD.signers[OPS], signer()):
        raw = jws.sign(msgspec.json.encode(asked()), objects.ENROLMENT_TYP, [by])
        jws.verify_by(jws.read(raw, 40_000), view.standing(OPS), NOW + 6 * DAY)
    assert [key.use for key in view.standing(OPS).endpoint.keys].count("enc") == 1


def test_key_that_expired_is_listed_no_longer() -> None:
    request = asked(keys=[enc(since=NOW, until=NOW + 900 * DAY)])
    member = enrolment.admitted(WORLD.member("pa.senan"), request, NOW + 400 * DAY, DAY)
    (endpoint,) = [each for each in member.endpoints if each.id == OPS]
    assert [key.jwk for key in endpoint.keys] == [opener().key]


def test_new_endpoint_is_listed_as_the_custodians_describe_it() -> None:
    title = {"es": "EJERCICIO", "en": "EXERCISE"}
    fresh = Endpoint(NEW, title, "active", SUITE, ["reader"], [])  # type: ignore[arg-type]
    view = view_after(first(), fresh=fresh)
    assert view.standing(NEW).endpoint.roles == ["reader"]
    assert view.sealing_key(NEW, SUITES[SUITE].wrap, NOW).jwk == opener().key
    with pytest.raises(Refusal) as unknown:
        view_after(first())
    assert unknown.value.code == Code.UNKNOWN_ENDPOINT
    with pytest.raises(Refusal) as elsewhere:
        enrolment.admitted(WORLD.member("pa.minsa"), first(), NOW, DAY, fresh)
    assert elsewhere.value.code == Code.ORIGIN_MISMATCH


def test_lost_signing_keys_end_with_the_new_request_and_cannot_take_the_endpoint_back() -> None:
    listed = WORLD.member("pa.senan")
    lost = enrolment.ended(listed, OPS, NOW, 7 * DAY)
    anew = asked(keys=[*sig(signer()), enc()], replaces=[])
    after = enrolment.admitted(lost, anew, NOW, 7 * DAY)
    view = WORLD.later(WORLD.signed(after, ["pa"]))
    thief = jws.sign(msgspec.json.encode(asked()), objects.ENROLMENT_TYP, [WORLD.signers[OPS]])
    with pytest.raises(Refusal) as refusal:
        jws.verify_by(jws.read(thief, 40_000), view.standing(OPS), NOW)
    assert refusal.value.code in {Code.UNKNOWN_KEY, Code.KEY_NOT_VALID}
    # What is under way can still be opened, and nobody else's keys are touched.
    assert view.standing(OPS).keys[WORLD.key(OPS).kid].until == NOW + 7 * DAY
    assert view.standing(WATCH).keys == WORLD.view.standing(WATCH).keys


def test_request_that_was_admitted_cannot_be_admitted_again() -> None:
    raw = signed(asked())
    member = enrolment.admitted(
        WORLD.member("pa.senan"), enrolment.check(raw, WORLD.view, NOW), NOW, 7 * DAY
    )
    view = trust.apply(WORLD.signed(member, ["pa"]), WORLD.view, WORLD.view.index + 1, NOW)
    with pytest.raises(Refusal) as refusal:
        enrolment.check(raw, view, NOW)
    assert refusal.value.code == Code.KEY_KNOWN


def test_bulletin_sealed_to_the_old_key_is_admitted_during_the_overlap_and_not_after() -> None:
    view = view_after(asked(endpoint=OPS, keys=[enc()]))
    header: Header = WORLD.header(endpoint=WATCH, to=[OPS], expires=NOW + 30 * DAY)
    envelope = WORLD.envelope(header)
    arrival = WORLD.arrival(envelope, WATCH, NOW + 6 * DAY)
    assert isinstance(consider(arrival, view).decision, Admitted)
    late = consider(WORLD.arrival(envelope, WATCH, NOW + 8 * DAY), view).decision
    assert isinstance(late, Declined)
    assert late.refusal.code == Code.RECIPIENT_KEY_UNFIT
