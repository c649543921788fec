"""Another implementation, written from docs/protocol.md, answers our vectors as we do."""

from __future__ import annotations

import pytest

from exchange.model.codec import b64
from exchange.seal.software import SecretKey
from exchange.seal.suites import SUITES
from tests.builders import decoded
from tests.peers.frozen import FILES, name, raw, read, seed, typ, world
from tests.peers.javascript import needs_packages, opening

pytestmark = needs_packages

# The objects it reads; another, well signed or not, it does not know.
KNOWN = {"xb-header+jws", "xb-ack+jws", "xb-subscription+jws", "tuf"}

# What it is seen to refuse by itself. Other codes are rules of the arrangement, the order and
# keys to be enrolled: a node applies them, and tells a client in a problem document.
REFUSED = {
    *("bad-base64", "bad-signature", "cannot-decrypt", "commit-mismatch", "context-mismatch"),
    *("control-character", "digest-mismatch", "duplicate-member", "endpoint-suspended"),
    *("key-not-valid", "malformed", "missing-blob", "missing-member", "not-a-recipient"),
    *("not-utf-8", "origin-mismatch", "oversized", "signature-count", "signature-order"),
    *("size-mismatch", "stale-version", "suite-not-allowed", "trust-invalid"),
    *("trust-expired", "trust-mixed"),
    *("trust-not-signed", "unknown-endpoint", "unknown-key", "unknown-member"),
    *("unknown-object", "wraps-mismatch", "wrong-value"),
}
# Of these, let in all the same: values whose form, keys and names in documents whose fitness,
# and wraps whose holders it does not look at.
JUDGED = {*REFUSED, "wrong-type"}
LET_IN = {
    "acknowledged-with-no-outcome",
    *(
        "attachment",
        "attachment-of-another-size",
        "custodian-of-both-nations",
        "encryption-key-of-another-algorithm",
    ),
    "file-of-us-by-the-keys-of-pa",
    *("encryption-key-of-wrong-length", "endpoint-of-another-member"),
    "larger-than-agreed",
    *("id-not-version-7", "key-of-another-algorithm"),
    *("key-of-both-kinds", "key-of-wrong-length", "negative-time"),
    *("node-log-keys", "recipient-suspended", "regime-of-no-name", "subscription-unsorted"),
    *("recipient-not-sealed-to", "sealed-to-another", "sealed-to-one-more"),
    *("sealed-twice-to-one", "two-cancelled-at-once"),
    *("wrong-type-bool", "wrong-type-float", "wrong-type-null"),
    *("recipient-of-expired-role", "sender-of-expired-role"),
    *("wrong-type-text", "commit-of-sha-256", "commit-of-sha-384"),
    *("coordinate-short", "key-of-no-curve", "wrap-key-of-no-suite", "wrap-key-short"),
}
# Refused, and for another reason: it parses all before it looks at a member, and counts
# custodians before it looks at the root's form.
OTHERWISE = {
    "custodian-under-anothers-name": "trust-not-signed",
    "depth-bomb": "malformed",
    "root-of-one-nation": "trust-not-signed",
    "threshold-met-by-one": "trust-not-signed",
    "threshold-never-met": "trust-not-signed",
}


def answer(peer, path):
    told = read(path)
    arrived = {name: b64(raw(told[name])) for name in ("object", "body")}
    if "recipient" in told:
        wrap = SUITES[decoded(raw(told["object"])).suite].wrap
        keys = opening([SecretKey(wrap, seed(path, told["recipient"]))])
        return peer.ask("open", **arrived, keys=keys)
    under = {name: told[name] for name in ("documents", "taken_ms")}
    return peer.ask("judge", **arrived, **under, world=world(told["world"]))


def is_known(path):
    return typ(path) in {*KNOWN, None}


@pytest.fixture(scope="module")
def answers(peer):
    return {path: answer(peer, path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_javascript_answers_as_the_vector_says(path, answers):
    expected, found = read(path)["expect"], answers[path]
    if not is_known(path):
        assert found == {"code": "unknown-object"}
    elif path.stem in OTHERWISE:
        assert found == {"code": OTHERWISE[path.stem]}
    elif path.stem in LET_IN or expected.get("code", "malformed") not in {
        *REFUSED,
        "wrong-type",
    }:
        assert found in ({}, {"code": expected["code"]})
    elif "code" in expected:
        assert found == {"code": expected["code"]}
    else:
        assert found == {each: expected[each] for each in ("text", "salt") if each in expected}


def test_javascript_refuses_by_itself_for_each_of_these_reasons(answers):
    same = {
        expected["code"]
        for path, found in answers.items()
        if "code" in (expected := read(path)["expect"]) and found == {"code": expected["code"]}
    }
    assert same == REFUSED


def test_what_javascript_lets_in_is_told_exactly(answers):
    """No name is excused that needs no excuse."""
    let_in = {
        path.stem
        for path, found in answers.items()
        if "code" in (expected := read(path)["expect"])
        and "code" not in found
        and expected["code"] in JUDGED
    }
    assert let_in == LET_IN
