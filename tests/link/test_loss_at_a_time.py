"""What is lost is entered at a time that has come, as all that a node writes."""

from __future__ import annotations

import pytest

from exchange.errors import Code, Fault, Refusal
from exchange.store.pledge import PledgeFile
from tests.builders import DAY
from tests.link.bordered import Clock, Kept
from tests.link.test_losing import declared, lose, us


async def test_loss_is_entered_by_no_clock_that_is_far_ahead_without_the_operator_s_word(
    tmp_path,
):
    """A machine that was just made anew: what is written would count as known from then on."""
    async with us(tmp_path) as other:
        lost, _ = await lose(tmp_path, other, Kept())
    loss, size = await lost.drafted(), await lost.size()
    document = declared(loss)
    # A day after custodians dated it, be the journal as old as it may.
    signed_s = lost.clock.ms // 1000 + 5 * DAY
    soon = Clock((signed_s + DAY) * 1000)
    dated, twin = declared(loss, issued=signed_s), lost.twin(tmp_path / "twin")
    await twin.entered(dated, clock_ms=soon, monotonic_ms=soon)
    # In 400 days what was declared ran out, by that clock's word.
    for days in (400, 20):
        late = Clock(lost.clock.ms + days * 86_400_000)
        told = {"clock_ms": late, "monotonic_ms": late}
        with pytest.raises(Fault) as caught:
            await lost.entered(document, **told)
        assert caught.value.code is Code.CLOCK_AHEAD
        assert await lost.size() == size
    ended = Clock(lost.clock.ms + 400 * 86_400_000)
    with pytest.raises(Refusal) as over:
        await lost.entered(document, clock_ms=ended, monotonic_ms=ended, clock_is_right=True)
    assert over.value.code is Code.TRUST_EXPIRED
    assert await lost.size() == size
    kept = PledgeFile(lost.folder / "known-time")
    await lost.entered(document, **told, clock_is_right=True, known_time=kept)
    assert int(await kept.newest()) < late.ms
