"""A bulletin's way as a person looks at it: plain characters, a line for each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from exchange.cli import abroad, ageing, witnessed, world
from exchange.cli.times import zulu, zulu_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.cli.main import Session
    from exchange.client.story import Step
    from exchange.policy.chasing import Chase

# As wide as a time to the millisecond.
_WIDTH = len("2026-11-23T18:01:00.123Z")


def values(step: Step) -> dict[str, Any]:
    """Return a step as values; what does not belong to it is left out."""
    told: dict[str, Any] = {
        "step": step.step,
        "at": None if step.at_ms is None else zulu_ms(step.at_ms),
        "index": step.index,
        "position": step.position,
        "outcome": step.outcome,
        "officer": step.officer,
        "reason": step.reason,
        "id": step.id,
        "cause": step.cause,
        "rule": step.rule,
        "code": step.code,
        "came": abroad.values(step.came),
    }
    # A time that is not known is said to be none.
    kept = {name: value for name, value in told.items() if value is not None or name == "at"}
    return kept if step.chase is None else {**kept, "chase": chase_values(step.chase)}


def chase_values(chase: Chase) -> dict[str, Any]:
    """Return how a chase stands as values."""
    return {
        "state": "open" if chase.ended is None else chase.ended,
        "since": zulu_ms(chase.since_ms),
        "overdue_s": chase.overdue_s,
        "alarms": chase.alarms,
        "next_alarm": None if chase.next_alarm is None else zulu(chase.next_alarm),
    }


def show(session: Session, told: dict[str, Any]) -> None:
    """Print what ``trace`` tells."""
    click.echo(f"{told['id']}  {told['type'].upper()}")
    _lines(session, told["steps"])
    if "quorum" in told:
        witnessed.say(session, told)
    for each in told["recipients"]:
        _holder(session, each, told["target_s"], "")
    for each in told["holders"]:
        holds = (
            "tiene aquello a lo que se refiere" if session.lang == "es" else "holds its target"
        )
        _holder(session, each, told["target_s"], f"  ({holds})")
    for each in told["grants"]:
        by = "concedido por" if session.lang == "es" else "granted by"
        _holder(session, each, told["target_s"], f"  {by} {each['granted_by']}")


def show_chased(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Print what nobody has acknowledged yet, by holder; loudly what is overdue."""
    if not rows:
        session.say("No se reclama ningún acuse.", "No acknowledgement is being chased.")
    for row in rows:
        if row["verb"] == "purge":
            verb = "purga" if session.lang == "es" else "purge"
        else:
            verb = world.codes().words("verbs", row["verb"], session.lang)
        click.echo(f"{row['holder']}  {verb}  {_entries(session, row)}  {row['id']}")
        click.echo(_chased(session, row, "  "))


def _entries(session: Session, row: dict[str, Any]) -> str:
    by, of = row["index"], row["of_index"]
    if of is None:
        return f"asiento {by}" if session.lang == "es" else f"entry {by}"
    return f"asiento {by} > {of}" if session.lang == "es" else f"entry {by} > {of}"


def _holder(session: Session, each: dict[str, Any], target_s: int | None, how: str) -> None:
    click.echo(f"\n{each['endpoint']}{how}")
    _lines(session, each["steps"])
    if target_s is None:
        return
    if not each["acknowledgements"]:
        session.say("  sin acuse todavía", "  no acknowledgement yet")
    if "overdue_s" in each:
        ageing.show(session, each, target_s)


def _lines(session: Session, steps: Sequence[dict[str, Any]]) -> None:
    for step in steps:
        mark, at = ("*", step["at"]) if step["at"] is not None else ("?", "")
        click.echo(f"  {mark} {at:<{_WIDTH}}  {_said(session, step)}".rstrip())
        indent = " " * (_WIDTH + 6)
        if why := step.get("why"):
            click.echo(f"{indent}{step['tried']}: {why[session.lang]['what']} [{why['code']}]")
        if reason := step.get("reason"):
            click.echo(indent + world.codes().words("trace-reasons", reason, session.lang))
        if chase := step.get("chase"):
            click.echo(_chased(session, chase, indent))


def _said(session: Session, step: dict[str, Any]) -> str:
    spanish, codes = session.lang == "es", world.codes()
    said = [codes.words("trace-steps", step["step"], session.lang)]
    if outcome := step.get("outcome"):
        said[0] += f": {codes.words('ack-outcomes', outcome, session.lang)}"
    if cause := step.get("cause"):
        said[0] += f": {codes.words('purge-causes', cause, session.lang)}"
    if rule := step.get("rule"):
        said[0] += f" ({rule})"
    if code := step.get("code"):
        said[0] += f": {abroad.reason(code, session)} [{code}]"
    if officer := step.get("officer"):
        said[0] += f" ({officer})"
    if (index := step.get("index")) is not None:
        said.append(f"asiento {index}" if spanish else f"entry {index}")
    if (position := step.get("position")) is not None:
        said.append(f"lugar {position} de su buzón" if spanish else f"place {position} there")
    if came := step.get("came"):
        whence = (came["node"], came["index"])
        said.append(
            "del nodo {}, asiento {} de allá".format(*whence)
            if spanish
            else "from node {}, entry {} there".format(*whence)
        )
    return ", ".join(said)


def _chased(session: Session, chase: dict[str, Any], indent: str) -> str:
    spanish, since = session.lang == "es", chase["since"]
    if chase["state"] != "open":
        ended = world.codes().words("chase-ends", chase["state"], session.lang)
        return f"{indent}{ended}"
    alarms, again = chase["alarms"], chase["next_alarm"]
    words = (
        f"acuse reclamado desde {since}; alarmas: {alarms}; la próxima: {again}"
        if spanish
        else f"acknowledgement chased since {since}; alarms: {alarms}; next: {again}"
    )
    if chase["overdue_s"] is None:
        return indent + words
    late = ageing.span(chase["overdue_s"], session.lang)
    loud = (
        f"SIN ACUSE, vencido hace {late}" if spanish else f"NOT ACKNOWLEDGED, overdue by {late}"
    )
    return f"{indent}!!! {loud}: {words} !!!"
