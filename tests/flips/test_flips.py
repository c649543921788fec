"""Every single bit of a signed header and of a sealed body, in each suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exchange.model.identity import SuiteId
from exchange.seal.suites import SUITES
from tests import builders
from tests.seal import flipping

_PARTS = 8
_ALL = [(suite, part) for suite in SUITES for part in range(_PARTS)]
Record = Callable[[str, object], None]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("suite", "part"), _ALL)
def test_no_flipped_header_passes(suite: SuiteId, part: int, record_property: Record) -> None:
    world = builders.world(suite)
    sent = flipping.envelope(world)
    places = flipping.bits(sent.header, part, _PARTS)
    found = flipping.of_header(world, sent, places)
    record_property(f"{suite} header", dict(found))
    assert found.total() == len(places)
    assert "passed" not in found


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("suite", "part"), _ALL)
def test_no_flipped_body_passes_or_opens(
    suite: SuiteId, part: int, record_property: Record
) -> None:
    world = builders.world(suite)
    sent = flipping.envelope(world)
    places = flipping.bits(sent.body, part, _PARTS)
    found = flipping.of_body(world, sent, places)
    record_property(f"{suite} body", dict(found))
    assert found.total() == 2 * len(places)
    assert not {"passed", "opening: passed"} & found.keys()
