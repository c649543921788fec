import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.journal import note
from exchange.journal.note import Line, Note, SignatureType, VerifierKey, parse_key, parse_note

# From the tests of golang.org/x/mod/sumdb/note, which the specification grew out of.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETER_NOTE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann \
x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""".encode()
# The note in the text of C2SP signed-note.
SALVATORE = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore \
NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
""".encode()


def refused(read, given, code=Code.BAD_CHECKPOINT):
    with pytest.raises(Refusal) as caught:
        read(given)
    return caught.value.code is code


@pytest.mark.parametrize(
    "vkey",
    [
        PETER,
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "sigsum.org+e4ade967+AZuUY6B08pW3QVHu8uvsrxWPcAv9nykap2Nb4oxCee+r",
    ],
)
def test_published_verifier_keys_are_read_with_their_own_id(vkey):
    key = parse_key(vkey)
    assert (key.name, key.key_id.hex()) == tuple(vkey.split("+")[:2])
    assert str(key) == vkey


def test_the_published_note_verifies_and_comes_out_again():
    key, parsed = parse_key(PETER), parse_note(PETER_NOTE)
    signature = parsed.by(key)
    note.verify_raw(key, parsed.text, signature)
    assert parsed.encode() == PETER_NOTE
    assert Ed25519PrivateKey.from_private_bytes(PETER_SEED).sign(parsed.text) == signature


def test_the_text_of_a_note_may_hold_empty_lines():
    parsed = parse_note(SALVATORE)
    assert parsed.text.endswith("sole:\n\ned è subito sera.\n".encode())
    (line,) = parsed.lines
    assert (line.name, len(line.signature)) == ("quasimodo.example/salvatore", 64)
    assert parsed.encode() == SALVATORE


@pytest.mark.parametrize("at", range(len(PETER)))
def test_a_verifier_key_with_any_letter_changed_is_refused(at):
    changed = PETER[:at] + chr(ord(PETER[at]) + 1) + PETER[at + 1 :]
    assert refused(parse_key, changed, Code.MALFORMED)
    assert refused(parse_key, PETER[:at], Code.MALFORMED)


def test_a_verifier_key_of_unknown_type_or_wrong_length_is_refused():
    for short in ("AA", "AQ==", ""):
        assert refused(parse_key, f"x+00000000+{short}", Code.MALFORMED)
    raw = b"\x04" + bytes(range(32))  # the Ed25519 cosignature, which is not used here
    key_id = sha256(b"x\n" + raw).hexdigest()[:8]
    vkey = f"x+{key_id}+{base64.b64encode(raw).decode()}"
    assert refused(parse_key, vkey, Code.MALFORMED)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\n", "a\x01", "n" * 256])
def test_a_name_that_would_break_a_signature_line_is_no_key_name(name):
    with pytest.raises(ValueError, match="no ED25519 key"):
        VerifierKey(name, SignatureType.ED25519, bytes(32))


@pytest.mark.parametrize(("type_", "size"), [(1, 31), (1, 33), (1, 1312), (6, 32), (6, 1311)])
def test_a_key_of_the_wrong_length_is_no_key(type_, size):
    with pytest.raises(ValueError, match="bytes under"):
        VerifierKey("x", SignatureType(type_), bytes(size))


def small_order_points():
    """All y coordinates of points whose eightfold is the neutral element, computed here."""
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p
    found = set()
    for y in note._SMALL_ORDER:
        square = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
        x = pow(square, (p + 3) // 8, p)
        if x * x % p != square:
            x = x * pow(2, (p - 1) // 4, p) % p
        assert x * x % p == square, "not on the curve"
        a, b = x, y
        for _ in range(3):
            k = d * a * a * b * b % p
            a, b = (
                2 * a * b * pow(1 + k, -1, p) % p,
                (b * b + a * a) * pow(1 - k, -1, p) % p,
            )
        assert (a, b) == (0, 1)
        found.add(y)
    return found


def test_the_points_called_weak_are_the_five_of_small_order():
    """Of the eight, y = 1 and -1 come once; y = 0 and two others with either sign."""
    assert len(small_order_points()) == 5


@pytest.mark.parametrize("sign", [0, 1 << 255])
@pytest.mark.parametrize("y", [*sorted(note._SMALL_ORDER), note._P, note._P + 1, 2**255 - 1])
def test_a_key_under_which_anybody_can_sign_is_refused(y, sign):
    key = VerifierKey("x", SignatureType.ED25519, (y | sign).to_bytes(32, "little"))
    assert refused(parse_key, str(key), Code.WEAK_KEY)


def test_such_a_key_would_indeed_let_anybody_sign():
    key = VerifierKey("x", SignatureType.ED25519, (1).to_bytes(32, "little"))
    forged = (1).to_bytes(32, "little") + bytes(32)
    note.verify_raw(key, b"anything at all", forged)


GOOD = b"text\n\n" + Line("k", b"1234", b"s").encode()


def test_the_smallest_note_is_read():
    assert parse_note(GOOD) == Note(b"text\n", (Line("k", b"1234", b"s"),))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"text\n",
        b"text\n\n",
        GOOD[:-1],
        GOOD + GOOD[6:-1],
        GOOD[6:],
        GOOD + b"\n",
        GOOD.replace(b"\n\n", b"\n"),
        GOOD.replace("—".encode(), b"-"),
        GOOD.replace("— ".encode(), "—".encode()),
        GOOD.replace(b" k ", b" k  "),
        GOOD.replace(b" k ", b"  "),
        GOOD.replace(b" k ", b" k+ "),
        GOOD.replace(b"text", b"te\rxt"),
        GOOD.replace(b"text", b"te\0xt"),
        GOOD.replace(b"text", b"te\xffxt"),
        b"text\n\n" + Line("k", b"1234", b"").encode(),
        "text\n\n— k MTIzNHN=\n".encode(),  # a second spelling of MTIzNHM=
        "text\n\n— k MTIzNHM\n".encode(),
        "text\n\n— k MTIz\u00e9NHM=\n".encode(),
        b"text\n\n" + Line("k", b"1234", b"s").encode() * 33,
        b"t" * note.MAX_NOTE_BYTES + GOOD,
    ],
)
def test_what_is_no_signed_note_is_refused(raw):
    assert refused(parse_note, raw)


def test_sixteen_lines_of_the_largest_signatures_are_read():
    line = Line("k", b"1234", bytes(5000)).encode()
    assert len(parse_note(b"text\n\n" + line * 16).lines) == 16


@given(st.binary(max_size=80) | st.binary(max_size=20).map(lambda text: text + GOOD))
def test_any_bytes_are_a_note_that_comes_out_again_or_are_refused(raw):
    try:
        parsed = parse_note(raw)
    except Refusal:
        assert refused(parse_note, raw)
    else:
        assert parsed.encode() == raw


@given(st.text(max_size=30))
def test_any_text_is_a_verifier_key_or_is_refused(text):
    assert refused(parse_key, text, Code.MALFORMED)


@pytest.mark.parametrize("sign", [each for each in range(32) if chr(each) != "\n"])
def test_note_with_any_control_sign_but_the_end_of_a_line_is_none(sign: int) -> None:
    line = Line("exchange/pa", bytes(4), bytes(64)).encode()
    assert parse_note(b"one\ntwo\n\n" + line).text == b"one\ntwo\n"
    with pytest.raises(Refusal) as caught:
        parse_note(b"one\ntw" + bytes([sign]) + b"o\n\n" + line)
    assert caught.value.code is Code.BAD_CHECKPOINT
