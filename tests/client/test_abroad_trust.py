"""The trust documents of another node: folded from the anchor, and proved to be all."""

from __future__ import annotations

import msgspec
import pytest
from aiohttp import web

from exchange.client.reading import Delivered, Locked
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.codec import b64
from exchange.model.trust import Loss
from tests.builders import COAST, WATCH, border, suspended
from tests.client.abroad import abroad, bulletin, changed
from tests.client.proving import alarm


async def trust_of(line, **whose):
    page = await line.transport.get_as(wire.TrustPage, "/v1/trust", **whose)
    return [each.document.encode() for each in page.items]


async def test_each_node_s_documents_are_given_by_its_name(tmp_path):
    async with abroad() as both, both.agency(tmp_path) as line:
        await both.trusts(border().amended(COAST, suspended))
        founding = border().documents
        theirs = await trust_of(line, node="pa")
        assert theirs[:-1] == founding
        assert len(theirs) == len(founding) + 1
        ours = await trust_of(line)
        assert ours[: len(founding)] == founding
        assert theirs[-1] not in ours
        assert await trust_of(line, node="us") == ours
        with pytest.raises(Refusal) as caught:
            await trust_of(line, node="pa-2")
        assert (caught.value.code, caught.value.at) == (Code.NOT_FOUND, "/node")


async def test_all_documents_of_the_other_node_are_proved_to_be_here(tmp_path):
    async with abroad() as both, both.agency(tmp_path) as line:
        await both.sent(bulletin())
        await both.us.checkpoints.checkpoint()
        proven = await line.prove()
        assert (proven.count, proven.abroad) == (1, {"pa": len(border().documents)})
        await both.trusts(border().amended(COAST, suspended))
        await both.us.checkpoints.checkpoint()
        assert (await line.prove()).abroad == {"pa": len(border().documents) + 1}


def theirs(change):
    """A node that shows the entries of the other one's documents changed."""

    def told(path, value):
        for item in value["items"] if path == "/v1/trust" else []:
            if "trust-received" in item["entry"]:
                change(item)
        return value

    return told


def salted(item):
    item["entry"] = changed(item["entry"], True, salt="A" * 22)


def withheld(path, value):
    last = len(border().documents) - 1
    if path == "/v1/trust" and "trust-received" in value["items"][0]["entry"]:
        value = {**value, "items": value["items"][:last], "total": last}
    return value


def dropped(path, value):
    return {**value, "abroad": {}} if path == "/v1/heads" else value


def ours_salted(path, value):
    if path == "/v1/trust" and value["items"]:
        last = value["items"][-1]
        if "trust-received" not in last["entry"]:
            facts = {**msgspec.json.decode(last["entry"].encode()), "salt": "A" * 22}
            last["entry"] = msgspec.json.encode(facts).decode() + "\n"
    return value


@pytest.mark.parametrize(
    ("change", "code", "at"),
    [
        (withheld, Code.ITEM_WITHHELD, "/abroad/pa"),
        (theirs(salted), Code.CHAIN_DIFFERS, "/abroad/pa"),
        (dropped, Code.BAD_PROOF, "/abroad"),
        (ours_salted, Code.CHAIN_DIFFERS, "/trust"),
    ],
    ids=["withheld", "told otherwise", "not told of", "our own told otherwise"],
)
async def test_document_that_is_withheld_or_told_otherwise_is_found(tmp_path, change, code, at):
    async with abroad() as both, both.agency(tmp_path) as line:
        await both.us.checkpoints.checkpoint()
        both.liar.change = change
        await alarm(line, code, at)


async def test_head_of_fewer_documents_is_not_under_the_root(tmp_path):
    async with abroad() as both, both.agency(tmp_path / "one") as line:
        await both.us.checkpoints.checkpoint()
        await line.view()
        log = line.trust.home("pa")
        fewer = log.head_before(log._known[-1].entry)

        def change(path, value):
            if path == "/v1/heads":
                value["abroad"]["pa"] |= {"count": fewer.count, "chain": b64(fewer.chain)}
            return withheld(path, value)

        both.liar.change = change
        async with both.agency(tmp_path / "other") as other:
            with pytest.raises(Refusal) as caught:
                await other.prove()
        assert caught.value.code is Code.BAD_PROOF


async def test_document_that_was_held_and_is_shown_otherwise_is_refused(tmp_path):
    async with abroad() as both:
        async with both.agency(tmp_path) as line:
            await line.view()
        both.liar.change = theirs(salted)
        async with both.agency(tmp_path) as line:
            assert await refused(line) == (Code.TRUST_INVALID, "/trust")


async def refused(line):
    """Why nothing is judged by the other node's log; of ours all is well."""
    await line.view()
    with pytest.raises(Refusal) as caught:
        line.trust.home("pa")
    return caught.value.code, caught.value.at


LIES = {
    "another node's": (True, {"home": {"node": "pa-2", "index": 2}}, "/entry"),
    "of another name": (False, {"name": "members/pa.senan"}, "/entry"),
    "of another version": (False, {"version": 9}, "/entry"),
    "another document": (False, {"document": {"digest": "A" * 43, "size": 9}}, "/entry"),
    "out of place there": (False, {"position": 9}, "/entry"),
    "under another view there": (False, {"view": -1}, "/entry"),
    "of another kind there": (False, {"kind": "trust-received"}, None),
    "named otherwise here": (True, {"name": "members/pa.senan"}, "/entry"),
    "in another place here": (True, {"position": 9}, "/entry"),
    "at another time here": (True, {"taken_ms": 1}, "/entry"),
    "not further on there": (True, {"home": {"node": "pa", "index": 1}}, "/index"),
    "earlier than before it there": (False, {"taken_ms": 1}, "/taken_ms"),
}


def of_another_kind(item):
    ours, there, signed = item["entry"].split("\n")
    facts = msgspec.json.decode(there.encode())
    common = {name: facts[name] for name in ("salt", "taken_ms", "view")}
    line = entries.encode(entries.EpochOpened(node="pa", epoch=1, **common)).decode()
    item["entry"] = f"{ours}\n{line}{signed}"


async def test_document_that_does_not_follow_is_refused(tmp_path):
    async with abroad() as both:
        for name, (ours, facts, at) in LIES.items():

            def change(item, o=ours, f=facts):
                if item["position"] == 1:
                    item["entry"] = changed(item["entry"], o, **f)

            both.liar.change = theirs(change)
            async with both.agency(tmp_path / name) as line:
                code, where = await refused(line)
                assert at is None or (code, where) == (Code.TRUST_INVALID, at), name
        # An entry of another kind, all else as told.
        both.liar.change = theirs(of_another_kind)
        async with both.agency(tmp_path / "kind") as line:
            assert await refused(line) == (Code.TRUST_INVALID, "/entry")
        # Its bytes are verified as ours are.
        both.liar.change = theirs(lambda item: item.update(document="{}"))
        async with both.agency(tmp_path / "bytes") as line:
            assert await refused(line) == (Code.TRUST_INVALID, "/entry")


async def test_another_node_s_broken_log_locks_what_came_from_there_alone(tmp_path):
    async with abroad() as both:
        await both.sent(bulletin())
        domestic = border().envelope(origin="us.uscg", endpoint=COAST, to=[WATCH])
        assert (await both.us.submit(COAST, domestic.header, domestic.body)).refusal is None
        async with both.agency(tmp_path / "sound") as line:
            assert [each.came is None for each in await line.everything()] == [False, True]
        both.liar.change = theirs(lambda item: item.update(document="{}"))
        async with both.agency(tmp_path / "broken") as line:
            came, ours = await line.everything()
            assert isinstance(came, Locked)
            assert came.locked.code is Code.TRUST_INVALID
            assert (isinstance(ours, Delivered), ours.header.endpoint) == (True, COAST)


async def test_being_turned_away_by_our_own_node_is_no_trouble_of_the_other_ones_log(tmp_path):
    """It is told to who asks; what came from there is not locked for it."""
    words = wire.Words("", "", "", "")
    refused = wire.Problem("", "", 429, "too-many", "", {}, words, words)

    def turned_away(_, value):
        if any("trust-received" in each["entry"] for each in value.get("items", [])):
            raise web.HTTPTooManyRequests(text=msgspec.json.encode(refused).decode())
        return value

    async with abroad() as both:
        await both.sent(bulletin())
        both.liar.change = turned_away
        async with both.agency(tmp_path) as line:
            with pytest.raises(Refusal) as caught:
                await line.everything()
            assert caught.value.code is Code.TOO_MANY
            both.liar.change = lambda _, value: value
            (came,) = await line.everything()
            assert isinstance(came, Delivered)


async def test_our_own_documents_are_not_taken_for_the_other_nodes(tmp_path):
    """A node from before there was another one does not know the question."""
    async with abroad() as both:
        async with both.agency(tmp_path) as line:
            ours = await line.transport.get_as(wire.TrustPage, "/v1/trust")
            both.liar.change = lambda path, value: (
                msgspec.to_builtins(ours) if path == "/v1/trust" else value
            )
        async with both.agency(tmp_path / "more") as line:
            assert await refused(line) == (Code.TRUST_INVALID, "/entry")


async def test_a_loss_that_is_not_right_behind_what_it_names_is_taken_in_by_nobody():
    """Their node skips places by an arrangement that was signed for another index."""
    why = {"es": "EJERCICIO", "en": "EXERCISE"}
    async with abroad() as here:
        first, newest = len(here.pa.entries) + 2, here.pa.view.index
        loss = Loss("pa", first, first + 1, first + 2, border().anchor, newest, why)
        here.pa.node = ""
        with pytest.raises(Refusal) as caught:
            await here.trusts(border().rearranged(losses=[loss]))
        assert (caught.value.code, caught.value.at) == (Code.LOST_UNDECLARED, "/losses")
