"""What metadata may say of who signs, and a node by itself: each rule alone."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from exchange.errors import Code, Refusal
from exchange.model import metadata
from exchange.model.identity import Jwk, Signatory
from exchange.model.metadata import Key, KeyValue, MetaInfo, Online, Root, Targets
from exchange.model.trust import EndpointKey
from exchange.model.view import LIFETIME_S, Custodians, View
from exchange.seal import es384, trust, trust_keys, trust_making, trust_online
from tests import builders
from tests.builders import DAY, NOW, OPS, SoftwareSigner, World
from tests.vectors.delegating import delegated, successor
from tests.vectors.trusting import rearrangement, respelled

WORLD = builders.world()
PA = SoftwareSigner.of(WORLD.node.of("sign"))
replace = msgspec.structs.replace


def judged(raw: bytes, view: View = WORLD.view) -> tuple[Code, str]:
    with pytest.raises(Refusal) as refusal:
        trust.judge(raw, view, NOW)
    return refusal.value.code, refusal.value.at


def root(**changes: Any) -> bytes:
    return WORLD.signed(WORLD.root(**changes))


def test_key_that_nobody_has_is_refused() -> None:
    key = trust_keys.key_of(WORLD.signers[OPS].keys[0])
    keys = {**WORLD.root().keys, key.keyid: key}
    assert judged(root(keys=keys)) == (Code.TRUST_INVALID, "/signed/keys")


def test_snapshot_and_timestamp_are_of_the_same_nodes() -> None:
    roles = replace(WORLD.root().roles, snapshot=Online([], [], 1))
    assert judged(root(roles=roles)) == (Code.TRUST_INVALID, "/signed/roles/snapshot")


def test_node_has_no_custodian_s_key() -> None:
    custodian = WORLD.founder.circles["pa"].signatories[0]
    made = trust_making.root(2, WORLD.founder.expires, WORLD.founder.circles, {"pa": custodian})
    assert judged(WORLD.signed(made)) == (Code.TRUST_INVALID, "/signed/roles/timestamp")


PANAMA = WORLD.founder.circles["pa"].signatories
AT = (Code.TRUST_INVALID, "/signed/delegations")


def test_nations_own_file_is_not_signed_by_the_others_keys() -> None:
    """Else one nation signs the other's directory alone from then on."""
    assert trust.judge(delegated(WORLD), WORLD.view, NOW)
    fresh = tuple(replace(each, name=f"us-other-{n}") for n, each in enumerate(PANAMA))
    assert judged(delegated(WORLD, us=lambda _: fresh)) == AT


def _instead(people: tuple[Signatory, ...], _: object) -> tuple[Signatory, ...]:
    return people


def test_name_of_a_custodian_has_the_same_keys_in_every_file() -> None:
    strangers = successor("strangers").circles["pa"].signatories
    assert trust.judge(delegated(WORLD, pa=lambda _: strangers), WORLD.view, NOW)
    for people in (strangers, PANAMA[::-1]):
        renamed = tuple(replace(a, name=b.name) for a, b in zip(people, PANAMA, strict=True))
        assert judged(delegated(WORLD, pa=partial(_instead, renamed))) == AT


def test_name_of_a_custodian_says_the_nation() -> None:
    theirs = successor("strangers").circles["us"].signatories
    foreign = tuple(replace(each, name=f"pa-{each.name}") for each in theirs)
    at = "/signed/delegations/roles/1/custodians/us/signatories"
    assert judged(delegated(WORLD, us=lambda _: foreign)) == (Code.TRUST_INVALID, at)


def test_nodes_key_signs_no_nations_own_file() -> None:
    node = replace(WORLD.view.online["pa"], name="pa-other")
    assert judged(delegated(WORLD, pa=lambda _: (node, PANAMA[1]))) == AT


def test_node_has_no_custodian_s_key_in_its_own_document_either() -> None:
    node = replace(WORLD.view.nodes["pa"], version=2)
    receipts = replace(node.receipts, keys=list(PANAMA[0].keys))
    raw = WORLD.founder.of_nation(WORLD.view, "pa", [replace(node, receipts=receipts)])
    assert judged(raw) == (Code.TRUST_INVALID, "/files/0/receipts")


def keys_taken() -> dict[str, tuple[str, bytes]]:
    """An endpoint's key that is a custodian's or a node's as well, and where it is refused."""
    node, listed = replace(WORLD.view.nodes["pa"], version=2), WORLD.member("pa.senan")
    ops = next(each for each in listed.endpoints if each.id == OPS)

    def with_key(jwk: Jwk) -> bytes:
        endpoint = replace(ops, keys=[EndpointKey("sig", jwk, NOW, NOW + 1)])
        after = replace(listed, version=listed.version + 1, endpoints=[endpoint])
        return WORLD.signed(after, ["pa"])

    theirs, circles = list(WORLD.signers[OPS].keys), WORLD.founder.circles
    third = Signatory("pa-third", theirs)
    people = {**circles, "pa": Custodians(2, (*circles["pa"].signatories, third))}
    online = {"pa": replace(WORLD.view.online["pa"], keys=theirs)}
    expires, receipts = WORLD.founder.expires, replace(node.receipts, keys=theirs)
    at, roles = "/files/0/endpoints/0/keys/0/jwk", "/signed/roles"
    roots = [
        WORLD.signed(trust_making.root(2, expires, *each))
        for each in ((people, WORLD.view.online), (circles, online))
    ]
    log = [theirs[0], node.log[1]]
    return {
        "a custodian's": (at, with_key(circles["us"].signatories[0].keys[0])),
        "a node's": (at, with_key(node.receipts.keys[0])),
        "a log's": (at, with_key(node.log[0])),
        "node": ("/files/0/receipts", WORLD.signed(replace(node, receipts=receipts), ["pa"])),
        "node's log": ("/files/0/log", WORLD.signed(replace(node, log=log), ["pa"])),
        "root": (roles, roots[0]),
        "root's nodes": (f"{roles}/timestamp", roots[1]),
        "nation's own": (AT[1], delegated(WORLD, pa=lambda each: (*each, third))),
    }


@pytest.mark.parametrize(("at", "raw"), keys_taken().values(), ids=keys_taken())
def test_endpoint_s_key_is_no_custodian_s_and_no_node_s_whichever_was_first(
    at: str, raw: bytes
) -> None:
    """Else what a desk holds, and its software uses, signs for a nation or a journal."""
    assert judged(raw) == (Code.TRUST_INVALID, at)


def test_nation_says_of_its_node_alone_whom_it_serves_and_of_nobody_that_another_serves() -> (
    None
):
    land = builders.border()
    view = trust.follow(land.documents, land.anchor, NOW)
    wide = replace(view.nodes["us"], version=2, serves=["us", "pa"])
    raw = land.founder.of_nation(view, "us", [wide])
    assert judged(raw, view) == (Code.TRUST_INVALID, "/files/0/serves")


def top() -> Targets:
    made, _ = WORLD.made(rearrangement(WORLD))
    assert isinstance(made, Targets)
    return made


def delegating(roles: Any) -> bytes:
    made, files = WORLD.made(rearrangement(WORLD))
    told = top().delegations
    assert told is not msgspec.UNSET
    delegations = replace(told, roles=roles)
    return WORLD.founder.signed(replace(made, delegations=delegations), files)


def test_nation_signs_its_own_names_and_no_other() -> None:
    told = top().delegations
    assert told is not msgspec.UNSET
    pa, us = told.roles
    at = "/signed/delegations/roles"
    wide = delegating([replace(pa, paths=["members/*"]), us])
    assert judged(wide) == (Code.TRUST_INVALID, f"{at}/0/paths")
    passing = delegating([replace(pa, terminating=False), us])
    assert judged(passing) == (Code.TRUST_INVALID, f"{at}/0/paths")
    for roles in ([us, pa], [pa], [pa, us, us]):
        assert judged(delegating(roles)) == (Code.TRUST_INVALID, at)


def test_nation_delegates_to_nobody() -> None:
    made, files = trust_making.of_nation(WORLD.view, "pa", [], WORLD.founder.expires)
    made = replace(made, delegations=top().delegations)
    raw = WORLD.founder.signed(made, files, ["pa"])
    assert judged(raw) == (Code.TRUST_INVALID, "/signed/delegations")


def spelled_otherwise(change: Any) -> bytes:
    """A root with its first key under another spelling or name, everywhere."""
    made = WORLD.root()
    keyid, key = next(iter(made.keys.items()))
    fresh, other = change(keyid, key)
    told = metadata.encode(replace(made, keys={**made.keys, keyid: other})).decode()
    decoded = msgspec.json.decode(told.replace(keyid, fresh), type=Root)
    keys = dict(sorted(decoded.keys.items()))
    return WORLD.signed(replace(decoded, keys=keys))


def test_key_has_one_spelling_and_one_name() -> None:
    def renamed(_: str, key: Key) -> tuple[str, Key]:
        return "0" * 64, key

    def respelt(_: str, key: Key) -> tuple[str, Key]:
        text = key.keyval.public
        other = replace(key, keyval=KeyValue(text.replace("\n-", "\n\n-", 1)))
        other = other if other != key else replace(key, keyval=KeyValue(text.upper()))
        return other.keyid, other

    for change in (renamed, respelt):
        assert judged(spelled_otherwise(change)) == (Code.WRONG_VALUE, "/signed/keys")


def test_ecdsa_signature_has_one_spelling() -> None:
    world = builders.world("xb1-ch")

    def mirrored(told: Any) -> None:
        r, s = decode_dss_signature(bytes.fromhex(told["signatures"][0]["sig"]))
        told["signatures"][0]["sig"] = encode_dss_signature(r, es384.ORDER - s).hex()

    raw = respelled(world.amended(OPS, builders.suspended), mirrored)
    assert judged(raw, world.view) == (Code.BAD_SIGNATURE, "/signatures/0")


# -- nodes -------------------------------------------------------------------------------------


def with_nodes(**nodes: Signatory) -> World:
    made = trust_making.root(2, WORLD.founder.expires, WORLD.founder.circles, nodes)
    return WORLD.after(WORLD.signed(made))


def other_node() -> tuple[Signatory, SoftwareSigner]:
    secrets = builders.Founder(builders.Randomness("other node"), NOW).new_node("us")
    signer = SoftwareSigner.of(secrets.of("sign"))
    return Signatory("us-receipts", list(signer.keys)), signer


def test_node_with_other_keys_begins_anew_and_one_that_keeps_them_does_not() -> None:
    ours = WORLD.view.online["pa"]
    theirs, _ = other_node()
    for kind in ("timestamps/pa", "snapshots/pa"):
        assert with_nodes(pa=ours, us=theirs).view.version_of(kind) == 1
        assert with_nodes(pa=theirs).view.version_of(kind) == 0


def changed(**told: Any) -> bytes:
    """A timestamp that says something else of its snapshot than is so."""
    raw, snapshot = WORLD.stamped().split(b"\n")
    read = metadata.read_file(raw).signed
    assert isinstance(read, metadata.Timestamp)
    meta: dict[Any, MetaInfo] = {
        name: replace(each, **told) for name, each in read.meta.items()
    }
    return metadata.join(trust_keys.sign(replace(read, meta=meta), [PA]), [snapshot])


def test_timestamp_names_the_version_of_its_snapshot() -> None:
    assert judged(changed(version=9)) == (
        Code.TRUST_MIXED,
        "/signed/meta/snapshot.json/version",
    )


def test_snapshot_does_not_skip_a_version() -> None:
    raw, line = WORLD.stamped().split(b"\n")
    stamp, snapshot = (metadata.read_file(each).signed for each in (raw, line))
    assert isinstance(stamp, metadata.Timestamp)
    ahead = trust_keys.sign(replace(snapshot, version=9), [PA])
    info = metadata.info(ahead)
    stamp = replace(stamp, meta={"snapshot.json": MetaInfo(info.hashes, info.length, 9)})
    bundle = metadata.join(trust_keys.sign(stamp, [PA]), [ahead])
    assert judged(bundle) == (Code.STALE_VERSION, "/files/0/signed/version")


def test_one_node_does_not_vouch_for_the_snapshot_of_another() -> None:
    theirs, signer = other_node()
    both = with_nodes(pa=WORLD.view.online["pa"], us=theirs)
    raw, line = both.stamped().split(b"\n")
    stamp, snapshot = (metadata.read_file(each).signed for each in (raw, line))
    assert isinstance(stamp, metadata.Timestamp)
    foreign = trust_keys.sign(snapshot, [signer])
    info = metadata.info(foreign)
    version = snapshot.version
    stamp = replace(stamp, meta={"snapshot.json": MetaInfo(info.hashes, info.length, version)})
    bundle = metadata.join(trust_keys.sign(stamp, [PA]), [foreign])
    assert judged(bundle, both.view) == (Code.TRUST_MIXED, "/files/0/signatures")
    assert trust.judge(both.stamped(), both.view, NOW).name == "timestamps/pa"
    assert json.loads(raw)["signed"]["_type"] == "timestamp"


def lasting(stamp_s: int, snapshot_s: int) -> bytes:
    """A timestamp and its snapshot that are good for so long from now."""
    raw, line = WORLD.stamped().split(b"\n")
    stamp, snapshot = (metadata.read_file(each).signed for each in (raw, line))
    assert isinstance(stamp, metadata.Timestamp)
    snapshot = replace(snapshot, expires=metadata.time_of(NOW + snapshot_s))
    made = trust_keys.sign(snapshot, [PA])
    info, expires = metadata.info(made), metadata.time_of(NOW + stamp_s)
    meta = {"snapshot.json": MetaInfo(info.hashes, info.length, snapshot.version)}
    return metadata.join(
        trust_keys.sign(replace(stamp, meta=meta, expires=expires), [PA]), [made]
    )


def test_what_a_node_signs_by_itself_is_good_for_some_days_and_no_longer() -> None:
    """Or who had its keys for a moment could keep back every later view, for good."""
    longest = LIFETIME_S + WORLD.arrangement.limits.skew_s
    assert trust.judge(lasting(longest, longest), WORLD.view, NOW).name == "timestamps/pa"
    assert judged(lasting(longest + 1, longest)) == (Code.WRONG_VALUE, "/signed/expires")
    assert judged(lasting(1, longest + 1)) == (Code.WRONG_VALUE, "/files/0/signed/expires")
    view = WORLD.later(lasting(longest, longest))
    view.must_be_timely("pa", NOW)
    # Over; or, by the clock of who reads it, dated ahead.
    for now in (NOW + longest, NOW - 1):
        with pytest.raises(Refusal) as refusal:
            view.must_be_timely("pa", now)
        assert refusal.value.code is Code.TRUST_STALE


def test_timestamp_is_signed_anew_when_it_is_a_day_old_or_was_dated_ahead() -> None:
    """A clock that was ahead and is set right: what was signed meanwhile, nobody believes."""
    view, skew_s = WORLD.after(WORLD.stamped()).view, WORLD.arrangement.limits.skew_s
    due = [trust_online.is_due("pa", view, NOW + day) for day in (-1, 0, DAY - 1, DAY)]
    assert due == [False, False, False, True]
    assert not trust_online.is_due("pa", view, NOW - skew_s)
    assert trust_online.is_due("pa", view, NOW - skew_s - 1)
