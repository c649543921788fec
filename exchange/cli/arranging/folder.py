"""The folder of trust documents that custodians carry: read, verified from the first on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.cli.output import write_new
from exchange.cli.usage import Unusable
from exchange.custody import proposal
from exchange.errors import Code, Refusal
from exchange.model import metadata
from exchange.model.identity import digest
from exchange.model.metadata import Root, Targets
from exchange.model.view import View
from exchange.seal import trust

if TYPE_CHECKING:
    from collections.abc import Sequence
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
        Refusal: a document does not follow from those before it.
    """
    bundles = [path.read_bytes() for path in sorted(folder.glob(f"*{SUFFIX}"))]
    if anchor is not None:
        _must_hold_some(bundles, folder)
    elif bundles and not (founded_by and founded_by.is_founding):
        raise Unusable(
            f"{folder} ya tiene documentos: --anchor, como se oyó, dice cuáles deben ser.",
            f"{folder} has documents already: --anchor, as heard, says which they must be.",
            "--anchor",
        )
    return fold(bundles, anchor, now)


def fold(bundles: list[bytes], anchor: str | None, now: int) -> Kept:
    """Return the same of bundles, in their order; None: the first is taken at its word."""
    first = digest(bundles[0]) if bundles else ""
    views = [View(anchor=anchor if anchor and bundles else first)]
    for place, bundle in enumerate(bundles):
        # What has ended since was good when the next was signed; that it has ended is told.
        then = min(now, _read(bundle).expires_s - 1)
        views.append(trust.apply(bundle, views[-1], place, then))
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
