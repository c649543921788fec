"""What stands in two nodes' journals is found, counted and told, with the entry of each."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import msgspec
import pytest

from exchange.audit import anomalies, bitmaps, rows, sheet
from exchange.audit.index import Index
from exchange.audit.query import KEYS, changed, parse
from exchange.audit.search import matching, search
from exchange.audit.story import tell
from exchange.cli.benching.auditing import MadeUp
from exchange.cli.journal_file import opened
from exchange.errors import Fault, Refusal
from exchange.model import entry as entries
from exchange.model.header import Reference
from exchange.model.identity import digest
from tests.audit.made import DAY_MS, Made, index_of
from tests.audit.traded import everything, size_of, written
from tests.builders import NOW_MS, OPS, WATCH, border, decoded, new_id


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    return written(tmp_path_factory.mktemp("traded"), everything)


def folded(path, *files):
    index = Index.open(path)
    for file in files:
        with opened(file) as source:
            index.fold(source, lambda *_: None)
    return index


@pytest.fixture(scope="module")
def index(traded, tmp_path_factory):
    with folded(tmp_path_factory.mktemp("index") / "both.index", *traded.files) as made:
        yield made


def found(index, text="", **options):
    pairs = [tuple(each.split("=", 1)) for each in text.split("&") if each]
    return search(index, parse(pairs), **options)


def test_every_entry_has_one_row_that_names_it(index, traded):
    for file, journal in zip(traded.files, index.journals(), strict=True):
        with opened(file) as source:
            kept = source.read(0, 1000)
        made = list(index.rows(journal, range(journal.size)))
        assert [row.index for row in made] == [each.index for each in kept]
        for row, each in zip(made, kept, strict=True):
            facts = entries.decode(each.entry).facts
            assert (row.kind, row.taken_ms) == (entries.kind_of(facts), facts.taken_ms)
            assert row.journal == journal.node == file.stem


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("kind=accepted&journal=pa&origin=pa.senan", 5),
        ("kind=accepted&journal=us", 3),
        ("outcome=received", 3),
        ("outcome=opened", 2),
        ("outcome=opened&journal=us", 1),
        ("kind=refused", 2),
        ("code=unknown-feed", 1),
        ("code=endpoint-suspended&kind=refused", 1),
        ("recipient=us.uscg&kind=accepted", 1),
        ("recipient=us.jiatfs/watch&kind=accepted&verb=new", 2),
        ("recipient=us.jiatfs&kind=granted", 2),
        ("nation=us&kind=acknowledged", 2),
        ("precedence=flash&kind=acknowledged", 2),
        ("type=cor&type=can&journal=pa&kind=accepted", 2),
        ("entry=0", 2),
        ("policy=2", 0),
    ],
)
def test_each_facet_narrows_to_what_has_its_value(index, query, kinds):
    told = found(index, query, counted=False)
    assert (told.total, len(told.rows)) == (kinds, kinds)


def test_counts_are_of_what_was_found_and_alternatives_of_what_was_narrowed(index):
    everything_there = found(index)
    assert everything_there.total == sum(everything_there.sizes.values())
    for facet in ("kind", "policy", "journal", "day"):
        assert sum(everything_there.facets[facet].values()) == everything_there.total
    narrowed = found(index, "kind=acknowledged&precedence=flash")
    assert narrowed.facets["type"] == {"voi": 2}
    # Of a facet that is narrowed itself: what else there would be.
    assert narrowed.facets["kind"]["accepted"] == 2
    assert narrowed.facets["precedence"] == {"flash": 2}
    assert found(index, "type=zzz").facets["type"]["zzz"] == 0
    for value, count in everything_there.facets["kind"].items():
        assert found(index, f"kind={value}").total == count


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_over_both_journals_are_in_order_and_leave_nothing_out(index, order):
    query, seen = parse([("limit", "7"), ("order", order)]), []
    while True:
        page = search(index, query)
        assert page.total == sum(page.sizes.values())
        seen += [(row.taken_ms, row.journal, row.index) for row in page.rows]
        if page.next is None:
            break
        query = msgspec.structs.replace(query, cursor=page.next)
    assert len(seen) == len(set(seen)) == page.total
    times = [each[0] for each in seen]
    assert times == sorted(times, reverse=order == "newest")


def test_period_is_of_whole_days_or_of_seconds(index):
    first = NOW_MS + 60_000
    at = "2026-11-30T00:54:20Z"
    after = found(index, f"from={at}").total
    assert after == sum(row.taken_ms >= first for row in matching(index, parse([])))
    assert found(index, f"to={at}").total + after == found(index).total
    assert found(index, "from=2026-11-30&to=2026-11-30").total == found(index).total
    assert found(index, "from=2026-12-01").total == found(index, "to=2026-11-29").total == 0


def test_query_is_its_url_and_the_other_way():
    text = (
        "journal=pa&kind=accepted&kind=refused&origin=pa.senan&id=x&entry=3&from=2026-11-01"
        "&to=2026-11-30&order=oldest&limit=9&cursor=pa:3"
    )
    query = parse([tuple(each.split("=")) for each in text.split("&")])
    assert "&".join(f"{name}={value}" for name, value in query.pairs()) == text
    assert parse(query.pairs()) == query
    assert changed(query, limit=5).cursor == ""
    assert parse([(key, "") for key in KEYS]) == parse([])


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("orgin", "pa.senan", "unknown-member"),
        ("from", "yesterday", "wrong-value"),
        ("to", "2026-02-30", "wrong-value"),
        ("to", "9999-12-31", "wrong-value"),
        ("limit", "1001", "wrong-value"),
        ("limit", "-1", "wrong-value"),
        ("entry", "x", "wrong-value"),
        ("order", "sideways", "wrong-value"),
        ("cursor", "pa", "wrong-value"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_named(key, value, code):
    with pytest.raises(Refusal) as refused:
        parse([(key, value)])
    assert (refused.value.code, refused.value.at) == (code, f"/{key}")


def test_story_has_every_fact_of_both_journals(index, traded):
    told = tell(index, traded.ids["crossed"])
    steps = [(each.row.journal, each.step) for each in told.steps]
    for journal in ("pa", "us"):
        own = "accepted" if journal == "pa" else "received"
        for step in (own, "opened", "granted", "corrects", "cancels"):
            assert steps.count((journal, step)) == 1, (journal, step)
    assert set(told.others) == {traded.ids["correct"], traded.ids["cancel"]}
    assert told.thread == traded.ids["crossed"]
    assert {each.rule for each in told.steps} >= {"arrangement v1"}
    times = [each.row.taken_ms for each in told.steps]
    assert times == sorted(times)


async def strangers(both, ids):
    """Its author corrects it; somebody else cancels it, and its author something like it."""
    land = border()
    real, now = land.envelope(to=[WATCH]), both.clock.ms // 1000
    assert (await both.pa.post(real)).refusal is None
    await both.settle()
    identity = ids["real"] = decoded(real.header).id
    either = digest(real.header), digest(b"another version")
    verbs = {
        "corrects": ("cor", "correct"),
        "cancels": ("can", "cancel"),
        "answers": ("voi", "new"),
    }
    for name, caller, relation, named in (
        ("corrected", OPS, "corrects", either[0]),
        # A node refuses what another agency does to what it knows by its digest.
        ("stranger", WATCH, "cancels", either[1]),
        ("other", OPS, "cancels", either[1]),
        ("answered", WATCH, "answers", either[0]),
        # Beside something else that it says of it.
        ("both", OPS, "corrects", either[0]),
    ):
        kind, verb = verbs[relation]
        to = [WATCH if caller == OPS else OPS]
        refs = [Reference(relation, identity, named)]
        if name == "both":
            refs = [Reference("answers", identity, either[1]), *refs]
        made = land.envelope(
            endpoint=caller, to=to, type=kind, verb=verb, refs=refs, observed=now, issued=now
        )
        side = both.pa if caller == OPS else both.us
        assert (await side.post(made, caller)).refusal is None, name
        ids[name] = decoded(made.header).id
        await both.settle()


def test_whoever_names_an_id_bears_on_nothing_but_its_authors_own(tmp_path):
    traded = written(tmp_path, strangers)
    with folded(tmp_path / "x.index", *traded.files) as index:
        told = tell(index, traded.ids["real"])
    steps = {each.row.id: each.step for each in told.steps}
    names = {name: steps[identity] for name, identity in traded.ids.items() if name != "real"}
    assert names == {
        "corrected": "corrects",
        "stranger": "names",
        "other": "names",
        "answered": "answers",
        "both": "corrects",
    }
    # In its line stand its author's, and answers.
    assert set(told.others) == {traded.ids[name] for name in ("corrected", "answered", "both")}


def test_of_what_is_in_no_journal_here_others_say_what_they_say(tmp_path):
    made = Made("pa")
    lacking = new_id()
    refs = [{"rel": "corrects", "id": lacking, "header_digest": digest(b"")}]
    made.bulletin(refs=refs)
    with index_of(tmp_path / "x.index", made) as index:
        assert [each.step for each in tell(index, lacking).steps] == ["corrects"]


def test_what_was_refused_abroad_is_in_its_story_by_its_digest(index, traded):
    told = tell(index, traded.ids["abroad"])
    refused = [each for each in told.steps if each.step == "refused"]
    assert [
        (each.row.journal, each.rule) for each in refused if each.row.kind == "refused"
    ] == [("us", "endpoint-suspended")]
    # And the other node's notice of it, which its author is told by.
    assert ("pa", "notice") in {(each.row.journal, each.row.kind) for each in refused}


def test_what_stays_at_home_is_in_one_journal_alone(index, traded):
    told = tell(index, traded.ids["domestic"])
    assert {each.row.journal for each in told.steps} == {"pa"}
    assert tell(index, "01a229f1-2800-7000-8000-000000000000") is None


def test_only_what_is_new_is_read(traded, tmp_path):
    with opened(traded.pa) as source, Index.open(tmp_path / "x.index") as index:
        whole = source.size()
        asked = []
        watched = SimpleNamespace(
            size=lambda: watched.end,
            read=lambda first, limit: asked.append(first) or source.read(first, limit),
            blob=source.blob,
            hashes=source.hashes,
        )
        for end in (whole - 5, whole):
            watched.end = end
            asked.clear()
            done = index.fold(watched, lambda *_: None)
        # Entry 0 says whose it is; trust documents say what is in force.
        (journal,) = index.journals()
        trust = [row.index for row in matching(index, parse([("kind", "trust")]))]
        assert {each for each in asked if each not in trust} == {0, whole - 5}
        assert (done.new, done.size) == (5, whole)
        assert journal.size == whole
        again = folded(tmp_path / "y.index", traded.pa)
        with again:
            assert list(matching(again, parse([]))) == list(matching(index, parse([])))


def test_index_never_lets_go_of_a_journal_for_another_of_its_node(traded, tmp_path):
    """The same node's name over other entries, or over fewer."""
    other = tmp_path / "pa.db"
    shutil.copy(traded.pa, other)
    whole = size_of(other)
    with folded(tmp_path / "x.index", traded.pa) as index, opened(traded.pa) as source:
        fewer = SimpleNamespace(size=lambda: whole - 1, read=source.read)
        with closing(sqlite3.connect(other)) as db:
            db.execute("UPDATE hashes SET run = zeroblob(length(run)) WHERE at = 0")
            db.commit()
        with opened(other) as altered:
            for mirror, code in ((altered, "mirrors-differ"), (fewer, "index-longer")):
                with pytest.raises(Refusal) as refused:
                    index.fold(mirror, lambda *_: None)
                assert refused.value.code == code
        assert [each.size for each in index.journals()] == [whole]


def test_nothing_is_kept_of_a_mirror_whose_tree_is_not_of_its_entries(traded, tmp_path):
    """Kept, it would be held against the honest mirror, as if its node told two pasts."""
    altered, at = shutil.copy(traded.pa, tmp_path / "altered.db"), 7
    with closing(sqlite3.connect(altered)) as db:
        change = "CAST(replace(bytes, '\"taken_ms\":1', '\"taken_ms\":2') AS BLOB)"
        db.execute(f"UPDATE entry SET bytes = {change} WHERE idx >= {at}")  # noqa: S608
        db.commit()
    with Index.open(tmp_path / "x.index") as index:
        for _ in range(2):
            with opened(altered) as source, pytest.raises(Refusal) as refused:
                index.fold(source, lambda *_: None)
            assert (refused.value.code, refused.value.at) == ("mirror-mismatch", "/leaf")
            assert refused.value.facts == {"found": at}
            assert (found(index).total, index.journals()) == (0, [])
        with opened(traded.pa) as source:
            assert index.fold(source, lambda *_: None).new == size_of(traded.pa)


def test_what_is_gone_on_with_is_held_to_the_tree_too(tmp_path):
    made = Made("pa")
    made.refused()
    with index_of(tmp_path / "x.index", made) as index:
        made.refused()
        made.refused()
        true = made.hashes(0, 3, 1)
        made.entries[3] = made.entries[3].replace(b"unknown", b"ynknown")
        made.hashes = lambda level, first, count, at=made.hashes: (
            true if (level, first, count) == (0, 3, 1) else at(level, first, count)
        )
        with pytest.raises(Refusal) as refused:
            index.fold(made, lambda *_: None)
        assert refused.value.facts == {"found": 3}
        assert found(index).total == 2


def test_fold_that_is_broken_off_goes_on_where_it_was(tmp_path):
    made = MadeUp(12_000)

    class Broken:
        def __getattr__(self, name):
            return getattr(made, name)

        def read(self, first, limit):
            if first >= 10_000:
                raise KeyboardInterrupt
            return made.read(first, limit)

    with Index.open(tmp_path / "x.index") as index:
        with pytest.raises(KeyboardInterrupt):
            index.fold(Broken(), lambda *_: None)
        (journal,) = index.journals()
        assert journal.size == 8192
        assert found(index).total == journal.size


def test_a_journal_is_never_taken_for_an_index(traded, tmp_path):
    file = shutil.copy(traded.pa, tmp_path / "pa.db")
    before = file.read_bytes()
    with pytest.raises(Fault):
        Index.open(file)
    assert file.read_bytes() == before


def test_an_entry_that_cannot_be_read_is_a_row_that_says_so():
    context = rows.Context("pa", 0, lambda _: None, lambda _: None)
    row = rows.read(7, b"no entry\n", context)
    assert (row.index, row.kind, row.code) == (7, "unreadable", "malformed")
    assert (row.taken_ms, row.taken) == (0, "-")
    newer = b'{"kind":"of-later","taken_ms":%d}\n' % NOW_MS
    assert rows.read(7, newer, context).taken_ms == NOW_MS


DAMAGED = (b"", b"\xff\xfe", b'{"kind":"lost"}\n', b'{"taken_ms":1e999}\n', b"[" * 10_000)


@pytest.mark.parametrize("damaged", [*DAMAGED, b'{"taken_ms":9007199254740991}\n'])
def test_what_cannot_be_read_is_found_and_hides_nothing_else(tmp_path, damaged):
    made = Made("pa")
    first = made.bulletin(after_ms=DAY_MS)
    made.entries.append(damaged)
    second = made.bulletin(after_ms=DAY_MS)
    with index_of(tmp_path / "x.index", made) as index:
        for order in ("newest", "oldest"):
            told = found(index, f"order={order}")
            assert sorted(row.index for row in told.rows) == list(range(made.size()))
        assert sum(told.facets["day"].values()) == told.total == made.size()
        (row,) = found(index, "outcome=unreadable").rows
        assert (row.index, row.taken, row.kind) == (2, "-", "unreadable")
        assert {row.id for row in found(index, "kind=accepted").rows} == {first, second}
        assert "1970" not in sheet.lines(told.rows)
        # Of when it was, nobody can tell: that is no gap.
        assert "gap" in {each.rule for each in anomalies.find(index)}
        assert all(row.index not in each.entries for each in gaps(index))
        (journal,) = index.journals()
        assert journal.taken_ms == made.ms
        at = index.first_at(journal, made.ms)
        assert at == 3


def gaps(index):
    return [one for each in anomalies.find(index, None, ["gap"]) for one in each.found]


def test_time_that_goes_back_or_has_no_end_breaks_no_search(tmp_path):
    made = Made("pa")
    for ms in (DAY_MS * 3, -DAY_MS * 2, 2**53 - 1 - made.ms):
        made.ms += ms
        made.refused(after_ms=0)
    made.ms = NOW_MS + DAY_MS * 5
    made.refused(after_ms=0)
    with index_of(tmp_path / "x.index", made) as index:
        told = found(index)
        assert sum(told.facets["day"].values()) == told.total == made.size()
        assert "-" in {row.taken for row in told.rows}


@pytest.mark.parametrize("at_home", [b"", b"no entry", b'{"taken_ms":"x"}', b"\xff"])
def test_home_s_entry_that_cannot_be_read_is_of_no_time(tmp_path, at_home):
    made = Made("pa")
    made.bulletin(home=("us", 4, NOW_MS))
    made.entries[-1] = made.entries[-1].replace(b'{"taken_ms":%d}' % NOW_MS, at_home)
    with index_of(tmp_path / "x.index", made) as index:
        (row,) = found(index, "kind=accepted").rows
        assert (row.home, row.home_index, row.home_ms) == ("us", 4, 0)
        assert anomalies.find(index) == []


def test_sets_of_entries_are_kept_whole_however_many_there_are():
    for indexes in ([], [0], [65_535, 65_536], list(range(0, 200_000, 3)), [5, 150_000]):
        pieces = {}
        for index in indexes:
            number, place = divmod(index, bitmaps.PIECE)
            piece = pieces.setdefault(number, bytearray(bitmaps.PIECE_BYTES))
            piece[place >> 3] |= 1 << (place & 7)
        kept = [(number, bitmaps.packed(bits)) for number, bits in pieces.items()]
        whole = bitmaps.joined(kept)
        assert whole == bitmaps.of(indexes)
        assert list(bitmaps.places(whole)) == indexes
        assert list(bitmaps.from_the_end(whole)) == indexes[::-1]
    assert bitmaps.span(3, 6) == bitmaps.of([3, 4, 5])
    assert bitmaps.span(6, 3) == 0


def test_made_up_journals_are_found_as_they_were_made(tmp_path, monkeypatch):
    # Pieces that are short, so that there are many of them.
    monkeypatch.setattr(bitmaps, "PIECE", 2048)
    monkeypatch.setattr(bitmaps, "PIECE_BYTES", 256)
    size = 10_000
    with Index.open(tmp_path / "x.index") as index:
        index.fold(MadeUp(size), lambda *_: None)
        for text in ("type=voi", "recipient=us.jiatfs&precedence=flash", "kind=refused"):
            query = parse([tuple(each.split("=")) for each in text.split("&")])
            told = search(index, query)
            assert told.total == sum(1 for _ in matching(index, query))
            assert sum(told.facets["day"].values()) == told.total
        plain = [row for row in matching(index, parse([])) if row.type == "voi"]
        assert found(index, "type=voi").total == len(plain)
        assert found(index, f"id={plain[-1].id}").rows
