"""A journal that took in what another node recorded is mirrored, and verified, as any other."""

from __future__ import annotations

import asyncio

import pytest

from exchange.audit.mirror import Desk, pull
from exchange.audit.verify import Verifier
from exchange.cli.auditing import _row
from exchange.cli.journal_file import Blocking
from exchange.store.sqlite import SqliteStore
from tests.builders import AUDIT, COAST, NOW, OPS, WATCH, border, suspended
from tests.client.abroad import abroad, bulletin


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A journal with what crossed: bulletins, one of them for nobody, an acknowledgement."""
    folder = tmp_path_factory.mktemp("abroad")

    async def write():
        store = SqliteStore.open(folder / "journal.db")
        async with abroad(store) as both, both.agency(folder, AUDIT) as auditor:
            await both.us.submit("", border().amended(COAST, suspended), b"")
            await both.sent(bulletin())
            assert (await both.sent(border().envelope(to=[WATCH, COAST]))).refusal is None
            assert (await both.sent(border().envelope(to=[COAST]))).refusal is not None
            sealed = border().envelope(endpoint=WATCH, to=[OPS])
            await both.us.submit(WATCH, sealed.header, sealed.body)
            await both.told()
            await both.sent(border().ack(sealed, OPS), NOW + 3)
            await both.us.checkpoints.checkpoint()
            await auditor.view()
            mirror, anchor = SqliteStore.open(folder / "mirror.db"), border().anchor
            desk = Desk(lambda: both.clock.ms // 1000, lambda *_: "")
            size, new = await pull(auditor.transport, mirror, anchor, desk, lambda *_: None)
            assert size == new == both.us.size
            await mirror.close()

    asyncio.run(write())
    return folder


@pytest.mark.parametrize("name", ["journal.db", "mirror.db"])
def test_what_crossed_is_judged_again_by_what_was_in_force_at_its_home(files, name):
    with Blocking(SqliteStore.open(files / name, read_only=True)) as source:
        is_mirror = name == "mirror.db"
        report = Verifier(source, border().anchor, lambda _: None, is_mirror=is_mirror).run()
        rows = [_row(each.index, each.entry) for each in source.read(0, 99)]
    assert report.ok, [check for check in report.checks if not check.ok]
    # A listing says whence each came.
    came = {row["kind"]: row for row in rows if "home" in row}
    assert {"trust-received", "accepted", "refused", "acknowledged"} == came.keys()
    assert rows[0].keys() >= {"who", "told"}
    for row in came.values():
        assert row["told"].endswith(f" < pa {row['home'].index}")


def test_without_an_anchor_what_crossed_is_judged_by_the_journals_own(files):
    with Blocking(SqliteStore.open(files / "mirror.db", read_only=True)) as source:
        report = Verifier(source, None, lambda _: None, is_mirror=True).run()
    assert report.ok, [check for check in report.checks if not check.ok]
    assert (report.anchored, report.anchor) == (False, border().anchor)
