"""Leaf hashes as a file: whole and leading to its checkpoints, or nothing of it is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from exchange.errors import Code, ExchangeError, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.tree import leaf_hash, root_of
from exchange.link import handed, leaves
from exchange.link.handed import Line

LEAVES = [leaf_hash(b"entry %d" % each) for each in range(9)]


def note(size, root=None):
    """A checkpoint as it is written; who signed it is for others to ask."""
    body = c2sp.Checkpoint("exchange/pa", size, root or root_of(LEAVES[:size])).body()
    return (body + b"\n\xe2\x80\x94 exchange/pa AAAAAAAA\n").decode()


def written(path, *notes, size=9, node="pa"):
    path.write_bytes(Line(node, size, list(notes)).encode() + b"".join(LEAVES[:size]))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pa.leaves"


def test_what_was_written_is_read(path):
    found = handed.read(written(path, note(9), note(4)))
    assert (found.node, found.size, len(found.notes)) == ("pa", 9, 2)
    assert found.leaves(0, 3) == LEAVES[:3]
    assert found.leaves(7, 5) == LEAVES[7:]
    assert found.leaves(9, 1) == []
    assert found.roots([4, 9, 10]) == {4: root_of(LEAVES[:4]), 9: root_of(LEAVES)}


def refused(path):
    with pytest.raises(Refusal) as caught:
        handed.read(path)
    assert caught.value.code is Code.BAD_EXPORT
    return caught.value.at


def test_hashes_that_do_not_lead_to_each_of_its_checkpoints_are_refused(path):
    assert refused(written(path, note(9), note(4, bytes(32)))) == "/leaves"
    assert refused(written(path, note(9, bytes(32)))) == "/leaves"


def test_hashes_behind_its_checkpoints_or_none_are_refused(path):
    assert refused(written(path, note(4))) == "/notes"
    assert refused(written(path)) == "/notes"
    assert refused(written(path, note(0), size=0)) == "/notes"


def test_a_file_that_was_cut_or_is_another_is_refused(path):
    whole = written(path, note(9)).read_bytes()
    path.write_bytes(whole[:-1])
    assert refused(path) == "/size"
    path.write_bytes(whole + b"x")
    assert refused(path) == "/size"
    path.write_bytes(b"exchange-link-export@v1\n" + whole)
    assert refused(path) == ""
    path.write_bytes(b"")
    assert refused(path) == ""


@given(some.binary(max_size=200))
def test_any_bytes_are_leaf_hashes_or_refused(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("any") / "any"
    path.write_bytes(b"exchange-leaves@v1\n" + raw)
    assert refused(path) in {"/line", "/size", "/notes", "/leaves"}


@given(some.binary(max_size=200))
def test_any_answer_is_taken_apart_or_refused(raw):
    try:
        told = leaves.decode(raw, "pa")
    except ExchangeError:
        return
    assert isinstance(told.leaves, bytes)
