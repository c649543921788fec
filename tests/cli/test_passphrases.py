"""Where a passphrase comes from: asked for twice when it is new, and never a traceback."""

from __future__ import annotations

import pytest

from exchange.cli import world
from exchange.custody import container
from exchange.errors import Code, Fault
from tests.cli.exercise import PASSPHRASE
from tests.cli.terminal import Terminal

ASKED, AGAIN = "Passphrase / Contraseña (", "New passphrase / Contraseña nueva ("
TWICE = {"es": "Repítalo para confirmar", "en": "Repeat for confirmation"}
NO_TEXT = b"\xe9\xff"


@pytest.mark.parametrize("lang", ["es", "en"])
def test_new_passphrase_is_asked_for_twice_and_a_slip_is_asked_again(tmp_path, lang):
    file = tmp_path / "keys.xk"
    with Terminal("--lang", lang, "keys", "new", "us.jiatfs/patrol", str(file)) as person:
        person.answer(AGAIN, b"this passphrase")
        person.answer(TWICE[lang], b"this passphrsae")
        person.answer(AGAIN, b"this passphrase")
        assert not file.exists()
        person.answer(TWICE[lang], b"this passphrase")
        assert person.end() == 0, person.shown
    assert container.unseal(file.read_bytes(), "this passphrase").holder == "us.jiatfs/patrol"


def test_backup_s_passphrase_is_asked_for_twice_and_known_ones_once(exercise, tmp_path):
    file, home = tmp_path / "watch.backup", str(tmp_path / "home")
    spare = exercise.copy_context("us.jiatfs-watch")
    env = {"EXCHANGE_HOME": str(exercise.place.home), "EXCHANGE_CONTEXT": spare}
    asked = "Passphrase of the backup"
    with Terminal("keys", "backup", str(file), **env) as person:
        person.answer(ASKED, PASSPHRASE.encode())
        person.answer(asked, b"of this one backup")
        person.answer(TWICE["en"], b"of this one backup")
        assert person.end() == 0, person.shown
    with Terminal("keys", "restore", str(file), EXCHANGE_HOME=home) as person:
        person.answer(asked, b"of this one backup")
        person.answer(AGAIN, b"another passphrase")
        person.answer(TWICE["en"], b"another passphrase")
        assert person.end() == 0, person.shown
    with Terminal("keys", "restore", str(file), EXCHANGE_HOME=home) as person:
        person.answer(asked, b"of this one backup")
        person.answer(ASKED, b"another passphrase")
        assert person.end() == 0, person.shown


def test_exercise_s_passphrase_is_asked_for_twice(tmp_path):
    with Terminal("found", str(tmp_path / "e"), "--url", "https://127.0.0.1:1") as person:
        person.answer(AGAIN, b"this passphrase")
        person.answer(TWICE["en"], b"this passphrase")
        assert person.end() == 0, person.shown


# -- what is no text -----------------------------------------------------------------------


def no_text(secret, *of):
    with pytest.raises(Fault) as fault:
        secret(*of)
    assert fault.value.code is Code.KEY_FILE
    assert fault.value.facts["expected"] == "utf-8-secret"
    # What somebody typed must not come out in an error report.
    assert (fault.value.__cause__, fault.value.__suppress_context__) == (None, True)
    return fault.value.facts["name"]


def test_environment_that_is_no_utf_8_is_told(monkeypatch):
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", NO_TEXT.decode(errors="surrogateescape"))
    assert no_text(world.passphrase, "watch") == "EXCHANGE_PASSPHRASE"


@pytest.mark.parametrize(
    ("variable", "secret"),
    [
        ("EXCHANGE_PASSPHRASE_FILE", world.passphrase),
        ("EXCHANGE_BACKUP_PASSPHRASE_FILE", world.backup_passphrase),
    ],
)
def test_file_that_is_no_utf_8_is_told(monkeypatch, tmp_path, variable, secret):
    path = tmp_path / "passphrase"
    path.write_bytes(NO_TEXT + b"\n")
    monkeypatch.delenv(variable.removesuffix("_FILE"), raising=False)
    monkeypatch.setenv(variable, str(path))
    assert no_text(secret, "watch") == str(path)


@pytest.mark.parametrize("more", [{}, {"PYTHONIOENCODING": "utf-8:strict"}], ids=range(2))
def test_what_is_typed_and_is_no_utf_8_is_told(tmp_path, more):
    file = tmp_path / "keys.xk"
    words = ("--lang", "es", "keys", "new", "us.jiatfs/patrol", str(file))
    with Terminal(*words, **more) as person:
        person.answer(AGAIN, NO_TEXT)
        if not more:
            person.answer(TWICE["es"], NO_TEXT)
        assert person.end() == 3, person.shown
        assert "una contraseña o un PIN en UTF-8".encode() in person.shown
        assert b"Traceback" not in person.shown
    assert not file.exists()
