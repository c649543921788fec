"""CAP 1.2: elements, order and cardinality as the OASIS standard has them (1 July 2010)."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import msgspec
import pytest

from exchange import gateway
from exchange.model.bulletin import blocks, decode_newer, encode
from tests.gateway import full
from tests.gateway.handed import WIDE, cover, exported
from tests.model.bulletins import CODES, example

SPACE = "{urn:oasis:names:tc:emergency:cap:1.2}"
NAMES = ["voi-1", "voi-2", "crm-1"]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d-00:00"  # ours are all in UTC: 3.3.2
PAIR = r"-?\d+(\.\d+)?,-?\d+(\.\d+)?"
# Section 3.2: element, how often at least and at most (None: no limit), what it may hold.
ALERT = [
    ("identifier", 1, 1, r"[^\s,<&]+"),
    ("sender", 1, 1, r"[^\s,<&]+"),
    ("sent", 1, 1, TIME),
    ("status", 1, 1, "Actual|Exercise|System|Test|Draft"),
    ("msgType", 1, 1, "Alert|Update|Cancel|Ack|Error"),
    ("source", 0, 1, ".+"),
    ("scope", 1, 1, "Public|Restricted|Private"),
    ("restriction", 0, 1, ".+"),
    ("addresses", 0, 1, ".+"),
    ("code", 0, None, ".+"),
    ("note", 0, 1, ".+"),
    ("references", 0, 1, ".+"),
    ("incidents", 0, 1, ".+"),
    ("info", 0, None, None),
]
INFO = [
    ("language", 0, 1, "[a-z]{2}-[A-Z]{2}"),
    (
        "category",
        1,
        None,
        "Geo|Met|Safety|Security|Rescue|Fire|Health|Env|Transport|Infra|CBRNE|Other",
    ),
    ("event", 1, 1, ".+"),
    (
        "responseType",
        0,
        None,
        "Shelter|Evacuate|Prepare|Execute|Avoid|Monitor|Assess|AllClear|None",
    ),
    ("urgency", 1, 1, "Immediate|Expected|Future|Past|Unknown"),
    ("severity", 1, 1, "Extreme|Severe|Moderate|Minor|Unknown"),
    ("certainty", 1, 1, "Observed|Likely|Possible|Unlikely|Unknown"),
    ("audience", 0, 1, ".+"),
    ("eventCode", 0, None, None),
    ("effective", 0, 1, TIME),
    ("onset", 0, 1, TIME),
    ("expires", 0, 1, TIME),
    ("senderName", 0, 1, ".+"),
    ("headline", 0, 1, ".+"),
    ("description", 0, 1, ".+"),
    ("instruction", 0, 1, ".+"),
    ("web", 0, 1, ".+"),
    ("contact", 0, 1, ".+"),
    ("parameter", 0, None, None),
    ("resource", 0, None, None),
    ("area", 0, None, None),
]
RESOURCE = [
    ("resourceDesc", 1, 1, ".+"),
    ("mimeType", 1, 1, ".+"),
    ("size", 0, 1, r"\d+"),
    ("uri", 0, 1, ".+"),
    ("derefUri", 0, 1, ".+"),
    ("digest", 0, 1, "[0-9a-f]{40}"),
]
AREA = [
    ("areaDesc", 1, 1, ".+"),
    ("polygon", 0, None, rf"{PAIR}( {PAIR}){{3,}}"),
    ("circle", 0, None, rf"{PAIR} \d+(\.\d+)?"),
    ("geocode", 0, None, None),
    ("altitude", 0, 1, r"-?\d+(\.\d+)?"),
    ("ceiling", 0, 1, r"-?\d+(\.\d+)?"),
]
PAIRED = [("valueName", 1, 1, ".+"), ("value", 1, 1, ".+")]
INSIDE = {
    "info": INFO,
    "area": AREA,
    "resource": RESOURCE,
    **dict.fromkeys(("eventCode", "parameter", "geocode"), PAIRED),
}


def judged(element, table=ALERT):
    """Hold an element's children to the standard's table of them."""
    names = [child.tag.removeprefix(SPACE) for child in element]
    order = [name for name, *_ in table]
    assert [name for name in names if name not in order] == []
    assert names == sorted(names, key=order.index)
    for name, least, most, _ in table:
        assert least <= names.count(name) <= (most or 1000), name
    holds = {name: pattern for name, _, _, pattern in table}
    for child, name in zip(element, names, strict=True):
        if holds[name] is None:
            judged(child, INSIDE[name])
        else:
            assert re.fullmatch(holds[name], child.text, re.DOTALL), (name, child.text)


def alert(data):
    return ET.fromstring(data)  # noqa: S314  (our own)


def texts(data, name):
    return [found.text for found in alert(data).iter(f"{SPACE}{name}")]


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_as_the_standard_has_it(name):
    data = exported(name, "cap")
    assert alert(data).tag == f"{SPACE}alert"
    judged(alert(data))


@pytest.mark.parametrize("type_", gateway.takes("cap"))
def test_a_bulletin_with_every_member_is_as_the_standard_has_it(type_):
    bulletin = full.bulletin(full.full(type_))
    judged(alert(gateway.export(bulletin, cover(f"{type_}-1", **WIDE), "cap", "en", CODES)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<status>Exercise</status>", b""),
        (b"<status>Exercise</status>", b"<status>Exercise</status><status>Test</status>"),
        (b"<status>Exercise</status>", b"<status>Drill</status>"),
        (b"<sender>pa.senan</sender>", b""),
        (b"<info>", b"<info><event>first</event>"),
        (b"-00:00</sent>", b"Z</sent>"),
        (b"<scope>", b"<mood>good</mood><scope>"),
    ],
)
def test_an_alert_that_is_not_would_be_noticed(old, new):
    data = exported("voi-1", "cap")
    assert old in data
    with pytest.raises(AssertionError):
        judged(alert(data.replace(old, new)))


@pytest.mark.parametrize("name", NAMES)
def test_there_is_one_info_block_for_each_language(name):
    data = exported(name, "cap")
    assert texts(data, "language") == ["es-PA", "en-US"]
    spanish, english = texts(data, "headline")
    assert spanish.startswith("EJERCICIO")
    assert english.startswith("EXERCISE")
    assert "Embarcación de interés" in texts(data, "event") or name == "crm-1"


@pytest.mark.parametrize("status", ["actual", "exercise", "test"])
def test_the_status_is_the_headers(status):
    given = msgspec.structs.replace(cover("voi-1", **WIDE), status=status)
    data = gateway.export(example("voi-1"), given, "cap", "en", CODES)
    assert texts(data, "status") == [status.capitalize()]


def test_the_marking_is_in_codes_restriction_and_note():
    data = exported("voi-1", "cap")
    assert texts(data, "restriction") == ["EXERCISE // TLP:GREEN // REL TO PAN, USA"]
    assert {"exchange:tlp=green", "exchange:releasable-to=USA"} <= set(texts(data, "code"))
    (note,) = texts(data, "note")
    assert "Divulgable a: Panamá; Estados Unidos" in note
    assert "Releasable to: Panama; United States" in note


def test_what_is_asked_is_the_instruction():
    assert texts(exported("voi-1", "cap"), "instruction")[1] == CODES.words(
        "actions", "track", "en"
    )
    assert texts(exported("crm-1", "cap"), "instruction")[0] == "Retener el vehículo y avisar."
    assert texts(exported("crm-1", "cap"), "contact")[0] == "EXERCISE POLICE DESK, +5075550102"


def with_place(**place):
    bulletin = example("voi-1")
    seen = msgspec.structs.replace(bulletin.content.seen, place=blocks.Place(**place))
    content = msgspec.structs.replace(bulletin.content, seen=seen)
    changed = msgspec.structs.replace(bulletin, content=content)
    return gateway.export(changed, cover("voi-1", **WIDE), "cap", "en", CODES)


@pytest.mark.parametrize(
    ("geometry", "name", "told"),
    [
        (blocks.Point((-80.5, 7.0)), "circle", ["7,-80.5 2"]),
        (
            blocks.LineString([(-80, 7.0), (-80, 8.0), (-80, 8.5)]),
            "circle",
            ["7.5,-80 57.598", "8.25,-80 29.799"],
        ),
        (
            blocks.Polygon([[(-80, 7.0), (-79, 7.0), (-79, 8.0), (-80, 7.0)]]),
            "polygon",
            ["7,-80 7,-79 8,-79 7,-80"],
        ),
    ],
)
def test_an_area_is_latitude_first_and_in_kilometres(geometry, name, told):
    data = with_place(geometry=geometry, accuracy_m=2000.0)
    judged(alert(data))
    assert texts(data, name) == [*told, *told]


@pytest.mark.parametrize(("metres", "km"), [(0.05, "0.00005"), (1234567.5, "1234.5675")])
def test_a_radius_has_all_its_digits_and_no_exponent(metres, km):
    data = with_place(geometry=blocks.Point((-80.5, 7.0)), accuracy_m=metres)
    judged(alert(data))
    assert texts(data, "circle") == [f"7,-80.5 {km}"] * 2


def test_a_place_near_0_has_no_exponent():
    data = with_place(geometry=blocks.Point((-0.00002, 0.00005)), accuracy_m=50)
    assert texts(data, "circle")[0] == "0.00005,-0.00002 0.05"
    judged(alert(data))


def test_a_circle_around_a_leg_is_no_narrower_than_the_leg():
    # Half of it is 50.04 m on the ground.
    data = with_place(geometry=blocks.LineString([(0.0, 0.0), (0.0, 0.0009)]))
    _, reach = texts(data, "circle")[0].split()
    assert float(reach) * 1000 >= 0.0009 / 2 * 111_195


def test_a_port_is_a_geocode_and_a_name_in_each_language():
    data = with_place(locode="PACTB", subdivision="PA-3")
    judged(alert(data))
    assert texts(data, "valueName")[:2] == ["UN/LOCODE", "ISO 3166-2"]
    assert texts(data, "value")[:2] == ["PACTB", "PA-3"]


def test_what_looks_like_markup_is_text_and_there_is_no_document_type():
    bulletin = example("voi-1")
    told = '<x a="1">&amp;]]></x>\uffff\u202e'
    title = msgspec.structs.replace(bulletin.title, text=told)
    changed = msgspec.structs.replace(bulletin, title=title)
    data = gateway.export(changed, cover("voi-1", **WIDE), "cap", "en", CODES)
    judged(alert(data))
    assert texts(data, "headline")[0] == '<x a="1">&amp;]]></x><U+FFFF><U+202E>'
    assert b"<!DOCTYPE" not in data
    assert b"<x" not in data


def test_an_action_of_a_newer_version_is_for_a_person_to_assess():
    text = encode(example("voi-1")).replace(b'"track"', b'"shadow"')
    made = decode_newer(text.replace(b'"1.0"', b'"1.1"'), CODES, "1.1")
    assert made.bulletin.content.action == "shadow"
    alert = gateway.export(made.bulletin, cover("voi-1", **WIDE), "cap", "en", CODES)
    told = ET.fromstring(alert).findall(f"{SPACE}info/{SPACE}responseType")  # noqa: S314
    assert [each.text for each in told] == ["Assess", "Assess"]
