"""Everything that the command line says of itself is said in Spanish too."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from exchange.cli import output
from exchange.cli.main import cli
from tests.cli import catalog
from tests.cli.exercise import OPS

WORDS = catalog.words()
# Of platforms, programming mistakes and questions that we do not ask: nobody meets them here.
UNSPOKEN = re.compile(
    r"editor|Windows|Bash|colou?r|press any key|Do you want|Confirm the|Could not determine|"
    r"No options defined|Arguments take|defined twice|Boolean option|standard stream|"
    r"DeprecationWarning|\(prog\)",
    re.IGNORECASE,
)


def commands(command, path=("exchange",)):
    """Each verb with its path, as it is written in the code."""
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            yield from commands(inner, (*path, name))


VERBS = dict(commands(cli))


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_and_option_has_help_in_both_languages(path):
    command = VERBS[path]
    said = {inspect.cleandoc(command.help or "")}
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{param.name} has no help"
            said.add(param.help)
        if param.metavar:
            said.add(param.metavar.strip("[]."))
    assert said <= WORDS.keys()


def spoken():
    """Each message that click marks for translation; plural forms joined as in a catalogue."""
    for file in Path(click.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
                if node.func.id in ("_", "ngettext") and texts:
                    yield "\0".join(texts)


def test_every_message_of_click_s_is_known_in_spanish():
    missing = {text for text in spoken() if not UNSPOKEN.search(text)} - WORDS.keys() - {"d"}
    assert not missing


def test_translations_keep_their_places_to_fill():
    def slots(text):
        return [sorted(re.findall(r"\{[^}]*\}|%\(\w+\)s", part)) for part in text.split("\0")]

    wrong = [text for text, said in WORDS.items() if slots(text) != slots(said)]
    assert not wrong
    assert all(said.strip() for said in WORDS.values())


def test_catalogue_is_made_from_the_words():
    assert catalog.MADE.read_bytes() == catalog.compiled()


def run(*words, **env):
    clean = {"EXCHANGE_LANG": None, "LANG": "C.UTF-8", "NO_COLOR": "1", **env}
    return CliRunner().invoke(cli, words, env=clean)


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["--lang", "es", "post", "--help"], {}),
        (["--lang=es", "post", "--help"], {}),
        (["post", "--help"], {"EXCHANGE_LANG": "es"}),
        (["post", "--help"], {"LANG": "es_PA.UTF-8"}),
    ],
)
def test_help_is_in_the_reader_s_language(words, env):
    said = run(*words, **env)
    assert said.exit_code == 0
    assert "Uso:" in said.stdout
    assert "Sellar y enviar un borrador" in said.stdout
    assert "Mostrar este mensaje" in said.stdout
    for english in ("Usage", "Options", "Show", "FILE"):
        assert english not in said.stdout
    # And the next one, in the same process, in English again.
    assert "Seal and post a draft" in run("post", "--help").stdout


def test_list_of_verbs_is_in_spanish():
    said = run("--lang", "es", "--help").stdout
    assert "Mandatos:" in said
    assert "Acusar recibo" in said
    assert "Commands" not in said


@pytest.mark.parametrize(
    ("words", "spanish", "english"),
    [
        (["post"], "Falta el argumento 'ARCHIVO'", "Missing argument 'FILE'"),
        (["post", "--bogus"], "No existe la opción '--bogus'", "No such option '--bogus'"),
        (["bogus"], "No existe el mandato 'bogus'", "No such command 'bogus'"),
        (["--bogus"], "No existe la opción '--bogus'", "No such option '--bogus'"),
        (["inspect", "none"], "Archivo 'none': no existe", "File 'none' does not exist"),
        (["inbox", "--after", "x"], "no es un número válido", "is not a valid int"),
        (["draft", "zzz"], "no es ninguno de", "is not one of"),
        (["feeds", "a", "b"], "Sobran argumentos (a b)", "unexpected extra arguments (a b)"),
        (["outbox", "resend"], "no es ninguno de 'send'", "is not one of 'send'"),
    ],
)
def test_usage_errors_are_in_the_reader_s_language_and_end_with_two(words, spanish, english):
    for lang, expected in (("es", spanish), ("en", english)):
        said = run("--lang", lang, *words)
        assert (said.exit_code, said.stdout) == (2, "")
        assert expected in said.stderr


@pytest.mark.parametrize("words", [["post"], ["bogus"], ["ack", "x", "--outcome", "liked"]])
def test_usage_error_is_json_where_json_is_wanted(words):
    said = run("--lang", "es", *words, "--json")
    assert (said.exit_code, said.stderr) == (2, "")
    problem = output.msgspec.json.decode(said.stdout)["error"]
    assert problem["code"] == "usage"
    assert problem["facts"]["found"] in problem["en"]["what"]
    assert problem["en"]["next"].startswith("Add --help")


@pytest.mark.parametrize("lang", ["es", "en"])
@pytest.mark.parametrize(
    ("words", "spanish", "english"),
    [
        (["bogus"], "No existe el mandato 'bogus'", "No such command 'bogus'"),
        (["post"], "Falta el argumento 'ARCHIVO'", "Missing argument 'FILE'"),
        (["audit", "log", "--zzz"], "No existe la opción '--zzz'", "No such option '--zzz'"),
        (["inbox", "--after", "x"], "no es un número válido", "is not a valid int"),
        (
            ["audit", "verify", __file__, "--anchor", "x"],
            "Valor no válido para --anchor: x: no son 43 caracteres",
            "Invalid value for --anchor: x: neither 43 characters",
        ),
        (["read", "x", "--show-text"], "muestra lo que guarda --save", "shows what --save"),
        (["keys", "destroy"], "Diga KID, o --due", "Say KID, or --due"),
        (["demo", "--keep", str(Path(__file__).parent)], "no está vacía", "is not empty"),
        (["completion", "ksh"], "no es ninguno de", "is not one of"),
    ],
)
def test_usage_error_in_json_is_told_in_both_languages_whichever_is_asked_for(
    lang, words, spanish, english
):
    said = run("--lang", lang, *words, "--json")
    assert (said.exit_code, said.stderr) == (2, "")
    problem = output.msgspec.json.decode(said.stdout)["error"]
    assert spanish in problem["es"]["what"]
    assert english in problem["en"]["what"]
    assert english in problem["facts"]["found"]


def test_no_verb_tells_what_is_wrong_in_one_language_alone():
    for path in Path(output.__file__).parent.rglob("*.py"):
        raised = re.findall(r"raise click\.(?!Abort)\w+", path.read_text("utf-8"))
        assert not raised, f"{path.name}: cli.usage.Unusable has both"


@pytest.mark.parametrize("name", ["keys", "audit"])
def test_group_lists_its_verbs_in_json_and_as_help(name):
    listed = output.msgspec.json.decode(run(name, "--json").stdout)["verbs"]
    assert {each["name"] for each in listed} == {
        path[-1] for path in VERBS if path[:-1] == ("exchange", name)
    }
    assert all(each["help"] for each in listed)
    spanish = output.msgspec.json.decode(run("--lang", "es", name, "--json").stdout)["verbs"]
    assert all(a["help"] != b["help"] for a, b in zip(listed, spanish, strict=True))
    bare = run(name)
    assert (bare.exit_code, all(each["name"] in bare.stderr for each in listed)) == (2, True)


def test_json_said_of_a_group_is_meant_for_its_verb(tmp_path):
    (tmp_path / "no.db").write_bytes(b"no journal")
    words = [str(tmp_path / "no.db")]
    before, after = (
        run("audit", "--json", "verify", *words).stdout,
        run("audit", "verify", *words, "--json").stdout,
    )
    assert before == after != ""


def test_verb_s_own_usage_error_is_json_too(exercise):
    ran = exercise.at(OPS, "post", exercise.draft(), "--json")
    assert (ran.code, ran.json["error"]["code"]) == (2, "usage")
