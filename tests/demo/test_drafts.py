"""The demo's own drafts speak of today, and of the bulletins that this very demo posted."""

from __future__ import annotations

import datetime as dt
import tomllib

import pytest

from exchange import resources
from exchange.cli.demo_drafts import Drafts
from exchange.cli.demo_inputs import NAMES
from exchange.model.bulletin import indicators
from exchange.model.draft import complete, read_draft
from exchange.model.identity import uuid7
from tests.model.bulletins import CODES, INDEX

SOURCE = resources.schemas() / "v1" / "examples"
NOW = dt.datetime(2031, 3, 9, 4, 5, 6, tzinfo=dt.UTC)
ID = "0192f3a0-0000-7000-8000-0000000000aa"


def written(folder, name, now=NOW):
    seconds = None if now is None else int(now.timestamp())
    return Drafts(SOURCE, folder / "drafts", seconds).write(name)


def said(folder, name, now=NOW):
    return tomllib.loads(written(folder, name, now).read_text("utf-8"))["bulletin"]


@pytest.mark.parametrize("now", [NOW, NOW.replace(month=1, day=1), NOW.replace(year=2026)])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_looks_odd_whenever_the_case_is_told(tmp_path, name, now):
    read = read_draft(written(tmp_path, name, now).read_bytes(), toml=True)
    issued = int(now.timestamp())
    bulletin = complete(read, id=uuid7(issued * 1000, bytes(10)), origin="pa.x", codes=CODES)
    assert indicators(bulletin, CODES, issued) == []


def test_times_are_moved_together_by_whole_minutes(tmp_path):
    told_at = dt.datetime(2026, 11, 25, 15, 10, tzinfo=dt.UTC)
    by = NOW.replace(second=0) - told_at
    for name, member in (("voi-1.es.toml", "observed"), ("rfi-1.es.toml", "due")):
        before = tomllib.loads((SOURCE / name).read_text("utf-8"))["bulletin"][member]
        assert said(tmp_path, name)[member] == before + by
    assert said(tmp_path, "rfi-1.es.toml")["due"] > NOW
    assert said(tmp_path, "cor-1.es.toml")["observed"] < NOW


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [
        (NOW, (2031, 1), (2031, 7)),
        (NOW.replace(month=1, day=1), (2030, 7), (2031, 1)),
        (NOW.replace(month=12), (2031, 7), (2032, 1)),
    ],
)
def test_statistics_are_of_the_whole_half_year_of_the_seizure(tmp_path, now, first, last):
    content = said(tmp_path, "sta-2.en.toml", now)["content"]
    period, seized = content["period"], content["reconciled"][0]["seized_at"]
    assert period["start"] == dt.datetime(*first, 1, tzinfo=dt.UTC)
    assert period["end"] == dt.datetime(*last, 1, tzinfo=dt.UTC)
    assert period["start"] <= seized < period["end"]
    assert [each["year"] for each in content["published"]] == [2015, 2016]


@pytest.mark.parametrize(("name", "now"), [("dlg-1.es.toml", NOW), ("voi-1.es.toml", None)])
def test_published_facts_and_somebody_s_own_drafts_keep_their_times(tmp_path, name, now):
    assert written(tmp_path, name, now).read_text("utf-8") == (SOURCE / name).read_text("utf-8")


def test_what_was_posted_is_cited_by_the_id_that_it_got(tmp_path):
    drafts = Drafts(SOURCE, tmp_path / "drafts", posted={"szr-1.es.toml": ID, "x.toml": "y"})
    text = drafts.write("sta-2.en.toml").read_text("utf-8")
    assert f'bulletins = ["{ID}"]' in text
    assert INDEX["szr-1.es.toml"]["id"] not in text
