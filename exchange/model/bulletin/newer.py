"""Bulletins of a newer minor version: what is understood of them, and the rest, kept as it is.

A newer version may add types, optional members and codes, and nothing else (schemas/README.md).
So whatever is not known here is set apart with its place, and what is left is read as ever. A
rule that joins members is passed over where something unknown stands among them: a newer
version may keep it by that. Check digits, and the rules on people, are never passed over.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.bulletin import corrections, lexical, misfits, people_rules, rules, shape
from exchange.model.bulletin.amendments import Correction
from exchange.model.bulletin.kinds import TYPES, AnyBulletin, OfNewerType
from exchange.model.bulletin.strangers import Unknown, strangers
from exchange.model.bulletin.words import SCHEMA

if TYPE_CHECKING:
    from exchange.model.codes import Codes

_VERSION = re.compile(r"([1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})")
_TYPE = re.compile(r"[a-z]{3}")


class Newer(msgspec.Struct, frozen=True):
    """A bulletin read in part: its version, what was understood, and what was not."""

    schema: str
    bulletin: AnyBulletin
    unknown: list[Unknown]


def is_newer(version: str) -> bool:
    """Tell whether a version is a newer minor one of ours: such as 1.2, here where 1.0 is."""
    found, ours = _VERSION.fullmatch(version), _VERSION.fullmatch(SCHEMA)
    if found is None or ours is None:
        return False
    return found[1] == ours[1] and int(found[2]) > int(ours[2])


def decode(data: bytes, codes: Codes, schema: str) -> Newer:
    """Read a bulletin of a newer minor version as far as it is known here.

    Args:
        data: as for ``decoding.decode``.
        codes: the code lists.
        schema: the version that its header names.

    Raises:
        Refusal: it breaks a rule of spelling, or what we know of it is not as it was, which no
            newer minor version may do; or it is not of that version, or that is none of ours.
    """
    lexical.check(data, is_newer)
    values = _values(data)
    version, kind = values.get("schema"), values.get("type")
    if not isinstance(version, str) or not is_newer(version):
        raise Refusal(Code.SCHEMA_NOT_KNOWN, "/schema", expected=SCHEMA)
    if version != schema:
        raise Refusal(Code.HEADER_BODY_MISMATCH, "/schema", found=version)
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise Refusal(Code.WRONG_VALUE, "/type", expected="code", list="types")
    unknown: list[Unknown] = []
    form = shape.of(kind) if kind in TYPES else shape.of_struct(OfNewerType)
    if kind not in TYPES:
        unknown.append(Unknown("/content", values.get("content")))
        values |= {"type": form.tag, "newer_type": kind, "content": {}}
    found = list(strangers(form, values, "", codes))
    values["schema"] = SCHEMA
    try:
        bulletin: AnyBulletin = msgspec.convert(corrections.known(form, values), AnyBulletin)
    except msgspec.ValidationError as error:
        raise misfits.refusal(str(error), lambda at: shape.at(form, at)) from None
    if isinstance(bulletin.content, Correction):
        found += corrections.strange(bulletin.content, codes)
    rules.check_known(bulletin, codes, unknown + found)
    people_rules.check_added(bulletin, values, found)
    return Newer(version, bulletin, unknown + found)


def _values(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data, parse_float=_finite)
    except ValueError:
        # Python turns no number of over 4,300 digits into an integer.
        raise Refusal(Code.MALFORMED, expected="integer") from None
    if not isinstance(values, dict):
        raise Refusal(Code.WRONG_TYPE, "", expected="object")
    return values


def _finite(number: str) -> float:
    """Return a number as it is held: one that is too large would be told as null."""
    value = float(number)
    if not isfinite(value):
        raise Refusal(Code.MALFORMED, expected="number")
    return value
