"""Layers of the officer's own: GeoJSON is drawn, anything else is refused with its reason."""

from __future__ import annotations

import json

import pytest

from exchange.desk import overlays
from exchange.desk.overlays import Overlays, read
from exchange.errors import Code, Refusal
from exchange.web import region

POINT = {"type": "Point", "coordinates": [-79.5, 8.5]}
LINE = [[-80.0, 7.0], [-81.0, 6.5, 12.0]]
RING = [[-81, 6], [-79, 6], [-79, 7.2], [-81, 6]]


def shapes(value):
    return read(json.dumps(value).encode())


def refused(raw):
    with pytest.raises(Refusal) as caught:
        read(raw)
    return caught.value.code


def test_features_are_drawn_with_their_names():
    line = {"type": "LineString", "coordinates": LINE}
    found = shapes(
        {
            "type": "FeatureCollection",
            "name": "EXERCISE",
            "features": [
                {"type": "Feature", "geometry": POINT, "properties": {"name": "EXERCISE post"}},
                {
                    "type": "Feature",
                    "geometry": line,
                    "properties": {"name": 7, "colour": "red"},
                },
                {"type": "Feature", "geometry": None, "properties": None},
            ],
        }
    )
    assert [(each.name, len(each.points), each.path.count("L")) for each in found] == [
        ("EXERCISE post", 1, 0),
        ("", 0, 1),
    ]
    x, y = region.project(-79.5, 8.5)
    assert found[0].at == pytest.approx((x, y), abs=0.1)


@pytest.mark.parametrize(
    ("geometry", "drawn"),
    [
        (POINT, (1, 0, 0)),
        ({"type": "MultiPoint", "coordinates": LINE}, (2, 0, 0)),
        ({"type": "LineString", "coordinates": LINE}, (0, 1, 0)),
        ({"type": "MultiLineString", "coordinates": [LINE, LINE]}, (0, 2, 0)),
        ({"type": "Polygon", "coordinates": [RING, RING]}, (0, 2, 2)),
        ({"type": "MultiPolygon", "coordinates": [[RING], [RING, RING]]}, (0, 3, 3)),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_every_kind_of_geometry_is_drawn(geometry, drawn):
    for told in (geometry, {"type": "GeometryCollection", "geometries": [geometry]}):
        (shape,) = shapes(told)
        assert (len(shape.points), shape.path.count("M"), shape.path.count("Z")) == drawn


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", Code.MALFORMED),
        (b"\xff", Code.MALFORMED),
        (b"<kml/>", Code.MALFORMED),
        (b"[" * 100_000, Code.WRONG_VALUE),
        (b"[]", Code.WRONG_VALUE),
        (b'{"type": "Topology"}', Code.WRONG_VALUE),
        (b'{"type": "Point", "coordinates": [1]}', Code.WRONG_VALUE),
        (b'{"type": "Point", "coordinates": ["8", "9"]}', Code.WRONG_VALUE),
        # Metres, not degrees; and a number that no position is.
        (b'{"type": "Point", "coordinates": [665000, 985000]}', Code.WRONG_VALUE),
        (b'{"type": "Point", "coordinates": [1e999, 1]}', Code.WRONG_VALUE),
        (b" " * (overlays.MAX_BYTES + 1), Code.OVERSIZED),
    ],
)
def test_what_is_no_geojson_is_refused(raw, code):
    assert refused(raw) is code


def test_layer_of_too_many_positions_is_refused(monkeypatch):
    monkeypatch.setattr(overlays, "MAX_POSITIONS", 3)
    raw = json.dumps({"type": "Polygon", "coordinates": [RING]}).encode()
    assert refused(raw) is Code.OVERSIZED


def test_layers_are_the_folders_files_and_nothing_else(tmp_path):
    folder = tmp_path / "layers"
    folder.mkdir()
    (tmp_path / "secret.geojson").write_text(json.dumps(POINT))
    (folder / "b.geojson").write_text(json.dumps(POINT))
    (folder / "a.geojson").write_text("no")
    (folder / "notes.txt").write_text("no")
    layers = Overlays(folder)
    assert layers.names() == ["a", "b"]
    assert len(layers.read("b")) == 1
    for name in ("../secret", "notes", "c"):
        with pytest.raises(Refusal) as caught:
            layers.read(name)
        assert caught.value.code is Code.NOT_FOUND
    assert Overlays(None).names() == Overlays(tmp_path / "none").names() == []
