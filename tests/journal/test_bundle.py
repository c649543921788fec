import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.journal import bundle, proofs
from exchange.journal import checkpoint as cp
from exchange.journal.bundle import TlogProof
from exchange.journal.checkpoint import Checkpoint
from tests.journal.test_checkpoint import LOG, NOW, ORIGIN, WITNESS

SIZE, INDEX = 600, 300
KEYS = [LOG.key, WITNESS.key]


@pytest.fixture(scope="module")
def proof(journal):
    head = Checkpoint(ORIGIN, SIZE, proofs.root_at(SIZE, journal))
    note = cp.sign(head, [LOG, WITNESS], NOW)
    return TlogProof(INDEX, tuple(proofs.inclusion_proof(INDEX, SIZE, journal)), note)


def check(raw, leaf, keys=KEYS, origin=ORIGIN):
    return bundle.verify_proof(bundle.parse(raw), leaf, origin=origin, required=keys)


def refused(raw, leaf, **trusted):
    with pytest.raises(Refusal) as caught:
        check(raw, leaf, **trusted)
    return caught.value.code


def test_a_proof_is_spelled_as_specified(proof):
    raw = TlogProof(INDEX, proof.path, proof.note, b"who asked").encode()
    spelled = [base64.b64encode(node) for node in proof.path]
    assert raw.split(b"\n")[: 4 + len(spelled)] == [
        b"c2sp.org/tlog-proof@v1",
        b"extra " + base64.b64encode(b"who asked"),
        b"index 300",
        *spelled,
        b"",
    ]
    assert raw.endswith(b"\n\n" + proof.note)


@pytest.mark.parametrize("extra", [None, b"", b"x", bytes(300)])
def test_a_proof_comes_out_as_it_went_in(proof, extra):
    given_ = TlogProof(INDEX, proof.path, proof.note, extra)
    assert bundle.parse(given_.encode()) == given_


def test_a_proof_tells_whoever_holds_the_entry_when_it_was_in_the_journal(proof, leaves):
    verified = check(proof.encode(), leaves[INDEX])
    assert verified.checkpoint.size == SIZE
    assert verified.at(WITNESS.key) == NOW


def test_the_only_entry_of_a_journal_has_an_empty_path(leaves):
    note = cp.sign(Checkpoint(ORIGIN, 1, leaves[0]), [LOG, WITNESS], NOW)
    raw = TlogProof(0, (), note).encode()
    assert raw.startswith(b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + ORIGIN.encode())
    check(raw, leaves[0])


def test_another_entry_index_path_key_or_journal_is_refused(proof, leaves):
    raw, leaf = proof.encode(), leaves[INDEX]
    assert refused(raw, leaves[INDEX + 1]) is Code.BAD_PROOF
    other = TlogProof(INDEX + 1, proof.path, proof.note).encode()
    assert refused(other, leaf) is Code.BAD_PROOF
    beyond = TlogProof(SIZE, proof.path, proof.note).encode()
    assert refused(beyond, leaf) is Code.BAD_PROOF
    shorter = TlogProof(INDEX, proof.path[1:], proof.note).encode()
    assert refused(shorter, leaf) is Code.BAD_PROOF
    third = cp.VerifierKey("third.example", WITNESS.key.type, WITNESS.key.public)
    assert refused(raw, leaf, keys=[LOG.key, third]) is Code.BAD_CHECKPOINT
    assert refused(raw, leaf, origin="other") is Code.BAD_CHECKPOINT


def test_any_flipped_byte_of_a_proof_is_refused(proof, leaves):
    raw = proof.encode()
    head = len(raw) - len(proof.note)
    for at in (*range(head + 250), *range(head + 250, len(raw), 7)):
        changed = bytearray(raw)
        changed[at] ^= 1 << at % 8
        code = refused(bytes(changed), leaves[INDEX])
        assert code in {Code.BAD_PROOF, Code.BAD_CHECKPOINT}


HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\nnote",
        "c2sp.org/tlog-proof@v1\n\nnote",
        "c2sp.org/tlog-proof@v2\nindex 1\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 01\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex  1\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex -1\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex\n\nnote",
        "c2sp.org/tlog-proof@v1\nIndex 1\n\nnote",
        "c2sp.org/tlog-proof@v1\nextra *\nindex 1\n\nnote",
        "c2sp.org/tlog-proof@v1\nextra eB==\nindex 1\n\nnote",
        "c2sp.org/tlog-proof@v1\nextra eA==\nextra eA==\nindex 1\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 1\nextra eA==\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 1\neA==\n\nnote",
        f"c2sp.org/tlog-proof@v1\nindex 1\n{HASH} \n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 1\n" + f"{HASH}\n" * 64 + "\nnote",
        "c2sp.org/tlog-proof@v1\nindex 9223372036854775807\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 1\n\n" + "n" * 2**19,
        "c2sp.org/tlog-proof@v1\nindex 1\n\u00e9\n\nnote",
    ],
)
def test_what_is_no_proof_is_refused(text):
    with pytest.raises(Refusal) as caught:
        bundle.parse(text.encode())
    assert caught.value.code is Code.BAD_PROOF


@pytest.mark.parametrize(
    "parts", [(-1, ()), (2**63 - 1, ()), (0, (bytes(31),)), (0, (bytes(32),) * 64)]
)
def test_what_has_no_spelling_is_not_made(parts):
    with pytest.raises(ValueError, match="no proof"):
        TlogProof(*parts, b"")


@given(st.binary(max_size=90).map(lambda rest: b"c2sp.org/tlog-proof@v1\nindex 1\n" + rest))
def test_any_bytes_are_a_proof_that_comes_out_again_or_are_refused(raw):
    try:
        parsed = bundle.parse(raw)
    except Refusal as refusal:
        code = refusal.code
        parsed = None
    if parsed is None:
        assert code is Code.BAD_PROOF
    else:
        assert parsed.encode() == raw
