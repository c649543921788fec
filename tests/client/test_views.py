"""What a named view shows: bulletins by their headers, and all that needs looking at."""

from __future__ import annotations

import msgspec
import pytest

from exchange.client import views
from exchange.client.reading import Delivered, Locked
from exchange.client.views import NamedView
from exchange.errors import Code, Fault, Refusal
from tests.builders import world


def item(**header):
    made = world().header(**header)
    return Delivered(0, 0, 0, made, "A" * 43, False, None, 0, 0)


@pytest.mark.parametrize(
    ("view", "header", "shown"),
    [
        (NamedView(), {}, True),
        (NamedView(feeds=["maritime"]), {}, True),
        (NamedView(feeds=["dialogue"]), {}, False),
        (NamedView(types=["szr", "voi"]), {}, True),
        (NamedView(types=["szr"]), {}, False),
        (NamedView(precedence=["flash"]), {"precedence": "flash"}, True),
        (NamedView(precedence=["flash"]), {}, False),
        (NamedView(status=["actual"]), {}, False),
        (NamedView(origins=["pa.senan"]), {}, True),
        (NamedView(origins=["us.uscg"]), {}, False),
        (NamedView(origins=["pa.senan"], types=["szr"]), {}, False),
    ],
)
def test_bulletin_is_shown_where_it_fits_all_that_is_asked(view, header, shown):
    assert view.shows(item(**header)) is shown
    assert views.split([item(**header)], view)[1] == (0 if shown else 1)


def test_what_does_not_open_or_is_no_bulletin_is_shown_always():
    narrow = NamedView(types=["szr"])
    locked = msgspec.structs.replace(item(), locked=Refusal(Code.CANNOT_DECRYPT))
    assert narrow.shows(locked)
    assert narrow.shows(Locked(0, 0, Refusal(Code.BAD_SIGNATURE)))


def test_file_that_is_none_of_ours_is_a_fault():
    for raw in (b"", b"[]", b'{"a":{"colour":[]}}'):
        with pytest.raises(Fault) as fault:
            views.read(raw)
        assert fault.value.code is Code.FILE
    saved = {"a": NamedView(feeds=["maritime"])}
    assert views.read(msgspec.json.encode(saved)) == saved
