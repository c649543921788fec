"""A witness with its memory: what it answers, and what it keeps."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from exchange.journal import checkpoint as cp
from exchange.journal import forks
from exchange.journal import witness as rules
from exchange.journal.note import Line, parse_note
from exchange.node.witness import Answer, Witness
from exchange.store.witnessed import EVIDENCE, UNPROVED, WitnessFiles
from tests.node.running import until
from tests.node.witnessed import (
    FORKED,
    KEYS,
    LOGS,
    NOW,
    ORIGIN,
    OWN,
    RINGS,
    SIGNERS,
    asked,
    signed,
)


@pytest.fixture
async def recall(tmp_path):
    WitnessFiles.found(tmp_path)
    recall = WitnessFiles.open(tmp_path)
    yield recall
    await recall.close()


@pytest.fixture
def witness(recall):
    return Witness(LOGS, OWN, recall, lambda: NOW * 1000)


def cosigned(note, answer):
    """The checkpoint with the line of an answer, as the standard says to read it."""
    whole = cp.attach(
        note, parse_note(note.partition(b"\n\n")[0] + b"\n\n" + answer.body).lines
    )
    return cp.verify(whole, origin=ORIGIN, required=[*KEYS, OWN.key])


async def test_a_journal_that_grows_is_cosigned_with_the_time(witness):
    for old, new in ((0, 7), (7, 7), (7, 20)):
        asks = asked(old, new)
        answer = await witness.add(asks.encode())
        assert (answer.status, answer.media) == (200, "text/plain; charset=utf-8")
        found = cosigned(asks.note, answer)
        assert (found.checkpoint.size, found.at(OWN.key)) == (new, NOW)


async def test_another_old_size_is_answered_with_the_one_that_was_cosigned(witness):
    await witness.add(asked(0, 7).encode())
    answer = await witness.add(asked(0, 20).encode())
    assert answer == Answer(409, b"7\n", "text/x.tlog.size")


async def test_of_two_pasts_at_once_one_is_cosigned(witness):
    await witness.add(asked(0, 10).encode())
    both = [asked(10, 20).encode(), asked(10, 21, FORKED).encode()]
    answers = await asyncio.gather(*(witness.add(each) for each in both * 4))
    lines = {each.body for each in answers if each.status == 200}
    # One of them, and that one alone, however often either is asked for.
    assert len(lines) == 1
    assert {each.status for each in answers} == {200, 409}


async def test_who_hangs_up_lets_nobody_in_between(witness, recall):
    first = asyncio.ensure_future(witness.add(asked(0, 7).encode()))
    await until(witness._one_at_a_time.locked)
    first.cancel()
    answer = await witness.add(asked(0, 8).encode())
    assert answer.status == 409
    assert (await recall.newest(ORIGIN)).size == 7


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (asked(0, 20, FORKED, path=[]), "forked"),
        (asked(20, 40, FORKED), "rewritten"),
        (asked(0, 8, at=NOW + 5), "rolled-back"),
    ],
)
async def test_what_convicts_a_log_is_kept_once_and_told(witness, tmp_path, request_, kind):
    await witness.add(asked(0, 20).encode())
    with capture_logs() as told:
        for _ in range(2):
            assert (await witness.add(request_.encode())).status in {409, 422}
    (path,) = (tmp_path / EVIDENCE).iterdir()
    assert forks.check(forks.read(path.read_bytes()), ORIGIN, RINGS) == kind
    assert [(each["event"], each["log_level"], each["evidence"]) for each in told] == [
        (kind, "critical", path.name),
        (kind, "critical", None),
    ]
    assert (await witness.health()).evidence == 1


async def test_strangers_fill_no_disk_with_what_proves_nothing(witness, tmp_path):
    await witness.add(asked(0, 20).encode())
    for number in range(20):
        path = [bytes([number]) * 32]
        assert (
            await witness.add(asked(20, 21 + number % 18, path=path).encode())
        ).status == 422
    assert len(list((tmp_path / UNPROVED).iterdir())) == 16
    assert not list((tmp_path / EVIDENCE).iterdir())


async def test_a_stranger_with_one_checkpoint_leaves_room_for_what_may_be_a_rewriting(
    witness, tmp_path
):
    """From a power of two on, another past is not told from nonsense: it must be kept."""
    await witness.add(asked(0, 16).encode())
    for number in range(20):
        line = Line("stranger", b"1234", bytes([number]) * 64)
        note = cp.attach(signed(40), [line])
        request = rules.request(16, [bytes([number]) * 32], note)
        assert (await witness.add(request.encode())).status == 422
    assert len(list((tmp_path / UNPROVED).iterdir())) == 1
    assert (await witness.add(asked(16, 39, FORKED).encode())).status == 422
    kept = [forks.read(each.read_bytes()) for each in (tmp_path / UNPROVED).iterdir()]
    assert sorted(cp.parse(each.longer).size for each in kept) == [39, 40]


async def test_a_witness_that_was_set_back_is_told_by_its_own_signature(witness, tmp_path):
    asks = asked(0, 20)
    answer = await witness.add(asks.encode())
    mine = parse_note(asks.note.partition(b"\n\n")[0] + b"\n\n" + answer.body).lines
    (tmp_path / "back").mkdir()
    WitnessFiles.found(tmp_path / "back")
    older = WitnessFiles.open(tmp_path / "back")
    again = Witness(LOGS, OWN, older, lambda: NOW * 1000)
    with capture_logs() as told:
        shown = b"old 0\n\n" + cp.attach(asks.note, mine)
        assert await again.add(shown) == Answer(409, b"20\n", "text/x.tlog.size")
    assert [each["event"] for each in told] == ["witness-behind"]
    assert (await again.add(asked(0, 20, FORKED).encode())).status == 409
    await older.close()


async def test_what_was_cosigned_is_shown_to_who_has_a_checkpoint_of_the_log(witness):
    note = signed(20)
    assert (await witness.remembered(note)).status == 404
    asks = asked(0, 20)
    await witness.add(asks.encode())
    assert await witness.remembered(signed(7)) == Answer(200, asks.note)
    assert (await witness.remembered(signed(7, signers=SIGNERS[:1]))).status == 403
    assert (await witness.remembered(b"nonsense")).status == 403
    other = cp.sign(cp.Checkpoint("other", 7, bytes(32)), SIGNERS, NOW)
    assert (await witness.remembered(other)).status == 404
