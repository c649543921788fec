"""What a newer version adds to an object that is known here names and counts nobody."""

from __future__ import annotations

import pytest

from exchange.errors import Code
from tests.model.bulletins import plain, put
from tests.model.correcting import correcting
from tests.model.test_bulletin_schemas import places
from tests.model.test_newer import newer, read, refused


@pytest.mark.parametrize("member", [{"person_role": "witness"}, {"protections": ["minor"]}])
@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("voi-1", ""),
        ("voi-1", "/content"),
        ("voi-1", "/content/vessel"),
        ("voi-1", "/content/seen"),
        ("szr-1", "/content/custody/0"),
    ],
)
def test_nothing_known_here_becomes_somebody_by_what_a_newer_version_adds(name, at, member):
    told = next(iter(member))
    values = plain(name)
    holder = dict(places(values)).get(at, values)
    holder |= {**member, "ref": "p1", "surname": "EXERCISE", "nationality": "PAN"}
    assert refused(newer(values)) == (Code.UNKNOWN_MEMBER, f"{at}/{told}")
    if at:
        change = (f"{at}/{told}", None, member[told])
        code, where = refused(newer(correcting(name, change)))
        assert (code, where) == (Code.WRONG_VALUE, "/content/changes/0/pointer")
    if "custody" in at:
        values = correcting(name, (at, plain(name)["content"]["custody"][0], holder))
        code, where = refused(newer(values))
        assert (code, where) == (Code.UNKNOWN_MEMBER, f"/content/changes/0/after/{told}")


ARRESTED = {"nationality": "COL", "sex": "m", "age_band": "adult"}
SIGN = {"lang": "en", "text": "EXERCISE"}


@pytest.mark.parametrize(
    ("name", "at", "told"),
    [
        ("szr-1", "/content/arrested", [ARRESTED | {"minority": "child"}]),
        ("szr-1", "/content/arrested", [ARRESTED | {"vulnerability": "pregnant"}]),
        ("voi-1", "/content/vessel", {"minority": "child"}),
        ("mig-1", "/content", {"minority": "child"}),
        ("mig-1", "/content/place", {"sex": "f"}),
        ("mig-1", "/content/smuggling_signs", [SIGN | {"nationality": "SYR"}]),
        ("mig-1", "/title", {"vulnerability": "older"}),
    ],
)
@pytest.mark.parametrize(("n", "passes"), [(3, False), ("3", False), (5, True), (0, True)])
def test_no_number_points_at_people_in_what_is_known_here(name, at, told, n, passes):
    values = plain(name)
    if isinstance(told, list):
        put(values, at, [told[0] | {"n": n}])
        at += "/0"
    else:
        put(values, at, dict(places(values))[at] | told | {"n": n})
    if passes:
        assert read(newer(values)).unknown
    else:
        code, where = refused(newer(values))
        assert code in (Code.WRONG_VALUE, Code.WRONG_TYPE)
        assert where == f"{at}/n"


def test_a_correction_tells_no_small_number_in_what_is_known_here():
    before = ARRESTED | {"n": 2}
    for after, passes in ((3, False), (5, True)):
        there = ARRESTED | {"n": after, "minority": "child"}
        values = newer(correcting("szr-1", ("/content/arrested/0", before, there)))
        if passes:
            assert read(values).unknown
        else:
            assert refused(values) == (Code.WRONG_VALUE, "/content/changes/0/after/n")
    # Of people on the move a number alone is one, where no place is known for it.
    for name, passes in (("mig-1", False), ("szr-1", True)):
        values = newer(correcting(name, ("/content/place/n", None, 3), declares=()))
        if passes:
            assert read(values).unknown
        else:
            assert refused(values) == (Code.WRONG_VALUE, "/content/changes/0/after")
