"""Keys in shares at the command line: sheets of paper bring a container back."""

from __future__ import annotations

import os
import stat

import pytest
from click.testing import CliRunner

from exchange.cli.keying import sheets
from exchange.cli.main import cli
from exchange.custody import container, ring
from exchange.custody.container import Secrets
from exchange.seal.software import new_signing
from tests.cli.exercise import Ran
from tests.cli.terminal import Terminal

HOLDER = "pa-custodian-1"
SECRETS = Secrets(HOLDER, {ring.SIGN: new_signing("xb1-h", os.urandom)})
BEFORE, AFTER = "passphrase before", "passphrase after"
OLD, NEW = {"EXCHANGE_PASSPHRASE": BEFORE}, {"EXCHANGE_PASSPHRASE": AFTER}


def run(*words, stdin=None, env=NEW):
    plain = {k: None for k in os.environ if k.startswith("EXCHANGE_")}
    result = CliRunner().invoke(cli, list(map(str, words)), env={**plain, **env}, input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    """A custodian's container, shared into two sets, the second in place of the first."""
    folder = tmp_path_factory.mktemp("safe")
    kept = folder / f"{HOLDER}.xk"
    kept.write_bytes(container.seal(SECRETS, BEFORE, os.urandom))
    for name, more in (("first", []), ("second", ["--replaces", file(folder / "first")])):
        ran = run("keys", "share", kept, "--out", folder / name, *more, "--json", env=OLD)
        assert ran.code == 0, ran.out
    return folder


def file(folder):
    return folder / f"{HOLDER}.shared.xk"


def pages(folder):
    return sorted(folder.glob("*.txt"))


def words(page):
    return sheets.words_of(page.read_text())


def code(ran):
    return ran.code, ran.json["error"]["code"]


def test_two_sheets_of_three_bring_the_container_back_under_a_new_passphrase(safe, tmp_path):
    _, two, three = pages(safe / "second")
    out = tmp_path / "back.xk"
    shown = ["--sheet", two, "--sheet", three, "--out", out]
    ran = run("keys", "unshare", file(safe / "second"), *shown, "--json")
    assert ran.code == 0, ran.out
    assert container.unseal(out.read_bytes(), AFTER) == SECRETS
    assert ran.json["keys"] == [ring.public(key).kid for key in SECRETS.of(ring.SIGN)]


def test_shares_typed_at_a_terminal_are_asked_for_again_after_a_slip(safe, tmp_path):
    one, two, _ = map(words, pages(safe / "second"))
    slip = one.split()
    slip[3], slip[8] = slip[8], slip[3]
    where = [str(file(safe / "second")), "--out", str(tmp_path / "back.xk")]
    with Terminal("--lang", "es", "keys", "unshare", *where, **NEW) as terminal:
        terminal.answer("faltan 2", " ".join(slip).encode())
        terminal.answer("faltan 2", one.encode())
        terminal.answer("faltan 1", one.encode())
        terminal.answer("faltan 1", two.encode())
        assert terminal.end() == 0
    assert container.unseal((tmp_path / "back.xk").read_bytes(), AFTER) == SECRETS


def test_shares_come_by_a_pipe_and_too_few_write_nothing(safe, tmp_path):
    one, _, three = map(words, pages(safe / "second"))
    out = tmp_path / "back.xk"
    unshare = ("keys", "unshare", file(safe / "second"), "--out", out, "--json")
    assert run(*unshare, stdin=one + "\n").code == 2
    assert not out.exists()
    assert run(*unshare, stdin=f"{one}\n{three}\n").code == 0


def test_sheet_of_the_older_set_is_told_and_nothing_is_written(safe, tmp_path):
    out = tmp_path / "back.xk"
    sheet = ["--sheet", pages(safe / "first")[0]]
    ran = run("keys", "unshare", file(safe / "second"), *sheet, "--out", out, "--json")
    assert code(ran) == (1, "share-superseded")
    assert not out.exists()


def test_sheets_of_two_sets_are_told_apart(safe, tmp_path):
    mixed = ["--sheet", pages(safe / "first")[0], "--sheet", pages(safe / "second")[1]]
    out = tmp_path / "back.xk"
    ran = run("keys", "unshare", file(safe / "first"), *mixed, "--out", out, "--json")
    assert code(ran) == (1, "share-mixed")


def test_paper_alone_is_enough_where_every_copy_of_the_file_is_lost(safe, tmp_path):
    one, two, _ = pages(safe / "first")
    printed = one.read_text().rpartition("- - -\n")[2]
    typed = tmp_path / "typed.xk"
    typed.write_text("\n".join(printed.split("\n")[2:]))
    out = tmp_path / "back.xk"
    ran = run("keys", "unshare", typed, "--sheet", one, "--sheet", two, "--out", out, "--json")
    assert ran.code == 0, ran.out


def test_nothing_is_written_over(safe, tmp_path):
    kept = safe / f"{HOLDER}.xk"
    assert run("keys", "share", kept, "--out", safe / "first", "--json", env=OLD).code == 2
    out = tmp_path / "there.xk"
    out.write_bytes(b"mine")
    both = [word for page in pages(safe / "second")[:2] for word in ("--sheet", page)]
    assert run("keys", "unshare", file(safe / "second"), *both, "--out", out).code == 2
    assert out.read_bytes() == b"mine"


def test_another_holders_file_is_not_taken_for_the_set_before(safe, tmp_path):
    other = tmp_path / "us-custodian-1.xk"
    secrets = Secrets("us-custodian-1", SECRETS.keys)
    other.write_bytes(container.seal(secrets, BEFORE, os.urandom))
    more = ["--replaces", file(safe / "first"), "--json"]
    ran = run("keys", "share", other, "--out", tmp_path / "out", *more, env=OLD)
    assert code(ran) == (3, "key-file")
    assert not (tmp_path / "out").exists()


def test_more_than_there_are_cannot_be_needed(safe, tmp_path):
    plan = ["--threshold", "4", "--shares", "3"]
    kept = safe / f"{HOLDER}.xk"
    assert run("keys", "share", kept, "--out", tmp_path, *plan, env=OLD).code == 2


def test_only_the_keeper_can_read_a_sheet_and_each_says_both_languages(safe):
    for page in pages(safe / "second"):
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        head = page.read_text().split("\n")[0]
        assert "SECRETO: PARTE DE UNA CLAVE" in head
        assert "SECRET: SHARE OF A KEY" in head


def test_no_word_of_a_share_is_shown_by_the_command_that_makes_them(tmp_path):
    kept = tmp_path / f"{HOLDER}.xk"
    kept.write_bytes(container.seal(SECRETS, BEFORE, os.urandom))
    for lang in ("es", "en"):
        out = tmp_path / lang
        ran = run("--lang", lang, "keys", "share", kept, "--out", out, env=OLD)
        assert ran.code == 0
        for page in pages(out):
            assert words(page)[:40] not in ran.out + ran.err


def test_page_that_is_no_sheet_is_told(safe, tmp_path):
    page = tmp_path / "page.txt"
    page.write_text("1 academic 2 acid")
    more = ["--sheet", page, "--out", tmp_path / "back.xk", "--json"]
    ran = run("keys", "unshare", file(safe / "second"), *more)
    assert code(ran) == (3, "key-file")
