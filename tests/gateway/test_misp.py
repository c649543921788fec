"""MISP: accepted by pymisp and by MISP's own schema, tagged, and kept at home."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import get_args
from uuid import NAMESPACE_OID, uuid5

import pymisp
import pytest

from exchange import gateway
from exchange.gateway import misp
from exchange.model import header
from tests.gateway import full
from tests.gateway.handed import SHORT, cover, exported, parsed
from tests.model.bulletins import CODES, example

jsonschema = import_module("jsonschema")

DATA = Path(pymisp.__file__).parent / "data"
SCHEMA = json.loads((DATA / "schema-lax.json").read_text())
TYPES = json.loads((DATA / "describeTypes.json").read_text())["result"]
TEMPLATE = json.loads((DATA / "misp-objects/objects/geolocation/definition.json").read_text())
# Red is for named people, and the protected stay out: see test_taking.
GIVEN = [n for n in SHORT if "protected-person" not in example(n).declares]


def marked(name):
    tlp = cover(name).marking.tlp
    return {"tlp": "amber+strict" if tlp == "red" else tlp}


def judged(data):
    """Hold an event to pymisp and to the schema, and return it as pymisp has it."""
    loaded = json.loads(data)
    jsonschema.validate(loaded, SCHEMA)
    for each in attributes(loaded["Event"]):
        # pymisp silently takes another category where ours does not go with the type.
        assert each["type"] in TYPES["category_type_mappings"][each["category"]]
    event = pymisp.MISPEvent(strict_validation=True)
    event.load(data.decode())
    again = json.loads(event.to_json())
    assert len(again["Object"]) == len(loaded["Event"]["Object"])
    return event


def attributes(event):
    return [*event["Attribute"], *(a for each in event["Object"] for a in each["Attribute"])]


@pytest.mark.parametrize("lang", ["es", "en"])
@pytest.mark.parametrize("name", GIVEN)
def test_every_example_is_accepted_by_others(name, lang):
    event = judged(exported(name, "misp", lang, **marked(name)))
    assert event.uuid == example(name).id
    assert not event.published


@pytest.mark.parametrize("type_", gateway.takes("misp"))
def test_a_bulletin_with_every_member_is_accepted_by_others(type_):
    bulletin = full.bulletin(full.full(type_))
    given = cover(f"{type_}-1", tlp="amber")
    judged(gateway.export(bulletin, given, "misp", "en", CODES))


def test_an_event_that_is_wrong_would_not_be():
    wrong = exported("voi-1", "misp").replace(b'"type":"datetime"', b'"type":"dattime"', 1)
    with pytest.raises((pymisp.exceptions.NewAttributeError, KeyError, AssertionError)):
        judged(wrong)


@pytest.mark.parametrize("name", GIVEN)
def test_event_and_attributes_carry_the_marking_and_stay_in_the_organisation(name):
    event = parsed(name, "misp", **marked(name))["Event"]
    assert event["distribution"] == "0"
    tags = {tag["name"] for tag in event["Tag"]}
    assert f"tlp:{marked(name)['tlp']}" in tags
    assert {'exchange:releasable-to="PAN"', 'exchange:releasable-to="USA"'} <= tags
    assert 'exchange:status="exercise"' in tags
    assert any(tag.startswith("exchange:originator-control=") for tag in tags)
    for each in attributes(event):
        assert {tag["name"] for tag in each["Tag"]} == tags
        assert each["distribution"] == "5"
    assert all(each["distribution"] == "5" for each in event["Object"])


@pytest.mark.parametrize("tlp", [t for t in get_args(header.Tlp) if t != "red"])
def test_every_tlp_is_a_tag_of_misps_own_taxonomy(tlp):
    tags = parsed("voi-1", "misp", tlp=tlp)["Event"]["Tag"]
    assert {"name": f"tlp:{tlp}"} in tags


def test_a_grading_is_tagged_with_the_admiralty_taxonomy():
    tags = {tag["name"] for tag in parsed("voi-1", "misp")["Event"]["Tag"]}
    assert 'admiralty-scale:source-reliability="b"' in tags
    assert 'admiralty-scale:information-credibility="2"' in tags


def test_nothing_is_for_a_sensor_and_codes_do_not_correlate():
    for each in attributes(parsed("ocn-1", "misp")["Event"]):
        assert each["to_ids"] is False
        if each["object_relation"] in ("sex", "nationality", "n", "at"):
            assert each["disable_correlation"] is True
        if each["object_relation"] in ("iban", "document_number"):
            assert each["disable_correlation"] is False


def test_a_position_is_also_the_object_that_misp_shows_on_a_map():
    event = parsed("voi-1", "misp")["Event"]
    (place,) = [each for each in event["Object"] if each["name"] == "geolocation"]
    assert place["template_uuid"] == TEMPLATE["uuid"]
    told = {each["object_relation"]: each for each in place["Attribute"]}
    assert told["longitude"]["value"] == "-80.4125"
    assert told["accuracy-radius"]["value"] == "900.0"
    for name, each in told.items():
        assert TEMPLATE["attributes"][name]["misp-attribute"] == each["type"]
    held = [r["referenced_uuid"] for each in event["Object"] for r in each["ObjectReference"]]
    assert place["uuid"] in held


@pytest.mark.parametrize("name", GIVEN)
def test_every_reference_leads_to_an_object_and_no_id_comes_twice(name):
    event = parsed(name, "misp", **marked(name))["Event"]
    objects = {each["uuid"] for each in event["Object"]}
    every = [each["uuid"] for each in [*event["Object"], *attributes(event)]]
    assert len(set(every)) == len(every)
    for each in event["Object"]:
        for reference in each["ObjectReference"]:
            assert reference["referenced_uuid"] in objects


def test_a_text_is_told_in_each_of_its_languages():
    event = parsed("voi-1", "misp")["Event"]
    told = [each for each in attributes(event) if each["object_relation"] == "suspicion"]
    assert len(told) == 2
    assert told[0]["comment"].endswith("[es]")
    assert told[1]["comment"].endswith("[en; translated by a person; pa.senan]")


def test_our_ids_are_ours_for_ever():
    assert uuid5(NAMESPACE_OID, "exchange-broker misp 1") == misp.NAMESPACE
