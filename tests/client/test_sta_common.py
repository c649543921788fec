"""What a STA tells the other nation: no more than its sources allow, of none it never had."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from exchange.client import statistics
from exchange.model.header import Marking, Reference
from tests.builders import DESK, WATCH, new_id
from tests.client.test_statistics import (
    AFTER,
    ASKED,
    DARIEN,
    DAY,
    FIELD,
    KG,
    SOONER,
    cancels,
    case,
    computed,
    corrects,
    delivered,
    resent,
    szr,
)
from tests.model.bulletins import CODES

__all__ = ["case"]
RED = Marking("red", ["USA"], ["h2"], originator_control=True)
GREEN = Marking("green", ["PAN"], [], originator_control=False)
HOME = {"to": ["pa.minsa/desk"]}


def test_marking_is_the_narrowest_of_what_is_counted(case):
    far = szr(7, "US-78", WATCH, where=DARIEN, value=1.0, header={"marking": RED})
    assert computed(case._replace(far=far).items).marking == RED


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (RED, GREEN, ("red", ["h2"])),
        (msgspec.structs.replace(GREEN, handling=["h1"]), RED, ("red", ["h1", "h2"])),
        (GREEN, msgspec.structs.replace(GREEN, releasable_to=["USA"]), ("amber+strict", [])),
    ],
)
def test_marking_that_no_nation_may_have_is_for_its_author_alone_and_never_wider(
    one, other, told
):
    sources = [
        szr(n, f"EX-{n}", value=1.0, header={"marking": m}) for n, m in ((1, one), (2, other))
    ]
    account = computed(sources)
    tlp, handling = told
    assert account.marking.releasable_to == []
    assert statistics.marking(account, "PAN") == Marking(
        tlp, ["PAN"], handling, originator_control=True
    )


def test_where_nothing_is_counted_it_is_for_its_author_alone():
    alone = Marking("amber+strict", ["PAN"], [], originator_control=True)
    assert statistics.marking(computed([]), "PAN") == alone


def test_marking_of_a_correction_or_another_envelope_narrows_what_is_counted(case):
    tight = Marking("red", ["PAN"], ["h2"], originator_control=True)
    header = msgspec.structs.replace(case.recount.header, marking=tight)
    recount = msgspec.structs.replace(case.recount, header=header)
    assert computed([case.field, recount]).marking == tight
    text = case.field.bulletin
    for one, other in (({"marking": tight}, {}), ({}, {"marking": tight})):
        twin = msgspec.structs.replace(text, id=new_id())
        told = computed([delivered(1, text, **one), delivered(2, twin, **other)])
        assert (told.content.counts[0].n, told.marking) == (1, tight)


@pytest.mark.parametrize("home_first", [True, False])
def test_of_an_act_the_envelope_that_crossed_is_named_and_both_sides_name_the_same(home_first):
    first = szr(1, "EX-1", value=10.0, header=HOME if home_first else {})
    second = resent(2, first, **({} if home_first else HOME))
    crossed = second if home_first else first
    refs = {"refs": [Reference("answers", crossed.header.id, crossed.digest)]}
    theirs = szr(3, "US-1", WATCH, value=10.0, header=refs)
    (ours,) = computed([first, second, theirs]).content.reconciled
    assert set(ours.bulletins) == {crossed.header.id, theirs.header.id}
    (other,) = computed([crossed, theirs]).content.reconciled
    assert set(other.bulletins) == set(ours.bulletins)


def test_of_two_that_crossed_none_is_named_to_the_readers_of_the_other():
    first = szr(1, "EX-1", value=10.0)
    second = resent(2, first)
    refs = {"refs": [Reference("answers", first.header.id, first.digest)]}
    theirs = szr(3, "US-1", WATCH, value=10.0, header=refs)
    (told,) = computed([first, second, theirs]).content.reconciled
    assert (told.bulletins, told.reconciliation) == ([theirs.header.id], "agreed")


def test_an_event_that_is_not_told_as_reconciled_says_why():
    ours, theirs = szr(1, "EX-1", value=10.0), szr(2, "EX-1", WATCH, value=10.0)
    both = [ours, theirs, resent(3, ours)]
    assert computed(both).untold == {}
    # Each in two envelopes, and no reader of one is to learn of the other.
    account = computed([*both, resent(4, theirs)])
    (event,) = account.doubles
    assert (account.content.reconciled, account.sides) == ([], {event.reports[0].id: "agreed"})
    assert account.untold == {event.reports[0].id: "unnamed"}
    assert account.content.drug_totals[0].quantity.value == 10.0
    assert not any(each.at.startswith("/reconciled") for each in account.figures)
    # What stayed at home is told of to nobody.
    account = computed([szr(1, "EX-1", value=10.0, header=HOME), theirs])
    assert [*account.untold.values()] == ["apart"]
    # Nor what one side alone reported: of that nothing is to be said.
    assert computed([ours, szr(5, "EX-1", DESK, value=10.0)]).untold == {}


def named(items, same=()):
    return [{*each.bulletins} for each in computed(items, same).content.reconciled]


def test_a_report_that_never_crossed_is_told_of_to_nobody_nor_ties_what_did():
    theirs = szr(2, "EX-1", WATCH, value=10.0)
    secret = szr(1, "EX-1", value=10.0, header=HOME)
    account = computed([secret, theirs])
    assert account.content.reconciled == []
    assert account.sides == {account.doubles[0].reports[0].id: "agreed"}
    ours = szr(3, "EX-10", value=8.0, header=SOONER)
    both = ours.header.id, theirs.header.id
    # It alone says that the two are one; an officer may say so in earnest.
    refs = {"refs": [Reference("answers", ours.header.id, ours.digest)]}
    secret = szr(1, "EX-1", DESK, value=10.0, header=refs | HOME)
    items = [secret, ours, theirs]
    assert len(computed(items).doubles[0].reports) == 3
    assert (named(items), named(items, [both])) == ([], [{*both}])
    # Nor is told of as one what counts as two beside it.
    ours = szr(3, "EX-1", value=10.0)
    doubt = szr(1, "EX-1", value=80.0, header=HOME | SOONER)
    account = computed([doubt, ours, theirs])
    assert (account.doubles, len(account.alike), account.content.reconciled) == ([], 3, [])
    # Nor does it say of which period an event is.
    end = DAY.replace(month=12, day=31, hour=23, minute=30)
    late = {"at": end + timedelta(hours=1)}
    crossed = [szr(3, "EX-9", **FIELD, **late), szr(4, "EX-9", WATCH, **FIELD, **late)]
    early = szr(5, "EX-9", DESK, at=end, value=80.0, header=HOME)
    told = [statistics.compute([*crossed, early], each, CODES) for each in (ASKED, AFTER)]
    assert [len(each.content.drug_totals) for each in told] == [1, 0]
    assert [len(each.content.reconciled) for each in told] == [0, 1]
    # Nor is an event told of by what corrects, replaces or cancels a report at home alone.
    ours = szr(3, "EX-1", value=10.0)
    quantity = ("/content/drugs/0/quantity", KG | {"value": 10.0}, KG | {"value": 99.0})
    corrected, gone = corrects(4, ours, quantity), cancels(4, ours)
    assert named([ours, theirs, corrected]) == [{ours.header.id, theirs.header.id}]
    for each in (corrected, gone):
        header = msgspec.structs.replace(each.header, **HOME)
        assert named([ours, theirs, msgspec.structs.replace(each, header=header)]) == []


def test_a_cancelled_envelope_of_which_another_stands_is_told():
    first = szr(1, "EX-1", value=10.0)
    second = resent(2, first)
    # Once it is cancelled, its author cannot read it any more.
    gone = msgspec.structs.replace(first, bulletin=None)
    stray = szr(5, "EX-2", value=10.0)
    items = [gone, second, cancels(3, first), stray, cancels(6, stray)]
    act = [first.header.id, second.header.id]

    def left(acts, items=items):
        return [
            (each.item.header.id, each.why)
            for each in statistics.compute(items, ASKED, CODES, acts=acts).left
        ]

    assert left([act]) == [(first.header.id, "envelope")]
    assert left([]) == left([[first.header.id]]) == []
    assert left([act], [*items, cancels(4, second)]) == []


def test_what_is_told_as_reconciled_narrows_the_marking_whatever_period_it_counts_in():
    end = DAY.replace(month=12, day=31, hour=23, minute=30)
    green = msgspec.structs.replace(GREEN, releasable_to=["PAN", "USA"])
    red = msgspec.structs.replace(RED, releasable_to=["PAN", "USA"])
    ours = szr(1, "EX-9", at=end, value=1.0, header={"marking": green})
    content = msgspec.structs.replace(ours.bulletin.content, drugs=[])
    ours = msgspec.structs.replace(
        ours, bulletin=msgspec.structs.replace(ours.bulletin, content=content)
    )
    refs = {"refs": [Reference("answers", ours.header.id, ours.digest)]}
    header = {"marking": red} | refs | SOONER
    theirs = szr(2, "EX-9", WATCH, at=end + timedelta(hours=1), **FIELD, header=header)
    # What never crossed has it counted in the next half-year.
    header = {"marking": green} | refs | HOME
    home = szr(3, "EX-9", DESK, at=end + timedelta(hours=2), value=10.0, header=header)
    account, later = (
        statistics.compute([ours, theirs, home], each, CODES) for each in (ASKED, AFTER)
    )
    (told,) = account.content.reconciled
    assert (told.quantity.packages, account.content.drug_totals) == (34, [])
    assert (later.content.reconciled, len(later.content.drug_totals)) == ([], 1)
    assert account.marking == red
    both = [ours.header.id, theirs.header.id]
    assert [each.id for each in account.reports] == both
    assert {each.at: each.bulletins for each in account.figures}["/reconciled/0"] == both
    # So does an envelope at home of what crossed in another.
    red_at_home = resent(4, ours, marking=red, **HOME)
    green_too = msgspec.structs.replace(
        theirs, header=msgspec.structs.replace(theirs.header, marking=green)
    )
    assert computed([ours, red_at_home, green_too]).marking == red
