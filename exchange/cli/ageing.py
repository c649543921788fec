"""How long something waits, in words; and the alarm for a FLASH that nobody saw to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from exchange.cli import world
from exchange.client import ageing, bearing
from exchange.policy.ageing import is_seen_to, overdue_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.cli.main import Session
    from exchange.client.agency import Agency
    from exchange.client.reading import Item
    from exchange.model.codes import Lang
    from exchange.model.header import Precedence
    from exchange.model.trust import Arrangement

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def in_inbox(agency: Agency, items: Sequence[Item]) -> dict[int, int]:
    """Return what is overdue here, by index: as far as this machine knows who saw to it."""
    marks = bearing.marks(items)
    cancelled = {
        index for index, each in marks.items() if any(one.relation == "cancels" for one in each)
    }
    seen = ageing.seen_to(agency.world.outbox.acks)
    arrangement = agency.trust.newest.agreed()
    return ageing.overdue(items, seen, cancelled, arrangement, agency.world.now())


def add(row: dict[str, Any], late_s: int | None, session: Session) -> dict[str, Any]:
    """Return a row of the inbox that says that it is overdue, if it is."""
    if session.as_json:
        return {**row, "overdue_s": late_s}
    if late_s is None:
        return row
    word = "VENCIDO" if session.lang == "es" else "OVERDUE"
    told = f"{word} {span(late_s, session.lang)}"
    return {**row, "state": f"{told}, {row['state']}" if row["state"] else told}


def of_recipient(
    steps: Sequence[dict[str, Any]],
    arrangement: Arrangement,
    precedence: Precedence,
    taken_ms: int,
) -> dict[str, Any]:
    """Return how a recipient stands: whether somebody saw to it, and if not, how late it is."""
    is_done = any(is_seen_to(step["outcome"]) for step in steps)
    late_s = None if is_done else overdue_s(arrangement, precedence, taken_ms, world.now())
    return {
        "seen_to": is_done,
        "overdue_s": late_s,
        "alarm": precedence == "flash" and late_s is not None,
    }


def show(session: Session, each: dict[str, Any], target_s: int) -> None:
    """Say that a recipient is late; of a FLASH, as loudly as a line of text can."""
    late_s = each["overdue_s"]
    if late_s is None:
        return
    late, target = span(late_s, session.lang), span(target_s, session.lang)
    told = (
        f"vencido hace {late} (plazo: {target})"
        if session.lang == "es"
        else f"overdue by {late} (target: {target})"
    )
    if each["alarm"]:
        loud = "FLASH SIN ACUSE" if session.lang == "es" else "FLASH NOT ACKNOWLEDGED"
        click.echo(f"    !!! {loud}: {each['endpoint']}: {told} !!!")
    else:
        click.echo(f"    {told}")


def span(seconds: int, lang: Lang) -> str:
    """Return a span of time as people say it, rounded down."""
    if seconds >= 2 * _DAY_S:
        return f"{seconds // _DAY_S} {'días' if lang == 'es' else 'days'}"
    if seconds >= _HOUR_S:
        return f"{seconds // _HOUR_S} h {seconds % _HOUR_S // _MINUTE_S:02} min"
    return f"{seconds // _MINUTE_S} min" if seconds >= _MINUTE_S else f"{seconds} s"
