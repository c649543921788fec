"""Where a report stops in a journal, and whose that is: by what stands below the size alone."""

from __future__ import annotations

import datetime as dt

import pytest

from exchange.audit.report.making import Asked, make
from exchange.audit.report.telling import catalogue, tell
from exchange.custody.founding import NodePlan
from exchange.errors import Code, Refusal
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.entry import Owed
from exchange.model.header import Blob
from exchange.model.identity import digest
from tests import builders
from tests.audit.made import Made
from tests.builders import (
    ENDPOINTS,
    FOUNDED,
    NOW,
    WATCH,
    Founder,
    Randomness,
    border,
    certificate,
)
from tests.model.bulletins import CODES
from tests.node.vouching import agreed

ASKED = Asked("2026-07-01", "2026-12-31", "anchor", status="actual")


def second():
    """Second nodes, by the names that the directory gives them."""
    founder = Founder(Randomness("exercise second nodes"), FOUNDED, ["xb1-h"])
    url, tls = "https://localhost:8443", certificate()[1]
    plans = [NodePlan(f"{name}-2", url, tls, serves=(name,)) for name in ("pa", "us")]
    land = builders._founded_at(founder, dict.fromkeys(ENDPOINTS, "xb1-h"), *plans)
    both = [Made("pa-2"), Made("us-2")]
    for each in both:
        each.trust(land.documents)
    return land, *both


def test_figures_are_by_the_nation_that_a_node_serves_and_not_by_its_name():
    land, pa, us = second()
    signed = land.envelope(to=[WATCH], status="actual", precedence="routine").header
    of = digest(signed)
    told = {"digest": of, "blobs": [Blob(of, 9)], "wraps": [], "owed": [Owed(WATCH, 0)]}
    late = {"of": 0, "owed": [Owed(WATCH, 0)], "digest": of}
    pa.add(entries.Acknowledged, **late)
    index = pa.add(entries.Accepted, signed, late=False, **told)
    us.add(entries.Accepted, signed, home=("pa-2", index, pa.ms), late=False, **told)
    pa.add(entries.Acknowledged, **late)
    for each in (pa, us):
        each.checkpoint()
    made = make([us, pa], ASKED)
    assert made.table("types").rows == (("voi", 1, 0),)
    assert made.table("agencies").rows == (("pa.senan", 1, 0), ("us.jiatfs", 0, 1))
    assert [column.name for column in made.table("types").columns][1:] == [
        *("nation.pa", "nation.us")
    ]
    assert {row[0] for row in made.table("verified").rows} == {"pa-2", "us-2"}
    # Before what crossed in its turn: what crossed not, and the directory; behind it one more.
    (left, *_) = made.table("verified").rows
    assert left[-6:] == (1, 1, len(pa.blobs) + 1, len(pa.blobs) + 2, 0, 0)
    annex = make([us, pa], ASKED._replace(annex="us-2"))
    assert annex.table("kinds").rows == (("epoch-opened", 1), ("trust", len(us.blobs)))


def test_what_was_declared_lost_at_home_is_counted_by_what_stands_abroad():
    land, pa, us = second()
    signed = land.envelope(to=[WATCH], status="actual").header
    of = digest(signed)
    told = {"digest": of, "blobs": [Blob(of, 9)], "wraps": [], "owed": [Owed(WATCH, 0)]}
    index = pa.add(entries.Accepted, signed, late=False, **told)
    whole = pa.entries[index]
    pa.entries[index] = pa.entries[pa.add(entries.Lost, leaf=b64(leaf_hash(whole)))]
    del pa.entries[-1]
    line, _, there = whole.partition(b"\n")
    home = entries.Home("pa-2", index)
    facts = entries.Accepted(
        salt=b64(bytes(16)), taken_ms=us.ms + 1, view=-1, home=home, late=False, **told
    )
    us.entries.append(entries.encode(facts, there, line))
    for each in (pa, us):
        each.checkpoint()
    made = make([pa, us], ASKED)
    assert made.table("types").rows == (("voi", 1, 0),)
    assert [row[-1] for row in made.table("verified").rows] == [1, 0]


def test_a_node_that_no_directory_lists_has_no_report():
    _, pa, _ = second()
    strange = Made("us")
    for each in (pa, strange):
        each.checkpoint()
    with pytest.raises(Refusal) as refused:
        make([pa, strange], ASKED)
    assert (refused.value.code, refused.value.at) == (Code.WRONG_VALUE, "/serves")


def test_where_a_quorum_was_agreed_on_a_size_that_is_only_signed_is_none():
    """By the arrangement at that size, though not one checkpoint was cosigned so far."""
    pa, us = Made("pa"), Made("us")
    later = border().rearranged(quorum="witnesses", witnesses=agreed(), issued=NOW)
    for each in (pa, us):
        each.trust(border().documents)
        each.checkpoint()
    before = pa.size() - 1
    pa.trust([later])
    pa.checkpoint()
    sizes = {row[0]: row[1] for row in make([pa, us], ASKED).table("verified").rows}
    assert sizes["pa"] == before
    with pytest.raises(Refusal) as refused:
        make([pa, us], ASKED._replace(sizes={"pa": pa.size() - 1}))
    assert refused.value.code is Code.BAD_CHECKPOINT


def ms(*at):
    return int(dt.datetime(*at, tzinfo=dt.UTC).timestamp()) * 1000


def test_what_crosses_after_the_year_s_end_is_in_no_report_that_was_called_final():
    """Taken in at home at 23:50; both journals go on, and are signed; it crosses at 01:05."""
    land, pa, us = second()
    signed = land.envelope(to=[WATCH], status="actual", precedence="flash").header
    of = digest(signed)
    told = {"digest": of, "blobs": [Blob(of, 9)], "wraps": [], "owed": [Owed(WATCH, 0)]}
    late = {"of": 0, "owed": [], "digest": of}
    pa.ms = home_ms = ms(2026, 12, 31, 23, 50)
    index = pa.add(entries.Accepted, signed, late=False, after_ms=0, **told)
    for each, at_ms in ((pa, ms(2027, 1, 1, 0, 5)), (us, ms(2027, 1, 1, 0, 5))):
        each.ms = at_ms
        each.add(entries.Acknowledged, **late)
        each.checkpoint()
    second_half = ASKED._replace(since="2026-12-01")
    early = make([pa, us], second_half)
    assert (early.whole, early.table("types").rows) == (False, ())
    assert early.table("verified").cells("still_owed") == [1, 0]
    for lang, words in (("en", "something is owed across"), ("es", "algo se debe al otro")):
        (_, note) = tell(early, lang, catalogue(), CODES).notes
        assert words in note
    # What is owed of another period makes this one no less final.
    assert make([pa, us], second_half._replace(until="2026-12-31T23:00:00Z")).whole is True
    us.ms = ms(2027, 1, 1, 1, 5)
    us.add(entries.Accepted, signed, home=("pa-2", index, home_ms), late=True, **told)
    for each in (pa, us):
        each.ms = ms(2027, 7, 1, 0, 5)
        each.add(entries.Acknowledged, **late)
        each.checkpoint()
    # It belongs to the half-year in which its home took it in, and the next one says so.
    again = make([pa, us], second_half)
    assert (again.whole, again.table("types").rows) == (True, (("voi", 1, 0),))
    after = make([pa, us], ASKED._replace(since="2027-01-01", until="2027-06-30"))
    assert (after.whole, after.table("types").rows) == (True, ())
    assert after.table("verified").cells("earlier") == [1, 0]
    assert again.table("verified").cells("earlier") == [0, 0]
