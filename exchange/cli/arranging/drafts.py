"""Drafts in TOML, as in ``keys/templates``: what shall be agreed, in people's hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from exchange.custody.listing import DirectoryDraft
from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.draft import read_toml
from exchange.model.trust import Arrangement, Loss

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


def arrangement(path: Path) -> Arrangement:
    """Return an arrangement as drafted; its version and time are given when it is proposed.

    Raises:
        Refusal: what is wrong with it, and where.
    """
    values = _table(path)
    for given in ("v", "kind", "version", "issued"):
        if given in values:
            raise Refusal(Code.UNKNOWN_MEMBER, f"/{given}", found=given)
    made = {**values, "v": "xb1", "kind": "arrangement", "version": 1, "issued": 0}
    return _convert(made, Arrangement)


def directory(path: Path) -> DirectoryDraft:
    """Return agencies and endpoints as drafted.

    Raises:
        Refusal: what is wrong with it, and where.
    """
    return _convert(_table(path), DirectoryDraft)


def loss(path: Path) -> Loss:
    """Return what is to be declared lost, as `journal draft-loss` wrote it.

    Raises:
        Refusal: what is wrong with it, and where.
    """
    raw = path.read_bytes().strip()
    try:
        return msgspec.json.decode(raw, type=Loss)
    except msgspec.ValidationError as error:
        raise codec.refusal_of(error, data=raw) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(Code.MALFORMED) from error


def _table(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_toml(path.read_bytes())
    return found


def _convert(values: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise codec.refusal_of(error) from None
