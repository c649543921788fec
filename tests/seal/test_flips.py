"""A sample of all flips, in each suite; ``./run flips`` tries every single one."""

from __future__ import annotations

import pytest

from exchange.model.identity import SuiteId
from exchange.seal.open import open_body
from exchange.seal.suites import SUITES
from tests import builders
from tests.seal import flipping
from tests.seal.admitting import must_be_admitted

# Prime, so that each place of a byte is met.
_EVERY = 23


@pytest.mark.parametrize("suite", SUITES)
def test_unflipped_bulletin_passes_and_opens(suite: SuiteId) -> None:
    """Else every flip would be refused for another reason."""
    world = builders.world(suite)
    sent = flipping.envelope(world)
    must_be_admitted(world.arrival(sent), world.view)
    header = builders.decoded(sent.header)
    assert open_body(header, sent.body, world.openers[builders.WATCH]).text == builders.TEXT


@pytest.mark.parametrize("suite", SUITES)
def test_flipping_a_bit_of_a_signed_header_is_refused(suite: SuiteId) -> None:
    world = builders.world(suite)
    sent = flipping.envelope(world)
    places = flipping.bits(sent.header, 0, _EVERY)
    found = flipping.of_header(world, sent, places)
    assert "passed" not in found, found
    assert found.total() == len(places)
    # Half of the flips are told by the signatures: nothing before them stands in for verifying.
    assert found["bad-signature"] > len(places) / 3


@pytest.mark.parametrize("suite", SUITES)
def test_flipping_a_bit_of_a_sealed_body_is_refused(suite: SuiteId) -> None:
    world = builders.world(suite)
    sent = flipping.envelope(world)
    places = flipping.bits(sent.body, 0, _EVERY)
    found = flipping.of_body(world, sent, places)
    assert not {"passed", "opening: passed"} & found.keys(), found
    assert found.total() == 2 * len(places)
    assert found["digest-mismatch"] > len(places) / 3
    assert found["opening: cannot-decrypt"] > len(places) / 3
