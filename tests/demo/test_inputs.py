"""What is wrong with a draft given to the demo is told as it is, before anything is founded."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from exchange import resources
from exchange.cli import demo_case, demo_inputs
from exchange.cli.demo_case import Stage
from exchange.cli.demo_drafts import Drafts
from exchange.cli.main import cli
from exchange.errors import Code, Fault, Refusal
from tests.cli.exercise import Exercise, Ran


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("exercise"))
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()


@pytest.fixture
def inputs(tmp_path):
    shutil.copytree(resources.schemas() / "v1" / "examples", tmp_path / "inputs")
    return tmp_path / "inputs"


def demo(inputs: Path, *more: str, lang: str = "en") -> Ran:
    kept = inputs.parent / "kept"
    words = ("--lang", lang, "demo", "--once", "--inputs", str(inputs), "--keep", str(kept))
    result = CliRunner().invoke(cli, [*words, *more])
    assert not kept.exists(), "nothing was founded"
    return Ran(result.exit_code, result.stdout, result.stderr)


def test_names_are_those_that_the_case_is_told_with():
    text = Path(demo_case.__file__).read_text("utf-8")
    assert set(re.findall(r'"(\w+-\d\.\w+\.toml)"', text)) == set(demo_inputs.NAMES)


@pytest.mark.parametrize("name", demo_inputs.NAMES)
def test_draft_that_is_wrong_is_told_by_its_own_code_and_name(inputs, name):
    path = inputs / name
    said = path.read_text("utf-8").replace("[bulletin.content]", "[bulletin.zork]", 1)
    path.write_text(said, "utf-8")
    ran = demo(inputs, "--json")
    error = ran.json["error"]
    assert (ran.code, error["facts"]["file"]) == (1, name)
    assert error["code"] in ("unknown-member", "missing-member", "unknown-object")
    assert error["at"].startswith("/bulletin")


@pytest.mark.parametrize(("lang", "said"), [("es", "Dónde"), ("en", "Where")])
def test_draft_that_is_wrong_is_told_in_the_reader_s_language(inputs, lang, said):
    path = inputs / "voi-1.es.toml"
    path.write_text(re.sub(r'notice = "\w+"', 'notice = "zork"', path.read_text("utf-8")))
    ran = demo(inputs, lang=lang)
    assert (ran.code, ran.out) == (1, "")
    for part in (said, str(path), "/bulletin/content/notice", "zork"):
        assert part in ran.err


def test_empty_folder_says_which_draft_is_missing(tmp_path):
    (tmp_path / "inputs").mkdir()
    ran = demo(tmp_path / "inputs")
    assert (ran.code, "voi-1.es.toml" in ran.err) == (2, True)


def test_what_a_verb_refuses_or_lacks_is_relayed_as_it_was_told(exercise: Exercise):
    folder, port = exercise.folder, exercise.port
    drafts = Drafts(folder, folder / "drafts")
    stage = Stage(folder, drafts, port, "", exercise.environment(), is_quiet=True)
    draft = exercise.draft(**{"us.jiatfs/watch": "us.jiatfs/nobody"})
    with pytest.raises(Refusal) as refusal:
        stage.ask("pa.senan-ops", "post", draft, "--yes")
    assert (refusal.value.code, refusal.value.at) == (Code.UNKNOWN_RECIPIENT, "/post/to/0")
    assert refusal.value.facts == {"name": "us.jiatfs/nobody"}
    with pytest.raises(Fault) as fault:
        stage.ask("pa.nobody", "inbox")
    assert fault.value.code == Code.NO_CONTEXT
