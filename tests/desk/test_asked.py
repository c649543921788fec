"""What the desk's pages say and do, asked for without a browser."""

from __future__ import annotations

import re
import tempfile

import pytest

from exchange.desk import agenda, calendar, inbox
from exchange.errors import Code, Fault, Refusal
from exchange.web import frame
from tests.desk.desked import desked
from tests.desk.test_calendar import operation, point
from tests.desk.watching import delivered

PAGES = (
    *("/", "/sent", "/compose", "/map", "/requests"),
    *("/calendar", "/initiatives", "/handover", "/notify"),
)
COMPLETE = re.compile(r'<span id="complete" class="([^"]*)">')


@pytest.fixture
async def desk(tmp_path):
    async with desked(tmp_path, pages=True) as made:
        yield made


async def test_every_page_tells_what_goes_wrong_and_no_other_does(desk):
    index = await desk.post()
    await desk.hear()
    hidden = re.compile(r'<div id="trouble"[^>]*hidden>')
    for path in (*PAGES, f"/entry/{index}"):
        assert hidden.search(await desk.get(path)), path
    desk.station.trouble = Fault(Code.NODE_UNREACHABLE)
    for path in (*PAGES, f"/entry/{index}"):
        page = await desk.get(path)
        assert not hidden.search(page), path
        assert page.count("[node-unreachable]") == 1, path


async def test_complete_is_green_only_while_it_holds(desk):
    assert COMPLETE.findall(await desk.get("/")) == ["signal"]
    await desk.door.node.checkpoints.checkpoint()
    await desk.station.prove()
    assert COMPLETE.findall(await desk.get("/")) == ["signal signal-ok"]
    for name in ("alarm", "trouble", "unproven"):
        setattr(desk.station, name, Refusal(Code.ITEM_WITHHELD))
        page = await desk.get("/")
        assert COMPLETE.findall(page) == ["signal"], name
        assert "Complete:" not in page
        setattr(desk.station, name, None)


async def test_what_was_never_opened_is_opened_before_it_is_acknowledged(desk):
    index = await desk.post(precedence="flash")
    await desk.hear()
    said = {"index": str(index), "outcome": "opened"}
    assert 'action="/en/ack"' not in await desk.get("/")
    assert await desk.act("/ack", **said) == f"/entry/{index}"
    assert desk.station.seen.digests() == set()
    await desk.get(f"/entry/{index}")
    assert 'action="/en/ack"' in await desk.get("/")
    assert await desk.act("/ack", **said) == f"/?done={index}"
    assert desk.station.seen.digests() == {desk.station.shelf.row(index).digest}


async def test_what_names_no_entry_means_none(desk):
    desk.station._arrive(delivered(0))
    assert inbox._row(desk.station, "0").item.index == 0
    for said in ("", "-1", "x", "\u0661", "9" * 12):
        assert inbox._row(desk.station, said) is None, said


@pytest.mark.parametrize(
    ("said", "is_meant"),
    [("0", 0), ("42", 42), ("", None), ("-1", None), ("1" * 10, None), ("\u0661", None)],
)
def test_number_of_an_address_is_ascii_and_short(said, is_meant):
    assert frame.number(said) == is_meant


async def test_attachment_is_handed_over_and_nothing_opened_lies_on_the_disk(
    desk, tmp_path, monkeypatch
):
    marker = b"TEST attachment, opened "
    file, large = tmp_path / "EXERCISE.txt", tmp_path / "EXERCISE.bin"
    file.write_bytes(b"EXERCISE: text")
    large.write_bytes(marker * 400_000)
    index = await desk.post(attach=(file, large))
    await desk.hear()
    # Whoever opened something there would fail.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    answer = await desk.saved(f"/entry/{index}/file/1")
    assert 'filename="EXERCISE.bin"' in answer.headers["Content-Disposition"]
    first = await answer.content.readexactly(len(marker))
    assert first == marker
    # Nobody takes the rest yet: it is under way.
    folder = desk.line.world.cabinet.folder
    here = [each for each in folder.rglob("*") if each.is_file()]
    assert any(each.suffix == ".part" for each in here)
    assert not any(marker in each.read_bytes() for each in here)
    assert first + await answer.read() == large.read_bytes()
    assert "EXERCISE: text" in await desk.get(f"/entry/{index}/file/0/text")
    assert list((folder / "fetched").iterdir()) == []


async def test_what_a_killed_desk_left_of_an_attachment_is_gone_when_one_opens(tmp_path):
    left = tmp_path / "reader" / "fetched" / "other"
    left.mkdir(parents=True)
    (left / ".blob.part").write_bytes(b"TEST")
    async with desked(tmp_path, pages=True):
        assert not left.parent.exists()


async def test_calendar_asks_once_what_meets(desk, monkeypatch):
    asked, plain = [], calendar.meetings
    monkeypatch.setattr(calendar, "meetings", lambda each: asked.append(1) or plain(each))
    items = [operation(n, f"EXERCISE {n}", at=point(-79.5, 9)) for n in range(3)]
    shown = agenda.on(desk.station, calendar.operations(items), "en")
    assert len(asked) == 1
    assert [sorted(name for name, _ in each.meets) for each in shown] == [
        ["EXERCISE 1", "EXERCISE 2"],
        ["EXERCISE 0", "EXERCISE 2"],
        ["EXERCISE 0", "EXERCISE 1"],
    ]
