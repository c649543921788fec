"""A node that lies to the JavaScript client is found out, as docs/protocol.md says it is."""

from __future__ import annotations

import json

import msgspec
import pytest

from exchange.cli import state
from exchange.model.identity import digest
from tests import builders
from tests.api.serving import serving
from tests.builders import NOW_MS, OPS, WATCH, new_id, world
from tests.client.dealing import fronted, lied_to, profile
from tests.node.running import post
from tests.peers import javascript
from tests.peers.javascript import needs_packages

pytestmark = needs_packages


def bulletin(**changes):
    """A valid envelope, as far as the JavaScript client looks: it leaves schemas to others."""
    identity = new_id()
    times = {"observed": "2026-11-23T18:01:00Z", "due": None}
    said = {"id": identity, "origin": "pa.senan", "type": "voi", "regime": None, **times}
    text = json.dumps({**said, "declares": [], "observed": times["observed"], **changes})
    header = world().header(id=identity, to=[WATCH], observed=1_795_456_860)
    return world().envelope(header, text.encode())


async def inbox(tmp_path, url, endpoint=WATCH, **changes):
    told = javascript.keys(world().secrets[endpoint])
    files = {
        "profile": msgspec.to_builtins(profile(url, endpoint, **changes)),
        "keys": {**told, "ms": NOW_MS},
    }
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return await javascript.running(*(tmp_path / f"{name}.json" for name in files), "inbox")


async def found(tmp_path, on, lie):
    """What the client makes of three bulletins, when a route's answer is altered."""
    async with lied_to() as (door, liar, url):
        for _ in range(3):
            await post(door.node, bulletin())
        liar.change = lambda path, value: lie(value) if path == on else value
        return await inbox(tmp_path, url)


def altered(change):
    """A page whose second item has an altered entry: its facts and its object."""

    def lie(page):
        if page["items"]:
            line, _, text = page["items"][1]["entry"].partition("\n")
            facts, text = change(json.loads(line), text)
            page["items"][1]["entry"] = json.dumps(facts) + "\n" + text
        return page

    return lie


def without_first(page):
    return {**page, "items": page["items"][1:]}


def same_index(page):
    if page["items"]:
        page["items"][1]["index"] = page["items"][0]["index"]
    return page


async def test_nothing_is_found_where_nobody_lies(tmp_path):
    items = await found(tmp_path, "", None)
    assert [item["bulletin"]["type"] for item in items] == ["voi"] * 3


@pytest.mark.parametrize(
    ("code", "on", "lie"),
    [
        ("inbox-gap", "/v1/inbox", without_first),
        ("inbox-gap", "/v1/inbox", same_index),
        ("item-withheld", "/v1/inbox", lambda page: {**page, "items": []}),
        ("trust-invalid", "/v1/trust", lambda page: {**page, "items": page["items"][:-1]}),
        ("trust-invalid", "/v1/trust", without_first),
        (
            "trust-invalid",
            "/v1/trust",
            lambda page: {**page, "items": [{**each, "index": 0} for each in page["items"]]},
        ),
        (
            "trust-invalid",
            "/v1/trust",
            lambda page: {
                **page,
                "items": [{**each, "taken_ms": 9 - each["index"]} for each in page["items"]],
            },
        ),
        ("bad-session", "/v1/nonce", lambda told: {**told, "node": "us"}),
    ],
)
async def test_lie_about_the_whole_is_refused(code, on, lie, tmp_path):
    assert await found(tmp_path, on, lie) == {"code": code}


def resigned(facts, text):
    """Another signature, and facts that agree with it."""
    told = json.loads(text)
    signature = told["signatures"][1]["signature"]
    told["signatures"][1]["signature"] = ("A" if signature[0] != "A" else "B") + signature[1:]
    text = json.dumps(told, separators=(",", ":"))
    return {**facts, "digest": digest(text.encode())}, text


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("trust-invalid", lambda facts, text: ({**facts, "view": facts["view"] - 1}, text)),
        ("trust-invalid", lambda facts, text: ({**facts, "taken_ms": 1}, text)),
        ("digest-mismatch", lambda facts, text: ({**facts, "digest": "A" * 43}, text)),
        ("not-a-recipient", lambda facts, text: ({**facts, "owed": [[OPS, 1]]}, text)),
        ("not-a-recipient", lambda facts, text: ({**facts, "owed": [[WATCH, 0]]}, text)),
        ("bad-signature", resigned),
    ],
)
async def test_lie_about_one_locks_that_one_and_no_other(code, change, tmp_path):
    items = await found(tmp_path, "/v1/inbox", altered(change))
    assert [item.get("locked") for item in items] == [None, code, None]


@pytest.mark.parametrize(
    "changes",
    [
        {"id": new_id()},
        {"origin": "pa.minsa"},
        {"type": "szr"},
        {"observed": "2026-11-23T18:01:01Z"},
        {"due": "2026-11-23T18:01:00Z"},
        {"regime": "other"},
        {"declares": ["persons"]},
    ],
)
async def test_bulletin_that_its_header_tells_otherwise_is_locked(changes, tmp_path):
    async with serving() as door:
        await post(door.node, bulletin(**changes))
        (item,) = await inbox(tmp_path, door.url)
    assert item["locked"] == "header-body-mismatch"


async def test_acknowledgement_of_another_s_bulletin_is_locked(tmp_path):
    """Shown in the place of one of ours."""
    theirs = world().envelope(endpoint=builders.COAST, to=[WATCH])

    def lie(page):
        for item in page["items"]:
            line, _, _ = item["entry"].partition("\n")
            ack = world().ack(theirs)
            facts = {**json.loads(line), "digest": digest(ack)}
            item["entry"] = json.dumps(facts) + "\n" + ack.decode()
        return page

    async with lied_to() as (door, liar, url):
        sent = bulletin()
        await post(door.node, sent)
        await post(door.node, world().ack(sent))
        assert [item["ack"]["outcome"] for item in await inbox(tmp_path, url, OPS)] == [
            "opened"
        ]
        liar.change = lambda path, value: lie(value) if path == "/v1/inbox" else value
        assert [item["locked"] for item in await inbox(tmp_path, url, OPS)] == ["not-yours"]


async def test_certificate_that_no_trust_document_names_is_refused(tmp_path):
    seed = bytes(range(32))
    other, _ = state.make_certificate("127.0.0.1", seed, builders.TLS_MADE)
    async with (
        lied_to() as (door, liar, _),
        fronted(liar.handle, state.server_context(other, seed)) as url,
    ):
        await post(door.node, bulletin())
        assert await inbox(tmp_path, url, certificate=other) == {"code": "trust-invalid"}
