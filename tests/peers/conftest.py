from __future__ import annotations

import pytest

from tests.peers.javascript import Peer


@pytest.fixture(scope="session")
def peer():
    with Peer() as peer:
        yield peer
