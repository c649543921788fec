"""Bulletins of every version so far open for ever: their bytes are in the repository."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from exchange import resources
from exchange.model.bulletin import TYPES, decode, encode
from tests.model.bulletins import CODES, warned

FOLDER = resources.schemas() / "v1" / "frozen"
# Lines are added at the end, and the digest of those before stays what it is.
FROZEN = [
    ("1.0", 36, "b43c8b84e2eab4582ba6d304c2d23b56f9d48420a02ae3fbde92c15ac34277f6"),
    # Accepted before authors were held to more than readers are (``written``).
    ("1.0", 41, "b47795276a19211ea2491a71aae7b3aafb9b41dccdca53d407dc7595f91c0a1b"),
]
VERSIONS = sorted({version for version, _, _ in FROZEN})


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_written_once_decodes_and_encodes_to_the_same_bytes(version):
    lines = (FOLDER / f"{version}.jsonl").read_bytes().splitlines()
    assert len(lines) >= max(count for each, count, _ in FROZEN if each == version)
    for line in lines:
        assert encode(decode(line, CODES)) == line


@pytest.mark.parametrize(("version", "count", "digest"), FROZEN)
def test_no_line_that_was_frozen_is_changed(version, count, digest):
    lines = (FOLDER / f"{version}.jsonl").read_bytes().splitlines(keepends=True)
    assert hashlib.sha256(b"".join(lines[:count])).hexdigest() == digest


def test_every_type_is_frozen_twice_at_least_and_every_version_is_held():
    lines = (FOLDER / "1.0.jsonl").read_bytes().splitlines()
    found = Counter(decode(line, CODES).type for line in lines)
    assert set(found) == set(TYPES)
    assert min(found.values()) >= 2
    assert {path.stem for path in FOLDER.iterdir()} == set(VERSIONS)


def test_what_no_author_writes_any_more_is_read_and_warned_of():
    lines = (FOLDER / "1.0.jsonl").read_bytes().splitlines()
    told = [{code for code, _ in warned(line)} for line in lines]
    seized, mended, turned, counted, quoted = told[36:]
    assert (seized, counted) == ({"packages-as-weight"}, {"small-number"})
    assert (mended, turned, quoted) == (set(), {"packages-to-weight"}, set())
    assert {"packages-beside-estimate"} == set.union(*told[:36])
