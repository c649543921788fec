"""A boarding case as one file of evidence: whoever has the anchor can check it, offline.

Two lines. The first is a seal: the endpoint that made the file signs the digest of the second,
so that no byte of it can be changed by anybody else. What the second holds proves itself, but
not that it is all: that this endpoint left out nothing of its own, such as a cancellation, is
its word. It holds the trust documents from the anchor on; objects
and entries byte for byte; receipts; and of each node a signed head of the endpoint's inbox,
with the leaf hashes of all that is in it. Headers are clear; what they seal is left out, or the
texts are there with the salts by which headers commit to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, TypeVar

import msgspec

from exchange.client import cases, homes, proving, reading, receipts, witnessing
from exchange.client.reading import Delivered, Locked
from exchange.client.story import Posted
from exchange.client.trust import TrustLog
from exchange.errors import Code, Refusal
from exchange.journal import bundle, terms
from exchange.journal.heads import EMPTY, InboxHead
from exchange.journal.tree import leaf_hash
from exchange.model import codec, wire
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model.bulletin import Bulletin, decode
from exchange.model.codec import b64, unb64
from exchange.model.identity import Base64, Count, Digest, EndpointId, Seconds, SuiteId, Word
from exchange.model.identity import digest as digest_of
from exchange.model.objects import Receipt
from exchange.seal import jws
from exchange.seal.open import Opened, check_evidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.client.cases import BoardingCase
    from exchange.client.reading import Item
    from exchange.client.witnessing import Vouched
    from exchange.journal.forks import Evidence
    from exchange.model.codes import Codes
    from exchange.model.header import Header

T = TypeVar("T")

TYP: Final = "xb-case+jws"
# An inbox of half a million entries, and a case of some hundred.
MAX_BYTES: Final = 64 * 1024 * 1024
_MAX_SEAL_BYTES: Final = 64 * 1024


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who made the file, of which request, when, and the digest of all the rest."""

    v: Annotated[str, msgspec.Meta(pattern="^xb1$")]
    suite: SuiteId
    origin: Word
    endpoint: EndpointId
    of: Digest
    at: Seconds
    digest: Digest
    size: Count


class Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """An entry of a journal by its index and leaf hash: what it says is not told by that."""

    index: Count
    leaf: Digest


class Own(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was posted from here, with its receipt.

    ``proof`` is the C2SP tlog-proof of its entry under a cosigned checkpoint; empty: none yet.
    """

    object: str
    receipt: Receipt
    proof: str


class There(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What another node signed that the inbox there holds, and every leaf of that."""

    heads: wire.HomeHeads
    leaves: list[Leaf]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a header seals, and the salt by which it commits to that."""

    of: Digest
    salt: Base64
    padded: str


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a case is proved by; see above."""

    node: Word
    trust: list[wire.TrustItem]
    abroad: dict[Word, list[wire.TrustItem]]
    own: list[Own]
    items: list[wire.InboxItem]
    heads: wire.Heads
    leaves: list[Leaf]
    homes: dict[Word, There]
    texts: list[Text]


class Checked(NamedTuple):
    """What a file proves.

    Attributes:
        seal: who made it, and when.
        node: the one that serves who made it.
        case: as it stood then.
        own: who vouches for our node's journal, by the head of the inbox; None: no quorum.
        abroad: the same of each other node's journal, and as of when its head is.
        hidden: how many entries that could be a reply are told by their leaf hashes alone;
            None where that cannot be told.
        texts: how many texts are in it.
    """

    seal: Seal
    node: str
    case: BoardingCase
    own: Vouched | None
    abroad: dict[str, tuple[Vouched | None, int]]
    hidden: int | None
    texts: int


def encode(
    body: Body, of: str, endpoint: tuple[str, str], at: int, signer: jws.Signer
) -> bytes:
    """Return the file.

    Args:
        body: its second line.
        of: digest of the request's header.
        endpoint: who makes it: the member, and the endpoint.
        at: seconds UTC.
        signer: the endpoint's.
    """
    line = msgspec.json.encode(body)
    named = digest_of(line)
    seal = Seal("xb1", signer.suite, *endpoint, of, at, named, len(line))
    return jws.sign(msgspec.json.encode(seal), TYP, [signer]) + b"\n" + line + b"\n"


def looks_like_one(raw: bytes) -> bool:
    """Tell whether a file may be evidence, if damaged; else it is another file altogether."""
    begins = raw[:_MAX_SEAL_BYTES]
    return any(name in begins for name in (b'"payload"', b'"protected"', b'"signatures"'))


def check(raw: bytes, anchor: str, codes: Codes) -> Checked:
    """Return what a file proves, once all of it holds.

    Args:
        raw: the file.
        anchor: digest of the first root, from who is trusted.
        codes: the code lists.

    Raises:
        Refusal: the first thing that does not hold.
    """
    signed, seal, body = _read(raw)
    trust = _trust(body, anchor)
    # As of when it was made: keys may be over by now.
    standing = trust.newest.signatory(seal.origin, seal.endpoint, seal.suite)
    jws.verify_by(signed, standing, seal.at)
    own = _own_head(body, seal.endpoint, trust)
    abroad = {
        node: _home_head(node, there, body, seal.endpoint, trust)
        for node, there in body.homes.items()
    }
    items = _items(body, seal.endpoint, trust)
    posted = [_posted(each, body.node, seal.endpoint, trust) for each in body.own]
    texts = _texts(body, posted, items, codes)
    opened = [_with_text(each, texts) for each in items]
    ours = {each.header.id: texts[each.digest] for each in posted if each.digest in texts}
    held = cases.Held(posted, opened, trust, seal.at, lambda header: ours.get(header.id))
    found = next((e for e in cases.cases(held) if e.request.digest == seal.of), None)
    if found is None:
        raise Refusal(Code.NOT_FOUND, "/of", id=seal.of)
    return Checked(
        seal, body.node, found, own, abroad, hidden(body, seal.endpoint, found), len(body.texts)
    )


def hidden(body: Body, endpoint: str, case: BoardingCase) -> int | None:
    """Return how many entries are told by their leaf hashes alone that could be a reply.

    Of those that the node asked owed to who asks, since it took the request in. Where it has
    no head in the file, of all that are in the inbox since then. None where who was asked made
    the file: what that side replied is not in its own inbox.
    """
    if endpoint in case.asked or endpoint.partition("/")[0] != case.request.header.origin:
        return None
    there, clock = body.homes.get(case.node), case.clock
    if there is None:
        shown, leaves, since = {e.index for e in body.items}, body.leaves, case.request.index
    else:
        came = (entries.came_in(each.entry.encode()) for each in body.items)
        shown = {each[0].index for each in came if each and each[0].node == case.node}
        leaves, since = there.leaves, clock.index if clock else -1
    return sum(1 for each in leaves if each.index > (since or -1) and each.index not in shown)


def leaves_of(items: Sequence[wire.InboxItem]) -> list[Leaf]:
    """Return the leaves of an inbox, in order."""
    return [Leaf(each.index, b64(leaf_hash(each.entry.encode()))) for each in items]


def fold(leaves: Sequence[Leaf]) -> InboxHead:
    """Return the head over so many leaves."""
    head = EMPTY
    for each in leaves:
        head = head.after(each.index, unb64(each.leaf))
    return head


def _read(raw: bytes) -> tuple[jws.Signed, Seal, Body]:
    if len(raw) > MAX_BYTES:
        raise Refusal(Code.OVERSIZED, limit=MAX_BYTES, found=len(raw))
    first, _, rest = raw.partition(b"\n")
    signed = jws.read(first, _MAX_SEAL_BYTES)
    jws.must_be(signed, TYP, _MAX_SEAL_BYTES)
    seal = _decode(signed.payload, Seal, "/seal")
    line = rest.removesuffix(b"\n")
    if not rest.endswith(b"\n") or (len(line), digest_of(line)) != (seal.size, seal.digest):
        raise Refusal(Code.DIGEST_MISMATCH, "/digest", expected=seal.digest)
    return signed, seal, _decode(line, Body, "")


def _decode(raw: bytes, kind: type[T], at: str) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise codec.refusal_of(error, at) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(Code.MALFORMED, at) from None


def _trust(body: Body, anchor: str) -> TrustLog:
    """Return the trust logs that a file holds, verified from the anchor."""
    trust = TrustLog(anchor, node=body.node)
    trust.take(wire.TrustPage(body.trust, -1, len(body.trust)))
    logs = trust.others()
    if body.abroad.keys() != logs.keys():
        raise Refusal(Code.TRUST_INVALID, "/abroad")
    for name, items in body.abroad.items():
        logs[name].take(wire.TrustPage(items, -1, len(items)))
    return trust


def _unkept(_: Evidence) -> str:
    return ""


def _own_head(body: Body, endpoint: str, trust: TrustLog) -> Vouched | None:
    told = proving.verify(body.heads, endpoint, body.node, trust)
    if fold(body.leaves) != told.own:
        raise Refusal(Code.CHAIN_DIFFERS, "/leaves", expected=told.own.count)
    shown = (told.checkpoint, told.note)
    return witnessing.beside(body.heads, shown, (body.node, trust.newest), _unkept)


def _home_head(
    node: str, there: There, body: Body, endpoint: str, trust: TrustLog
) -> tuple[Vouched | None, int]:
    """Hold what came from a node, and all leaves, to what it signed that it owes."""
    told = homes.verified(there.heads, node, endpoint, trust, _unkept)
    if fold(there.leaves) != told.own:
        raise Refusal(Code.CHAIN_DIFFERS, f"/homes/{node}", expected=told.own.count)
    for each in body.items:
        came = entries.came_in(each.entry.encode())
        if came is None or came[0].node != node:
            continue
        mine = [e.position for e in entries.owed_in(came[1]) if e.endpoint == endpoint]
        leaf = Leaf(came[0].index, b64(leaf_hash(came[1])))
        if any(at < told.own.count and there.leaves[at] != leaf for at in mine):
            raise Refusal(Code.CHAIN_DIFFERS, f"/homes/{node}", found=each.index)
    return told.vouched, told.as_of


def _items(body: Body, endpoint: str, trust: TrustLog) -> list[Item]:
    """Return what came, each in its place under the signed head, and as it was signed."""
    found: list[Item] = []
    for place, each in enumerate(body.items):
        leaf = Leaf(each.index, b64(leaf_hash(each.entry.encode())))
        if each.position >= len(body.leaves) or body.leaves[each.position] != leaf:
            raise Refusal(Code.CHAIN_DIFFERS, f"/items/{place}", found=each.index)
        item = reading.verify(each, endpoint, trust)
        if isinstance(item, Locked):
            error = item.locked
            raise Refusal(error.code, f"/items/{place}{error.at}", **error.facts)
        found.append(item)
    return found


def _posted(own: Own, node: str, endpoint: str, trust: TrustLog) -> Posted:
    """Return what was posted, once its receipt and its proof hold."""
    raw = own.object.encode()
    receipts.must_be_from(own.receipt, node)
    facts = receipts.verify_as_of(own.receipt, raw, trust)
    receipts.must_be_taken_in(facts, raw)
    signed = jws.read(raw, headers.MAX_HEADER_BYTES)
    jws.must_be(signed, headers.TYP, headers.MAX_HEADER_BYTES)
    header = headers.decode(signed.payload)
    if header.endpoint != endpoint or not isinstance(facts, entries.Accepted):
        raise Refusal(Code.NOT_YOURS, "/own", name=header.endpoint)
    # A node records only what verifies; whoever asks for evidence need not believe that.
    view = trust.before(own.receipt.index).view
    standing = view.signatory(header.origin, header.endpoint, header.suite)
    jws.verify_by(signed, standing, facts.taken_ms // 1000)
    if own.proof:
        proof = bundle.parse(own.proof.encode())
        if proof.index != own.receipt.index:
            raise Refusal(Code.BAD_PROOF, "/own/proof", found=proof.index)
        entry = own.receipt.facts.encode() + b"\n" + raw
        terms.of(proof.note, node, trust.newest).prove(proof, leaf_hash(entry))
    return Posted(header, signed.digest, own.receipt.index, facts)


def _texts(
    body: Body, posted: Sequence[Posted], items: Sequence[Item], codes: Codes
) -> dict[str, Bulletin]:
    """Return the texts by their headers' digests, each as its header commits to it.

    Not by ids: another endpoint's bulletin may have the same.
    """
    known: dict[str, Header] = {each.digest: each.header for each in posted}
    known |= {each.digest: each.header for each in items if isinstance(each, Delivered)}
    found = {}
    for place, each in enumerate(body.texts):
        if each.of not in known:
            raise Refusal(Code.NOT_FOUND, f"/texts/{place}/of", id=each.of)
        opened = Opened(unb64(each.salt), each.padded.encode())
        check_evidence(known[each.of], opened)
        text = decode(opened.text, codes)
        if isinstance(text, Bulletin):
            found[each.of] = text
    return found


def _with_text(item: Item, texts: Mapping[str, Bulletin]) -> Item:
    if not isinstance(item, Delivered) or item.digest not in texts:
        return item
    return msgspec.structs.replace(item, bulletin=texts[item.digest])
