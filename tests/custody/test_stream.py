"""A sealed file of any length: what was written comes back whole, or it says why not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.custody import stream
from exchange.errors import Code, Fault
from exchange.seal.attachment import CHUNK_BYTES, START_BYTES, TAG_BYTES
from tests.builders import Randomness

PASSPHRASE = "test passphrase"  # noqa: S105  (sealed and opened here only)
PLAIN = Randomness("stream")(5 * CHUNK_BYTES + 100)
CHUNK = CHUNK_BYTES + TAG_BYTES


def sealed(plain: bytes, passphrase: str = PASSPHRASE) -> bytes:
    file = io.BytesIO()
    sealer = stream.Sealer(file, "pa", passphrase, Randomness("salt"))
    for at in range(0, len(plain), 10_000):
        sealer.write(plain[at : at + 10_000])
    sealer.finish()
    return file.getvalue()


WHOLE = sealed(PLAIN)
LINE = WHOLE.index(b"\n") + 1
# The first chunk.
BEGIN = LINE + START_BYTES


@pytest.fixture(scope="module", autouse=True)
def stretched_once() -> Iterator[None]:
    """Have a passphrase be stretched once for each salt and cost, not for each flipped bit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "_keys", cache(stream._keys))
        yield


def opened(raw: bytes, count: int = len(PLAIN), passphrase: str = PASSPHRASE) -> bytes:
    opener = stream.Opener(io.BytesIO(raw), lambda _: passphrase)
    found = opener.read(count)
    opener.finish()
    return found


def code_of(raw: bytes, count: int = len(PLAIN), passphrase: str = PASSPHRASE) -> Code:
    with pytest.raises(Fault) as caught:
        opened(raw, count, passphrase)
    return caught.value.code


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, len(PLAIN)]
)
def test_what_was_written_comes_back_and_is_not_in_the_clear(size: int) -> None:
    raw = sealed(PLAIN[:size])
    assert opened(raw, size) == PLAIN[:size]
    assert size < 64 or PLAIN[:64] not in raw


def test_it_costs_what_a_key_container_costs_and_tells_whose_it_is() -> None:
    told = msgspec.json.decode(WHOLE[:LINE])
    assert (told["memory_kib"], told["passes"], told["lanes"]) == (65_536, 3, 4)
    assert stream.Opener(io.BytesIO(WHOLE), lambda _: PASSPHRASE).holder == "pa"


def test_passphrase_is_asked_for_with_the_holder_s_name_and_may_be_typed_anyhow() -> None:
    asked = []

    def ask(holder: str) -> str:
        asked.append(holder)
        return "contrasen\u0303a"

    stream.Opener(io.BytesIO(sealed(b"", "contrase\xf1a")), ask).finish()
    assert asked == ["pa"]


def test_another_passphrase_is_told_as_that() -> None:
    assert code_of(WHOLE, passphrase="another") is Code.BACKUP_PASSPHRASE  # noqa: S106


def test_nothing_is_sealed_without_a_passphrase() -> None:
    with pytest.raises(Fault) as caught:
        sealed(b"", "")
    assert caught.value.code is Code.KEY_FILE


@given(at=st.integers(0, len(WHOLE) * 8 - 1))
@settings(max_examples=60, deadline=None)
def test_no_flipped_bit_goes_unseen(at: int) -> None:
    raw = bytearray(WHOLE)
    raw[at // 8] ^= 1 << at % 8
    code = code_of(bytes(raw))
    is_end = at // 8 >= len(WHOLE) - len(stream.MARK)
    assert code is (Code.BACKUP_CUT_SHORT if is_end else Code.BACKUP_DAMAGED)


@given(size=st.integers(LINE, len(WHOLE) - 1))
@settings(max_examples=60, deadline=None)
def test_cut_short_is_told_before_the_passphrase_is_asked_for(size: int) -> None:
    with pytest.raises(Fault) as caught:
        stream.Opener(io.BytesIO(WHOLE[:size]), pytest.fail)
    assert caught.value.code is Code.BACKUP_CUT_SHORT


@pytest.mark.parametrize("raw", [b"", b"exercise", WHOLE[: LINE - 1], b"\n" * 10_000])
def test_what_is_none_is_told_before_the_passphrase_is_asked_for(raw: bytes) -> None:
    with pytest.raises(Fault) as caught:
        stream.Opener(io.BytesIO(raw), pytest.fail)
    assert caught.value.code is Code.BACKUP_DAMAGED


def test_chunks_cannot_be_swapped_doubled_left_out_or_come_from_another_file() -> None:
    first, second = WHOLE[BEGIN : BEGIN + CHUNK], WHOLE[BEGIN + CHUNK : BEGIN + 2 * CHUNK]
    head, tail = WHOLE[:BEGIN], WHOLE[BEGIN + 2 * CHUNK :]
    assert head + first + second + tail == WHOLE
    other = io.BytesIO()
    sealer = stream.Sealer(other, "pa", PASSPHRASE, Randomness("another salt"))
    sealer.write(PLAIN)
    sealer.finish()
    foreign = other.getvalue()[BEGIN : BEGIN + CHUNK]
    for middle in (second + first, first + first + second, second, first, foreign + second):
        assert code_of(head + middle + tail) is Code.BACKUP_DAMAGED


def test_end_put_behind_a_whole_chunk_does_not_pass_for_the_end() -> None:
    assert code_of(WHOLE[: BEGIN + CHUNK] + stream.MARK) is Code.BACKUP_DAMAGED
    two = WHOLE[: BEGIN + 2 * CHUNK] + stream.MARK
    for count in (CHUNK_BYTES, 2 * CHUNK_BYTES):
        assert code_of(two, count) is Code.BACKUP_DAMAGED
    # Nor when what is read up to there is all that somebody asks for.
    assert code_of(WHOLE[: BEGIN + CHUNK] + stream.MARK, 100) is Code.BACKUP_DAMAGED


def test_more_than_was_asked_for_is_not_the_end() -> None:
    assert code_of(WHOLE, len(PLAIN) - 1) is Code.BACKUP_DAMAGED
    assert code_of(WHOLE, len(PLAIN) + 1) is Code.BACKUP_DAMAGED


def mended(**changes: Any) -> bytes:
    """The file as somebody who knows the format alters its first line."""
    told = msgspec.json.decode(WHOLE[:LINE], type=stream._Shell)
    told = msgspec.structs.replace(told, **changes)
    told = msgspec.structs.replace(told, sum=stream._sum(told))
    return msgspec.json.encode(told) + b"\n" + WHOLE[LINE:]


@pytest.mark.parametrize(
    "changes",
    [{"memory_kib": 64}, {"memory_kib": 2**22}, {"passes": 1}, {"lanes": 99}, {"salt": "?"}],
)
def test_file_does_not_say_how_little_or_how_much_opening_it_costs(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(Fault) as caught:
        stream.Opener(io.BytesIO(mended(**changes)), lambda _: PASSPHRASE)
    assert caught.value.code is Code.BACKUP_DAMAGED


def test_first_line_cannot_be_altered_by_who_knows_the_format() -> None:
    assert code_of(mended(holder="us")) is Code.BACKUP_DAMAGED
    # A salt that gives another key is as good as another passphrase.
    assert code_of(mended(salt="A" * 22)) is Code.BACKUP_PASSPHRASE
