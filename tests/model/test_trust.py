"""Trust documents as text, and the view that they fold into."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import Metadata

from exchange.errors import Code, Refusal
from exchange.model import metadata, trust
from exchange.model.codec import b64, unb64
from exchange.model.identity import digest
from exchange.model.view import NO_HEAD, View
from tests import builders
from tests.builders import COAST, DAY, FOUNDED, NOW, OPS, WATCH, suspended
from tests.vectors.changes import keys_from

WORLD = builders.world()
WRAP = "HPKE-9-KE"


BUNDLES = [metadata.read(raw) for raw in WORLD.documents]
FILES = [line for bundle in BUNDLES[:-1] for line in bundle.lines]
MEMBER = FILES[-1]


@pytest.mark.parametrize("raw", FILES, ids=range(len(FILES)))
def test_document_comes_back(raw: bytes) -> None:
    assert trust.encode(trust.decode(raw)) == raw


@pytest.mark.parametrize("bundle", BUNDLES, ids=range(len(BUNDLES)))
def test_metadata_comes_back_and_tuf_signs_the_same_bytes(bundle) -> None:
    assert metadata.encode(bundle.file) == bundle.raw
    theirs = Metadata.from_bytes(bundle.raw)
    assert theirs.to_bytes() == bundle.raw
    assert theirs.signed_bytes == metadata.signed_bytes(bundle.raw)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b":", b": ", 1),
        lambda raw: raw.replace(b'"v":"xb1"', b'"v":"xb1","v":"xb1"'),
        lambda raw: raw + b" ",
        lambda raw: raw.replace(b"EXERCISE", b"EXERC\\u0049SE", 1),
    ],
)
def test_document_has_one_spelling(change) -> None:
    with pytest.raises(Refusal) as refusal:
        trust.decode(change(MEMBER))
    assert refusal.value.code == Code.MALFORMED


def test_arrangement_says_that_it_is_an_exercise_or_says_nothing() -> None:
    silent = msgspec.structs.replace(WORLD.arrangement, exercise=False)
    payload = trust.encode(silent)
    assert b"exercise" not in payload
    assert trust.decode(payload) == silent
    assert trust.decode(payload[:-1] + b',"exercise":true}') == WORLD.arrangement
    with pytest.raises(Refusal) as refusal:
        trust.decode(payload[:-1] + b',"exercise":false}')
    assert refusal.value.code == Code.MALFORMED


def test_title_may_hold_quotes_and_no_control_character() -> None:
    member = WORLD.member("pa.senan")
    quoted = msgspec.structs.replace(member, title={"es": 'EJERCICIO "uno" \\ dos', "en": "-"})
    assert trust.decode(trust.encode(quoted)) == quoted
    for sign in ("\n", "\\\n", "\x00", "\x1b"):
        hidden = msgspec.structs.replace(member, title={"es": f"EJERCICIO{sign}", "en": "-"})
        with pytest.raises(Refusal) as refusal:
            trust.decode(trust.encode(hidden))
        assert refusal.value.code == Code.CONTROL_CHARACTER


def test_title_s_language_cannot_spell_a_place() -> None:
    payload = MEMBER.replace(b'"es"', b'"x` - at `$.canary"', 1)
    with pytest.raises(Refusal) as refusal:
        trust.decode(payload)
    assert "canary" not in refusal.value.at


@given(
    st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace"))
)
def test_any_payload_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal):
        trust.decode(raw)


def test_names_under_which_versions_count() -> None:
    names = [
        *("root", "targets", "pa", "us", "snapshots/pa", "timestamps/pa"),
        *("arrangement", "nodes/pa", "members/pa.senan", "members/us.oig"),
    ]
    assert [WORLD.view.version_of(name) for name in names] == [1] * len(names)
    others = ["nodes/us", "members/pa.nadie", f"subscriptions/{WATCH}", "timestamps/us"]
    assert [WORLD.view.version_of(name) for name in others] == [0] * len(others)
    view = WORLD.later(WORLD.subscription(), WORLD.amended(COAST, suspended))
    changed = [f"subscriptions/{WATCH}", "us", "members/us.uscg", "pa", "members/us.jiatfs"]
    assert [view.version_of(name) for name in changed] == [1, 2, 2, 1, 1]


def test_heads_chain_over_the_trust_inbox() -> None:
    head = NO_HEAD
    assert WORLD.view.heads[0] == head
    for place, document in enumerate(WORLD.documents, 1):
        head = b64(sha256(unb64(head) + sha256(document).digest()).digest())
        assert WORLD.view.heads[place] == head
    assert WORLD.view.position == len(WORLD.documents)


def test_view_that_was_handed_out_never_changes() -> None:
    before = msgspec.structs.asdict(WORLD.view)
    kept = {name: str(value) for name, value in before.items()}
    after = WORLD.later(WORLD.amended(COAST, suspended), WORLD.subscription())
    assert {name: str(value) for name, value in before.items()} == kept
    assert after.index == WORLD.view.index + 2
    assert (after.position, WORLD.view.position) == (7, 5)


def test_two_ways_on_from_one_view_do_not_meet() -> None:
    one, other = (WORLD.later(WORLD.subscription(each)) for each in (WATCH, COAST))
    assert one.heads != other.heads
    assert list(one.heads)[:-1] == list(other.heads)[:-1] == list(WORLD.view.heads)
    with pytest.raises(IndexError):
        WORLD.view.heads[WORLD.view.position + 1]


def test_endpoint_left_out_of_the_next_version_is_gone() -> None:
    before = WORLD.member("us.jiatfs")
    shorter = msgspec.structs.replace(before, version=2, endpoints=before.endpoints[:1])
    view = WORLD.later(WORLD.signed(shorter, ["us"]))
    with pytest.raises(Refusal) as refusal:
        view.standing("us.jiatfs/desk")
    assert refusal.value.code == Code.UNKNOWN_ENDPOINT
    assert view.standing(WATCH).endpoint == before.endpoints[0]


def test_nothing_flows_before_there_is_an_arrangement() -> None:
    with pytest.raises(Refusal) as refusal:
        View(anchor=WORLD.anchor).agreed()
    assert refusal.value.code == Code.TRUST_INVALID


def test_encryption_key_signs_nothing() -> None:
    with pytest.raises(Refusal) as refusal:
        WORLD.view.standing(OPS).signing_key(WORLD.key(OPS).kid, NOW, "/signatures/0")
    assert (refusal.value.code, refusal.value.at) == (Code.KEY_NOT_VALID, "/signatures/0")


def without_encryption(endpoint: trust.Endpoint) -> trust.Endpoint:
    """As an endpoint is that has keys of another suite only."""
    keys = [key for key in endpoint.keys if key.use == "sig"]
    return msgspec.structs.replace(endpoint, keys=keys)


def test_sealing_takes_the_newest_key_that_is_valid() -> None:
    older = WORLD.view.sealing_key(OPS, WRAP, NOW)
    other = builders.SoftwareOpener(
        builders.Founder(builders.Randomness("epoch"), FOUNDED).new_endpoint(OPS).of("open")[0]
    )

    def rotated(endpoint: trust.Endpoint) -> trust.Endpoint:
        newer = trust.EndpointKey("enc", other.key, NOW, NOW + DAY)
        return msgspec.structs.replace(endpoint, keys=[*endpoint.keys, newer])

    view = WORLD.later(WORLD.amended(OPS, rotated))
    assert view.sealing_key(OPS, WRAP, NOW - 1) == older
    assert view.sealing_key(OPS, WRAP, NOW).jwk == other.key
    assert view.sealing_key(OPS, WRAP, NOW + DAY - 1).jwk == other.key
    assert view.sealing_key(OPS, WRAP, NOW + DAY) == older


@pytest.mark.parametrize(
    ("name", "change", "code", "expected"),
    [
        ("us.uscg/nadie", None, Code.UNKNOWN_RECIPIENT, None),
        (COAST, suspended, Code.RECIPIENT_KEY_UNFIT, "active-endpoint"),
        (COAST, keys_from("enc", 0, 0, NOW), Code.RECIPIENT_KEY_UNFIT, "unexpired-key"),
        (COAST, keys_from("enc", 0, NOW + 1, NOW + 2), Code.RECIPIENT_KEY_UNFIT, "begun-key"),
        (COAST, without_encryption, Code.RECIPIENT_LACKS_SUITE, WRAP),
    ],
)
def test_recipient_without_a_fit_key_is_a_refusal_that_names_it(
    name, change, code, expected
) -> None:
    view = WORLD.later(WORLD.amended(name, change)) if change else WORLD.view
    with pytest.raises(Refusal) as refusal:
        view.sealing_key(name, WRAP, NOW)
    assert (refusal.value.code, refusal.value.facts["name"]) == (code, name)
    assert refusal.value.facts.get("expected") == expected


def test_anchor_is_the_digest_of_the_first_root() -> None:
    assert WORLD.anchor == digest(WORLD.documents[0])


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (b'"threshold":2', b'"threshold":1', Code.WRONG_VALUE),
        (b'"version":1', b'"version":9007199254740992', Code.WRONG_VALUE),
        (b'"version":1', b'"version":1,"version":1', Code.MALFORMED),
        (b'"expires":"2', b'"expires":"9', Code.WRONG_VALUE),
        (b"-01T", b"-41T", Code.WRONG_VALUE),
        (b'"_type":"root"', b'"_type":"mirrors"', Code.WRONG_VALUE),
        (b"custodian-1", b"custodian-1\\n", Code.CONTROL_CHARACTER),
        (b"custodian-1", "custodián-1".encode(), Code.WRONG_VALUE),
        (b"custodian-1", b"custodi\xe1n", Code.NOT_UTF8),
        (b'"keyid"', b'"keyring"', Code.UNKNOWN_MEMBER),
    ],
)
def test_root_out_of_bounds_is_refused(before, after, code) -> None:
    raw = WORLD.documents[0]
    if before == b"-01T":
        before = raw[(at := raw.index(b'"expires":"') + 18) : at + 4]
        after = b"-41" + before[3:]
    assert before in raw
    with pytest.raises(Refusal) as refusal:
        metadata.read_file(raw.replace(before, after, 1))
    assert refusal.value.code == code


def test_title_is_in_both_languages() -> None:
    payload = trust.encode(WORLD.member("pa.senan"))
    assert b',"en":"EXERCISE"' in payload
    with pytest.raises(Refusal) as refusal:
        trust.decode(payload.replace(b',"en":"EXERCISE"', b"", 1))
    assert refusal.value.code == Code.MISSING_MEMBER
