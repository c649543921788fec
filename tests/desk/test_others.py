"""Of an act in several envelopes one is cancelled: what became of the others is told."""

from __future__ import annotations

import html
import re
from functools import partial

import msgspec

from exchange.client import separating, story
from exchange.client.attaching import untold
from exchange.desk import compose
from exchange.desk.kept_drafts import Kept
from exchange.model.bulletin.blocks import Target
from tests.builders import COAST, OPS, new_id, suspended
from tests.client.dealing import draft
from tests.client.foureyes import MARK
from tests.client.test_separating import to
from tests.desk.desked import desked
from tests.desk.test_rest import active, checked, in_part, stand
from tests.model.bulletins import drafted
from tests.node.running import until

VESSEL = "/content/vessel/name"
LIST = "Its text went in other envelopes too"


async def an_act(author, *readers):
    """Send the example in an envelope for each; the headers of them."""
    prepared = await author.prepare(to(*readers))
    view, now = author.trust.newest, author.world.now()
    parts = separating.split(prepared, "endpoint", view, now, author.new_id)
    standing = await author.separating.post(parts, MARK, untold)
    assert {each.state for each in standing} == {"sent"}
    return [each.header for each in parts]


async def about(author, header, kind):
    """What corrects or cancels it, for whom it went to."""
    said = msgspec.json.decode(msgspec.json.encode(drafted(f"{kind}-1.es.toml").bulletin))
    if kind == "cor":
        change = {"pointer": VESSEL, "before": "EXERCISE GAVIOTA", "after": "EXERCISE HERON II"}
        said["content"] |= {"changes": [change], "correction_reason": "identity"}
    made = draft(said)
    made = msgspec.structs.replace(
        made, post=msgspec.structs.replace(made.post, to=header.to, feed=header.feed)
    )
    return await author.prepare(made, await target(author, header))


async def target(author, header):
    sent = story.posted(author.world.outbox, header.id)
    return Target(header.id, header.origin, header.type, sent.digest)


async def test_who_cancels_one_envelope_is_told_of_the_others_until_they_are_too(tmp_path):
    async with desked(tmp_path, pages=True) as desk:
        one, two = await an_act(desk.line, OPS, COAST)
        for path in (f"/compose/can?cancel={one.id}", f"/compose/cor?correct={one.id}"):
            page = html.unescape(await desk.get(path))
            assert LIST in page, path
            assert f'{COAST} · <a href="/en/sent/{two.id}">' in page
            verb = path.split("?")[1].split("=")[0]
            assert f"/en/compose?{verb}={two.id}" in page
            assert f"/en/compose?{verb}={one.id}" not in page
        assert LIST not in await desk.get("/compose/voi")
        # It is told on the page of what went, too.
        prepared = await about(desk.line, one, "can")
        holding = desk.app[compose.HOLDING]
        holding.hold_s = 0
        kept = Kept(new_id(), "can", {}, desk.station.now())
        holding._drafts.put(kept)
        holding.hold(kept, prepared)
        await holding._tasks[kept.id]
        page = html.unescape(await desk.get(f"/compose/held/{kept.id}"))
        assert LIST in page
        assert f"/en/compose?cancel={two.id}" in page
        # An id of an envelope in a reply is no target of its own.
        written = {"/bulletin/content/target/id": [one.id]}
        reply = Kept(new_id(), "rpy", written, desk.station.now())
        holding._drafts.put(reply)
        assert LIST not in await desk.get(f"/compose/rpy?draft={reply.id}")
        # Seen from the other, this one is done with.
        page = html.unescape(await desk.get(f"/compose/can?cancel={two.id}"))
        assert f"/en/compose?cancel={one.id}" not in page
        assert "cancelled" in page.split(LIST)[1].split("</section>")[0]


async def test_what_is_corrected_alone_still_stands_and_what_waits_goes_by_itself(tmp_path):
    async with desked(tmp_path) as desk:
        author = desk.line
        one, two = await an_act(author, OPS, COAST)
        others = partial(author.separating.others, two.id)
        prepared = await about(author, one, "cor")
        await author.post(prepared)
        assert [(e.id, e.to, e.done, e.is_over) for e in others()] == [
            (one.id, one.to, "corrected", False)
        ]
        waits = await about(author, one, "can")
        await author.queue(msgspec.structs.replace(waits, as_of_ms=1))
        assert [(each.done, each.is_over) for each in others()] == [("waits", True)]
        await author.resume()
        assert [(each.done, each.is_over) for each in others()] == [("cancelled", True)]
        assert author.separating.others(new_id()) == []


async def test_the_newest_version_of_an_envelope_stands_for_it(tmp_path):
    async with desked(tmp_path) as desk:
        author = desk.line
        one, two = await an_act(author, OPS, COAST)
        made = to(COAST)
        update = msgspec.structs.replace(
            made, post=msgspec.structs.replace(made.post, verb="update")
        )
        newer = await author.prepare(update, await target(author, two))
        await author.post(newer)
        others = author.separating.others
        assert [each.id for each in others(one.id)] == [newer.header.id]
        assert [each.id for each in others(newer.header.id)] == [one.id]
        assert [each.id for each in others(two.id)] == [one.id]
        # Once that is cancelled, what it replaced stands, and is told of until it is cancelled.
        gone = await about(author, newer.header, "can")
        await author.queue(msgspec.structs.replace(gone, as_of_ms=1))
        assert [(each.id, each.done) for each in others(one.id)] == [(two.id, "stands")]
        await author.resume()
        assert [(each.id, each.done) for each in others(one.id)] == [(two.id, "stands")]
        await author.post(await about(author, two, "can"))
        assert [each.is_over for each in others(one.id)] == [True]


async def test_rest_of_an_act_is_one_of_its_envelopes(tmp_path):
    async with desked(tmp_path, pages=True) as desk:
        holding, node = desk.app[compose.HOLDING], desk.door.node
        await in_part(desk.station, holding, node, OPS)
        (left,) = holding._drafts.all()
        (one,) = [each.header.id for each in desk.station.ours.posted()]
        await stand(node, suspended, active)
        await checked(desk, left)
        page = await desk.get(f"/compose/voi/review?draft={left.id}")
        told = dict(re.findall('name="(draft|changed|shown)" value="([^"]*)"', page))
        await desk.act("/compose/send", **told)
        separating = desk.line.separating
        await until(lambda: separating.others(one))
        (rest,) = separating.others(one)
        assert (rest.to, [each.id for each in separating.others(rest.id)]) == ([COAST], [one])
        assert {one, rest.id} <= separating.together()[0]


async def test_page_of_an_act_leads_to_a_draft_where_there_is_one_alone(tmp_path):
    async with desked(tmp_path, pages=True) as desk:
        holding, node = desk.app[compose.HOLDING], desk.door.node
        before = await in_part(desk.station, holding, node, OPS)
        (left,) = holding._drafts.all()
        page = await desk.get(f"/compose/held/{before}")
        assert "as a new draft" in page
        assert f"draft={left.id}" in page
        holding._drafts.drop(left.id)
        page = await desk.get(f"/compose/held/{before}")
        assert "Some envelopes were sent" in page
        assert "as a new draft" not in page
        assert "draft=" not in page
