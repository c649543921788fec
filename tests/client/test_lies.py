"""A node that lies about a grant, a release or a notice: the item is locked, and says why."""

from __future__ import annotations

import msgspec
import pytest

from exchange.client.reading import Delivered, Locked, Noticed, Released
from exchange.errors import Code
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.identity import digest
from exchange.seal import close
from tests.api.serving import serving
from tests.builders import (
    COAST,
    DESK,
    MINSA,
    NOW_MS,
    OPS,
    WATCH,
    WATCH_DESK,
    decoded,
    releaser,
    subject,
    world,
)
from tests.client.dealing import agency, lied_to
from tests.node.running import post


async def read(url, tmp_path, endpoint=WATCH_DESK):
    async with agency(url, tmp_path / endpoint.replace("/", "-"), endpoint) as reader:
        return await reader.everything()


async def lied(door, liar, url, tmp_path, change):
    """What a late recipient finds when the answers to it are changed."""
    closed = world().closed(to=[WATCH])
    await post(door.node, closed.envelope)
    await post(door.node, world().grant(closed))
    liar.change = change
    return await read(url, tmp_path)


def answered(change):
    """Change what the node gives for the bulletin of a grant."""

    def changed(path, value):
        if path == "/v1/granted":
            facts, _, signed = value["entry"].partition("\n")
            read = entries.decode((facts + "\n").encode()).facts
            facts, signed = change(read, signed.encode())
            value["entry"] = entries.encode(facts, signed).decode()
        return value

    return changed


def of_digest(facts, signed):
    return msgspec.structs.replace(facts, digest=digest(signed)), signed


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda f, _: of_digest(f, world().envelope(to=[WATCH]).header),
            (Code.DIGEST_MISMATCH, "/of/header_digest"),
        ),
        (
            lambda f, _: (f, world().envelope(to=[WATCH]).header),
            (Code.DIGEST_MISMATCH, "/digest"),
        ),
        (
            lambda f, s: (msgspec.structs.replace(f, view=f.view - 1), s),
            (Code.TRUST_INVALID, "/view"),
        ),
        (
            lambda f, s: (msgspec.structs.replace(f, taken_ms=NOW_MS + 1), s),
            (Code.TRUST_INVALID, "/taken_ms"),
        ),
        (
            lambda f, s: (msgspec.structs.replace(f, taken_ms=1), s),
            (Code.TRUST_INVALID, "/taken_ms"),
        ),
    ],
    ids=["another bulletin", "another object", "another view", "the future", "the past"],
)
async def test_other_bulletin_than_the_originator_granted_is_locked(tmp_path, change, expected):
    async with lied_to() as (door, liar, url):
        (item,) = await lied(door, liar, url, tmp_path, answered(change))
        assert isinstance(item, Locked)
        assert (item.locked.code, item.locked.at) == expected


async def test_nonsense_for_the_granted_bulletin_is_locked(tmp_path):
    def garbled(path, value):
        return {"index": 1, "entry": "x"} if path == "/v1/granted" else value

    async with lied_to() as (door, liar, url):
        (item,) = await lied(door, liar, url, tmp_path, garbled)
        assert isinstance(item, Locked)
        assert item.locked.code is Code.MALFORMED


def swapped(signed):
    """Show another object in the place of each in the inbox."""

    def changed(path, value):
        if path == "/v1/inbox":
            for item in value["items"]:
                facts, _ = of_digest(entries.decode(item["entry"].encode()).facts, signed)
                item["entry"] = entries.encode(facts, signed).decode()
        return value

    return changed


async def test_grant_under_another_endpoints_keys_is_locked(tmp_path):
    async with lied_to() as (door, liar, url):
        grant = world().grant(world().closed(to=[WATCH]))
        forged = world().sign(_payload(grant.header), objects.GRANT_TYP, COAST)
        (item,) = await lied(door, liar, url, tmp_path, swapped(forged))
        assert item.locked.code is Code.UNKNOWN_KEY


@pytest.mark.parametrize("what", ["another wrap", "no wrap", "another body", "no body"])
async def test_other_bytes_than_named_are_locked(tmp_path, what):
    async with serving() as door:
        closed = world().closed(to=[WATCH])
        grant = world().grant(closed)
        await post(door.node, closed.envelope)
        await post(door.node, grant)
        blobs = door.node.store._tables.blobs
        named = digest(grant.body if "wrap" in what else closed.envelope.body)
        if what.startswith("no"):
            del blobs[named]
        else:
            # As long as the other one, and a wrapped key or body in itself.
            other = world().grant(world().closed(to=[WATCH])).body
            blobs[named] = other if "wrap" in what else closed.envelope.body[:-1] + b"]"
        (item,) = await read(door.url, tmp_path)
        assert isinstance(item, Delivered)
        assert (item.bulletin, item.opened) == (None, None)
        expected = Code.NOT_FOUND if what.startswith("no") else Code.DIGEST_MISMATCH
        assert item.locked.code is expected


async def test_grant_signed_by_another_member_is_locked_whatever_the_node_says(tmp_path):
    """A node and a member that collude: the grant is well signed, of another's bulletin."""
    async with lied_to() as (door, liar, url):
        closed = world().closed(to=[WATCH])
        forged = world().grant(closed, WATCH_DESK, COAST)
        await post(door.node, closed.envelope)
        await post(door.node, world().grant(closed))
        liar.change = swapped(forged.header)
        (item,) = await read(url, tmp_path)
        assert (item.locked.code, item.locked.at) == (Code.TLP_ONWARD, "/of")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"of": 10_000}, (Code.TARGET_MISMATCH, "/of")),
        ({"owed": []}, (Code.NOT_A_RECIPIENT, "/owed")),
        ({"digest": "A" * 43}, (Code.DIGEST_MISMATCH, "/digest")),
    ],
)
async def test_altered_facts_of_a_grant_are_locked(tmp_path, changes, expected):
    async with lied_to() as (door, liar, url):

        def changed(path, value):
            if path == "/v1/inbox":
                for item in value["items"]:
                    entry = entries.decode(item["entry"].encode())
                    facts = msgspec.structs.replace(entry.facts, **changes)
                    item["entry"] = entries.encode(facts, entry.object).decode()
            return value

        (item,) = await lied(door, liar, url, tmp_path, changed)
        assert (item.locked.code, item.locked.at) == expected


async def test_grant_to_another_endpoint_is_locked(tmp_path):
    async with lied_to() as (door, liar, url):
        other = world().grant(world().closed(to=[WATCH]), COAST)
        (item,) = await lied(door, liar, url, tmp_path, swapped(other.header))
        assert (item.locked.code, item.locked.at) == (Code.NOT_YOURS, "/to")


async def test_who_else_can_open_it_is_counted_by_the_reader_too(tmp_path):
    """A sender and a node that collude let in somebody whom the header does not name."""
    async with serving() as door:
        closed = world().closed(to=[WATCH])
        await post(door.node, closed.envelope)
        keys = [world().key(WATCH), world().key(COAST)]
        header = msgspec.structs.replace(world().header(to=[WATCH, COAST]), to=[WATCH, COAST])
        two = world().closed(header, recipients=keys)
        sealed = msgspec.structs.replace(
            world().header(id=header.id, to=[WATCH]),
            commit=decoded(two.envelope.header).commit,
            body=decoded(two.envelope.header).body,
        )
        forged = world().sign(sealed, close.TYP, OPS)
        (row,) = await door.node.store.inbox(WATCH, -1, 1)
        facts = entries.decode(row.entry).facts
        facts, signed = of_digest(facts, forged)
        facts = msgspec.structs.replace(facts, blobs=[sealed.body])
        tables = door.node.store._tables
        tables.entries[row.index] = entries.encode(facts, signed)
        tables.blobs[sealed.body.digest] = two.envelope.body
        (item,) = await read(door.url, tmp_path, WATCH)
        assert (item.locked.code, item.locked.at) == (
            Code.WRAPS_MISMATCH,
            "/body/recipients",
        )
        assert item.opened is None


# -- releases and notices ------------------------------------------------------------------


async def test_release_is_shown_to_author_and_recipient(tmp_path):
    async with serving() as door:
        await post(door.node, world().amended(DESK, releaser), MINSA)
        envelope = world().envelope(to=[WATCH])
        await post(door.node, envelope)
        await post(door.node, world().release(envelope))
        for endpoint in (OPS, WATCH):
            item = (await read(door.url, tmp_path, endpoint))[-1]
            assert isinstance(item, Released)
            assert (item.release.endpoint, item.release.of) == (DESK, subject(envelope))


@pytest.mark.parametrize(
    ("by", "named", "code"),
    [
        (DESK, DESK, Code.MISSING_ROLE),
        (WATCH, DESK, Code.UNKNOWN_KEY),
        (WATCH, WATCH, Code.ORIGIN_MISMATCH),
        (OPS, OPS, Code.OWN_RELEASE),
    ],
)
async def test_release_that_does_not_hold_is_locked(tmp_path, by, named, code):
    async with lied_to() as (door, liar, url):
        envelope = world().envelope(to=[WATCH])
        await post(door.node, envelope)
        payload = _payload(world().release(envelope, named))
        forged = world().sign(payload, objects.RELEASE_TYP, by)

        def told(path, value):
            if path == "/v1/inbox":
                for item in value["items"]:
                    facts = entries.decode(item["entry"].encode()).facts
                    news = entries.Released(
                        digest=digest(forged),
                        of=item["index"],
                        owed=facts.owed,
                        salt=facts.salt,
                        taken_ms=facts.taken_ms,
                        view=facts.view,
                    )
                    item["entry"] = entries.encode(news, forged).decode()
            return value

        liar.change = told
        (item,) = await read(url, tmp_path, WATCH)
        assert isinstance(item, Locked)
        assert item.locked.code is code


async def test_notice_of_the_node_is_shown_and_a_forged_one_is_locked(tmp_path):
    async with lied_to() as (door, liar, url):
        envelope = world().envelope(to=[WATCH])
        await post(door.node, envelope)
        notice = world().notice(envelope)
        forged = world().sign(_payload(notice), objects.NOTICE_TYP, OPS)

        def told(signed):
            def changed(path, value):
                if path == "/v1/inbox":
                    for item in value["items"]:
                        facts = entries.decode(item["entry"].encode()).facts
                        news = entries.Noticed(
                            digest=digest(signed),
                            of=item["index"],
                            owed=facts.owed,
                            salt=facts.salt,
                            taken_ms=facts.taken_ms,
                            view=facts.view,
                        )
                        item["entry"] = entries.encode(news, signed).decode()
                return value

            return changed

        liar.change = told(notice)
        (item,) = await read(url, tmp_path, WATCH)
        assert isinstance(item, Noticed)
        assert (item.notice.about, item.notice.of) == ("late", subject(envelope))
        liar.change = told(forged)
        (item,) = await read(url, tmp_path / "another", WATCH)
        assert item.locked.code is Code.UNKNOWN_KEY


def _payload(raw):
    return objects.codec.unb64(msgspec.json.decode(raw)["payload"])
