"""What is said of what came from another nation's node: whence, when, and whom it left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchange import render
from exchange.cli import world
from exchange.cli.times import zulu_ms
from exchange.client.reading import Locked

if TYPE_CHECKING:
    from exchange.cli.main import Session
    from exchange.client.judging import Came
    from exchange.client.reading import Delivered, Item


def came_of(item: Item) -> Came | None:
    """Return where an item was taken in first, if that was at another node."""
    return None if isinstance(item, Locked) else item.came


def values(came: Came | None) -> dict[str, Any] | None:
    """Return it for programs."""
    if came is None:
        return None
    return {"node": came.node, "index": came.index, "taken": zulu_ms(came.taken_ms)}


def declined(item: Delivered) -> list[dict[str, str]]:
    """Return for programs which recipients here our node does not owe it to, and why."""
    return [{"endpoint": each.endpoint, "code": each.code} for each in item.declined]


def words(came: Came | None, session: Session) -> list[str]:
    """Return it in a few words; none of what was posted at our own node."""
    if came is None:
        return []
    return [f"llegó del nodo {came.node}" if session.lang == "es" else f"from node {came.node}"]


def left_out(item: Delivered, session: Session) -> list[str]:
    """Return in a few words whom our node does not owe it to."""
    named = ", ".join(each.endpoint for each in item.declined)
    spanish = f"aquí no se entrega a {named}"
    return [spanish if session.lang == "es" else f"not given here to {named}"] if named else []


def show(item: Delivered, session: Session) -> None:
    """Print all of it, below a bulletin."""
    if (came := item.taken_in) is not None:
        when = zulu_ms(came.taken_ms)
        session.say(
            f"Llegó del nodo {came.node}, verificada como allá: asiento {came.index}, {when}.",
            f"It came from node {came.node}, verified as there: entry {came.index}, {when}.",
        )
    if item.late:
        session.say("Llegó tarde.", "It arrived late.")
    for each in item.declined:
        why = reason(each.code, session)
        session.say(
            f"Aquí no se entrega a {each.endpoint}: {why} [{each.code}]",
            f"Not given here to {each.endpoint}: {why} [{each.code}]",
        )


def reason(code: str, session: Session) -> str:
    """Return the words of a refusal; a code that only a newer node knows is shown as it is."""
    return render.reason(code, session.lang, world.codes())
