import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from exchange.errors import Code, Refusal
from exchange.journal import checkpoint as cp
from exchange.journal import quorum
from exchange.model.trust import ACCEPT_ALL, Witnesses
from tests.builders import NOW, arrangement, feeds


def key(number):
    seed = bytes([number]) * 32
    name = f"exercise.example/w{number}"
    return cp.ml_dsa_44_signer(name, MLDSA44PrivateKey.from_seed_bytes(seed)).key


KEYS = {name: key(number) for number, name in enumerate(["X1", "X2", "X3", "Y1", "Y2", "Y3"])}
LINES = [f"witness {name} {each}" for name, each in KEYS.items()]
# The groups of the example in C2SP tlog-policy.
EXAMPLE = [
    *LINES,
    "group X-witnesses 2 X1 X2 X3",
    "group Y-witnesses any Y1 Y2 Y3",
    "group X-and-Y all X-witnesses Y-witnesses",
    "quorum X-and-Y",
]


def read(lines):
    return quorum.parse("".join(f"{line}\n" for line in lines))


def refused(lines):
    with pytest.raises(Refusal) as caught:
        read(lines)
    assert caught.value.code is Code.MALFORMED
    return caught.value.facts["found"]


def test_the_example_of_the_standard_needs_two_of_one_house_and_one_of_the_other():
    policy = read(EXAMPLE)
    assert policy.is_met_by({"X1", "X3", "Y2"})
    assert not policy.is_met_by({"X1", "Y1", "Y2", "Y3"})
    assert not policy.is_met_by({"X1", "X2", "X3"})


def test_a_quorum_may_be_one_witness_or_none():
    assert not read([*LINES, "quorum X2"]).is_met_by({"X1", "X3"})
    assert read([*LINES, "quorum X2"]).is_met_by({"X2"})
    assert read(["quorum none"]).is_met_by(set())


def test_blank_lines_comments_and_tabs_say_nothing():
    spaced = [line.replace(" ", " \t ", 1) for line in EXAMPLE]
    padded = ["", "  # a comment", *(f"\t{line}  " for line in spaced)]
    assert read(padded) == read(EXAMPLE)


def test_a_witness_may_have_an_address():
    policy = read([f"{LINES[0]} https://127.0.0.1:7/", "quorum X1"])
    assert [(each.name, each.url) for each in policy.witnesses] == [
        ("X1", "https://127.0.0.1:7/")
    ]


def test_a_quorum_vouches_as_of_its_oldest_needed_cosignature():
    policy = read([*LINES[:3], "group G 2 X1 X2 X3", "quorum G"])
    assert policy.met_at({"X1": 10, "X2": 30, "X3": 20}) == 20
    assert policy.met_at({"X1": 10}) is None


def test_logs_are_told_by_their_origin_and_all_their_keys_must_sign():
    pair = (
        cp.ed25519_signer("log", Ed25519PrivateKey.from_private_bytes(b"a" * 32)).key,
        cp.ml_dsa_44_signer("log", MLDSA44PrivateKey.from_seed_bytes(b"b" * 32)).key,
    )
    policy = read([*(f"log {each}" for each in pair), "quorum none"])
    assert policy.logs_by_origin() == {"log": (pair,)}


def rings_of(*words):
    """The keys that these words name: a type and a seed each."""
    makers = {
        "e": lambda seed: cp.ed25519_signer(
            "log", Ed25519PrivateKey.from_private_bytes(seed * 32)
        ),
        "m": lambda seed: cp.ml_dsa_44_signer(
            "log", MLDSA44PrivateKey.from_seed_bytes(seed * 32)
        ),
    }
    return [makers[word[0]](word[1].encode()).key for word in words]


def test_keys_of_a_type_that_is_there_already_are_those_that_were_handed_on_to():
    keys = rings_of("e1", "m1", "e2", "m2")
    policy = read([*(f"log {each}" for each in keys), "quorum none"])
    assert policy.logs_by_origin() == {"log": (tuple(keys[:2]), tuple(keys[2:]))}


@pytest.mark.parametrize(
    "words", [("e1", "e2", "m1", "m2"), ("e1", "m1", "e2"), ("e1", "m1", "m2", "e2", "m3")]
)
def test_keys_out_of_their_order_are_refused(words):
    """One of them would be a ring, and sign alone what two must."""
    policy = read([*(f"log {each}" for each in rings_of(*words)), "quorum none"])
    with pytest.raises(Refusal) as caught:
        policy.logs_by_origin()
    assert caught.value.code is Code.MALFORMED


@pytest.mark.parametrize(
    ("lines", "at"),
    [
        ([*LINES, "quorum nobody"], 7),  # a name that was not defined
        (["quorum X1", *LINES], 1),  # or only afterwards
        ([*LINES], 7),  # no quorum at all
        ([*LINES, "quorum X1", "quorum X2"], 8),  # two
        ([*LINES, "group G 3 X1 X2", "quorum G"], 7),  # more than there are
        ([*LINES, "group G 0 X1", "quorum G"], 7),
        ([*LINES, "group G +1 X1", "quorum G"], 7),
        ([*LINES, "group G all", "quorum G"], 7),
        ([*LINES, "group G any X1 none", "quorum G"], 7),  # none is no member
        ([*LINES, "group G any X1 X1", "quorum G"], 7),  # counted twice
        ([*LINES, "group G any X1", "group H any X1", "quorum G"], 8),
        ([*LINES, "group X1 any X2", "quorum X1"], 7),  # a name for two things
        ([LINES[0], f"witness Z {KEYS['X1']}", "quorum Z"], 2),  # one key, twice
        ([f"witness none {KEYS['X1']}", "quorum none"], 1),
        ([f"{LINES[0]} https://a https://b", "quorum X1"], 1),
        ([f"{LINES[0]}\x0b", "quorum X1"], 1),  # a control character
        (["witness X1 nonsense", "quorum X1"], None),
        (["charter X1", "quorum none"], 1),
        ([f"witness w{n} {key(n)}" for n in range(33)] + ["quorum w1"], 33),
    ],
)
def test_what_is_no_policy_is_refused_with_its_line(lines, at):
    try:
        assert refused(lines) == at
    except KeyError:
        assert at is None


def test_a_text_without_its_last_newline_is_refused():
    with pytest.raises(Refusal):
        quorum.parse("quorum none")


def test_a_key_that_dates_nothing_is_no_witness():
    undated = cp.ed25519_signer("w", Ed25519PrivateKey.from_private_bytes(b"a" * 32)).key
    assert refused([f"witness X {undated}", "quorum X"]) == 1


def test_an_arrangement_without_witnesses_has_no_policy():
    assert quorum.of(arrangement(feeds(), NOW)) is None


@pytest.mark.parametrize(
    ("word", "lines"),
    [("none", EXAMPLE), ("witnesses", None), ("witnesses", [*LINES, "quorum none"])],
)
def test_an_arrangement_that_says_two_things_of_its_quorum_is_refused(word, lines):
    with pytest.raises(Refusal) as caught:
        quorum.of(agreed(word, lines))
    assert caught.value.code is Code.TRUST_INVALID


def test_an_arrangement_carries_its_policy_line_by_line():
    assert quorum.of(agreed("witnesses", EXAMPLE)) == read(EXAMPLE)


def agreed(word, lines):

    witnesses = None if lines is None else Witnesses(lines, 4 * 3600, ACCEPT_ALL)
    plain = arrangement(feeds(), NOW)
    return msgspec.structs.replace(plain, quorum=word, witnesses=witnesses)
