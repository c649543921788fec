"""Bulletins of every version so far open for ever: their bytes are in the repository."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from exchange import resources
from exchange.model.bulletin import TYPES, decode, encode
from tests.model.bulletins import CODES

FOLDER = resources.schemas() / "v1" / "frozen"
# Lines are added at the end, and the digest of those before stays what it is.
FROZEN = {"1.0": (36, "b43c8b84e2eab4582ba6d304c2d23b56f9d48420a02ae3fbde92c15ac34277f6")}


@pytest.mark.parametrize("version", FROZEN)
def test_what_was_written_once_decodes_and_encodes_to_the_same_bytes(version):
    lines = (FOLDER / f"{version}.jsonl").read_bytes().splitlines()
    assert len(lines) >= FROZEN[version][0]
    for line in lines:
        assert encode(decode(line, CODES)) == line


@pytest.mark.parametrize("version", FROZEN)
def test_no_line_that_was_frozen_is_changed(version):
    count, digest = FROZEN[version]
    lines = (FOLDER / f"{version}.jsonl").read_bytes().splitlines(keepends=True)
    assert hashlib.sha256(b"".join(lines[:count])).hexdigest() == digest


def test_every_type_is_frozen_twice_and_every_version_is_held():
    lines = (FOLDER / "1.0.jsonl").read_bytes().splitlines()
    assert Counter(decode(line, CODES).type for line in lines) == dict.fromkeys(TYPES, 2)
    assert {path.stem for path in FOLDER.iterdir()} == set(FROZEN)
