"""What was kept elsewhere tells for a journal only where it tells nothing against it."""

from __future__ import annotations

import re

import pytest

from exchange.audit.checks import Check, Report
from exchange.audit.signed import Signed
from exchange.cli import verdict
from exchange.errors import Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.bundle import TlogProof
from exchange.journal.proofs import inclusion_proof, root_at
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import leaf_hash
from tests.builders import NOW, world
from tests.node.test_handover import NEW_LOG, OLD_LOG
from tests.node.vouching import signer

HERE = 20
LONGER = MemoryHashes([leaf_hash(b"EXERCISE %d" % place) for place in range(40)])
TREE = MemoryHashes([leaf_hash(b"EXERCISE %d" % place) for place in range(HERE)])


def note(size=HERE, by=OLD_LOG):
    return c2sp.sign(c2sp.Checkpoint("exchange/pa", size, root_at(size, LONGER)), by, NOW)


def proof(of, index=7):
    path = tuple(inclusion_proof(min(index, HERE - 1), HERE, TREE))
    return TlogProof(index=index, path=path, note=of).encode()


def unsigned(of):
    return of[: of.index(b"\n\n") + 2]


def another_root(of):
    return re.sub(rb"\n\w{8}", b"\nAAAAAAAA", of, count=1)


def told(raw):
    """Where it does not hold, and whether something is said in the journal's favour."""
    with pytest.raises(Refusal) as caught:
        Signed(TREE, lambda *_: None).check_kept(raw, world().view, None)
    at = caught.value.at
    report = Report(
        ok=False, anchored=True, anchor="", mirror=False, size=HERE, replayed=HERE, attested=0,
        covered=HERE - 1, uncovered=0, grouped=HERE, bodies=0, attached=0, attachments=None,
        purged=0, erased=0, orders=0, root="", checks=[Check(1, "kept", False, 0, at=at)],
    )  # fmt: skip
    said = [list(verdict.lines(report, spanish=spanish)) for spanish in (False, True)]
    es = "Nada dice contra este diario." in said[1]
    assert es == ("Nothing against this journal." in said[0])
    return at, es


@pytest.mark.parametrize("size", [HERE - 1, HERE + 1])
def test_journal_that_lists_other_keys_is_not_acquitted_by_what_they_did_not_sign(size):
    """Set back to before its keys were handed over, or made up: it says whose keys count."""
    for raw in (note(size, NEW_LOG), proof(note(size, NEW_LOG))):
        assert told(raw) == ("/signatures", False)


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b" ", b"x"])
def test_what_names_no_node_any_more_is_no_other_node_s(before):
    for size in (HERE - 1, HERE + 1):
        assert told(before + note(size)) == ("/signatures", False)
        assert told(note(size).decode().encode("utf-16")) == ("/signatures", False)


@pytest.mark.parametrize("blank", [b"\n", b"\n \n", b"\n> \n"])
@pytest.mark.parametrize("size", [HERE - 1, HERE + 1])
def test_what_was_signed_and_whose_blank_lines_suffered_acquits_nobody(size, blank):
    for raw in (note(size), proof(note(size))):
        assert told(raw.replace(b"\n\n", blank, 1)) == ("/signatures", False)


# What an em dash becomes: in other alphabets, retyped, and on pages.
@pytest.mark.parametrize(
    "dash", [b"\x97 ", b"? ", b"- ", b"&mdash; ", b"=E2=80=94 ", b"\xc4 ", b""]
)
@pytest.mark.parametrize("blank", [b"\n\n", b"\n", b"\n \n", b"\n> \n", b"\r\n\r\n"])
def test_what_became_of_a_signature_acquits_nobody(dash, blank):
    for size in (HERE - 1, HERE, HERE + 1):
        for raw in (note(size), proof(note(size))):
            suffered = raw.replace("\N{EM DASH} ".encode(), dash)
            for each in (suffered.replace(b"\n\n", blank), suffered.replace(b"\n\n", blank, 1)):
                assert told(each)[1] is False, each


@pytest.mark.parametrize(
    ("raw", "says_nothing"),
    [
        (unsigned(note()), True),
        (unsigned(note(HERE + 1)), False),
        (unsigned(note()).replace(b"\n20\n", b"\n20" + b"0" * 5000 + b"\n"), False),
        (another_root(unsigned(note())), False),
        (note()[:18], True),
        (note(HERE + 1)[:15], False),
        (note(by=[signer("w1")]), False),
        (note()[: note().rindex(b"\n", 0, -1) + 1], False),
        (note()[:-9] + b"AAAAAAA=\n", False),
        (proof(b"")[:-3], True),
        (proof(unsigned(note())), True),
        (proof(b"", HERE)[:-3], False),
        (proof(unsigned(note(HERE + 1))), False),
    ],
    ids=[
        "unsigned", "unsigned longer", "unsigned endless", "unsigned other root", "cut",
        "cut longer", "a witness only", "a signature less", "a signature damaged",
        "proof cut", "proof unsigned", "proof cut of a later entry", "proof of more",
    ],
)  # fmt: skip
def test_what_nobody_signed_says_nothing_where_it_states_nothing_else(raw, says_nothing):
    assert told(raw) == ("" if says_nothing else "/signatures", says_nothing)
