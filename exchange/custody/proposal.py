"""A proposal: trust documents that nobody has signed yet, as a file that travels.

Its first line says what it goes on from and of how many lines each of its parts is: a metadata
file's signed bytes in their one spelling, then the target files that it newly lists. So what
travels is exactly what will be signed, and its digest is what both delegations read aloud. At
the end stand the cards and requests by which the keys that are new were shown: see possession.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec

from exchange.custody import possession
from exchange.errors import Code, Refusal
from exchange.model import codec, metadata
from exchange.model.identity import ALPHA3, Digest, Seconds, digest
from exchange.model.metadata import Root, Targets
from exchange.seal import trust

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.custody.possession import Shown
    from exchange.model.identity import Nation, Signatory
    from exchange.model.view import Custodians, View

ROLES = ("root", "targets", *ALPHA3)
MAX_PROPOSAL_BYTES = 16 * 1024 * 1024
# Cards and requests: as many as there may be target files in one part.
MAX_SHOWN = metadata.MAX_FILES
# Stands where signatures will: what is read is held to the same spelling as what is signed.
_UNSIGNED = b'{"signatures":[{"keyid":"' + b"0" * 64 + b'","sig":"00"}],"signed":'

Sha256 = metadata.Sha256


class Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a proposal goes on from: the anchor (none: a founding), and each role's file."""

    anchor: Digest | None
    files: dict[str, Sha256]


_Count = Annotated[int, msgspec.Meta(ge=1, le=metadata.MAX_FILES + 1)]


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    v: Literal["xb1-proposal"]
    base: Base
    issued: Seconds
    parts: Annotated[list[_Count], msgspec.Meta(min_length=1, max_length=len(ROLES))]
    shown: Annotated[list[_Count], msgspec.Meta(max_length=MAX_SHOWN)] = []


class Part(NamedTuple):
    """One metadata file to be signed: its bytes as they are spelled, and its new files."""

    spelled: bytes
    files: list[bytes]

    @property
    def read(self) -> Root | Targets:
        """The metadata."""
        read = metadata.read_file(_UNSIGNED + self.spelled + b"}").signed
        if not isinstance(read, Root | Targets):
            raise Refusal(Code.TRUST_INVALID, "/signed/_type")
        return read

    @property
    def role(self) -> str:
        """``root``, ``targets``, ``pa`` or ``us``."""
        read = self.read
        return "root" if isinstance(read, Root) else read.role

    @property
    def payload(self) -> bytes:
        """The bytes that signatures are over."""
        return metadata.canonical(self.spelled)

    def unsigned(self) -> bytes:
        """Return the bundle, with what is no signature where signatures will stand."""
        return metadata.join(_UNSIGNED + self.spelled + b"}", self.files)

    def bundle(self, signatures: Sequence[metadata.Signature]) -> bytes:
        """Return the bundle with these signatures."""
        raw = metadata.encode(metadata.File(list(signatures), self.read))
        return metadata.join(raw, self.files)


class Proposal(NamedTuple):
    """What is proposed, and the digest of the file that says it."""

    base: Base
    issued: int
    parts: list[Part]
    digest: str
    shown: list[bytes]

    @property
    def is_founding(self) -> bool:
        """Whether there was nothing before."""
        return self.base.anchor is None


class Step(NamedTuple):
    """A part and the views before and after it, and who may sign it, by nation.

    ``shown`` are the cards and requests by which its new keys were shown.
    """

    part: Part
    before: View
    after: View
    signatories: list[tuple[Nation, Signatory]]
    shown: list[Shown]


def base_of(view: View) -> Base:
    """Return what a proposal goes on from, under a view."""
    files = {name: view.files[name].digest for name in ROLES if name in view.files}
    return Base(view.anchor if "root" in files else None, files)


def encode(
    base: Base, issued: int, parts: Sequence[Part], shown: Sequence[bytes] = ()
) -> bytes:
    """Return the file; ``shown`` are cards and requests, a line each or several."""
    lines = [line for part in parts for line in (part.spelled, *part.files)]
    counts, brought = (
        [1 + len(part.files) for part in parts],
        [raw.split(b"\n") for raw in shown],
    )
    head = _Head("xb1-proposal", base, issued, counts, list(map(len, brought)))
    lines += [line for each in brought for line in each]
    return metadata.join(msgspec.json.encode(head, order="sorted"), lines) + b"\n"


def read(raw: bytes) -> Proposal:
    """Read a proposal; nothing of it is judged but its spelling.

    Raises:
        Refusal: it is none, or was altered so that it is none any more.
    """
    if len(raw) > MAX_PROPOSAL_BYTES:
        raise Refusal(Code.OVERSIZED, limit=MAX_PROPOSAL_BYTES, found=len(raw))
    first, *lines = raw.removesuffix(b"\n").split(b"\n")
    try:
        head = msgspec.json.decode(first, type=_Head)
    except msgspec.ValidationError as error:
        raise codec.refusal_of(error, data=first) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(Code.MALFORMED, expected="proposal") from None
    if sum(head.parts) + sum(head.shown) != len(lines):
        raise Refusal(Code.MALFORMED, "/parts", expected="proposal")
    rest = iter(lines)
    taken = [[next(rest) for _ in range(count)] for count in (*head.parts, *head.shown)]
    parts = [Part(each[0], each[1:]) for each in taken[: len(head.parts)]]
    shown = [b"\n".join(each) for each in taken[len(head.parts) :]]
    if encode(head.base, head.issued, parts, shown) != raw:
        raise Refusal(Code.MALFORMED, expected="compact-json")
    return Proposal(head.base, head.issued, parts, digest(raw), shown)


def steps(proposal: Proposal, view: View, now: int, shown_s: int | None = None) -> list[Step]:
    """Return what each part would change, and who may sign it.

    Args:
        proposal: read.
        view: the trust documents in force, as whoever looks at it has them.
        now: seconds UTC.
        shown_s: as of when its cards and requests are looked at, seconds UTC; now unless told.

    Raises:
        Refusal: ``proposal-stale``: it goes on from other documents, older ones or another
            arrangement's; ``trust-invalid``: a role twice, or out of order; or what the
            documents themselves would be refused with, or the keys that are new: see
            ``possession.check``.
    """
    must_be(proposal.base, view)
    views, left = [], iter(ROLES)
    for place, part in enumerate(proposal.parts):
        try:
            change = trust.foresee(part.unsigned(), view, now)
        except Refusal as refusal:
            at = f"/parts/{place}{refusal.at}"
            raise Refusal(refusal.code, at, **refusal.facts) from None
        # Two parts of one role could hide what the first does: the second undoes it, all sign
        # both, and only the first is handed in.
        if part.role not in left:
            raise Refusal(Code.TRUST_INVALID, f"/parts/{place}", name=part.role)
        after = view.after(change, view.index + 1)
        views.append((view, after))
        view = after
    told = possession.check(proposal.shown, views, now if shown_s is None else shown_s)
    return [
        Step(part, *each, _signatories(part.role, *each), shown)
        for part, each, shown in zip(proposal.parts, views, told, strict=True)
    ]


def must_be(base: Base, view: View) -> None:
    """Hold a view to what a proposal goes on from.

    Raises:
        Refusal: ``proposal-stale``, with the role whose file is another.
    """
    mine = base_of(view)
    if base.anchor != mine.anchor:
        raise Refusal(Code.PROPOSAL_STALE, "/base/anchor", name="anchor")
    for role in (*ROLES, *base.files):
        if base.files.get(role) != mine.files.get(role):
            raise Refusal(Code.PROPOSAL_STALE, f"/base/files/{role}", name=role)


def terms(role: str, before: View, after: View) -> list[Mapping[Nation, Custodians]]:
    """Return who signs a part: a root on the old one's terms and on its own."""
    views = [before, after] if role == "root" else [before]
    return [view.custodians[role] for view in views if role in view.custodians]


def _signatories(role: str, before: View, after: View) -> list[tuple[Nation, Signatory]]:
    """Return who may sign a part, in the order in which signatures stand."""
    found: list[tuple[Nation, Signatory]] = []
    for circles in terms(role, before, after):
        for nation, circle in circles.items():
            mine = [(nation, each) for each in circle.signatories]
            found += [each for each in mine if each not in found]
    return found
