"""The code lists: whole, in both languages, with nothing missing and nothing unused."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import msgspec
import pytest

import exchange
from exchange import resources
from exchange.errors import Code
from exchange.model import codes, draft, header, objects
from exchange.model.bulletin import TYPES, rules, shape
from tests.model.bulletins import CODES

ROOT = Path(exchange.__file__).parent
POST = shape.of_struct(draft.Post)
FORMS = [*(form for code in TYPES for form in shape.every(shape.of(code))), *shape.every(POST)]


@cache
def written():
    """Return every string and every call in our code: it is read once, which takes seconds."""
    strings, called = set(), []
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                strings.add(node.value)
            elif isinstance(node, ast.Call):
                called.append(node)
    return strings, called


def constants():
    """Return every string written in the code that shows something or refuses something."""
    return written()[0]


def calls(name, argument):
    """Return the constants that calls of a function give an argument, by place or by name."""
    found = set()
    for node in written()[1]:
        if getattr(node.func, "attr", getattr(node.func, "id", "")) != name:
            continue
        given = [word.value for word in node.keywords if word.arg == argument]
        if isinstance(argument, int):
            given = node.args[argument : argument + 1]
        found |= {
            inner.value
            for value in given
            for inner in ast.walk(value)
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
        }
    return found


@pytest.mark.parametrize("name", sorted(CODES.lists))
def test_every_code_has_words_in_both_languages(name):
    for word in CODES.lists[name].values():
        for text in (
            word.en,
            word.es,
            *(msgspec.structs.astuple(word.meaning) if word.meaning else ()),
        ):
            assert text.strip() == text
            assert text
        # What is filled in must be filled in in both languages.
        slots = [sorted(set(re.findall(r"\{[a-z]+\}", text))) for text in (word.en, word.es)]
        assert slots[0] == slots[1], word.code


def test_every_file_is_loaded_and_names_its_source():
    folder = resources.schemas() / "v1" / "codes"
    assert {path.stem for path in folder.glob("*.json")} == set(CODES.lists) | {"refusals"}
    for path in folder.glob("*.json"):
        found = json.loads(path.read_text())
        assert found["list"] == path.stem
        assert found["version"]
        assert found["source"]


def test_every_member_has_a_label_and_every_label_a_member():
    named = {member.name for form in FORMS for member in form.members}
    named |= set(header.Header.__struct_fields__) - {"v", "suite", "commit", "body"}
    named -= {"trust"}
    # What an export says that was done to a bulletin since.
    named |= {"bears"}
    assert named | {"post", "bulletin", "retain"} == set(CODES.lists["fields"])


def test_every_list_is_used_and_every_list_that_is_used_is_there():
    used = {form.codes or form.names for form in FORMS} - {""}
    used |= {"status", "tlp", "handling", "verbs", "relations", "types", "mids", "ack-outcomes"}
    used |= {"news"}
    assert used == set(codes.WIRE)


def test_the_headers_codes_are_the_lists():
    for name, literal in (
        ("verbs", header.Verb),
        ("status", header.Status),
        ("precedence", header.Precedence),
        ("tlp", header.Tlp),
        ("handling", header.Handling),
        ("declarations", header.Declaration),
        ("relations", header.Relation),
        ("ack-outcomes", objects.Outcome),
        ("news", objects.News),
    ):
        assert set(CODES.lists[name]) == set(literal.__args__)


def test_every_type_is_in_the_list_of_types():
    assert list(TYPES) == list(CODES.lists["types"])
    assert len(TYPES) == 18


def test_phrases_and_measures_are_neither_missing_nor_unused():
    phrases = set(CODES.lists["phrases"])
    banners = {"exercise-banner", "test-banner"}
    assert phrases - banners <= constants()
    assert calls("phrase", 0) - {"", "-banner"} <= phrases
    units = {word.unit for word in CODES.lists["fields"].values()} - {None}
    assert units == set(CODES.lists["measures"])


def test_what_a_refusal_expects_is_neither_missing_nor_unused():
    forms = {form.form for form in FORMS} - {""}
    kinds = {form.kind for form in FORMS} - {"struct", "choice"} | {"object"}
    # A name in the field's own spelling (a verb, an algorithm) is shown as it is.
    told = {
        word
        for word in calls("Refusal", "expected") | calls("Fault", "expected")
        if re.fullmatch(r"[a-z]+(-[a-z]+)*", word)
    } - {"new", "update", "readable"}
    needed = forms | kinds | set(rules.RULES) | told | {"code"}
    known = set(CODES.lists["expectations"])
    assert needed <= known
    assert known <= needed | constants()


def test_warnings_are_neither_missing_nor_unused():
    assert calls("Indicator", 0) == set(CODES.lists["indicators"])


def test_every_refusal_code_has_its_text_and_every_text_a_code():
    assert set(CODES.refusals) == {code.value for code in Code}


def test_every_refusal_is_told_whole_in_both_languages():
    for text in CODES.refusals.values():
        for said in (text.en, text.es):
            assert said.what.endswith(".")
            assert said.why.endswith(".")
            assert said.next.endswith(".")
        slots = [
            sorted(re.findall(r"\{[a-z]+\}", "".join(msgspec.structs.astuple(said))))
            for said in (text.en, text.es)
        ]
        assert slots[0] == slots[1], text.code
        # A fact may be missing: it stands in a part that can be left out.
        for said in (text.en, text.es):
            for part in msgspec.structs.astuple(said):
                assert "{" not in re.sub(r"\[[^\]]*\]", "", part), text.code


def test_statuses_are_those_of_the_kind_of_refusal():
    status = {code: text.http for code, text in CODES.refusals.items()}
    assert set(status.values()) == {400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503}
    assert status["oversized"] == 413
    assert status["no-token"] == status["bad-token"] == status["bad-session"] == 401
    assert status["may-not-post"] == status["not-yours"] == status["missing-role"] == 403
    assert status["not-found"] == 404
    assert status["id-reused"] == status["stale-version"] == 409
    assert status["purged"] == 410
    assert status["too-many"] == 429
    assert status["internal"] == 500
    faults = {
        "store-failed",
        "journal-in-use",
        "export-in-use",
        "journal-behind",
        "witness-behind",
        "attachment-damaged",
        "backup-damaged",
        "backup-cut-short",
        "backup-passphrase",
        "backup-behind",
        "backup-differs",
        "node-replaced",
        "second-place-lost",
        "tail-differs",
        "tail-unproved",
        "outcome-unknown",
        "clock",
        "clock-ahead",
        "journal-ahead",
        "other-anchor",
        "mirror-unsaid",
        "unavailable",
        "cannot-listen",
        "unwritten",
        "node-unreachable",
        "no-headway",
    }
    assert {status[code] for code in faults} == {503}
    assert {code for code, http in status.items() if http >= 500} == faults | {
        "file",
        "other-file",
        "key-file",
        "key-token",
        "extra-missing",
        "no-secret",
        "no-context",
        "context-unchosen",
        "journal-version",
        "no-node",
        "trust-file",
        "trust-memory",
        "head-memory",
        "mail-failed",
        "mail-damaged",
        "mail-locked",
        "mail-aside",
        "no-checkpoint",
        "head-too-old",
        "internal",
    }


def test_countries_are_all_of_iso_3166_and_one_for_not_known():
    assert len(CODES.lists["countries"]) == 249 + 1
    assert CODES.words("countries", "USA", "es") == "Estados Unidos"
    assert CODES.words("countries", "DEU", "es") == "Alemania"


def test_every_prefix_belongs_to_a_country():
    flags = {word.of for word in CODES.lists["mids"].values()}
    assert flags <= set(CODES.lists["countries"])
    assert all(re.fullmatch("[2-7][0-9]{2}", mid) for mid in CODES.lists["mids"])


def test_ports_are_well_formed():
    assert len(CODES.lists["ports"]) >= 1000
    assert all(re.fullmatch("[A-Z]{2}[A-Z2-9]{3}", port) for port in CODES.lists["ports"])


def test_a_list_under_another_name_is_not_loaded():
    def swapped(name):
        return resources.read(name.replace("drugs", "goods"))

    with pytest.raises(ValueError, match=r"drugs\.json"):
        codes.load(swapped)


def test_a_code_twice_is_not_loaded():
    def doubled(name):
        found = json.loads(resources.read(name))
        if name.endswith("/drugs.json"):
            found["codes"].append(found["codes"][0])
        return json.dumps(found).encode()

    with pytest.raises(ValueError, match=r"drugs\.json"):
        codes.load(doubled)
