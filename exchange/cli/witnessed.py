"""Who vouches for a receipt, beside the node that gave it: a quorum, or nobody, as agreed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from exchange.cli.times import zulu
from exchange.errors import Fault
from exchange.model import entry as entries

if TYPE_CHECKING:
    from exchange.cli.main import Session
    from exchange.client.agency import Agency
    from exchange.client.witnessing import Vouched
    from exchange.model.objects import Receipt

# With --witnessed, for so long; a healthy link takes two seconds.
_WAIT_MS, _STEP_S = 30_000, 0.5


async def of_receipt(
    agency: Agency, receipt: Receipt, posted: bytes, *, wait: bool = False
) -> dict[str, Any]:
    """Return who vouches for what a receipt is of; where the node is away, nobody yet.

    Args:
        agency: with its node.
        receipt: held to its promise.
        posted: the object, byte for byte.
        wait: ask again for a while, until somebody does.

    Raises:
        Refusal: what the node shows for it does not hold.
    """
    vouched = None
    if agency.trust.newest.arrangement is None:
        # What was posted before was found here, and nothing else had to be asked.
        with suppress(Fault):
            await agency.view()
    if _quorum(agency) not in ("none", None):
        deadline = agency.world.clock_ms() + (_WAIT_MS if wait else 0)
        with suppress(Fault):
            vouched = await agency.witnessed(receipt, posted)
            while vouched is None and agency.world.clock_ms() < deadline:
                await agency.world.pause(_STEP_S)
                vouched = await agency.witnessed(receipt, posted)
    return {**unasked(agency, receipt), "witnessed": values(vouched)}


def unasked(agency: Agency, receipt: Receipt) -> dict[str, Any]:
    """Return what a receipt says of itself: whether somebody must vouch, and could."""
    facts = entries.decode(receipt.facts.encode() + b"\n").facts
    marked = isinstance(facts, entries.Accepted) and facts.unwitnessed is True
    return {"quorum": _quorum(agency), "unwitnessed": marked, "witnessed": None}


def _quorum(agency: Agency) -> str | None:
    arrangement = agency.trust.newest.arrangement
    return None if arrangement is None else arrangement.quorum


def values(vouched: Vouched | None) -> dict[str, Any] | None:
    """Return who vouches as values."""
    if vouched is None:
        return None
    return {"at": zulu(vouched.at), "by": vouched.by, "size": vouched.size}


def say(session: Session, told: dict[str, Any]) -> None:
    """Print it."""
    if told["unwitnessed"]:
        session.say(
            "MARCADO sin testigos: los del arreglo no cofirmaban desde hacía demasiado.",
            "MARKED unwitnessed: the arrangement's witnesses had not cosigned for too long.",
        )
    session.say(*line(told["quorum"], told["witnessed"]))


def line(quorum: str, witnessed: dict[str, Any] | None) -> tuple[str, str]:
    """Return in a line, in Spanish and in English, who vouches."""
    if quorum == "none":
        return (
            "Sin testigos: el arreglo no pide ninguno (quorum none); responde el nodo solo.",
            "No witness: the arrangement asks for none (quorum none); the node alone vouches.",
        )
    if witnessed is None:
        return (
            "Aún sin testigos: los del arreglo no lo han cofirmado todavía.",
            "Not witnessed yet: the arrangement's witnesses have not cosigned it so far.",
        )
    by, at, size = ", ".join(witnessed["by"]), witnessed["at"], witnessed["size"]
    return (
        f"Atestiguado por {by} a las {at} (punto de control de {size} asientos).",
        f"Witnessed by {by} at {at} (checkpoint of {size} entries).",
    )
