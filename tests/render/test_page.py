"""Bulletins as pages of text: everything in words, in the reader's language, nothing hidden."""

from __future__ import annotations

import json
import re
import unicodedata

import msgspec
import pytest

from exchange.model.bulletin import Cor, corrected, decode, overdue, shape
from exchange.model.bulletin.amendments import Change
from exchange.model.bulletin.blocks import Text
from exchange.model.codes import LANGUAGES
from exchange.model.header import Blob, Header, Marking, TrustPoint
from exchange.render import diff, heading, page, values, visible
from exchange.render.page import _ONE_LINE
from tests.model.bulletins import CODES, NAMES, example, plain, put


def squeezed(text):
    return re.sub(r"\s+", " ", text)


def changed(name, pointer, value):
    return decode(json.dumps(put(plain(name), pointer, value)).encode(), CODES)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_a_page_in_words(name, lang):
    text = page(example(name), lang, CODES)
    names = {member.name for form in shape.every(shape.of(name[:3])) for member in form.members}
    # A label never is a member's name in JSON, and no line is wider than asked for.
    assert not {part for part in names if "_" in part and part in text}
    assert max(map(len, text.splitlines())) <= 88
    assert all(line == line.rstrip() for line in text.splitlines())
    assert CODES.words("types", name[:3], lang) in text


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_every_member_that_is_given_is_shown(name, lang):
    text = page(example(name), lang, CODES, width=400)

    known = [
        member
        for member in given(shape.of(name[:3]), plain(name))
        if member not in {"schema", "title", "changes"}
    ]
    assert len(known) > 5
    for member in known:
        assert f"{CODES.words('fields', member, lang)}:" in text, member


def given(form, value):
    """Name the members that have a row of their own."""
    for member in form.members:
        inner = value.get(member.name)
        if inner in (None, []) or member.name == "n" or member.shape.form == "secret":
            continue
        yield member.name
        items = member.shape.kind == "list"
        deeper = member.shape.items[0] if items else member.shape
        if deeper.kind == "struct" and deeper.struct is not Change and not one_line(deeper):
            for one in inner if items else [inner]:
                yield from given(deeper, one)


def one_line(form):
    return form.struct in {Text, *_ONE_LINE}


def test_a_page_in_spanish():
    text = squeezed(page(example("voi-1"), "es", CODES))
    assert "VOI — Embarcación de interés" in text
    assert "Posición: 06°52.986'N 080°24.750'O" in text
    assert "2026-11-23 18:01:00Z (231801ZNOV26)" in text
    assert "Velocidad: 28 nudos" in text
    assert "Rumbo: 345° verdaderos" in text
    assert "B2: Fuente usualmente fiable; Probablemente cierta (Europol 4x4: B)" in text
    assert "[original en español]" in text


def test_the_same_page_in_english():
    text = squeezed(page(example("voi-1"), "en", CODES))
    assert "06°52.986'N 080°24.750'W" in text
    assert "28 kn" in text
    assert "345° true" in text
    assert "B2: Usually reliable source; Probably true (Europol 4x4: B)" in text
    assert (
        "Blue hull, grey deck [translated by a person: pa.senan; original in Spanish]" in text
    )


def test_a_machines_translation_says_so():
    text = squeezed(page(example("voi-2"), "es", CODES))
    assert "[traducido por una máquina, revisado por una persona: us.jiatfs;" in text


def test_text_without_translation_is_shown_as_written_and_says_so():
    bulletin = changed("voi-1", "/title", {"lang": "es", "text": "EJERCICIO lancha"})
    text = page(bulletin, "en", CODES)
    assert "EJERCICIO lancha [no translation into English; original in Spanish]" in text


def test_packages_are_shown_as_packages_alone_and_beside_a_weight():
    assert "exactly 34 packages; FIELD count" in page(example("szr-1"), "en", CODES, width=200)
    text = page(example("szr-2"), "en", CODES, width=200)
    assert "412.75 kg; bulk weight, with packaging; 360 packages; OFFICIAL count" in text


def test_a_number_is_well_formed_never_verified():
    assert "0123450 (well-formed, not verified)" in page(example("voi-2"), "en", CODES)


def test_a_correction_shows_field_before_and_after_in_words():
    text = squeezed(page(example("cor-1"), "es", CODES, width=200))
    assert "Contenido > Drogas 1 > Cantidad" in text
    assert "Antes: exactamente 34 bultos" in text
    assert "Después: exactamente 811.4 kg; peso bruto, con embalaje" in text
    assert "(no consta)" in text


def undecoded(name, pointer, value):
    """What decoding refuses today, and a newer version may know."""
    return msgspec.convert(put(plain(name), pointer, value), Cor)


def test_a_quoted_value_that_does_not_fit_is_shown_as_json():
    bulletin = undecoded("cor-1", "/content/changes/0/before", {"odd": "\u202e[]"})
    assert '{"odd": "<U+202E>[]"}' in page(bulletin, "es", CODES)
    bulletin = undecoded("cor-1", "/content/changes/2/after", "many")
    assert '"many"' in page(bulletin, "es", CODES)
    text = {"lang": "en", "text": "as it was", "translations": None}
    values = put(plain("cor-1"), "/content/changes/0", {"pointer": "/title", "before": text})
    assert "as it was" in page(msgspec.convert(values, Cor), "es", CODES)


def test_the_difference_of_two_versions_is_field_before_after():
    before = example("szr-1")
    after = corrected(before, example("cor-1"), CODES)
    spanish, english = (
        diff(before, after, "es", CODES, 200),
        diff(before, after, "en", CODES, 200),
    )
    assert "Contenido > Drogas 1 > Droga\nAntes:" in spanish
    assert "Cocaína, forma no especificada" in spanish
    assert "Content > Drugs 1 > Purity\nBefore:" in english
    assert "79%" in english
    assert diff(before, before, "es", CODES) == "No hay diferencias."


HOSTILE = "a\u202eb\u2066c\u200bd\ufeffe\u2028f\xadg"


def test_no_hidden_character_reaches_the_page():
    hostile = put(plain("voi-1"), "/content/vessel/name", HOSTILE)
    put(hostile, "/title", {"lang": "es", "text": f"{HOSTILE}\nb\tc"})
    bulletin = decode(json.dumps(hostile).encode(), CODES)
    for lang in LANGUAGES:
        text = page(bulletin, lang, CODES)
        hidden = {
            unicodedata.category(character)
            for character in text.replace("\n", "")
            if unicodedata.category(character)[0] == "C"
        }
        assert not hidden
        assert "\u2028" not in text
        assert text.count("<U+202E>") == 2
        assert re.search("^b    c ", text, re.MULTILINE)


def test_visible_leaves_plain_text_alone():
    assert visible("Ñandú Ø 漁船 'x'") == "Ñandú Ø 漁船 'x'"
    assert visible("\x1b[31m") == "<U+001B>[31m"
    assert visible("a\nb") == "a<U+000A>b"


@pytest.mark.parametrize(
    ("longitude", "latitude", "shown"),
    [
        (-79.53, 8.95, "08°57.000'N 079°31.800'O"),
        (0, 0, "00°00.000'N 000°00.000'E"),
        (179.99999999, -89.99999999, "90°00.000'S 180°00.000'E"),
        (-80.9999999, 9.0083333, "09°00.500'N 081°00.000'O"),
    ],
)
def test_coordinates_are_degrees_and_minutes_that_never_reach_sixty(longitude, latitude, shown):
    assert values.position(longitude, latitude, "es", CODES) == shown


def test_a_polygon_is_shown_corner_by_corner():
    ring = [[-80, 7], [-79, 7], [-79, 8], [-80, 7]]
    at = "/content/seen/place/geometry"
    text = page(changed("voi-1", at, {"type": "Polygon", "coordinates": [ring]}), "en", CODES)
    assert "Polygon:" in text
    assert text.count("07°00.000'N") == 3
    assert text.count("08°00.000'N 079°00.000'W") == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1224.15, "1,224.15"),
        (58.0, "58"),
        (0.1, "0.1"),
        (1234567, "1,234,567"),
        (58123.45, "58,123.45"),
        (1250037.0, "1,250,037"),
        (-0.5, "-0.5"),
        (1e-7, "0.0000001"),
        (1e16, "10,000,000,000,000,000"),
    ],
)
def test_numbers_are_never_rounded(value, shown):
    assert values.number(value) == shown
    assert values.plain(value) == shown.replace(",", "")
    assert float(values.plain(value)) == value


def test_a_year_is_no_quantity():
    assert re.search(r"Año: +2015\n", page(example("sta-1"), "es", CODES))


def header(status):
    return Header(
        v="xb1",
        suite="xb1-h",
        id=example("voi-1").id,
        origin="pa.senan",
        endpoint="pa.senan/ops",
        type="voi",
        schema="1.0",
        verb="new",
        status=status,
        feed="maritime",
        to=["us.jiatfs/ops"],
        marking=Marking("amber", ["PAN", "USA"], ["h2"], True),
        declares=[],
        precedence="flash",
        observed=0,
        issued=1_795_460_400,
        due=None,
        expires=1_795_460_401,
        retain_until=1_795_460_402,
        regime=None,
        refs=[],
        commit="A" * 43,
        body=Blob("A" * 43, 1),
        attachments=[],
        trust=TrustPoint(0, "A" * 43),
    )


def test_a_heading_says_loudly_that_it_is_an_exercise():
    assert heading(header("exercise"), "es", CODES).startswith(
        "*** EJERCICIO — NO ES UN HECHO REAL ***"
    )
    assert heading(header("test"), "en", CODES).startswith("*** TEST — NOT A REAL EVENT ***")
    assert "***" not in heading(header("actual"), "en", CODES)


def test_a_heading_says_marking_and_times_in_words():
    text = heading(header("actual"), "es", CODES)
    assert "Relámpago (Z)" in text
    assert "Panamá, Estados Unidos" in text
    assert "2026-11-23 19:00:00Z (231900ZNOV26)" in text


@pytest.mark.parametrize(("lang", "told"), [("es", "menos de 5 x"), ("en", "fewer than 5 x")])
def test_a_cell_without_a_number_is_said_to_be_small(lang, told):
    assert page(example("mig-1"), lang, CODES).count(told) == 4


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_windows_key_is_never_shown(lang):
    key = plain("dcf-1")["content"]["window_key"]
    assert key not in page(example("dcf-1"), lang, CODES)
    quoted = undecoded("cor-1", "/content/changes/0/before", key)
    assert key not in page(quoted, lang, CODES)


REVIEW = 1_858_032_000  # 2028-11-17, a day before the review in ocn-1


@pytest.mark.parametrize(
    ("lang", "banner", "word"),
    [
        ("es", "!!! REVISIÓN VENCIDA (1)", "VENCIDA !!!"),
        ("en", "!!! REVIEW OVERDUE (1)", "OVERDUE !!!"),
    ],
)
def test_who_is_named_beyond_their_review_is_marked_loudly(lang, banner, word):
    bulletin = example("ocn-1")
    late = page(bulletin, lang, CODES, 200, now=REVIEW + 2 * 86_400)
    assert banner in late.splitlines()[2]
    assert "pa.senan" in late.splitlines()[2]
    [row] = [line for line in late.splitlines() if "2028-11-18" in line]
    assert row.endswith(f"!!! {word}")
    for now in (REVIEW, None):
        assert "!!!" not in page(bulletin, lang, CODES, 200, now=now)


def test_a_review_that_a_correction_moves_is_not_overdue_for_what_it_was():
    person = plain("ocn-1")["content"]["persons"][0]
    values = plain("cor-1") | {"declares": ["persons"]}
    values["content"]["target"] |= {"type": "ocn"}
    after = {**person, "review_by": "2030-01-01T00:00:00Z"}
    values["content"]["changes"] = [
        {"pointer": "/content/persons/0", "before": person, "after": after}
    ]
    bulletin = decode(json.dumps(values).encode(), CODES)
    assert overdue(bulletin, REVIEW + 2 * 86_400) == []
    assert overdue(bulletin, 1_900_000_000) == ["/content/changes/0/after/review_by"]


@pytest.mark.parametrize(
    ("lang", "told"),
    [
        ("es", "Depósito de 800 m² junto al puerto (b1)"),
        ("en", "Warehouse of 800 m² beside the port (b1)"),
    ],
)
def test_what_a_reference_stands_for_is_said_in_words(lang, told):
    shown = page(example("ocn-1"), lang, CODES, 200)
    for each in ("PERSON ONE EXERCISE (p1)", "EXERCISE CARGO SA (o1)", told):
        assert each in shown
    assert "Bitcoin 1BoatSLRHtKNngkdXEeobR76b53LETtpyT (w1)" in shown
    # Where it is listed, it is a name of the bulletin's own.
    assert re.search(r"Refer[a-z]+: +p1$", shown, re.MULTILINE)


def test_somebody_without_a_name_is_called_by_an_alias_and_text_is_kept_short():
    values = plain("smg-1")
    alias = values["content"]["persons"][0]["aliases"][0]
    assert f"{alias} (p1)" in page(example("smg-1"), "es", CODES, 200)
    values = plain("ocn-1")
    values["content"]["properties"][0]["description"]["text"] = "a\u202e\n" + "b" * 100
    shown = page(decode(json.dumps(values).encode(), CODES), "es", CODES, 300)
    assert re.search(r"a<U\+202E> ?b{40,60}… \(b1\)", shown)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_reader_is_warned_of_what_no_author_writes(lang):
    quantity = {"qualifier": "estimate", "count": "field", "value": 850, "unit": "kg"}
    values = put(
        plain("szr-1"),
        "/content/drugs/0/quantity",
        {**quantity, "basis": "estimated", "packages": 34},
    )
    bulletin = decode(json.dumps(values).encode(), CODES)
    text = squeezed(page(bulletin, lang, CODES))
    assert f"{CODES.words('indicators', 'packages-beside-estimate', lang)} !!!" in text
    assert text.index("!!!") < text.index("34 ")
    assert "!!!" not in page(example("szr-1"), lang, CODES)
