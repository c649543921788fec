"""STIX 2.1: accepted by the library and the validator of others, and read back."""

from __future__ import annotations

import json
from importlib import import_module
from uuid import NAMESPACE_OID, uuid5

import msgspec
import pytest

from exchange import gateway
from exchange.gateway import stix, stix_parts
from exchange.model.header import Reference
from tests.gateway import full
from tests.gateway.handed import SHORT, cover, exported, parsed, validator
from tests.model.bulletins import CODES, example

stix2 = import_module("stix2")
TLP = ["clear", "green", "amber", "amber+strict", "red"]
# What the validator advises and we leave, knowingly: ids that are the same for the same
# bulletin are not random (103), and our own words for how two are related (202).
ADVICE = ("{103}", "{202}")


def judged(data):
    """Hold a bundle to the library, which knows no custom content, and to the validator."""
    stix2.parse(data.decode(), allow_custom=False)
    options = validator().ValidationOptions(version="2.1")
    result = validator().validate_string(data.decode(), options)
    assert result.is_valid, [str(error) for error in result.errors]
    advice = [str(each) for each in result.warnings]
    assert [each for each in advice if not any(code in each for code in ADVICE)] == []


def by_type(bundle, kind):
    return [each for each in bundle["objects"] if each["type"] == kind]


@pytest.mark.parametrize("lang", ["es", "en"])
@pytest.mark.parametrize("name", SHORT)
def test_every_example_is_accepted_by_others(name, lang):
    judged(exported(name, "stix", lang))


@pytest.mark.parametrize("type_", gateway.takes("stix"))
def test_a_bulletin_with_every_member_is_accepted_by_others(type_):
    bulletin = full.bulletin(full.full(type_))
    judged(gateway.export(bulletin, cover(f"{type_}-1"), "stix", "en", CODES))


def test_a_bundle_that_is_wrong_would_not_be():
    wrong = exported("voi-1", "stix").replace(b'"published"', b'"publishd"')
    with pytest.raises(stix2.exceptions.STIXError):
        stix2.parse(wrong.decode(), allow_custom=False)
    options = validator().ValidationOptions(version="2.1")
    assert not validator().validate_string(wrong.decode(), options).is_valid


@pytest.mark.parametrize("tlp", TLP)
def test_the_marking_is_the_standards_own_and_on_every_object(tlp):
    bundle = parsed("ocn-1", "stix", tlp=tlp)
    found = {each["name"]: each["id"] for each in by_type(bundle, "marking-definition")}
    assert found[f"TLP:{tlp.upper()}"] == stix_parts.TLP[tlp]
    unmarked = [e for e in bundle["objects"] if e["type"] != "marking-definition"]
    ours = [e for e in unmarked if e.get("created_by_ref") != stix_parts.AUTHOR]
    ours = [e for e in ours if e["id"] != stix_parts.AUTHOR]
    assert ours
    for each in ours:
        assert stix_parts.TLP[tlp] in each["object_marking_refs"]
        assert len(each["object_marking_refs"]) == 2


def test_a_statement_says_releasability_and_handling_in_both_languages():
    marked = by_type(parsed("voi-1", "stix"), "marking-definition")
    (told,) = [each["definition"]["statement"] for each in marked if "definition" in each]
    assert "REL TO PAN, USA // H2 // ORCON" in told
    assert "Originator control: yes" in told
    assert "Control del originador: sí" in told


@pytest.mark.parametrize("name", SHORT)
def test_every_reference_leads_to_an_object_of_the_bundle(name):
    bundle = parsed(name, "stix")
    ids = [each["id"] for each in bundle["objects"]]
    assert len(set(ids)) == len(ids)
    for each in bundle["objects"]:
        named = [v for k, v in each.items() if k.endswith("_ref")]
        named += [ref for k, v in each.items() if k.endswith("_refs") for ref in v]
        assert set(named) <= set(ids)
        for extension in each.get("extensions", {}):
            assert extension in {*ids, stix_parts.TLP_EXTENSION}


def test_our_ids_are_ours_for_ever():
    assert uuid5(NAMESPACE_OID, "exchange-broker stix 1") == stix_parts.NAMESPACE
    made = stix_parts.extension_id("vessel")
    assert made == "extension-definition--5c7d329b-8524-5495-ae53-cfa3b3f6989f"


def test_a_sighting_is_one_for_whoever_knows_stix_alone():
    bundle = parsed("voi-1", "stix")
    (vessel,), (place,) = by_type(bundle, "infrastructure"), by_type(bundle, "location")
    (sighting,) = by_type(bundle, "sighting")
    assert vessel["name"] == "EXERCISE GAVIOTA"
    assert (place["longitude"], place["latitude"]) == (-80.4125, 6.8831)
    assert place["precision"] == 900.0
    assert sighting["sighting_of_ref"] == vessel["id"]
    assert sighting["where_sighted_refs"] == [place["id"]]
    assert sighting["first_seen"] == "2026-11-23T18:01:00Z"


def test_a_network_is_people_organizations_and_relations():
    bundle = parsed("ocn-1", "stix")
    links = {each["relationship_type"]: each for each in by_type(bundle, "relationship")}
    names = {each["id"]: each["name"] for each in bundle["objects"] if "name" in each}
    controls = links["controls"]
    assert names[controls["source_ref"]] == "PERSON ONE EXERCISE"
    assert names[controls["target_ref"]] == "EXERCISE CARGO SA"
    assert controls["start_time"] == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("coordinates", "kind", "told"),
    [
        ([[-80.0, 7.0], [-79.0, 7.0]], "LineString", (-79.5, 7.0, 55_183.0)),
        ([[[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]], "Polygon", (0.5, 0.5, 78_623.0)),
    ],
)
def test_a_line_or_area_is_its_middle_and_how_far_it_reaches(coordinates, kind, told):
    made = stix._located({"geometry": {"type": kind, "coordinates": coordinates}})
    longitude, latitude, precision = told
    assert (made["longitude"], made["latitude"]) == (longitude, latitude)
    assert made["precision"] == pytest.approx(precision, rel=0.001)


def test_a_correction_quotes_no_key():
    values = full.full("cor")
    values["content"]["target"]["type"] = "dcf"
    change = {"pointer": "/content/window_key", "before": "K" * 43, "after": "L" * 43}
    values["content"]["changes"] = [change]
    for to in ("stix", "csv", "misp"):
        made = gateway.export(full.bulletin(values), cover("cor-1"), to, "en", CODES)
        assert b"KKKK" not in made
        assert b"LLLL" not in made
        assert b"window_key" in made


def test_no_key_leaves_in_any_format():
    for to in gateway.FORMATS:
        for type_ in gateway.takes(to):
            bulletin = full.bulletin(full.full(type_))
            wide = {"tlp": "green", "handling": [], "originator_control": False}
            made = gateway.export(bulletin, cover(f"{type_}-1", **wide), to, "en", CODES)
            assert full.FORMS["secret"].encode() not in made


def test_titles_are_in_the_chosen_language_and_in_the_others_beside_it():
    for lang, other, word in (("es", "en", "EXERCISE"), ("en", "es", "EJERCICIO")):
        bundle = parsed("voi-1", "stix", lang)
        (report,), (beside,) = (by_type(bundle, k) for k in ("report", "language-content"))
        assert report["lang"] == lang
        assert not report["name"].startswith(word)
        assert beside["object_ref"] == report["id"]
        assert beside["contents"][other]["name"].startswith(word)


def test_originators_are_the_same_in_every_bundle():
    made = [by_type(parsed(name, "stix"), "identity") for name in ("voi-1", "szr-1")]
    ids = [{each["id"] for each in found if each["name"] == "pa.senan"} for found in made]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 1


def test_a_correction_names_what_it_corrects():
    target = Reference("corrects", full.FORMS["uuid7"], "A" * 43)
    given = msgspec.structs.replace(cover("cor-1"), refs=[target])
    bundle = json.loads(gateway.export(example("cor-1"), given, "stix", "en", CODES))
    (report,) = by_type(bundle, "report")
    told = {"source_name": "exchange", "description": "corrects", "external_id": target.id}
    assert told in report["external_references"]
