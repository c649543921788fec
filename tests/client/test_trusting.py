"""Trust is read from the journal's order and from memory: a node's word moves neither."""

from __future__ import annotations

import msgspec
import pytest

from exchange.cli import tracing
from exchange.client.memory import Memory
from exchange.client.reading import Acked, Delivered, Locked
from exchange.errors import Code, Fault, Refusal
from exchange.model import objects
from exchange.model.header import TrustPoint
from exchange.model.identity import digest
from exchange.policy import rules
from tests.api.serving import serving
from tests.builders import COAST, MINSA, NOW_MS, OPS, WATCH, decoded, suspended, world
from tests.client.dealing import agency, lied_to
from tests.node.running import post


def reader(url, tmp_path, endpoint=WATCH, **more):
    return agency(url, tmp_path / endpoint.replace("/", "-"), endpoint, **more)


def inbox(change):
    def changed(path, value):
        if path == "/v1/inbox":
            for item in value["items"]:
                change(item)
        return value

    return changed


def put(item, **members):
    facts, _, signed = item["entry"].partition("\n")
    told = {**msgspec.json.decode(facts), **members}
    item["entry"] = msgspec.json.encode(told).decode() + "\n" + signed


# -- under which view, and when ------------------------------------------------------------


async def test_node_does_not_choose_the_view_of_a_signature(tmp_path):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        before = door.node.writer.view.index
        await post(door.node, world().amended(COAST, suspended), MINSA)
        await post(door.node, world().envelope(to=[WATCH]))
        liar.change = inbox(lambda item: put(item, view=before))
        (item,) = await line.everything()
        assert isinstance(item, Locked)
        assert (item.locked.code, item.locked.at) == (Code.TRUST_INVALID, "/view")
        # What does not verify is not kept: told rightly later, it is as if nothing had been.
        liar.change = inbox(lambda _: None)
        async with reader(url, tmp_path) as again:
            assert isinstance((await again.everything())[0], Delivered)


async def test_nothing_is_taken_in_before_its_trust_documents(tmp_path):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await post(door.node, world().envelope(to=[WATCH]))
        liar.change = inbox(lambda item: put(item, taken_ms=NOW_MS - 1))
        (item,) = await line.everything()
        assert isinstance(item, Locked)
        assert (item.locked.code, item.locked.at) == (Code.TRUST_INVALID, "/taken_ms")


@pytest.mark.parametrize("size", [64, 1], ids=["one page", "page by page"])
@pytest.mark.parametrize("how", ["everything", "follow"])
async def test_nothing_is_taken_in_before_what_came_before_it(tmp_path, size, how):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await post(door.node, world().envelope(to=[WATCH]))
        await post(door.node, world().envelope(to=[WATCH]))

        def change(path, value):
            if path == "/v1/inbox":
                value["items"] = value["items"][:size]
                for item in value["items"]:
                    put(item, taken_ms=NOW_MS + 2000 - item["position"])
            return value

        liar.change = change
        if how == "everything":
            one, two = await line.everything()
        else:
            items = line.follow()
            one, two = await anext(items), await anext(items)
            await items.aclose()
        assert isinstance(one, Delivered)
        assert isinstance(two, Locked)
        assert two.locked.at == "/taken_ms"


@pytest.mark.parametrize(
    "point",
    [
        lambda view: TrustPoint(view.position, view.heads[-2]),
        lambda view: TrustPoint(view.position + 1, view.heads[-1]),
        lambda view: TrustPoint(0, view.heads[0]),
    ],
    ids=["another head", "further than we", "before the root"],
)
async def test_sender_who_was_shown_other_trust_documents_is_locked(
    tmp_path, point, monkeypatch
):
    # A node that shows each side another history does not mind.
    mild = tuple(rule for rule in rules.ON_BULLETIN["accept"] if rule is not rules._trust_point)
    monkeypatch.setitem(rules.ON_BULLETIN, "accept", mild)
    async with serving() as door, reader(door.url, tmp_path) as line:
        header = world().header(to=[WATCH], trust=point(world().view))
        await post(door.node, world().envelope(header))
        (item,) = await line.everything()
        assert isinstance(item, Locked)
        assert (item.locked.code, item.locked.at) == (Code.TRUST_INVALID, "/trust")


# -- what was seen before ------------------------------------------------------------------


async def refused(line):
    with pytest.raises(Refusal) as caught:
        await line.view()
    return caught.value.code, caught.value.at


async def test_shorter_trust_log_than_was_seen_is_refused(tmp_path):
    path = tmp_path / "trust.json"
    async with lied_to() as (door, liar, url):
        async with reader(url, tmp_path, memory=Memory(path)) as line:
            await line.view()
            first = path.read_bytes()
            await post(door.node, world().amended(COAST, suspended), MINSA)
            await line.view()
            assert path.read_bytes() != first

        def shorter(path, value):
            if path == "/v1/trust":
                length = len(world().documents)
                value["items"] = [e for e in value["items"] if e["position"] < length]
                value["total"] = length
            return value

        liar.change = shorter
        async with reader(url, tmp_path / "fresh") as line:
            assert (await line.view()).position == len(world().documents)
        async with reader(url, tmp_path / "fresh", memory=Memory(path)) as line:
            assert await refused(line) == (Code.TRUST_INVALID, "/trust")
        # The documents themselves are held, too.
        async with reader(url, tmp_path) as line:
            assert await refused(line) == (Code.TRUST_INVALID, "/trust")


async def test_another_trust_log_than_was_seen_is_refused(tmp_path):
    memory = Memory(tmp_path / "trust.json")
    for endpoint in (COAST, OPS):
        async with serving() as door, reader(door.url, tmp_path, memory=memory) as line:
            await post(door.node, world().amended(endpoint, suspended), MINSA)
            if endpoint == COAST:
                await line.view()
            else:
                assert await refused(line) == (Code.TRUST_INVALID, "/trust")


async def test_memory_that_cannot_be_read_is_a_fault_and_not_a_beginning(tmp_path):
    path = tmp_path / "trust.json"
    async with serving() as door, reader(door.url, tmp_path, memory=Memory(path)) as line:
        for damaged in (b"{", b'{"anchor":"\xff"}'):
            path.write_bytes(damaged)
            with pytest.raises(Fault) as caught:
                await line.view()
            assert caught.value.code is Code.TRUST_MEMORY
            assert caught.value.facts == {"name": str(path)}
            assert path.read_bytes() == damaged
        path.unlink()
        path.mkdir()
        with pytest.raises(Fault) as caught:
            await line.view()
        assert caught.value.code is Code.FILE


# -- acknowledgements, and the story of a bulletin -----------------------------------------


async def traced(line, identity):
    session = type("S", (), {"context": lambda self: self, "agency": lambda _: line})()
    story = await tracing._trace(session, identity)
    return [each["acknowledgements"] for each in story["recipients"]]


@pytest.mark.parametrize("member", ["endpoint", "header_digest"])
async def test_acknowledgement_of_another_bulletin_does_not_count(tmp_path, member):
    async with lied_to() as (door, liar, url):
        envelope = world().envelope(to=[WATCH])
        header = decoded(envelope.header)
        await post(door.node, envelope)
        await post(door.node, world().ack(envelope))
        line = agency(url, tmp_path / "box")
        line.world.outbox.keep(header.id, envelope)
        async with agency(url, tmp_path / "box") as own:
            assert isinstance((await own.everything())[0], Acked)
        ((mine,),) = await traced(agency(url, tmp_path / "box"), header.id)
        assert mine["outcome"] == "opened"
        of = objects.Subject(header.endpoint, header.id, digest(envelope.header))
        other = {"endpoint": COAST, "header_digest": "A" * 43}[member]
        forged = world().ack(envelope, of=msgspec.structs.replace(of, **{member: other}))

        def swap(item):
            put(item, digest=digest(forged))
            item["entry"] = item["entry"].partition("\n")[0] + "\n" + forged.decode()

        liar.change = inbox(swap)
        line = agency(url, tmp_path / "other")
        line.world.outbox.keep(header.id, envelope)
        assert await traced(line, header.id) == [[]]
        async with agency(url, tmp_path / "other") as own:
            (item,) = await own.everything()
        if member == "endpoint":
            assert isinstance(item, Locked)
            assert item.locked.code is Code.NOT_YOURS


async def test_trace_holds_the_receipt_to_what_posting_does(tmp_path):
    async with lied_to() as (door, liar, url):
        envelope = world().envelope(to=[WATCH])
        identity = decoded(envelope.header).id
        refusal = await post(door.node, envelope, WATCH)
        await post(door.node, envelope)
        line = agency(url, tmp_path / "box")
        line.world.outbox.keep(identity, envelope)
        swapped = msgspec.json.decode(msgspec.json.encode(refusal.receipt))
        liar.change = lambda path, value: swapped if "receipts" in path else value
        with pytest.raises(Fault) as caught:
            await traced(line, identity)
        assert caught.value.code is Code.BAD_PROOF
