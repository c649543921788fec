"""What belongs to a bulletin: its thread, its corrections, its facts, its place on the map."""

from __future__ import annotations

from exchange.client.judging import Came
from exchange.desk import facts, thread
from exchange.desk.inset import HEIGHT, WIDTH, inset
from exchange.desk.telling import places_of
from exchange.model.bulletin.blocks import Place, Point
from exchange.web import region
from tests.desk.watching import CODES, NOW, acked, delivered, purged, refers, shelf
from tests.model.bulletins import example


def indexes(links):
    return [each.item.index for each in links]


def test_thread_is_all_that_refers_to_each_other_in_the_journals_order():
    request = delivered(1, type="rfi")
    reply = delivered(2, type="rpy", verb="reply", refs=refers("answers", request))
    correction = delivered(5, type="cor", verb="correct", refs=refers("corrects", reply))
    stranger = delivered(3)
    ours = delivered(4, type="rpy", verb="reply", refs=refers("answers", request))
    found = thread.of(correction, [request, reply, stranger, correction], [ours])
    assert indexes(found) == [1, 2, 4, 5]
    assert [each.is_ours for each in found] == [False, False, True, False]
    assert [each.is_here for each in found] == [False, False, False, True]
    assert [(each.relation, each.to) for each in found] == [
        (None, None),
        ("answers", 1),
        ("answers", 1),
        ("corrects", 2),
    ]


def test_bulletin_that_nothing_refers_to_is_a_thread_by_itself():
    assert indexes(thread.of(delivered(1), [delivered(2)], [])) == [1]


def test_correction_whose_target_cannot_be_read_is_not_checked():
    target = delivered(1, type="szr")
    correction = delivered(2, type="cor", verb="correct", refs=refers("corrects", target))
    held = shelf(target, correction)
    (found,) = thread.corrections(target, held, held.items(), "en", CODES)
    assert (found.by, found.of, found.check) == (2, None, "unchecked")


def test_request_of_a_reply_is_found_with_what_it_answers():
    asked = delivered(1, example("rfi-1"), type="rfi")
    reply = delivered(
        2, example("rpy-1"), type="rpy", verb="reply", refs=refers("answers", asked)
    )
    found = thread.request(reply, [asked, reply])
    assert found is not None
    assert found.item.index == 1
    assert thread.request(delivered(3), [asked, reply]) is None


class Seen:
    def __init__(self, *said):
        self.said = said

    def of(self, _digest):
        return list(self.said)


class Station:
    """As much of a station as facts look at: real shelf, no node."""

    def __init__(self, *items):
        self.shelf = shelf(*items)
        self.seen = Seen()
        self.agency = self
        self.world = self
        self.outbox = self
        self.acks = self


def test_facts_are_in_the_order_of_their_time_each_with_its_entry():
    item = delivered(
        7, came=Came("us", 3, (NOW - 5) * 1000), observed=NOW - 100, issued=NOW - 50
    )
    correction = delivered(9, taken_s=NOW + 9, verb="correct", refs=refers("corrects", item))
    items = [item, acked(8, item), correction, purged(10, of=7), purged(11, of=6)]
    found = facts.of(Station(*items), item, items)
    assert [(each.key, each.index, each.node) for each in found] == [
        ("observed", None, ""),
        ("issued", None, ""),
        ("taken-abroad", 3, "us"),
        ("taken", 7, ""),
        ("acked-by", 8, ""),
        ("corrects", 9, ""),
        ("purge", 10, ""),
    ]
    assert [each.is_row for each in found] == [False, False, False, True, True, True, True]


def test_map_is_cut_to_the_places_in_the_insets_proportions():
    (place, *_) = places_of(delivered(1, example("szr-1")))
    made = inset([place])
    assert made is not None
    assert abs(made.width / made.height - WIDTH / HEIGHT) < 0.01
    (mark,) = made.marks
    assert made.x < mark.at[0] < made.x + made.width
    assert made.y < mark.at[1] < made.y + made.height
    names = {code for _, _, code in made.names}
    assert "PAN" in names
    assert len(made.countries) < len(region.load().countries)
    assert region.load().countries["PAN"].path in made.countries


def test_place_that_is_not_on_the_map_is_counted_and_none_makes_no_map():
    far = Place(geometry=Point(coordinates=(2.0, 48.0)))
    here = Place(geometry=Point(coordinates=(-80.0, 8.0)))
    assert inset([far]) is None
    assert inset([]) is None
    made = inset([here, far])
    assert made is not None
    assert made.outside == 1
