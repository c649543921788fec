"""Signing keys in a token: half a suite inside it, the other half in a container."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from exchange.custody import signers, uris
from exchange.custody.container import Secrets
from exchange.custody.signers import Sources
from exchange.custody.uris import TokenPlace
from exchange.errors import Code, Fault
from exchange.model.identity import SuiteId
from exchange.model.trust import EndpointKey
from exchange.model.view import Standing
from exchange.seal import jws
from exchange.seal.software import SoftwareSigner, new_signing
from exchange.seal.suites import SUITES
from tests import builders
from tests.builders import NOW, OPS, Randomness
from tests.custody import softhsm
from tests.custody.softhsm import PIN, SoftHsm

WORLD = builders.world()
SECRETS = WORLD.secrets[OPS]
SUITE = signers.suite_of([key.alg for key in SECRETS.of("sign")])
SOFT = "file:keys.xk"
WRONG = "135792468"
LIBRARY = softhsm.library()


@pytest.fixture(scope="module")
def hsm(tmp_path_factory: Any) -> SoftHsm:
    if LIBRARY is None:
        pytest.skip("needs SoftHSM 2 (Debian: apt install softhsm2)")
    made = SoftHsm(LIBRARY, tmp_path_factory.mktemp("softhsm"), "pa-ops", "pa-spare")
    made.generate("pa-ops", "sign-1")
    for _ in range(2):
        made.generate("pa-ops", "twice")
    made.generate("pa-ops", "elliptic", "EC")
    return made


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    softhsm.forget()


def gather(*places: str, pin: str = PIN, asked: list[TokenPlace] | None = None) -> jws.Signer:
    def answer(place: TokenPlace) -> str:
        if asked is not None:
            asked.append(place)
        return pin

    return signers.gather(SUITE, places, "sign", Sources(lambda _: SECRETS, answer))


def fault(*places: str, **how: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        gather(*places, **how)
    return caught.value


def test_object_signed_half_by_a_token_holds_like_any_other(hsm: SoftHsm) -> None:
    signer = gather(hsm.uri("pa-ops", "sign-1"), SOFT)
    assert signer.suite == SUITE
    assert [key.alg for key in signer.keys] == [a.name for a in SUITES[SUITE].signatures]
    raw = jws.sign(b"{}", "test+jws", [signer])
    by_kid = {key.kid: key for key in signer.keys}
    jws.verify(jws.read(raw, 20_000).claims, SUITE, lambda claim: by_kid[claim.kid])
    soft = WORLD.signers[OPS].keys
    assert (signer.keys[0] != soft[0], signer.keys[1]) == (True, soft[1])


@pytest.mark.parametrize(("suite", "label"), [("xb1-h", "sign-1"), ("xb1-ch", "elliptic")])
def test_classical_half_of_each_suite_that_has_one_may_lie_in_a_token(
    hsm: SoftHsm, suite: SuiteId, label: str
) -> None:
    made = Secrets(OPS, {"sign": new_signing(suite, Randomness("token"))})
    places = [hsm.uri("pa-ops", label), SOFT]
    signer = signers.gather(suite, places, "sign", Sources(lambda _: made, lambda _: PIN))
    by_kid = {key.kid: key for key in signer.keys}
    # Many: a device makes the higher s of ES384 every other time, and only the lower counts.
    for number in range(16):
        raw = jws.sign(b"%d" % number, "test+jws", [signer])
        jws.verify(jws.read(raw, 20_000).claims, suite, lambda claim: by_kid[claim.kid])
    assert signer.suite == suite


def test_node_takes_what_a_token_signed_once_its_key_is_listed(hsm: SoftHsm) -> None:
    signer = gather(hsm.uri("pa-ops", "sign-1"), SOFT)
    view = WORLD.later(WORLD.amended(OPS, lambda each: _listing(each, signer.keys)), now=NOW)
    raw = jws.sign(b"{}", "test+jws", [signer])
    standing: Standing = view.standing(OPS)
    jws.verify_by(jws.read(raw, 20_000), standing, NOW)


def _listing(endpoint: Any, jwks: Any) -> Any:
    old = {key.jwk.kid for key in endpoint.keys}
    fresh = [EndpointKey("sig", j, NOW - 9, NOW + 9) for j in jwks if j.kid not in old]
    return msgspec.structs.replace(endpoint, keys=[*endpoint.keys, *fresh])


def test_pin_is_asked_for_once_for_each_token(hsm: SoftHsm) -> None:
    asked: list[TokenPlace] = []
    for _ in range(3):
        gather(hsm.uri("pa-ops", "sign-1"), SOFT, asked=asked)
    assert [place.token for place in asked] == ["pa-ops"]


def test_wrong_pin_is_a_fault_that_does_not_repeat_it(hsm: SoftHsm) -> None:
    found = fault(hsm.uri("pa-ops", "sign-1"), SOFT, pin=WRONG)
    assert (found.code, found.facts["expected"]) == (Code.KEY_TOKEN, "pin")
    assert found.facts["name"] == "pa-ops"
    assert WRONG not in repr(found)
    assert gather(hsm.uri("pa-ops", "sign-1"), SOFT).keys  # the right one still serves


@pytest.mark.parametrize(
    ("token", "label", "expected"),
    [
        ("absent", "sign-1", "token"),
        ("pa-spare", "sign-1", "token-key"),
        ("pa-ops", "absent", "token-key"),
        ("pa-ops", "twice", "token-key"),
        ("pa-ops", "elliptic", "token-key"),
    ],
)
def test_absent_token_and_absent_key_are_told_apart(
    hsm: SoftHsm, token: str, label: str, expected: str
) -> None:
    found = fault(hsm.uri(token, label), SOFT)
    assert (found.code, found.facts["expected"]) == (Code.KEY_TOKEN, expected)


@pytest.mark.parametrize("module", ["/absent/library.so", __file__])
def test_library_that_is_none_is_a_fault(hsm: SoftHsm, module: str) -> None:
    found = fault(hsm.uri("pa-ops", "sign-1", module=module), SOFT)
    assert (found.code, found.facts["expected"]) == (Code.KEY_TOKEN, "pkcs11-library")


def test_token_that_went_away_is_a_fault_and_no_signature(hsm: SoftHsm) -> None:
    signer = gather(hsm.uri("pa-ops", "sign-1"), SOFT)
    softhsm.forget()
    with pytest.raises(Fault) as caught:
        signer.sign(0, b"data")
    assert (caught.value.code, caught.value.facts["expected"]) == (
        Code.KEY_TOKEN,
        "token-signature",
    )


def test_without_the_package_the_fault_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    found = fault("pkcs11:token=a;object=b?module-path=/c", SOFT)
    assert (found.code, found.facts["expected"]) == (Code.KEY_TOKEN, "python-pkcs11")


def test_post_quantum_key_has_its_place_in_a_container() -> None:
    found = fault(SOFT, "pkcs11:token=a;object=b?module-path=/c")
    assert (found.code, found.facts["expected"]) == (Code.KEY_TOKEN, "file-place")


def test_every_key_of_the_suite_has_a_place() -> None:
    assert fault(SOFT).facts["expected"] == "key-uri"
    sources = Sources(lambda _: builders.world().node, lambda _: PIN)
    with pytest.raises(Fault) as caught:
        signers.gather(SUITE, [SOFT, SOFT], "open", sources)
    assert caught.value.code == Code.KEY_FILE


def test_keys_of_no_suite_are_no_signer() -> None:
    keys = SECRETS.of("sign")
    for wrong in (keys[:1], keys[::-1], [*keys, *keys]):
        with pytest.raises(Fault) as caught:
            signers.software(wrong)
        assert caught.value.facts["expected"] == "suite-keys"
    assert isinstance(signers.software(keys), SoftwareSigner)


# -- URIs --------------------------------------------------------------------------------------


def test_uri_is_read_as_rfc_7512_writes_it() -> None:
    place = uris.parse(
        "pkcs11:token=Pa%20Ops;object=sign-1;id=%01%ff"
        "?pin-source=file:/etc/token/pin&module-path=/usr/lib/p11.so"
    )
    assert place == TokenPlace(
        module="/usr/lib/p11.so",
        token="Pa Ops",  # noqa: S106  (a label)
        serial=None,
        object="sign-1",
        id=b"\x01\xff",
        pin_source="/etc/token/pin",
    )
    assert uris.parse("file:keys.xk") == uris.FilePlace("keys.xk")
    assert uris.parse("file:/media/keys.xk") == uris.FilePlace("/media/keys.xk")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "keys.xk",
        "file:",
        "pkcs15:token=a;object=b?module-path=/c",
        "pkcs11:",
        "pkcs11:object=b?module-path=/c",
        "pkcs11:token=a?module-path=/c",
        "pkcs11:token=a;object=b",
        "pkcs11:token=a;object=b?module-path=c.so",
        "pkcs11:token=a;token=b;object=b?module-path=/c",
        "pkcs11:token=a;object=b;library-version=3?module-path=/c",
        "pkcs11:token=a;object=b?module-path=/c&pin-value=1234",
        "pkcs11:token=a;object=b?module-path=/c&pin-source=pin",
        "pkcs11:token=%ff;object=b?module-path=/c",
        "pkcs11:token=%f;object=b?module-path=/c",
        "pkcs11:token=a;object=b c?module-path=/c",
    ],
)
def test_uri_that_does_not_mean_one_key_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(Fault) as caught:
        uris.parse(uri)
    assert caught.value.facts == {"expected": "key-uri"}
