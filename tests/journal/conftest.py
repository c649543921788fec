from hashlib import sha256

import pytest

from exchange.journal.tiles import MemoryHashes


@pytest.fixture(scope="session")
def leaves():
    """Leaf hashes of a synthetic journal, a little longer than one tile of tiles."""
    return [sha256(b"exercise %d" % n).digest() for n in range(65_600)]


@pytest.fixture(scope="session")
def journal(leaves):
    return MemoryHashes(leaves)
