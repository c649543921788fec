"""Trust documents: signed by those who must, and folded one by one into the view in force.

Node, agency and auditor each fold the same documents with this code and trust nobody's word
for the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.model import objects, trust
from exchange.model.identity import ALPHA3, digest
from exchange.model.trust import Arrangement, Member, Node, Root
from exchange.seal import jws
from exchange.seal.suites import (
    ML_DSA_44,
    SUITES,
    check_signature_key,
    check_wrap_key,
    suite_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exchange.model.identity import Jwk, Nation, Signatory, SuiteId
    from exchange.model.objects import Subscription
    from exchange.model.trust import Document
    from exchange.model.view import View


def judge(raw: bytes, view: View, now: int) -> Document | Subscription:
    """Return a trust document that may take effect next, under the view in force.

    Args:
        raw: the document as received.
        view: what is in force.
        now: taken time, seconds UTC.

    Raises:
        Refusal: unsigned by those who must, malformed, not the next version, or a first root
            that is not the anchor.
    """
    signed = jws.read(raw, trust.MAX_TRUST_BYTES)
    if signed.typ == objects.SUBSCRIPTION_TYP:
        document: Document | Subscription = _subscription(signed, view, now)
    elif signed.typ == trust.TYP:
        document = trust.decode(signed.payload)
        is_anchor = isinstance(document, Root) and signed.digest == view.anchor
        if view.root is None and not is_anchor:
            raise Refusal(Code.TRUST_INVALID, "", name="anchor")
        verify(signed, document, view.root)
        if isinstance(document, Member):
            _check_not_taken(document, view)
    else:
        raise Refusal(Code.UNKNOWN_OBJECT, "/signatures/0/protected", found=signed.typ[:48])
    view.with_document(document, signed.digest, view.index)
    return document


def apply(raw: bytes, view: View, index: int, now: int) -> View:
    """Return the view after a trust entry at ``index``, verified anew."""
    return view.with_document(judge(raw, view, now), digest(raw), index)


def _subscription(signed: jws.Signed, view: View, now: int) -> Subscription:
    """Return an endpoint's signed choice of feeds, once it may read each of them."""
    chosen = objects.decode_subscription(signed.payload)
    standing = view.signatory(chosen.origin, chosen.endpoint, chosen.suite)
    jws.verify_by(signed, standing, now)
    if "reader" not in standing.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, "/endpoint", name="reader")
    for place, feed in enumerate(chosen.feeds):
        if standing.member.member not in view.feed(feed).read:
            raise Refusal(Code.MAY_NOT_READ, f"/feeds/{place}", name=feed)
    return chosen


def verify(signed: jws.Signed, document: Document, root: Root | None) -> None:
    """Verify a trust document under the root in force.

    A root is signed by both nations, on the old root's terms and its own; an arrangement by
    both; a member or node by the nation it belongs to.

    Raises:
        Refusal: ``trust-not-signed``, a bad signature, or a key unfit to be enrolled.
    """
    _check_keys(document)
    match document:
        case Root():
            judged = list(filter(None, (root, document)))
            known = [_signed_by(signed, terms, terms.nations.keys()) for terms in judged]
        case Arrangement():
            known = [_signed_by(signed, _in_force(root), _in_force(root).nations.keys())]
        case Member() | Node():
            known = [_signed_by(signed, _in_force(root), [document.nation])]
    # Nobody looked at a signature that is nobody's: it would make other bytes of one document.
    for claim in signed.claims:
        if not any(claim in each for each in known):
            raise Refusal(Code.TRUST_NOT_SIGNED, claim.at, kid=claim.kid[:64])
    _check_order(signed, filter(None, (root, document if isinstance(document, Root) else None)))


def place_of(keys: Iterable[Jwk], root: Root) -> int:
    """Return the place of a custodian's signatures among those of a document; others last."""
    kids = tuple(key.kid for key in keys)
    groups = _groups([root])
    return groups.index(kids) if kids in groups else len(groups)


def _groups(roots: Iterable[Root]) -> list[tuple[str, ...]]:
    """Return each custodian's keys, in the order of the roots that list them."""
    return [
        tuple(key.kid for key in signatory.keys)
        for root in roots
        for custodians in root.nations.values()
        for signatory in custodians.signatories
    ]


def _check_order(signed: jws.Signed, roots: Iterable[Root]) -> None:
    """Refuse a custodian's signatures that come again, or before those of an earlier one.

    Whoever brings a document would otherwise choose its bytes, and with them the chain's head.
    """
    due = iter(dict.fromkeys(_groups(roots)))
    claims = signed.claims
    while claims:
        kids = tuple(claim.kid for claim in claims)
        mine = next((group for group in due if kids[: len(group)] == group), None)
        if mine is None:
            raise Refusal(Code.TRUST_NOT_SIGNED, claims[0].at, kid=claims[0].kid[:64])
        claims = claims[len(mine) :]


def _in_force(root: Root | None) -> Root:
    if root is None:
        raise Refusal(Code.TRUST_INVALID, "", name="root")
    return root


def _signed_by(signed: jws.Signed, root: Root, nations: Iterable[Nation]) -> set[jws.Claim]:
    """Count distinct custodians of each nation; every one of their signatures must hold.

    Returns:
        The signatures that are theirs.
    """
    size = len(SUITES[root.suite].signatures)
    groups = [signed.claims[i : i + size] for i in range(0, len(signed.claims), size)]
    theirs: set[jws.Claim] = set()
    for nation in nations:
        custodians = root.nations.get(nation)
        if custodians is None:
            raise Refusal(Code.TRUST_NOT_SIGNED, "/signatures", name=nation)
        found = set()
        for group in groups:
            for signatory in custodians.signatories:
                if _verify_group(group, signatory, root):
                    found.add(signatory.name)
                    theirs.update(group)
        if len(found) < custodians.threshold:
            raise Refusal(
                Code.TRUST_NOT_SIGNED,
                "/signatures",
                name=nation,
                expected=custodians.threshold,
                found=len(found),
            )
    return theirs


def _verify_group(group: Sequence[jws.Claim], signatory: Signatory, root: Root) -> bool:
    """Tell whether these are this signatory's signatures; if so, they must hold."""
    by_kid = {key.kid: key for key in signatory.keys}
    if any(claim.kid not in by_kid for claim in group):
        return False

    def key_of(claim: jws.Claim) -> Jwk:
        return by_kid[claim.kid]

    jws.verify(group, root.suite, key_of)
    return True


def _check_keys(document: Document) -> None:
    """Refuse weak and malformed keys, and names that do not belong together."""
    match document:
        case Root():
            _check_root(document)
        case Arrangement():
            return
        case Node():
            _check_node(document)
        case Member():
            _check_member(document)


def _check_node(node: Node) -> None:
    # The name says whose it is, so neither nation can replace the other's node.
    if node.node.partition("-")[0] != node.nation:
        raise Refusal(Code.TRUST_INVALID, "/node", name=node.node)
    check_signatory(node.receipts, suite_of_node(node), "/receipts")
    if [key.alg for key in node.log] != ["Ed25519", ML_DSA_44.name]:
        raise Refusal(Code.TRUST_INVALID, "/log", expected="Ed25519, ML-DSA-44")
    for place, key in enumerate(node.log):
        check_signature_key(key, f"/log/{place}")


def suite_of_node(node: Node) -> SuiteId:
    """Return the suite that a node signs by: that of the keys which its document lists.

    Whoever took it from the signed statement instead would let a signature be left out.

    Raises:
        Refusal: ``trust-invalid``: they are the keys of no suite.
    """
    suite = suite_of([key.alg for key in node.receipts.keys])
    if suite is None:
        raise Refusal(Code.TRUST_INVALID, "/receipts/keys", name=node.receipts.name)
    return suite.id


def _check_root(root: Root) -> None:
    """Both nations, enough custodians each, and nobody counted twice."""
    if root.nations.keys() != ALPHA3.keys():
        raise Refusal(Code.TRUST_INVALID, "/nations", expected=", ".join(ALPHA3))
    for nation, custodians in root.nations.items():
        for place, signatory in enumerate(custodians.signatories):
            at = f"/nations/{nation}/signatories/{place}"
            check_signatory(signatory, root.suite, at)
        if len({each.name for each in custodians.signatories}) < custodians.threshold:
            raise Refusal(Code.TRUST_INVALID, f"/nations/{nation}/threshold")
    kids = [
        key.kid
        for custodians in root.nations.values()
        for signatory in custodians.signatories
        for key in signatory.keys
    ]
    if len(set(kids)) != len(kids):
        raise Refusal(Code.TRUST_INVALID, "/nations")


def _check_not_taken(member: Member, view: View) -> None:
    """Refuse a key that another member enrolled: whoever seals to both would be refused."""
    taken = {
        kid
        for standing in view.endpoints.values()
        if standing.member.member != member.member
        for kid in standing.keys
    }
    for place, endpoint in enumerate(member.endpoints):
        for number, key in enumerate(endpoint.keys):
            if key.jwk.kid in taken:
                where = f"/endpoints/{place}/keys/{number}/jwk"
                raise Refusal(Code.TRUST_INVALID, where, kid=key.jwk.kid)


def check_signatory(signatory: Signatory, suite: SuiteId, at: str) -> None:
    """Refuse a signatory whose keys are not the suite's, in order, each of them fit."""
    if [key.alg for key in signatory.keys] != [a.name for a in SUITES[suite].signatures]:
        raise Refusal(Code.TRUST_INVALID, f"{at}/keys", name=signatory.name)
    for place, key in enumerate(signatory.keys):
        check_signature_key(key, f"{at}/keys/{place}")


def _check_member(member: Member) -> None:
    if not member.member.startswith(f"{member.nation}."):
        raise Refusal(Code.TRUST_INVALID, "/nation", name=member.member)
    ids: set[str] = set()
    kids: set[str] = set()
    for place, endpoint in enumerate(member.endpoints):
        at = f"/endpoints/{place}"
        if not endpoint.id.startswith(f"{member.member}/") or endpoint.id in ids:
            raise Refusal(Code.TRUST_INVALID, f"{at}/id", name=endpoint.id)
        ids.add(endpoint.id)
        for number, key in enumerate(endpoint.keys):
            where = f"{at}/keys/{number}/jwk"
            if key.use == "sig":
                check_signature_key(key.jwk, where)
            else:
                # Of any suite: who receives from several has a key for each.
                check_wrap_key(key.jwk, where)
            if key.jwk.kid in kids:
                raise Refusal(Code.TRUST_INVALID, where, kid=key.jwk.kid)
            kids.add(key.jwk.kid)
