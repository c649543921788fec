"""The shelf: what wants looking at comes first, and a search finds what is held."""

from __future__ import annotations

import msgspec
import pytest

from exchange.client.reading import Delivered, Locked
from exchange.desk.shelf import Asked, Shelf, asked, folded
from exchange.errors import Code, Refusal
from exchange.model.header import Reference
from exchange.model.identity import digest
from tests.builders import world
from tests.model.bulletins import CODES, example

WORLD = world()
TARGET_S = {"flash": 600, "immediate": 1800, "priority": 7200, "routine": 86_400}
NOW = 100_000
ID = "0192f3a0-0000-7000-8000-000000000001"


def delivered(index, precedence="routine", taken_s=NOW, bulletin=None, **header):
    made = WORLD.header(precedence=precedence, **header)
    return Delivered(
        position=index,
        index=index,
        taken_ms=taken_s * 1000,
        header=made,
        digest=digest(str(index).encode()),
        late=False,
        target=None,
        accepted=index,
        accepted_ms=taken_s * 1000,
        bulletin=bulletin,
    )


def shelf(*items):
    made = Shelf(CODES, TARGET_S.__getitem__)
    made.take(items)
    return made


def found(made, said="", **also):
    return [row.item.index for row in made.find(asked(said, Asked(**also)), NOW)]


def test_bands_come_in_order_and_in_a_band_what_is_due_soonest():
    made = shelf(
        delivered(1, "routine"),
        delivered(2, "flash"),
        delivered(3, "priority", taken_s=NOW - 10),
        delivered(4, "priority", taken_s=NOW - 20),
        delivered(5, "immediate"),
        Locked(6, 6, Refusal(Code.BAD_SIGNATURE)),
        delivered(7, "priority", due=NOW + 5),
    )
    assert found(made) == [2, 5, 7, 4, 3, 1, 6]


def test_what_was_seen_to_goes_behind_in_its_band_newest_first():
    made = shelf(
        delivered(1, "flash", taken_s=NOW - 30),
        delivered(2, "flash", taken_s=NOW - 20),
        delivered(3, "flash", taken_s=NOW - 10),
        delivered(4, "routine"),
    )
    made.acknowledged |= {digest(b"1"), digest(b"2")}
    assert found(made) == [3, 2, 1, 4]


def test_withdrawn_waits_for_nobody():
    first = delivered(1, "flash", taken_s=NOW - 5000)
    withdrawal = delivered(
        2, "flash", type="can", verb="cancel",
        refs=[Reference("cancels", first.header.id, first.digest)],
    )  # fmt: skip
    made = shelf(first)
    assert made.states(made.row(1), NOW) == {"unread", "unacknowledged", "overdue"}
    made.take([withdrawal])
    assert made.states(made.row(1), NOW) == {"unread", "withdrawn"}
    assert found(made) == [2, 1]


def test_states_follow_what_was_read_and_acknowledged():
    made = shelf(delivered(1, "flash", taken_s=NOW - 601), delivered(2, "flash"))
    assert found(made, "is:overdue") == [1]
    assert made.counts(NOW) | {"unread": 2, "overdue": 1, "flash": 2} == made.counts(NOW)
    made.read.add(made.key(made.row(1)))
    made.acknowledged.add(digest(b"1"))
    assert found(made, "is:unread") == [2]
    assert found(made, "es:unacknowledged") == [2]
    assert found(made, states=("overdue",)) == []
    assert made.counts(NOW)["flash"] == 1


def test_one_that_opens_later_takes_its_own_place():
    locked = delivered(1)
    shut = msgspec.structs.replace(locked, locked=Refusal(Code.CANNOT_DECRYPT))
    made = shelf(shut)
    assert "locked" in made.states(made.row(1), NOW)
    made.take([msgspec.structs.replace(shut, locked=None, bulletin=example("voi"))])
    assert "locked" not in made.states(made.row(1), NOW)
    assert len(made) == 1
    assert made.row(1).title


@pytest.mark.parametrize(
    ("said", "is_found"),
    [
        ("", True),
        ("EXERCISE", True),
        ("exercise", True),
        ("embarcacion", True),          # the type's word in Spanish, without its accent
        ("vessel of interest", True),
        ("type:voi", True),
        ("tipo:voi de:pa", True),
        ("type:szr", False),
        ("from:us", False),
        ("canal:maritime", True),
        ("precedence:flash", False),
        ("no-such-word", False),
        ("exercise no-such-word", False),
        ("colour:red", False),          # no prefix of ours: a word
    ],
)  # fmt: skip
def test_search_looks_through_all_that_is_held(said, is_found):
    made = shelf(delivered(1, bulletin=example("voi")))
    assert found(made, said) == ([1] if is_found else [])


def test_every_text_of_a_bulletin_is_searched():
    bulletin = example("voi")
    made = shelf(delivered(1, bulletin=bulletin))
    vessel = bulletin.content.vessel
    for text in (vessel.name, bulletin.title.text, bulletin.title.translations[0].text):
        assert found(made, text) == [1]


def test_period_is_from_and_before():
    made = shelf(delivered(1, taken_s=100), delivered(2, taken_s=200))
    assert found(made, since=100, until=200) == [1]
    assert found(made, since=200) == [2]


def test_what_comes_again_as_it_was_is_no_news():
    made = shelf(delivered(1, id=ID))
    assert made.take([delivered(1, id=ID)]) == []
    (row,) = made.take([delivered(1, "flash", id=ID)])
    assert row.is_flash


def test_folding_is_without_case_and_accents():
    assert folded("Colón, DARIÉN, ñ") == "colon, darien, n"
