"""Sessions: whoever holds the keys gets a token, for this node and for a while."""

from __future__ import annotations

import msgspec
import pytest

import exchange.node.sessions
from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.model.codec import b64, unb64
from exchange.node.sessions import NONCE_LIFETIME_S, TOKEN_LIFETIME_S, Sessions, _Claims
from tests.builders import DESK, NOW, OPS, Randomness, suspended, world

KEY = b"k" * 32


def sessions(node="pa", key=KEY):
    return Sessions(node, key, Randomness("sessions"))


def request(of, now=NOW, by=OPS, **changes):
    asked = objects.SessionRequest(
        v="xb1",
        suite="xb1-h",
        origin=by.partition("/")[0],
        endpoint=by,
        node="pa",
        nonce=of.nonce(now),
        issued=now,
    )
    return msgspec.structs.replace(asked, **changes)


def signed(asked, by=OPS):
    return world().sign(asked, objects.SESSION_TYP, by)


def code_of(call, *args):
    with pytest.raises(Refusal) as caught:
        call(*args)
    return caught.value.code, caught.value.at


def token_of(of, now=NOW, by=OPS):
    return of.open(signed(request(of, now, by), by), world().view, now).token


def brief_token(of):
    """One of our own making that would fit where a nonce stands."""
    return of._make(_Claims("token", "", "", [], NOW * 2, ""))


def test_holder_of_the_keys_gets_a_token_in_its_own_name():
    of = sessions()
    for by in (OPS, DESK):
        standing = of.caller(f"Bearer {token_of(of, by=by)}", world().view, NOW)
        assert standing.endpoint.id == by


@pytest.mark.parametrize(
    ("changes", "later", "expected"),
    [
        ({}, NONCE_LIFETIME_S - 1, None),
        ({}, NONCE_LIFETIME_S, (Code.BAD_SESSION, "/nonce")),
        ({"node": "us"}, 0, (Code.BAD_SESSION, "/node")),
        ({"issued": NOW - NONCE_LIFETIME_S - 1}, 0, (Code.BAD_SESSION, "/issued")),
        ({"issued": NOW + NONCE_LIFETIME_S + 1}, 0, (Code.BAD_SESSION, "/issued")),
        ({"nonce": "AAAA.AAAA"}, 0, (Code.BAD_SESSION, "/nonce")),
        ({"nonce": sessions("us").nonce(NOW)}, 0, (Code.BAD_SESSION, "/nonce")),
        ({"nonce": sessions(key=b"x" * 32).nonce(NOW)}, 0, (Code.BAD_SESSION, "/nonce")),
        ({"nonce": brief_token(sessions())}, 0, (Code.BAD_SESSION, "/nonce")),
        ({"origin": "us.uscg"}, 0, (Code.BAD_SESSION, "")),
        ({"endpoint": "pa.senan/none"}, 0, (Code.BAD_SESSION, "")),
    ],
)
def test_request_is_bound_to_node_nonce_and_time(changes, later, expected):
    of = sessions()
    raw = signed(request(of, **changes))
    if expected is None:
        assert of.open(raw, world().view, NOW + later).token
    else:
        assert code_of(of.open, raw, world().view, NOW + later) == expected


def test_old_request_with_a_new_time_needs_a_new_nonce():
    of, later = sessions(), NOW + NONCE_LIFETIME_S
    raw = signed(request(of, nonce=of.nonce(NOW), issued=later))
    assert code_of(of.open, raw, world().view, later) == (Code.BAD_SESSION, "/nonce")


def test_only_the_endpoints_own_signature_opens_a_session():
    of = sessions()
    raw = world().sign(request(of), objects.SESSION_TYP, DESK)
    assert cause_of(of, raw) is Code.UNKNOWN_KEY
    good = signed(request(of))
    forged = signed(request(of, issued=NOW + 1))
    other = msgspec.json.decode(good)
    other["payload"] = msgspec.json.decode(forged)["payload"]
    assert cause_of(of, msgspec.json.encode(other)) is Code.BAD_SIGNATURE


def cause_of(of, raw, view=None):
    """What the diagnostics are told; the caller hears the same of everything."""
    with pytest.raises(Refusal) as caught:
        of.open(raw, view or world().view, NOW)
    assert (caught.value.code, caught.value.at, caught.value.facts) == (
        Code.BAD_SESSION,
        "",
        {},
    )
    return caught.value.__cause__.code


def without_a_signature(raw):
    told = msgspec.json.decode(raw)
    told["signatures"].pop()
    return msgspec.json.encode(told)


def test_stranger_cannot_tell_which_endpoints_keys_and_states_there_are():
    of, view = sessions(), world().later(world().amended(DESK, suspended))
    unsigned = request(of, endpoint="pa.senan/none")
    assert cause_of(of, signed(unsigned)) is Code.UNKNOWN_ENDPOINT
    assert cause_of(of, without_a_signature(signed(request(of)))) is Code.SIGNATURE_COUNT
    # Suspended or not, whoever lacks the keys hears the same.
    stranger = world().sign(request(of, by=DESK), objects.SESSION_TYP, OPS)
    assert cause_of(of, stranger, view) is Code.UNKNOWN_KEY
    assert cause_of(of, stranger) is Code.UNKNOWN_KEY


def test_holder_of_a_key_past_its_time_is_told_so():
    def ended(endpoint):
        past = [msgspec.structs.replace(key, until=NOW) for key in endpoint.keys]
        return msgspec.structs.replace(endpoint, keys=past)

    of, view = sessions(), world().later(world().amended(OPS, ended), now=NOW - 1)
    assert code_of(of.open, signed(request(of)), view, NOW)[0] is Code.KEY_NOT_VALID


def test_object_of_another_kind_opens_no_session():
    of = sessions()
    raw = world().sign(request(of), objects.ACK_TYP, OPS)
    assert code_of(of.open, raw, world().view, NOW)[0] is Code.UNKNOWN_OBJECT


def test_suspended_endpoint_gets_no_session_and_its_token_ends():
    of = sessions()
    token, view = token_of(of), world().later(world().amended(OPS, suspended))
    raw = signed(request(of))
    assert code_of(of.open, raw, view, NOW)[0] is Code.ENDPOINT_SUSPENDED
    assert code_of(of.caller, f"Bearer {token}", view, NOW)[0] is Code.ENDPOINT_SUSPENDED


def test_remembered_token_is_held_to_time_view_and_its_own_letters():
    of = sessions()
    token = token_of(of)
    assert of.caller(f"Bearer {token}", world().view, NOW).endpoint.id == OPS
    # It is remembered now, and nothing but its MAC is taken on trust.
    last, other = token[-1], "A" if token[-1] != "A" else "Q"
    forged = f"Bearer {token.removesuffix(last)}{other}"
    assert code_of(of.caller, forged, world().view, NOW)[0] is Code.BAD_TOKEN
    later = NOW + TOKEN_LIFETIME_S
    assert code_of(of.caller, f"Bearer {token}", world().view, later)[0] is Code.BAD_TOKEN
    view = world().later(world().amended(OPS, suspended))
    assert code_of(of.caller, f"Bearer {token}", view, NOW)[0] is Code.ENDPOINT_SUSPENDED


def test_only_so_many_tokens_are_remembered(monkeypatch):
    monkeypatch.setattr(exchange.node.sessions, "_REMEMBERED", 2)
    of = sessions()
    tokens = [token_of(of, now) for now in range(NOW, NOW + 3)]
    for each in tokens * 2:
        assert of.caller(f"Bearer {each}", world().view, NOW + 3).endpoint.id == OPS
        assert len(of._known) <= 2


def test_token_ends_with_its_time():
    of = sessions()
    token = f"Bearer {token_of(of)}"
    of.caller(token, world().view, NOW + TOKEN_LIFETIME_S - 1)
    late = NOW + TOKEN_LIFETIME_S
    assert code_of(of.caller, token, world().view, late)[0] is Code.BAD_TOKEN


@pytest.mark.parametrize("place", [0, 1])
def test_token_ends_with_either_key_that_opened_it(place):
    of = sessions()
    token = f"Bearer {token_of(of)}"

    def without_a_key(endpoint):
        keys = [key for n, key in enumerate(endpoint.keys) if n != place]
        return msgspec.structs.replace(endpoint, keys=keys)

    revoked = world().later(world().amended(OPS, without_a_key))
    of.caller(token, world().view, NOW)
    assert code_of(of.caller, token, revoked, NOW)[0] is Code.UNKNOWN_KEY


@pytest.mark.parametrize("place", [0, 1])
def test_token_ends_with_the_time_of_either_key(place):
    def ended(endpoint):
        keys = list(endpoint.keys)
        keys[place] = msgspec.structs.replace(keys[place], until=NOW + 1)
        return msgspec.structs.replace(endpoint, keys=keys)

    of, view = sessions(), world().later(world().amended(OPS, ended))
    token = f"Bearer {of.open(signed(request(of)), view, NOW).token}"
    of.caller(token, view, NOW)
    assert code_of(of.caller, token, view, NOW + 1)[0] is Code.KEY_NOT_VALID


def test_token_ends_when_its_suite_does():
    of = sessions()
    token = f"Bearer {token_of(of)}"

    def moved(endpoint):
        return msgspec.structs.replace(endpoint, suite="xb1-ch")

    for view in (
        world().later(world().amended(OPS, moved)),
        world().later(world().rearranged(suites=["xb1-c"])),
    ):
        assert code_of(of.caller, token, view, NOW)[0] is Code.SUITE_NOT_ALLOWED


def test_session_is_opened_at_a_node_that_serves_the_nation_only():
    of, view = sessions(), world().view
    node = msgspec.structs.replace(view.nodes["pa"], version=2, serves=["pa"])
    domestic = world().later(world().signed(node, ["pa"]))
    asked = signed(request(of, by="us.jiatfs/watch"), "us.jiatfs/watch")
    assert code_of(of.open, asked, domestic, NOW) == (Code.NOT_HOME, "/node")
    of.open(asked, view, NOW)


def altered(token, **changes):
    body, _, mac = token.partition(".")
    names = ("use", "endpoint", "suite", "kids", "expires", "random")
    claims = {**dict(zip(names, msgspec.json.decode(unb64(body)), strict=True)), **changes}
    return f"{b64(msgspec.json.encode(list(claims.values())))}.{mac}"


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {altered(token_of(sessions()), endpoint=DESK)}",
        f"Bearer {altered(token_of(sessions()), expires=NOW * 2)}",
        f"Bearer {token_of(sessions())[:-1]}",
        f"Bearer {token_of(sessions())}A",
        f"Bearer {token_of(sessions(key=b'x' * 32))}",
        f"Bearer {token_of(sessions())} ",
        f"Bearer {sessions().nonce(NOW)}",
        "Bearer .",
        "Bearer A",
        "Bearer \udcff.AAAA",
        "Bearer AAAA.\udcff",
        "Bearer é.é",
    ],
)
def test_token_that_is_not_ours_is_refused(authorization):
    code, _ = code_of(sessions().caller, authorization, world().view, NOW)
    assert code is Code.BAD_TOKEN


def test_token_of_another_version_under_the_same_key_is_refused():
    of = sessions()
    body = b64(msgspec.json.encode(["token", OPS, "A" * 43, NOW * 2, "A" * 16]))
    token = f"Bearer {body}.{b64(of._mac(body))}"
    assert code_of(of.caller, token, world().view, NOW)[0] is Code.BAD_TOKEN


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic abc"])
def test_no_token_is_refused_as_such(authorization):
    code, _ = code_of(sessions().caller, authorization, world().view, NOW)
    assert code is Code.NO_TOKEN


def test_tokens_do_not_hold_from_node_to_node_even_under_one_key():
    token = token_of(sessions())
    code, _ = code_of(sessions("us").caller, f"Bearer {token}", world().view, NOW)
    assert code is Code.BAD_TOKEN


def test_session_key_is_32_bytes():
    with pytest.raises(ValueError, match="32"):
        sessions(key=b"short")
