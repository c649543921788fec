"""The verbs ``schema`` and ``draft --random``: what may be said, differs, is made up."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from exchange import resources
from exchange.cli.main import cli
from exchange.model.bulletin import TYPES, shape


def run(*words):
    return CliRunner().invoke(cli, words, env={"NO_COLOR": "1", "EXCHANGE_HOME": "/none"})


def edited(tmp_path, change):
    found = json.loads(resources.read("v1/voi.schema.json"))
    change(found)
    path = tmp_path / "voi.schema.json"
    path.write_text(json.dumps(found))
    return str(path)


RAW = {
    *("text", "integer", "number", "boolean", "time", "object", "geometry", "list of object"),
    *(form.form for code in TYPES for form in shape.every(shape.of(code)) if form.form),
}


@pytest.mark.parametrize("code", sorted(TYPES))
def test_the_schema_of_every_type_is_shown_in_words_and_as_json(code):
    for lang, word in (("es", "Contenido"), ("en", "Content")):
        ran = run("--lang", lang, "schema", "show", code)
        assert ran.exit_code == 0
        assert word in ran.stdout
        assert "title*" in ran.stdout
        # Nothing of the schema's own spelling: no form, kind or file is named.
        kinds = {line.rstrip().split("  ")[-1].strip() for line in ran.stdout.splitlines()}
        assert len(kinds) > 5
        assert not kinds & RAW
    said = json.loads(run("schema", "show", code, "--json").stdout)
    assert said == json.loads(resources.read(f"v1/{code}.schema.json"))


def test_what_a_minor_version_may_add_is_allowed(tmp_path):
    path = edited(tmp_path, lambda found: found["$defs"]["Vessel"]["properties"].pop("imo"))
    ran = run("--lang", "es", "schema", "diff", path)
    assert ran.exit_code == 0
    assert "/content/vessel/imo  campo añadido" in ran.stdout
    said = json.loads(run("schema", "diff", path, "--json").stdout)
    assert (said["is_allowed"], said["differences"][0]["kind"]) == (True, "member-added")


def test_what_would_break_a_partner_ends_with_one(tmp_path):
    path = edited(
        tmp_path, lambda found: found["$defs"]["Vessel"]["properties"].update(hat={"type": "x"})
    )
    for words in ((), ("--json",)):
        ran = run("--lang", "en", "schema", "diff", path, *words)
        assert ran.exit_code == 1
        assert "member-removed" in ran.stdout or "!! /content/vessel/hat" in ran.stdout


def test_the_same_does_not_differ(tmp_path):
    ran = run("--lang", "en", "schema", "diff", edited(tmp_path, lambda _: None))
    assert (ran.exit_code, ran.stdout) == (0, "They do not differ.\n")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "malformed"),
        ("[]", "wrong-value"),
        ('{"$id": "x"}', "wrong-value"),
        ('{"$id": "urn:exchange:v1:xyz"}', "not-found"),
        ('{"$id": "urn:exchange:v1:voi", "properties": 1}', "wrong-value"),
        ("[" * 100_000, "malformed"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_code(tmp_path, text, code):
    path = tmp_path / "x.json"
    path.write_text(text)
    ran = run("schema", "diff", str(path), "--json")
    assert ran.exit_code == 1
    assert json.loads(ran.stdout)["error"]["code"] == code


@pytest.mark.parametrize("code", sorted(TYPES))
def test_an_exercise_made_up_from_a_seed_passes_its_check(tmp_path, code):
    first, again, other = (run("draft", code, "--seed", seed).stdout for seed in "778")
    assert first == again != other
    path = tmp_path / "made.json"
    path.write_text(first)
    ran = run("check", "--offline", str(path), "--json")
    assert (ran.exit_code, json.loads(ran.stdout)["type"]) == (0, code)
    assert json.loads(first)["post"]["status"] == "exercise"
    for seed in range(12 if code in {"smg", "ocn", "crm"} else 0):
        path.write_text(run("draft", code, "--seed", str(seed)).stdout)
        assert run("check", "--offline", str(path)).exit_code == 0, seed
    # A type with little to vary may well come out alike twice.
    assert len({run("draft", code, "--random").stdout for _ in range(4)}) > 1


def test_a_window_made_up_has_a_key_of_its_own():
    public = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    words = [["--seed", str(seed)] for seed in range(8)] + [["--random"]] * 8
    made = [json.loads(run("draft", "dcf", *each).stdout) for each in words]
    keys = [each["bulletin"]["content"].get("window_key") for each in made]
    own = [key for key in keys if key is not None]
    assert len(own) > 2
    assert public not in own
    assert len(set(own)) == len(own)
