"""Put a package together: what is shown, verifiers, a cover, and the manifest over it all."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.evidence import archive, cover, judge, parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.evidence.parts import Shown
    from exchange.model.header import Header
    from exchange.seal.open import Opened

COVER, *VERIFIERS = parts.UNHELD


class Of(NamedTuple):
    """The bulletin that a package is of, and the anchor that its maker trusted."""

    header: Header
    signed: bytes
    anchor: str


def verifier(name: str) -> bytes:
    """Return a verifier as this version ships it: one of ``VERIFIERS``."""
    return resources.files("exchange.evidence").joinpath(name).read_bytes()


def make(of: Of, journals: Sequence[Shown], opened: Opened | None = None) -> bytes:
    """Return a package, once it holds.

    Args:
        of: the bulletin.
        journals: what each node's journal shows of it; first that of the node it was posted at.
        opened: the text as it was sealed, where the package is to hold it.

    Raises:
        Refusal: that by which the first step that does not hold says so: what is shown was
            tampered with, or does not belong together.
    """
    folders: dict[str, bytes] = {}
    for each in journals:
        folders.update(each.encode())
    content = {parts.HEADER: of.signed}
    if opened is not None:
        content |= {parts.SALT: opened.salt, parts.BODY: opened.padded}
    # Which keys are used shows as it is verified: all but the list of them must hold by then.
    bare = _sealed(of, journals, {**content, **folders})
    report, used = judge.verify_using(bare, of.anchor)
    _must_hold(report, but="keys")
    told = cover.page(of.header, report, journals)
    ours = {name: verifier(name) for name in VERIFIERS}
    keys = {parts.KEYS: judge.keys(used)}
    raw = _sealed(of, journals, {COVER: told, **ours, **content, **keys, **folders})
    _must_hold(judge.verify(raw, of.anchor))
    return raw


def _sealed(of: Of, journals: Sequence[Shown], rest: dict[str, bytes]) -> bytes:
    manifest = parts.Manifest(
        parts.FORMAT,
        of.header.endpoint,
        of.header.id,
        of.anchor,
        [each.node for each in journals],
        parts.listed(rest),
    )
    return archive.pack({parts.MANIFEST: msgspec.json.encode(manifest), **rest})


def _must_hold(report: judge.Report, but: str = "") -> None:
    for step in report.steps:
        if step.code is not None and step.name != but:
            raise Refusal(Code(step.code), step.at, name=step.name)
