"""What a change would have done to the month before it, judged again by the same rules."""

from __future__ import annotations

import pytest

from exchange.audit.console import replaying
from exchange.audit.console.archive import Archive
from exchange.audit.console.replaying import MONTH_MS
from exchange.audit.index import Index
from exchange.cli.journal_file import opened
from tests.audit.traded import written
from tests.builders import DESK, WATCH, border, suspended


async def play(both, _):
    """Three bulletins before a suspension, one long before them, and one from abroad."""
    land = border()
    await both.pa.post(land.envelope(to=[DESK]))
    both.clock.ms += MONTH_MS + 1000
    await both.settle()
    for to in ([DESK], [WATCH], [DESK, WATCH]):
        now = both.clock.ms // 1000
        times = {"issued": now, "expires": now + 3600, "retain_until": now + 7200}
        answer = await both.pa.post(land.envelope(to=to, observed=now, **times))
        assert answer.refusal is None, answer.refusal
    foreign = land.envelope(endpoint=WATCH, to=[DESK], observed=now, **times)
    assert (await both.us.post(foreign, WATCH)).refusal is None
    await both.settle()
    assert (await both.pa.post(land.envelope(to=[WATCH], feed="nowhere"))).refusal is not None
    assert (await both.pa.post(land.amended(DESK, suspended), "")).refusal is None


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replayed")
    traded = written(folder, play)
    with Index.open(folder / "index") as index, opened(traded.pa) as source:
        index.fold(source, lambda *_: None)
        archive = Archive(index, {"pa": source})
        (took,) = [each for each in archive.history("pa").took if "pa" in each.name][-1:]
        yield took, archive.replay("pa", took.entry)


def test_what_a_suspension_bears_on_is_told_with_whom_and_why(found):
    # The one from abroad was let in by its own node, and is not judged here.
    took, what = found
    assert (what.judged, what.left, what.refused) == (3, 0, 1)
    told = {tuple(each.row.to): each for each in what.effects}
    assert told.keys() == {(DESK,), (DESK, WATCH)}
    for effect in told.values():
        assert not effect.before.code
        assert effect.what in {"refused", "audience"}
        assert effect.after.code or effect.lost == [DESK]
        assert effect.row.index < took.entry


def test_what_a_change_leaves_as_it_was_is_no_effect(found):
    _, what = found
    assert (WATCH,) not in {tuple(each.row.to) for each in what.effects}


@pytest.mark.parametrize(("most", "judged", "left"), [(2, 2, 1), (3, 3, 0)])
def test_only_its_own_are_counted_as_not_judged(tmp_path, monkeypatch, most, judged, left):
    """Those from abroad stand between them."""
    monkeypatch.setattr(replaying, "MAX_JUDGED", most)
    traded = written(tmp_path, play)
    with Index.open(tmp_path / "index") as index, opened(traded.pa) as source:
        index.fold(source, lambda *_: None)
        archive = Archive(index, {"pa": source})
        (took,) = [each for each in archive.history("pa").took if "pa" in each.name][-1:]
        what = archive.replay("pa", took.entry)
    assert (what.judged, what.left) == (judged, left)
