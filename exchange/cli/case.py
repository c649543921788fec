"""The verb ``case``: a boarding request, its clock, and what became of it; also as evidence."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from exchange.cli import away, case_told, case_values, options, output, urging, world
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.client import cases, documenting, dossier
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from exchange.client.cases import BoardingCase
    from exchange.client.dossier import Checked
    from exchange.client.witnessing import Vouched

_HEADS = {
    "en": {"index": "entry", "from": "from", "to": "to", "precedence": "precedence",
           "due": "until", "state": "state", "id": "id"},
    "es": {"index": "asiento", "from": "de", "to": "para", "precedence": "precedencia",
           "due": "hasta", "state": "estado", "id": "id"},
}  # fmt: skip
_FILE = click.Path(path_type=Path, dir_okay=False)


class _Looked(NamedTuple):
    cases: list[BoardingCase]
    node: str
    now: int
    as_of: dict[str, Any]
    made: bytes = b""


@click.command()
@click.argument("identity", metavar="[ID|ENTRY]", required=False)
@click.option(
    "--export", "out", type=_FILE, metavar="FILE", help="Write it as evidence to a new file."
)
@click.option(
    "--with-content", is_flag=True, help="With what the bulletins say; else that is left out."
)
@click.option(
    "--check",
    "given",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Check such a file, offline; needs --anchor.",
)
@options.anchor()
@verb
def case(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    identity: str | None,
    *,
    out: Path | None,
    with_content: bool,
    given: Path | None,
    anchor: str | None,
) -> None:
    """Show a boarding case: its clock, what is open and who owes it, and what happened.

    ID is that of the request, of a reply or of a result. Without one: list the cases.
    """
    if given is not None:
        if anchor is None or identity is not None or out is not None or with_content:
            raise Unusable(
                "--check FILE va con --anchor, y con nada más.",
                "--check FILE goes with --anchor, and with nothing else.",
            )
        _check(session, given, anchor)
        return
    if anchor is not None or ((out is not None or with_content) and identity is None):
        raise Unusable(
            "--export y --with-content van con un ID; --anchor, con --check FILE.",
            "--export and --with-content go with an ID; --anchor with --check FILE.",
        )
    if with_content and out is None:
        raise Unusable("--with-content va con --export.", "--with-content goes with --export.")
    if out is not None:
        output.must_be_new(out)
    looked = asyncio.run(_look(session, identity, out, with_content=with_content))
    if identity is None:
        _list(session, looked)
    elif out is not None:
        _exported(session, looked, out, with_content=with_content)
    else:
        (found,) = looked.cases
        if session.as_json:
            told = case_values.values(found, looked.node, looked.now)
            output.show_json({**told, **looked.as_of})
        else:
            case_told.show(session, found, looked.node, looked.now)
    away.conclude(looked.as_of, session)


async def _look(
    session: Session, identity: str | None, out: Path | None, *, with_content: bool
) -> _Looked:
    async with session.context().agency() as agency:
        shown = await agency.known()
        held = urging.held(agency, shown.items, texts=True)
        found, node, as_of = cases.cases(held), agency.profile.node, away.told(agency, shown)
        if identity is not None:
            one = cases.named(found, identity)
            if one is None:
                raise Refusal(Code.NOT_FOUND, "/case", id=identity)
            found = [one]
        if out is None:
            return _Looked(found, node, held.now, as_of)
        if shown.away is not None:
            # What is held proves nothing of what there is by now: the node must be there.
            raise shown.away
        session.say(
            "Reuniendo pruebas; lo más nuevo espera el próximo punto de control…",
            "Gathering proofs; what is newest waits for the next checkpoint…",
        )
        made = await documenting.document(
            agency, found[0], shown.items, with_content=with_content
        )
        return _Looked(found, node, held.now, as_of, made)


def _list(session: Session, looked: _Looked) -> None:
    if session.as_json:
        rows = [case_values.values(each, looked.node, looked.now) for each in looked.cases]
        output.show_json({"cases": rows, **looked.as_of})
        return
    if not looked.cases:
        session.say("No hay casos de abordaje.", "There are no boarding cases.")
    rows = [_row(session, each, looked.now) for each in looked.cases]
    output.table(rows, _HEADS[session.lang])


def _row(session: Session, each: BoardingCase, now: int) -> dict[str, Any]:
    header, codes = each.request.header, world.codes()
    due = each.case.due or header.due
    return {
        "index": "" if each.request.index is None else each.request.index,
        "from": header.endpoint,
        "to": ", ".join(each.asked),
        "precedence": codes.words("precedence", header.precedence, session.lang),
        "due": "" if due is None else zulu(due),
        "state": case_told.headline(session, each, now).partition("\n")[0],
        "id": header.id,
    }


def _exported(session: Session, looked: _Looked, out: Path, *, with_content: bool) -> None:
    (found,) = looked.cases
    output.write_new(out, looked.made)
    told = {"file": str(out), "bytes": len(looked.made), "with_content": with_content}
    if session.as_json:
        values = case_values.values(found, looked.node, looked.now)
        output.show_json({**told, "case": values})
        return
    session.say(
        f"Evidencia en {out} ({len(looked.made)} bytes), comprobada aquí.",
        f"Evidence in {out} ({len(looked.made)} bytes), checked here.",
    )
    if with_content:
        session.say(
            "¡Atención! Lleva lo que dicen los boletines, legible para quien tenga el archivo.",
            "Note! It holds what the bulletins say, readable by whoever has the file.",
        )
    else:
        session.say(
            "Lo sellado queda sellado: solo van los encabezados. (--with-content)",
            "What is sealed stays sealed: only headers are in it. (--with-content)",
        )
    session.say(
        f"Cualquiera la comprueba: exchange case --check {out} --anchor ANCLA",
        f"Anybody checks it: exchange case --check {out} --anchor ANCHOR",
    )


def _check(session: Session, given: Path, anchor: str) -> None:
    """Check a file of evidence; one that does not hold ends the command with 5."""
    with given.open("rb") as file:
        raw = file.read(dossier.MAX_BYTES + 1)
    if not dossier.looks_like_one(raw):
        raise Fault(Code.OTHER_FILE, name=str(given))
    try:
        checked = dossier.check(raw, anchor, world.codes())
    except Refusal as refusal:
        if session.as_json:
            output.show_json({"ok": False, "error": output.problem(refusal)})
        else:
            where = f"{refusal.code.value} {refusal.at}".strip()
            click.echo(
                f"NO VALE como evidencia: {where}"
                if session.lang == "es"
                else f"DOES NOT HOLD as evidence: {where}",
                err=True,
            )
        sys.exit(output.EXIT_TAMPERED)
    seal, found = checked.seal, checked.case
    node = checked.node
    if session.as_json:
        told = case_values.values(found, node, seal.at)
        output.show_json({"ok": True, **_proofs(checked), "case": told})
        return
    case_told.show(session, found, node, seal.at)
    _vouch(session, checked)


def _proofs(checked: Checked) -> dict[str, Any]:
    seal, own = checked.seal, checked.own
    return {
        "made_by": seal.endpoint,
        "at": zulu(seal.at),
        "node": checked.node,
        "witnessed": None if own is None else {"by": own.by, "at": zulu(own.at)},
        "abroad": {
            node: {
                "as_of": zulu(as_of),
                "witnessed": None if by is None else {"by": by.by, "at": zulu(by.at)},
            }
            for node, (by, as_of) in checked.abroad.items()
        },
        "hidden": checked.hidden,
        "texts": checked.texts,
    }


def _vouch(session: Session, checked: Checked) -> None:
    seal, found, ours = checked.seal, checked.case, checked.node
    session.say(
        f"\nVALE: hecho por {seal.endpoint}, {zulu(seal.at)}. Todo está firmado, y en su lugar "
        f"bajo lo que firmó el nodo {ours}.",
        f"\nHOLDS: made by {seal.endpoint}, {zulu(seal.at)}. All is signed, and in its place "
        f"under what node {ours} signed.",
    )
    _witnessed(session, ours, checked.own)
    for node, (by, as_of) in checked.abroad.items():
        until = zulu(as_of)
        session.say(
            f"Lo que vino del nodo {node} está en su lugar bajo lo que ese firmó ({until}).",
            f"What came from node {node} is in its place under what that signed ({until}).",
        )
        _witnessed(session, node, by)
    if found.node not in {ours, *checked.abroad}:
        session.say(
            f"Del nodo {found.node} no hay prueba propia en el archivo.",
            f"There is no proof of node {found.node}'s own in the file.",
        )
    _hidden(session, checked)


def _witnessed(session: Session, node: str, by: Vouched | None) -> None:
    if by is None:
        session.say(
            f"  El diario del nodo {node}: sin quórum de testigos.",
            f"  Node {node}'s journal: no quorum of witnesses.",
        )
        return
    who = ", ".join(by.by)
    session.say(
        f"  El diario del nodo {node}: atestiguado por {who}, {zulu(by.at)}.",
        f"  Node {node}'s journal: witnessed by {who}, {zulu(by.at)}.",
    )


def _hidden(session: Session, checked: Checked) -> None:
    """Say whether something is left out, as far as that shows; it never does of one's own."""
    endpoint, count = checked.seal.endpoint, checked.hidden
    if count is None:
        session.say(
            "Lo hizo la parte a la que se pidió: si respondió otra cosa además, no consta.",
            "It was made by the side that was asked: whether that replied anything else, "
            "this file does not show.",
        )
    elif count:
        session.say(
            f"De {count} asientos dirigidos a {endpoint} desde entonces consta solo la "
            "huella: que ninguno sea una respuesta lo dicen quien hizo el archivo y su nodo.",
            f"Of {count} entries addressed to {endpoint} since then only the hash is here: "
            "that none of them is a reply is the word of who made the file, and of its node.",
        )
    else:
        session.say(
            f"Nada de lo dirigido a {endpoint} desde entonces, hasta ahí, falta aquí.",
            f"Nothing addressed to {endpoint} since then, up to there, is left out of it.",
        )
    session.say(
        f"De lo que publicó {endpoint} mismo puede faltar: una cancelación o actualización de "
        "quien hizo el archivo no se ve si la omitió. Pregunte a la otra parte, o al auditor.",
        f"Of what {endpoint} itself posted, some may be left out: a cancellation or an update "
        "by whoever made the file does not show where they left it out. Ask the other side, or "
        "an auditor.",
    )
