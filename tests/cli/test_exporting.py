"""``export`` and ``import``: other systems' files, out of the inbox and into a draft."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from pathlib import Path

import msgspec
import pytest

from exchange import resources
from exchange.cli import exporting
from exchange.client.reading import Delivered
from exchange.errors import Refusal
from exchange.model.bulletin import decode_newer
from tests.builders import world
from tests.cli.exercise import OPS, WATCH, Exercise
from tests.cli.terminal import Terminal
from tests.model.bulletins import CODES, example, plain, put

EXAMPLES = resources.schemas() / "v1" / "examples"
VOI = str(EXAMPLES / "voi-1.es.toml")
SZR = str(EXAMPLES / "szr-1.es.toml")


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("exporting") / "exercise")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def posted(exercise):
    return exercise.post()["id"]


@pytest.mark.parametrize("to", ["geojson", "stix", "misp"])
def test_a_bulletin_of_the_inbox_goes_into_another_systems_file(exercise, posted, to, tmp_path):
    out = tmp_path / "made.json"
    ran = exercise.at(WATCH, "export", posted, "--to", to, "--out", str(out), "--json")
    assert ran.code == 0, ran
    assert ran.json["bytes"] == len(out.read_bytes())
    assert (ran.json["id"], ran.json["type"], ran.json["draft"]) == (posted, "voi", False)
    assert "document" not in ran.json
    text = out.read_text("utf-8")
    assert posted in text
    assert "TLP:AMBER" in text or "tlp:amber" in text
    json.loads(text)


def test_a_csv_in_a_pipe_is_the_file_itself(exercise, posted):
    ran = exercise.at(WATCH, "export", posted, "--to", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out, newline="")))
    assert rows[0]["content.vessel.name"] == "EXERCISE GAVIOTA"
    assert rows[0]["post.endpoint"] == "pa.senan/ops"
    # What leaves is said where it cannot get into the file.
    assert "EXERCISE // TLP:AMBER // REL TO PAN, USA // H2 // ORCON" in ran.err


def test_a_marking_that_a_format_cannot_carry_is_refused_in_both_languages(exercise, posted):
    ran = exercise.at(WATCH, "export", posted, "--to", "cap", "--json")
    error = ran.json["error"]
    assert (ran.code, error["code"]) == (1, "format-lacks-marking")
    assert error["at"] == "/marking/originator_control"
    assert "cap" in error["en"]["what"]
    assert "marca" in error["es"]["what"]


def test_an_event_is_not_shared_against_originator_control(exercise, posted):
    words = ["export", posted, "--to", "misp", "--sharing", "community", "--json"]
    ran = exercise.at(WATCH, *words)
    assert (ran.code, ran.json["error"]["code"]) == (1, "format-lacks-marking")


def test_a_bulletin_that_was_cancelled_is_exported_with_a_warning(exercise):
    made = exercise.post()["id"]
    draft = exercise.draft("can-1.es.toml")
    ran = exercise.at(OPS, "post", draft, "--target", made, "--yes", "--json")
    assert ran.code == 0, ran
    told = exercise.at(WATCH, "export", made, "--to", "csv")
    assert told.code == 0
    assert "CANCEL" in told.err.upper()
    rows = list(csv.DictReader(io.StringIO(told.out, newline="")))
    assert {row["marking"].split(" // ")[0] for row in rows} == {"CANCELLED"}
    for to in ("geojson", "stix", "misp"):
        answer = exercise.at(WATCH, "export", made, "--to", to, "--json").json
        assert answer["bears"] == ["cancelled"]
        assert "cancelled" in answer["document"]
        assert answer["marking"].startswith("CANCELLED // EXERCISE")


@pytest.mark.parametrize(
    ("at", "value", "told"),
    [("/weather", "calm", "/weather"), ("/type", "wld", "/content")],
)
def test_a_bulletin_that_is_read_in_part_is_not_exported_as_if_it_were_whole(at, value, told):
    values = {**put(plain("voi-1"), at, value), "schema": "1.1"}
    found = decode_newer(json.dumps(values).encode(), CODES, "1.1")
    header = msgspec.structs.replace(world().header(), schema="1.1")
    item = Delivered(
        position=0, index=0, taken_ms=0, header=header, digest="", late=False, target=None,
        accepted=0, accepted_ms=0, bulletin=found.bulletin, not_understood=found.unknown,
    )  # fmt: skip
    with pytest.raises(Refusal) as caught:
        exporting.whole(item)
    assert (caught.value.code.value, caught.value.at) == ("schema-not-known", told)
    understood = msgspec.structs.replace(item, bulletin=example("voi-1"), not_understood=[])
    assert exporting.whole(understood) == example("voi-1")


def test_what_is_not_in_the_inbox_is_not_exported(exercise):
    ran = exercise.at(WATCH, "export", "12345", "--to", "csv", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "not-found")


@pytest.mark.parametrize("lang", ["es", "en"])
def test_a_draft_is_exported_for_trying_and_told_to_be_one(exercise, lang):
    ran = exercise.run("--lang", lang, "export", SZR, "--to", "geojson")
    assert ran.code == 0, ran
    assert {"es": "Es un borrador", "en": "This is a draft"}[lang] in ran.err
    lost = {
        "es": "No se lleva: Lo que está en listas",
        "en": "Not carried: What stands in lists",
    }
    assert lost[lang] in ran.err
    assert json.loads(ran.out)["type"] == "FeatureCollection"


@pytest.mark.parametrize("lang", ["es", "en"])
def test_a_draft_whose_readers_would_be_warned_is_doubted(exercise, tmp_path, lang):
    drug = '[[bulletin.content.drugs]]\ndrug = "cocaine-not-specified"\n'
    guess = (
        'value = 850, unit = "kg", qualifier = "estimate", count = "field", basis = "estimated"'
    )
    text = Path(SZR).read_text("utf-8")
    text = text.replace(drug, f"{drug}quantity = {{ {guess} }}\n\n{drug}", 1)
    draft = tmp_path / "doubted.toml"
    draft.write_text(text, "utf-8")
    ran = exercise.run("--lang", lang, "export", str(draft), "--to", "csv")
    assert ran.code == 0, ran
    rows = list(csv.DictReader(io.StringIO(ran.out, newline="")))
    assert {each["marking"].split(" // ")[0] for each in rows} == {"DOUBTED"}
    assert {"es": "con exchange check", "en": "with exchange check"}[lang] in ran.err
    assert "DOUBTED" not in exercise.run("export", SZR, "--to", "csv").out


def test_a_draft_that_is_wrong_is_refused_at_its_place(exercise, tmp_path):
    draft = tmp_path / "wrong.toml"
    draft.write_text(Path(VOI).read_text("utf-8").replace('"go-fast"', '"raft"'), "utf-8")
    ran = exercise.run("export", str(draft), "--to", "csv", "--json")
    assert (ran.code, ran.json["error"]["at"]) == (1, "/bulletin/content/vessel/vessel_type")


def test_a_draft_that_names_people_to_too_many_is_refused(exercise, tmp_path):
    draft = tmp_path / "wide.toml"
    text = (EXAMPLES / "ocn-1.es.toml").read_text("utf-8")
    draft.write_text(text.replace('tlp = "amber"', 'tlp = "green"'), "utf-8")
    ran = exercise.run("export", str(draft), "--to", "csv", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "persons-audience")


def test_losses_and_document_are_in_the_answer_of_a_program(exercise):
    made = exercise.run("export", SZR, "--to", "geojson", "--json").json
    assert {"en", "es"} == made["lost"][0].keys()
    assert json.loads(made["document"])["type"] == "FeatureCollection"
    assert (made["draft"], made["out"], made["disarmed"]) == (True, None, 0)


def test_a_cell_made_harmless_is_told(exercise, tmp_path):
    draft = tmp_path / "risky.toml"
    text = Path(VOI).read_text("utf-8").replace('"EXERCISE GAVIOTA"', '"=EXERCISE()"')
    draft.write_text(text, "utf-8")
    ran = exercise.run("--lang", "en", "export", str(draft), "--to", "csv")
    assert "1 cells begin like a formula" in ran.err
    assert ",'=EXERCISE()," in ran.out


@pytest.mark.parametrize(("file", "type_"), [(VOI, "voi"), (SZR, "szr")])
@pytest.mark.parametrize("source", ["csv", "stix"])
def test_what_was_exported_is_imported_as_a_draft_that_check_accepts(
    exercise, tmp_path, file, type_, source
):
    out, draft = tmp_path / "made", tmp_path / "draft.toml"
    assert exercise.run("export", file, "--to", source, "--out", str(out)).code == 0
    words = ["import", str(out), "--from", source, "--type", type_, "--out", str(draft)]
    ran = exercise.run(*words, "--json")
    assert ran.json["missing"] == ["/post/feed", "/post/expires", "/post/retain"]
    checked = exercise.run("check", str(draft), "--offline", "--json")
    assert checked.json["error"]["code"] == "missing-member"
    lines = '[post]\nfeed = "maritime"\nexpires = "72h"\nretain = "365d"\n'
    draft.write_text(draft.read_text("utf-8").replace("[post]\n", lines, 1), "utf-8")
    checked = exercise.run("check", str(draft), "--offline", "--json")
    assert checked.json["valid"] is True
    assert tomllib.loads(draft.read_text("utf-8"))["bulletin"]["type"] == type_


def test_a_draft_of_the_standard_input_goes_to_the_standard_output(exercise):
    data = exercise.run("export", VOI, "--to", "csv").out
    ran = exercise.run(
        "--lang", "es", "import", "-", "--from", "csv", "--type", "voi", stdin=data
    )
    assert ran.code == 0, ran
    assert "# FALTA: feed = " in ran.out
    assert "Faltan 3 miembros" in ran.err
    assert "el texto es de: pa." in ran.err


def test_nothing_is_posted_by_an_import_and_no_file_is_written_over(exercise, tmp_path):
    kept = tmp_path / "kept"
    kept.write_bytes(b"evidence")
    for words in (
        ["export", VOI, "--to", "csv"],
        ["import", VOI, "--from", "csv", "--type", "voi"],
    ):
        ran = exercise.run(*words, "--out", str(kept))
        assert ran.code == 2
        assert kept.read_bytes() == b"evidence"


def test_a_file_without_an_end_is_refused_after_a_bounded_piece(exercise):
    for source in ("stix", "csv"):
        words = ["import", "/dev/zero", "--from", source, "--type", "voi", "--json"]
        ran = exercise.run(*words)
        assert (ran.code, ran.json["error"]["code"]) == (1, "oversized")


def test_what_a_terminal_would_obey_is_written_out(exercise, tmp_path):
    draft = tmp_path / "hidden.toml"
    text = Path(VOI).read_text("utf-8").replace("EXERCISE GAVIOTA", "EXERCISE \u202eGAVIOTA")
    draft.write_text(text, "utf-8")
    with Terminal("--lang", "en", "export", str(draft), "--to", "csv") as terminal:
        assert terminal.end() == 0
        assert b"EXERCISE <U+202E>GAVIOTA" in terminal.shown
    assert "\u202e" in exercise.run("export", str(draft), "--to", "csv").out
