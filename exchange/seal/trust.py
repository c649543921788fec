"""Trust documents: signed by those who must, and folded one by one into the view in force.

Node, agency and auditor each fold the same documents with this code and trust nobody's word
for the result. The metadata is TUF's: ``tuf.api.metadata`` reads it and verifies, at the time
of the entry; what is demanded beyond TUF stands in ``seal.trust_roles``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import metadata, objects
from exchange.model.identity import ALPHA3, digest
from exchange.model.metadata import Root, Snapshot, Targets, Timestamp
from exchange.model.view import Change, InForce, View
from exchange.seal import jws, trust_files, trust_online, trust_roles
from exchange.seal.trust_files import suite_of_node
from exchange.seal.trust_keys import named
from exchange.seal.trust_roles import Mandate, mandate, parsed, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tuf.api.metadata import Metadata

    from exchange.model.identity import Nation, Signatory
    from exchange.model.metadata import Bundle, Named
    from exchange.model.trust import Document
    from exchange.model.view import Custodians

__all__ = ["apply", "follow", "foresee", "judge", "paths_of", "place_of", "suite_of_node"]


def judge(
    raw: bytes, view: View, now: int, *, is_known: bool = False, is_recorded: bool = False
) -> Change:
    """Return what a trust document changes, if it may take effect next under a view.

    Args:
        raw: the bundle or subscription as received.
        view: what is in force.
        now: taken time, seconds UTC.
        is_known: see ``apply``.
        is_recorded: it stands in a journal. What a nation signs alone may then have run out:
            the other nation's node may hear of it late, and its next version goes on from it.
            Nobody is vouched for by it any more (``View.must_hold``).

    Raises:
        Refusal: unsigned by those who must, malformed, expired, not the next version, or a
            first root that is not the anchor.
    """
    if not raw.startswith(metadata.BEGINS):
        signed = jws.read(raw, objects.MAX_OBJECT_BYTES)
        if signed.typ != objects.SUBSCRIPTION_TYP:
            at = "/signatures/0/protected"
            raise Refusal(Code.UNKNOWN_OBJECT, at, found=signed.typ[:48])
        return _subscription(signed, view, now)
    bundle, whole = metadata.read(raw), digest(raw)
    read = bundle.file.signed
    is_root = isinstance(read, Root)
    if is_recorded and isinstance(read, Targets) and read.nation is not msgspec.UNSET:
        now = min(now, read.expires_s - 1)
    if ("root" not in view.files) and not (is_root and whole == view.anchor):
        raise Refusal(Code.TRUST_INVALID, "", name="anchor")
    return _change(_Came(bundle, whole, view, now, is_known, is_recorded=is_recorded))


def foresee(raw: bytes, view: View, now: int) -> Change:
    """Return what metadata would change once it is signed; its signatures are not looked at.

    For custodians, who are shown it and asked to sign. Nothing that comes from elsewhere is
    ever taken in by this.

    Raises:
        Refusal: what ``judge`` would refuse it with, however it were signed.
    """
    bundle = metadata.read(raw)
    is_root = isinstance(bundle.file.signed, Root)
    if "root" not in view.files and not is_root:
        raise Refusal(Code.TRUST_INVALID, "", name="root")
    return _change(_Came(bundle, digest(raw), view, now, is_known=False, is_signed=False))


def _change(came: _Came) -> Change:
    bundle, view, now = came.bundle, came.view, came.now
    read = bundle.file.signed
    match read:
        case Root():
            return _root(came, read)
        case Targets():
            return _targets(came, read)
        case Timestamp():
            return trust_online.judge(bundle, read, view, now)
        case Snapshot():
            # It comes with its timestamp, or means nothing.
            raise Refusal(Code.TRUST_INVALID, "/signed/_type", name="snapshot")


def apply(raw: bytes, view: View, index: int, now: int, *, is_known: bool = False) -> View:
    """Return the view after a trust entry at ``index``, verified anew.

    ``is_known`` says that these bytes were let in before, as an entry of one's own journal
    under a signed tree: keys are not looked at for weakness again, which is a fact of the key
    and most of the work. Signatures are verified all the same.
    """
    return view.after(judge(raw, view, now, is_known=is_known, is_recorded=True), index)


def follow(bundles: Iterable[bytes], anchor: str, now: int) -> View:
    """Return the view after these files, which do not tell when they were taken in.

    As a TUF client does, what was replaced since may have run out long ago; ask the view
    whether what is in force holds (``must_hold``).
    """
    view = View(anchor=anchor)
    for index, raw in enumerate(bundles):
        view = apply(raw, view, index, in_time(raw, now))
    return view


def in_time(raw: bytes, now: int) -> int:
    """Return when to judge a file that may have run out, and is not to be refused for it.

    That is now, or the last second before its end; all else of it is judged alike.

    Raises:
        Refusal: it cannot be read.
    """
    if not raw.startswith(metadata.BEGINS):
        return now
    return min(now, metadata.read(raw).file.signed.expires_s - 1)


class _Came(NamedTuple):
    """A bundle that came: its digest, what was in force, when, and whether it is known."""

    bundle: Bundle
    digest: str
    view: View
    now: int
    is_known: bool
    is_signed: bool = True
    is_recorded: bool = False

    def signed_by(self, file: Metadata[Any], terms: list[Mandate]) -> tuple[str, ...]:
        """Verify the signatures on each of these terms, and return who signed."""
        if not self.is_signed:
            return ()
        payload = metadata.signed_bytes(self.bundle.raw)
        return trust_roles.check_signed(file, payload, terms)


def _subscription(signed: jws.Signed, view: View, now: int) -> Change:
    """Judge an endpoint's signed choice of feeds; whether it may is a rule of policy."""
    chosen = objects.decode_subscription(signed.payload)
    standing = view.signatory(chosen.origin, chosen.endpoint, chosen.suite)
    jws.verify_by(signed, standing, now)
    name = f"subscriptions/{chosen.endpoint}"
    expected = view.version_of(name) + 1
    if chosen.version != expected:
        raise Refusal(Code.STALE_VERSION, "/version", expected=expected, found=chosen.version)
    return Change(name, chosen.version, signed.digest, documents=(chosen,))


def next_version(name: str, found: int, view: View) -> None:
    """Hold a file to the version after the one in force: neither an old one, nor a leap.

    Raises:
        Refusal: ``stale-version``.
    """
    expected = view.version_of(name) + 1
    if found != expected:
        at = "/signed/version"
        raise Refusal(Code.STALE_VERSION, at, expected=expected, found=found)


def _in_force(
    name: str, bundle: Bundle, file: Metadata[Any], signed_by: tuple[str, ...]
) -> InForce:
    read = bundle.file.signed
    raw = bundle.raw
    named = metadata.info(raw).hashes.sha256
    return InForce(name, read.version, read.expires_s, named, len(raw), signed_by, file.signed)


# -- the root ---------------------------------------------------------------------------------


def _root(came: _Came, read: Root) -> Change:
    """Judge a root: signed by both nations, on the old root's terms and its own."""
    at, roles, view = "/signed/roles", read.roles, came.view
    if came.bundle.lines or not read.consistent_snapshot:
        raise Refusal(Code.TRUST_INVALID, "/files")
    next_version("root", read.version, view)
    told: dict[str, Mapping[Nation, Custodians]] = {
        name: trust_roles.custodians(
            role, read.keys, list(ALPHA3), f"{at}/{name}", is_known=came.is_known
        )
        for name, role in (("root", roles.root), ("targets", roles.targets))
    }
    nodes = trust_roles.online(
        roles.timestamp, read.keys, f"{at}/timestamp", is_known=came.is_known
    )
    if roles.snapshot != roles.timestamp:
        raise Refusal(Code.TRUST_INVALID, f"{at}/snapshot")
    listed = (roles.root, roles.targets, roles.timestamp)
    trust_roles.check_no_others(read.keys, listed, "/signed")
    owners = _owners(view, told, nodes, at)
    file = parsed(came.bundle.raw, "root", came.now)
    terms = [mandate(file.signed, "root", roles.root)]
    if before := view.files.get("root"):
        terms.insert(0, _mandate_in_force(before, "root", view.custodians["root"]))
    signed_by = came.signed_by(file, terms)
    # As TUF has it (5.3.11): who signs by new keys begins anew, whatever the old ones signed.
    gone = [name for name, each in view.online.items() if nodes.get(name) != each]
    return Change(
        "root",
        read.version,
        came.digest,
        (_in_force("root", came.bundle, file, signed_by),),
        custodians=told,
        nodes=nodes,
        owners=owners,
        over=tuple(f"{kind}/{name}" for name in gone for kind in ("snapshots", "timestamps")),
    )


def _owners(
    view: View,
    told: Mapping[str, Mapping[Nation, Custodians]],
    nodes: Mapping[str, Signatory],
    at: str,
) -> dict[str, str]:
    """Return whose each key is, of all that were ever listed and of those that come.

    A custodian has one name and one set of keys for good, in every file: what is signed by a
    name would else mean two people, and one nation could sign under the other's names. A node
    may get other keys, never somebody's.

    Raises:
        Refusal: ``trust-invalid``: a key is another's or an endpoint's, or a name came with
            other keys.
    """
    owners, enrolled = dict(view.owners), view.endpoints.owners
    circles = (circle for role in told.values() for circle in role.values())
    for each in (each for circle in circles for each in circle.signatories):
        mine = {key.kid for key in each.keys}
        before = {kid for kid, owner in owners.items() if owner == each.name}
        if mine != before and (before or owners.keys() & mine or any(enrolled(mine))):
            raise Refusal(Code.TRUST_INVALID, at, name=each.name)
        owners |= dict.fromkeys(mine, each.name)
    for name, node in nodes.items():
        if any(enrolled({key.kid for key in node.keys})):
            raise Refusal(Code.TRUST_INVALID, f"{at}/timestamp", name=name)
        for key in node.keys:
            if owners.setdefault(key.kid, f"nodes/{name}") != f"nodes/{name}":
                raise Refusal(Code.TRUST_INVALID, f"{at}/timestamp", name=name)
    return owners


def _mandate_in_force(
    file: InForce, role: str, circles: Mapping[Nation, Custodians]
) -> Mandate:
    groups: dict[str, tuple[list[Named], int]] = {
        nation: ([named(each.name, each.keys) for each in circle.signatories], circle.threshold)
        for nation, circle in circles.items()
    }
    return Mandate(file.signed, role, groups)


# -- targets, and each nation's ---------------------------------------------------------------


def paths_of(nation: Nation) -> list[str]:
    """Return the patterns of what a nation signs alone."""
    return [f"members/{nation}.*", f"nodes/{nation}.json", f"nodes/{nation}-*"]


def _targets(came: _Came, read: Targets) -> Change:
    """Judge the arrangement's file (both nations sign), or a nation's own (it alone does)."""
    view, role = came.view, read.role
    delegator = "root" if role == "targets" else "targets"
    above = view.files.get(delegator)
    if above is None:
        raise Refusal(Code.TRUST_INVALID, "", name=delegator)
    next_version(role, read.version, view)
    told: dict[str, Mapping[Nation, Custodians]] = {}
    nation, owners = None, view.owners
    if read.nation is msgspec.UNSET:
        told = _delegated(read, is_known=came.is_known)
        owners = _owners(view, told, {}, "/signed/delegations")
    else:
        nation = read.nation
        if read.delegations is not msgspec.UNSET:
            raise Refusal(Code.TRUST_INVALID, "/signed/delegations")
    file = parsed(came.bundle.raw, role, came.now)
    terms = _mandate_in_force(above, role, view.custodians[role])
    signed_by = came.signed_by(file, [terms])
    _check_listed(read, file, above, view)
    documents = _documents(came, read, nation)
    held = _in_force(role, came.bundle, file, signed_by)
    return Change(role, read.version, came.digest, (held,), documents, told, owners=owners)


def _delegated(read: Targets, *, is_known: bool) -> dict[str, Mapping[Nation, Custodians]]:
    """Return who signs each nation's role; the top level names exactly these two."""
    at = "/signed/delegations"
    if read.delegations is msgspec.UNSET:
        raise Refusal(Code.MISSING_MEMBER, at)
    roles, keys = read.delegations.roles, read.delegations.keys
    if [role.name for role in roles] != list(ALPHA3):
        raise Refusal(Code.TRUST_INVALID, f"{at}/roles", expected=", ".join(ALPHA3))
    told: dict[str, Mapping[Nation, Custodians]] = {}
    for place, role in enumerate(roles):
        where = f"{at}/roles/{place}"
        if role.paths != paths_of(role.name) or not role.terminating:
            raise Refusal(Code.TRUST_INVALID, f"{where}/paths")
        told[role.name] = trust_roles.custodians(
            role, keys, [role.name], where, is_known=is_known
        )
    trust_roles.check_no_others(keys, roles, at)
    return told


def _check_listed(read: Targets, file: Metadata[Any], above: InForce, view: View) -> None:
    """Hold a file to the paths that it may list; what was listed once stays."""
    if read.role == "targets":
        strange = set(read.targets) ^ {metadata.ARRANGEMENT}
    else:
        role = above.signed.get_delegated_role(read.role)
        strange = {path for path in read.targets if not role.is_delegated_path(path)}
    before = view.files.get(read.role)
    strange |= set(before.signed.targets if before else ()) - set(file.signed.targets)
    if strange:
        raise Refusal(Code.TRUST_INVALID, "/signed/targets", name=min(strange))


def _documents(came: _Came, read: Targets, nation: Nation | None) -> tuple[Document, ...]:
    """Return the target files that a bundle brings: those newly listed, each as listed."""
    view, lines = came.view, came.bundle.lines
    before = view.files.get(read.role)
    known = before.signed.targets if before else {}
    fresh = [
        (path, told)
        for path, told in read.targets.items()
        if path not in known or known[path].hashes["sha256"] != told.hashes.sha256
    ]
    if len(fresh) != len(lines):
        raise Refusal(Code.TRUST_MIXED, "/files", expected=len(fresh), found=len(lines))
    found: list[Document] = []
    for place, ((path, told), raw) in enumerate(zip(fresh, lines, strict=True)):
        at = f"/files/{place}"
        if metadata.info(raw) != told:
            raise Refusal(Code.TRUST_MIXED, at, name=path)
        document = trust_files.check(raw, path, view, at, nation=nation, is_known=came.is_known)
        if not came.is_recorded:
            # What stands in a journal was let in before there was this rule.
            trust_files.check_auditors(document, at)
        found.append(document)
        # Two members of one bundle could share a key, too.
        view = view.with_document(document)
    return tuple(found)
