"""What looks odd in a valid bulletin: warnings for a person to weigh, never a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from exchange.model.bulletin import blocks, operational, shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.errors import Fact
    from exchange.model.bulletin.kinds import Bulletin
    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes


class Indicator(msgspec.Struct, frozen=True):
    """One oddity: its code, the JSON pointer of the member, and the facts of its sentence."""

    code: str
    at: str
    facts: dict[str, Fact]


def indicators(bulletin: Bulletin, codes: Codes) -> list[Indicator]:
    """Return what looks odd, in the order of the members.

    Codes: ``flag-mmsi`` (the MMSI's prefix is another flag's), ``eta-before-seen``,
    ``port-unknown`` (well-formed, but not in our list of ports).
    """
    return list(_walk(shape.of(bulletin.type), bulletin, "", codes))


def _walk(form: Shape, value: Any, at: str, codes: Codes) -> Iterator[Indicator]:
    if value is None:
        return
    if form.kind == "struct":
        yield from _struct(value, at, codes)
        for member in form.members:
            yield from _walk(
                member.shape, getattr(value, member.name), f"{at}/{member.name}", codes
            )
    elif form.kind == "list":
        for number, inner in enumerate(value):
            yield from _walk(form.items[0], inner, f"{at}/{number}", codes)
    elif form.names and not codes.has(form.names, value):
        yield Indicator("port-unknown", at, {"found": value})


def _struct(value: object, at: str, codes: Codes) -> Iterator[Indicator]:
    if isinstance(value, blocks.Vessel):
        yield from _flag(value, at, codes)
    if isinstance(value, operational.VesselOfInterest):
        seen = value.seen
        if seen is not None and value.eta is not None and value.eta < seen.at:
            yield Indicator("eta-before-seen", f"{at}/eta", {})


def _flag(vessel: blocks.Vessel, at: str, codes: Codes) -> Iterator[Indicator]:
    if vessel.mmsi is None or vessel.flag is None:
        return
    mid = codes.word("mids", vessel.mmsi[:3])
    if mid is not None and mid.of != vessel.flag:
        facts: dict[str, Fact] = {"flag": vessel.flag, "found": mid.of or "", "mid": mid.code}
        yield Indicator("flag-mmsi", f"{at}/mmsi", facts)
