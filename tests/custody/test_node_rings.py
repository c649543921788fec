"""Keys of a node that were to come, and are void, are there for the journal that lists them."""

from __future__ import annotations

import os

from exchange.custody import node_rings
from exchange.custody.container import Secrets
from exchange.custody.node_rings import IN_USE, TO_COME, Ring
from exchange.seal.software import SecretKey, load, new_signing


def keys():
    log = [SecretKey(alg, os.urandom(32)) for alg in ("Ed25519", "ML-DSA-44")]
    return new_signing("xb1-h", os.urandom), log


def having(secrets, ring):
    receipts, log = keys()
    return Secrets("pa", {**secrets.keys, ring.receipts: receipts, ring.log: log})


def test_each_ring_that_was_to_come_is_void_by_a_place_of_its_own():
    made = having(Secrets("pa", {"tls": [SecretKey("ES256", os.urandom(32))]}), IN_USE)
    assert node_rings.voided(made) == made
    assert node_rings.others(made) == []
    void = []
    for _ in range(3):
        made = having(made, TO_COME)
        void.append((made.of(TO_COME.receipts), made.of(TO_COME.log)))
        made = node_rings.voided(made)
        assert TO_COME.receipts not in made.keys
        assert TO_COME.log not in made.keys
    made = having(made, TO_COME)
    first, *rest = node_rings.others(made)
    assert first == TO_COME
    assert [(made.of(each.receipts), made.of(each.log)) for each in rest] == void
    # By whichever the journal lists, a node signs and hands over.
    for ring in (IN_USE, TO_COME, *rest):
        listed = [load(each)[0] for each in made.of(ring.receipts)]
        assert node_rings.listed(made, listed) == ring
    assert node_rings.listed(made, []) == IN_USE
    assert node_rings.without_void(made).keys.keys() == {*IN_USE, *TO_COME, "tls"}
    assert all(isinstance(each, Ring) for each in rest)
