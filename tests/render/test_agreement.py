"""What changes between two states of the trust documents: nothing that differs goes unsaid."""

from __future__ import annotations

import msgspec
import pytest

from exchange.model import trust
from exchange.model.identity import Signatory
from exchange.model.trust import Endpoint, EndpointKey, Feed
from exchange.model.view import Custodians, View
from exchange.render import agreement
from tests.custody.ceremony import DAY_S, FEED, NOW, TITLE, arrangement, member, new_node

NODE = new_node().node
JWK = NODE.log[0]
ENDPOINT = Endpoint(
    "pa.senan/ops",
    TITLE,
    "active",
    "xb1-h",
    ["poster", "reader"],
    [EndpointKey("sig", JWK, NOW, NOW + DAY_S)],
)


def view(*documents, **more):
    made = View(anchor="", **more)
    for each in documents:
        made = made.with_document(each)
    return made


BEFORE = view(arrangement(), NODE, member(endpoints=[ENDPOINT]))


def told(after, before=BEFORE):
    """The lines of each language; as many in the one as in the other."""
    spanish, english = (agreement.changes(before, after, lang) for lang in ("es", "en"))
    assert len(spanish) == len(english)
    return english


def other(value):
    """A value of the same kind that is not the same."""
    if isinstance(value, msgspec.Struct):
        first = value.__struct_fields__[0]
        return msgspec.structs.replace(value, **{first: other(getattr(value, first))})
    if isinstance(value, list):
        return [*value, *value[:1]] if value else ["other"]
    if isinstance(value, dict):
        return {**value, "en": "OTHER"}
    if value is None:
        return trust.DEFAULT_TARGETS
    if isinstance(value, str):
        return f"{value}-other"
    return not value if isinstance(value, bool) else value + 1


@pytest.mark.parametrize("document", [arrangement(), NODE, member(endpoints=[ENDPOINT])])
def test_every_member_that_differs_is_told(document):
    apart = {"v", "version", "issued"}
    names = {"node", "member"}  # by which it is found at all
    for name in set(document.__struct_fields__) - apart - names:
        changed = msgspec.structs.replace(document, **{name: other(getattr(document, name))})
        after = BEFORE.with_document(changed)
        assert told(after), name


@pytest.mark.parametrize("name", ["title", "status", "suite", "roles", "keys"])
def test_every_member_of_an_endpoint_that_differs_is_told(name):
    changed = msgspec.structs.replace(ENDPOINT, **{name: other(getattr(ENDPOINT, name))})
    assert told(BEFORE.with_document(member(endpoints=[changed])))


@pytest.mark.parametrize("name", ["use", "since", "until"])
def test_every_member_of_a_key_that_differs_is_told(name):
    key = ENDPOINT.keys[0]
    changed = msgspec.structs.replace(key, **{name: other(getattr(key, name))})
    endpoint = msgspec.structs.replace(ENDPOINT, keys=[changed])
    (line,) = told(BEFORE.with_document(member(endpoints=[endpoint])))
    assert JWK.kid in line


def test_nothing_is_told_where_nothing_differs():
    later = msgspec.structs.replace(arrangement(), version=2, issued=NOW + 1)
    assert told(BEFORE.with_document(later)) == []


def test_second_feed_of_a_name_does_not_hide_behind_the_first():
    wider = msgspec.structs.replace(FEED, read=["pa.other"])
    lines = told(BEFORE.with_document(arrangement([FEED, wider])))
    assert any("pa.other" in line for line in lines)


def test_what_is_added_and_removed_is_told_by_name():
    more = Feed("crime", TITLE, ["crm"], ["pa.senan"], ["us.jiatfs"])
    lines = told(BEFORE.with_document(arrangement([more])))
    assert "arrangement > feeds > crime: new" in lines
    assert "arrangement > feeds > maritime: removed" in lines
    narrower = msgspec.structs.replace(FEED, read=["us.uscg"])
    assert told(BEFORE.with_document(arrangement([narrower]))) == [
        "arrangement > feeds > maritime > may read: us.jiatfs removed",
        "arrangement > feeds > maritime > may read: us.uscg added",
    ]


def test_order_of_what_is_only_listed_is_told():
    before = BEFORE.with_document(
        arrangement([msgspec.structs.replace(FEED, types=["voi", "szr"])])
    )
    after = BEFORE.with_document(
        arrangement([msgspec.structs.replace(FEED, types=["szr", "voi"])])
    )
    (line,) = told(after, before)
    assert "order changes" in line


def circles(*roles, threshold=2, name="pa-custodian-1"):
    circle = Custodians(threshold, (Signatory(name, [JWK]),))
    return {role: {"pa": circle} for role in roles}


def test_custodians_are_told_once_where_all_roles_have_the_same():
    lines = told(view(custodians=circles("root", "targets", "pa")), view())
    assert sum("pa-custodian-1" in line for line in lines) == 1


def test_role_that_is_given_other_custodians_is_told_apart_and_the_rest_is_not():
    before = view(custodians=circles("root", "targets", "pa"))
    mixed = {**circles("root", "targets"), **circles("pa", name="pa-stranger")}
    assert told(view(custodians=mixed), before) == [
        f"custodians > Panama (signs pa) > pa-stranger: {JWK.kid}",
        "custodians > Panama (signs pa) > pa-custodian-1: removed",
    ]
    both = {**circles("pa"), **circles("root", "targets", name="pa-other")}
    lines = told(view(custodians=both), before)
    assert lines[0] == f"custodians > Panama (signs root, targets) > pa-other: {JWK.kid}"
    lower = view(custodians=circles("root", "targets", "pa", threshold=3))
    assert told(lower, before) == ["custodians > Panama > signatures needed: was 2, now 3"]


def test_role_that_begins_is_news_only_where_others_sign_it_than_the_root():
    before = view(custodians=circles("root", "targets"))
    same = {**before.custodians, **circles("pa")}
    assert told(view(custodians=same), before) == []
    other = {**before.custodians, **circles("pa", name="pa-stranger")}
    lines = told(view(custodians=other), before)
    assert lines[0] == f"custodians > Panama (signs pa) > pa-stranger: {JWK.kid}"


def test_text_that_a_terminal_would_obey_is_shown_as_what_it_is():
    sly = msgspec.structs.replace(arrangement(), name={"es": "x\u202ey", "en": "a\x1b[2Jb"})
    for lang in ("es", "en"):
        lines = agreement.changes(BEFORE, BEFORE.with_document(sly), lang)
        assert all("\u202e" not in line and "\x1b" not in line for line in lines)
