"""The JavaScript client reads what another node recorded as docs/protocol.md, 8 and 9, says."""

from __future__ import annotations

import json

import msgspec

from tests.builders import COAST, NOW_MS, WATCH, border, new_id, suspended
from tests.client.abroad import abroad, changed
from tests.client.dealing import profile
from tests.peers import javascript
from tests.peers.javascript import needs_packages

pytestmark = needs_packages
D = "A" * 43


def bulletin():
    identity = new_id()
    said = {"id": identity, "origin": "pa.senan", "type": "voi", "regime": None, "due": None}
    times = {"observed": "2026-11-23T18:01:00Z", "declares": []}
    header = border().header(id=identity, to=[WATCH], observed=1_795_456_860)
    return border().envelope(header, json.dumps({**said, **times}).encode())


def items(route, ours, **facts):
    def change(path, value):
        for item in value["items"] if path == route else []:
            if '"home"' in item["entry"]:
                item["entry"] = changed(item["entry"], ours, **facts)
        return value

    return change


def posted_here(path, value):
    for item in value["items"] if path == "/v1/inbox" else []:
        ours, _, signed = item["entry"].split("\n")
        facts = json.loads(ours)
        facts.pop("home")
        item["entry"] = f"{json.dumps(facts)}\n{signed}"
    return value


async def test_another_implementation_reads_what_crossed_and_finds_who_lies(tmp_path):
    told = {
        "profile": msgspec.to_builtins(profile("", WATCH, node="us", anchor=border().anchor)),
        "keys": {**javascript.keys(border().secrets[WATCH]), "ms": NOW_MS},
    }

    async def inbox(both, change=lambda _, value: value):
        both.liar.change = change
        told["profile"]["url"] = both.url
        for name, content in told.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content), "utf-8")
        files = [tmp_path / f"{name}.json" for name in told]
        return await javascript.running(*files, "inbox")

    async with abroad() as both:
        await both.sent(bulletin())
        await both.trusts(border().amended(COAST, suspended))
        (item,) = await inbox(both)
        assert (item["bulletin"]["type"], item["home"]["node"]) == ("voi", "pa")
        for lie, code in (
            (items("/v1/inbox", False, view=2), "trust-invalid"),
            (items("/v1/inbox", True, home={"node": "pa", "index": 2}), "trust-invalid"),
            (items("/v1/inbox", False, taken_ms=1), "trust-invalid"),
            (items("/v1/inbox", True, wraps=[D]), "home-mismatch"),
            (posted_here, "not-home"),
        ):
            (item,) = await inbox(both, lie)
            assert item["locked"] == code
        for lie in (
            items("/v1/trust", False, view=2),
            items("/v1/trust", True, home={"node": "pa-2", "index": 2}),
        ):
            assert await inbox(both, lie) == {"code": "trust-invalid"}
