"""Cases of the metadata itself: what it lists, until when it holds, and the nodes' own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from exchange.errors import Code
from exchange.model import metadata
from exchange.model.identity import Nation
from exchange.model.metadata import Targets
from exchange.seal import trust_keys, trust_making
from tests.builders import (
    COAST,
    DAY,
    NOW,
    OPS,
    SoftwareSigner,
    World,
    refers,
    suspended,
)
from tests.vectors.case import Case, Posted
from tests.vectors.trusting import brought, respelled, trusted


def relisted(world: World, change: Callable[[Targets], Targets], document: Any = None) -> bytes:
    """The next file of Panama, with what it says changed, and signed as it then is."""
    document = document or msgspec.structs.replace(world.member("pa.senan"), version=2)
    made, files = world.made(document)
    assert isinstance(made, Targets)
    return world.founder.signed(change(made), files, ["pa"])


def expiring(world: World, nation: Nation, until: int) -> bytes:
    """A nation's file signed anew, with nothing new in it, until an early end."""
    made, files = trust_making.of_nation(world.view, nation, [], until)
    return world.founder.signed(made, files, [nation])


def stamped_by(world: World, secrets: Any, **changes: Any) -> bytes:
    """A timestamp and snapshot of what is in force, by anybody's keys, and changed."""
    made = world.stamped(NOW).split(b"\n")
    signer = SoftwareSigner.of(secrets.of("sign"))
    stamp = metadata.read_file(made[0]).signed
    return metadata.join(
        trust_keys.sign(msgspec.structs.replace(stamp, **changes), [signer]), made[1:]
    )


def halved(world: World) -> bytes:
    """A timestamp without its post-quantum signature."""
    raw, snapshot = world.stamped(NOW).split(b"\n")
    file = metadata.read_file(raw)
    bare = metadata.encode(metadata.File(file.signatures[:1], file.signed))
    return metadata.join(bare, [snapshot])


def mixed(world: World) -> bytes:
    """Today's timestamp with the snapshot of another moment."""
    then = world.stamped(NOW - 1).split(b"\n")[1]
    return metadata.join(world.stamped(NOW).split(b"\n")[0], [then])


def _added(path: str) -> Callable[[Targets], Targets]:
    def change(made: Targets) -> Targets:
        told = {**made.targets, path: next(iter(made.targets.values()))}
        return msgspec.structs.replace(made, targets=told)

    return change


def _dropped(made: Targets) -> Targets:
    told = {path: each for path, each in made.targets.items() if "minsa" not in path}
    return msgspec.structs.replace(made, targets=told)


def _without_files(bundle: bytes) -> bytes:
    return bundle.split(b"\n")[0]


def _with_others(world: World) -> bytes:
    """What lists a suspended endpoint, with the file in which it is none."""
    raw, _ = world.amended(OPS, suspended).split(b"\n")
    return metadata.join(raw, world.made(again(world))[1])


def again(world: World) -> Any:
    return msgspec.structs.replace(world.member("pa.senan"), version=2)


def _renamed(world: World) -> bytes:
    made, (raw,) = world.made(again(world))
    assert isinstance(made, Targets)
    told = {**made.targets, "members/pa.minsa.json": metadata.info(raw)}
    told["members/pa.senan.json"] = world.made(world.member("pa.senan"))[0].targets[  # type: ignore[union-attr]
        "members/pa.senan.json"
    ]
    return world.founder.signed(msgspec.structs.replace(made, targets=told), [raw], ["pa"])


LISTING = [
    Case(
        "file-not-sent",
        "metadata that lists a new file, without it",
        Code.TRUST_MIXED,
        "/files",
        brought(lambda w: _without_files(w.amended(OPS, suspended))),
    ),
    Case(
        "file-not-listed",
        "a file beside what the metadata newly lists",
        Code.TRUST_MIXED,
        "/files",
        brought(lambda w: w.amended(OPS, suspended) + b"\n{}"),
    ),
    Case(
        "file-of-another-version",
        "metadata with another file than it lists",
        Code.TRUST_MIXED,
        "/files/0",
        brought(_with_others),
    ),
    Case(
        "file-of-the-other-nation",
        "Panama's metadata lists a member of the United States",
        Code.TRUST_INVALID,
        "/signed/targets",
        brought(lambda w: relisted(w, _added("members/us.uscg.json"))),
    ),
    Case(
        "file-under-another-name",
        "a member's file listed under another member's name",
        Code.TRUST_INVALID,
        "/files/0",
        brought(_renamed),
    ),
    Case(
        "file-listed-no-more",
        "metadata that leaves out a member: whoever goes is suspended, not forgotten",
        Code.TRUST_INVALID,
        "/signed/targets",
        brought(lambda w: relisted(w, _dropped)),
    ),
    Case(
        "metadata-in-another-spelling",
        "metadata with a blank: it has one spelling",
        Code.MALFORMED,
        "",
        brought(lambda w: w.rearranged().replace(b"],", b"], ", 1)),
    ),
    Case(
        "metadata-with-a-member-more",
        "metadata with a member that nobody looks at",
        Code.UNKNOWN_MEMBER,
        "",
        brought(lambda w: respelled(w.rearranged(), lambda told: told.update(x=1))),
    ),
    Case(
        "metadata-expired",
        "metadata whose time was over when it came",
        Code.TRUST_EXPIRED,
        "/signed/expires",
        brought(lambda w: expiring(w, "pa", NOW)),
    ),
    Case(
        "sender-of-expired-role",
        "a bulletin of a nation whose custodians let their file run out",
        Code.TRUST_EXPIRED,
        "/endpoint",
        lambda w: _later(w, "pa", lambda then: then.envelope(to=[COAST])),
    ),
    Case(
        "recipient-of-expired-role",
        "a bulletin to a nation whose custodians let their file run out",
        Code.TRUST_EXPIRED,
        "/to/0",
        lambda w: _later(w, "us", lambda then: then.envelope(to=[COAST])),
    ),
    Case(
        "timestamp-of-old",
        "a node's first timestamp again",
        Code.STALE_VERSION,
        "/signed/version",
        lambda w: Posted(trusted(w, w.documents[-1]), (w.stamped(),)),
    ),
    Case(
        "timestamp-ahead",
        "a timestamp that skips versions, so that none after it would be believed",
        Code.STALE_VERSION,
        "/signed/version",
        brought(lambda w: stamped_by(w, w.node, version=9)),
    ),
    Case(
        "timestamp-of-no-node",
        "a timestamp that an endpoint signed",
        Code.TRUST_NOT_SIGNED,
        "/signatures/0",
        brought(lambda w: stamped_by(w, w.secrets[OPS])),
    ),
    Case(
        "timestamp-stripped",
        "a timestamp without its post-quantum signature",
        Code.SIGNATURE_COUNT,
        "/signatures",
        brought(halved),
    ),
    Case(
        "timestamp-for-long",
        "a timestamp that is good for longer than a few days: newer views could be kept back",
        Code.WRONG_VALUE,
        "/signed/expires",
        brought(lambda w: w.stamped(NOW, 3 * DAY + w.arrangement.limits.skew_s + 1)),
    ),
    Case(
        "timestamp-of-another-snapshot",
        "a timestamp with a snapshot that is not the one it names",
        Code.TRUST_MIXED,
        "/signed/meta/snapshot.json",
        brought(mixed),
    ),
    Case(
        "snapshot-of-old",
        "a fresh snapshot of the versions before",
        Code.TRUST_MIXED,
        "/files/0/signed/meta",
        lambda w: Posted(trusted(w, w.stamped()), (w.rearranged(),)),
    ),
    Case(
        "snapshot-alone",
        "a snapshot that no timestamp names",
        Code.TRUST_INVALID,
        "/signed/_type",
        brought(lambda w: w.stamped().split(b"\n")[1]),
    ),
]


def cancelled_in_spite(world: World) -> Posted:
    """A cancellation that comes when both nations' files, good for a moment, have run out."""
    target, then = world.envelope(), NOW + 1
    nations: tuple[Nation, ...] = ("pa", "us")
    ends = [trusted(world, expiring(world, nation, then)) for nation in nations]
    refs = refers("cancels", target)
    cancellation = world.envelope(type="can", verb="cancel", refs=refs)
    return Posted(world.arrival(cancellation, at=then), (), (world.arrival(target), *ends))


def _later(world: World, nation: Nation, make: Callable[[World], Any]) -> Posted:
    """What comes when a nation's file, good for a moment, has run out."""
    short = expiring(world, nation, NOW + 1)
    return Posted(world.arrival(make(world), at=NOW + 1), (), (trusted(world, short),))


ACCEPT = [
    Case(
        "cancellation-of-expired-role",
        "a cancellation, though the custodians of both nations let their files run out",
        None,
        "",
        cancelled_in_spite,
    ),
]
