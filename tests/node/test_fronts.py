"""Front processes, real ones: all of them serve, and the loss of one loses nothing recorded."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import pytest_asyncio

from exchange.broker import intake
from exchange.cli import serve, state, world
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.model import objects, wire
from exchange.model.shown import Shown, joined
from exchange.node import frames, spawning
from exchange.node import fronts as fronts_module
from exchange.node.fronts import Fronts
from exchange.node.node import Node
from exchange.seal import trust_making
from exchange.seal.close import Envelope
from exchange.seal.software import SoftwareSigner
from exchange.store.sqlite import SqliteStore
from tests.builders import decoded
from tests.crash import newcomer
from tests.crash.exercise import AUDITOR, OPERATOR, POSTERS, READERS, Exercise
from tests.node.running import until

ALFA, ECHO = POSTERS[0], READERS[1]
WAIT_S = 20


class Served(NamedTuple):
    exercise: Exercise
    node: Node
    fronts: Fronts
    port: int

    def pids(self):
        return [front.process.pid for front in self.fronts._fronts]

    def to(self, endpoint):
        return self.exercise.transport(endpoint, self.port)


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    return Exercise(tmp_path_factory.mktemp("fronts"))


# One node for all that leave it as it is: starting one takes seconds.
SHARED = pytest.mark.asyncio(loop_scope="module")


def _opened(exercise):
    return serve.opened(state.State(exercise.folder), 0, has_threads=False)


@asynccontextmanager
async def serving(exercise, count=2):
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("EXCHANGE_PASSPHRASE", "exercise")
        async with _opened(exercise) as (node, secrets, _):
            fronts = Fronts(node, secrets, stack.enter_context(spawning.fronts(count)))
            try:
                await fronts.start()
                with socket.create_server(("127.0.0.1", 0)) as listening:
                    fronts.listen(listening)
                    port = listening.getsockname()[1]
                    yield Served(exercise, node, fronts, port)
            finally:
                await fronts.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory):
    async with serving(Exercise(tmp_path_factory.mktemp("shared"))) as served:
        yield served


async def posted(transport, envelope):
    answer = await transport.post("/v1/objects", envelope.framed())
    return msgspec.json.decode(answer, type=objects.Receipt)


async def posted_all(transport, framed):
    answer = await transport.post("/v1/batch", b"".join(framed))
    return wire.decode_lines(answer)


def suspended(exercise, endpoint):
    """The next version of a member's document, in which this endpoint is suspended."""
    member = exercise.view.endpoints[endpoint].member
    after = msgspec.structs.replace(
        member,
        version=2,
        endpoints=[
            msgspec.structs.replace(each, status="suspended") if each.id == endpoint else each
            for each in member.endpoints
        ],
    )
    expires = exercise.view.files[member.nation].expires
    signers = [
        SoftwareSigner("xb1-h", secrets.of("sign"))
        for name, secrets in exercise.founded.custodians.items()
        if name.startswith(member.nation)
    ]
    made, files = trust_making.of_nation(exercise.view, member.nation, [after], expires)
    return trust_making.signed(made, files, signers)


def sockets(pid):
    """How many sockets a process holds."""
    found = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(each.readlink()).startswith("socket:")
        except OSError:
            continue
    return found


def is_there(pid):
    return Path(f"/proc/{pid}").exists()


@SHARED
async def test_callers_are_dealt_out_to_every_front(shared):
    before = [sockets(pid) for pid in shared.pids()]
    calls = [await asyncio.open_connection("127.0.0.1", shared.port) for _ in range(6)]
    await until(lambda: sum(map(sockets, shared.pids())) == sum(before) + 6)
    assert [sockets(pid) for pid in shared.pids()] == [each + 3 for each in before]
    for _, writer in calls:
        writer.close()


@SHARED
async def test_what_one_front_takes_is_read_at_another(shared):
    async with shared.to(ALFA) as alfa, shared.to(ECHO) as echo:
        envelope = shared.exercise.envelope(ALFA, [ECHO])
        waiting = asyncio.ensure_future(
            echo.get_as(wire.InboxPage, "/v1/inbox", after=-1, wait=20)
        )
        receipt = await posted(alfa, envelope)
        page = await asyncio.wait_for(waiting, WAIT_S)
        assert page.items[-1].index == receipt.index
        # Sixteen callers at once reach both fronts; each sees the same inbox.
        pages = await asyncio.gather(
            *(echo.get_as(wire.InboxPage, "/v1/inbox") for _ in range(16))
        )
        assert {(each.total, each.cursor) for each in pages} == {(page.total, page.cursor)}
        # Nothing is there after it, and each front knows how much there is all the same.
        pages = await asyncio.gather(
            *(echo.get_as(wire.InboxPage, "/v1/inbox", after=page.cursor) for _ in range(16))
        )
        assert {each.total for each in pages} == {page.total}


@SHARED
async def test_batch_keeps_its_order_and_gets_each_its_answer(shared):
    async with shared.to(ALFA) as alfa:
        framed = [shared.exercise.envelope(ALFA, [ECHO]).framed() for _ in range(70)]
        answers = await posted_all(alfa, [*framed[:35], b"no object\n\n", *framed[35:]])
        refused = answers.pop(35)
        assert refused.problem is not None
        assert refused.problem.code == "malformed"
        indexes = [each.receipt.index for each in answers]
        assert indexes == sorted(set(indexes))
        again = await posted_all(alfa, framed)
        assert [each.receipt.index for each in again] == indexes


@SHARED
async def test_an_invitation_is_used_once_whichever_fronts_are_asked_at_once(shared):
    raw, shown = newcomer.invited(shared.exercise)
    async with shared.to(OPERATOR) as operator:
        await operator.post("/v1/objects", raw + b"\n\n")
    requests = [newcomer.request(shown) for _ in range(6)]
    before = shared.node.size
    # Each twice, one after the other: fronts take callers in turn, so each is asked by all.
    twice = [each for each in requests for _ in range(2)]
    asking = (newcomer.ask(shared.exercise, shared.port, each) for each in twice)
    told = await asyncio.gather(*asking)
    place = next(n for n, each in enumerate(told) if isinstance(each, int)) // 2 * 2
    index = told[place]
    assert told[place : place + 2] == [index, index]
    assert {*told[:place], *told[place + 2 :]} == {Code.INVITATION_USED}
    rows = await shared.node.store.read(before, shared.node.size - before)
    kinds = [entries.kind_of(entries.decode(row.entry).facts) for row in rows]
    assert kinds.count("enrolment-asked") == 1
    # Whose it was is told the same at either front, from the record.
    again = [newcomer.ask(shared.exercise, shared.port, twice[place]) for _ in range(4)]
    assert set(await asyncio.gather(*again)) == {index}


async def test_killed_front_is_replaced_and_its_caller_finds_what_was_recorded(founded):
    async with serving(founded) as served:
        envelope = founded.envelope(ALFA, [ECHO])
        before = served.pids()
        async with served.to(ALFA) as alfa:
            receipt = await posted(alfa, envelope)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not set(before) & set(served.pids()))
        await asyncio.wait_for(
            asyncio.gather(*(each.is_up.wait() for each in served.fronts._fronts)), WAIT_S
        )
        async with served.to(ALFA) as alfa:
            assert (await posted(alfa, envelope)).index == receipt.index


async def test_front_that_hangs_is_ended_and_replaced(founded, monkeypatch):
    monkeypatch.setattr(fronts_module, "_PING_S", 0.2)
    async with serving(founded) as served:
        hung = served.pids()[0]
        os.kill(hung, signal.SIGSTOP)
        async with asyncio.timeout(WAIT_S):
            while hung in served.pids():  # noqa: ASYNC110  (of a front, no event is ours)
                await asyncio.sleep(0.02)
        assert not is_there(hung)


async def test_front_that_talks_nonsense_is_replaced(founded):
    async with serving(founded, 1) as served:
        (before,) = served.pids()
        served.fronts._fronts[0].wire.data_received(b"\x00\x00\x00\x01\xc1")
        await until(lambda: served.pids() != [before])


async def test_suspension_reaches_every_front_at_once_also_who_waits_there(tmp_path):
    exercise = Exercise(tmp_path)
    async with serving(exercise) as served, served.to(ECHO) as echo:
        # Callers are dealt out in turn, and who waits keeps its connection: four at each.
        polls = [
            asyncio.ensure_future(echo.get("/v1/inbox", after=99, wait=wire.MAX_WAIT_S))
            for _ in range(8)
        ]
        await echo.get("/v1/inbox")
        await served.node.submit("", suspended(exercise, ECHO), b"")
        # Nothing comes for it meanwhile: the suspension itself ends the waiting.
        async with asyncio.timeout(WAIT_S):
            found = await asyncio.gather(
                *polls, *(echo.get("/v1/inbox") for _ in range(8)), return_exceptions=True
            )
        assert {str(getattr(each, "code", each)) for each in found} == {"endpoint-suspended"}


async def test_replaced_front_hears_what_became_new_while_it_started(tmp_path):
    exercise = Exercise(tmp_path)
    async with serving(exercise, 1) as served:
        (before,) = served.pids()
        os.kill(before, signal.SIGKILL)
        await until(lambda: served.pids() != [before])
        await until(lambda: served.fronts._fronts[0]._is_greeted)
        assert not served.fronts._fronts[0].is_up.is_set()
        await served.node.submit("", suspended(exercise, ECHO), b"")
        await asyncio.wait_for(served.fronts._fronts[0].is_up.wait(), WAIT_S)
        async with served.to(ECHO) as echo:
            with pytest.raises(Refusal):
                await echo.get("/v1/inbox")


async def test_front_that_cannot_be_replaced_at_once_is_replaced_later(founded, monkeypatch):
    plain, failed = spawning.subprocess.Popen, []

    def fails_once(*args, **options):
        if not failed:
            failed.append(args)
            raise BlockingIOError
        return plain(*args, **options)

    monkeypatch.setattr(fronts_module, "_AGAIN_S", 0.05)
    async with serving(founded, 1) as served:
        (before,) = served.pids()
        with monkeypatch.context() as patch:
            patch.setattr(spawning.subprocess, "Popen", fails_once)
            os.kill(before, signal.SIGKILL)
            await until(lambda: served.pids() != [before])
        assert failed


async def test_front_that_does_not_answer_is_dealt_nobody(founded, monkeypatch):
    monkeypatch.setattr(fronts_module, "_HUNG_PINGS", 10**6)
    async with serving(founded) as served:
        hung = served.fronts._fronts[0]
        hung._pings = 10**6
        before = [sockets(pid) for pid in served.pids()]
        calls = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(4)]
        await until(lambda: sum(map(sockets, served.pids())) == sum(before) + 4)
        assert [sockets(pid) for pid in served.pids()] == [before[0], before[1] + 4]
        for _, writer in calls:
            writer.close()


async def test_pause_of_the_node_is_not_taken_for_silence_of_its_fronts(founded, monkeypatch):
    monkeypatch.setattr(fronts_module, "_PING_S", 0.05)
    async with serving(founded) as served:
        before = served.pids()
        for _ in range(3):
            time.sleep(0.3)  # noqa: ASYNC251  (the pause itself)
            await asyncio.sleep(0.06)
        assert served.pids() == before
        assert not any(front.is_gone.is_set() for front in served.fronts._fronts)


@SHARED
async def test_signal_to_the_whole_group_leaves_fronts_to_the_node(shared):
    for pid in shared.pids():
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    async with shared.to(ALFA) as alfa:
        for _ in range(4):
            await alfa.get("/v1/nonce")
    assert not any(front.is_gone.is_set() for front in shared.fronts._fronts)


def item_of(exercise, caller=ALFA, body=None):
    envelope = exercise.envelope(ALFA, [ECHO])
    arrival = intake.Arrival(caller, envelope.header, envelope.body, world.clock_ms())
    told = frames.said(intake.consider(arrival._replace(caller=ALFA), exercise.view))
    return frames.Item(1, *arrival[:2], body or arrival.body, arrival.taken_ms, 0, told)


async def test_front_that_lies_about_a_body_is_not_believed(founded):
    answers = []
    async with serving(founded, 1) as served:
        lie = item_of(founded, body=founded.envelope(ALFA, [ECHO]).body)
        lie = msgspec.structs.replace(lie, view=served.node.view.index)
        served.fronts.posted([lie], lambda _, answer: answers.append(answer))
        await until(lambda: bool(answers))
    assert answers[0].refusal.code in {Code.DIGEST_MISMATCH, Code.SIZE_MISMATCH}


async def test_front_that_speaks_for_the_operator_is_hung_up_on(founded):
    async with serving(founded, 1) as served:
        (before,) = served.pids()
        served.fronts._fronts[0]._hear(frames.Posted([item_of(founded, caller="")]))
        await until(lambda: served.pids() != [before])
        entries = served.node.size
        assert entries == (await served.node.store.head()).size


@SHARED
async def test_newest_checkpoint_is_shown_by_every_front(shared):
    async with shared.to(ALFA) as alfa:
        await posted(alfa, shared.exercise.envelope(ALFA, [ECHO]))
        note = await shared.node.checkpoints.checkpoint()
        shown = await asyncio.gather(*(alfa.get("/v1/checkpoint") for _ in range(8)))
    assert set(shown) == {note}


@SHARED
async def test_checkpoint_that_was_dated_anew_reaches_every_front(shared):
    async with shared.to(ALFA) as alfa:
        note = await shared.node.checkpoints.checkpoint()
        shared.node.checkpoints._signed_s = 0
        again = await shared.node.checkpoints.checkpoint()
        assert again != note
        shared.fronts._tell_again()
        async with asyncio.timeout(WAIT_S):
            while set(await asyncio.gather(*(_noted(alfa) for _ in range(8)))) != {again}:  # noqa: ASYNC110  (other processes)
                await asyncio.sleep(0.01)


async def _noted(caller):
    return await caller.get("/v1/checkpoint")


@SHARED
async def test_inbox_heads_are_told_by_every_front(shared):
    async with shared.to(ALFA) as alfa, shared.to(ECHO) as echo:
        await posted(alfa, shared.exercise.envelope(ALFA, [ECHO]))
        await shared.node.checkpoints.checkpoint()
        total = shared.node.inbox_total(ECHO)
        told = [await echo.get_as(wire.Heads, "/v1/heads") for _ in range(4)]
        assert {each.own.count for each in told} == {total}
        # Anew at each checkpoint, not what a front held ready for the one before.
        await posted(alfa, shared.exercise.envelope(ALFA, [ECHO]))
        await shared.node.checkpoints.checkpoint()
        told = [await echo.get_as(wire.Heads, "/v1/heads") for _ in range(4)]
        assert {each.own.count for each in told} == {total + 1}


@SHARED
async def test_health_and_refusals_are_the_whole_nodes(shared):
    async with shared.to(ALFA) as alfa:
        for _ in range(8):
            with pytest.raises(Refusal):
                await alfa.get("/v1/journal")
        async with asyncio.timeout(WAIT_S):
            while True:
                text = (await alfa.get("/metrics")).decode()
                told = [line for line in text.splitlines() if 'code="missing-role"' in line]
                if told and told[0].endswith(" 8"):
                    break
                await asyncio.sleep(0.1)
        health = await alfa.get_as(wire.Health, "/readyz")
        assert health.ready
        assert f"exchange_journal_entries {shared.node.size}\n" in text
        assert "exchange_second_place_lag_entries " in text


async def test_node_that_stops_writing_is_not_ready_at_any_front(founded):
    async with serving(founded) as served, served.to(ALFA) as alfa:
        served.node.writer.fault = Fault(Code.CLOCK)
        with pytest.raises(Fault):
            await alfa.get("/readyz")


async def test_node_whose_fronts_do_not_get_up_does_not_start(founded, monkeypatch):
    monkeypatch.setattr(spawning, "FRONT", (sys.executable, "-c", "raise SystemExit(9)"))
    with pytest.raises(Fault):
        async with asyncio.timeout(WAIT_S), serving(founded):
            pass


def test_fronts_of_a_node_that_does_not_open_are_ended():
    with suppress(Fault), spawning.fronts(2) as started:
        assert all(is_there(each.process.pid) for each in started)
        raise Fault(Code.STORE_FAILED)
    assert not any(is_there(each.process.pid) for each in started)


async def test_fronts_end_with_the_node_and_say_first_what_they_showed(founded):
    async with serving(founded) as served:
        pids, size = served.pids(), served.node.size
        async with served.to(AUDITOR) as auditor:
            for _ in range(4):
                await auditor.get("/v1/journal", first=1, limit=2)
    assert not any(is_there(pid) for pid in pids)
    store = SqliteStore.open(founded.journal, read_only=True)
    (last,) = await store.read(size, 9)
    await store.close()
    facts = entries.decode(last.entry).facts
    assert isinstance(facts, entries.AuditRead)
    assert (facts.auditor, facts.reads) == (AUDITOR, [Shown("entries", 4, 1, 2, 8)])


@SHARED
async def test_what_an_auditor_is_shown_at_a_front_is_told_to_the_node(shared):
    async with shared.to(AUDITOR) as auditor:
        for _ in range(8):
            await auditor.get("/v1/journal", first=1, limit=2)
    async with asyncio.timeout(WAIT_S):
        while await shown(shared.node) != [Shown("entries", 8, 1, 2, 16)]:
            await asyncio.sleep(0.1)
            await shared.node.auditing.enter()


async def shown(node):
    """What stands in the journal of what was shown, put together."""
    rows = await node.store.read(0, 10_000)
    told = [entries.decode(row.entry).facts for row in rows]
    reads = [each for one in told if isinstance(one, entries.AuditRead) for each in one.reads]
    return [reduce(joined, reads)] if reads else []


async def test_fronts_hear_neither_the_terminal_nor_the_nodes_environment(founded, monkeypatch):
    monkeypatch.setenv("EXCHANGE_CANARY", "exercise-canary")
    async with serving(founded) as served:
        for pid in served.pids():
            assert os.getpgid(pid) != os.getpgid(0)
            environment = await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes)
            assert b"exercise-canary" not in environment


@SHARED
async def test_acknowledgements_go_the_same_way(shared):
    async with shared.to(ALFA) as alfa, shared.to(ECHO) as echo:
        envelope = shared.exercise.envelope(ALFA, [ECHO])
        await posted(alfa, envelope)
        ack = shared.exercise.ack(ECHO, envelope.header, decoded(envelope.header))
        # A front that says that more comes, and hands nothing on, is waited for once.
        for each in shared.fronts._fronts:
            each.coming = 1
        assert (await posted(echo, Envelope(ack, b""))).index < shared.node.size
    assert not any(each.coming for each in shared.fronts._fronts)


async def test_fronts_let_the_writer_go_first(founded):
    async with serving(founded) as served:
        pids = served.pids()
        gave = [os.getpriority(os.PRIO_PROCESS, pid) for pid in pids]
        # Linux weighs priorities within a session only.
        sessions = {os.getsid(pid) for pid in pids}
    assert min(gave) > os.getpriority(os.PRIO_PROCESS, 0)
    assert sessions == {os.getsid(0)}
