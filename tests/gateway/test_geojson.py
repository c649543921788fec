"""GeoJSON as RFC 7946 has it: every place a feature, the marking in each."""

from __future__ import annotations

import json

import msgspec
import pytest

from exchange import gateway
from exchange.errors import Refusal
from exchange.gateway import members
from exchange.model.bulletin import blocks, shape
from tests.gateway.handed import SHORT, cover, parsed
from tests.model.bulletins import CODES, example

DEPTH = {"Point": 0, "LineString": 1, "Polygon": 2}


def placed(name):
    """How many places an example has."""
    values = members.plain(example(name))
    found = members.structs(shape.of(example(name).type), values)
    return sum(each.form.struct is blocks.Place for each in found)


WITH = [n for n in SHORT if placed(n)]


@pytest.mark.parametrize("lang", ["es", "en"])
@pytest.mark.parametrize("name", WITH)
def test_every_place_is_a_feature_with_the_marking(name, lang):
    made = parsed(name, "geojson", lang)
    assert made.keys() == {"type", "features"}
    assert made["type"] == "FeatureCollection"
    assert len(made["features"]) == placed(name)
    for feature in made["features"]:
        assert feature.keys() == {"type", "id", "geometry", "properties"}
        assert feature["type"] == "Feature"
        properties = feature["properties"]
        assert properties["marking"].startswith("EXERCISE // TLP:")
        assert {"tlp", "releasable_to", "handling", "originator_control"} <= properties.keys()
        assert properties["origin"] == example(name).origin
        _check(feature["geometry"])


def _check(geometry):
    if geometry is None:
        return
    assert geometry.keys() == {"type", "coordinates"}
    values = [geometry["coordinates"]]
    for _ in range(DEPTH[geometry["type"]]):
        values = [inner for value in values for inner in value]
    for longitude, latitude in values:
        assert -180 <= longitude <= 180
        assert -90 <= latitude <= 90


def test_ids_of_features_are_unique_in_a_file():
    for name in WITH:
        ids = [feature["id"] for feature in parsed(name, "geojson")["features"]]
        assert len(set(ids)) == len(ids)


def test_a_place_without_a_position_has_a_null_geometry_and_its_name():
    (feature,) = parsed("opn-2", "geojson")["features"]
    assert feature["geometry"] is None
    assert feature["properties"]["content.area.name"] == "EXERCISE AREA SOUTH"


def test_properties_are_codes_and_labels_in_the_chosen_language():
    spanish, english = (
        parsed("voi-1", "geojson", lang)["features"][0]["properties"] for lang in ("es", "en")
    )
    assert spanish["content.vessel.vessel_type"] == english["content.vessel.vessel_type"]
    assert spanish["content.vessel.vessel_type.label"] == "Lancha rápida"
    assert english["type.label"] == "Vessel of interest"
    assert spanish["title"].startswith("EJERCICIO")
    assert english["title"].startswith("EXERCISE")
    assert english["content.seen.speed_kn"] == 28.0


def test_no_map_names_a_person():
    for name in WITH:
        values = members.plain(example(name))["content"]
        for person in values.get("persons", []):
            made = str(parsed(name, "geojson"))
            assert person.get("surname", "nobody") not in made.replace("EXERCISE", "")


def test_an_outer_ring_goes_counter_clockwise_and_a_hole_clockwise():
    outer = [(0.0, 0.0), (0.0, 4.0), (4.0, 4.0), (4.0, 0.0), (0.0, 0.0)]
    hole = [(1.0, 1.0), (2.0, 1.0), (2.0, 2.0), (1.0, 1.0)]
    bulletin = example("opn-1")
    for rings in ([outer, hole], [outer[::-1], hole[::-1]]):
        area = msgspec.structs.replace(bulletin.content.area, geometry=blocks.Polygon(rings))
        content = msgspec.structs.replace(bulletin.content, area=area)
        changed = msgspec.structs.replace(bulletin, content=content)
        data = gateway.export(changed, cover("opn-1"), "geojson", "en", CODES)
        (feature,) = json.loads(data)["features"]
        first, second = feature["geometry"]["coordinates"]
        assert first == [list(pair) for pair in outer[::-1]]
        assert second == [list(pair) for pair in hole[::-1]]


def test_a_bulletin_without_places_is_refused():
    with pytest.raises(Refusal, match="no-place"):
        parsed("ocn-2", "geojson")
