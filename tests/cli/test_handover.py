"""A node's keys are handed over, by its old ones and custodians; nothing old is lost."""

from __future__ import annotations

import os
import shutil
import time

import msgspec
import pytest

from exchange.cli.arranging import handing
from exchange.cli.state import State
from exchange.custody import cards, container, ring
from exchange.journal import quorum
from exchange.model.identity import Signatory
from exchange.seal.software import SecretKey, SoftwareSigner, load, new_signing
from tests.cli.exercise import OPS, PASSPHRASE, Exercise
from tests.custody.ceremony import new_node

# Some thirty commands, most of which stretch a passphrase.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An exercise with a proof from before its node's keys were handed over, and one after."""
    made = Exercise(tmp_path_factory.mktemp("handover"))
    try:
        made.start()
        made.state, made.trust = str(made.place.node), str(made.place.node / "trust")
        made.early = str(made.folder / "early.tlog-proof")
        made.early_index = made.post()["index"]
        proved(made, made.early_index, made.early)
        made.asked = hand_over(made, "one.card")
        made.keys = does(made, "journal", "keys", "--state", made.state)
        assert made.stop() == 0, made.log.read_text()
        # Now it knows both; the directory lists the old ones.
        made.start()
        made.between = made.post()["index"]
        made.changes = list_it(made, "one.card")
        made.late = str(made.folder / "late.tlog-proof")
        made.late_index = made.post()["index"]
        yield made
    finally:
        assert made.stop() == 0, made.log.read_text()


def does(made, *words, context=OPS):
    ran = made.at(context, *words, "--json")
    assert ran.code == 0, (words, ran.out, ran.err)
    return ran.json


def proved(made, index, out):
    """Keep a proof of an entry, once a checkpoint covers it."""
    for _ in range(100):
        ran = made.at(OPS, "audit", "proof", str(index), "--out", out, "--json")
        if ran.code == 0:
            return
        assert ran.json["error"]["code"] == "not-found", ran.out
        time.sleep(0.1)
    raise AssertionError(index)


def hand_over(made, card, *more):
    where = ("--card", str(made.folder / card), *more)
    return does(made, "arrangement", "hand-over", made.state, *where)


def agreed(made, card):
    """Custodians of both nations sign: the root says who stamps, the nation's file the rest."""
    proposal = str(made.folder / f"{card}.proposal")
    where = ("--trust", made.trust, "--anchor", made.place.founded.anchor)
    what = ("--node", str(made.folder / card))
    told = does(made, "arrangement", "propose", proposal, *where, *what)
    signed = []
    for keys in sorted((made.folder / "custodians").glob("*.xk")):
        signed.append(f"{proposal}.{keys.stem}")
        out = ("--keys", str(keys), "--out", signed[-1], "--yes")
        does(made, "arrangement", "sign", proposal, *where, *out)
    return told, does(made, "arrangement", "approve", proposal, *signed, *where)["files"]


def started_anew(made):
    """In its own folder a node takes in what is there as it starts."""
    assert made.stop() == 0, made.log.read_text()
    made.start()


def list_it(made, card, *, publishes=True):
    """Have a card agreed on, and the node take it in."""
    told, files = agreed(made, card)
    # Listed in the custodians' folder, and not where it counts: the node's journal.
    made.approved = hand_over(made, f"approved-{card}")
    started_anew(made)
    # Others hand them in.
    for file in files if publishes else ():
        does(made, "keys", "publish", file)
    return told


def verified(made, proof):
    journal = str(made.place.node / "journal.db")
    anchor = made.place.founded.anchor
    ran = made.run("audit", "verify", journal, "--anchor", anchor, "--checkpoint", proof)
    return ran.code


def test_root_and_the_nations_own_file_list_the_new_keys(made):
    assert sorted(made.changes["signers"]) == ["pa", "root"]
    view = does(made, "arrangement", "show")
    assert {row["name"]: row["version"] for row in view["files"]}["root"] == 2


def test_keys_to_come_are_printed_for_witnesses_below_those_of_now(made):
    lines = "".join(f"{line}\n" for line in made.keys["lines"])
    (both,) = quorum.parse(f"{lines}quorum none\n").logs_by_origin().values()
    assert [len(each) for each in both] == [2, 2]
    assert made.keys["next"] == [f"log {key}" for key in both[1]]


def test_proof_from_before_the_hand_over_verifies_offline_after_it(made):
    assert verified(made, made.early) == 0


def test_proof_from_after_it_verifies_too_and_an_altered_one_does_not(made):
    proved(made, made.late_index, made.late)
    assert verified(made, made.late) == 0
    raw = made.folder.joinpath("late.tlog-proof").read_bytes()
    other = made.folder / "other.tlog-proof"
    index = f"index {made.late_index}\n".encode()
    other.write_bytes(raw.replace(index, f"index {made.between}\n".encode()))
    assert verified(made, str(other)) == 5


def test_whoever_copies_the_folder_without_a_passphrase_makes_no_tokens(made):
    """The key of sessions is made at each start, and lies nowhere."""
    assert not (made.place.node / "session.key").exists()


def test_keys_that_the_journal_does_not_list_yet_replace_none_that_it_does(made):
    """Approved by custodians, said again, and not handed in: the node needs its old keys."""
    assert made.approved["step"] == "asked"
    one, again = (
        cards.read((made.folder / name).read_bytes().strip()).node
        for name in ("one.card", "approved-one.card")
    )
    assert one == again


def test_once_listed_the_new_keys_are_taken_into_use_and_the_old_ones_are_gone(made):
    assert made.asked["step"] == "asked"
    before = State(made.place.node)
    old = container.unseal((before.folder / "node.xk").read_bytes(), PASSPHRASE)
    assert hand_over(made, "two.card")["step"] == "in-use"
    assert not (made.folder / "two.card").exists()
    new = container.unseal((before.folder / "node.xk").read_bytes(), PASSPHRASE)
    assert new.of(ring.SIGN) == old.of(ring.SIGN_NEXT)
    assert (ring.SIGN_NEXT in new.keys, "log-next" in new.keys) == (False, False)
    assert new.of("tls") == old.of("tls")
    assert made.stop() == 0
    made.start()
    made.post()
    assert verified(made, made.early) == 0


def test_card_that_the_listed_keys_did_not_sign_hands_nothing_over(made, tmp_path):
    """Whoever makes keys in a node's name must be the node, or custodians vouch for it."""
    shown = cards.read((made.folder / "one.card").read_bytes().strip())
    stranger = SoftwareSigner.of(new_signing("xb1-h", os.urandom))
    receipts = Signatory(shown.node.receipts.name, list(stranger.keys))
    node = msgspec.structs.replace(shown.node, receipts=receipts)
    forged = msgspec.structs.replace(shown, node=node)
    card = tmp_path / "forged.card"
    propose = ("arrangement", "propose", str(tmp_path / "p"), "--trust", made.trust)
    propose += ("--anchor", made.place.founded.anchor, "--node", str(card), "--json")
    for before, code in ((None, "signature-count"), (stranger, "unknown-key")):
        card.write_bytes(cards.sign(forged, stranger, before))
        ran = made.at(OPS, *propose)
        assert (ran.code, ran.json["error"]["code"]) == (1, code)
    assert made.at(OPS, *propose, "--anew").code == 0


def keys_of(made):
    return container.unseal((made.place.node / "node.xk").read_bytes(), PASSPHRASE).keys


def certificate(made):
    return (made.place.node / "certificate.pem").read_text()


def test_after_a_theft_nothing_that_lay_in_the_container_is_used_again(made):
    """Not the keys to come, which lay in it already, nor the key of the pinned certificate.

    Though those to come are listed in the meantime: what was signed of their card lay in the
    node's folder, or somebody handed it in.
    """
    if ring.SIGN_NEXT in keys_of(made):
        hand_over(made, "before.card")
    hand_over(made, "begun.card")
    stolen, pinned = keys_of(made), certificate(made)
    seeds = {key.seed for keys in stolen.values() for key in keys}
    agreed(made, "begun.card")
    hand_over(made, "void.card", "--anew")
    # Taken in; and opened with what the journal lists from then on.
    for _ in range(2):
        started_anew(made)
    made.post()
    # The keys to come are the same, and those that are listed hand over.
    hand_over(made, "anew.card")
    to_come = [load(each)[0] for each in keys_of(made)[ring.SIGN_NEXT]]
    for name in ("void.card", "anew.card"):
        card = cards.read((made.folder / name).read_bytes().strip())
        assert card.node.receipts.keys == to_come
    older = shutil.copytree(made.trust, made.folder / "older")
    list_it(made, "anew.card", publishes=False)
    assert hand_over(made, "unused.card")["step"] == "in-use"
    assert {key.seed for keys in keys_of(made).values() for key in keys}.isdisjoint(seeds)
    assert keys_of(made).keys() == {ring.SIGN, "log", "tls"}
    assert certificate(made) not in pinned
    assert made.stop() == 0
    made.start()
    # Whoever pinned the old certificate is not talked to, nor believed, until it pins the new.
    ran = made.at(OPS, "post", made.draft(), "--yes", "--json")
    assert ran.code != 0, ran.out
    repin = ("arrangement", "pin", str(made.folder / "anew.card"), "--trust", made.trust)
    old = (*repin[:2], str(made.folder / "one.card"), *repin[3:])
    ran = made.at(OPS, *old, "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "trust-invalid")
    assert does(made, *repin)["node"] == "pa"
    made.post()
    # What is over since is pinned no more, by documents that are over either.
    ran = made.at(OPS, *old[:-1], str(older), "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "stale-version")
    assert verified(made, made.early) == 0


def test_keys_are_taken_up_only_where_all_of_them_are_listed():
    """Listed with other log keys than it has, the node would sign by none that is believed."""
    node = new_node().node
    purposes = ((ring.SIGN_NEXT, node.receipts.keys), ("log-next", node.log))
    keys = {
        name: [SecretKey(key.alg, os.urandom(32)) for key in listed]
        for name, listed in purposes
    }
    secrets = container.Secrets("pa", {**keys, ring.SIGN: [], "log": []})
    receipts, log = ([load(each)[0] for each in keys[name]] for name, _ in purposes)
    signatory = Signatory(node.receipts.name, receipts)
    half = msgspec.structs.replace(node, receipts=signatory)
    whole = msgspec.structs.replace(half, log=log)
    assert handing._taken_up(secrets, half, node.tls) is None
    other = msgspec.structs.replace(node, log=log)
    assert handing._taken_up(secrets, other, node.tls) is None
    assert handing._taken_up(secrets, whole, "A" * 43) is None
    taken = handing._taken_up(secrets, whole, node.tls)
    assert taken is not None
    assert taken.keys == {ring.SIGN: keys[ring.SIGN_NEXT], "log": keys["log-next"]}
