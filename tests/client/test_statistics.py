"""The STA's figures, counted by hand: a dozen bulletins of both nations, all EXERCISE."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import pytest

from exchange.client import bearing, statistics
from exchange.client.reading import Delivered
from exchange.client.reports import Asked
from exchange.errors import Code, Refusal
from exchange.model import draft as drafts
from exchange.model.bulletin import decode
from exchange.model.bulletin.blocks import Period
from exchange.model.header import Reference
from exchange.model.identity import digest
from tests.builders import DESK, OPS, WATCH, new_id, world
from tests.model.bulletins import CODES, drafted, example, plain
from tests.model.correcting import correcting

ASKED = Asked(datetime(2026, 7, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "exercise")
DAY = datetime(2026, 11, 24, 9, 40, tzinfo=UTC)
AZUERO, DARIEN = [-80.5042, 7.0118], [-77.9, 8.2]
KG = {"qualifier": "exact", "count": "official", "unit": "kg", "basis": "bulk"}
SOONER = {"issued": world().header().issued - 60}
FIELD = {"qualifier": "exact", "count": "field", "packages": 34}


def delivered(index, bulletin, endpoint=OPS, **header):
    abroad = OPS if endpoint == WATCH else WATCH
    usual = {"id": bulletin.id, "type": bulletin.type, "endpoint": endpoint, "to": [abroad]}
    return Delivered(
        position=index,
        index=index,
        taken_ms=0,
        header=world().header(**{**usual, **header}),
        digest=digest(str(index).encode()),
        late=False,
        target=None,
        accepted=index,
        accepted_ms=0,
        bulletin=bulletin,
    )


def szr(index, event, endpoint=OPS, *, at=DAY, where=AZUERO, arrests=0, header=(), **quantity):  # noqa: PLR0913
    """A seizure of cocaine salts; ``quantity`` over an official one in kilograms."""
    values = plain("szr-1")
    values |= {"id": new_id(), "origin": endpoint.partition("/")[0]}
    said = quantity if quantity.get("count") == "field" else KG | quantity
    content = values["content"]
    content |= {"event": event, "seized_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "custody": []}
    content["place"]["geometry"]["coordinates"] = where
    content["drugs"] = [{"drug": "cocaine-salts", "quantity": said}]
    content["arrested"] = content["arrested"][:1] if arrests else []
    for each in content["arrested"]:
        each["n"] = arrests
    made = decode(json.dumps(values).encode(), CODES)
    return delivered(index, made, endpoint, **dict(header))


def corrects(index, of, *changes):
    """A correction of a seizure, by its originator."""
    values = correcting("szr-1", *changes, declares=())
    target = {"id": of.header.id, "origin": of.header.origin, "type": "szr"}
    values["content"]["target"] = target
    values |= {"id": new_id(), "origin": of.header.origin}
    return bears(index, of, "correct", "corrects", decode(json.dumps(values).encode(), CODES))


def bears(index, of, verb, rel, bulletin):
    refs = [Reference(rel, of.header.id, of.digest)]
    return delivered(index, bulletin, of.header.endpoint, verb=verb, refs=refs)


def cancels(index, of):
    return bears(index, of, "cancel", "cancels", example("can-1"))


def opn(index, name, phase, endpoint=OPS, days=0):
    made = example("opn-2")
    start = DAY + timedelta(days=days)
    content = msgspec.structs.replace(
        made.content, code_name=name, phase=phase, period=Period(start, start + timedelta(2))
    )
    bulletin = msgspec.structs.replace(made, id=new_id(), content=content)
    return delivered(index, bulletin, endpoint)


def mig(index, endpoint=OPS):
    return delivered(index, msgspec.structs.replace(example("mig-1"), id=new_id()), endpoint)


class Case(NamedTuple):
    """What is told of one case, by name."""

    field: Delivered
    recount: Delivered
    theirs: Delivered
    gone: Delivered
    near: Delivered
    far: Delivered
    others: list[Delivered]

    @property
    def items(self):
        of_case = [self.field, self.recount, self.theirs, self.gone, cancels(5, self.gone)]
        return [*of_case, self.near, self.far, *self.others]


@pytest.fixture
def case():
    """Panama's field count, corrected to 811.4 kg; what the other side says of it; more."""
    field = szr(1, "EX-2026-0107", arrests=4, **FIELD)
    official = KG | {"value": 811.4, "packages": 34}
    return Case(
        field,
        corrects(2, field, ("/content/drugs/0/quantity", FIELD, official)),
        # Weighed elsewhere, and arrests that the other count has too.
        szr(3, "ex-2026-0107 ", WATCH, at=DAY + timedelta(hours=3), value=811.4, arrests=4),
        szr(4, "EX-2026-0108", value=500.0),
        # The same night, 10 km off, about as much: nobody says that it is the same.
        szr(
            6,
            "US-77",
            WATCH,
            at=DAY + timedelta(hours=2),
            value=790.0,
            where=[-80.5, 7.1],
            header=SOONER,
        ),
        szr(7, "US-78", WATCH, where=DARIEN, value=100.1, arrests=2),
        [
            opn(8, "EXERCISE GANNET", "planned"),
            opn(9, "Exercise Gannet", "ended", WATCH),
            opn(10, "EXERCISE HERON", "planned", days=20),
            mig(11),
            mig(12, WATCH),
            # Another half-year's, and no exercise.
            szr(13, "EX-2026-0001", at=DAY - timedelta(days=300), value=1000.0),
            szr(14, "EX-2026-0109", value=1000.0, header={"status": "actual"}),
        ],
    )


def computed(items, same=()):
    return statistics.compute(items, ASKED, CODES, same)


def kilograms(items, same=()):
    totals = computed(items, same).content.drug_totals
    return {
        each.quantity.count: each.quantity.value or each.quantity.packages for each in totals
    }


def test_counted_by_hand(case):
    told = computed(case.items)
    content = told.content
    assert {each.type: each.n for each in content.counts} == {"szr": 4, "mig": 2, "opn": 3}
    (total,) = content.drug_totals
    # 811.4 once, 790.0 and 100.1: in decimals, not 1701.5000000000002.
    assert (total.drug, total.quantity.value) == ("cocaine-salts", 1701.5)
    assert (total.quantity.count, total.quantity.basis) == ("official", "bulk")
    assert (content.arrests, content.operations) == (6, 1)
    (both,) = content.reconciled
    assert (both.reconciliation, both.quantity.value) == ("agreed", 811.4)
    assert set(both.bulletins) == {case.field.header.id, case.theirs.header.id}


def test_each_figure_names_the_bulletins_that_it_is_from(case):
    told = computed(case.items)
    of = {each.at: set(each.bulletins) for each in told.figures}
    ids = {name: getattr(case, name).header.id for name in ("field", "theirs", "near", "far")}
    first = told.doubles[0].reports[0].id
    assert of["/drug_totals/0"] == {first, ids["near"], ids["far"]}
    assert of["/arrests"] == {first, ids["far"]}
    assert of["/operations"] == {case.others[1].header.id}
    assert of["/counts/0"] == {*ids.values()}
    assert not any(case.gone.header.id in each for each in of.values())


def test_edited_input_changes_the_figure(case):
    far = szr(7, "US-78", WATCH, where=DARIEN, value=200.1, arrests=2)
    assert kilograms(case._replace(far=far).items) == {"official": 1801.5}
    # Neither taken back nor corrected, each tells what it said.
    assert kilograms([each for each in case.items if each.index != 5])["official"] == 2201.5
    uncorrected = [each for each in case.items if each.index not in (2, 3)]
    assert kilograms(uncorrected) == {"official": 890.1, "field": 34}


def test_newer_version_counts_in_the_place_of_the_one_before(case):
    newer = szr(20, "US-78", WATCH, where=DARIEN, value=90.0)
    refs = [Reference("supersedes", case.far.header.id, case.far.digest)]
    header = msgspec.structs.replace(newer.header, verb="update", refs=refs)
    newer = msgspec.structs.replace(newer, header=header)
    assert kilograms([*case.items, newer]) == {"official": 1691.4}
    # That one taken back, nobody says which holds: it is not counted, and told.
    told = computed([*case.items, newer, cancels(21, newer)])
    assert [(each.item.header.id, each.why) for each in told.left] == [
        (case.far.header.id, "version")
    ]
    assert told.content.drug_totals[0].quantity.value == 1601.4


def test_only_alike_is_listed_and_merged_only_where_an_officer_says_so(case):
    told = computed(case.items)
    (pair,) = told.alike
    assert case.near.header.id in (pair.one, pair.other)
    assert (9 < pair.km < 11, pair.same_event) == (True, False)
    same = [(case.near.header.id, case.field.header.id)]
    assert kilograms(case.items, same) == {"official": 911.5}
    assert computed(case.items, same).alike == []
    # Ten times as much, another day, or 200 km off, they are not alike.
    for change in ({"value": 79.0}, {"at": DAY + timedelta(days=3)}, {"where": DARIEN}):
        other = {"value": 790.0, "where": [-80.5, 7.1]} | change
        near = szr(6, "US-77", WATCH, **other)
        found = computed([case.field, case.recount, near]).alike
        assert found == [], change


def test_who_is_said_to_be_the_same_must_be_counted(case):
    with pytest.raises(Refusal) as caught:
        computed(case.items, [(case.gone.header.id, case.field.header.id)])
    assert (caught.value.code, caught.value.at) == (Code.NOT_FOUND, "/same")


@pytest.mark.parametrize(
    ("words", "at"),
    [
        (("2026-13-01", "2026-12-31", "exercise"), "/from"),
        (("2026-07-01", "later", "exercise"), "/to"),
        (("2026-07-01", "9999-12-31", "exercise"), "/to"),
        (("2026-07-01", "2026-06-30", "exercise"), "/to"),
        (("2026-07-01", "2026-12-31", "drill"), "/status"),
    ],
)
def test_period_that_is_none_is_refused_at_its_place(words, at):
    assert Asked.of_days("2026-07-01", "2026-12-31", "exercise") == ASKED
    with pytest.raises(Refusal) as caught:
        Asked.of_days(*words)
    assert (caught.value.code, caught.value.at) == (Code.WRONG_VALUE, at)


def test_sides_that_differ_are_told_so_and_the_later_official_count_counts(case):
    header = {"issued": case.field.header.issued + 60}
    theirs = szr(3, "EX-2026-0107", WATCH, value=805.0, arrests=4, header=header)
    told = computed(case._replace(theirs=theirs).items)
    (both,) = told.content.reconciled
    assert (both.reconciliation, both.quantity.value) == ("differs", 805.0)
    assert told.content.drug_totals[0].quantity.value == 1695.1


def test_reference_ties_and_a_name_on_another_day_or_of_two_finds_does_not():
    one = szr(1, "EX-1", value=10.0)
    later = {"at": DAY + timedelta(days=5), "value": 10.0}
    other = szr(2, "EX-1", WATCH, **later)
    told = computed([one, other])
    assert (told.content.drug_totals[0].quantity.value, told.content.reconciled) == (20.0, [])
    assert [each.same_event for each in told.alike] == [True]
    refs = [Reference("answers", one.header.id, one.digest)]
    named = szr(2, "US-1", WATCH, header={"refs": refs}, **later)
    told = computed([one, named])
    assert [each.by for each in told.doubles[0].ties] == ["reference"]
    # Two finds under one name of one agency: which of them the other side means, nobody says.
    finds = [one, szr(3, "EX-1", value=5.0), szr(4, "EX-1", WATCH, value=15.0)]
    told = computed(finds)
    assert (told.doubles, len(told.alike)) == ([], 3)


def test_envelopes_of_one_act_count_once():
    one = szr(1, "EX-1", value=10.0)
    bulletin = msgspec.structs.replace(one.bulletin, id=new_id())
    told = computed([one, delivered(2, bulletin)])
    assert told.content.counts[0].n == 1
    assert told.content.drug_totals[0].quantity.value == 10.0


def resent(index, of, **header):
    bulletin = msgspec.structs.replace(of.bulletin, id=new_id())
    header |= {"endpoint": of.header.endpoint, "issued": of.header.issued + 300}
    return delivered(index, bulletin, **header)


def test_rest_of_an_act_counts_with_it_however_late_it_was_sent():
    request = delivered(9, example("brq-1"), WATCH)
    refs = {"refs": [Reference("answers", request.header.id, request.digest)]}
    theirs = szr(3, "US-1", WATCH, value=100.0, header=refs)
    for here, there in ((refs, {}), ({}, refs)):
        first = szr(1, "EX-1", value=100.0, arrests=2, header=here)
        rest = resent(2, first, **there)
        told = computed([first, rest, theirs, request])
        assert (told.content.counts[0].n, told.content.arrests, told.alike) == (2, 2, [])
        assert [each.by for each in told.doubles[0].ties] == ["case"]
        assert {first.header.id, rest.header.id} in [{*each.ids} for each in told.reports]
    flow = mig(4)
    assert computed([flow, resent(5, flow)]).content.counts[0].n == 1


@pytest.mark.parametrize(
    "change",
    [
        {"value": 100.5},
        {"arrests": 3},
        {"where": [-80.5043, 7.0118]},
        {"at": DAY + timedelta(seconds=1)},
        {"header": {"observed": int(DAY.timestamp()) + 1}},
    ],
)
def test_two_finds_that_differ_in_anything_are_two(change):
    usual = {"value": 100.0, "arrests": 2, "header": {"observed": int(DAY.timestamp())}}
    one = szr(1, "EX-1", **usual)
    told = computed([one, szr(2, "EX-1", **usual | change)])
    assert (told.content.counts[0].n, told.doubles, len(told.alike)) == (2, [], 1)
    others = [szr(3, "EX-2", **usual), szr(4, "EX-1", DESK, **usual)]
    assert computed([one, *others]).content.counts[0].n == 3


def test_what_cannot_be_counted_rightly_is_not_and_says_why(case):
    locked = msgspec.structs.replace(
        case.far, bulletin=None, locked=Refusal(Code.CANNOT_DECRYPT)
    )
    issued = {"issued": int(DAY.timestamp())}
    header = msgspec.structs.replace(locked.header, **issued)
    locked = msgspec.structs.replace(locked, header=header)
    wrong = corrects(2, case.field, ("/content/modality", "hull", "parasite"))
    away = msgspec.structs.replace(case.near, earlier=[("corrects", 4)])
    told = computed([case.field, wrong, away, locked])
    assert {each.item.index: each.why for each in told.left} == {
        1: "correction", 6: "correction", 7: "locked",
    }  # fmt: skip
    assert told.content.drug_totals == []


def test_draft_of_it_is_a_bulletin(case):
    made = statistics.bulletin(computed(case.items), "es")
    post = drafts.read_draft(json.dumps({"post": POST, "bulletin": made}).encode(), toml=False)
    done = drafts.complete(post, id=new_id(), origin="pa.senan", codes=CODES)
    assert done.title.text == "EJERCICIO: Estadísticas del período 2026-07-01 / 2026-12-31"


POST = msgspec.to_builtins(drafted("sta-1.es.toml").post)


def test_amounts_are_compared_and_summed_as_written_whatever_their_unit():
    one = szr(1, "EX-1", value=811.4, arrests=2)
    other = szr(2, "EX-1", WATCH, value=811_400, unit="g", arrests=2)
    told = computed([one, other, szr(3, "EX-2", value=0.25, qualifier="estimate", unit="t")])
    assert [each.reconciliation for each in told.content.reconciled] == ["agreed"]
    (total,) = told.content.drug_totals
    assert (total.quantity.value, total.quantity.unit) == (1061.4, "kg")
    assert total.quantity.qualifier == "estimate"
    # The same weight, and other arrests: they differ.
    fewer = szr(2, "EX-1", WATCH, value=811.4, arrests=1)
    assert computed([one, fewer]).content.reconciled[0].reconciliation == "differs"


def test_official_count_goes_before_a_later_one_of_the_field():
    official, later = szr(1, "EX-1", value=80.0), {"issued": world().header().issued + 60}
    field = szr(2, "EX-1", WATCH, header=later, **FIELD)
    assert kilograms([official, field]) == {"official": 80.0}
    # One agency's two reports are one where one is the official count of the other.
    assert kilograms([official, szr(2, "EX-1", header=later, **FIELD)]) == {"official": 80.0}
    drugs = official.bulletin.content.drugs + field.bulletin.content.drugs
    content = msgspec.structs.replace(official.bulletin.content, drugs=drugs)
    bulletin = msgspec.structs.replace(official.bulletin, content=content)
    assert kilograms([delivered(3, bulletin)]) == {"official": 80.0}


def contained(made):
    """The same, found in a container."""
    containers = example("szr-2").content.containers
    content = msgspec.structs.replace(made.bulletin.content, containers=containers)
    bulletin = msgspec.structs.replace(made.bulletin, content=content)
    return msgspec.structs.replace(made, bulletin=bulletin)


def test_container_ties_two_agencies_reports_on_one_day():
    pair = [szr(1, "A", value=80.0), szr(2, "B", WATCH, value=80.0)]
    told = computed([*map(contained, pair)])
    assert [each.by for each in told.doubles[0].ties] == ["container"]


def test_drill_is_no_operation_among_actual_ones():
    drill = opn(1, "EXERCISE GANNET", "ended")
    header = msgspec.structs.replace(drill.header, status="actual")
    drill = msgspec.structs.replace(drill, header=header)
    told = statistics.compute([drill], ASKED._replace(status="actual"), CODES)
    assert (told.content.operations, [each.why for each in told.left]) == (None, ["exercise"])


AFTER = Asked(ASKED.end, datetime(2027, 7, 1, tzinfo=UTC), "exercise")


def test_event_at_the_end_of_a_period_counts_in_one_of_two():
    end = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    theirs = {"at": end + timedelta(hours=1), "value": 500.0}
    items = [szr(1, "EX-9", at=end, value=500.0), szr(2, "EX-9", WATCH, **theirs)]
    told = [computed(items), statistics.compute(items, AFTER, CODES)]
    assert [len(each.content.drug_totals) for each in told].count(1) == 1
    assert [each.content.counts[0].n for each in told] == [1, 1]
    # Of two that are only alike each counts on its side, until an officer takes them for one.
    items[1] = szr(2, "US-9", WATCH, **theirs)
    ids = [each.header.id for each in items]
    for asked, here, there in ((ASKED, *ids), (AFTER, *ids[::-1])):
        made = statistics.compute(items, asked, CODES)
        assert [{each.one, each.other} for each in made.alike] == [{*ids}]
        assert ([e.id for e in made.reports], [e.id for e in made.beside]) == ([here], [there])
    said = [statistics.compute(items, each, CODES, [ids]) for each in (ASKED, AFTER)]
    assert sum(len(each.content.drug_totals) for each in said) == 1


def test_two_finds_of_one_agency_stay_two_whatever_stands_between_them():
    one, late = szr(1, "EX-9", value=500.0), {"at": DAY + timedelta(hours=46)}
    mid = szr(2, "EX-9", WATCH, at=DAY + timedelta(hours=23), value=500.0)
    told = computed([one, mid, szr(3, "EX-9", value=300.0, **late)])
    assert (told.doubles, len(told.alike)) == ([], 3)
    # Nor does what the other side reported under the names of both make one of them.
    both = contained(szr(2, "EX-9", WATCH, value=800.0))
    told = computed([one, both, contained(szr(3, "EX-10", value=300.0))])
    assert (told.doubles, [each.same_event for each in told.alike]) == ([], [True, True])
    # What one of them names is that one.
    refs = {"refs": [Reference("answers", one.header.id, one.digest)]}
    both = contained(szr(2, "EX-9", WATCH, value=800.0, header=refs))
    told = computed([one, both, contained(szr(3, "EX-10", value=300.0))])
    assert [[tie.by for tie in each.ties] for each in told.doubles] == [["reference"]]
    # Two that its agency itself calls one are no two finds.
    again = szr(3, "EX-10", value=500.0, header=refs)
    told = computed([one, again, szr(2, "EX-9", WATCH, value=500.0)])
    assert [len(each.reports) for each in told.doubles] == [3]


def test_only_an_answer_to_a_boarding_request_is_of_its_case():
    request = delivered(9, example("brq-1"), WATCH)
    refs = {"refs": [Reference("answers", request.header.id, request.digest)]}
    ours, found = szr(1, "A", value=10.0, header=refs), szr(3, "C", value=500.0, header=refs)
    later = DAY + timedelta(days=5)
    theirs = szr(2, "B", WATCH, at=later, value=10.0, header=refs)
    assert [e.by for e in computed([request, ours, theirs]).doubles[0].ties] == ["case"]
    # Two finds at one boarding are two.
    assert computed([request, ours, found]).content.drug_totals[0].quantity.value == 510.0
    # But for the other two of them would be one, however far from the period that other is.
    last = szr(4, "D", at=later, value=10.0, header=refs)
    period = Asked(later - timedelta(days=1), later + timedelta(days=3), "exercise")
    apart = statistics.compute([request, ours, theirs, last], period, CODES)
    assert (apart.doubles, {*apart.rests_on}) == (
        [],
        {each.header.id for each in (ours, theirs, last)},
    )
    # A question about both is no boarding; and what is not here may be one.
    header = msgspec.structs.replace(request.header, type="rfi")
    question = msgspec.structs.replace(request, header=header)
    for items in ([question, ours, theirs], [ours, theirs]):
        assert computed(items).doubles == []


def test_locked_report_that_does_not_say_of_when_is_listed_if_it_came_since(case):
    start = int(ASKED.start.timestamp())
    late = {"issued": int(ASKED.end.timestamp()) + 9, "observed": None}

    def left(item, **header):
        header = msgspec.structs.replace(item.header, **header)
        locked = Refusal(Code.CANNOT_DECRYPT)
        item = msgspec.structs.replace(item, header=header, bulletin=None, locked=locked)
        return [each.why for each in computed([item]).left]

    assert left(case.far, **late) == left(mig(2), **late) == ["locked"]
    assert left(case.far, **late | {"observed": late["issued"]}) == []
    # When somebody saw a flow is not when it began.
    assert left(mig(2), **late | {"observed": late["issued"]}) == ["locked"]
    assert left(mig(2), issued=start - 1, observed=None) == []


def test_correction_is_held_to_what_bears_on_its_report_alone(case, monkeypatch):
    looked, found = [], bearing.as_corrected
    monkeypatch.setattr(
        bearing, "as_corrected", lambda item, items, codes: looked.append(len(items))
        or found(item, items, codes),
    )  # fmt: skip
    again = corrects(20, case.field, ("/content/modality", "hull", "parasite"))
    told = computed([*case.items, again, cancels(21, again)])
    assert told.content.drug_totals[0].quantity.value == 1701.5
    # The report, both corrections, and what cancels one: of fifteen.
    # Once for the figures, and once for what both sides know.
    assert looked == [4, 4]
