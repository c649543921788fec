"""The answers of a witness, by the standard's examples and by a log that lies."""

import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from exchange.errors import Code, Refusal
from exchange.journal import checkpoint as cp
from exchange.journal import forks, witness
from exchange.journal.proofs import consistency_proof, prefix_of, root_at
from exchange.journal.witness import Cosign, Remembered, Turned
from tests.node.witnessed import (
    FORKED,
    HONEST,
    KEYS,
    LOGS,
    NOW,
    ORIGIN,
    OWN,
    RINGS,
    SIGNERS,
    asked,
    signed,
)


def remembered(size, at=NOW, signers=SIGNERS):
    return Remembered(size, root_at(size, HONEST), signed(size, at=at, signers=signers), at)


def judged(asks, before=None, now=NOW, rings=RINGS):
    found = witness.read(asks.encode(), {ORIGIN: rings})
    assert not isinstance(found, Turned)
    return witness.judge(found, before, rings, now)


def test_a_request_reads_back_as_it_was_written():
    asks = asked(7, 23)
    assert witness.read(asks.encode(), LOGS) == asks


def test_the_first_checkpoint_of_a_log_is_cosigned_without_a_proof():
    yes = judged(asked(0, 7))
    assert isinstance(yes, Cosign)
    line = witness.cosign(yes, OWN)
    raw = cp.attach(signed(7), [line])
    verified = cp.verify(raw, origin=ORIGIN, required=[*KEYS, OWN.key])
    assert (verified.checkpoint.size, verified.at(OWN.key)) == (7, NOW)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (7, 8), (8, 9), (8, 40), (13, 40), (7, 7)])
def test_a_journal_that_only_grew_is_cosigned(old, new):
    yes = judged(asked(old, new), remembered(old))
    assert isinstance(yes, Cosign)
    assert yes.remembered.size == new


def test_a_cosignature_is_never_dated_before_the_one_before():
    yes = judged(asked(7, 8), remembered(7, at=NOW + 50), now=NOW)
    assert isinstance(yes, Cosign)
    (seconds,) = struct.unpack_from(">Q", witness.cosign(yes, OWN).signature)
    assert seconds == NOW + 50


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b"old 7\n",
        signed(7),
        asked(0, 7).encode().replace(b"old 0", b"old 00"),
        asked(0, 7).encode().replace(b"old 0", b"old -1"),
        asked(0, 7).encode().replace(b"old 0", b"new 0"),
        asked(0, 7).encode().replace(b"old 0", b"old  0"),
        asked(0, 7).encode().replace(b"old 0\n", b"old 0\nnonsense\n"),
        asked(0, 7).encode().replace(b"\n7\n", b"\n7\nmore\n", 1),  # an extension line
        witness.request(1, [bytes(32)] * 64, signed(7)).encode(),
        b"old 9\n\n" + signed(7),
    ],
    ids=range(11),
)
def test_a_bad_request_is_400(spoiled):
    found = witness.read(spoiled, LOGS)
    if not isinstance(found, Turned):
        found = witness.judge(found, None, RINGS, NOW)
    assert found == Turned(400)


def test_an_unknown_origin_is_404():
    assert witness.read(asked(0, 7).encode(), {"other": RINGS}) == Turned(404)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_checkpoint_that_one_of_the_logs_keys_did_not_sign_is_403(missing):
    note = signed(7, signers=[SIGNERS[1 - missing]])
    assert witness.read(witness.request(0, [], note).encode(), LOGS) == Turned(403)


def test_a_signature_that_is_wrong_is_403():
    raw = asked(0, 7).encode().replace(b"\n7\n", b"\n8\n", 1)
    assert witness.read(raw, LOGS) == Turned(403)


@pytest.mark.parametrize("old", [0, 5, 9])
def test_another_old_size_than_was_cosigned_is_409_with_that_size(old):
    assert judged(asked(old, 9), remembered(7)) == Turned(409, 7)
    assert judged(asked(3, 9), None) == Turned(409, 0)


@pytest.mark.parametrize("old", [13, 0])
def test_two_roots_of_one_size_are_409_and_convict_the_log(old):
    found = judged(asked(old, 13, FORKED, path=[]), remembered(13))
    assert isinstance(found, Turned)
    assert (found.status, found.size, found.kind) == (409, 13, "forked")
    assert forks.check(found.evidence, ORIGIN, RINGS) == "forked"


def test_another_past_below_a_greater_size_is_422_and_convicts_the_log():
    found = judged(asked(13, 40, FORKED), remembered(13))
    assert isinstance(found, Turned)
    assert (found.status, found.kind) == (422, "rewritten")
    assert forks.check(found.evidence, ORIGIN, RINGS) == "rewritten"


@pytest.mark.parametrize("path", [[], [bytes(32)], consistency_proof(12, 40, HONEST)])
def test_a_path_that_proves_nothing_is_422_and_convicts_nobody(path):
    """Whoever has a signed checkpoint can send it with any path."""
    found = judged(asked(13, 40, path=path), remembered(13))
    assert isinstance(found, Turned)
    assert (found.status, found.kind) == (422, None)


def test_a_proof_from_nothing_is_422():
    assert judged(asked(0, 7, path=[bytes(32)]), None) == Turned(422)


def test_a_shorter_checkpoint_that_is_dated_later_convicts_the_log_of_going_back():
    found = judged(asked(0, 8, at=NOW + 1), remembered(13))
    assert isinstance(found, Turned)
    assert (found.status, found.size, found.kind) == (409, 13, "rolled-back")
    assert forks.check(found.evidence, ORIGIN, RINGS) == "rolled-back"


@pytest.mark.parametrize("at", [NOW, NOW - 1])
def test_a_shorter_checkpoint_that_comes_late_convicts_nobody(at):
    assert judged(asked(0, 8, at=at), remembered(13)) == Turned(409, 13)


def test_going_back_is_seen_though_the_log_names_what_was_cosigned():
    found = judged(witness.request(13, [], signed(8, at=NOW + 1)), remembered(13))
    assert isinstance(found, Turned)
    assert (found.status, found.kind) == (400, "rolled-back")


# -- what a witness signed and no longer remembers ------------------------------------------


def test_a_witness_put_back_from_an_older_copy_learns_from_its_own_signature():
    yes = judged(asked(0, 13))
    assert isinstance(yes, Cosign)
    cosigned = cp.attach(signed(13), [witness.cosign(yes, OWN)])
    for before in (None, remembered(7)):
        learned = witness.adopt(cosigned, before, RINGS, OWN.key)
        assert learned is not None
        assert (learned.size, learned.root) == (13, root_at(13, HONEST))
    assert witness.adopt(cosigned, remembered(13), RINGS, OWN.key) is None
    assert witness.adopt(signed(13), remembered(7), RINGS, OWN.key) is None


# -- a log that handed over its keys --------------------------------------------------------


NEW = [
    cp.ed25519_signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"n" * 32)),
    cp.ml_dsa_44_signer(ORIGIN, MLDSA44PrivateKey.from_seed_bytes(b"n" * 32)),
]
BOTH = (KEYS, tuple(each.key for each in NEW))


def anew(old, size, journal=HONEST, at=NOW + 9, signers=NEW):
    """A request by a log's new keys."""
    path = consistency_proof(old, size, journal) if 0 < old < size else []
    return witness.request(old, path, signed(size, journal, at, signers))


def test_a_log_that_handed_over_its_keys_is_cosigned_on_without_a_break():
    yes = judged(anew(13, 20), remembered(13), rings=BOTH)
    assert isinstance(yes, Cosign)
    assert isinstance(judged(anew(20, 30), yes.remembered, rings=BOTH), Cosign)


@pytest.mark.parametrize(
    ("asks", "status", "kind"),
    [
        (anew(13, 13, FORKED), 409, "forked"),
        (anew(9, 9), 409, "rolled-back"),
        (anew(13, 40, FORKED), 422, "rewritten"),
    ],
    ids=["forked", "rolled-back", "rewritten"],
)
def test_a_log_that_forks_at_its_hand_over_is_convicted(asks, status, kind):
    found = judged(asks, remembered(13), rings=BOTH)
    assert isinstance(found, Turned)
    assert (found.status, found.kind) == (status, kind)
    assert forks.check(found.evidence, ORIGIN, BOTH) == kind


@pytest.mark.parametrize("size", [20, 30])
def test_keys_that_were_handed_over_are_cosigned_no_more(size):
    """Whoever has them can go on from the journal that everybody sees."""
    before = remembered(20, signers=NEW)
    assert isinstance(judged(anew(20, size), before, rings=BOTH), Cosign)
    assert judged(anew(20, size, signers=SIGNERS), before, rings=BOTH) == Turned(403)


def test_keys_that_were_handed_over_convict_a_log_by_what_they_signed_besides():
    before = remembered(20, signers=NEW)
    found = judged(anew(20, 40, FORKED, signers=SIGNERS), before, rings=BOTH)
    assert (found.status, found.kind) == (422, "rewritten")


def test_a_checkpoint_by_keys_of_two_rings_is_403():
    mixed = signed(7, signers=[SIGNERS[0], NEW[1]])
    asks = witness.request(0, [], mixed).encode()
    assert witness.read(asks, {ORIGIN: BOTH}) == Turned(403)


def test_evidence_of_before_a_hand_over_holds_after_it():
    found = forks.of(signed(13), signed(13, FORKED))
    assert forks.check(found, ORIGIN, BOTH) == "forked"


def test_a_witness_put_back_learns_what_it_signed_for_either_ring():
    for signers in (SIGNERS, NEW):
        cosigned = signed(13, signers=[*signers, OWN])
        assert witness.adopt(cosigned, remembered(7), BOTH, OWN.key).size == 13
    assert witness.adopt(signed(13, signers=NEW), remembered(7), BOTH, OWN.key) is None


# -- evidence -------------------------------------------------------------------------------


def test_evidence_reads_back_as_it_was_written():
    found = forks.of(signed(40, FORKED), signed(13), consistency_proof(13, 40, FORKED))
    assert forks.read(found.encode()) == found
    assert cp.parse(found.shorter).size == 13


@pytest.mark.parametrize("old", [11, 12, 16, 32])
def test_evidence_of_another_past_holds_at_any_size(old):
    path = consistency_proof(old, 40, FORKED)
    if old & (old - 1) == 0:
        path = [root_at(old, FORKED), *path]
    found = forks.of(signed(old), signed(40, FORKED), path)
    assert forks.check(found, ORIGIN, RINGS) == "rewritten"


def test_an_honest_log_is_not_convicted():
    for old in range(1, 40):
        path = consistency_proof(old, 40, HONEST)
        for whole in (path, [root_at(old, HONEST), *path]):
            found = forks.of(signed(old), signed(40, at=NOW + 9), whole)
            with pytest.raises(Refusal) as caught:
                forks.check(found, ORIGIN, RINGS)
            assert caught.value.code is Code.BAD_PROOF


def test_evidence_that_the_log_did_not_sign_convicts_nobody():
    other = [cp.ed25519_signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"x" * 32))]
    for found in (
        forks.of(signed(13), signed(13, FORKED, signers=[SIGNERS[0]])),
        forks.of(signed(13), signed(13, FORKED, signers=other)),
    ):
        with pytest.raises(Refusal) as caught:
            forks.check(found, ORIGIN, RINGS)
        assert caught.value.code is Code.BAD_CHECKPOINT


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        signed(7),
        b"exchange-evidence@v1\n\n" + signed(7),
        b"exchange-evidence@v2\n\n" + signed(7) + b"----\n" + signed(8),
        b"exchange-evidence@v1\nnonsense\n\n" + signed(7) + b"----\n" + signed(8),
        forks.Evidence(signed(7), signed(8), (bytes(32),) * 65).encode(),
    ],
    ids=range(6),
)
def test_what_is_no_evidence_is_refused(raw):
    with pytest.raises(Refusal) as caught:
        forks.read(raw)
    assert caught.value.code is Code.MALFORMED


def test_a_beginning_is_found_from_a_path_and_from_nothing_else():
    path = consistency_proof(13, 40, HONEST)
    root = root_at(40, HONEST)
    assert prefix_of(13, 40, path, root) == root_at(13, HONEST)
    assert prefix_of(13, 40, path, bytes(32)) is None
    assert prefix_of(13, 40, [], root) is None
    assert prefix_of(40, 40, path, root) is None
    assert prefix_of(0, 40, path, root) is None
    assert prefix_of(13, 40, [*path, bytes(32)], root) is None
