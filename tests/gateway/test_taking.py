"""What a format may be given: an export that cannot carry type or marking is refused."""

from __future__ import annotations

import msgspec
import pytest

from exchange import gateway
from exchange.errors import Refusal
from exchange.gateway import cover as covers
from exchange.model.bulletin import TYPES
from tests.gateway.handed import SHORT, WIDE, cover, exported
from tests.model.bulletins import CODES, example


def refused(name, to, sharing="organisation", **marking):
    given = msgspec.structs.replace(cover(name, **marking), sharing=sharing)
    with pytest.raises(Refusal) as caught:
        gateway.export(example(name), given, to, "en", CODES)
    return caught.value.code.value, caught.value.at


def test_every_format_takes_the_types_it_has_a_place_for():
    assert (
        gateway.takes("csv") == gateway.takes("stix") == gateway.takes("misp") == tuple(TYPES)
    )
    mapped = {"voi", "brq", "brr", "szr", "mig", "smg", "ocn", "opn"}
    assert set(gateway.takes("geojson")) == mapped
    assert gateway.takes("cap") == ("voi", "crm")


@pytest.mark.parametrize("to", ["geojson", "cap"])
@pytest.mark.parametrize("name", SHORT)
def test_a_type_that_a_format_lacks_is_refused(name, to):
    if example(name).type not in gateway.takes(to):
        assert refused(name, to) == ("format-lacks-type", "/type")


def test_a_bulletin_without_any_place_is_not_put_on_a_map():
    assert refused("ocn-2", "geojson") == ("no-place", "/content")


@pytest.mark.parametrize(
    ("marking", "at"),
    [
        ({"tlp": "red"}, "/marking/tlp"),
        ({"tlp": "amber+strict"}, "/marking/tlp"),
        ({"originator_control": True}, "/marking/originator_control"),
        ({"handling": ["h2"]}, "/marking/handling"),
    ],
)
def test_an_alert_carries_no_marking_that_keeps_it_from_others(marking, at):
    assert refused("voi-1", "cap", **{**WIDE, **marking}) == ("format-lacks-marking", at)


def test_an_alert_names_nobody():
    name = next(n for n in SHORT if n.startswith("crm") and "persons" in example(n).declares)
    assert refused(name, "cap", **WIDE) == ("format-lacks-marking", "/declares")


def test_every_example_as_it_is_marked_is_refused_as_an_alert():
    for name in ("voi-1", "voi-2", "crm-1", "crm-2"):
        assert refused(name, "cap")[0] == "format-lacks-marking"


def test_a_public_alert_is_clear_and_any_other_is_restricted():
    assert b"<scope>Public</scope>" in exported("voi-1", "cap", **{**WIDE, "tlp": "clear"})
    assert b"<scope>Restricted</scope>" in exported("voi-1", "cap")


def test_what_only_named_people_may_read_becomes_no_event():
    assert refused("voi-1", "misp", tlp="red") == ("format-lacks-marking", "/marking/tlp")


def test_the_protected_become_no_event():
    name = next(n for n in SHORT if "protected-person" in example(n).declares)
    told = refused(name, "misp", tlp="amber+strict")
    assert told == ("format-lacks-marking", "/declares")


@pytest.mark.parametrize("sharing", ["community", "connected", "all"])
@pytest.mark.parametrize(
    ("marking", "at"),
    [
        ({"originator_control": True}, "/marking/originator_control"),
        ({"tlp": "amber"}, "/marking/tlp"),
        ({"tlp": "amber+strict"}, "/marking/tlp"),
        ({"handling": ["h2"]}, "/marking/handling"),
    ],
)
def test_an_event_is_not_shared_further_than_its_marking(marking, at, sharing):
    given = {**WIDE, **marking}
    assert refused("voi-1", "misp", sharing, **given) == ("format-lacks-marking", at)


def test_only_what_is_clear_is_shared_with_everybody():
    assert refused("voi-1", "misp", "all", **WIDE) == ("format-lacks-marking", "/marking/tlp")
    for sharing, tlp in (("all", "clear"), ("connected", "green")):
        given = msgspec.structs.replace(cover("voi-1", **{**WIDE, "tlp": tlp}), sharing=sharing)
        event = gateway.export(example("voi-1"), given, "misp", "en", CODES)
        place = str(covers.SHARINGS.index(sharing))
        assert msgspec.json.decode(event)["Event"]["distribution"] == place


def test_the_banner_says_status_and_marking_and_the_statement_the_same_in_words():
    marked = cover("voi-1")
    assert covers.banner(marked) == "EXERCISE // TLP:AMBER // REL TO PAN, USA // H2 // ORCON"
    spanish = covers.statement(marked, "es", CODES).splitlines()
    assert spanish[0] == "Estado: EJERCICIO"
    assert "Divulgable a: Panamá; Estados Unidos" in spanish
    assert "Control del originador: sí" in spanish


@pytest.mark.parametrize("status", ["actual", "exercise", "test"])
def test_only_what_is_real_has_no_status_in_its_banner(status):
    told = covers.banner(msgspec.structs.replace(cover("voi-1"), status=status))
    assert told.startswith("TLP" if status == "actual" else status.upper())
