"""The life of an endpoint's keys, one step after another."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from exchange.custody import ring, signers
from exchange.custody.container import Destroyed, Life, Secrets
from exchange.errors import Code, Fault, Refusal
from exchange.model import objects
from exchange.model.identity import Jwk, SuiteId
from exchange.model.trust import EndpointKey
from exchange.seal import enrolment, jws
from exchange.seal.open import SoftwareOpener, Unwrapper, open_body
from exchange.seal.software import new_opening, new_signing
from exchange.seal.suites import SUITES
from tests import builders
from tests.builders import DAY, NOW, OPS, WATCH, Randomness

WORLD = builders.world()
BEFORE = WORLD.secrets[WATCH]
SUITE: SuiteId = WORLD.view.standing(WATCH).endpoint.suite
LIFE = Life(NOW, NOW + 93 * DAY)


def asked(seed: str = "next") -> Secrets:
    """The container once a new opening key and new signing keys were asked for."""
    opening = [new_opening(SUITE, Randomness(f"open {seed}"))]
    signing = new_signing(SUITE, Randomness(f"sign {seed}"))
    secrets = ring.with_keys(BEFORE, ring.OPEN_NEXT, opening, LIFE)
    return ring.with_keys(secrets, ring.SIGN_NEXT, signing, LIFE)


def listing(secrets: Secrets, *purposes: str, since: int = NOW) -> dict[str, EndpointKey]:
    """The directory's entries of these keys."""
    jwks = [ring.public(key) for each in purposes for key in secrets.of(each)]
    return {jwk.kid: EndpointKey("enc", jwk, since, NOW + DAY) for jwk in jwks}


ALL = (ring.SIGN_NEXT, ring.OPEN_NEXT)


def gone(jwk: Jwk) -> Destroyed:
    return Destroyed(jwk.kid, jwk.alg, NOW)


def states(secrets: Secrets) -> list[tuple[str, str]]:
    return [(each.use, each.state) for each in ring.held(secrets)]


def test_keys_that_were_asked_for_wait_beside_those_in_use() -> None:
    signs = len(SUITES[SUITE].signatures)
    waiting = [*[("sig", "in-use")] * signs, *[("sig", "next")] * signs]
    assert states(asked()) == [*waiting, ("enc", "in-use"), ("enc", "next")]
    assert all(each.life == LIFE for each in ring.held(asked()) if each.state == "next")


def test_only_what_the_directory_lists_by_now_is_taken_into_use() -> None:
    secrets = asked()
    assert ring.taken_up(secrets, {}, NOW) == secrets
    early = listing(secrets, *ALL, since=NOW + 1)
    assert ring.taken_up(secrets, early, NOW) == secrets
    assert ring.taken_up(secrets, listing(secrets, *ALL), NOW + DAY) == secrets
    half = listing(secrets, ring.SIGN_NEXT)
    half.popitem()
    assert ring.taken_up(secrets, half, NOW) == secrets


def test_old_signing_keys_go_and_old_opening_keys_stay() -> None:
    secrets = asked()
    after = ring.taken_up(secrets, listing(secrets, *ALL), NOW)
    assert after.keys[ring.SIGN] == secrets.keys[ring.SIGN_NEXT]
    assert after.keys[ring.OPEN] == [*BEFORE.of(ring.OPEN), *secrets.keys[ring.OPEN_NEXT]]
    assert after.keys.keys() == {ring.SIGN, ring.OPEN}
    assert [state for use, state in states(after) if use == "enc"] == ["past", "in-use"]


def test_request_is_one_that_custodians_admit() -> None:
    secrets = asked()
    keys = ring.asked(
        secrets, signers.software(secrets.of(ring.SIGN_NEXT)).keys, secrets.of(ring.OPEN_NEXT)
    )
    request = objects.Enrolment(
        v="xb1",
        suite=SUITE,
        id=builders.new_id(),
        origin="us.jiatfs",
        endpoint=WATCH,
        node="pa",
        keys=keys,
        replaces=sorted(WORLD.view.standing(WATCH).keys),
        issued=NOW,
    )
    by = [signers.software(secrets.of(each)) for each in (ring.SIGN, ring.SIGN_NEXT)]
    assert enrolment.check(ring.request(request, by), WORLD.view, NOW) == request
    assert {key.until for key in keys} == {LIFE.until}


OTHER = ring.public(new_opening(SUITE, Randomness("other")))


class Mixed(SoftwareOpener):
    """One whose public half is another key's, as damage under our hands could leave it."""

    @property
    def key(self) -> Jwk:
        return OTHER


def test_opening_key_that_opens_nothing_is_never_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = asked()
    monkeypatch.setattr(ring, "SoftwareOpener", Mixed)
    with pytest.raises(Fault) as fault:
        ring.asked(secrets, [], secrets.of(ring.OPEN_NEXT))
    assert fault.value.code == Code.KEY_FILE


def test_request_that_was_never_admitted_does_not_stand_in_the_way_for_ever() -> None:
    secrets = asked()
    assert ring.aged(secrets, LIFE.until - 1) == secrets
    after = ring.aged(secrets, LIFE.until)
    # The one that waited may have been listed meanwhile, and sealed to: it still opens.
    assert after.keys == {
        ring.SIGN: BEFORE.of(ring.SIGN),
        ring.OPEN: [*secrets.keys[ring.OPEN_NEXT], *BEFORE.of(ring.OPEN)],
    }
    assert [state for use, state in states(after) if use == "enc"] == ["past", "in-use"]


def test_newest_opening_key_of_each_suite_is_in_use() -> None:
    made = [
        new_opening(suite, Randomness(f"{suite} {epoch}"))
        for epoch in (1, 2)
        for suite in SUITES
    ]
    secrets = ring.with_keys(BEFORE, ring.OPEN, made, LIFE)
    found = [each.state for each in ring.held(secrets) if each.use == "enc"]
    assert found == ["past"] * len(SUITES) + ["in-use"] * len(SUITES)


# -- opening -----------------------------------------------------------------------------------


def every(secrets: Secrets) -> list[Unwrapper]:
    return [*ring.openers(secrets), *ring.gone(secrets)]


def test_every_key_past_present_and_asked_for_opens() -> None:
    secrets = asked()
    after = ring.taken_up(secrets, listing(secrets, *ALL), NOW)
    for holder in (secrets, after):
        for secret in (*BEFORE.of(ring.OPEN), *secrets.keys[ring.OPEN_NEXT]):
            header = WORLD.header(to=[WATCH])
            envelope = WORLD.envelope(header, recipients=[ring.public(secret)])
            opened = open_body(
                builders.decoded(envelope.header), envelope.body, ring.openers(holder)
            )
            assert opened.text == builders.TEXT


def test_what_a_destroyed_key_opened_says_so_and_since_when() -> None:
    secrets = asked()
    after = ring.without(
        ring.taken_up(secrets, listing(secrets, *ALL), NOW), {WORLD.key(WATCH).kid}, NOW
    )
    envelope = WORLD.envelope(to=[WATCH])
    with pytest.raises(Refusal) as refusal:
        open_body(builders.decoded(envelope.header), envelope.body, every(after))
    day = datetime.fromtimestamp(NOW, UTC).date().isoformat()
    assert refusal.value.code == Code.KEY_DESTROYED
    assert refusal.value.facts == {"kid": WORLD.key(WATCH).kid, "day": day}
    other = WORLD.envelope(to=[OPS], endpoint=WATCH)
    with pytest.raises(Refusal) as refusal:
        open_body(builders.decoded(other.header), other.body, every(after))
    assert refusal.value.code == Code.NOT_A_RECIPIENT


# -- the end -----------------------------------------------------------------------------------


def test_destroyed_key_leaves_its_name_and_nothing_else() -> None:
    secrets = asked()
    old, new = WORLD.key(WATCH).kid, ring.public(secrets.of(ring.OPEN_NEXT)[0]).kid
    after = ring.without(ring.taken_up(secrets, listing(secrets, *ALL), NOW), {old}, NOW)
    assert after.destroyed == [gone(WORLD.key(WATCH))]
    seed = BEFORE.of(ring.OPEN)[0].seed
    assert all(key.seed != seed for keys in after.keys.values() for key in keys)
    waiting = ring.without(asked(), {new}, NOW)
    assert ring.OPEN_NEXT not in waiting.keys
    assert new not in waiting.lives


def test_the_last_opening_key_stays() -> None:
    with pytest.raises(Fault) as fault:
        ring.without(BEFORE, {WORLD.key(WATCH).kid}, NOW)
    assert fault.value.code == Code.KEY_FILE


def test_restored_keys_that_were_destroyed_since_stay_destroyed() -> None:
    secrets = asked()
    backup = ring.taken_up(secrets, listing(secrets, *ALL), NOW)
    later = ring.without(backup, {WORLD.key(WATCH).kid}, NOW)
    assert ring.buried(backup, later.destroyed) == later
    assert ring.buried(later, later.destroyed) == later
    unknown = gone(ring.public(new_opening(SUITE, Randomness("gone"))))
    assert ring.buried(backup, [unknown]).destroyed == [unknown]


def test_key_that_waits_in_a_backup_and_was_destroyed_since_does_not_come_back() -> None:
    """It was asked for, used, and destroyed, all after the backup."""
    (waiting,) = asked().of(ring.OPEN_NEXT)
    after = ring.buried(asked(), [gone(ring.public(waiting))])
    assert waiting not in [key for keys in after.keys.values() for key in keys]


def test_backup_from_before_a_rotation_comes_back_though_its_key_in_use_was_destroyed() -> None:
    after = ring.buried(asked(), [gone(WORLD.key(WATCH))])
    assert after.keys[ring.OPEN] == asked().of(ring.OPEN_NEXT)
    assert [state for use, state in states(after) if use == "enc"] == ["in-use", "destroyed"]
    with pytest.raises(Fault):
        ring.buried(BEFORE, [gone(WORLD.key(WATCH))])


def test_container_without_opening_keys_is_no_endpoint_s() -> None:
    with pytest.raises(Fault) as fault:
        ring.openers(msgspec.structs.replace(BEFORE, keys={ring.SIGN: BEFORE.of(ring.SIGN)}))
    assert fault.value.code == Code.KEY_FILE


@pytest.mark.parametrize("suite", SUITES)
def test_public_half_is_that_of_the_key_for_every_suite(suite: SuiteId) -> None:
    opening = new_opening(suite, Randomness("public"))
    assert ring.public(opening).alg == SUITES[suite].wrap
    signing = new_signing(suite, Randomness("public"))
    assert [ring.public(key).alg for key in signing] == [
        each.name for each in SUITES[suite].signatures
    ]
    ring._try(opening)
    signer = signers.software(signing)
    assert signer.suite == suite
    claims = jws.read(jws.sign(b"{}", "test+jws", [signer]), 40_000).claims
    by_kid = {key.kid: key for key in signer.keys}
    jws.verify(claims, suite, lambda claim: by_kid[claim.kid])
