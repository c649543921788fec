"""An act some envelopes of which came to nothing: told, and sent to those alone who lack it."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import msgspec

from exchange.client import separating
from exchange.desk import compose, composing, rest
from exchange.desk.kept_drafts import Kept
from exchange.errors import Refusal
from exchange.web.pages import Reader
from tests.builders import COAST, MINSA, OPS, WATCH, decoded, new_id, suspended, world
from tests.desk.desked import desked
from tests.desk.test_reviewing import form
from tests.node.running import post, until

ENGLISH = Reader("en", "")
TITLE = "/bulletin/title/text"
LATER = "Once none of its envelopes waits, the text is a draft again"


def written(*to):
    """For two readers, each of whom gets an envelope."""
    typed = {at: [text] for at, text in form().items() if at[0] == "/"}
    apart = {"/post/to": [*to], "/post/separately": ["endpoint"]}
    nations = {"/post/marking/releasable_to": ["PAN", "USA"]}
    return {**composing.settle(typed, "en", to[0]).written, **nations, **apart}


async def in_part(station, holding, node, first):
    """Send to this one and to another who was suspended meanwhile; the draft that it was."""
    holding.hold_s = 0
    kept = Kept(new_id(), "voi", written(first, COAST), station.now())
    holding._drafts.put(kept)
    pages = compose.Desk(station, holding._drafts, holding)
    settled = compose.settle(pages, kept.written, ENGLISH)
    looked = await compose.look(pages, kept, settled, ENGLISH)
    assert looked.problems == []
    parts = [msgspec.structs.replace(each, as_of_ms=1) for each in looked.parts]
    held = holding.hold(kept, looked.prepared, parts)
    await until(lambda: held.state == "waits")
    await until(holding._drafts.gone)
    await stand(node, suspended)
    with suppress(Refusal):
        await station.agency.resume()
    holding.look()
    assert held.state == "partly"
    return kept.id


async def stand(node, *changes):
    """Change how the second reader stands, one document after the other."""
    before = world()
    for change in changes[:-1]:
        before = before.after(before.amended(COAST, change))
    assert (await post(node, before.amended(COAST, changes[-1]), MINSA)).refusal is None


def active(endpoint):
    return msgspec.structs.replace(endpoint, status="active")


async def test_act_that_went_in_part_is_sent_to_those_alone_who_lack_it(tmp_path):
    async with desked(tmp_path, pages=True) as desk:
        holding, node = desk.app[compose.HOLDING], desk.door.node
        before = await in_part(desk.station, holding, node, OPS)
        (left,) = holding._drafts.all()
        form_at = f"/compose/voi?draft={left.id}"
        title = left.written[TITLE][0]
        # Where it is looked at: which one it was, how it stands, and where to go on.
        for path in (f"/compose/held/{before}", "/sent"):
            page = await desk.get(path)
            assert form_at in page, path
            assert "refused: nobody got it" in page, path
        refused = page.split("Refused by the node")[1].split("</section>")[0]
        assert title in refused
        assert COAST in refused
        (sent,) = [each.header for each in desk.station.ours.posted()]
        assert (sent.to, form_at in await desk.get(f"/sent/{sent.id}")) == ([OPS], True)
        assert "if nobody touches it, deleted not before" in await desk.get("/compose")
        page = await desk.get(form_at)
        assert f"Only those who did not get it: {COAST}<" in page
        assert re.search('value="rest" checked', page)
        told, readers = await checked(desk, left)
        assert [(each["code"], each["at"]) for each in told] == [
            ("endpoint-suspended", "/post/to/1")
        ]
        # Whoever has it is no reader in the place of who does not.
        told, readers = await checked(desk, left, **{"/post/to": [OPS]})
        assert [(each["code"], each["at"]) for each in told] == [("no-readers", rest.AT)]
        await stand(node, suspended, active)
        told, readers = await checked(desk, left, **{rest.AT: [""]})
        assert (told, OPS in readers, COAST in readers) == ([], True, True)
        told, readers = await checked(desk, left, **{TITLE: [""]})
        assert (OPS in readers, COAST in readers) == (False, True)
        told, readers = await checked(desk, left)
        assert (told, OPS in readers, COAST in readers) == ([], False, True)
        review = f"/compose/voi/review?draft={left.id}"
        page = await desk.get(review)
        assert OPS not in page.split("<tbody>")[1].split("</tbody>")[0]
        told = dict(re.findall('name="(draft|changed|shown)" value="([^"]*)"', page))
        await desk.act("/compose/send", **told)
        box = desk.line.world.outbox
        await until(lambda: len(box.sent()) == 2)
        (last,) = {*box.sent()} - {sent.id}
        assert decoded(box.envelope(last).header).to == [COAST]
        await until(lambda: holding._drafts.all() == holding._drafts.gone() == [])
        # Where somebody waits yet, it is told that the text comes later.
        paths = (f"/compose/held/{before}", "/sent", f"/sent/{sent.id}")
        assert not [path for path in paths if LATER in await desk.get(path)]
        (act,) = desk.line.separating.acts()
        waits = separating.Part(new_id(), [WATCH])
        box.keep(waits.id, box.envelope(sent.id))
        act = msgspec.structs.replace(act, parts=[*act.parts, waits])
        desk.line.world.cabinet.put("acts", act.mark, msgspec.json.encode(act), act.until)
        holding.look()
        assert not [path for path in paths if LATER not in await desk.get(path)]


async def checked(desk, kept, **changes):
    """Look at a draft with these changes, and keep it; what is wrong in it, and its readers."""
    version = desk.app[compose.HOLDING]._drafts.get(kept.id).version
    asked = {**kept.written, **changes}
    sent = [(at, text) for at, texts in asked.items() for text in texts]
    sent += [("draft", kept.id), ("window", "EXERCISE"), ("changed", str(version))]
    said = json.loads(await desk.said("/compose/voi/check.json", sent))
    return said["problems"], " ".join(said["readers"])
