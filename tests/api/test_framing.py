"""What is posted is taken apart the same, however the network cut it."""

from __future__ import annotations

import pytest

from exchange.api import framing
from exchange.errors import Code, Refusal
from exchange.model.metadata import BEGINS


def cut(data, at):
    return [part for part in (data[:at], data[at:]) if part]


@pytest.mark.parametrize("data", [b"one\nbody\n", b"one\n\ntwo\nother body\n", b"\n\n"])
def test_cut_anywhere_it_is_the_same_pairs(data):
    lines = data.split(b"\n")[:-1]
    expected = list(zip(lines[::2], lines[1::2], strict=True))
    for at in range(len(data)):
        assert framing.pairs(cut(data, at)) == expected
    assert framing.pairs([data[at : at + 1] for at in range(len(data))]) == expected


@pytest.mark.parametrize("data", [b"one\nbody", b"one\n", b"one\nbody\ntwo\n", b"one"])
def test_cut_anywhere_it_is_refused_the_same(data):
    found = set()
    for at in range(len(data)):
        with pytest.raises(Refusal) as refused:
            framing.pairs(cut(data, at))
        found.add((refused.value.code, tuple(refused.value.facts.items())))
    ((code, _),) = found
    assert code is Code.BAD_FRAMING


def test_too_many_are_refused_before_they_are_taken_apart():
    framing.pairs([b"a\nb\n"] * 2, most=2)
    with pytest.raises(Refusal) as refused:
        framing.pairs([b"a\nb\n"] * 3, most=2)
    assert refused.value.code is Code.TOO_MANY
    assert refused.value.facts == {"limit": 2, "found": 3}


def test_bundle_of_metadata_is_one_object_however_it_is_cut():
    bundle = BEGINS + b"}\n{}\n\n"
    for at in range(len(bundle)):
        assert framing.pairs(cut(bundle, at), most=1) == [(bundle[:-2], b"")]


def test_what_only_begins_like_metadata_is_a_pair():
    data = BEGINS[:3] + b"\nbody\n"
    for at in range(len(data)):
        assert framing.pairs(cut(data, at), most=1) == [(BEGINS[:3], b"body")]
