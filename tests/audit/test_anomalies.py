"""Each rule finds what it is for, and nothing in what only looks like it."""

from __future__ import annotations

import msgspec
import pytest

from exchange.audit import anomalies
from exchange.audit.anomalies import RULES, every, find, sentence
from exchange.audit.query import parse
from exchange.audit.search import matching
from exchange.audit.suspicions import Settings, settings_of
from exchange.model import entry as entries
from tests.audit.made import DAY_MS, HOUR_MS, Made, index_of
from tests.audit.traded import written
from tests.builders import COAST, DESK, NOW_MS, OPS, WATCH, border, feeds

SETTINGS = Settings(witness_s=4 * 3600)


def quiet():
    """A journal in which nothing is unusual: where each rule has something to look at."""
    made = Made()
    made.checkpoint()
    made.bulletin(to=[DESK], precedence="flash")
    made.ack(2, "", DESK)
    made.refused()
    made.checkpoint(cosigned=1)
    return made


def gap(made, by=0):
    made.refused(after_ms=24 * HOUR_MS + by)
    made.checkpoint(cosigned=5)


def burst(made, count=20):
    for _ in range(count):
        made.refused(after_ms=1000)


def flash(made, minutes=11, outcome="opened", verb="new"):
    identity = made.bulletin(to=[DESK], precedence="flash", verb=verb)
    made.ack(made.size() - 1, identity, DESK, outcome, after_ms=minutes * 60_000)


def slow(made, hours=5):
    made.checkpoint(cosigned=6, after_ms=hours * HOUR_MS)


def never_cosigned(made, hours=5):
    made.checkpoint(after_ms=hours * HOUR_MS)


def skew(made, seconds=200, kind=entries.TrustReceived):
    assert kind is entries.TrustReceived
    made.bulletin(by=WATCH, to=[OPS], home=("us", 3, made.ms + 1000 + seconds * 1000))


def kept(made, days=3, purged=False):
    made.bulletin(to=[DESK], retain_until=made.ms // 1000 - days * 86_400)
    if purged:
        made.order(made.size() - 1)


def read(made, hours, counts, apart_ms=60_000, others=()):
    """Shown to an auditor, from so many hours after midnight of that Monday on."""
    left_ms = hours * HOUR_MS - made.ms % DAY_MS
    while left_ms:
        made.refused(after_ms=min(left_ms, 20 * HOUR_MS))
        left_ms -= min(left_ms, 20 * HOUR_MS)
    for count in counts:
        made.shown(count, after_ms=apart_ms)
    for count in others:
        made.shown(count, by="pa.contraloria/audit")


def destroyed(made, ordered=False, node=False):
    identity = made.bulletin(to=[DESK])
    of = made.size() - 1
    order = made.order(of) if ordered else of
    if node:
        made.add(entries.Purged, orders=[order], digests=[])
    else:
        made.ack(of, identity, DESK, "purged")


def crossed(made, came=20, went=0):
    for at in range(came):
        made.bulletin(by=WATCH, to=[OPS], home=("us", at, made.ms))
    for _ in range(went):
        made.bulletin(to=[WATCH])


@pytest.mark.parametrize(
    ("rule", "play", "given"),
    [
        ("gap", gap, {}),
        ("slow-witness", slow, {}),
        ("slow-witness", never_cosigned, {}),
        ("clock-skew", skew, {}),
        ("unacknowledged-flash", flash, {}),
        ("unacknowledged-flash", flash, {"minutes": 11, "outcome": "delivered"}),
        ("refusal-burst", burst, {}),
        ("key-outside-validity", lambda made: made.refused(code="key-not-valid"), {}),
        ("never-purged", kept, {}),
        ("purge-without-order", destroyed, {}),
        ("purge-without-order", destroyed, {"node": True}),
        ("one-sided", crossed, {}),
        ("bulk-read", read, {"hours": 12, "counts": [10000]}),
        (
            "bulk-read",
            read,
            {"hours": 12, "counts": [2500, 2500, 2500, 2500], "apart_ms": 15 * 60_000},
        ),
        ("after-hours-read", read, {"hours": 2, "counts": [1000]}),
        ("after-hours-read", read, {"hours": 2, "counts": [500, 500]}),
        ("after-hours-read", read, {"hours": 24, "counts": [1000]}),
        ("after-hours-read", read, {"hours": 5 * 24 + 15, "counts": [1000]}),
    ],
)
def test_rule_finds_what_it_is_for_and_no_other_rule_does(tmp_path, rule, play, given):
    made = quiet()
    play(made, **given)
    # A time without entries is also one without witnesses, and without acknowledgements.
    among = {"gap": ["gap"]}.get(rule, [])
    with index_of(tmp_path / "x.index", made) as index:
        (told,) = find(index, SETTINGS, among)
        assert (told.rule, told.count) == (rule, 1)
        (each,) = told.found
        for lang in ("es", "en"):
            assert "{" not in sentence(each, lang)
        assert sentence(each, "es") != sentence(each, "en")
        led = {row.index for row in matching(index, parse(each.query))}
        assert led & set(each.entries)


@pytest.mark.parametrize(
    ("play", "given"),
    [
        (lambda _: None, {}),
        (gap, {"by": -2 * HOUR_MS - 1}),
        (slow, {"hours": 3}),
        (never_cosigned, {"hours": 3}),
        (skew, {"seconds": 100}),
        (flash, {"minutes": 9}),
        (flash, {"minutes": 11, "verb": "cancel"}),
        (burst, {"count": 18}),
        (lambda made: made.refused(code="unknown-feed"), {}),
        (kept, {"days": 1}),
        (kept, {"days": 3, "purged": True}),
        (destroyed, {"ordered": True}),
        (destroyed, {"ordered": True, "node": True}),
        (crossed, {"came": 19}),
        (crossed, {"came": 30, "went": 1}),
        (read, {"hours": 12, "counts": [9999]}),
        (read, {"hours": 12, "counts": [5000], "others": [5000]}),
        (read, {"hours": 12, "counts": [2500, 2500, 2500, 2500], "apart_ms": 25 * 60_000}),
        (read, {"hours": 2, "counts": [999]}),
        (read, {"hours": 2, "counts": [500], "others": [500]}),
        (read, {"hours": 11, "counts": [1000]}),
        (read, {"hours": 23, "counts": [1000]}),
    ],
)
def test_what_is_as_it_should_be_is_no_find(tmp_path, play, given):
    made = quiet()
    play(made, **given)
    with index_of(tmp_path / "x.index", made) as index:
        only = ["gap"] if play is gap else []
        assert find(index, SETTINGS, only) == []


def crossing(late_ms, *, is_there):
    """Panama's journal with a bulletin for the other nation, and that one's journal."""
    pa, us = Made("pa"), Made("us")
    pa.bulletin(to=[WATCH, COAST])
    if is_there:
        us.bulletin(to=[WATCH, COAST], home=("pa", 1, pa.ms))
    us.refused(after_ms=late_ms)
    return pa, us


@pytest.mark.parametrize(
    ("late_ms", "is_there", "count"),
    [(5 * HOUR_MS, False, 1), (5 * HOUR_MS, True, 0), (3 * HOUR_MS, False, 0)],
)
def test_what_is_owed_abroad_and_is_not_there_in_time_is_withheld(
    tmp_path, late_ms, is_there, count
):
    with index_of(tmp_path / "x.index", *crossing(late_ms, is_there=is_there)) as index:
        told = find(index, SETTINGS)
        assert [(each.rule, each.count) for each in told] == [("withheld", count)] * count
        if count:
            (each,) = told[0].found
            assert (each.journal, each.entries, each.facts["hours"]) == ("pa", (1,), 4)
        # Of one journal alone, nobody can tell.
        assert find(index, SETTINGS, journals=["pa"]) == []


def test_whom_a_node_serves_is_not_its_name(tmp_path):
    """A second node of the United States, by the name that the directory gives it."""
    pa, us = Made("pa"), Made("us-2")
    pa.bulletin(to=[WATCH])
    us.refused(after_ms=5 * HOUR_MS)
    settings = msgspec.structs.replace(SETTINGS, serves={"pa": ("pa",), "us-2": ("us",)})
    with index_of(tmp_path / "x.index", pa, us) as index:
        (told,) = find(index, settings, ["withheld"])
    assert told.found[0].entries == (1,)


def test_a_burst_is_told_once_until_it_is_quiet(tmp_path):
    made = quiet()
    burst(made, 50)
    made.refused(after_ms=HOUR_MS)
    burst(made, 20)
    burst_of_others = [made.refused(by=WATCH) for _ in range(5)]
    with index_of(tmp_path / "x.index", made) as index:
        (told,) = find(index, SETTINGS, ["refusal-burst"])
        assert told.count == 2
        assert not {at for each in told.found for at in each.entries} & set(burst_of_others)


def test_of_one_rule_so_many_are_told_and_all_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(anomalies, "MOST", 3)
    made = quiet()
    for _ in range(5):
        made.refused(code="bad-signature")
    with index_of(tmp_path / "x.index", made) as index:
        (told,) = find(index, SETTINGS)
        assert (told.count, len(told.found)) == (5, 3)
        assert len(list(every(index, SETTINGS))) == 5


def test_the_newest_of_each_journal_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(anomalies, "MOST", 3)
    pa, us = quiet(), Made("us")
    for _ in range(5):
        newest = pa.refused(code="bad-signature")
    for _ in range(2):
        us.refused(code="bad-signature")
    with index_of(tmp_path / "x.index", pa, us) as index:
        (told,) = find(index, SETTINGS, ["key-outside-validity"])
    assert told.count == 7
    assert [(each.journal, *each.entries) for each in told.found] == [
        *(("pa", at) for at in range(newest - 2, newest + 1)),
        ("us", 1),
        ("us", 2),
    ]


async def back_and_forth(both, ids):
    """The arrangement is changed, and changed back, by documents that both nations signed."""
    land = border()
    fewer = land.rearranged(feeds=feeds()[:2])
    assert (await both.pa.post(fewer, "")).refusal is None
    both.clock.ms += DAY_MS
    again = land.after(fewer).rearranged(version=3)
    ids["first"] = both.pa.node.size - 1
    assert (await both.pa.post(again, "")).refusal is None


async def back_by_way_of_another(both, ids):
    """Changed twice, and back to what it said at first."""
    land = border()
    ids["first"] = both.pa.node.size
    for version, count in ((2, 2), (3, 1), (4, None)):
        made = land.rearranged(feeds=feeds()[:count], version=version)
        assert (await both.pa.post(made, "")).refusal is None
        land = land.after(made)
        both.clock.ms += DAY_MS


async def forth_alone(both, _):
    assert (await both.pa.post(border().rearranged(feeds=feeds()[:2]), "")).refusal is None


@pytest.mark.parametrize(
    ("play", "count"), [(back_and_forth, 1), (back_by_way_of_another, 1), (forth_alone, 0)]
)
def test_policy_that_is_changed_and_changed_back_is_found(tmp_path, play, count):
    from exchange.audit.index import Index  # noqa: PLC0415
    from exchange.cli.journal_file import opened  # noqa: PLC0415

    traded = written(tmp_path, play)
    with Index.open(tmp_path / "x.index") as index, opened(traded.pa) as source:
        index.fold(source, lambda *_: None)
        told = find(index, SETTINGS, ["policy-reverted"])
        assert sum(each.count for each in told) == count
        if count:
            assert told[0].found[0].entries[0] == traded.ids["first"]


def test_settings_come_from_the_arrangement():
    agreed = border().arrangement
    made = settings_of(border().view)
    assert (made.flash_s, made.skew_s) == (agreed.target_s("flash"), agreed.limits.skew_s)
    assert made.witness_s == (agreed.witnesses.limit_s if agreed.witnesses else 0)
    assert made.serves == {"pa": ("pa",), "us": ("us",)}
    assert settings_of(None) == Settings()
    assert msgspec.structs.asdict(made).keys() == msgspec.structs.asdict(SETTINGS).keys()


def test_every_rule_has_its_sentences():
    assert all(rule.en.endswith(".") and rule.es.endswith(".") for rule in RULES.values())
    assert NOW_MS
