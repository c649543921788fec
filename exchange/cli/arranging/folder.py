"""The folder of trust documents that custodians carry: read, verified from the first on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.cli.output import write_new
from exchange.cli.usage import Unusable
from exchange.custody import proposal
from exchange.errors import Code, Fault, Refusal
from exchange.model import metadata
from exchange.model.identity import digest
from exchange.model.metadata import Root, Targets
from exchange.model.view import View
from exchange.seal import trust

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from exchange.custody.proposal import Base, Proposal

SUFFIX = ".trust"


class Kept(NamedTuple):
    """What a folder holds: the bundles in their order, and the view after each; first none."""

    bundles: list[bytes]
    views: list[View]

    @property
    def view(self) -> View:
        """What is in force by this folder."""
        return self.views[-1]

    @property
    def anchor(self) -> str:
        """The digest of the first root; empty where there is none."""
        return digest(self.bundles[0]) if self.bundles else ""

    def at(self, base: Base) -> int:
        """Return after how many bundles a base was in force.

        Raises:
            Refusal: ``proposal-stale``: after none of them.
        """
        for place, view in enumerate(self.views):
            if proposal.base_of(view) == base:
                return place
        proposal.must_be(base, self.view)
        raise Refusal(Code.PROPOSAL_STALE, "/base")


def read(
    folder: Path, anchor: str | None, now: int, *, founded_by: Proposal | None = None
) -> Kept:
    """Return what a folder of trust documents says, verified from the anchor on.

    Whoever brings a folder could have made it, of documents that custodians of his own signed:
    no document is believed without the anchor, which people heard.

    Args:
        folder: with files ``*.trust``, in the order of their names; may be missing.
        anchor: what the first root must be; None: there is none yet, nor any document.
        now: seconds UTC.
        founded_by: a proposal that is looked at; if it is a founding, what lies in the folder
            can only have come of it, and nothing is believed of that.

    Raises:
        Unusable: an anchor and no document, or the other way round.
        Fault: ``other-anchor``; ``trust-file``: this one does not follow from those before it.
    """
    # The same bytes again say nothing: a copy that was laid beside them.
    named: dict[bytes, str] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        named.setdefault(path.read_bytes(), str(path))
    bundles = list(named)
    if anchor is not None:
        _must_hold_some(bundles, folder)
    elif bundles and not (founded_by and founded_by.is_founding):
        raise Unusable(
            f"{folder} ya tiene documentos: --anchor, como se oyó, dice cuáles deben ser.",
            f"{folder} has documents already: --anchor, as heard, says which they must be.",
            "--anchor",
        )
    return fold(bundles, anchor, now, named)


def fold(
    bundles: list[bytes], anchor: str | None, now: int, named: Mapping[bytes, str] | None = None
) -> Kept:
    """Return the same of bundles, in their order; None: the first is taken at its word.

    Args:
        bundles: what would lie in a folder.
        anchor: as in ``read``.
        now: seconds UTC.
        named: the file of each, if they lie in any.

    Raises:
        Fault: as ``read``.
        Refusal: one that lies in no file does not follow from those before it.
    """
    first = digest(bundles[0]) if bundles else ""
    views, is_known = [View(anchor=first)], anchor in {None, *map(digest, bundles)}
    for place, bundle in enumerate(bundles):
        try:
            # What has ended since was good when the next was signed; that it has ended is told.
            then = min(now, _read(bundle).expires_s - 1)
            views.append(trust.apply(bundle, views[-1], place, then))
            if is_known and anchor not in {None, first}:
                # The first root lies here, and something stands before it.
                raise Refusal(Code.TRUST_INVALID, "", name="anchor")  # noqa: TRY301
        except Refusal as refusal:
            if named is None:
                raise
            told = {"name": named[bundle], "reason": str(refusal)}
            raise Fault(Code.TRUST_FILE, **told) from refusal
        if anchor is not None and not is_known:
            # A root that holds by itself, and is another one: no slip of a copy.
            raise Fault(Code.OTHER_ANCHOR, "/anchor", found=first, known=anchor)
    return Kept(bundles, views)


def _read(bundle: bytes) -> Root | Targets:
    read = metadata.read(bundle).file.signed
    if not isinstance(read, Root | Targets):
        # A node's own stamps are not what custodians agree on.
        raise Refusal(Code.TRUST_INVALID, "/signed/_type")
    return read


def _must_hold_some(bundles: Sequence[bytes], folder: Path) -> None:
    if not bundles:
        raise Unusable(
            f"{folder} no tiene documentos de confianza (*{SUFFIX}).",
            f"{folder} has no trust documents (*{SUFFIX}).",
            "--trust",
        )


def write(folder: Path, first: int, bundles: Sequence[bytes]) -> list[Path]:
    """Write bundles after those that are there, over nothing; return their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{first + place:04}{SUFFIX}" for place in range(len(bundles))]
    for path, bundle in zip(paths, bundles, strict=True):
        write_new(path, bundle)
    return paths
