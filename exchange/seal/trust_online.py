"""Snapshots and timestamps: what a node signs by itself of the trust documents it serves.

A snapshot says which versions belong together, a timestamp that this is the newest snapshot,
for some days. So nobody on the way can keep back a newer arrangement for longer, or mix two.
Each node's are its own and counted by themselves; those of two nodes are never compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuf.api.exceptions import LengthOrHashMismatchError

from exchange.errors import Code, Refusal
from exchange.model import metadata
from exchange.model.identity import ALPHA3, digest
from exchange.model.metadata import Hashes, MetaInfo, Snapshot, Timestamp
from exchange.model.view import LIFETIME_S, Change, InForce
from exchange.seal import trust_keys, trust_roles
from exchange.seal.trust_keys import named

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata

    from exchange.model.metadata import Bundle
    from exchange.model.view import View
    from exchange.seal.jws import Signer

DAY_S = 86_400
# An idle node renews its timestamp when it is so old.
RENEW_S = DAY_S

_ROLES = ("targets", *ALPHA3)


def judge(bundle: Bundle, read: Timestamp, view: View, now: int) -> Change:
    """Judge a node's timestamp and the snapshot that comes with it.

    Raises:
        Refusal: ``trust-not-signed``, ``stale-version``, ``trust-expired``; or ``trust-mixed``:
            they do not belong together, or are not of what is in force.
    """
    if len(bundle.lines) != 1:
        raise Refusal(Code.TRUST_MIXED, "/files", expected=1, found=len(bundle.lines))
    raw = bundle.lines[0]
    snapshot = metadata.read_file(raw, "/files/0")
    if not isinstance(snapshot.signed, Snapshot):
        raise Refusal(Code.TRUST_INVALID, "/files/0/signed/_type")
    file = trust_roles.parsed(bundle.raw, "timestamp", now)
    told = trust_roles.parsed(raw, "snapshot", now, "/files/0")
    node, signed_by = _node_of(file, bundle.raw, "timestamp", view)
    if _node_of(told, raw, "snapshot", view)[0] != node:
        raise Refusal(Code.TRUST_MIXED, "/files/0/signatures", name=node)
    _must_follow(read.version, f"timestamps/{node}", "/signed/version", view)
    _must_follow(snapshot.signed.version, f"snapshots/{node}", "/files/0/signed/version", view)
    _must_belong(file, raw, told, view)
    _must_end_soon(read, "/signed/expires", view, now)
    _must_end_soon(snapshot.signed, "/files/0/signed/expires", view, now)
    files = [
        InForce(
            f"{kind}/{node}",
            each.version,
            each.expires_s,
            metadata.info(own).hashes.sha256,
            len(own),
            signed_by,
            its.signed,
        )
        for kind, each, own, its in (
            ("timestamps", read, bundle.raw, file),
            ("snapshots", snapshot.signed, raw, told),
        )
    ]
    whole = digest(metadata.join(bundle.raw, bundle.lines))
    return Change(f"timestamps/{node}", read.version, whole, tuple(files))


def _node_of(
    file: Metadata[Any], raw: bytes, role: str, view: View
) -> tuple[str, tuple[str, ...]]:
    """Return whose it is: the node that the root lists, all of whose signatures hold."""
    root, found = view.files["root"].signed, [*file.signatures]
    for name, node in view.online.items():
        listed = named(name, node.keys)
        if listed.keyids[0] in found or len(view.online) == 1:
            terms = trust_roles.Mandate(root, role, {"": ([listed], 1)})
            payload = metadata.signed_bytes(raw)
            return name, trust_roles.check_signed(file, payload, [terms])
    raise Refusal(Code.TRUST_NOT_SIGNED, "/signatures", name=role)


def _must_follow(found: int, name: str, at: str, view: View) -> None:
    expected = view.version_of(name) + 1
    if found != expected:
        raise Refusal(Code.STALE_VERSION, at, expected=expected, found=found)


def _must_belong(file: Metadata[Any], raw: bytes, snapshot: Metadata[Any], view: View) -> None:
    """Hold a timestamp to its snapshot, and that to exactly what is in force."""
    meta = file.signed.snapshot_meta
    try:
        meta.verify_length_and_hashes(raw)
    except LengthOrHashMismatchError:
        raise Refusal(Code.TRUST_MIXED, "/signed/meta/snapshot.json") from None
    if meta.version != snapshot.signed.version:
        raise Refusal(Code.TRUST_MIXED, "/signed/meta/snapshot.json/version")
    found = {
        name: (each.version, each.length, each.hashes["sha256"])
        for name, each in snapshot.signed.meta.items()
    }
    if found != {
        f"{name}.json": (each.version, each.size, each.digest)
        for name in _ROLES
        if (each := view.files.get(name))
    }:
        raise Refusal(Code.TRUST_MIXED, "/files/0/signed/meta")


def _must_end_soon(read: Snapshot | Timestamp, at: str, view: View, now: int) -> None:
    """Hold what a node signs by itself to some days.

    Who has its keys for a moment, or a node that has nothing new to show any more, could else
    let an old view pass for the newest for as long as it likes.
    """
    limit = now + view.longest_s()
    if read.expires_s > limit:
        raise Refusal(Code.WRONG_VALUE, at, limit=limit, found=read.expires_s)


def make(
    node: str, view: View, signer: Signer, now: int, lifetime_s: int = LIFETIME_S
) -> bytes:
    """Return a node's next timestamp and snapshot of what is in force, signed.

    Args:
        node: its name, as the root lists it.
        view: what is in force.
        signer: the node's own, whose keys the root lists.
        now: seconds UTC.
        lifetime_s: for how long it is good.
    """
    expires = metadata.time_of(now + lifetime_s)
    meta = {
        f"{name}.json": MetaInfo(Hashes(each.digest), each.size, each.version)
        for name in _ROLES
        if (each := view.files.get(name))
    }
    version = view.version_of(f"snapshots/{node}") + 1
    snapshot = Snapshot(expires=expires, version=version, meta=meta)  # type: ignore[arg-type]
    raw = trust_keys.sign(snapshot, [signer])
    listed = metadata.info(raw)
    timestamp = Timestamp(
        expires=expires,
        version=view.version_of(f"timestamps/{node}") + 1,
        meta={"snapshot.json": MetaInfo(listed.hashes, listed.length, version)},
    )
    return metadata.join(trust_keys.sign(timestamp, [signer]), [raw])


def is_due(node: str, view: View, now: int) -> bool:
    """Tell whether a node has to sign anew: something changed, or it is old.

    Or it is good for longer than it may be: signed while the clock was ahead, it is believed by
    nobody until that time.
    """
    if any(name not in view.files for name in ("root", *_ROLES)):
        return False
    snapshot = view.files.get(f"snapshots/{node}")
    stamp = view.files.get(f"timestamps/{node}")
    if snapshot is None or stamp is None:
        return True
    newest = max(view.files[name].entry for name in ("root", *_ROLES))
    left_s = stamp.expires - now
    return newest > stamp.entry or not LIFETIME_S - RENEW_S < left_s <= view.longest_s()
