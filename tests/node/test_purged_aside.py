"""A purge is not said to be done while an older copy of the journal lies beside it."""

from __future__ import annotations

from structlog.testing import capture_logs

from exchange.cli.state import State
from exchange.model import entry as entries
from exchange.model.identity import digest
from tests.builders import DAY, HOUR, NOW, world
from tests.node.test_retaining import a_case, everywhere


async def test_nothing_is_attested_while_an_older_copy_of_the_journal_lies_beside_it(tmp_path):
    older = ["journal.db-before-20261127T0800Z", "rebuilt.db"]
    with capture_logs() as logs:
        async with a_case(tmp_path, aside=State(tmp_path).aside) as case:
            sent = world().envelope(retain_until=NOW + DAY)
            await case.post(sent)
            await case.node.shipper._ship()
            for name in older:
                (tmp_path / name).mkdir()
            for hour in range(3):
                await case.at(NOW + DAY + hour * HOUR)
            # Done all the same, wherever the node itself has it, and told of once.
            assert len(await case.told(entries.PurgeOrdered)) == 1
            assert sent.body not in everywhere(tmp_path)
            assert await case.told(entries.Purged) == []
            assert [each["aside"] for each in logs if "aside" in each] == [older]
            for name in older:
                (tmp_path / name).rmdir()
            await case.at(NOW + DAY + 3 * HOUR)
            (done,) = await case.told(entries.Purged)
            assert done.digests == [digest(sent.body)]
