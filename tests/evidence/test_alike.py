"""Three verifiers, one truth: the same step and verdict for good and falsified packages."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import msgspec
import pytest

from exchange.custody import words
from exchange.evidence import archive, judge, parts
from exchange.model.codec import b64
from tests.builders import Randomness
from tests.evidence import made
from tests.evidence.forging import JOURNAL, listed_anew, replaced
from tests.peers.javascript import needs_packages

pytestmark = needs_packages
KINDS = [made.cosigned, made.crossed, made.of_suites]
# What a verifier does not look into: it is only held to the manifest.
_FREE = {"cover.html", "verify.html", "verify.py"}


class Drawn:
    """Places to change, the same in every run."""

    def __init__(self, seed: str) -> None:
        self._bytes = Randomness(f"evidence {seed}")

    def __call__(self, most: int) -> int:
        return int.from_bytes(self._bytes(8)) % most


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("with_body", [False, True], ids=["sealed", "opened"])
def test_a_good_package_holds_and_says_whether_it_is_anchored(kind, with_body, verdict):
    journal = kind()
    raw = journal.package(with_body=with_body)
    assert verdict(raw, journal.anchor) == "holds"
    assert verdict(raw, None) == "unanchored"
    assert verdict(raw, b64(bytes(32))) == "anchor"


def test_package_by_the_journal_that_it_crossed_to_holds_too(verdict):
    journal = made.crossed()
    raw = journal.package(with_body=True, first=1)
    assert verdict(raw, journal.anchor) == "holds"
    report = judge.verify(raw, journal.anchor)
    assert (report.node, report.posted_at) == ("us", "pa")


def test_the_same_package_is_the_same_bytes():
    assert made.cosigned().package(with_body=True) == made.cosigned().package(with_body=True)


def test_any_byte_of_the_file_that_is_changed_is_found(verdict):
    drawn = Drawn("file")
    for kind in KINDS:
        journal = kind()
        raw = bytearray(journal.package(with_body=True))
        for _ in range(15):
            at, bit = drawn(len(raw)), 1 << drawn(8)
            raw[at] ^= bit
            assert verdict(bytes(raw), journal.anchor) == "container", at
            raw[at] ^= bit


@pytest.mark.timeout(400)  # about 45 packages, each judged three times
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_any_byte_of_any_part_that_is_changed_and_listed_anew_is_found(kind, verdict):
    journal, drawn = kind(), Drawn(kind.__name__)
    raw = journal.package(with_body=True)
    for name, data in archive.unpack(raw).items():
        for _ in range(1 if name in _FREE else 3):
            at, bit = drawn(len(data)), 1 << drawn(8)
            found = archive.unpack(raw)
            changed = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
            if name == parts.MANIFEST:
                raw_again = archive.pack({**found, name: changed})
            else:
                raw_again = listed_anew({**found, name: changed})
            said = verdict(raw_again, journal.anchor)
            if name == parts.MANIFEST and said == "holds":
                # The anchor of its maker: whoever brings one does not look at it.
                assert b'"anchor"' in data[:at]
                assert verdict(raw_again, None) == "anchor"
                continue
            assert (said == "holds") == (name in _FREE), (name, at, bit)


def test_package_that_was_cut_anywhere_is_found(verdict):
    journal = made.crossed()
    raw = journal.package()
    at = 0
    for name, data in archive.unpack(raw).items():
        begun = at + 30 + len(name)
        for cut in (at, at + 3, at + 20, begun, begun + len(data) // 2):
            assert verdict(raw[:cut], journal.anchor) == "container", (name, cut)
        at += 30 + len(name) + len(data)
    for cut in (at, at + 10, len(raw) - 1):
        assert verdict(raw[:cut], journal.anchor) == "container"


def test_part_that_is_missing_is_found_listed_or_not(verdict):
    journal = made.cosigned()
    found = archive.unpack(journal.package(with_body=True))
    expected = {
        parts.HEADER: "originator",
        parts.SALT: "content",
        parts.BODY: "content",
        parts.KEYS: "keys",
        **dict.fromkeys(_FREE, "holds"),
        # Who gives no receipt shows less, and nothing that is not so.
        f"{JOURNAL}/{parts.RECEIPT}": "keys",
    }
    for name in list(found)[1:]:
        left = {each: data for each, data in found.items() if each != name}
        assert verdict(archive.pack(left), journal.anchor) == "manifest", name
        said = verdict(listed_anew(left), journal.anchor)
        assert said == expected.get(name, "inclusion"), name


# -- what is there besides, or spelled otherwise ----------------------------------------------


def spelled(told) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def test_manifest_that_says_more_less_or_in_another_order_is_found(verdict):
    found = archive.unpack(made.cosigned().package())
    told = json.loads(found[parts.MANIFEST])
    for changed in (
        {**told, "note": "x"},
        {**told, "note": 1.0},
        {**told, "note": float("nan")},
        dict(reversed(told.items())),
        {name: value for name, value in told.items() if name != "anchor"},
        {**told, "anchor": None},
        {**told, "anchor": "\ud800"},
        {**told, "journals": JOURNAL},
    ):
        raw = archive.pack({**found, parts.MANIFEST: _escaped(changed)})
        assert verdict(raw, made.cosigned().anchor) == "manifest", changed


def _escaped(told) -> bytes:
    """As JSON, where half a pair of code units has to be escaped."""
    return json.dumps(told, separators=(",", ":")).encode()


def test_part_that_no_package_has_or_in_another_place_is_found(verdict):
    anchor = made.cosigned().anchor
    found = archive.unpack(made.cosigned().package())
    for name in ("bulletin.txt", f"{JOURNAL}/notes.txt", f"us/{parts.ENTRY}"):
        assert verdict(listed_anew({**found, name: b"TEST\n"}), anchor) == "manifest", name
    (last, data), *_ = reversed(found.items())
    moved = {parts.MANIFEST: b"", last: data, **found}
    assert verdict(listed_anew(moved), anchor) == "manifest"


def test_file_larger_than_any_package_is_refused(verdict):
    # Only that it is too large is wrong with it.
    many = {parts.MANIFEST: b"{}", "a.bin": bytes(archive.MAX_BYTES)}
    assert verdict(archive.pack(many), None) == "container"


def test_receipt_spelled_otherwise_is_found(verdict):
    raw, name = made.cosigned().package(), f"{JOURNAL}/{parts.RECEIPT}"
    told = json.loads(archive.unpack(raw)[name])
    group = told["group"]
    loose = [{**each, "header": {}} for each in group["signatures"]]
    for changed in (
        {**told, "note": "x"},
        dict(reversed(told.items())),
        {**told, "group": {**group, "signatures": loose}},
        {**told, "path": told["path"] or ""},
    ):
        if changed == told:
            continue
        said = verdict(replaced(raw, name, lambda _, to=changed: spelled(to)), None)
        assert said == "receipt", changed


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("\u2014 stranger AAAAAAA=\n", "unanchored"),
        ("\u2014 " + "f" * 255 + " AAAAAAA=\n", "unanchored"),
        ("\u2014 a\ufeffb AAAAAAA=\n", "unanchored"),
        ("\u2014 a\u0085b AAAAAAA=\n", "checkpoint"),
        ("\u2014 a\u2028b AAAAAAA=\n", "checkpoint"),
        ("\u2014 a\x1cb AAAAAAA=\n", "checkpoint"),
        ("\u2014 " + "\U0001f600" * 64 + " AAAAAAA=\n", "checkpoint"),
        ("\u2014 stranger AAAAAAA=\n" * 32, "checkpoint"),
        ("\u2014 stranger " + "A" * (1 << 18) + "\n", "checkpoint"),
    ],
    ids=["one", "long", "feff", "nel", "2028", "control", "bytes", "many", "large"],
)
def test_line_of_a_stranger_under_the_root_is_read_alike(line, step, verdict):
    more = replaced(
        made.cosigned().package(), "pa/checkpoint.txt", lambda raw: raw + line.encode()
    )
    assert verdict(more, None) == step


def test_line_of_a_journal_that_is_longer_or_no_text_is_found(verdict):
    raw = made.cosigned().package()
    for name in (parts.ENTRY, parts.TRUST):

        def longer(data):
            first, rest = data.split(b"\n", 1)
            return first[:-1] + b",1]\n" + rest

        assert verdict(replaced(raw, f"{JOURNAL}/{name}", longer), None) == "inclusion"
    name = f"{JOURNAL}/{parts.DOCUMENTS}"
    assert verdict(replaced(raw, name, lambda data: data + b"1\n"), None) == "inclusion"


def test_part_of_another_bulletin_is_found(verdict):
    ours, other = made.cosigned(), made.crossed()
    raw, strange = ours.package(with_body=True), archive.unpack(other.package(with_body=True))
    expected = {
        "header.json": "originator",
        "salt.bin": "content",
        "body.json": "content",
        "keys.json": "keys",
        "pa/checkpoint.txt": "inclusion",
        "pa/entry.jsonl": "inclusion",
        "pa/trust.jsonl": "inclusion",
        "pa/acknowledgements.jsonl": "inclusion",
        "pa/documents.jsonl": "directory",
        "pa/receipt.json": "receipt",
    }
    for name, step in expected.items():
        # The same text sealed again has another salt; of the text alone nothing could be told.
        if strange[name] == archive.unpack(raw)[name]:
            continue
        said = verdict(replaced(raw, name, lambda _, name=name: strange[name]), ours.anchor)
        assert said == step, name


def test_journals_that_change_places_are_found(verdict):
    journal = made.crossed()
    found = archive.unpack(journal.package())
    assert verdict(listed_anew(found, journals=["us", "pa"]), journal.anchor) == "manifest"
    assert verdict(listed_anew(found, journals=["us"]), journal.anchor) == "manifest"

    def only(*nodes):
        folders = ["", *nodes]
        rest = {
            name: data
            for folder in folders
            for name, data in found.items()
            if name.rpartition("/")[0] == folder
        }
        return listed_anew(rest, journals=list(nodes))

    assert verdict(only("us", "pa"), journal.anchor) == "originator"
    # Less is shown, and nothing that is not so; but the keys of the rest are listed too.
    assert verdict(only("us"), journal.anchor) == "keys"
    assert verdict(only("pa"), journal.anchor) == "keys"
    assert verdict(listed_anew(found, journals=[]), journal.anchor) == "manifest"
    assert verdict(listed_anew(found, journals=["pa", "pa"]), journal.anchor) == "manifest"
    assert (
        verdict(listed_anew(found, journals=["pa", "us", "fr"]), journal.anchor) == "inclusion"
    )
    assert verdict(listed_anew(found, journals=["pa"]), journal.anchor) == "manifest"


def test_proof_for_another_index_is_found(verdict):
    journal = made.cosigned()
    raw = journal.package()
    for step in (-1, 1, 2**53, -(2**40)):

        def moved(data, step=step):
            line = msgspec.json.decode(data)
            line[0] += step
            return msgspec.json.encode(line) + b"\n"

        said = verdict(replaced(raw, f"{JOURNAL}/{parts.ENTRY}", moved), journal.anchor)
        assert said == "inclusion"


# -- the file ---------------------------------------------------------------------------------


def by_others(parts_found, *, method=zipfile.ZIP_STORED, more=()):
    made_file = io.BytesIO()
    with zipfile.ZipFile(made_file, "w", method) as file:
        for name, data in [*parts_found.items(), *more]:
            file.writestr(name, data)
    return made_file.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_file_in_any_other_spelling_is_refused(verdict):
    journal = made.of_suites()
    raw = journal.package()
    found = archive.unpack(raw)
    central = int.from_bytes(raw[-6:-2], "little")  # its place, as the end says
    tricks = {
        "packed by another program": by_others(found),
        "swells": by_others(found, method=zipfile.ZIP_DEFLATED),
        "a bomb": by_others({"manifest.json": bytes(1 << 24)}, method=zipfile.ZIP_DEFLATED),
        "twice": by_others(found, more=[("header.json", b"{}")]),
        "absolute": by_others({"/etc/passwd": b"x", **found}),
        "out of its folder": by_others({"../manifest.json": b"x", **found}),
        "behind": raw + b"x",
        "before": b"x" + raw,
        "comment": raw[:-2] + struct.pack("<H", 3) + b"abc",
        "directory says otherwise": raw[:central] + raw[central:].replace(b"pa/", b"us/"),
        "nothing": b"",
        "an empty one": archive.pack({}),
    }
    for told, trick in tricks.items():
        step = "manifest" if told == "an empty one" else "container"
        assert verdict(trick, journal.anchor) == step, told


def stored(*named: tuple[bytes, bytes]) -> bytes:
    """What the writer of packages refuses to write, in its spelling for all else."""
    body, directory = b"", b""
    for name, data in named:
        head = archive._head(name, data)
        directory += archive._listed(name, head, len(body))
        body += b"PK\3\4" + head + name + data
    return body + directory + archive._end(len(named), len(directory), len(body))


@pytest.mark.parametrize(
    "name",
    [b"/manifest.json", b"../a.txt", b"pa/../a.txt", b"pa\\a.txt", b"A.txt", b"a.txt\n", b""],
)
def test_name_that_leads_elsewhere_is_refused(name, verdict):
    assert verdict(stored((b"manifest.json", b"{}"), (name, b"x")), None) == "container"


def test_name_that_stands_twice_and_too_many_parts_are_refused(verdict):
    one = (b"manifest.json", b"{}")
    assert verdict(stored(one), None) == "manifest"
    assert verdict(stored(one, one), None) == "container"
    many = [(f"a{'b' * place}.txt".encode(), b"") for place in range(64)]
    assert verdict(stored(*many), None) == "manifest"
    assert verdict(stored(*many, one), None) == "container"


def test_words_of_a_fingerprint_are_heard_as_the_command_hears_them(verdict):
    anchor = made.cosigned().anchor
    for lang in ("es", "en"):
        said = words.said(anchor, lang)
        assert verdict.page.ask(words=" ".join(said)) == anchor
        assert verdict.page.ask(words=" ".join(word[:4].upper() for word in said)) == anchor
        assert verdict.page.ask(words=" ".join([*said[1:], said[0]])) is None
    assert verdict.page.ask(words=anchor) == anchor
    assert verdict.page.ask(words=anchor[1:]) is None
