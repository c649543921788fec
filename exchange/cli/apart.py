"""``post --separately``: an envelope for each group of readers, who do not see each other."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

from exchange.cli import held, output, reviewing, world
from exchange.cli import officer as on_watch
from exchange.cli.asking import confirm, must_be_there
from exchange.cli.progress import teller
from exchange.client import separating
from exchange.model.identity import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.cli.main import Session
    from exchange.cli.writing import Wanted
    from exchange.client.agency import Agency
    from exchange.client.compose import Prepared
    from exchange.client.separating import Act, By, Standing

OPTION = click.option(
    "--separately",
    type=click.Choice(separating.BY),
    help="An envelope for each nation, agency or endpoint, whose readers see no others.",
)
_STATES = {
    "en": {"sent": "sent", "asked": "waits for a release", "waits": "waits",
           "refused": "REFUSED", "over": "over"},
    "es": {"sent": "enviado", "asked": "espera autorización", "waits": "en espera",
           "refused": "RECHAZADO", "over": "terminado"},
}  # fmt: skip
_HEADS = {
    "en": {"index": "entry", "state": "state", "to": "to", "told": "why", "id": "id"},
    "es": {"index": "asiento", "state": "estado", "to": "para", "told": "por qué", "id": "id"},
}


def run(session: Session, wanted: Wanted, by: By) -> None:
    """Post in several envelopes; end with a code of its own where not all of them went."""
    code = asyncio.run(_post(session, wanted, by))
    if code:
        session.announce()
        sys.exit(code)


async def _post(session: Session, wanted: Wanted, by: By) -> int:
    """Prepare, review, and post; return the exit code."""
    from exchange.cli import choosing  # noqa: PLC0415

    if wanted.sending is False:
        must_be_there(session)
    mark = digest(msgspec.json.encode((wanted.mark(), by)))
    async with session.context().agency() as agency:
        before = agency.separating.under(mark)
        if before is not None and wanted.sending is not None:
            tell = teller(session, "Adjunto", "Attachment")
            return _tell(session, agency, before, await agency.separating.go_on(before, tell))
        found = await choosing.target(agency, wanted.target) if wanted.target else None
        prepared = await wanted.prepare(agency, found)
        view, now = agency.trust.newest, agency.world.now()
        parts = separating.split(prepared, by, view, now, agency.new_id)
        told = {**reviewing.told(session, prepared), "envelopes": _envelopes(parts)}
        if not session.as_json:
            _show(session, prepared, parts, told)
        if wanted.sending is None:
            if session.as_json:
                output.show_json({"sent": False, **told})
            return 0
        if not wanted.sending:
            confirm(session, f"¿Enviar {len(parts)} sobres?", f"Send {len(parts)} envelopes?")
        return await _send(session, agency, parts, mark, wanted)


def others(session: Session, agency: Agency, prepared: Prepared) -> dict[str, Any]:
    """Tell of the other envelopes of the act of which one is corrected or cancelled."""
    about = [ref.id for ref in prepared.header.refs if ref.rel in separating.AMENDS]
    beside = [each for name in about for each in agency.separating.others(name)]
    for each in (each for each in beside if not each.is_over):
        names = ", ".join(each.to)
        session.say(
            f"OJO: su texto salió también en el sobre {each.id}, para {names}, y ahí sigue.",
            f"MIND: its text went in envelope {each.id} too, to {names}, and stands there.",
        )
    return {"other_envelopes": msgspec.to_builtins(beside)} if beside else {}


def _envelopes(parts: Sequence[Prepared]) -> list[dict[str, Any]]:
    return [{"id": each.header.id, "to": each.header.to, **held.told(each)} for each in parts]


def _show(
    session: Session, prepared: Prepared, parts: Sequence[Prepared], told: dict[str, Any]
) -> None:
    reviewing.show(session, prepared, told)
    for place, each in enumerate(parts, 1):
        names = ", ".join(each.header.to)
        session.say(
            f"Sobre {place} de {len(parts)}, que solo ven: {names}",
            f"Envelope {place} of {len(parts)}, seen only by: {names}",
        )


async def _send(
    session: Session, agency: Agency, parts: Sequence[Prepared], mark: str, wanted: Wanted
) -> int:
    if wanted.queue:
        parts = [msgspec.structs.replace(each, as_of_ms=world.clock_ms()) for each in parts]
    tell = teller(session, "Adjunto", "Attachment")
    named = wanted.officer or on_watch.of(session.context())
    standing = await agency.separating.post(parts, mark, tell, named)
    act = agency.separating.under(mark)
    return _tell(session, agency, act, standing)


def _tell(
    session: Session, agency: Agency, act: Act | None, standing: Sequence[Standing]
) -> int:
    """Say how each envelope stands; return the exit code: the worst of them."""
    states = {each.state for each in standing}
    if act is not None and states <= {"sent", "refused", "over"}:
        # The poster knows what became of each: the same draft is new from now on.
        agency.separating.forget(act)
    rows = [_row(each) for each in standing]
    if session.as_json:
        identity = act.id if act is not None else None
        output.show_json({"sent": states == {"sent"}, "act": identity, "envelopes": rows})
    else:
        output.table([_shown(row, session) for row in rows], _HEADS[session.lang])
    if "refused" in states or "over" in states:
        return output.EXIT_REFUSED
    return output.EXIT_AWAY if states & {"waits", "asked"} else 0


def _row(each: Standing) -> dict[str, Any]:
    why = output.problem(each.why.error()) if each.why else None
    return {
        "id": each.id,
        "to": each.to,
        "state": each.state,
        "index": each.index,
        "node": each.node or None,
        "why": why,
    }


def _shown(row: dict[str, Any], session: Session) -> dict[str, Any]:
    why = row["why"][session.lang]["what"] if row["why"] else ""
    return {
        **row,
        "index": "" if row["index"] is None else row["index"],
        "state": _STATES[session.lang][row["state"]],
        "to": ", ".join(row["to"]),
        "told": why,
    }
