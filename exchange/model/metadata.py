"""TUF metadata files as they are spelled here, and the bundles in which they travel.

What a file says is TUF's (specification 1.0.31, ``tuf.api.metadata``); these structs hold it to
one spelling, so that one file has one digest: compact JSON, sorted members, ASCII, no member
that is not listed here. Members of our own, which TUF leaves to its users and which are signed
with the rest: ``custodians`` and ``nodes`` of a role (whose its keys are), and ``nation`` of a
delegated role's file (TUF files do not say of which role they are).

A bundle is a metadata file and then what it newly lists, each a line: the target files of a
``targets``, ``pa`` or ``us``, in the order of their paths; the snapshot of a timestamp.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.identity import Nation, Word
from exchange.model.trust import MAX_TRUST_BYTES

# It travels as one object: a founding of many members takes several.
MAX_BUNDLE_BYTES = 1024 * 1024 - 1024
MAX_FILES = 512
SPEC_VERSION: Literal["1.0.31"] = "1.0.31"
# What every metadata file begins with, and no JWS does.
BEGINS = b'{"signatures":[{"keyid":'
ARRANGEMENT = "arrangement.json"

KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Hex = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2})+$", max_length=10_000)]
Version = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
Length = Annotated[int, msgspec.Meta(ge=1, le=MAX_TRUST_BYTES)]
Threshold = Annotated[int, msgspec.Meta(ge=1, le=128)]
Time = Annotated[str, msgspec.Meta(pattern=r"^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Path = Annotated[
    str, msgspec.Meta(pattern=r"^(arrangement|members/[a-z0-9.]+|nodes/[a-z0-9-]+)\.json$")
]
Pattern = Annotated[str, msgspec.Meta(pattern=r"^(members|nodes)/[a-z0-9.*-]+$")]
Meta = Literal["targets.json", "pa.json", "us.json"]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member of a file."""


class KeyValue(_Part, frozen=True):
    """A public key: hex for Ed25519, else PEM (SubjectPublicKeyInfo)."""

    public: Annotated[str, msgspec.Meta(max_length=8000)]


class Key(_Part, frozen=True):
    """A public key as securesystemslib names its kinds; ML-DSA signs as TAP 21 says."""

    keytype: Literal["ed25519", "ecdsa", "ml-dsa"]
    keyval: KeyValue
    scheme: Literal["ed25519", "ecdsa-sha2-nistp384", "ml-dsa-65/1", "ml-dsa-87/1"]

    @property
    def keyid(self) -> str:
        """SHA-256 of its canonical JSON."""
        return sha256(canonical(msgspec.json.encode(self, order="sorted"))).hexdigest()


class Named(_Part, frozen=True):
    """One who signs with every key of a suite: the keys' ids, in the suite's order."""

    keyids: Annotated[list[KeyId], msgspec.Meta(min_length=1, max_length=2)]
    name: Word


class Circle(_Part, frozen=True):
    """A nation's custodians of a role, and how many of them it takes: never one."""

    signatories: Annotated[list[Named], msgspec.Meta(min_length=1, max_length=16)]
    threshold: Annotated[int, msgspec.Meta(ge=2, le=16)]


class Role(_Part, frozen=True):
    """Who signs a role. ``threshold`` counts keys, for those who know nothing of custodians."""

    custodians: dict[Nation, Circle]
    keyids: list[KeyId]
    threshold: Threshold


class Online(_Part, frozen=True):
    """Which nodes sign snapshots and timestamps, each of them its own."""

    keyids: list[KeyId]
    nodes: Annotated[list[Named], msgspec.Meta(max_length=16)]
    threshold: Threshold


class Roles(_Part, frozen=True):
    """TUF's four."""

    root: Role
    snapshot: Online
    targets: Role
    timestamp: Online


class Delegated(_Part, frozen=True):
    """A nation's own role."""

    custodians: dict[Nation, Circle]
    keyids: list[KeyId]
    name: Nation
    paths: list[Pattern]
    terminating: bool
    threshold: Threshold


class Delegations(_Part, frozen=True):
    """What each nation signs alone."""

    keys: dict[KeyId, Key]
    roles: list[Delegated]


class Hashes(_Part, frozen=True):
    """By SHA-256 alone."""

    sha256: Sha256


class TargetInfo(_Part, frozen=True):
    """A target file, by digest and size."""

    hashes: Hashes
    length: Length


class MetaInfo(_Part, frozen=True):
    """A metadata file, by version, digest and size."""

    hashes: Hashes
    length: Length
    version: Version


class _Signed(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="_type", kw_only=True
):
    expires: Time
    spec_version: Literal["1.0.31"] = SPEC_VERSION
    version: Version

    @property
    def expires_s(self) -> int:
        """The first second in which it holds no more, UTC."""
        return int(datetime.fromisoformat(self.expires).timestamp())


class Root(_Signed, frozen=True, kw_only=True, tag="root"):
    """The anchor: the custodians of both nations, and the nodes."""

    consistent_snapshot: bool = True
    keys: dict[KeyId, Key]
    roles: Roles


class Targets(_Signed, frozen=True, kw_only=True, tag="targets"):
    """Top level: the arrangement and the delegations; or a nation's: its members and nodes."""

    delegations: Delegations | msgspec.UnsetType = msgspec.UNSET
    nation: Nation | msgspec.UnsetType = msgspec.UNSET
    targets: dict[Path, TargetInfo]

    @property
    def role(self) -> str:
        """``targets``, ``pa`` or ``us``."""
        return "targets" if self.nation is msgspec.UNSET else self.nation


class Snapshot(_Signed, frozen=True, kw_only=True, tag="snapshot"):
    """Which versions belong together."""

    meta: dict[Meta, MetaInfo]


class Timestamp(_Signed, frozen=True, kw_only=True, tag="timestamp"):
    """That a snapshot is the newest."""

    meta: dict[Literal["snapshot.json"], MetaInfo]


Signed = Root | Targets | Snapshot | Timestamp


class Signature(_Part, frozen=True):
    """One signature, by one key."""

    keyid: KeyId
    sig: Hex


class File(_Part, frozen=True):
    """A metadata file."""

    signatures: Annotated[list[Signature], msgspec.Meta(min_length=1, max_length=128)]
    signed: Signed


class Bundle(NamedTuple):
    """A metadata file as it was received, and what came with it."""

    raw: bytes
    file: File
    lines: list[bytes]


_FILES: msgspec.json.Decoder[File] = msgspec.json.Decoder(File)
_BEFORE_SIGNED = b'],"signed":'


def canonical(spelled: bytes) -> bytes:
    """Return what canonical JSON makes of our spelling: line feeds of a PEM as they are."""
    return spelled.replace(b"\\n", b"\n")


def signed_bytes(raw: bytes) -> bytes:
    """Return the bytes that a file's signatures are over."""
    return canonical(raw[raw.index(_BEFORE_SIGNED) + len(_BEFORE_SIGNED) : -1])


def time_of(seconds: int) -> str:
    """Return seconds UTC as metadata spells them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encode(part: Signed | File) -> bytes:
    """Return the one spelling."""
    return msgspec.json.encode(part, order="sorted")


def info(raw: bytes) -> TargetInfo:
    """Return how a target file is listed."""
    return TargetInfo(Hashes(sha256(raw).hexdigest()), len(raw))


def join(raw: bytes, files: list[bytes]) -> bytes:
    """Return a bundle."""
    return b"\n".join([raw, *files])


def read(bundle: bytes) -> Bundle:
    """Take a bundle apart, and read its metadata file; nothing of it is judged.

    Raises:
        Refusal: too large, malformed, or in another spelling than its one.
    """
    if len(bundle) > MAX_BUNDLE_BYTES:
        raise Refusal(Code.OVERSIZED, limit=MAX_BUNDLE_BYTES, found=len(bundle))
    raw, *lines = bundle.split(b"\n", MAX_FILES + 1)
    if len(lines) > MAX_FILES:
        raise Refusal(Code.TOO_MANY, "/files", limit=MAX_FILES)
    return Bundle(raw, read_file(raw), lines)


def read_file(raw: bytes, at: str = "") -> File:
    """Read one metadata file.

    Raises:
        Refusal: what is wrong with its spelling, and where.
    """
    if len(raw) > MAX_TRUST_BYTES:
        raise Refusal(Code.OVERSIZED, at, limit=MAX_TRUST_BYTES, found=len(raw))
    try:
        file = _FILES.decode(raw)
    except msgspec.ValidationError as error:
        raise codec.refusal_of(error, at, raw) from None
    except UnicodeDecodeError:
        raise Refusal(Code.NOT_UTF8, at) from None
    except (msgspec.DecodeError, RecursionError):
        raise Refusal(Code.MALFORMED, at) from None
    if encode(file) != raw:
        raise Refusal(Code.MALFORMED, at, expected="compact-json")
    # A name could end in a line feed, since the $ of a pattern matches before one.
    if raw.count(b"\\") != _line_feeds(file.signed) or not raw.isascii():
        raise Refusal(Code.CONTROL_CHARACTER, at)
    seen: set[str] = set()
    for place, signature in enumerate(file.signatures):
        if signature.keyid in seen:
            raise Refusal(Code.TRUST_NOT_SIGNED, f"{at}/signatures/{place}")
        seen.add(signature.keyid)
    try:
        _ = file.signed.expires_s
    except ValueError:
        raise Refusal(Code.WRONG_VALUE, f"{at}/signed/expires") from None
    return file


def _line_feeds(signed: Signed) -> int:
    """Return how many line feeds, those of PEM, a file may hold; nothing else is escaped."""
    match signed:
        case Root():
            keys = signed.keys
        case Targets(delegations=Delegations(keys=keys)):
            pass
        case _:
            return 0
    return sum(key.keyval.public.count("\n") for key in keys.values())
