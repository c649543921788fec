"""Every text is there in Spanish and in English, and pages say nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import exchange
from exchange.web.words import SLOT, Words, load, number

PACKAGE = Path(exchange.__file__).parent
CATALOGUES = sorted(path.parent for path in PACKAGE.rglob("locale/en.json"))
CATALOGUES = [folder for folder in CATALOGUES if (folder / "es.json").exists()]
# The same in both: names of keys and of languages, and what is international.
ALIKE = re.compile(r"^(help\.name\.|language\.)")
CALL = re.compile(r"""\b(t|n|of|text|count)\(\s*(?:lang,\s*)?["']([a-z][a-z0-9_.-]*)["']""")
BEGUN = re.compile(r"""\bf"([a-z][a-z-]*(?:\.[a-z-]+)*\.)\{""")
# What a template would say without asking the catalogue: letters between two tags.
BARE = re.compile(r">(?!JSON<|CSV<|type:)[^<>{}]*[A-Za-zÁ-ú]{2,}[^<>{}]*<")


def text_of(folder, lang):
    return json.loads((folder / f"{lang}.json").read_text("utf-8"))


def sources():
    for folder in CATALOGUES:
        root = folder.parent
        yield from (*root.rglob("*.html"), *root.rglob("*.py"))


def called():
    """Return keys that are asked for, and beginnings of keys whose rest is a code."""
    whole, begun = set(), set()
    for path in sources():
        for name, key in CALL.findall(path.read_text("utf-8")):
            if name in ("t", "text"):
                whole.add(key)
            elif name in ("n", "count"):
                whole |= {f"{key}.one", f"{key}.other"}
            else:
                begun.add(f"{key}.")
        begun |= set(BEGUN.findall(path.read_text("utf-8")))
    return whole, begun


def test_there_are_catalogues():
    assert PACKAGE / "web" / "locale" in CATALOGUES


@pytest.mark.parametrize("folder", CATALOGUES, ids=lambda folder: folder.parent.name)
def test_each_text_is_there_in_both_languages_with_the_same_slots(folder):
    es, en = text_of(folder, "es"), text_of(folder, "en")
    assert es.keys() == en.keys()
    assert list(en) == sorted(en)
    assert list(es) == sorted(es)
    for key, said in en.items():
        assert said.strip() == said != ""
        assert es[key].strip() == es[key] != ""
        assert sorted(SLOT.findall(said)) == sorted(SLOT.findall(es[key])), key


@pytest.mark.parametrize("folder", CATALOGUES, ids=lambda folder: folder.parent.name)
def test_nothing_is_left_in_the_other_language(folder):
    es, en = text_of(folder, "es"), text_of(folder, "en")
    same = {key for key in en if en[key] == es[key] and not ALIKE.match(key)}
    assert {key for key in same if re.search(r"[a-z]{4}", en[key])} <= COGNATES


# Words that both languages spell alike.
COGNATES = {"bytes.one", "bytes.other", "files.bytes", "policy.version"}


def test_every_text_that_is_asked_for_is_there_and_every_text_is_asked_for():
    known = {key for folder in CATALOGUES for key in text_of(folder, "en")}
    whole, begun = called()
    # The names of sections and of applications are values, not calls.
    named = {
        word
        for path in sources()
        if path.suffix == ".py"
        for word in re.findall(r'"([a-z]+\.[a-z0-9_.-]+)"', path.read_text("utf-8"))
    }
    assert {key for key in whole if key not in known} == set()
    unused = {key for key in known - whole - named if not key.startswith(tuple(begun))}
    assert unused == set()
    assert {
        start for start in begun if not any(key.startswith(start) for key in known)
    } == set()


def test_no_template_says_anything_by_itself():
    for path in sources():
        if path.suffix == ".html":
            text = re.sub(r"{[{%#].*?[#%}]}", "", path.read_text("utf-8"), flags=re.DOTALL)
            text = re.sub(r"<(kbd|title)>.*?</\1>", "", text, flags=re.DOTALL)
            assert BARE.findall(text) == [], path.name


def test_no_template_goes_around_the_escaping():
    for path in sources():
        if path.suffix == ".html":
            assert not re.search(
                r"\|\s*safe|autoescape|Markup|\sstyle=|\son[a-z]+=", path.read_text("utf-8")
            ), path.name


def test_a_catalogue_that_lacks_a_text_is_not_loaded(tmp_path):
    (tmp_path / "en.json").write_text('{"a": "b", "c": "d"}')
    (tmp_path / "es.json").write_text('{"a": "b"}')
    with pytest.raises(ValueError, match="not in every language"):
        load([tmp_path])
    with pytest.raises(ValueError, match="in two catalogues"):
        load([CATALOGUES[0], CATALOGUES[0]])


def test_facts_are_filled_in_with_nothing_hidden_and_a_missing_one_is_told():
    words = Words({"en": {"a": "by {who}"}, "es": {"a": "por {who}"}})
    assert words.text("es", "a", who="x\u202ey") == "por x<U+202E>y"
    with pytest.raises(KeyError):
        words.text("es", "a")
    with pytest.raises(KeyError):
        words.text("es", "b")


def test_numbers_of_five_digits_are_grouped():
    assert [number(n) for n in (0, 9999, 10_000, 1_234_567)] == [
        "0",
        "9999",
        "10\u202f000",
        "1\u202f234\u202f567",
    ]


def test_counts_choose_their_form():
    texts = {"a.one": "{n} x", "a.other": "{n} xs"}
    words = Words({"en": texts, "es": texts})
    assert [words.count("en", "a", n) for n in (0, 1, 2)] == ["0 xs", "1 x", "2 xs"]
