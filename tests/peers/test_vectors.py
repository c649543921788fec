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
KNOWN = {"xb-header+jws", "xb-ack+jws", "xb-subscription+jws", "xb-trust+jws"}

# The arrangement's rules, the order's, and those of keys to be enrolled: a node applies them,
# and tells a client in a problem document. The JavaScript client does without.
OF_THE_NODE = {
    *("bad-framing", "expired", "id-reused", "lifetime", "may-not-post", "may-not-read"),
    *("missing-role", "not-owed", "not-releasable", "not-yet-issued", "not-yours"),
    *("protected-persons", "recipient-key-unfit", "reference-missing", "schema-not-known"),
    *("target-mismatch", "type-not-on-feed", "unknown-feed", "unknown-recipient"),
    *("verb-type-mismatch", "weak-key", "wraps-mismatch"),
}
# Values whose form, and keys and names in documents whose fitness, it does not look at either.
LET_IN = {
    *("attachment", "custodian-of-both-nations", "encryption-key-of-another-algorithm"),
    *("encryption-key-of-wrong-length", "endpoint-of-another-member", "endpoint-twice"),
    *("id-not-version-7", "key-of-another-algorithm", "key-of-another-member"),
    *("key-of-both-kinds", "key-of-two-endpoints", "key-of-wrong-length", "negative-time"),
    *("node-log-keys", "recipient-suspended", "regime-of-no-name", "subscription-unsorted"),
    *("two-cancelled-at-once", "wrong-type-bool", "wrong-type-float", "wrong-type-null"),
    "wrong-type-text",
}
# Refused, and for another reason: it parses all before it looks at a member, and counts
# custodians before it looks at the root's form.
OTHERWISE = {
    "depth-bomb": "malformed",
    "root-of-one-nation": "trust-not-signed",
    "threshold-met-by-one": "trust-not-signed",
    "threshold-never-met": "trust-not-signed",
}
# What it must be seen to refuse by itself.
REFUSED = {
    *("bad-base64", "bad-signature", "cannot-decrypt", "commit-mismatch", "context-mismatch"),
    *("control-character", "digest-mismatch", "duplicate-member", "endpoint-suspended"),
    *("key-not-valid", "malformed", "missing-blob", "missing-member", "not-a-recipient"),
    *("not-utf-8", "origin-mismatch", "oversized", "signature-count", "signature-order"),
    *("size-mismatch", "stale-version", "suite-not-allowed", "trust-invalid"),
    *("trust-not-signed", "unknown-endpoint", "unknown-key", "unknown-member"),
    *("unknown-object", "wraps-mismatch", "wrong-value"),
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
    elif expected.get("code") in OF_THE_NODE or path.stem in LET_IN:
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
        and expected["code"] not in OF_THE_NODE
    }
    assert let_in == LET_IN
