from __future__ import annotations

import msgspec
import pytest

from exchange.model import wire
from exchange.model.objects import Receipt
from exchange.model.wire import Answered


def receipt(index, group):
    return Receipt("node", index, "facts", ["A" * 43], msgspec.Raw(group))


PROBLEM = wire.Problem(
    "urn:x",
    "t",
    400,
    "malformed",
    "",
    {},
    wire.Words("", "", "", ""),
    wire.Words("", "", "", ""),
)


def test_lines_say_a_group_once_and_give_it_to_each_of_its_receipts():
    answers = [
        Answered(receipt(1, b'{"a":1}')),
        Answered(receipt(2, b'{"a":1}')),
        Answered(problem=PROBLEM),
        Answered(receipt(3, b'{"a":1}')),
        Answered(receipt(9, b'{"b":2}')),
        Answered(receipt(4, b'{"a":1}')),
    ]
    data = wire.encode_lines(answers)
    assert data.count(b'{"a":1}') == 2
    assert wire.decode_lines(data) == answers


def test_lines_that_begin_with_a_receipt_under_no_group_are_refused():
    data = wire.encode_lines([Answered(receipt(1, b"{}")), Answered(receipt(2, b"{}"))])
    with pytest.raises(msgspec.DecodeError):
        wire.decode_lines(data.splitlines()[1])


@pytest.mark.parametrize("line", [b"{}", b"", b'{"receipt":null}', b"\xff", b"[" * 2000])
def test_lines_that_are_neither_receipt_nor_problem_are_refused(line):
    data = wire.encode_lines([Answered(receipt(1, b"{}"))]) + line + b"\n"
    with pytest.raises(msgspec.DecodeError):
        wire.decode_lines(data)
