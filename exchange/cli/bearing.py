"""How what bears on a bulletin is told: in a word, in a banner, and field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec

from exchange import render
from exchange.cli import output, world
from exchange.client import bearing
from exchange.errors import Code
from exchange.model.bulletin import doubts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.cli.main import Session
    from exchange.client.bearing import Held, Mark
    from exchange.client.reading import Delivered, Item
    from exchange.model.bulletin import Indicator
    from exchange.model.header import Relation

_DONE_TO: dict[Relation, tuple[str, str]] = {
    "cancels": ("cancelado por el asiento", "cancelled by entry"),
    "corrects": ("corregido por el asiento", "corrected by entry"),
    "supersedes": ("reemplazado por el asiento", "superseded by entry"),
}
_DOES: dict[Relation, tuple[str, str]] = {
    "cancels": ("cancela el asiento", "cancels entry"),
    "corrects": ("corrige el asiento", "corrects entry"),
    "supersedes": ("reemplaza el asiento", "supersedes entry"),
}


def done_to(marks: Sequence[Mark], session: Session) -> list[str]:
    """Return in words what was done to a bulletin."""
    spanish = session.lang == "es"
    return [f"{_DONE_TO[each.relation][not spanish]} {each.index}" for each in marks]


# What a bulletin is in a word, for programs: the first of these that holds.
STATES = ("locked", "cancelled", "superseded", "corrected", "open")
_STATE_OF: dict[Relation, Literal["cancelled", "superseded", "corrected"]] = {
    "cancels": "cancelled",
    "corrects": "corrected",
    "supersedes": "superseded",
}


def done(mark: Mark) -> Literal["cancelled", "superseded", "corrected"]:
    """Return what one mark does to a bulletin, in one of ``STATES``."""
    return _STATE_OF[mark.relation]


def state(item: Delivered, marks: Sequence[Mark]) -> str:
    """Return what a bulletin is, in one of ``STATES``."""
    holds = {"open", *(done(each) for each in marks)}
    if item.locked:
        holds.add("locked")
    return next(word for word in STATES if word in holds)


def does(item: Delivered, items: Sequence[Item], session: Session) -> list[str]:
    """Return in words what a bulletin does to another one that is held here."""
    target, reference = bearing.target_of(item, items), bearing.reference_of(item.header)
    if target is None or reference is None:
        return []
    return [f"{_DOES[reference.rel][session.lang != 'es']} {target.index}"]


def says_to_do(item: Delivered, session: Session) -> list[str]:
    """Return the same by the node's word alone, where what it is done to is not at hand."""
    reference = bearing.reference_of(item.header)
    if reference is None or item.target is None:
        return []
    return [f"{_DOES[reference.rel][session.lang != 'es']} {item.target}"]


def warn(marks: Sequence[Mark], session: Session, *, err: bool = False) -> None:
    """Print banners of what was done to a bulletin."""
    for words in done_to(marks, session):
        click.echo(f"!!! {words.upper()} !!!", err=err)
    for index in _elsewhere(marks):
        click.echo(
            f"El asiento {index} no está en este buzón: pida a su originador que lo conceda."
            if session.lang == "es"
            else f"Entry {index} is not in this inbox: ask its originator to grant it.",
            err=err,
        )


def _elsewhere(marks: Sequence[Mark]) -> list[int]:
    return [each.index for each in marks if not each.is_here]


def warned(item: Delivered, items: Sequence[Item]) -> list[Indicator]:
    """Return what the reader of a bulletin is warned of, by itself and beside earlier texts."""
    if item.bulletin is None:
        return []
    beside = bearing.warnings(item, items, world.codes())
    return [*doubts(item.bulletin, item.not_understood), *beside]


def show(item: Delivered, items: Sequence[Item], session: Session) -> None:
    """Print what a correction changes in what it corrects; or what became of this bulletin."""
    if item.header.verb == "correct":
        _show_held(bearing.hold(item, items, world.codes()), session)
    for found in bearing.warnings(item, items, world.codes()):
        click.echo(f"!!! {render.indicator(found, session.lang, world.codes())} !!!")
    marks = bearing.marks(items)
    for each in bearing.corrections(item, items):
        # A correction may be cancelled or corrected in its turn.
        done = "".join(f" ({one})" for one in done_to(marks.get(each.index, []), session))
        session.say(
            f"\nCorregido por el asiento {each.index}{done}:",
            f"\nCorrected by entry {each.index}{done}:",
        )
        _show_held(bearing.hold(each, items, world.codes()), session)


def _show_held(held: Held | None, session: Session) -> None:
    if held is None:
        session.say(
            "\n!!! SIN COMPROBAR: lo que corrige no está aquí, o no se puede leer aquí. !!!",
            "\n!!! NOT CHECKED: what it corrects is not here, or cannot be read here. !!!",
        )
    elif held.refusal is not None and held.refusal.code is Code.OVERSIZED:
        most = bearing.MAX_CORRECTIONS
        session.say(
            f"\n!!! SIN COMPROBAR: más de {most} correcciones la preceden. !!!",
            f"\n!!! NOT CHECKED: more than {most} corrections came before it. !!!",
        )
    elif held.after is not None:
        index = held.target.index
        session.say(
            f"\nComprobado con el asiento {index}: decía lo que la corrección dice que decía.",
            f"\nHeld to entry {index}: it said what the correction says it said.",
        )
        click.echo(render.diff(held.before, held.after, session.lang, world.codes()))
    else:
        _show_unfounded(held, session)


def _show_unfounded(held: Held, session: Session) -> None:
    index = held.target.index
    session.say(
        f"\n!!! LA CORRECCIÓN NO CONCUERDA con el asiento {index}: consulte al originador. !!!",
        f"\n!!! THE CORRECTION DOES NOT MATCH entry {index}: ask its originator. !!!",
    )
    for claim in held.unfounded:
        click.echo(
            render.claim(
                held.before.type,
                claim.change,
                claim.found,
                lang=session.lang,
                codes=world.codes(),
            )
        )
    if not held.unfounded and held.refusal is not None:
        click.echo(render.refusal_text(held.refusal, session.lang, world.codes()))


def told(item: Delivered, items: Sequence[Item], marks: Sequence[Mark]) -> dict[str, Any]:
    """Return the same as values: marks of a bulletin, and what its correction amounts to."""
    values: dict[str, Any] = {
        "cancelled_by": [each.index for each in marks if each.relation == "cancels"],
        "corrected_by": [each.index for each in marks if each.relation == "corrects"],
        "superseded_by": [each.index for each in marks if each.relation == "supersedes"],
        # Of these, what is not in this inbox: its originator may grant it.
        "not_here": _elsewhere(marks),
    }
    if item.header.verb == "correct":
        held = bearing.hold(item, items, world.codes())
        values["correction"] = None if held is None else _values(held)
    return values


def _values(held: Held) -> dict[str, Any]:
    from exchange.model.bulletin import changes  # noqa: PLC0415

    differs = [] if held.after is None else changes(held.before, held.after)
    return {
        "of": held.target.index,
        "holds": held.after is not None,
        "changes": msgspec.to_builtins(differs),
        "unfounded": msgspec.to_builtins(held.unfounded),
        "problem": output.problem(held.refusal) if held.refusal else None,
    }
