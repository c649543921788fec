"""Callers at the listening socket: each is taken, kept for a moment, or left in the queue."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from exchange.node import accepting
from exchange.node.accepting import Acceptor
from tests.node.running import until


class Busy(socket.socket):
    """A listening socket that has no descriptor to give, as often as it is told."""

    left = 0

    def accept(self):
        if self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, "too many open files")
        return super().accept()


@pytest.fixture
def listening():
    with Busy() as made:
        made.bind(("127.0.0.1", 0))
        made.listen(8)
        yield made


def call(listening):
    return socket.create_connection(listening.getsockname())


async def test_caller_that_nobody_can_take_yet_is_kept_and_no_other_is_accepted(listening):
    offered, busy = [], 3

    def take(caller):
        offered.append(caller)
        return len(offered) > busy

    acceptor = Acceptor(take)
    acceptor.listen(listening)
    with call(listening), call(listening):
        await until(lambda: len(offered) == busy + 2)
        assert len(set(offered[: busy + 1])) == 1
        for each in set(offered):
            each.close()
    acceptor.close()


async def test_without_descriptors_callers_wait_in_the_queue(listening, monkeypatch):
    monkeypatch.setattr(accepting, "_PAUSE_S", 0.01)
    taken = []
    listening.left = 2
    acceptor = Acceptor(lambda caller: taken.append(caller) is None)
    acceptor.listen(listening)
    with call(listening):
        await until(lambda: len(taken) == 1)
    assert listening.left == 0
    taken[0].close()
    acceptor.close()


async def test_closed_while_it_pauses_it_does_not_begin_again(listening, monkeypatch):
    monkeypatch.setattr(accepting, "_PAUSE_S", 0.01)
    taken = []
    listening.left = 1
    acceptor = Acceptor(lambda caller: taken.append(caller) is None)
    acceptor.listen(listening)
    with call(listening):
        await until(lambda: listening.left == 0)
        acceptor.close()
        await asyncio.sleep(0.03)
    assert taken == []
