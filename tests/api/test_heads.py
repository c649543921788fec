"""How much is owed to an endpoint, as the interface tells it: its own, and nobody else's."""

from __future__ import annotations

import msgspec

from exchange.journal import bundle, heads
from exchange.journal import checkpoint as c2sp
from exchange.journal.heads import InboxHead, Place
from exchange.journal.logkeys import log_keys
from exchange.journal.proofs import verify_consistency
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.codec import unb64
from tests.api.serving import serving
from tests.builders import COAST, DESK, WATCH, world
from tests.node.running import post

NAMES = heads.names("trust", world().view.endpoints)


async def told(door, by, **query):
    said = await door.get("/v1/heads", by, params=query)
    assert said.status == 200, said
    return msgspec.json.decode(said.body, type=wire.Heads)


def must_hold(name, own, root):
    head = InboxHead(own.count, unb64(own.chain))
    place = Place(unb64(own.salt), [unb64(step) for step in own.path])
    heads.verify(name, head, place, NAMES, root)


async def test_own_head_and_that_of_the_trust_inbox_hold_under_the_newest_checkpoint():
    async with serving() as door:
        await post(door.node, world().envelope(to=[WATCH]))
        note = await door.node.checkpoints.checkpoint()
        keys = log_keys(world().view.nodes["pa"])
        for by, count in ((WATCH, 1), (COAST, 0), (DESK, 0)):
            answer = await told(door, by)
            entry, proof = answer.entry.encode(), bundle.parse(answer.proof.encode())
            bundle.verify_proof(proof, leaf_hash(entry), origin="exchange/pa", required=keys)
            assert proof.note == note
            facts = entries.decode(entry).facts
            assert facts.size == proof.index
            must_hold(by, answer.own, unb64(facts.root))
            must_hold("trust", answer.trust, unb64(facts.root))
            assert answer.own.count == count
            assert answer.trust.count == len(world().documents)


async def test_nothing_of_anybody_else_is_in_the_answer():
    async with serving() as door:
        await post(door.node, world().envelope(to=[WATCH]))
        await door.node.checkpoints.checkpoint()
        mine, theirs = await told(door, COAST), await told(door, WATCH)
        said = await door.get("/v1/heads", COAST, params={"endpoint": WATCH})
        assert msgspec.json.decode(said.body, type=wire.Heads) == mine
        text = said.body.decode()
        assert theirs.own.chain not in text
        assert theirs.own.salt not in text
        assert WATCH not in text
        # What seeds the salts stands in an entry that no endpoint is shown.
        seed = entries.decode(mine.entry.encode()).facts.seed
        row = (await door.node.store.read(seed, 1))[0]
        assert entries.decode(row.entry).facts.salt not in text
        for by in (WATCH, COAST):
            page = await door.get("/v1/inbox", by)
            assert all(item["index"] != seed for item in page.json["items"])


async def test_growth_since_an_earlier_checkpoint_is_proved():
    async with serving() as door:
        first = c2sp.parse(await door.node.checkpoints.checkpoint())
        await post(door.node, world().envelope(to=[WATCH]))
        second = c2sp.parse(await door.node.checkpoints.checkpoint())
        answer = await told(door, WATCH, since=first.size)
        path = [unb64(step) for step in answer.consistency]
        verify_consistency(first.size, second.size, path, first.root, second.root)
        # Longer than this node's: there is no proof, and no error either.
        for since in (0, second.size, second.size + 1, 2**53):
            assert (await told(door, WATCH, since=since)).consistency == []


async def test_before_the_first_checkpoint_there_is_none():
    async with serving() as door:
        said = await door.get("/v1/heads", WATCH)
        assert (said.status, said.code) == (404, "not-found")


async def test_without_a_session_nothing_is_told():
    async with serving() as door:
        await door.node.checkpoints.checkpoint()
        said = await door.get("/v1/heads", None)
        assert said.code == "no-token"


async def test_trust_documents_come_with_their_entries():
    async with serving() as door:
        items = (await door.get("/v1/trust", WATCH)).json["items"]
        rows = await door.node.store.inbox("trust", -1, 99)
        assert [item["entry"] for item in items] == [row.entry.decode() for row in rows]


async def test_front_a_moment_behind_does_not_go_back_behind_what_its_caller_has_seen():
    async with serving() as door:
        await post(door.node, world().envelope(to=[WATCH]))
        old = await door.node.checkpoints.checkpoint()
        await told(door, COAST)  # this front holds the heads under the old one ready
        ready = door.node.heads._ready
        await post(door.node, world().envelope(to=[WATCH]))
        new = c2sp.parse(await door.node.checkpoints.checkpoint()).size
        # As another front of the node, which has not heard of it yet.
        door.node.checkpoints.newest, door.node.heads._ready = old, ready
        answer = await told(door, WATCH, since=new)
        proof = bundle.parse(answer.proof.encode())
        assert c2sp.parse(proof.note).size == new
        assert answer.own.count == 2
        keys = log_keys(world().view.nodes["pa"])
        entry = answer.entry.encode()
        bundle.verify_proof(proof, leaf_hash(entry), origin="exchange/pa", required=keys)
        assert answer.consistency == []
