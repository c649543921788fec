"""Make the file of evidence of a boarding case: gathered, proved, and checked before it leaves.

The node must be there: it shows the heads under which everything stands. What is newer than
those waits for the next ones, which come with the next checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.client import dossier, proving, recorded
from exchange.client.dossier import Body, Leaf, Own, Text, There
from exchange.client.homes import HomeProver
from exchange.client.reading import Delivered
from exchange.errors import Code, Fault, Refusal
from exchange.journal import bundle, terms
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import wire
from exchange.model.codec import b64
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.client.agency import Agency
    from exchange.client.cases import BoardingCase
    from exchange.client.reading import Item
    from exchange.model.objects import Receipt
    from exchange.seal.open import Opened

# Seconds: a node signs a checkpoint every few of them while there is something new.
_WAIT_S: Final = 30
# And what the other node signs crosses soon after; over a link that is down it never does.
_WAIT_ABROAD_S: Final = 10


async def document(
    agency: Agency, case: BoardingCase, items: Sequence[Item], *, with_content: bool
) -> bytes:
    """Return a case's file of evidence, as it was checked here with the anchor alone.

    Args:
        agency: the endpoint's; its node is asked for heads and proofs.
        case: which one.
        items: the whole inbox, opened.
        with_content: also what the bulletins say, where it is open here.

    Raises:
        Refusal: what the node shows does not hold; or ``not-found``: there is no checkpoint, or
            no receipt of the request.
        Fault: it does not answer; or ``head-too-old``: its head does not go as far as the case
            yet.
    """
    if case.request.index is None:
        raise Refusal(Code.NOT_FOUND, "/receipt", id=case.request.header.id)
    heads, shown = await _own_heads(agency, case)
    covered = {each.index: each for each in shown}
    indexes, _ = _wanted(case)
    endpoint = agency.profile.endpoint
    body = Body(
        node=agency.profile.node,
        trust=agency.trust.kept(),
        abroad={name: log.kept() for name, log in agency.trust.others().items()},
        own=[await _proved(agency, *each) for each in _posted(agency, case)],
        # What was granted has no place of its own in the inbox.
        items=[covered[index] for index in sorted(indexes & covered.keys())],
        heads=heads,
        leaves=dossier.leaves_of(shown),
        homes=await _homes(agency, case),
        texts=[*_texts(agency, case, items)] if with_content else [],
    )
    now, who = agency.world.now(), (agency.profile.member, endpoint)
    made = dossier.encode(body, case.request.digest, who, now, agency.keys.signer)
    dossier.check(made, agency.profile.anchor, agency.world.codes)
    return made


def _wanted(case: BoardingCase) -> tuple[set[int], list[str]]:
    """Return which entries of the inbox a case is of, and the ids of what was posted here."""
    indexes = {each.item.index for each in case.told} | {each.index for each in case.acks}
    indexes |= {e.index for e in case.pieces if not e.is_ours and e.index is not None}
    ours = [each.header.id for each in case.pieces if each.is_ours and each.index is not None]
    return indexes, list(dict.fromkeys(ours))


async def _own_heads(
    agency: Agency, case: BoardingCase
) -> tuple[wire.Heads, list[wire.InboxItem]]:
    """Return the head of the inbox, and all items under it, once it covers the case."""
    profile, held = agency.profile, agency.inbox.held
    newest = max(_wanted(case)[0], default=-1)
    for _ in range(_WAIT_S):
        heads = await agency.transport.get_as(wire.Heads, "/v1/heads", since=0)
        await agency.view()
        told = proving.verify(heads, profile.endpoint, profile.node, agency.trust)
        await agency.inbox.fill(told.own.count)
        shown = held.items(0, told.own.count)
        if newest < 0 or (shown and shown[-1].index >= newest):
            return heads, shown
        await agency.world.pause(1)
    raise Fault(Code.HEAD_TOO_OLD, "/heads", expected=newest)


def _posted(agency: Agency, case: BoardingCase) -> Iterator[tuple[bytes, Receipt]]:
    for identity in _wanted(case)[1]:
        envelope = agency.world.outbox.envelope(identity)
        receipt = agency.world.outbox.receipt(identity)
        if envelope is not None and receipt is not None:
            yield envelope.header, receipt


async def _proved(agency: Agency, raw: bytes, receipt: Receipt) -> Own:
    """Return what was posted, with the best proof that there is of its entry by now."""
    node, newest, proof = agency.profile.node, agency.trust.newest, ""
    leaf = leaf_hash(recorded.entry_of(receipt, raw))
    for cosigned in (1, 0):
        try:
            asked = {"index": receipt.index, "cosigned": cosigned}
            proof = (await agency.transport.get_as(wire.Proof, "/v1/proof", **asked)).proof
        except Refusal as refusal:
            if refusal.code is not Code.NOT_FOUND:
                raise
            continue
        found = bundle.parse(proof.encode())
        terms.of(found.note, node, newest).prove(found, leaf)
        break
    return Own(raw.decode(), receipt, proof)


async def _homes(agency: Agency, case: BoardingCase) -> dict[str, There]:
    """Return what each other node signed that it owes here; it is waited for a little."""
    others = sorted(agency.trust.newest.nodes.keys() - {agency.profile.node})
    found: dict[str, There] = {}
    for node in others:
        for _ in range(_WAIT_ABROAD_S):
            there = await _home(agency, node)
            if there is not None:
                found[node] = there
            if _covers(agency, case, node, there):
                break
            await agency.world.pause(1)
    return found


async def _home(agency: Agency, node: str) -> There | None:
    prover = HomeProver(agency.transport, agency.inbox.held, agency.trust, agency.profile)
    asked = await prover.ask(node)
    if asked is None:
        return None
    await agency.inbox.everything()
    prover.judge(node, asked, None, agency.world.now())
    answer, elsewhere = asked
    leaves = {each.position: Leaf(each.index, each.leaf) for each in elsewhere}
    for position, there in prover.places(node).items():
        leaves[position] = Leaf(there.entry, b64(there.leaf))
    # Why a place is not in the inbox here was judged; in the file its leaf hash is enough.
    plain = wire.HomeHeads(
        answer.proof, answer.entry, answer.own, answer.cosigned, answer.witnessed, [], 0, ""
    )
    return There(plain, [leaves[place] for place in range(answer.own.count)])


def _covers(agency: Agency, case: BoardingCase, node: str, there: There | None) -> bool:
    """Tell whether another node's head goes as far as what came from there of a case."""
    indexes = _wanted(case)[0]
    came = (
        entries.came_in(each.entry.encode())
        for each in agency.inbox.held.items()
        if each.index in indexes
    )
    of = [each[0].index for each in came if each is not None and each[0].node == node]
    shown = {each.index for each in there.leaves} if there else set[int]()
    return set(of) <= shown


def _texts(agency: Agency, case: BoardingCase, items: Sequence[Item]) -> Iterator[Text]:
    delivered = {each.digest: each for each in items if isinstance(each, Delivered)}
    for piece in {each.digest: each for each in case.pieces}.values():
        opened: Opened | None = None
        if piece.digest in delivered:
            opened = delivered[piece.digest].opened
        elif piece.is_ours and piece.index is not None:
            opened = own_text(agency, piece.header)
        if opened is not None:
            yield Text(piece.digest, b64(opened.salt), opened.padded.decode())


def own_text(agency: Agency, header: headers.Header) -> Opened | None:
    """Return what a bulletin seals that was posted from here; None where it is gone."""
    world, envelope = agency.world, agency.world.outbox.envelope(header.id)
    if envelope is None:
        return None
    try:
        signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
        named = headers.decode(signed.payload)
        return world.kept.opened(envelope, named, agency.keys.openers, world.now())
    except (Refusal, Fault):
        return None
