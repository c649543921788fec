"""A draft as it is looked at before it goes: what is odd, what binds, and what stays behind."""

from __future__ import annotations

import json
import re

from exchange import resources
from exchange.desk import audience, composing, forms, searching
from exchange.desk.kept_files import KeptFiles
from exchange.model import codes as code_lists
from exchange.model.draft import read_draft
from tests.builders import WATCH, new_id
from tests.client.dealing import draft
from tests.desk.desked import desked
from tests.desk.test_kept_files import taken

CODES = code_lists.load(resources.read)
GEOMETRY = "/bulletin/content/seen/place/geometry"


def must_say_what_binds(page):
    for label in ("Originator control", "Expires", "Retain until", "Issued"):
        assert f"<dt>{label}" in page, label


def form(**changes):
    """What a browser sends of the vessel of the examples, with an identity for its draft."""
    example = read_draft(resources.read("v1/examples/voi-1.es.toml"), toml=True)
    of_type = composing.under(forms.of_type("voi", example.bulletin, "en", CODES), {})
    sent = {
        each.at: each.value
        for each in forms.every(of_type)
        if each.kind not in ("group", "rows", "some-of")
    }
    post = {
        "feed": "maritime",
        "precedence": "routine",
        "status": "exercise",
        "expires": "72h",
        "retain": "365d",
        "to": "pa.senan/ops",
        "marking/tlp": "amber",
        "marking/releasable_to": "PAN",
        "marking/originator_control": "true",
    }
    asked = {f"/post/{name}": text for name, text in post.items()}
    return {"draft": str(new_id()), **sent, **asked, **changes}


async def test_position_typed_with_the_longitude_first_is_told_of(tmp_path):
    async with desked(tmp_path, pages=True) as desk:
        said = await desk.said(
            "/compose/voi/check.json", form(**{GEOMETRY: "-80.4125, 6.8831"})
        )
        (odd, *_) = json.loads(said)["warnings"]
        assert "80°24.750' S 006°52.986' E" in odd
        assert "06°52.986' N 080°24.750' W" in odd
        page = await desk.get("/compose/voi")
        assert "GeoJSON" not in page


async def test_browser_is_given_nothing_to_keep(tmp_path):
    """Its history has addresses and titles; its sessions, what a page was the answer to."""
    async with desked(tmp_path, pages=True) as desk:
        index = await desk.post()
        await desk.hear()
        title = desk.station.shelf.row(index).title["en"]
        for path in (f"/entry/{index}", "/compose/voi"):
            head, body = (await desk.get(path)).split("</title>")
            assert title not in head
            assert "<title>Vessel of interest" in head
            controls = re.findall(r"<textarea|<input[^>]*type=.(?:text|search|password)", body)
            assert body.count('autocomplete="off"') >= len(controls)
        assert title in body or title in await desk.get(f"/entry/{index}")
        there = await desk.act("/find", q=title, band="routine", view="")
        assert there == "/?band=routine&find=1"
        assert await desk.act("/map/find", q=title) == "/map?find=1"
        assert await desk.act("/find", q="no-such-word") == "/?find=2"
        assert f"/entry/{index}" in await desk.get("/?find=1")
        assert f"/entry/{index}" not in await desk.get("/?find=2")
        # An address that somebody kept from before holds.
        assert f"/entry/{index}" not in await desk.get("/?q=no-such-word")
        sent = {**form(), "window": "EXERCISE"}
        review = await desk.act("/compose/voi/review", **sent)
        assert review == f"/compose/voi/review?draft={sent['draft']}"
        assert sent["/bulletin/title/text"] in await desk.get(review)
        # What is not whole comes back as a form, at an address of its own too.
        sent["/bulletin/title/text"] = ""
        assert 'id="summary"' in await desk.said("/compose/voi/review", sent, 422)
        session = next(iter(desk.way._sessions.values()))
        for number in range(searching.MOST + 5):
            searching.keep(session, f"EXERCISE {number}")
        assert len(session.searches) == searching.MOST
        assert len(set(session.searches)) == searching.MOST


async def test_review_is_of_the_very_files(tmp_path):
    """One of the same name and size in its place is not what was shown."""
    async with desked(tmp_path) as desk:
        files, shown = KeptFiles(desk.line.world.cabinet), []
        for content in (b"EXERCISE A", b"EXERCISE B", b"EXERCISE A"):
            filed = await taken(files, "EXERCISE.txt", content)
            prepared = await desk.line.prepare(draft(), attach=[files.file(filed)])
            shown.append(audience.shown(prepared, draft().post))
        assert shown[0] == shown[2] != shown[1]


UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


async def test_review_shows_what_it_binds_and_no_identity_that_nothing_will_have(tmp_path):
    async with desked(tmp_path, pages=True) as desk:
        sent = {**form(), "window": "EXERCISE"}
        page = await desk.get(await desk.act("/compose/voi/review", **sent))
        assert set(UUID.findall(page)) == {sent["draft"]}
        must_say_what_binds(page)
        assert f"Only {WATCH.partition('/')[0]} may allow" in page


COMMAND = re.compile(r"exchange [a-z]+|`|[Mm]ember|ISO 3166")


async def test_form_speaks_of_itself_and_not_of_commands(tmp_path):
    async with desked(tmp_path, pages=True) as desk:
        page = await desk.get("/compose/voi")
        assert "ISO 3166-1 alpha-3, sorted" not in page
        assert "as this page: English" in page
        lacks = {"/bulletin/title/text": ""}
        wrong = (
            {"/bulletin/content/notice": "shout"},
            {"/post/feed": "nowhere"},
            {"/post/to": "", "/post/marking/releasable_to": "USA"},
        )
        found = []
        for changes in wrong:
            said = await desk.said("/compose/voi/check.json", form(**changes))
            found += json.loads(said)["problems"]
        assert {each["code"] for each in found} == {"wrong-value", "unknown-feed", "no-readers"}
        assert [each for each in found if COMMAND.search(each["next"])] == []
        said = await desk.said("/compose/voi/review", form(**lacks), 422)
        summary = said.partition('id="summary"')[2].partition("</div>")[0]
        assert "Fill it in." in summary
        assert "send again" not in summary


def test_example_beside_a_list_is_none_that_is_typed():
    fields = forms.every(forms.of_type("voi", {}, "en", CODES))
    chosen = [each for each in fields if each.kind in ("one-of", "some-of", "yes-no")]
    assert chosen
    assert [each.at for each in chosen if each.example] == []
    assert {each.example for each in fields if each.kind == "time"} == {"231801ZNOV26"}
