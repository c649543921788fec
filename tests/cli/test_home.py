"""The key container of a context: what another command wrote meanwhile is not written over."""

from __future__ import annotations

import msgspec
import pytest

from exchange.cli import home, world
from exchange.cli.home import KEYS, PLACES, Home
from exchange.client.cabinet import Cabinet
from exchange.client.transport import Profile
from exchange.custody import container
from exchange.custody.container import Secrets
from exchange.custody.signers import Places
from exchange.errors import Code, Fault, Refusal
from exchange.seal.software import SecretKey

OPS, PASSPHRASE = "pa.senan/ops", "exercise"


def holding(*seeds):
    keys = {"open": [SecretKey("HPKE-9-KE", seed * 32) for seed in seeds]}
    return Secrets(OPS, keys, storage=[SecretKey("A256GCM", b"s" * 32)])


@pytest.fixture
def context(tmp_path, monkeypatch):
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", PASSPHRASE)
    sealed = container.seal(holding(b"a"), PASSPHRASE, world.randomness)
    return Home(tmp_path).add("ops", Profile(OPS, "pa", "https://x", "", "A" * 43), sealed)


def again(context):
    """The same context, as another command opens it."""
    return Home(context.folder.parents[1]).current("ops")


def test_what_another_command_kept_meanwhile_stays(context):
    context.unlocked()
    other = again(context)
    other.unlocked()
    other.keep(holding(b"a", b"b"), PASSPHRASE)
    # Even where this one has read it since, as whoever talks to the node does.
    context.secrets()
    with pytest.raises(Refusal) as caught:
        context.keep(holding(b"c"), PASSPHRASE)
    assert caught.value.code is Code.CHANGED_MEANWHILE
    assert again(context).secrets() == holding(b"a", b"b")


def test_one_command_may_keep_twice(context):
    context.unlocked()
    context.keep(holding(b"a", b"b"), PASSPHRASE)
    context.keep(holding(b"a", b"b", b"c"), PASSPHRASE)
    assert again(context).secrets() == holding(b"a", b"b", b"c")


def test_container_that_would_not_open_replaces_nothing(context, monkeypatch):
    context.unlocked()
    before = (context.folder / KEYS).read_bytes()
    monkeypatch.setattr(container, "seal", lambda *_: b"torn")
    with pytest.raises(Exception, match="key-file"):
        context.keep(holding(b"b"), PASSPHRASE)
    assert (context.folder / KEYS).read_bytes() == before


# -- where signing keys lie ----------------------------------------------------------------


def noted(*asked):
    return Places("xb1-h", ["here", "there"], ["new", "there"], list(asked))


def test_where_keys_lie_is_that_of_the_command_that_kept_its_container(context):
    context.unlocked()
    other = again(context)
    other.unlocked()
    other.keep(holding(b"a", b"b"), PASSPHRASE, noted("winner"))
    with pytest.raises(Refusal, match="changed-meanwhile"):
        context.keep(holding(b"c"), PASSPHRASE, noted("loser"))
    assert context.places(holding()) == noted("winner")


def test_a_command_that_is_stopped_before_its_container_changes_nothing_in_use(
    context, monkeypatch
):
    context.unlocked()
    write = home.write_private

    def stopped(path, data):
        if path.name == KEYS:
            raise KeyboardInterrupt
        write(path, data)

    with monkeypatch.context() as broken:
        broken.setattr(home, "write_private", stopped)
        with pytest.raises(KeyboardInterrupt):
            context.keep(holding(b"b"), PASSPHRASE, noted("asked"))
    assert again(context).secrets() == holding(b"a")
    assert again(context).places(holding(b"a")).sign == ["here", "there"]
    assert (context.folder / PLACES).exists()


# -- the key that seals the mail ---------------------------------------------------------------


@pytest.fixture
def older(tmp_path, monkeypatch):
    """A context as an older version left it: with no such key."""
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", PASSPHRASE)
    secrets = msgspec.structs.replace(holding(b"a"), storage=[])
    sealed = container.seal(secrets, PASSPHRASE, world.randomness)
    return Home(tmp_path).add("ops", Profile(OPS, "pa", "https://x", "", "A" * 43), sealed)


def test_storage_key_is_made_on_first_use_and_is_the_same_from_then_on(older):
    (first,) = older.secrets().storage
    assert again(older).secrets().storage == [first]
    assert len(first.seed) == 32
    # Whoever unlocked before may still keep what it changed, and loses it not.
    secrets, passphrase = again(older).unlocked()
    other = again(older)
    other.unlocked()
    other.keep(secrets, passphrase)
    assert again(older).secrets().storage == [first]


def test_two_commands_that_make_one_at_once_have_the_same(older, monkeypatch):
    surely, rivals = home.sealed_surely, [again(older)]

    def meanwhile(secrets, passphrase):
        if rivals:
            made.append(rivals.pop().secrets().storage)
        return surely(secrets, passphrase)

    made = []
    monkeypatch.setattr(home, "sealed_surely", meanwhile)
    assert older.secrets().storage == made[0]


def test_mail_under_another_key_is_a_fault_and_no_new_key_is_made(older):
    other = Cabinet(older.folder / home.MAIL, [bytes(32)], world.randomness)
    other.put("drawer", "name", b"value")
    other.close()
    secrets = older.secrets()
    assert secrets.storage == []
    with pytest.raises(Fault) as caught:
        older.cabinet(secrets)
    assert caught.value.code is Code.MAIL_LOCKED
