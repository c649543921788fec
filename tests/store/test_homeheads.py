"""Heads of our endpoints at another node, in files: whole, damaged and cut."""

from __future__ import annotations

import pytest

from exchange.errors import Code, Fault
from exchange.model.wire import LinkHeads, OwnHead
from exchange.node.crossed import HomeHead, Place
from exchange.store.homeheads import HomeHeadFiles

HEAD = HomeHead(
    "note",
    LinkHeads(7, "entry", [], "", [], {"us.x/y": OwnHead(1, "A" * 43, "AAAA", [])}),
    5,
    "",
)


def test_what_was_kept_last_is_there_and_what_never_was_is_not(tmp_path):
    files = HomeHeadFiles(tmp_path / "links")
    assert files.newest("pa") is None
    files.keep("pa", HEAD)
    assert HomeHeadFiles(tmp_path / "links").newest("pa") == HEAD


def test_damaged_head_is_a_fault_that_names_its_file(tmp_path):
    files = HomeHeadFiles(tmp_path)
    files.keep("pa", HEAD)
    (tmp_path / "pa.heads").write_bytes(b"{")
    with pytest.raises(Fault) as raised:
        files.newest("pa")
    assert raised.value.code is Code.FILE


def test_line_that_was_cut_loses_no_other_place(tmp_path):
    files, places = HomeHeadFiles(tmp_path), [Place(n, n + 3, "A" * 43) for n in range(3)]
    files.add("pa", "us.x/y", places[:2])
    path = tmp_path / "pa-us.x~y.places"
    path.write_bytes(path.read_bytes()[:-5])
    assert files.places("pa", "us.x/y") == places[:1]
    files.add("pa", "us.x/y", places[1:])
    assert files.places("pa", "us.x/y") == places
    assert files.places("pa", "us.x/z") == []
