"""What crossed the border is read as it was judged at home, and neither node is believed."""

from __future__ import annotations

from contextlib import aclosing

import msgspec

from exchange.client.judging import Came
from exchange.client.reading import Acked, Delivered, Locked, Noticed
from exchange.errors import Code
from exchange.model import entry as entries
from exchange.model.identity import digest
from exchange.seal import notices
from exchange.seal.software import SoftwareSigner
from tests.builders import COAST, NOW, NOW_MS, OPS, WATCH, border, suspended
from tests.client.abroad import abroad, bulletin, changed, closed
from tests.node.running import post

HOME = {"node": "pa", "index": 2}
D = "A" * 43


def inbox(change):
    """A node that shows each entry of an inbox changed."""

    def told(path, value):
        if path == "/v1/inbox":
            for item in value["items"]:
                item["entry"] = change(item["entry"])
        return value

    return told


async def shown(line):
    """The one item of an inbox; of one that is locked, why and where."""
    (item,) = await line.everything()
    return (item.locked.code, item.locked.at) if isinstance(item, Locked) else item


# -- an honest node --------------------------------------------------------------------------


async def test_bulletin_from_the_other_node_is_opened_and_acknowledged(tmp_path):
    async with abroad() as both, both.agency(tmp_path) as line:
        await both.sent(bulletin())
        (item,) = await line.everything()
        assert isinstance(item, Delivered)
        assert (item.locked, item.header.endpoint) == (None, OPS)
        assert item.came == Came("pa", len(both.pa.entries) - 1, NOW_MS)
        assert (await line.acknowledge(item, "opened", officer="exercise")).node == "us"
        async with aclosing(line.follow()) as items:
            assert (await anext(items)).came == item.came
    async with both.agency(tmp_path) as away:
        # What is held of both logs is enough, with nobody to ask.
        (held,) = await away.inbox.as_held()
        assert (held.bulletin, held.came) == (item.bulletin, item.came)


async def test_acknowledgement_comes_back_across_the_border(tmp_path):
    async with abroad() as both, both.agency(tmp_path) as line:
        sealed = border().envelope(endpoint=WATCH, to=[OPS])
        await both.us.submit(WATCH, sealed.header, sealed.body)
        await both.told()
        await both.sent(border().ack(sealed, OPS), NOW + 3)
        item = await shown(line)
        assert isinstance(item, Acked)
        assert (item.ack.endpoint, item.came.taken_ms) == (OPS, (NOW + 3) * 1000)


async def test_who_signed_may_be_shut_out_here_and_was_not_at_home_then(tmp_path):
    async with abroad() as both, both.agency(tmp_path) as line:
        await post(both.us, border().amended(OPS, suspended), "")
        await both.sent(bulletin())
        assert (await shown(line)).bulletin is not None


def until(seconds):
    def change(endpoint):
        keys = [msgspec.structs.replace(key, until=seconds) for key in endpoint.keys]
        return msgspec.structs.replace(endpoint, keys=keys)

    return change


async def test_keys_are_held_to_the_time_at_home(tmp_path):
    async with abroad() as both, both.agency(tmp_path) as line:
        # Its reader's too: at home they are over as soon.
        for endpoint in (OPS, WATCH):
            await both.trusts(border().amended(endpoint, until(NOW + 10)))
        both.clock.ms += 60_000
        await both.sent(bulletin(NOW + 9, both.pa.view), NOW + 9)
        assert (await shown(line)).bulletin is not None
        both.liar.change = inbox(lambda raw: changed(raw, False, taken_ms=(NOW + 10) * 1000))
        async with both.agency(tmp_path / "more") as other:
            assert (await shown(other))[0] is Code.KEY_NOT_VALID


async def test_keys_of_readers_are_those_that_senders_knew_at_home(tmp_path):
    async with abroad() as both, both.agency(tmp_path) as line:
        sealed = bulletin()
        # Here its reader has other encryption keys by now, and no fit one of before.
        await post(both.us, border().amended(WATCH, other_keys), "")
        await both.sent(sealed)
        assert (await shown(line)).bulletin is not None


def other_keys(endpoint):
    keys = [
        msgspec.structs.replace(key, until=NOW - 1) if key.use == "enc" else key
        for key in endpoint.keys
    ]
    return msgspec.structs.replace(endpoint, keys=keys)


async def test_notice_of_the_other_node_is_held_to_that_nodes_keys(tmp_path):
    async with abroad() as both, both.agency(tmp_path) as line:
        sealed = border().envelope(endpoint=WATCH, to=[OPS])
        await both.us.submit(WATCH, sealed.header, sealed.body)
        told = border().notice(sealed, about="refused", recipient=OPS, code="not-releasable")
        ledger = both.pa.ledger()
        owed = [entries.Owed(WATCH, 0)]
        facts = {"of": None, "owed": owed, **ledger.common(), "taken_ms": NOW_MS}
        index = ledger.append(entries.Noticed(digest=digest(told), **facts), told)
        both.pa.commit(ledger)
        await both.crosses(index)
        item = await shown(line)
        assert isinstance(item, Noticed)
        assert (item.notice.node, item.came.node) == ("pa", "pa")
        # Our own node's, signed by its keys, said to come from there.
        signer = SoftwareSigner.of(border().nodes["us"].of("sign"))
        ours = notices.sign(msgspec.structs.replace(item.notice, node="us"), signer)
        named = digest(ours)

        def swap(raw):
            raw = changed(changed(raw, True, digest=named), False, digest=named)
            return "\n".join([*raw.split("\n")[:2], ours.decode()])

        both.liar.change = inbox(swap)
        async with both.agency(tmp_path / "more") as other:
            assert await shown(other) == (Code.HOME_MISMATCH, "/node")


async def test_what_is_granted_at_home_is_read_as_it_was_taken_in_there(tmp_path):
    async with abroad() as both:
        sealed = closed(to=COAST)
        await both.sent(sealed.envelope)
        await both.sent(border().grant(sealed, WATCH), NOW + 2)
        for told, code, at in (
            ({"wrap": {"digest": D, "size": 9}}, Code.HOME_MISMATCH, "/wrap"),
            ({"kid": D}, Code.HOME_MISMATCH, "/kid"),
        ):
            both.liar.change = inbox(lambda raw, t=told: changed(raw, True, **t))
            async with both.agency(tmp_path) as line:
                assert await shown(line) == (code, at)
        both.liar.change = granted(lambda raw: changed(raw, False, view=2))
        async with both.agency(tmp_path) as line:
            assert await shown(line) == (Code.TRUST_INVALID, "/there/view")
        both.liar.change = lambda _, value: value
        async with both.agency(tmp_path) as line:
            item = await shown(line)
        assert item.bulletin is not None
        assert item.came.index == item.taken_in.index + 1


def granted(change):
    def told(path, value):
        return {**value, "entry": change(value["entry"])} if path == "/v1/granted" else value

    return told


# -- a node that lies ------------------------------------------------------------------------

LIES = {
    "another digest": (True, {"digest": D}, Code.HOME_MISMATCH, "/digest"),
    "another body": (True, {"blobs": [{"digest": D, "size": 9}]}, Code.HOME_MISMATCH, "/blobs"),
    "other wraps": (True, {"wraps": [D]}, Code.HOME_MISMATCH, "/wraps"),
    "no such node": (
        True,
        {"home": {"node": "pa-2", "index": 9}},
        Code.TRUST_INVALID,
        "/home",
    ),
    "earlier there": (True, {"home": HOME}, Code.TRUST_INVALID, "/there/view"),
    "under another view there": (False, {"view": 2}, Code.TRUST_INVALID, "/there/view"),
    "before its view there": (
        False,
        {"taken_ms": NOW_MS - 9_000_000_000},
        Code.TRUST_INVALID,
        "/there/taken_ms",
    ),
    "after its view there": (
        False,
        {"taken_ms": NOW_MS + 60_001},
        Code.TRUST_INVALID,
        "/there/taken_ms",
    ),
    "another digest there": (False, {"digest": D}, Code.HOME_MISMATCH, "/digest"),
    "further on there": (False, {"home": HOME}, Code.MALFORMED, ""),
}


def of_another_kind(raw):
    ours, there, signed = raw.split("\n")
    facts = msgspec.json.decode(there.encode())
    same = {name: facts[name] for name in ("salt", "taken_ms", "view", "digest", "owed")}
    line = msgspec.json.encode(entries.Acknowledged(of=0, **same)).decode()
    return f"{ours}\n{line}\n{signed}"


async def test_what_a_node_changes_of_what_came_is_locked_and_says_why(tmp_path):
    async with abroad() as both:
        await both.sent(bulletin())
        await both.trusts(border().amended(COAST, suspended), NOW + 60)
        for name, (ours, facts, code, at) in LIES.items():
            both.liar.change = inbox(lambda raw, o=ours, f=facts: changed(raw, o, **f))
            async with both.agency(tmp_path) as line:
                assert await shown(line) == (code, at), name
        # Of another kind there.
        both.liar.change = inbox(of_another_kind)
        async with both.agency(tmp_path) as line:
            assert await shown(line) == (Code.HOME_MISMATCH, "/kind")
        # One byte of the object.
        both.liar.change = inbox(
            lambda raw: raw[:-9] + ("A" if raw[-9] != "A" else "B") + raw[-8:]
        )
        async with both.agency(tmp_path) as line:
            assert (await shown(line))[0] is Code.DIGEST_MISMATCH
        # Told rightly, it is as if nothing had been.
        both.liar.change = lambda _, value: value
        async with both.agency(tmp_path) as line:
            assert (await shown(line)).bulletin is not None


async def test_what_our_node_took_in_itself_is_not_said_to_come_from_abroad(tmp_path):
    async with abroad() as both, both.agency(tmp_path) as line:
        sealed = border().envelope(endpoint=COAST, to=[WATCH])
        await both.us.submit(COAST, sealed.header, sealed.body)
        view = both.pa.view.index

        def taken_abroad(raw):
            line, signed = raw.split("\n")
            facts = msgspec.json.decode(line.encode(), type=entries.Facts)
            there = msgspec.structs.replace(facts, view=view)
            home = entries.Home("pa", len(both.pa.entries))
            ours = msgspec.structs.replace(facts, home=home)
            there_line = entries.encode(there).removesuffix(b"\n")
            return entries.encode(ours, signed.encode(), there_line).decode()

        both.liar.change = inbox(taken_abroad)
        assert await shown(line) == (Code.NOT_HOME, "/endpoint")


async def test_what_came_from_abroad_is_not_said_to_be_posted_here(tmp_path):
    async with abroad() as both, both.agency(tmp_path) as line:
        await both.sent(bulletin())

        def taken_here(raw):
            ours, _, signed = raw.split("\n")
            facts = msgspec.json.decode(ours.encode(), type=entries.Facts)
            here = msgspec.structs.replace(facts, home=msgspec.UNSET)
            return entries.encode(here, signed.encode()).decode()

        both.liar.change = inbox(taken_here)
        assert await shown(line) == (Code.NOT_HOME, "/endpoint")


async def test_nothing_is_read_before_the_trust_documents_that_it_was_judged_by(tmp_path):
    async with abroad() as both, both.agency(tmp_path) as line:
        await both.sent(bulletin())
        index = await both.trusts(border().amended(COAST, suspended), NOW)
        home = {"node": "pa", "index": len(both.pa.entries) + 1}
        later = both.pa.view.index
        both.liar.change = inbox(
            lambda raw: changed(changed(raw, True, home=home), False, view=later)
        )
        assert index.is_new
        assert await shown(line) == (Code.TRUST_INVALID, "/home")
