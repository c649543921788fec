"""A backup comes back without a node; and no slip of the hand loses a key, or revives one."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import closing

import msgspec
import pytest
from click.testing import CliRunner

from exchange.cli import world as here
from exchange.cli.home import KEYS, PROFILE, Home
from exchange.cli.keying import enrolling, restoring
from exchange.cli.keying.keeping import KIND, Backup
from exchange.cli.main import cli
from exchange.cli.state import make_certificate
from exchange.client import cabinet
from exchange.client.outbox import Outbox
from exchange.client.transport import Profile
from exchange.custody import container, ring
from exchange.custody.container import Life
from exchange.errors import Code
from exchange.model.identity import uuid7
from exchange.seal.close import Envelope
from exchange.seal.software import SecretKey, new_opening, new_signing
from tests import enrolled
from tests.builders import NOW, WATCH, Randomness, world

PASSPHRASE, OF_BACKUP, NAME = "exercise passphrase", "of the backup", "us.jiatfs-watch"
SUITE = world().suite(WATCH)
FIRST = ring.with_storage(world().secrets[WATCH], Randomness("storage"))
NEXT = new_opening(SUITE, Randomness("next"))
# Two opening keys: the second in use, the first past.
WHOLE = ring.with_keys(FIRST, ring.OPEN, [*FIRST.of(ring.OPEN), NEXT], Life(0, NOW))
OLD = world().key(WATCH).kid
CERTIFICATE = make_certificate("127.0.0.1", bytes(range(32)), NOW)[0]
PROFILE_OF = Profile(WATCH, "pa", "https://127.0.0.1:1", CERTIFICATE, "A" * 43)


@pytest.fixture(scope="module")
def backup(tmp_path_factory):
    """A backup of both keys."""
    path = tmp_path_factory.mktemp("backup") / "watch.backup"
    plain = msgspec.json.encode(Backup(KIND, PROFILE_OF, WHOLE, None))
    path.write_bytes(container.seal_bytes(KIND, WATCH, plain, OF_BACKUP, here.randomness))
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EXCHANGE_HOME", str(tmp_path))
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("EXCHANGE_BACKUP_PASSPHRASE", OF_BACKUP)
    return Home(tmp_path)


def made(home, secrets=WHOLE):
    return home.add(NAME, PROFILE_OF, container.seal(secrets, PASSPHRASE, here.randomness))


def restore(file, *more):
    ran = CliRunner().invoke(cli, ["keys", "restore", str(file), *more, "--json"])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.exit_code, json.loads(ran.stdout)


def restore_words(file, *more):
    return CliRunner().invoke(cli, ["keys", "restore", str(file), *more]).exit_code


def refused(file, *more):
    code, told = restore(file, *more)
    assert code
    return told["error"]["code"]


def files(context):
    return {each.name: each.read_bytes() for each in context.folder.iterdir() if each.is_file()}


def states(context):
    return {each.kid: each.state for each in ring.held(context.unlocked_with(PASSPHRASE))}


@pytest.mark.usefixtures("home")
def test_every_folder_that_is_made_for_keys_is_its_owner_s_alone(backup, tmp_path, monkeypatch):
    monkeypatch.setenv("EXCHANGE_HOME", str(tmp_path / "some" / "home"))
    inviting = world().after(enrolled.second_operator(world()))
    link = enrolled.link(inviting, enrolled.invited(inviting))
    before = os.umask(0)
    try:
        assert restore(backup)[0] == 0
        made(Home(tmp_path / "another" / "home"))
        enrolling._made(tmp_path / "third" / "home" / "contexts" / NAME, link)
    finally:
        os.umask(before)
    folders = [each for each in tmp_path.rglob("*") if each.is_dir()]
    assert len(folders) == 3 * 4
    assert {each.stat().st_mode & 0o777 for each in folders} == {0o700}


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["../evil", "a/b", "..", ".x", "a b", "x" * 129])
def test_name_that_would_lie_elsewhere_is_refused(backup, tmp_path, name):
    assert restore_words(backup, "--name", name) == 2
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


# -- which passphrase opens what -----------------------------------------------------------


@pytest.mark.parametrize("secrets", [WHOLE, ring.without(WHOLE, {OLD}, NOW)], ids=range(2))
def test_slip_in_the_passphrase_restores_nothing(home, backup, monkeypatch, secrets):
    context = made(home, secrets)
    before = files(context)
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", "exercsie passphrase")
    assert refused(backup) == Code.PASSPHRASE_DIFFERS
    assert files(context) == before


def test_lost_passphrase_takes_force_and_what_was_here_is_kept(home, backup, monkeypatch):
    context = made(home)
    before = context.sealed()
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", "another passphrase")
    _, told = restore(backup, "--force")
    (aside,) = told["aside"]
    assert told["compared"] is False
    assert (context.folder / aside).read_bytes() == before
    assert context.unlocked_with("another passphrase") == WHOLE


def test_container_for_other_costs_is_not_taken_for_a_damaged_one(home, backup, monkeypatch):
    monkeypatch.setattr(container, "PASSES", 2)
    context = made(home)
    monkeypatch.undo()
    monkeypatch.setenv("EXCHANGE_HOME", str(home.folder))
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("EXCHANGE_BACKUP_PASSPHRASE", OF_BACKUP)
    before = files(context)
    assert refused(backup) == Code.KEY_FILE
    assert files(context) == before


def test_damaged_container_is_kept_and_said_not_to_have_been_compared(home, backup):
    context = made(home)
    path = context.folder / KEYS
    path.write_bytes(path.read_bytes()[:-100])
    before = path.read_bytes()
    _, told = restore(backup)
    (aside,) = told["aside"]
    assert told["compared"] is False
    assert (context.folder / aside).read_bytes() == before
    for lang, said in (("es", "no se abrió"), ("en", "did not open")):
        path.write_bytes(before)
        ran = CliRunner().invoke(cli, ["--lang", lang, "keys", "restore", str(backup)])
        assert said in ran.stdout


# -- what is compared ----------------------------------------------------------------------


def test_destroyed_key_stays_destroyed_though_the_profile_is_gone(home, backup):
    """Nothing but the container decides: without its profile it is no context, but there."""
    context = made(home, ring.without(WHOLE, {OLD}, NOW))
    (context.folder / PROFILE).unlink()
    assert restore(backup)[0] == 0
    assert states(context)[OLD] == "destroyed"


def test_damaged_profile_is_written_anew(home, backup):
    context = made(home)
    (context.folder / PROFILE).write_bytes(b"{")
    assert restore(backup)[0] == 0
    assert context.profile() == PROFILE_OF


def test_container_of_another_endpoint_is_not_replaced(home, backup):
    other = world().secrets["pa.senan/ops"]
    context = made(home, other)
    (context.folder / PROFILE).unlink()
    before = files(context)
    assert refused(backup, "--force") == Code.KEY_FILE
    assert files(context) == before


# -- copies --------------------------------------------------------------------------------


def test_no_copy_is_made_where_nothing_is_lost(home, backup):
    for secrets in (WHOLE, FIRST, ring.without(WHOLE, {OLD}, NOW)):
        context = made(home, secrets)
        assert restore(backup)[1]["aside"] == []
        assert list(context.copies()) == []


def test_backup_of_after_a_destruction_is_no_stale_one_and_revives_nothing(home, tmp_path):
    later = tmp_path / "later.backup"
    plain = msgspec.json.encode(Backup(KIND, PROFILE_OF, ring.without(WHOLE, {OLD}, NOW), None))
    later.write_bytes(container.seal_bytes(KIND, WATCH, plain, OF_BACKUP, here.randomness))
    context = made(home)
    assert restore(later) == (0, restore(later)[1])
    assert [each.kid for each in context.unlocked_with(PASSPHRASE).destroyed] == [OLD]
    assert list(context.copies()) == []


def test_backup_of_after_new_signing_keys_is_no_stale_one(home, tmp_path):
    began = ring.with_keys(WHOLE, ring.SIGN, WHOLE.of(ring.SIGN), Life(NOW, NOW + 9))
    fresh = new_signing(SUITE, Randomness("signing"))
    newer = ring.with_keys(WHOLE, ring.SIGN, fresh, Life(NOW + 5, NOW + 99))
    later = tmp_path / "later.backup"
    plain = msgspec.json.encode(Backup(KIND, PROFILE_OF, newer, None))
    later.write_bytes(container.seal_bytes(KIND, WATCH, plain, OF_BACKUP, here.randomness))
    made(home, began)
    assert restore(later)[0] == 0
    made(home, newer)
    plain = msgspec.json.encode(Backup(KIND, PROFILE_OF, began, None))
    later.write_bytes(container.seal_bytes(KIND, WATCH, plain, OF_BACKUP, here.randomness))
    assert refused(later) == Code.STALE_BACKUP


def test_copies_made_within_a_second_are_all_kept(home, backup, monkeypatch):
    monkeypatch.setattr(here, "now", lambda: NOW)
    sealed = []
    for seed in ("one", "two", "three"):
        newer = new_opening(SUITE, Randomness(seed))
        keys = [*WHOLE.of(ring.OPEN), newer]
        context = made(home, ring.with_keys(WHOLE, ring.OPEN, keys, Life(0, NOW)))
        sealed.append(context.sealed())
        assert restore(backup, "--force")[0] == 0
    assert sorted(each.read_bytes() for each in context.copies()) == sorted(sealed)


def test_all_older_copies_go_and_nothing_else(home):
    context = made(home)
    for name in ("keys.xk.before-7", "signers.json.before-7", "keys.xk.abc.new", "own.bak"):
        (context.folder / name).touch()
    context.unlocked()
    context.drop_copies()
    assert files(context).keys() == {KEYS, PROFILE, "keys.lock", "own.bak"}


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_profile_that_differs_is_put_aside_and_stays_there(home, backup, is_damaged):
    context = made(home)
    path = context.folder / PROFILE
    moved = msgspec.structs.replace(PROFILE_OF, url="https://127.0.0.1:2")
    path.write_bytes(b"{" if is_damaged else msgspec.json.encode(moved))
    before = path.read_bytes()
    code, told = restore(backup)
    assert (code, context.profile()) == (0, PROFILE_OF)
    (aside,) = told["aside"]
    assert aside.startswith(f"{PROFILE}.before-")
    assert (context.folder / aside).read_bytes() == before
    # It holds no key: who destroys keys does not lose it.
    context.unlocked()
    context.drop_copies()
    assert (context.folder / aside).exists()


def test_a_profile_that_does_not_differ_leaves_no_copy(home, backup):
    context = made(home)
    assert restore(backup)[1]["aside"] == []
    assert not list(context.folder.glob("*.before-*"))


def test_who_comes_back_without_mail_is_told_what_does_not_come_back(home, backup):
    ran = CliRunner().invoke(cli, ["--lang", "en", "keys", "restore", str(backup)])
    assert (ran.exit_code, "posted and received" in ran.stdout) == (0, True)
    assert restore(backup)[1]["mail"] is False
    ran = CliRunner().invoke(cli, ["--lang", "en", "outbox", "--save", "x", "x"])
    assert (ran.exit_code, "before these keys were restored" in ran.stderr) == (1, True)
    # Mail that was begun meanwhile is not what was there before.
    context, soon = home.current(None), here.clock_ms() + 60_000
    with closing(context.cabinet(context.secrets())) as mail:
        Outbox(mail).keep(uuid7(soon, bytes(10)), Envelope(b"TEST", b"TEST"))
    assert (cabinet.is_there(mail.folder), restore(backup)[1]["mail"]) == (True, False)
    with closing(context.cabinet(context.secrets())) as mail:
        Outbox(mail).keep(uuid7(soon - 120_000, bytes(10)), Envelope(b"TEST", b"TEST"))
    assert restore(backup)[1]["mail"] is True
    ran = CliRunner().invoke(cli, ["--lang", "en", "keys", "restore", str(backup)])
    assert (ran.exit_code, "posted and received" in ran.stdout) == (0, False)
    # Of mail that does not open, nobody can say what is in it.
    (mail.folder / cabinet.FILE).write_bytes(b"EXERCISE" * 999)
    assert restore(backup)[1]["mail"] is False


# -- the key that seals the mail -----------------------------------------------------------


def test_mail_that_is_here_still_opens_after_its_keys_are_restored(home, backup):
    """Also from a backup of before its storage key, or of another machine's."""
    own = [SecretKey("A256GCM", b"o" * 32)]
    context = made(home, msgspec.structs.replace(WHOLE, storage=own))
    mail = context.cabinet(context.secrets())
    mail.put("drawer", "name", b"kept")
    mail.close()
    assert restore(backup)[0] == 0
    secrets = context.unlocked_with(PASSPHRASE)
    assert secrets.storage == [*own, *WHOLE.storage]
    with closing(context.cabinet(secrets)) as mail:
        assert mail.get("drawer", "name") == b"kept"


def test_mail_put_back_beside_a_restored_container_opens(home, backup, tmp_path):
    lost = made(home)
    with closing(lost.cabinet(lost.secrets())) as mail:
        mail.put("drawer", "name", b"kept")
    shutil.copytree(lost.folder / "mail", tmp_path / "copy")
    shutil.rmtree(lost.folder)
    assert restore(backup)[0] == 0
    shutil.copytree(tmp_path / "copy", lost.folder / "mail")
    with closing(lost.cabinet(lost.secrets())) as mail:
        assert mail.get("drawer", "name") == b"kept"


# -- at one stroke -------------------------------------------------------------------------


def test_what_another_command_kept_meanwhile_is_not_written_over(home, backup, monkeypatch):
    context, surely = made(home), restoring.sealed_surely
    other = ring.without(WHOLE, {OLD}, NOW)

    def meanwhile(*words):
        rival = Home(home.folder).current(NAME)
        rival.unlocked()
        rival.keep(other, PASSPHRASE)
        return surely(*words)

    monkeypatch.setattr(restoring, "sealed_surely", meanwhile)
    assert refused(backup) == Code.CHANGED_MEANWHILE
    assert context.unlocked_with(PASSPHRASE) == other


def test_restore_that_is_stopped_leaves_what_was_there(home, backup, monkeypatch):
    newer = [*WHOLE.of(ring.OPEN), new_opening(SUITE, Randomness("newer"))]
    context = made(home, ring.with_keys(WHOLE, ring.OPEN, newer, Life(0, NOW)))
    before = context.sealed()

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Home, "add", stopped)
        CliRunner().invoke(cli, ["keys", "restore", str(backup), "--force"])
    assert context.sealed() == before
    assert restore(backup, "--force")[0] == 0
