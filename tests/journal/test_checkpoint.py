import struct
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from exchange.errors import Code, Refusal
from exchange.journal import checkpoint as cp
from exchange.journal.checkpoint import Checkpoint, Signer
from exchange.journal.note import Line, Note, SignatureType, VerifierKey, parse_key, parse_note
from exchange.journal.tree import EMPTY_ROOT, leaf_hash

ORIGIN = "pan.example/exercise-journal"
NOW = 1_795_000_000
HEAD = Checkpoint(ORIGIN, 4711, sha256(b"exercise").digest())
LOG = cp.ed25519_signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
LOG_PQ = cp.ml_dsa_44_signer(ORIGIN, MLDSA44PrivateKey.from_seed_bytes(bytes(range(1, 33))))
WITNESS = cp.ml_dsa_44_signer(
    "usa.example/exercise-witness", MLDSA44PrivateKey.from_seed_bytes(bytes(range(2, 34)))
)
KEYS = [LOG.key, LOG_PQ.key, WITNESS.key]
# Of filippo.io/torchwood v0.10, cmd/litewitness/testdata/mldsa.txt (seed and note): a log's
# ML-DSA-44 signature made by another implementation, without a time.
LITEWITNESS_SEED = "2886adc2b0eabfce67c0472939127998bf886cf256bfee8ba76a253fce1146e0"
LITEWITNESS = (Path(__file__).parent / "litewitness-mldsa.txt").read_bytes()


@pytest.fixture(scope="module")
def signed():
    return cp.sign(HEAD, [LOG, LOG_PQ, WITNESS], NOW)


def refused(raw, keys=KEYS, **options):
    with pytest.raises(Refusal) as caught:
        cp.verify(raw, origin=options.pop("origin", ORIGIN), required=keys, **options)
    assert caught.value.code is Code.BAD_CHECKPOINT
    return caught.value.facts.get("reason")


def test_the_text_is_three_lines_as_specified():
    """The example of C2SP tlog-checkpoint."""
    body = (
        b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )
    head = cp.parse_body(body)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert head.body() == body


def test_a_signature_made_elsewhere_holds_here():
    origin = "example.com/mldsa-log"
    log = cp.ml_dsa_44_signer(
        origin, MLDSA44PrivateKey.from_seed_bytes(bytes.fromhex(LITEWITNESS_SEED))
    )
    assert log.key.key_id.hex() == "b5df45c5"
    assert str(log.key).startswith(
        "example.com/mldsa-log+b5df45c5+BuhtcL97l3dcitjZ8Y9J54gmQ1TW"
    )
    verified = cp.verify(LITEWITNESS, origin=origin, required=[log.key], allow_undated=True)
    assert verified.checkpoint == Checkpoint(origin, 1, leaf_hash(b"testonly"))
    assert verified.at(log.key) == 0
    assert refused(LITEWITNESS, [log.key], origin=origin) == "timestamp"


def test_the_cosigned_message_is_laid_out_as_specified():
    head = Checkpoint("o/1", 258, bytes(range(32)))
    assert cp.cosigned_message(head, "w", 0x0102) == (
        b"subtree/v1\n\x00"
        b"\x01w"
        b"\x00\x00\x00\x00\x00\x00\x01\x02"
        b"\x03o/1"
        b"\x00\x00\x00\x00\x00\x00\x00\x00"
        b"\x00\x00\x00\x00\x00\x00\x01\x02" + bytes(range(32))
    )


def test_a_checkpoint_signed_by_all_is_verified_with_their_times(signed):
    verified = cp.verify(signed, origin=ORIGIN, required=KEYS)
    assert verified.checkpoint == HEAD == cp.parse(signed)
    assert verified.signed == ((LOG.key, None), (LOG_PQ.key, NOW), (WITNESS.key, NOW))
    assert verified.at(WITNESS.key) == NOW
    assert verified.at(LOG.key) is None


def test_keys_written_down_and_read_back_verify_as_before(signed):
    read = [parse_key(str(key)) for key in KEYS]
    assert read == KEYS
    cp.verify(signed, origin=ORIGIN, required=read)


@pytest.mark.parametrize("bit", range(8))
def test_any_flipped_bit_of_text_or_log_signature_is_refused(bit):
    raw = cp.sign(HEAD, [LOG], NOW)
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1 << bit
        refused(bytes(changed), [LOG.key])


def test_any_flipped_byte_of_a_cosigned_checkpoint_is_refused(signed):
    for at in (*range(300), *range(300, len(signed), 7)):
        changed = bytearray(signed)
        changed[at] ^= 1 << at % 8
        refused(bytes(changed))


def test_any_flipped_bit_of_time_or_signature_proper_is_refused():
    raw = cp.sign(HEAD, [WITNESS], NOW)
    (line,) = parse_note(raw).lines
    bits = [*range(64), *range(64, 8 * len(line.signature), 61)]
    for bit in bits:
        changed = bytearray(line.signature)
        changed[bit // 8] ^= 0x80 >> bit % 8
        forged = Line(line.name, line.key_id, bytes(changed))
        refused(Note(HEAD.body(), (forged,)).encode(), [WITNESS.key])


@pytest.mark.parametrize("gone", range(3))
def test_a_missing_signature_is_refused(signed, gone):
    note = parse_note(signed)
    lines = note.lines[:gone] + note.lines[gone + 1 :]
    stripped = Note(note.text, lines).encode()
    assert refused(stripped) == "missing-signature"
    left = KEYS[:gone] + KEYS[gone + 1 :]
    assert cp.verify(stripped, origin=ORIGIN, required=left).checkpoint == HEAD


def test_lines_by_unknown_keys_are_ignored_even_under_a_known_name_or_id(signed):
    note = parse_note(signed)
    strangers = (
        Line("stranger.example", b"\0\0\0\0", b"?"),
        Line(WITNESS.key.name, b"\0\0\0\0", b"?"),
        Line("stranger.example", WITNESS.key.key_id, b"?"),
    )
    raw = Note(note.text, strangers + note.lines).encode()
    assert len(cp.verify(raw, origin=ORIGIN, required=KEYS).signed) == 3


def test_two_lines_by_one_key_that_differ_are_refused(signed):
    again = cp.sign_line(HEAD, WITNESS, NOW + 60).encode()
    assert refused(signed + again) == "two-signatures"
    assert refused(signed + again, [LOG.key], known=[WITNESS.key]) == "two-signatures"
    note = parse_note(signed)
    cp.verify(signed + note.lines[2].encode(), origin=ORIGIN, required=KEYS)  # the same twice


def test_a_known_but_not_required_key_may_be_silent_but_not_wrong(signed):
    alone = cp.sign(HEAD, [LOG], NOW)
    verified = cp.verify(alone, origin=ORIGIN, required=[LOG.key], known=[WITNESS.key])
    assert verified.at(WITNESS.key) is None
    verified = cp.verify(signed, origin=ORIGIN, required=[LOG.key], known=[WITNESS.key])
    assert verified.at(WITNESS.key) == NOW
    other = cp.sign_line(Checkpoint(ORIGIN, 4712, HEAD.root), WITNESS, NOW).encode()
    assert refused(alone + other, [LOG.key], known=[WITNESS.key]) == "signature"


def test_a_checkpoint_of_another_journal_is_refused(signed):
    assert refused(signed, origin="usa.example/exercise-journal") == "origin"


@pytest.mark.parametrize(
    "head",
    [
        Checkpoint("pan.example/other", 4711, HEAD.root),
        Checkpoint(ORIGIN, 4712, HEAD.root),
        Checkpoint(ORIGIN, 4711, EMPTY_ROOT),
    ],
)
@pytest.mark.parametrize("signer", [LOG, WITNESS])
def test_a_signature_is_over_origin_size_and_root(head, signer):
    line = cp.sign_line(head, signer, NOW)
    assert refused(Note(HEAD.body(), (line,)).encode(), [signer.key]) == "signature"


def test_a_cosignature_is_bound_to_the_cosigners_name():
    """One key under two names: the line of the one does not serve as the other's."""
    twin = VerifierKey("usa.example/twin", SignatureType.ML_DSA_44, WITNESS.key.public)
    line = cp.sign_line(HEAD, WITNESS, NOW)
    moved = Line(twin.name, twin.key_id, line.signature)
    assert refused(Note(HEAD.body(), (moved,)).encode(), [twin]) == "signature"


def with_time(seconds):
    bare = WITNESS.sign(cp.cosigned_message(HEAD, WITNESS.key.name, seconds))
    signature = struct.pack(">Q", seconds) + bare
    line = Line(WITNESS.key.name, WITNESS.key.key_id, signature)
    return Note(HEAD.body(), (line,)).encode()


def test_times_run_from_one_to_the_last_that_fits():
    for seconds in (1, 2**63 - 1):
        raw = cp.sign(HEAD, [WITNESS], seconds)
        assert raw.startswith(HEAD.body())
        verified = cp.verify(raw, origin=ORIGIN, required=[WITNESS.key])
        assert verified.at(WITNESS.key) == seconds
    assert refused(with_time(2**63), [WITNESS.key]) == "timestamp"
    assert refused(with_time(0), [WITNESS.key]) == "timestamp"
    undated = cp.verify(with_time(0), origin=ORIGIN, required=[WITNESS.key], allow_undated=True)
    assert undated.at(WITNESS.key) == 0
    for seconds in (0, -1, 2**63):
        with pytest.raises(ValueError, match="not a time"):
            cp.sign(HEAD, [WITNESS], seconds)


def test_a_cosignature_too_short_for_a_time_is_refused():
    line = Line(WITNESS.key.name, WITNESS.key.key_id, b"1234567")
    assert refused(Note(HEAD.body(), (line,)).encode(), [WITNESS.key]) == "timestamp"


def test_a_cosigners_new_line_takes_the_place_of_its_old_one():
    alone = cp.sign(HEAD, [LOG, LOG_PQ], NOW)
    once = cp.attach(alone, [cp.sign_line(HEAD, WITNESS, NOW)])
    twice = cp.attach(once, [cp.sign_line(HEAD, WITNESS, NOW + 60)])
    assert cp.verify(once, origin=ORIGIN, required=KEYS).at(WITNESS.key) == NOW
    assert cp.verify(twice, origin=ORIGIN, required=KEYS).at(WITNESS.key) == NOW + 60
    assert len(parse_note(twice).lines) == 3


def test_nothing_is_attached_to_what_is_no_checkpoint():
    raw = Note(b"a text\n", (Line("k", b"1234", b"s"),)).encode()
    with pytest.raises(Refusal) as caught:
        cp.attach(raw, [])
    assert caught.value.code is Code.BAD_CHECKPOINT


ROOT = b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


@pytest.mark.parametrize(
    "text",
    [
        b"o\n1\n" + ROOT,
        b"o\n1\n",
        b"\n1\n" + ROOT + b"\n",
        b"o" * 256 + b"\n1\n" + ROOT + b"\n",
        b"o\n01\n" + ROOT + b"\n",
        b"o\n+1\n" + ROOT + b"\n",
        b"o\n-1\n" + ROOT + b"\n",
        b"o\n 1\n" + ROOT + b"\n",
        b"o\n1_0\n" + ROOT + b"\n",
        b"o\n\n" + ROOT + b"\n",
        "o\n\u0661\n".encode() + ROOT + b"\n",
        b"o\n9223372036854775808\n" + ROOT + b"\n",
        b"o\n" + b"9" * 5000 + b"\n" + ROOT + b"\n",
        b"o\n1\n" + ROOT[:-1] + b"\n",
        b"o\n1\n" + ROOT[:-2] + b"J=\n",
        b"o\n1\n" + ROOT[4:] + b"\n",
        b"o\n1\n" + ROOT + b"\nextension\n",
        b"o\n1\n" + ROOT + b"\n\n",
        b"o\n1\n" + ROOT + b"\nx",
        b"o\r\n1\n" + ROOT + b"\n",
        b"o\xff\n1\n" + ROOT + b"\n",
        b"o\n0\n" + ROOT + b"\n",
    ],
)
def test_a_text_with_another_spelling_is_no_checkpoint(text):
    with pytest.raises(Refusal) as caught:
        cp.parse_body(text)
    assert caught.value.code is Code.BAD_CHECKPOINT


@pytest.mark.parametrize(
    "text", ["-1", "-0", "00", "1 ", "1_0", "\u0661", "9223372036854775808"]
)
def test_a_count_has_one_spelling_and_a_limit(text):
    assert cp.read_decimal("9223372036854775807") == 2**63 - 1
    with pytest.raises(ValueError):
        cp.read_decimal(text)


def test_the_largest_size_and_the_empty_journal_have_checkpoints():
    for head in (Checkpoint("o", 2**63 - 1, HEAD.root), Checkpoint("o", 0, EMPTY_ROOT)):
        assert cp.parse_body(head.body()) == head


@pytest.mark.parametrize(
    "parts",
    [
        ("", 1, bytes(32)),
        ("o" * 256, 1, bytes(32)),
        ("o\np", 1, bytes(32)),
        ("o", -1, bytes(32)),
        ("o", 2**63, bytes(32)),
        ("o", 1, bytes(31)),
        ("o", 0, bytes(32)),
    ],
)
def test_what_no_journal_can_have_is_no_checkpoint(parts):
    with pytest.raises(ValueError, match="no checkpoint"):
        Checkpoint(*parts)


def test_no_keys_verify_nothing_and_no_signers_sign_nothing(signed):
    with pytest.raises(ValueError, match="at least one key"):
        cp.verify(signed, origin=ORIGIN, required=[])
    with pytest.raises(ValueError, match="needs a signer"):
        cp.sign(HEAD, [], NOW)


def test_a_signer_elsewhere_gets_exactly_the_bytes_to_sign():
    asked = []

    def sign(message):
        asked.append(message)
        return LOG.sign(message)

    raw = cp.sign(HEAD, [Signer(LOG.key, sign)], NOW)
    assert asked == [HEAD.body()]
    cp.verify(raw, origin=ORIGIN, required=[LOG.key])
