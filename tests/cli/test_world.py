"""Where passphrases and PINs come from: never from the command line."""

from __future__ import annotations

import pytest

from exchange.cli import world
from exchange.custody import uris
from exchange.errors import Code, Fault, Refusal

PLACE = "pkcs11:token=pa-ops;object=sign?module-path=/lib.so"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in ("EXCHANGE_PIN", "EXCHANGE_PASSPHRASE", "EXCHANGE_BACKUP_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def token(uri=PLACE):
    place = uris.parse(uri)
    assert isinstance(place, uris.TokenPlace)
    return place


def test_pin_comes_from_the_file_its_uri_names_before_all_else(tmp_path, monkeypatch):
    (tmp_path / "pin").write_text("one\n")
    (tmp_path / "other").write_text("two\n")
    monkeypatch.setenv("EXCHANGE_PIN_FILE", str(tmp_path / "other"))
    assert world.pin(token()) == "two"
    monkeypatch.setenv("EXCHANGE_PIN", "three")
    assert world.pin(token()) == "three"
    for form in (f"file:{tmp_path}/pin", f"file://{tmp_path}/pin", f"{tmp_path}/pin"):
        assert world.pin(token(f"{PLACE}&pin-source={form}")) == "one"


@pytest.mark.parametrize(
    ("ask", "variable"),
    [
        (lambda: world.pin(token()), "EXCHANGE_PIN"),
        (lambda: world.passphrase("pa.senan/ops"), "EXCHANGE_PASSPHRASE"),
        (lambda: world.backup_passphrase("pa.senan/ops"), "EXCHANGE_BACKUP_PASSPHRASE"),
    ],
)
def test_where_nobody_can_be_asked_the_fault_says_what_to_set(ask, variable, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(Fault) as fault:
        ask()
    assert (fault.value.code, fault.value.facts["expected"]) == (Code.NO_SECRET, variable)


def test_backup_does_not_share_the_container_s_passphrase(monkeypatch):
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", "container")
    monkeypatch.setenv("EXCHANGE_BACKUP_PASSPHRASE", "backup")
    assert world.passphrase("x") == "container"
    assert world.backup_passphrase("x") == "backup"


def test_file_of_a_pin_that_cannot_be_read_is_a_fault(tmp_path):
    with pytest.raises(Fault) as fault:
        world.pin(token(f"{PLACE}&pin-source=file:{tmp_path}/absent"))
    assert fault.value.code == Code.KEY_FILE


def test_who_holds_a_backup_cannot_write_to_the_terminal_by_a_name(monkeypatch):
    shown = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.prompt", lambda asked, **_: shown.append(asked) or "secret")
    assert world.backup_passphrase("pa\x1b]0;owned\x07\u202e") == "secret"
    assert "Contraseña del respaldo (pa<U+001B>]0;owned<U+0007><U+202E>)" in shown[0]


def test_new_passphrase_has_a_least_length_and_an_old_one_has_none(monkeypatch, tmp_path):
    for ask, variable in (
        (world.passphrase, "EXCHANGE_PASSPHRASE"),
        (world.backup_passphrase, "EXCHANGE_BACKUP_PASSPHRASE"),
    ):
        (tmp_path / variable).write_text("fourteen chars\n")
        monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / variable))
        assert ask("pa.senan/ops") == "fourteen chars"
        with pytest.raises(Refusal) as refusal:
            ask("pa.senan/ops", is_new=True)
        assert (refusal.value.code, refusal.value.at) == (Code.WEAK_PASSPHRASE, f"/{variable}")
        assert refusal.value.facts["limit"] == world.LEAST_CHARACTERS
        for weak in (" " * 15, "a" * 40, "e" + "\u0301" * 20, "  fourteen chars  "):
            (tmp_path / variable).write_text(f"{weak}\n")
            with pytest.raises(Refusal) as refusal:
                ask("pa.senan/ops", is_new=True)
            assert refusal.value.facts["found"] < world.LEAST_CHARACTERS
        (tmp_path / variable).write_text("fifteen of them\n")
        assert ask("pa.senan/ops", is_new=True) == "fifteen of them"
