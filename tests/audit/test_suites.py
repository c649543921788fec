"""A commit group's statement is held to the suite of the node's own document."""

from __future__ import annotations

import msgspec
import pytest

from exchange.audit import groups
from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.identity import SuiteId
from exchange.seal import jws
from exchange.seal.software import SecretKey, SoftwareSigner
from tests import builders

WORLD = builders.mixed()
ROOT = bytes(32)


def closed(suite: SuiteId, secrets: list[SecretKey]) -> groups._Closed:
    """One group of the mixed world's node, whose suite is xb1-ch, signed by these keys."""
    statement = objects.GroupStatement(
        v="xb1", suite=suite, node="pa", epoch=1, first=0, count=1, root=b64(ROOT)
    )
    payload = msgspec.json.encode(statement)
    signed = jws.sign(payload, objects.RECEIPT_TYP, [SoftwareSigner.of(secrets)])
    views, place = (WORLD.view, WORLD.view), groups.Place(WORLD.view, "pa", 1)
    return groups._Closed(groups.Group(0, 1, signed), views, place, ROOT)


def test_statement_under_the_node_s_suite_holds() -> None:
    groups._check(closed("xb1-ch", WORLD.node.of("sign")), WORLD.view)


def test_statement_under_a_lesser_suite_is_refused_though_it_verifies() -> None:
    with pytest.raises(Refusal) as refusal:
        groups._check(closed("xb1-c", WORLD.node.of("sign")[1:]), WORLD.view)
    assert (refusal.value.code, refusal.value.at) == (Code.SUITE_NOT_ALLOWED, "/suite")
