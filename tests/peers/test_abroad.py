"""The JavaScript client reads what another node recorded as docs/protocol.md, 8 and 9, says."""

from __future__ import annotations

import json

import msgspec

from tests.builders import COAST, NOW, NOW_MS, OPS, WATCH, border, new_id, suspended
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


def of_trust(change, place=None):
    """A node that shows the entries of the other one's trust documents changed: one, or all."""

    def told(path, value):
        for item in value["items"] if path == "/v1/trust" else []:
            if '"home"' in item["entry"] and item["position"] == (place or item["position"]):
                item["entry"] = change(item["entry"])
        return value

    return told


def of_inbox(changes):
    """A node that shows each item of an inbox changed in its own way."""

    def told(path, value):
        for item in value["items"] if path == "/v1/inbox" else []:
            item["entry"] = changes[item["position"]](item["entry"])
        return value

    return told


def ours(**facts):
    return lambda entry: changed(entry, True, **facts)


def there(**facts):
    return lambda entry: changed(entry, False, **facts)


def at_home(**told):
    def change(entry):
        home = json.loads(entry.partition("\n")[0])["home"]
        return changed(entry, True, home={**home, **told})

    return change


def posted_here(entry):
    line, _, signed = entry.split("\n")
    facts = json.loads(line)
    facts.pop("home")
    return f"{json.dumps(facts)}\n{signed}"


def before_its_trust(home, view):
    later = {"view": view, "taken_ms": NOW_MS + 60_000}
    return lambda entry: there(**later)(at_home(index=home)(entry))


async def test_another_implementation_seals_to_nobody_whom_its_home_shut_out(tmp_path):
    """Our node takes the suspension in for what is in force there, and not for its own."""
    header = msgspec.to_builtins(border().header(to=[OPS]))
    chosen = ("verb", "status", "feed", "to", "marking", "precedence")
    said = {name: header[name] for name in ("type", "schema", "regime", "declares")}
    told = {
        "keys": {**javascript.keys(border().secrets[WATCH]), "ms": NOW_MS},
        "draft": {
            "header": {name: header[name] for name in chosen},
            "bulletin": {**said, "observed": "2026-11-23T18:01:00Z", "due": None},
        },
    }
    async with abroad() as both:
        here = profile(both.url, WATCH, node="us", anchor=border().anchor)
        told["profile"] = msgspec.to_builtins(here)
        files = {name: tmp_path / f"{name}.json" for name in told}
        for name, content in told.items():
            files[name].write_text(json.dumps(content), "utf-8")
        words = (files["profile"], files["keys"], "post", files["draft"])
        assert (await javascript.running(*words))["facts"]["kind"] == "accepted"
        await both.trusts(border().amended(OPS, suspended))
        assert await javascript.running(*words) == {"code": "endpoint-suspended"}


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
        for _ in range(8):
            await both.sent(bulletin())
        await both.trusts(border().amended(COAST, suspended), NOW + 60)
        size, view = len(both.pa.entries), both.pa.view.index
        items = await inbox(both)
        assert [item["home"]["node"] for item in items] == ["pa"] * 8
        assert items[0]["bulletin"]["type"] == "voi"
        lies = {
            there(view=2): "trust-invalid",
            at_home(index=2): "trust-invalid",
            there(taken_ms=1): "trust-invalid",
            there(taken_ms=NOW_MS + 60_001): "trust-invalid",
            before_its_trust(size, view): "trust-invalid",
            at_home(node="pa-2"): "trust-invalid",
            ours(wraps=[D]): "home-mismatch",
            posted_here: "not-home",
        }
        found = await inbox(both, of_inbox(list(lies)))
        assert [item["locked"] for item in found] == list(lies.values())
        for lie, place in (
            (ours(kind="trust"), None),
            (there(kind="accepted"), None),
            (there(view=2), None),
            (there(position=9), None),
            (there(document={"digest": D, "size": 9}), None),
            (at_home(node="pa-2"), None),
            # The last of them takes effect before the one before it.
            (at_home(index=2), len(border().documents)),
        ):
            assert await inbox(both, of_trust(lie, place)) == {"code": "trust-invalid"}
