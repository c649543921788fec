from __future__ import annotations

import jinja2
import pytest

from exchange.web.assets import Assets
from exchange.web.pages import Reader, day, moment, moment_ms, short, tail
from tests.web.trial import HIDDEN, WEB, Trial, values

READER = Reader("en", "/")


def rendered(source, **given):
    environment = Trial().pages._environment
    return environment.from_string(source).render(given)


def test_what_is_shown_is_escaped_and_hides_nothing():
    text = Trial().pages.render("trial.html", READER, {**values(), "number": 0})
    shown = "VESSEL &lt;U+202E&gt;gnp.exe&lt;U+202C&gt; &lt;b&gt;&amp;&#34;&#39;"
    assert text.count(shown) == 2
    assert HIDDEN not in text


def test_a_value_that_is_missing_is_no_empty_place():
    for source in ("{{ gone }}", "{{ there.gone }}", "{% if gone %}{% endif %}"):
        with pytest.raises(jinja2.UndefinedError):
            rendered(source, there={})


@pytest.mark.parametrize("value", [None, True])
def test_what_has_no_words_is_not_shown(value):
    with pytest.raises(TypeError):
        rendered("{{ value }}", value=value)


def test_a_number_is_shown_as_it_is_unless_it_is_asked_for_in_groups():
    assert rendered("{{ n }} {{ n | number }}", n=12345) == "12345 12\u202f345"


def test_prose_keeps_its_lines():
    source = "{% for line in text | prose %}[{{ line }}]{% endfor %}"
    assert rendered(source, text="a\nb\u200b") == "[a][b&lt;U+200B&gt;]"


def test_times_are_utc():
    assert moment(1_764_000_000) == "2025-11-24 16:00:00Z"
    assert moment_ms(1_764_000_000_999) == "2025-11-24 16:00:00Z"
    assert day(1_764_000_000) == "2025-11-24"


def test_a_digest_is_short_and_a_short_one_whole():
    assert short("a" * 43) == "aaaaaaaaaaaa…"
    assert short("abc") == "abc"
    assert tail("a" * 30 + "b" * 12) == "…bbbbbbbbbbbb"
    assert tail("abc") == "abc"


def test_assets_change_their_address_with_their_content(tmp_path):
    (tmp_path / "a.css").write_text("a")
    first = Assets([tmp_path]).path
    (tmp_path / "a.css").write_text("b")
    assert Assets([tmp_path]).path != first
    with pytest.raises(ValueError, match="twice"):
        Assets([tmp_path, tmp_path])
    (tmp_path / "b.exe").write_text("b")
    with pytest.raises(ValueError, match="no type"):
        Assets([tmp_path])


def test_scripts_are_short_and_send_nothing_anywhere():
    for path in (WEB / "static").glob("*.mjs"):
        text = path.read_text("utf-8")
        assert max(map(len, text.splitlines())) <= 110
        assert not any(
            word in text for word in ("innerHTML", "outerHTML", "eval(", "http:", "https:")
        )


def test_styles_come_from_here_and_carry_no_other_address():
    for path in (WEB / "static").glob("*.css"):
        assert "url(" not in path.read_text("utf-8")
        assert "@import" not in path.read_text("utf-8")
