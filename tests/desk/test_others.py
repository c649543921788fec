"""Of an act in several envelopes one is cancelled: what became of the others is told."""

from __future__ import annotations

import html

import msgspec

from exchange.client import separating, story
from exchange.client.attaching import untold
from exchange.desk import compose
from exchange.desk.kept_drafts import Kept
from exchange.model.bulletin.blocks import Target
from tests.builders import COAST, OPS, new_id
from tests.client.dealing import draft
from tests.client.foureyes import MARK
from tests.client.test_separating import to
from tests.desk.desked import desked
from tests.desk.test_rest import in_part
from tests.model.bulletins import drafted

LIST = "Its text went in other envelopes too"


async def an_act(author, *readers):
    """Send the example in an envelope for each; the headers of them."""
    prepared = await author.prepare(to(*readers))
    view, now = author.trust.newest, author.world.now()
    parts = separating.split(prepared, "endpoint", view, now, author.new_id)
    standing = await author.separating.post(parts, MARK, untold)
    assert {each.state for each in standing} == {"sent"}
    return [each.header for each in parts]


async def cancelling(author, header):
    """What cancels it, for whom it went to."""
    said = msgspec.json.decode(msgspec.json.encode(drafted("can-1.es.toml").bulletin))
    made = draft(said)
    made = msgspec.structs.replace(
        made, post=msgspec.structs.replace(made.post, to=header.to, feed=header.feed)
    )
    sent = story.posted(author.world.outbox, header.id)
    target = Target(header.id, header.origin, header.type, sent.digest)
    return await author.prepare(made, target)


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
        prepared = await cancelling(desk.line, one)
        holding = desk.app[compose.HOLDING]
        holding.hold_s = 0
        kept = Kept(new_id(), "can", {}, desk.station.now())
        holding._drafts.put(kept)
        holding.hold(kept, prepared)
        await holding._tasks[kept.id]
        page = html.unescape(await desk.get(f"/compose/held/{kept.id}"))
        assert LIST in page
        assert f"/en/compose?cancel={two.id}" in page
        # Seen from the other, this one is done with.
        page = html.unescape(await desk.get(f"/compose/can?cancel={two.id}"))
        assert f"/en/compose?cancel={one.id}" not in page
        assert "cancelled" in page.split(LIST)[1].split("</section>")[0]


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
