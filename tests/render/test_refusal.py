"""Refusals as a person reads them: what, where, why, what to do next, and the code."""

from __future__ import annotations

import pytest

from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model.bulletin import indicators
from exchange.model.codes import LANGUAGES
from exchange.render import RefusalTexts, indicator, refusal, refusal_text
from tests.model.bulletins import CODES, plain, put, verdict
from tests.render.test_page import changed

FACTS = {
    "limit": 7,
    "found": "f",
    "expected": "time",
    "id": "i",
    "name": "n",
    "position": 3,
    "line": 2,
}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_told_with_and_without_its_facts(code, lang):
    for facts in ({}, FACTS):
        problem = refusal(ExchangeError(code, "/content", **facts), lang, CODES)
        for part in (problem.what, problem.why, problem.next, problem.where):
            assert part
            assert not set(part) & set("{}[]?")
            assert "  " not in part
            assert " ." not in part
            assert ".." not in part
        assert problem.code == code.value


def test_the_place_is_named_by_label_and_pointer():
    error = Refusal(
        Code.WRONG_VALUE, "/bulletin/content/drugs/0/drug", expected="code", list="drugs"
    )
    problem = refusal(error, "es", CODES)
    assert (
        problem.where
        == "Boletín > Contenido > Drogas 1 > Droga (/bulletin/content/drugs/0/drug)"
    )
    assert "Se esperaba: un código de la lista drugs." in problem.what
    assert refusal(Refusal(Code.MALFORMED), "en", CODES).where == "the whole document"


def test_what_was_expected_comes_with_an_example():
    error = verdict(put(plain("voi-2"), "/content/vessel/imo", "9074728"))
    assert error is not None
    assert "p. ej. 9074729" in refusal(error, "es", CODES).what
    assert "e.g. 9074729" in refusal(error, "en", CODES).what


def test_bounds_are_told():
    error = verdict(put(plain("voi-1"), "/content/seen/speed_kn", -1))
    assert error is not None
    told = refusal(error, "en", CODES).what
    assert "Expected: a number, at least 0, at most 1000." in told


def test_nothing_of_the_senders_reaches_the_terminal_raw():
    error = Refusal(Code.UNKNOWN_MEMBER, "/\x1b[2J", name="\x1b[2J\u202e")
    text = refusal_text(error, "es", CODES)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<U+001B>" in text


def test_as_text_each_part_has_its_label():
    assert labels(Refusal(Code.EXPIRED, "/expires")) == [
        "Qué",
        "Dónde",
        "Por qué",
        "Qué hacer",
        "Código",
    ]


def test_what_concerns_no_place_names_none():
    assert labels(Fault(Code.CLOCK)) == ["Qué", "Por qué", "Qué hacer", "Código"]


def labels(error):
    text = refusal_text(error, "es", CODES)
    return [line.split(":")[0] for line in text.splitlines() if not line.startswith(" ")]


def test_the_edges_get_words_and_status_from_one_place():
    texts = RefusalTexts(CODES)
    error = Refusal(Code.OVERSIZED, limit=10, found=11)
    assert texts.status(Code.OVERSIZED) == 413
    assert (
        texts.problem(error, "en").what == "It is too large: 11 bytes; the limit is 10 bytes."
    )


def test_a_warning_is_a_line_with_its_place_in_words():
    bulletin = changed("voi-2", "/content/vessel/mmsi", "366999901")
    [found] = indicators(bulletin, CODES, 1_796_000_000)
    assert indicator(found, "es", CODES) == (
        "Advertencia: Contenido > Embarcación > MMSI (/content/vessel/mmsi): El MMSI empieza "
        "por 366, asignado a Estados Unidos, pero la bandera indicada es Panamá."
    )
