"""Two commands of one endpoint take up the same bulletin: it is sent once, and so it stands."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from exchange.client import alone as locking
from exchange.client.outbox import Outbox
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from tests.api.serving import serving
from tests.builders import MINSA, NOW_MS, OPS, WATCH, Randomness, decoded, suspended, world
from tests.client.attached import a_file
from tests.client.dealing import Liar, agency, cabinet, draft, fronted
from tests.client.test_resealing import entries_of, queued, rotated
from tests.node.running import post

ROOT = Path(__file__).resolve().parents[2]
ERROR = Fault(Code.NODE_UNREACHABLE)


class KilledError(BaseException):
    """It ends here, and does nothing more."""


def other(url, folder):
    """Another command of the same endpoint: it draws other randomness, and waits for nobody."""
    line = agency(url, folder)

    async def pause(_):
        await asyncio.sleep(0)

    line.world = msgspec.structs.replace(
        line.world, randomness=Randomness("another command"), pause=pause
    )
    line._poster._world = line.world
    return line


async def taken_up_by_two(tmp_path, spoil):
    """A reader rotated; both resume what was sealed to the key before: (results, box, door)."""
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        await post(door.node, world().amended(WATCH, rotated), MINSA)
        async with (
            agency(door.url, tmp_path / "box") as one,
            agency(door.url, tmp_path / "box") as two,
        ):
            spoil(one)
            both = await asyncio.gather(one.resume(), two.resume(), return_exceptions=True)
            box = two.world.outbox
            assert (box.sent(), box.waiting(), box.refused()) == ([identity], [], [])
            assert two.world.kept.has(identity)
            # Sealed anew once, by one of the two.
            (accepted,) = await entries_of(door, entries.Accepted)
            assert accepted.object == box.envelope(identity).header
            assert len(await entries_of(door, entries.Refused)) == 1
            return both, box.receipt(identity)


async def test_what_two_commands_take_up_at_once_is_sealed_anew_and_accepted_once(tmp_path):
    both, receipt = await taken_up_by_two(tmp_path, lambda _: None)
    assert both == [[receipt], [receipt]]


async def test_what_a_killed_command_had_accepted_is_asked_for_by_the_next(tmp_path):
    def killed(*_):
        raise KilledError

    def spoil(line):
        line._poster._settle = killed

    both, receipt = await taken_up_by_two(tmp_path, spoil)
    assert isinstance(both[0], KilledError)
    assert both[1] == [receipt]


async def test_what_another_command_had_refused_is_refused_to_both_for_the_same(tmp_path):
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        await post(door.node, world().amended(WATCH, suspended), MINSA)
        async with (
            agency(door.url, tmp_path / "box") as one,
            agency(door.url, tmp_path / "box") as two,
        ):
            both = await asyncio.gather(one.resume(), two.resume(), return_exceptions=True)
            (kept,) = two.world.outbox.refused()
            assert (kept.id, [type(each) for each in both]) == (identity, [Refusal, Refusal])
            assert [each.code.value for each in both] == [kept.why.code] * 2
            assert [each.receipt for each in both] == [kept.receipt] * 2
        assert len(await entries_of(door, entries.Refused)) == 1


def meddled(door, two, path, told):
    """A front at which another command resumes all it finds, at the first request of a path."""
    liar = Liar(door)

    async def handle(request):
        if request.path.startswith(path) and not told:
            told.extend(await asyncio.gather(two.resume(), return_exceptions=True))
        return await liar.handle(request)

    return handle


async def test_nobody_else_sends_what_is_still_being_uploaded(tmp_path):
    async with serving() as door:
        told, two = [], other(door.url, tmp_path / "box")
        front = fronted(meddled(door, two, "/v1/uploads", told))
        async with front as url, agency(url, tmp_path / "box") as one, two:
            prepared = await one.prepare(draft(), attach=[a_file(tmp_path, size=10_000)])
            await one.post(prepared)
        (fault,) = told
        assert (fault.code, fault.facts["id"]) == (Code.MAIL_FAILED, prepared.header.id)
        assert fault.facts["found"] == "busy"
        assert len(await entries_of(door, entries.Accepted)) == 1


async def test_nobody_else_sends_a_grant_or_acknowledgement_that_is_being_sent(tmp_path):
    async with serving() as door:
        told, two = [], other(door.url, tmp_path / "box")
        front = fronted(meddled(door, two, "/v1/objects", told))
        async with front as url, agency(url, tmp_path / "box") as one, two:
            envelope = world().envelope(to=[WATCH])
            await one.send(decoded(envelope.header).id, envelope)
        (fault,) = told
        assert fault.code is Code.MAIL_FAILED


async def test_what_is_settled_meanwhile_is_asked_of_no_node(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        receipt = await line.post(prepared := await line.prepare(draft()))
    async with agency("https://127.0.0.1:1", tmp_path / "box") as line:
        assert await line.resolve(prepared.header.id) == receipt


async def test_one_that_is_busy_elsewhere_holds_up_no_other(tmp_path):
    async with serving() as door:
        first = await queued(door.url, tmp_path / "box")
        second = await queued(door.url, tmp_path / "box")
        async with other(door.url, tmp_path / "box") as line:
            async with locking.alone(line.world.cabinet, first, line.world.pause):
                with pytest.raises(Fault):
                    await line.resume()
                assert line.world.outbox.sent() == [second]
                # Somebody else is at it: this attempt was none.
                assert line.world.outbox.waits(first).tries == 0
            await line.resume()
            assert line.world.outbox.waiting() == []
        assert not list((tmp_path / "box").glob("*.posting"))


_HOLD = """
import asyncio
import sys
from pathlib import Path
from exchange.client.alone import alone
from tests.client.dealing import cabinet

async def hold(folder, identity):
    async with alone(cabinet(Path(folder)), identity, asyncio.sleep):
        print("held", flush=True)
        sys.stdin.read()

asyncio.run(hold(*sys.argv[1:]))
"""


async def test_process_that_is_killed_lets_go_of_what_it_was_sending(tmp_path):
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        child = subprocess.Popen(  # noqa: ASYNC220  (its first line is awaited at once)
            [sys.executable, "-P", "-c", _HOLD, str(tmp_path / "box"), identity],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with child:
            try:
                assert await asyncio.to_thread(child.stdout.readline) == b"held\n"
                async with other(door.url, tmp_path / "box") as line:
                    with pytest.raises(Fault) as caught:
                        await line.resume()
                    assert caught.value.code is Code.MAIL_FAILED
            finally:
                child.kill()
        assert list((tmp_path / "box").glob("*.posting"))
        async with other(door.url, tmp_path / "box") as line:
            await line.resume()
            assert line.world.outbox.sent() == [identity]
        assert not list((tmp_path / "box").glob("*.posting"))


async def test_lock_whose_file_was_deleted_while_it_was_waited_for_is_not_held(
    tmp_path, monkeypatch
):
    """Else a third would make another file, and two would hold one each."""
    path, opened = tmp_path / "x.posting", os.open

    def deleted_after(*args):
        handle = opened(*args)
        path.unlink()
        return handle

    monkeypatch.setattr(locking.os, "open", deleted_after)
    assert locking._taken(path) is None

    def replaced_after(*args):
        handle = deleted_after(*args)
        path.write_bytes(b"")
        return handle

    monkeypatch.setattr(locking.os, "open", replaced_after)
    assert locking._taken(path) is None


async def test_lock_that_cannot_be_made_is_a_fault_and_nothing_is_sent(tmp_path):
    async with serving() as door:
        identity = await queued(door.url, tmp_path / "box")
        async with other(door.url, tmp_path / "box") as line:
            named = line.world.cabinet.seal.name("posting", identity)
            (tmp_path / "box" / f"{locking.b64(named)}.posting").mkdir()
            with pytest.raises(Fault) as caught:
                await line.resume()
            assert caught.value.code is Code.MAIL_FAILED
        assert await entries_of(door, entries.Accepted) == []


# -- what another program does meanwhile, that knows no lock -----------------------------------


async def test_refusal_of_other_bytes_than_are_stored_by_now_destroys_nothing(tmp_path):
    async with serving() as door:
        liar = Liar(door)
        identity = await queued(door.url, tmp_path / "box")
        newer = world().envelope(id=identity, to=[WATCH])
        await post(door.node, world().amended(WATCH, suspended), MINSA)

        async def handle(request):
            if request.path == "/v1/objects":
                with closing(cabinet(tmp_path / "box")) as mail:
                    Outbox(mail).keep(identity, newer)
            return await liar.handle(request)

        async with fronted(handle) as url, agency(url, tmp_path / "box") as line:
            with pytest.raises(Refusal):
                await line.resume()
            box = line.world.outbox
            assert (box.waiting(), box.refused()) == ([identity], [])
            assert box.envelope(identity) == newer
            assert line.world.kept.has(identity)


async def test_bytes_that_were_refused_and_accepted_since_are_not_sealed_anew(tmp_path):
    """Sent by somebody else once more, after the key was put back."""
    async with serving() as door:
        liar = Liar(door)
        identity = await queued(door.url, tmp_path / "box")
        await post(door.node, world().amended(WATCH, rotated), MINSA)

        async with agency(door.url, tmp_path / "box") as line:
            envelope = line.world.outbox.envelope(identity)

        async def handle(request):
            answer = await liar.handle(request)
            if request.path == "/v1/objects":
                assert answer.status != 201
                before = world().member("us.jiatfs")
                again = msgspec.structs.replace(before, version=before.version + 2)
                then = world().after(world().amended(WATCH, rotated))
                await post(door.node, then.signed(again, [before.nation]), MINSA)
                await post(door.node, envelope, OPS)
            return answer

        async with fronted(handle) as url, agency(url, tmp_path / "box") as line:
            (receipt,) = await line.resume()
            assert line.world.outbox.envelope(identity) == envelope
            assert line.world.outbox.receipt(identity) == receipt
        (accepted,) = await entries_of(door, entries.Accepted)
        assert (accepted.object, decoded(accepted.object).id) == (envelope.header, identity)


def test_row_that_another_command_settles_is_not_put_back_as_waiting(tmp_path):
    identity = "01a229f1-2800-7768-b6ef-52555962d008"
    with closing(cabinet(tmp_path)) as mail, closing(cabinet(tmp_path)) as another:
        Outbox(mail).keep(identity, world().envelope())
        another._connection.execute("PRAGMA busy_timeout = 0")
        refused = []

        class Between(Outbox):
            def waits(self, identity):
                before = super().waits(identity)
                try:
                    Outbox(another).discard(identity)
                except Fault as fault:
                    refused.append(fault.code)
                return before

        Between(mail).tried(identity, ERROR, NOW_MS)
        assert refused == [Code.MAIL_FAILED]
        Outbox(another).discard(identity)
        assert Outbox(mail).waiting() == []
