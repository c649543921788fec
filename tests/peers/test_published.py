"""The primitives, as we call them, answer what their specifications' vectors say."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519

from exchange.model.codec import b64
from exchange.model.identity import Jwk
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import SecretKey, load
from exchange.seal.suites import SUITES, raw_public, verifier
from tests.peers import published

KDFS = {
    1: hpke.KDF.HKDF_SHA256,
    2: hpke.KDF.HKDF_SHA384,
    3: hpke.KDF.HKDF_SHA512,
    0x10: hpke.KDF.SHAKE128,
    0x11: hpke.KDF.SHAKE256,
}
AEADS = {
    1: hpke.AEAD.AES_128_GCM,
    2: hpke.AEAD.AES_256_GCM,
    3: hpke.AEAD.CHACHA20_POLY1305,
}
CURVES = {
    0x10: (hpke.KEM.P256, ec.SECP256R1()),
    0x11: (hpke.KEM.P384, ec.SECP384R1()),
    0x12: (hpke.KEM.P521, ec.SECP521R1()),
}
# The suites' KEMs by their HPKE numbers.
OURS = {0x647A: "xb1-h", 0x42: "xb1-c", 0x51: "xb1-ch"}
SIGNATURES = ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")
KEMS = {"768": mlkem.MLKEM768PrivateKey, "1024": mlkem.MLKEM1024PrivateKey}

RFC_9180 = published.hpke("test-vectors.json")
DRAFT = published.hpke("hpke-pq-test-vectors.json")


def private(row):
    """The KEM and private key of a row; ours from its seed, by our own code."""
    kem, secret = row["kem_id"], bytes.fromhex(row["skRm"])
    if kem in OURS:
        suite = SUITES[OURS[kem]]
        opener = SoftwareOpener(SecretKey(suite.wrap, secret))
        assert raw_public(opener.key).hex() == row["pkRm"]
        return suite.kem, opener._key
    if kem == 0x20:
        return hpke.KEM.X25519, x25519.X25519PrivateKey.from_private_bytes(secret)
    name, curve = CURVES[kem]
    return name, ec.derive_private_key(int.from_bytes(secret), curve)


def opened(row, info):
    kem, key = private(row)
    suite = hpke.Suite(kem, KDFS[row["kdf_id"]], AEADS[row["aead_id"]])
    first = row["encryptions"][0]
    sealed = bytes.fromhex(row["enc"] + first["ct"])
    aad = bytes.fromhex(first["aad"])
    return openssl.hpke._decrypt_with_aad(suite, sealed, key, info, aad).hex()


def is_known(row):
    kems = {0x20, *CURVES, *OURS}
    return row["kem_id"] in kems and row["kdf_id"] in KDFS and row["aead_id"] in AEADS


@pytest.mark.parametrize(
    "row",
    [row for row in (*RFC_9180, *DRAFT) if is_known(row)],
    ids=lambda row: f"{row['kem_id']:#x}-{row['kdf_id']:#x}-{row['aead_id']}",
)
def test_hpke_opens_what_the_specification_sealed(row):
    info = bytes.fromhex(row["info"])
    assert opened(row, info) == row["encryptions"][0]["pt"]


@pytest.mark.parametrize("kem", OURS)
def test_kem_of_each_suite_has_rows(kem):
    rows = [row for row in filter(is_known, DRAFT) if row["kem_id"] == kem]
    assert rows
    assert len(bytes.fromhex(rows[0]["enc"])) == SUITES[OURS[kem]].kem.enc_length()


@pytest.mark.parametrize("alg", SIGNATURES)
def test_ml_dsa_key_of_a_seed_and_its_signatures_are_the_published_ones(alg):
    name = f"MLDSA/kat_{alg.replace('ML-DSA-', 'MLDSA_')}_det_pure.rsp"
    rows = published.answers(name, 25)
    assert len(rows) == 25
    for row in rows:
        jwk, _ = load(SecretKey(alg, row["xi"]))
        assert raw_public(jwk) == row["pk"]
        key = verifier(Jwk(kty="AKP", alg=alg, pub=b64(row["pk"])))
        signature = row["sm"][: -len(row["msg"])]
        key.verify(signature, row["msg"], row["ctx"])
        # We sign with an empty context: what is signed under another is no signature here.
        with pytest.raises(InvalidSignature):
            key.verify(signature, row["msg"])


@pytest.mark.parametrize("size", KEMS)
def test_ml_kem_key_of_a_seed_and_its_secrets_are_the_published_ones(size):
    rows = published.answers(f"MLKEM/kat_MLKEM_{size}.rsp", 25)
    assert len(rows) == 25
    for row in rows:
        key = KEMS[size].from_seed_bytes(row["d"] + row["z"])
        assert key.public_key().public_bytes_raw() == row["pk"]
        assert key.decapsulate(row["ct"]) == row["ss"]
        # Another ciphertext gives another secret, and no error (FIPS 203, implicit rejection).
        assert key.decapsulate(row["ct_n"]) == row["ss_n"]
