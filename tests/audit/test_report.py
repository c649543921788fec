"""The report for the dialogue: the same figures for whoever computes them."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from contextlib import ExitStack
from math import log10

import msgspec
import pytest

from exchange.audit.report import cells, document, figures, marks, page
from exchange.audit.report.figures import Column, Report, Table, percentile
from exchange.audit.report.making import Asked, make
from exchange.audit.report.marks import Marks, Signed, Vouched, up
from exchange.audit.report.telling import catalogue, tell
from exchange.audit.verify import Stored
from exchange.cli.journal_file import opened
from exchange.errors import Code, Fault, Refusal
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.web.words import number
from tests.audit.half_year import ANNEX, PERIOD, SHARED, TIMES, half_year
from tests.audit.traded import written
from tests.builders import NOW_MS, border
from tests.model.bulletins import CODES

ASKED = Asked(*PERIOD, border().anchor)


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    return written(tmp_path_factory.mktemp("half-year"), half_year)


@pytest.fixture(scope="module")
def sources(traded):
    with ExitStack() as stack:
        yield [stack.enter_context(opened(file)) for file in traded.files]


@pytest.fixture(scope="module")
def shared(sources):
    return make(sources, ASKED)


class Earlier:
    """A mirror that was pulled when there were only so many entries."""

    def __init__(self, source, size):
        self.source, self.end = source, size
        self.blob, self.hashes = source.blob, source.hashes

    def size(self):
        return self.end

    def read(self, first, limit):
        return self.source.read(first, max(min(limit, self.end - first), 0))

    def kinds(self, first, limit):
        return self.source.kinds(first, limit)[: max(self.end - first, 0)]


class Edited(Earlier):
    """A mirror of which one entry says something else."""

    def __init__(self, source, index, old, new):
        super().__init__(source, source.size())
        self.index, self.old, self.new = index, old, new

    def read(self, first, limit):
        return [
            each
            if each.index != self.index
            else Stored(each.index, each.entry.replace(self.old, self.new, 1), each.leaf)
            for each in super().read(first, limit)
        ]


# -- what is counted --------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHARED)
def test_each_figure_is_as_counted_by_hand(shared, name):
    assert list(shared.table(name).rows) == SHARED[name]


def test_response_times_are_as_counted_by_hand(shared):
    found = {row[0]: row[2:] for row in shared.table("times").rows if row[1] == ""}
    assert found == TIMES
    flash = [row for row in shared.table("times").rows if row[1] == "flash"]
    assert [row[2] for row in flash] == [1, 1, 1, 1, 1]


def test_cases_events_and_what_it_rests_on(shared, sources):
    cases = {row[0]: row[1:] for row in shared.table("cases").rows}
    assert {state: of for state, of in cases.items() if any(of)} == {"answered": (0, 1)}
    told = shared.table("events").rows
    assert [row[0] for row in told] == sorted(row[0] for row in told)
    assert {row[1] for row in told} == {"pa", "us"}
    assert not [row for row in told if row[4].startswith(("timestamps/", "snapshots/"))]
    # The arrangement that was changed, at both; and who was suspended, first at one of them.
    newest = {(row[1], row[4]): row[5] for row in told}
    assert newest["pa", "targets"] == newest["us", "targets"] == 2
    assert (newest["pa", "us"], newest["us", "us"]) == (2, 2)
    for row, source in zip(shared.table("verified").rows, sources, strict=True):
        size = row[1]
        (note,) = [
            facts.note
            for each in source.read(size, 50)
            if isinstance(facts := entries.decode(each.entry).facts, entries.Checkpointed)
            and facts.size == size
        ]
        root = note.split("\n")[2].replace("+", "-").replace("/", "_").rstrip("=")
        assert row[2] == root
    assert shared.status == "exercise"
    assert shared.whole is False


def test_annex_is_the_rest_and_nothing_twice(sources, shared):
    annex = make(sources, ASKED._replace(annex="pa"))
    for name, rows in ANNEX.items():
        assert list(annex.table(name).rows) == rows
    opened_at_home = [row for row in annex.table("times").rows if row[:2] == ("opened", "")]
    assert opened_at_home == [("opened", "", 1, 20, 20, 20, 20)]
    assert figures.digest(annex) != figures.digest(shared)
    # Every entry of the journal that is no bookkeeping stands in one of the two.
    counts = {
        of: sum(row[1] for row in found.table("kinds").rows)
        for of, found in (("shared", shared), ("annex", annex))
    }
    size = shared.table("verified").rows[0][1]
    own = [
        each
        for each in sources[0].read(0, size)
        if not isinstance(
            facts := entries.decode(each.entry).facts,
            entries.Checkpointed | entries.InboxHeads | entries.TrustReceived,
        )
        and entries.home_of(facts) is None
    ]
    assert counts["shared"] + counts["annex"] == len(own)


def test_period_and_status_narrow_it(sources):
    none = make(sources, ASKED._replace(since="2026-12-01"))
    assert none.table("types").rows == ()
    assert len(none.table("months").rows) == 1
    assert make(sources, ASKED._replace(status="actual")).table("types").rows == ()
    over = make(sources, ASKED._replace(until="2026-11-30T01:00:00Z"))
    assert over.whole is True


@pytest.mark.parametrize(
    ("changes", "code", "at"),
    [
        ({"since": "2027-01-01"}, "wrong-value", "/to"),
        ({"since": "soon"}, "wrong-value", "/from"),
        ({"status": "real"}, "wrong-value", "/status"),
        ({"annex": "fr"}, "wrong-value", "/annex"),
        ({"sizes": {"fr": 1}}, "wrong-value", "/sizes"),
        ({"sizes": {"pa": 3}}, "bad-checkpoint", "/sizes"),
    ],
)
def test_what_cannot_be_asked_is_refused(sources, changes, code, at):
    with pytest.raises(Refusal) as refused:
        make(sources, ASKED._replace(**changes))
    assert (refused.value.code, refused.value.at) == (code, at)


def test_it_ends_at_the_newest_size_that_witnesses_vouched_for_or_at_one_that_is_named():
    found = Marks(
        (Signed(10, 10, 0), Signed(20, 20, 0), Signed(30, 30, 0)),
        (Vouched(20, 10, 5, ("us",)), Vouched(30, 20, 7, ("us",)), Vouched(40, 20, 9, ("us",))),
    )

    def asked(_):
        return True

    assert found.chosen("pa", None, asked) == (20, Vouched(30, 20, 7, ("us",)))
    assert found.chosen("pa", 10, asked) == (10, Vouched(20, 10, 5, ("us",)))
    # Signed, and nobody has vouched for it yet; nor for any, in so early a mirror.
    for early, size in ((found, 30), (found.below(15), 10)):
        with pytest.raises(Refusal) as refused:
            early.chosen("pa", size, asked)
        assert refused.value.code is Code.BAD_CHECKPOINT
    # Where nobody must, nobody is named: not by a later mirror either.
    for mirror in (found, found.below(15)):
        assert mirror.chosen("pa", 10, lambda size: size > 15) == (10, None)
    assert found.chosen("pa", None, lambda size: size < 15) == (30, None)
    assert found.below(30).vouched == found.vouched[:1]


def test_two_mirrors_of_one_nation_are_no_pair(sources):
    with pytest.raises(Refusal) as refused:
        make([sources[0], sources[0]], ASKED)
    assert refused.value.at == "/sizes"


# -- the same for whoever computes it ---------------------------------------------------------


def test_mirrors_pulled_at_other_times_and_in_another_order_give_the_same_bytes(sources):
    sizes, early = {}, []
    for name, source in zip(("pa", "us"), sources, strict=True):
        before = marks.marks(source).signed[-4]
        sizes[name] = before.size
        early.append(Earlier(source, before.entry + 1))
    asked = ASKED._replace(sizes=sizes)
    late = make(sources, asked)
    assert figures.encode(make(early[::-1], ASKED)) == figures.encode(late)
    assert figures.encode(make(sources, ASKED)) != figures.encode(late)


def test_an_edited_entry_is_another_figure_and_another_digest(sources, shared):
    us = sources[1]
    found = [
        each
        for each in us.read(0, 1000)
        if isinstance(facts := entries.decode(each.entry).facts, entries.Acknowledged)
        and facts.taken_ms == NOW_MS + 900_000
    ]
    old, new = (b'"taken_ms":%d' % (NOW_MS + ms) for ms in (900_000, 907_000))
    made = make([sources[0], Edited(us, found[0].index, old, new)], ASKED)
    times = {row[0]: row[2:] for row in made.table("times").rows if row[1] == ""}
    assert times["opened"][-1] == TIMES["opened"][-1] + 7
    assert figures.digest(made) != figures.digest(shared)


def test_json_is_the_report_and_its_digest(shared):
    raw = figures.encode(shared)
    assert msgspec.json.decode(raw, type=Report) == shared
    assert raw.endswith(b"}\n")
    assert list(json.loads(raw))[:1] == ["template"]
    told = tell(shared, "en", catalogue(), CODES)
    assert told.digest == figures.digest(shared)


def test_what_was_declared_lost_at_its_home_is_told_by_what_came_of_it(sources, shared):
    pa, us = sources
    came = [entries.decode(each.entry).facts for each in us.read(0, 999)]
    index = next(
        each.home.index
        for each in came
        if isinstance(each, entries.Accepted) and each.home and each.home.node == "pa"
    )
    raw = pa.read(index, 1)[0].entry
    facts = entries.decode(raw).facts
    said = {"taken_ms": facts.taken_ms, "view": facts.view, "salt": facts.salt}
    stub = entries.encode(entries.Lost(leaf=b64(leaf_hash(raw)), **said))
    lost = Edited(pa, index, raw, stub)
    made = make([lost, us], ASKED)
    (before, after) = (each.table("verified") for each in (shared, made))
    assert (before.cells("lost"), after.cells("lost")) == ([0, 0], [1, 0])
    assert after.cells("crossed") == before.cells("crossed")
    assert made.table("types") == shared.table("types")
    annex = [make(each, ASKED._replace(annex="pa")) for each in (sources, [lost, us])]
    assert annex[0].table("kinds") == annex[1].table("kinds")


# -- how it is shown --------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["es", "en"])
def test_plots_say_what_their_tables_say(shared, lang):
    told = tell(shared, lang, catalogue(), CODES)
    drawn = [part for part in told.parts if part.plot]
    assert {part.name for part in drawn} == {
        *("types", "agencies", "precedence", "months", "times", "refusals")
    }
    for part in drawn:
        heads = [head.text for head in part.heads]
        columns = [heads.index(name) for name in part.plot.series]
        rows = [row for row in part.rows if part.name != "times" or row[1] in ("Todas", "All")]
        twin = [tuple(row[each] for each in columns) for row in rows]
        assert [row.values for row in part.plot.rows] == [
            tuple(cell if cell[0].isdigit() else "0" for cell in row) for row in twin
        ]
        # And each bar is as high as it says.
        values = [
            int(value.replace("\u202f", "")) for row in part.plot.rows for value in row.values
        ]
        assert [bar.told.rpartition(": ")[2] for bar in part.plot.bars] == [
            number(value) for value in values
        ]
        tallest = max(part.plot.bars, key=lambda bar: bar.height)
        told = [log10(1 + each) for each in values] if part.name == "times" else values
        for bar, value in zip(part.plot.bars, told, strict=True):
            assert bar.height == pytest.approx(tallest.height * value / max(told), abs=0.02)
        assert (part.plot.ticks[1].label == "10 s") == (part.name == "times")


@pytest.mark.parametrize("lang", ["es", "en"])
def test_page_is_whole_by_itself_and_says_what_it_counts(shared, lang):
    raw = page.render(shared, lang, CODES)
    assert page.render(shared, lang, CODES) == raw
    text = raw.decode()
    assert not re.search(r"<script|<link|<img|\shref=|\ssrc=|\son[a-z]+=", text)
    assert "default-src 'none'" in text.replace("&#39;", "'")
    assert text.count("<svg role") == 6
    assert figures.digest(shared) in text
    assert {"es": "EJERCICIO", "en": "EXERCISE"}[lang] in text
    assert {"es": "NO ES DEFINITIVO", "en": "NOT FINAL"}[lang] in text


def test_numbers_and_headings_are_never_broken_and_roots_may_be(shared):
    text = page.render(shared, "en", CODES).decode()
    assert "thead th, .number { white-space: nowrap; }" in text
    roots = [row[2] for row in shared.table("verified").rows]
    assert all(f'<td class="long">{root}</td>' in text for root in roots)
    assert text.count('class="long"') == 2 * len(roots)
    assert "overflow-wrap: anywhere" not in re.search(r"\nth, td \{.*", text)[0]


def test_csv_has_every_cell_and_none_is_a_formula(shared):
    rows = list(csv.DictReader(io.StringIO(cells.encode(shared).decode())))
    told = [row for row in rows if row["table"] != "report"]
    assert len(told) == sum(len(each.rows) * len(each.columns) for each in shared.tables)
    (found,) = [
        row["value"]
        for row in told
        if (row["table"], row["of"], row["column"]) == ("agencies", "us.jiatfs", "received")
    ]
    assert found == "9"
    assert rows[-1]["value"] == figures.digest(shared)
    evil = Table("agencies", (Column("agencies", "text"), Column("posted")), (("=1+1", -2),))
    raw = cells.encode(msgspec.structs.replace(shared, tables=(evil,))).decode()
    assert [row["value"] for row in csv.DictReader(io.StringIO(raw))][7:9] == ["'=1+1", "-2"]


@pytest.mark.parametrize("lang", ["es", "en"])
def test_pdf_is_tagged_and_the_same_each_time(shared, lang):
    raw = document.render(shared, lang, CODES)
    assert raw == document.render(shared, lang, CODES)
    assert raw.startswith(b"%PDF-")
    assert b"/StructTreeRoot" in raw
    assert b"<pdfuaid:part>1</pdfuaid:part>" in raw
    assert b"/Lang(%s)" % lang.encode() in raw
    assert b"/CreationDate(D:20270101000000Z)" in raw


def test_without_typst_a_pdf_is_refused_and_named(shared, monkeypatch):
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(Fault) as missing:
        document.render(shared, "en", CODES)
    assert missing.value.code is Code.EXTRA_MISSING
    with pytest.raises(Fault):
        document.must_be_installed()


# -- small parts ------------------------------------------------------------------------------


def test_percentiles_are_by_nearest_rank():
    values = list(range(1, 11))
    assert [percentile(values, each) for each in (1, 10, 50, 90, 91, 95, 100)] == [
        1, 1, 5, 9, 10, 10, 10,
    ]  # fmt: skip
    assert percentile([7], 50) == 7
    assert percentile([], 50) is None


def test_a_journal_is_down_while_a_checkpoint_waits_for_longer_than_is_allowed():
    def signed(*at_s):
        return tuple(Signed(n, 10 * (n + 1), at * 1000) for n, at in enumerate(at_s))

    # Limit 100 s. The first is vouched for after 50 s; the second and third by one of a larger
    # size at 500: they wait 350 and 250 s, late together from 250 on. The last one never is.
    found = Marks(
        signed(0, 150, 250, 800),
        (Vouched(1, 10, 50, ("us",)), Vouched(3, 30, 500, ("us",))),
    )
    told = up(found, 100, 0, 1000 * 1000, 1000 * 1000)
    assert (told.checkpoints, told.cosigned, told.undecided) == (4, 1, 0)
    assert (told.longest_s, told.unknown_s) == (350, 0)
    assert told.down_s == 250 + 100
    assert told.share == 6500
    # A period that begins later has what is still late then.
    assert up(found, 100, 400_000, 600_000, 600_000).down_s == 100
    # Of a period that was not looked at to its end, there is no share.
    assert up(found, 100, 0, 600_000, 600_001)[4:] == (250, 0, None)
    # Where nobody must vouch, nothing is said of how soon somebody did.
    assert up(found, 0, 0, 1_000_000, 1_000_000) == (4, *[None] * 6)
    assert up(Marks((), ()), 100, 0, 1_000_000, 1_000_000).share == 10_000
