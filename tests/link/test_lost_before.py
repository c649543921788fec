"""What an auditor had verified before entries of it were declared lost: no fork, and no end."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from exchange.audit import resuming
from exchange.audit.memory import Memory
from exchange.audit.verify import Verifier
from exchange.cli import verdict
from exchange.cli.journal_file import opened
from tests.audit.test_resuming import robbed
from tests.builders import border
from tests.link.bordered import Kept
from tests.link.test_losing import between, declared, lose, us


def copied(source, target):
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
    return target


@pytest.fixture
def mirrors(tmp_path, monkeypatch):
    """Of the journal that is lost, and of the one that was gone on with; and what was lost."""
    before, after, whole = tmp_path / "before.db", tmp_path / "after.db", Path.unlink

    def unlink(self, *more):
        if self.name == "journal.db":
            copied(self, before)
        whole(self, *more)

    async def play():
        async with AsyncExitStack() as stack:
            other, memory = await stack.enter_async_context(us(tmp_path)), Kept()
            lost, _ = await lose(tmp_path, other, memory)
            loss = await lost.drafted()
            await lost.entered(declared(loss))
            async with between(other, lost.journal, memory) as both:
                await both.settle()
                copied(lost.journal, after)
            return loss

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", unlink)
        loss = asyncio.run(play())
    for each in (before, after):
        robbed(each)
    return before, after, loss


def verified(file, at, told=lambda _: None):
    with opened(file) as source, Memory.open(at) as memory:
        state, past = resuming.load(memory, source, border().anchor)
        return Verifier(
            source,
            border().anchor,
            told,
            is_mirror=True,
            memory=memory,
            state=state,
            past=past,
        ).run()


def test_all_of_it_verified_before_a_loss_says_nothing_of_the_journal_after(mirrors, tmp_path):
    before, after, loss = mirrors
    state = tmp_path / "state"
    assert verified(before, state).ok
    report = verified(after, state)
    (check,) = [each for each in report.checks if not each.ok]
    assert (check.name, check.at, report.lost) == ("state", "/lost", loss.end - loss.first)
    assert verdict.of_another_state(report) == "/lost"
    assert verified(after, tmp_path / "another").ok


def test_in_the_middle_of_what_was_lost_nothing_is_gone_on_with(mirrors, tmp_path, monkeypatch):
    before, after, loss = mirrors
    state = tmp_path / "state"
    monkeypatch.setattr(resuming, "_OFTEN", 0)

    def stop(done):
        if done > loss.first + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verified(before, state, stop)
    report = verified(after, state)
    held = next(each for each in report.checks if each.name == "state")
    assert (report.ok, report.since, held.ok) == (True, 0, True)
    assert loss.first <= held.held < loss.end
