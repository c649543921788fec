"""What the parts of a package say: each in one spelling, so that none can be changed unseen.

    manifest.json                what it is of, and size and digest of every other part
    cover.html                   what is in it and what it shows, in Spanish and English
    verify.html, verify.py       two verifiers that need nothing of the exchange
    header.json                  the signed header of the bulletin, byte for byte
    salt.bin, body.json          the text as it was sealed, with its padding; where asked for
    keys.json                    every key that the verification uses: id, whose, and the key
    NODE/checkpoint.txt          a signed and cosigned checkpoint of that node's journal
    NODE/entry.jsonl             the bulletin's entry, and the path from it to the root
    NODE/trust.jsonl             every trust entry before the checkpoint, likewise
    NODE/acknowledgements.jsonl  likewise
    NODE/documents.jsonl         the signed documents that list keys, in their entries' order
    NODE/receipt.json            that node's receipt; a mirror has none

The first journal is that of the node where the bulletin was posted.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, TypeVar

import msgspec

from exchange.errors import Code, Refusal
from exchange.evidence.archive import MAX_PARTS
from exchange.journal.tree import HASH_BYTES
from exchange.model.identity import Digest, EndpointId, Uuid7, Word, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FORMAT: Final = "exchange-evidence@1"
# What a reader sees first; nothing is held to them, nor they to anything but the manifest.
UNHELD: Final = ("cover.html", "verify.html", "verify.py")
MANIFEST, HEADER, SALT, BODY, KEYS = (
    "manifest.json",
    "header.json",
    "salt.bin",
    "body.json",
    "keys.json",
)
CHECKPOINT, ENTRY, TRUST, ACKS, DOCUMENTS, RECEIPT = (
    "checkpoint.txt",
    "entry.jsonl",
    "trust.jsonl",
    "acknowledgements.jsonl",
    "documents.jsonl",
    "receipt.json",
)
# All that a package may have, in this order; a journal's in its folder.
_FILES: Final = (MANIFEST, *UNHELD, HEADER, SALT, BODY, KEYS)
_FOLDER: Final = (CHECKPOINT, ENTRY, TRUST, ACKS, DOCUMENTS, RECEIPT)
# Roles whose documents list keys, or who signs for them; timestamps and choices do not.
ROLES: Final = ("root", "targets", "pa", "us")
_PATH: Final = re.compile(rf"([0-9a-f]{{{2 * HASH_BYTES}}}){{0,63}}")
T = TypeVar("T")


class Part(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A part by name, size in bytes and digest."""

    name: str
    size: int
    digest: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a package is of: nothing here is believed, all is held to what is signed.

    ``anchor`` is what its maker trusted; ``journals`` are nodes, first that of the posting.
    """

    v: str
    endpoint: EndpointId
    id: Uuid7
    anchor: Digest
    journals: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=MAX_PARTS)]
    parts: list[Part]


class Proved(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An entry, its index, and the path to the root: hashes in hex, lowest level first."""

    index: int
    path: str
    entry: str

    @property
    def steps(self) -> list[bytes]:
        """The path's hashes.

        Raises:
            Refusal: ``bad-proof``: it is not one.
        """
        if not _PATH.fullmatch(self.path):
            raise Refusal(Code.BAD_PROOF, "/path", found=self.index)
        raw = bytes.fromhex(self.path)
        return [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]


class Shown(NamedTuple):
    """What a package shows of one journal; ``documents`` are of ``trust``, in its order."""

    node: str
    checkpoint: bytes
    entry: Proved
    trust: Sequence[Proved]
    acknowledgements: Sequence[Proved]
    documents: Sequence[str]
    receipt: bytes | None = None

    def encode(self) -> dict[str, bytes]:
        """Return its parts, by their names in its folder."""
        found = {
            CHECKPOINT: self.checkpoint,
            ENTRY: _lines([self.entry]),
            TRUST: _lines(self.trust),
            ACKS: _lines(self.acknowledgements),
            DOCUMENTS: _lines(self.documents),
        }
        if self.receipt is not None:
            found[RECEIPT] = self.receipt
        return {f"{self.node}/{name}": data for name, data in found.items()}


def _lines(values: Iterable[object]) -> bytes:
    return msgspec.json.Encoder().encode_lines(list(values))


def listed(parts: Mapping[str, bytes]) -> list[Part]:
    """Return how a manifest lists these parts."""
    return [Part(name, len(data), digest(data)) for name, data in parts.items()]


def manifest(parts: Mapping[str, bytes]) -> Manifest:
    """Return a package's manifest, once every part is exactly as it lists it.

    Raises:
        Refusal: ``malformed``; ``digest-mismatch`` at the first part that is missing, too
            many, or another one; or ``unknown-member`` at the first that no package has, or
            not in that place.
    """
    names = list(parts)
    if names[:1] != [MANIFEST]:
        raise Refusal(Code.MALFORMED, f"/{MANIFEST}")
    told = one_spelling(parts[MANIFEST], Manifest, f"/{MANIFEST}")
    if b"\\" in parts[MANIFEST]:
        raise Refusal(Code.MALFORMED, f"/{MANIFEST}")
    if told.v != FORMAT:
        raise Refusal(Code.NOT_UNDERSTOOD, f"/{MANIFEST}/v", found=told.v[:48])
    found = listed({name: parts[name] for name in names[1:]})
    for part, there in zip(told.parts, found, strict=False):
        if part != there:
            raise Refusal(Code.DIGEST_MISMATCH, f"/{part.name[:64]}", found=there.name[:64])
    if len(told.parts) != len(found):
        longer = max(told.parts, found, key=len)
        first = longer[min(len(told.parts), len(found))].name
        raise Refusal(Code.DIGEST_MISMATCH, f"/{first[:64]}")
    if len(set(told.journals)) != len(told.journals):
        raise Refusal(Code.WRONG_VALUE, f"/{MANIFEST}/journals")
    _must_be_known(names, told.journals)
    return told


def _must_be_known(names: Sequence[str], journals: Sequence[str]) -> None:
    folders = [f"{node}/{name}" for node in journals for name in _FOLDER]
    known = [name for name in (*_FILES, *folders) if name in names]
    for name, wanted in zip_longest(names, known):
        if name != wanted:
            raise Refusal(Code.UNKNOWN_MEMBER, f"/{name}", name=name)


def shown(node: str, parts: Mapping[str, bytes]) -> Shown:
    """Return what a package shows of a journal; nothing of it is judged yet.

    Raises:
        Refusal: ``missing-member``, ``malformed``, or another that names the part.
    """
    entry = _read_lines(node, ENTRY, parts, Proved)
    if len(entry) != 1:
        raise Refusal(Code.MALFORMED, f"/{node}/{ENTRY}")
    return Shown(
        node,
        get(parts, f"{node}/{CHECKPOINT}"),
        entry[0],
        _read_lines(node, TRUST, parts, Proved),
        _read_lines(node, ACKS, parts, Proved),
        _read_lines(node, DOCUMENTS, parts, str),
        parts.get(f"{node}/{RECEIPT}"),
    )


def get(parts: Mapping[str, bytes], name: str) -> bytes:
    """Return a part.

    Raises:
        Refusal: ``missing-member``.
    """
    if name not in parts:
        raise Refusal(Code.MISSING_MEMBER, f"/{name}")
    return parts[name]


def _read_lines(node: str, name: str, parts: Mapping[str, bytes], kind: type[T]) -> list[T]:
    raw, at = get(parts, f"{node}/{name}"), f"/{node}/{name}"
    *lines, rest = raw.split(b"\n")
    if rest:
        raise Refusal(Code.MALFORMED, at)
    return [one_spelling(line, kind, f"{at}/{place}") for place, line in enumerate(lines)]


def one_spelling(raw: bytes, kind: type[T], at: str) -> T:
    """Decode JSON that must be spelled as we spell it.

    Raises:
        Refusal: ``malformed``.
    """
    try:
        value = msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refusal(Code.MALFORMED, at) from None
    if msgspec.json.encode(value) != raw:
        raise Refusal(Code.MALFORMED, at)
    return value
