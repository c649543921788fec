"""CSV: RFC 4180, harmless in a spreadsheet, and read back whole for a VOI and an SZR."""

from __future__ import annotations

import csv
import io
import json
import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange import gateway
from exchange.errors import Refusal
from exchange.gateway import members, tables
from exchange.model import draft as drafts
from exchange.model.bulletin import shape
from exchange.model.header import Reference
from exchange.render import cells
from tests.gateway.handed import SHORT, cover, exported, filled
from tests.model.bulletins import CODES, NAMES, drafted, example

RISKY = ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\uff1d1", "'=1", "'quoted'", "''", "-"]
INSIDE = ["A;=cmd|calc!A1", "uno;=1+1;dos", "a\n-1", "a\t'b", 'x;"=1"', "x;''=1", ";\uff1d1"]
BACK = [name for name in SHORT if name[:3] in ("voi", "szr")]


def rows(data):
    assert data.endswith(b"\r\n")
    return list(csv.DictReader(io.StringIO(data.decode()), strict=True))


@pytest.mark.parametrize("lang", ["es", "en"])
@pytest.mark.parametrize("name", SHORT)
def test_every_row_has_every_column_and_the_marking(name, lang):
    for row in rows(exported(name, "csv", lang)):
        assert None not in row
        assert None not in row.values()
        assert row["marking"].startswith("EXERCISE // TLP:")


@pytest.mark.parametrize("name", [n for n in SHORT if n not in BACK])
def test_other_types_are_one_row_for_each_value_with_its_label(name):
    made = rows(exported(name, "csv"))
    assert made[0].keys() == {"marking", "member", "label", "value", "words"}
    values = members.plain(example(name))
    leaves = list(members.leaves(shape.of(example(name).type), values))
    told = {row["member"]: cells.armed(row["value"]) for row in made}
    for leaf in leaves:
        cell = told[leaf.dotted]
        assert leaf.value == (cell if isinstance(leaf.value, str) else json.loads(cell))


def test_a_seizure_is_one_row_for_the_bulletin_and_one_for_each_repeated_thing():
    made = {row["row"]: row for row in rows(exported("szr-1", "csv"))}
    assert made["bulletin"]["content.event"] == "EX-2026-0107"
    assert made["content.drugs.1"]["quantity.packages"] == "34"
    assert made["content.drugs.1.logos.1"]["value"] == "EXERCISE STAR"
    assert made["content.arrested.2"]["age_band"] == "30-44"


@pytest.mark.parametrize("name", BACK)
def test_what_was_exported_is_imported_without_loss(name):
    made = gateway.imported(exported(name, "csv"), "csv", name[:3], "es", CODES)
    assert made.missing == ["/post/feed", "/post/expires", "/post/retain"]
    again = drafts.read_draft(filled(made.draft), toml=True)
    was = example(name)
    assert drafts.complete(again, id=was.id, origin=was.origin, codes=CODES) == was
    file = next(found for found in NAMES if found.startswith(name))
    for part in ("marking", "status", "precedence"):
        assert getattr(again.post, part) == getattr(drafted(file).post, part)


@pytest.mark.parametrize("cell", RISKY)
def test_no_cell_is_run_by_a_spreadsheet_and_each_comes_back_as_it_was(cell):
    assert cells.disarmed(cell).startswith("'")
    assert cells.armed(cells.disarmed(cell)) == cell


@pytest.mark.parametrize("cell", INSIDE)
def test_no_cell_is_run_where_a_semicolon_parts_cells(cell):
    written = io.StringIO()
    csv.writer(written).writerow(["first", cells.disarmed(cell)])
    for line in written.getvalue().splitlines():
        for delimiter in ";\t":
            for each in next(csv.reader([line], delimiter=delimiter)):
                assert each[:1] not in tuple("=+-@\uff1d")
    assert cells.armed(cells.disarmed(cell)) == cell
    assert cells.is_disarmed(cells.disarmed(cell)) == (cell not in ("a\t'b", "x;''=1"))


@given(st.text(alphabet=";\t\r\n\"'=+-@1a", max_size=8))
def test_what_was_disarmed_comes_back_as_it_was(cell):
    assert cells.armed(cells.disarmed(cell)) == cell


@pytest.mark.parametrize("cell", ["-79.53", "-8e-3", "7", "text", "a=b", ""])
def test_plain_numbers_and_words_are_left_as_they_are(cell):
    assert cells.disarmed(cell) == cell
    assert cells.armed(cell) == cell


def risky():
    bulletin = example("voi-1")
    vessel = msgspec.structs.replace(bulletin.content.vessel, name="=HYPERLINK(A1)")
    content = msgspec.structs.replace(bulletin.content, vessel=vessel)
    return msgspec.structs.replace(bulletin, content=content)


def test_a_formula_in_a_name_is_disarmed_counted_and_read_back():
    data = gateway.export(risky(), cover("voi-1"), "csv", "en", CODES)
    assert b",'=HYPERLINK(A1)," in data
    assert tables.count_disarmed(data) == 1
    assert tables.count_disarmed(exported("voi-1", "csv")) == 0
    back = tables.read(data, "voi")
    assert back["bulletin"]["content"]["vessel"]["name"] == "=HYPERLINK(A1)"


def refused(data, type_="voi"):
    with pytest.raises(Refusal) as caught:
        gateway.imported(data, "csv", type_, "en", CODES)
    return caught.value.code.value, caught.value.at


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xff,\r\n", ("not-utf-8", "")),
        (b"", ("malformed", "")),
        (b"row,type\r\n", ("malformed", "")),
        (b"row,type\r\nbulletin,voi,more\r\n", ("malformed", "")),
        (b"row,type\r\nbulletin\r\n", ("malformed", "")),
        (b'row,type\r\nbulletin,"voi', ("malformed", "")),
        (b"row,type\r\n" + b"bulletin,voi\r\n" * 2001, ("malformed", "")),
        (b"row,type\r\nbulletin,szr\r\n", ("nothing-to-import", "")),
        (b"row,type\r\nbulletin,voi\r\n,voi\r\n", ("nothing-to-import", "")),
        (b"row,lang\r\nx.1,es\r\nx.01,es\r\n", ("nothing-to-import", "")),
        (
            b"row,type,post.marking.tlp,post.marking.tlp\r\n,voi,red,clear\r\n",
            ("malformed", ""),
        ),
        (b"row,lang\r\ntitle.translations.0,es\r\n", ("malformed", "")),
        (b"row,lang\r\ntitle.translations.99999,es\r\n", ("malformed", "")),
        (
            b"row,content.persons_on_board\r\nbulletin,four\r\n",
            ("wrong-value", "/bulletin/content/persons_on_board"),
        ),
        (
            b"row,content.seen.place.geometry\r\nbulletin,[1]\r\n",
            ("wrong-value", "/bulletin/content/seen/place/geometry"),
        ),
        (b"row,title.text\r\nbulletin," + b"x" * 300_000, ("oversized", "")),
    ],
    ids=range(16),
)
def test_a_file_that_is_not_ours_is_refused(data, told):
    assert refused(data) == told


def test_columns_that_no_member_has_are_left_aside():
    data = b"row,type,mood,id,content.vessel.name\r\nbulletin,voi,good,x,EXERCISE\r\n"
    made = gateway.imported(data, "csv", "voi", "en", CODES)
    assert tomllib.loads(made.draft)["bulletin"]["content"]["vessel"] == {"name": "EXERCISE"}
    # Each is told, but for what the program fills in itself.
    assert made.noted == [gateway.Noted("column", "mood")]


def test_rows_taken_out_leave_no_gap():
    data = exported("szr-1", "csv").replace(b",content.custody.1,", b",content.gone.1,")
    custody = tables.read(data, "szr")["bulletin"]["content"]["custody"]
    assert [step["custody_action"] for step in custody] == ["transferred"]


def test_a_marking_of_nobody_is_not_made_up():
    made = tables.read(b"row,type\r\nbulletin,voi\r\n", "voi")
    assert made["post"] == {}


def without(data, column):
    """A written file without a column."""
    read = list(csv.reader(io.StringIO(data.decode())))
    gone = read[0].index(column)
    out = io.StringIO()
    csv.writer(out).writerows(row[:gone] + row[gone + 1 :] for row in read)
    return out.getvalue().encode()


@pytest.mark.parametrize("name", ["handling", "releasable_to", "tlp"])
def test_a_part_of_the_marking_without_a_column_is_missing(name):
    data = without(without(exported("voi-1", "csv"), f"post.marking.{name}"), "marking")
    made = gateway.imported(data, "csv", "voi", "en", CODES)
    assert f"/post/marking/{name}" in made.missing


def test_what_was_done_to_a_bulletin_whose_it_is_and_its_references_are_told():
    ref = Reference(
        rel="corrects", id="01a21c0c-1410-7c90-91a2-ae26a316e63e", header_digest="0" * 64
    )
    given = msgspec.structs.replace(cover("voi-1"), bears=["cancelled", "doubted"], refs=[ref])
    for to in gateway.SOURCES:
        data = gateway.export(example("voi-1"), given, to, "en", CODES)
        made = gateway.imported(data, to, "voi", "en", CODES)
        assert [(each.about, each.value) for each in made.noted] == [
            ("bears", "cancelled"),
            ("bears", "doubted"),
            ("origin", example("voi-1").origin),
            ("refs", f"corrects {ref.id}"),
        ]


@pytest.mark.parametrize(
    ("told", "instead"),
    [("// H2", "// H3"), ("TLP:AMBER", "TLP:RED"), ("EXERCISE //", "CORRECTED // EXERCISE //")],
)
def test_a_banner_that_says_otherwise_than_the_columns_decides_nothing(told, instead):
    data = exported("voi-1", "csv", handling=["h2"]).decode()
    honest = gateway.imported(data.encode(), "csv", "voi", "en", CODES)
    assert "/post/marking" not in honest.missing
    assert told in data
    edited = data.replace(told, instead)
    made = gateway.imported(edited.encode(), "csv", "voi", "en", CODES)
    assert "/post/marking" in made.missing
    (banner,) = [each.value for each in made.noted if each.about == "banner"]
    assert instead in banner
