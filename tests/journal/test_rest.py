"""Hashes from some size on prove how a journal went on from any later size."""

from __future__ import annotations

from hashlib import sha256

import pytest

from exchange.journal.proofs import consistency_proof, root_at, verify_consistency
from exchange.journal.rest import Rest, unfinished
from exchange.journal.tiles import MemoryHashes

LEAVES = [sha256(str(n).encode()).digest() for n in range(66_000)]


@pytest.fixture(scope="module")
def whole():
    return MemoryHashes(LEAVES)


@pytest.mark.parametrize("begin", [0, 1, 255, 257, 1024, 65_280, 65_535, 65_536, 65_999])
def test_the_rest_proves_how_the_journal_grew_from_each_size_that_it_reaches(whole, begin):
    size = len(LEAVES)
    rest = Rest(begin, unfinished(begin, whole), b"".join(LEAVES[begin:]))
    root = root_at(size, rest)
    assert (rest.size, root) == (size, root_at(size, whole))
    sizes = {begin, begin + 1, begin + 7, (begin + size) // 2, size - 1, size}
    for old in (each for each in sizes if 0 < each <= size):
        path = consistency_proof(old, size, rest)
        verify_consistency(old, size, path, root_at(old, whole), root)


def test_what_lies_before_it_is_not_there(whole):
    rest = Rest(300, unfinished(300, whole), b"".join(LEAVES[300:]))
    with pytest.raises(ValueError, match="row 0"):
        rest.read(0, 255, 1)


@pytest.mark.parametrize("spoil", [lambda rows: rows[:-1], lambda rows: [b"", *rows[1:]]])
def test_rows_of_another_size_are_refused(whole, spoil):
    with pytest.raises(ValueError, match="goes on from"):
        Rest(300, spoil(unfinished(300, whole)), b"")
