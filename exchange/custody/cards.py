"""Cards: the public halves that custodians and nodes hand to those who write a proposal.

A card is signed by the very keys that it shows, so that nobody brings another's as their own.
That it is the right person's is for people: both delegations read its fingerprint aloud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.identity import Nation, Seconds, Signatory, digest
from exchange.model.trust import Node
from exchange.seal import jws
from exchange.seal.suites import check_signature_key, suite_of
from exchange.seal.trust import suite_of_node

if TYPE_CHECKING:
    from exchange.model.identity import Jwk, SuiteId
    from exchange.model.view import View
    from exchange.seal.jws import Signer

TYP = "xb-card+jws"
MAX_CARD_BYTES = 64 * 1024


class _Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    v: Literal["xb1"]
    issued: Seconds


class CustodianCard(_Card, frozen=True, tag="custodian"):
    """Who a custodian is: name, nation, and the keys to sign trust documents by."""

    nation: Nation
    signatory: Signatory


class NodeCard(_Card, frozen=True, tag="node"):
    """Where a node is and its keys; and its certificate (PEM), which endpoints pin."""

    node: Node
    certificate: Annotated[str, msgspec.Meta(max_length=8192)]


Card = CustodianCard | NodeCard
_CARDS: msgspec.json.Decoder[Card] = msgspec.json.Decoder(Card)


def sign(card: Card, signer: Signer, before: Signer | None = None) -> bytes:
    """Return a card, signed by the keys that it shows.

    Args:
        card: with public keys.
        signer: has their private halves.
        before: of a node that hands over to new keys, who signs by those listed so far.
    """
    return jws.sign(msgspec.json.encode(card), TYP, [*([before] if before else []), signer])


def read(raw: bytes, view: View | None = None) -> Card:
    """Return a card whose keys are fit, and signed it.

    Args:
        raw: as it came.
        view: the trust documents in force: a node that is listed there by other keys must have
            handed over by those as well. None: what it was listed by is lost, or looked at by
            others.

    Raises:
        Refusal: malformed, weak keys, a name of the other nation, or not signed by the keys
            that it shows, or by those that hand over.
    """
    signed = jws.read(raw, MAX_CARD_BYTES)
    if signed.typ != TYP:
        raise Refusal(Code.UNKNOWN_OBJECT, "/signatures/0/protected", found=signed.typ[:48])
    card = _decode(signed.payload)
    signatory = card.signatory if isinstance(card, CustodianCard) else card.node.receipts
    suite = suite_of([key.alg for key in signatory.keys])
    if suite is None:
        raise Refusal(Code.TRUST_INVALID, "/signatory/keys", name=signatory.name)
    for place, key in enumerate(signatory.keys):
        check_signature_key(key, f"/signatory/keys/{place}")
    match card:
        case CustodianCard():
            _check_name(signatory.name, card.nation, "/signatory/name")
        case NodeCard():
            _check_name(card.node.node, card.node.nation, "/node/node")
            _check_certificate(card)
    groups = [(signatory, suite.id)]
    if view is not None and isinstance(card, NodeCard):
        groups = [*_handing_over(card, view), *groups]
    _check_signatures(signed, groups)
    return card


def _handing_over(card: NodeCard, view: View) -> list[tuple[Signatory, SuiteId]]:
    """Return by whose keys a node is listed, where they are others than its card shows."""
    listed = view.nodes.get(card.node.node)
    if listed is None or list(listed.receipts.keys) == list(card.node.receipts.keys):
        return []
    return [(listed.receipts, suite_of_node(listed))]


def _check_signatures(signed: jws.Signed, groups: list[tuple[Signatory, SuiteId]]) -> None:
    """Verify the last groups of signatures, each by one signatory; those before are others'."""
    sizes = [len(signatory.keys) for signatory, _ in groups]
    if len(signed.claims) < sum(sizes):
        expected, found = sum(sizes), len(signed.claims)
        raise Refusal(Code.SIGNATURE_COUNT, "/signatures", expected=expected, found=found)
    claims = signed.claims[-sum(sizes) :]
    for signatory, suite in groups:
        mine, claims = claims[: len(signatory.keys)], claims[len(signatory.keys) :]
        own = msgspec.structs.replace(signed, claims=mine)
        jws.verify_by_signatory(own, signatory, suite)


def _decode(payload: bytes) -> Card:
    try:
        card = _CARDS.decode(payload)
    except msgspec.ValidationError as error:
        raise codec.refusal_of(error, data=payload) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(Code.MALFORMED) from None
    if msgspec.json.encode(card) != payload:
        raise Refusal(Code.MALFORMED, expected="compact-json")
    return card


def _check_name(name: str, nation: Nation, at: str) -> None:
    # It says whose it is wherever it is shown, also where the nation is not.
    if name.partition("-")[0] != nation:
        raise Refusal(Code.TRUST_INVALID, at, name=name)


def _check_certificate(card: NodeCard) -> None:
    if certificate_digest(card.certificate) != card.node.tls:
        raise Refusal(Code.DIGEST_MISMATCH, "/node/tls")


def certificate_digest(pem: str) -> str:
    """Return the digest of a certificate (DER) that is given as PEM.

    Raises:
        Refusal: ``wrong-value``: it is none.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise Refusal(Code.WRONG_VALUE, "/certificate") from None
    return digest(certificate.public_bytes(serialization.Encoding.DER))


def keys_of(card: Card) -> list[Jwk]:
    """Return every key that a card shows."""
    match card:
        case CustodianCard():
            return list(card.signatory.keys)
        case NodeCard():
            return [*card.node.receipts.keys, *card.node.log]
