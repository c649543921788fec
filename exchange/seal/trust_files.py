"""Target files: what a member, a node or an arrangement may say, whoever signed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.errors import Code, Refusal
from exchange.model import trust
from exchange.model.lost import MAX_LOST
from exchange.model.trust import Arrangement, Member, Node
from exchange.seal.suites import (
    ML_DSA_44,
    SUITES,
    check_signature_key,
    check_wrap_key,
    suite_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.model.identity import Jwk, Nation, Signatory, SuiteId
    from exchange.model.trust import Document, Role
    from exchange.model.view import View

# Who is sealed to, or told in confidence why what it asked for was declined.
_GIVEN_CONTENT: Final[frozenset[Role]] = frozenset({"poster", "reader", "releaser"})


def check(  # noqa: PLR0913  (where it was listed, and under what)
    raw: bytes, path: str, view: View, at: str, *, nation: Nation | None, is_known: bool
) -> Document:
    """Return a target file that may be the next of its name.

    Args:
        raw: the file.
        path: under which it is listed.
        view: what is in force.
        at: JSON pointer of the file.
        nation: whose role lists it; None for the top level.
        is_known: its keys were found fit before: see ``trust.apply``.

    Raises:
        Refusal: malformed, of another name or nation, not the next version, or with a key that
            is weak or another's.
    """
    if len(raw) > trust.MAX_TRUST_BYTES:
        raise Refusal(Code.OVERSIZED, at, limit=trust.MAX_TRUST_BYTES, found=len(raw))
    try:
        document = trust.decode(raw)
        places = _check(document, path, nation, view)
        if not is_known:
            for where, key, is_signing in _keys(document):
                (check_signature_key if is_signing else check_wrap_key)(key, where)
        _check_version(document, view)
        if isinstance(document, Member):
            _check_not_taken(document, places, view)
    except Refusal as refusal:
        raise Refusal(refusal.code, f"{at}{refusal.at}", **refusal.facts) from None
    return document


def _check(document: Document, path: str, nation: Nation | None, view: View) -> dict[str, str]:
    """Return the places of a member's keys, once the document may be what it says."""
    places: dict[str, str] = {}
    match document:
        case Arrangement():
            if nation is not None:
                raise Refusal(Code.TRUST_INVALID, "/kind", name=path)
            _check_losses(document, view)
        case Node():
            # The name says whose it is, so neither nation can replace the other's node.
            if document.nation != nation or document.node.partition("-")[0] != nation:
                raise Refusal(Code.TRUST_INVALID, "/node", name=document.node)
            check_suite(document.receipts, suite_of_node(document), "/receipts")
            _check_own(document, view)
            if [key.alg for key in document.log] != ["Ed25519", ML_DSA_44.name]:
                raise Refusal(Code.TRUST_INVALID, "/log", expected="Ed25519, ML-DSA-44")
        case Member():
            if document.nation != nation or not document.member.startswith(f"{nation}."):
                raise Refusal(Code.TRUST_INVALID, "/nation", name=document.member)
            places = _check_endpoints(document)
    if trust.path_of(document) != path:
        raise Refusal(Code.TRUST_INVALID, "", name=path)
    return places


def _check_losses(agreed: Arrangement, view: View) -> None:
    """Refuse losses that are none, or that were declared otherwise: what is lost stays lost."""
    before = [] if view.arrangement is None else view.arrangement.losses
    if agreed.losses[: len(before)] != before:
        raise Refusal(Code.TRUST_INVALID, "/losses", expected=len(before))
    ends: dict[str, int] = {}
    for place, loss in enumerate(agreed.losses):
        is_range = ends.get(loss.node, -1) < loss.trust < loss.first < loss.size < loss.end
        # A journal takes no more: declared all the same, it would stand for ever and nowhere.
        is_fit = loss.end - loss.first <= MAX_LOST
        if loss.node not in view.nodes or not is_range or not is_fit:
            raise Refusal(Code.TRUST_INVALID, f"/losses/{place}", name=loss.node)
        ends[loss.node] = loss.end - 1


def _check_own(node: Node, view: View) -> None:
    """Refuse a node's key that is listed as another's, and a nation that another's serves."""
    mine = f"nodes/{node.node}"
    for at, keys in (("/receipts", node.receipts.keys), ("/log", node.log)):
        kids = {key.kid for key in keys}
        others = {view.owners.get(kid, mine) for kid in kids} - {mine}
        if others or any(view.endpoints.owners(kids)):
            raise Refusal(Code.TRUST_INVALID, at, name=node.node)
    # Where an endpoint posts, the other nation has no say in.
    for other in view.nodes.values():
        if other.nation != node.nation and not set(other.serves).isdisjoint(node.serves):
            raise Refusal(Code.TRUST_INVALID, "/serves", name=node.node)


def _check_version(document: Document, view: View) -> None:
    expected = view.version_of(trust.name_of(document)) + 1
    if document.version != expected:
        raise Refusal(Code.STALE_VERSION, "/version", expected=expected, found=document.version)


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


def check_suite(signatory: Signatory, suite: SuiteId, at: str) -> None:
    """Refuse a signatory whose keys are not the suite's, in order."""
    if [key.alg for key in signatory.keys] != [a.name for a in SUITES[suite].signatures]:
        raise Refusal(Code.TRUST_INVALID, f"{at}/keys", name=signatory.name)


def _check_endpoints(member: Member) -> dict[str, str]:
    """Return the place of each key, by its thumbprint, once each is of one endpoint."""
    ids: set[str] = set()
    places: dict[str, str] = {}
    for place, endpoint in enumerate(member.endpoints):
        at = f"/endpoints/{place}"
        if not endpoint.id.startswith(f"{member.member}/") or endpoint.id in ids:
            raise Refusal(Code.TRUST_INVALID, f"{at}/id", name=endpoint.id)
        ids.add(endpoint.id)
        for number, key in enumerate(endpoint.keys):
            kid = key.jwk.kid
            if kid in places:
                raise Refusal(Code.TRUST_INVALID, f"{at}/keys/{number}/jwk", kid=kid)
            places[kid] = f"{at}/keys/{number}/jwk"
    return places


def check_auditors(document: Document, at: str) -> None:
    """Refuse an auditor that could be given content as well: it is shown the whole journal.

    Raises:
        Refusal: ``trust-invalid``, at the endpoint's roles.
    """
    for place, each in enumerate(document.endpoints if isinstance(document, Member) else ()):
        if "auditor" in each.roles and not _GIVEN_CONTENT.isdisjoint(each.roles):
            where = f"{at}/endpoints/{place}/roles"
            raise Refusal(Code.TRUST_INVALID, where, name=each.id)


def _check_not_taken(member: Member, places: dict[str, str], view: View) -> None:
    """Refuse a key that another member, a custodian or a node has.

    Whoever seals to both would be refused; and what signs for a nation, or a journal, is used
    for nothing else.
    """
    kids = places.keys()
    for kid, owner in (*view.endpoints.owners(kids, member.member), *view.keepers(kids)):
        raise Refusal(Code.TRUST_INVALID, places[kid], kid=kid, name=owner)


def _keys(document: Document) -> Iterator[tuple[str, Jwk, bool]]:
    """Yield each key with its place, and whether it signs; each is to be fit for its use."""
    match document:
        case Arrangement():
            return
        case Node():
            for place, key in enumerate(document.receipts.keys):
                yield f"/receipts/keys/{place}", key, True
            for place, key in enumerate(document.log):
                yield f"/log/{place}", key, True
        case Member():
            for place, endpoint in enumerate(document.endpoints):
                for number, each in enumerate(endpoint.keys):
                    # Of any suite: who receives from several has a key for each.
                    at = f"/endpoints/{place}/keys/{number}/jwk"
                    yield at, each.jwk, each.use == "sig"
