"""A boarding case in words: how it stands first, then what is open, then what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from exchange import render
from exchange.cli import abroad, ageing, world
from exchange.cli.case_values import proof, steps
from exchange.cli.times import zulu, zulu_ms
from exchange.model.bulletin import Brp, Brr
from exchange.model.objects import OF_RECIPIENT

if TYPE_CHECKING:
    from exchange.cli.case_values import Step
    from exchange.cli.main import Session
    from exchange.client.cases import BoardingCase, Owes, Piece
    from exchange.client.reading import Noticed

# Spanish and English.
_Said = tuple[str, str]

SILENCE: Final[dict[str, _Said]] = {
    "express": ("nada: hace falta una respuesta expresa", "nothing: a reply is needed"),
    "advance-standing": (
        "no se espera respuesta: se consintió de antemano",
        "no reply is awaited: consent was given in advance",
    ),
    "deemed-consent": ("consentimiento", "consent"),
    "deemed-refusal": ("negativa", "refusal"),
}
_OWES: Final[dict[str, _Said]] = {
    "reply": ("la respuesta", "the reply"),
    "shown": (
        "mostrar que recibió la solicitud",
        "to show that it took the request in",
    ),
    "acknowledgement": (
        "un acuse, o la respuesta: lo primero mostrará que la solicitud llegó",
        "an acknowledgement, or the reply: either shows that the request came",
    ),
    "checkpoint": (
        "un punto de control posterior al plazo, y todo lo debido hasta él",
        "a checkpoint dated after the time, and all that is owed up to it",
    ),
    "ask-again": (
        "pedir otra vez: la solicitud fue rechazada allá",
        "to ask again: the request was refused there",
    ),
    "result": ("el resultado del abordaje (BRR)", "the result of the boarding (BRR)"),
}
_DOUBTS: Final[dict[str, _Said]] = {
    "not-agreed": ("no es lo que se acordó aquí", "it is not what was agreed here"),
    "not-its-own": (
        "no le toca a ese nodo decirlo, o no concuerda con lo dicho antes",
        "it is not that node's to say, or not what was said before",
    ),
    "not-proved": (
        "su punto de control no prueba el silencio",
        "its checkpoint does not prove silence",
    ),
}
_STEPS: Final[dict[str, _Said]] = {
    "asked": ("Solicitud de {who}", "Request by {who}"),
    "received": ("Recibido por el nodo {who}", "Taken in by node {who}"),
    "replied": ("Respuesta de {who}", "Reply by {who}"),
    "reported": ("Resultado, de {who}", "Result, by {who}"),
    "cancel": ("Retirado por {who}", "Withdrawn by {who}"),
    "update": ("Reemplazado por {who}", "Replaced by {who}"),
    "correct": ("Corregido por {who}", "Corrected by {who}"),
}


def show(session: Session, case: BoardingCase, node: str, now: int) -> None:
    """Print a case: first how it stands, then what is open, then what happened."""
    header = case.request.header
    codes, lang = world.codes(), session.lang
    status = "" if header.status == "actual" else codes.words("status", header.status, lang)
    click.echo(f"BRQ {header.id}  {status}".rstrip())
    to = ", ".join(case.asked)
    session.say(f"Pide {header.endpoint} a {to}", f"{header.endpoint} asks {to}")
    click.echo(f"\n{headline(session, case, now)}\n")
    _agreed(session, case)
    _open(session, case, now)
    for each in case.replies:
        _show_reply(session, each)
    for each in case.results:
        _show_result(session, each)
    session.say("\nLo ocurrido:", "\nWhat happened:")
    for step in steps(case, node):
        _line(session, step)


def headline(session: Session, case: BoardingCase, now: int) -> str:
    """Return how a case stands in a line or two, as it is said at three in the morning."""
    codes, lang, spanish = world.codes(), session.lang, session.lang == "es"
    stands, due = case.case, case.case.due
    said = codes.words("case-states", stands.state, lang)
    if stands.state in ("open", "reminded") and due is not None:
        left = ageing.span(max(due - now, 0), lang)
        said += f". {'Quedan' if spanish else 'Time left:'} {left} ({zulu(due)})"
    if stands.state in ("undetermined", "overdue") and due is not None:
        late = ageing.span(max(now - due, 0), lang)
        since = f"desde {zulu(due)} ({late})" if spanish else f"since {zulu(due)} ({late})"
        said += f" {since}"
    if stands.reason is not None:
        said += f".\n  {codes.words('case-reasons', stands.reason, lang)}"
    if stands.basis is not None:
        was = codes.words("case-states", stands.basis, lang)
        said += f".\n  {'Antes' if spanish else 'Before'}: {was}"
    if stands.is_late:
        said += ".\n  " + (
            "Una respuesta llegó vencido el plazo." if spanish else "A reply came too late."
        )
    if case.proof is not None and case.proof.notice.about == "deemed":
        said += f".\n  {_proved(session, case.proof)}"
    return said


def _proved(session: Session, item: Noticed) -> str:
    told = proof(item)
    point, by, index = told["checkpoint"], told["by"], told["index"]
    size, node, dated = point["size"], point["node"], point["dated"]
    if session.lang == "es":
        return (
            f"Lo dice el nodo {by} (asiento {index}), por el punto de control de {size} "
            f"asientos del nodo {node}, fechado {dated}; esta máquina lo verificó."
        )
    return (
        f"Node {by} says so (entry {index}), by node {node}'s checkpoint of {size} entries, "
        f"dated {dated}; verified by this machine."
    )


def _agreed(session: Session, case: BoardingCase) -> None:
    regime, terms, header = case.request.header.regime, case.terms, case.request.header
    spanish, english = SILENCE[terms.silence]
    if terms.minutes is None:
        session.say(
            f"Acordado ({regime}): ningún plazo; callar no significa nada.",
            f"Agreed ({regime}): no time; silence means nothing.",
        )
    else:
        session.say(
            f"Acordado ({regime}): {terms.minutes} min desde que lo recibe el nodo "
            f"{case.node}; callar significa: {spanish}.",
            f"Agreed ({regime}): {terms.minutes} min from when node {case.node} takes it in; "
            f"silence means: {english}.",
        )
    if header.due is not None:
        by = zulu(header.due)
        session.say(f"Quien pide da plazo hasta {by}.", f"Who asks leaves time until {by}.")
    if case.clock is not None:
        taken, due, index = zulu(case.clock.taken), zulu(case.clock.due), case.clock.index
        session.say(
            f"El nodo {case.node} lo recibió {taken} (asiento {index} de allá): "
            f"plazo hasta {due}.",
            f"Node {case.node} took it in {taken} (entry {index} there): time until {due}.",
        )


def _open(session: Session, case: BoardingCase, now: int) -> None:
    owes = case.owes()
    if not owes:
        session.say("Nada queda abierto.", "Nothing is open.")
        return
    session.say("Queda abierto:", "Open:")
    for each in owes:
        click.echo(f"  - {_owed(session, each, now)}")


def _owed(session: Session, each: Owes, now: int) -> str:
    spanish, lang = session.lang == "es", session.lang
    who, what = ", ".join(each.who), _OWES[each.what][not spanish]
    if each.what in ("shown", "checkpoint"):
        who = f"el nodo {who}" if spanish else f"node {who}"
    said = f"{who}: {what}"
    if each.by is None:
        return said
    late_s = now - each.by
    if late_s > 0:
        late = ageing.span(late_s, lang)
        return f"{said}, {'vencido hace' if spanish else 'overdue by'} {late} ({zulu(each.by)})"
    left = ageing.span(-late_s, lang)
    return f"{said}, {'en' if spanish else 'within'} {left} ({zulu(each.by)})"


def _show_reply(session: Session, piece: Piece) -> None:
    if not isinstance(piece.text, Brp):
        session.say(
            f"Respuesta {piece.header.id}: no se puede leer aquí.",
            f"Reply {piece.header.id}: it cannot be read here.",
        )
        return
    said, codes = piece.text.content, world.codes()
    decision = codes.words("boarding-decisions", said.boarding_decision, session.lang)
    actions = ", ".join(
        codes.words("boarding-actions", each, session.lang) for each in said.actions_authorised
    )
    more = f": {actions}" if actions else ""
    session.say(
        f"Respuesta de {piece.header.endpoint}: {decision}{more}",
        f"Reply by {piece.header.endpoint}: {decision}{more}",
    )
    if said.conditions is not None:
        text = render.visible(said.conditions.text)
        session.say(f"  Condiciones: {text}", f"  Conditions: {text}")
    if said.valid_until is not None:
        until = zulu(int(said.valid_until.timestamp()))
        session.say(f"  Válida hasta {until}", f"  Valid until {until}")


def _show_result(session: Session, piece: Piece) -> None:
    if not isinstance(piece.text, Brr):
        return
    said, codes, lang = piece.text.content, world.codes(), session.lang
    basis = codes.words("consent-bases", said.consent_basis, lang)
    end = codes.words("dispositions", said.disposition, lang)
    session.say(f"Resultado: {end}. Base: {basis}", f"Result: {end}. Basis: {basis}")


def _line(session: Session, each: Step) -> None:
    spanish = session.lang == "es"
    at = "                        " if each.at_ms is None else zulu_ms(each.at_ms)
    said = [_said(session, each)]
    if each.entry is None:
        said.append("espera en la bandeja de salida" if spanish else "waits in the outbox")
    else:
        place = f"asiento {each.entry} del nodo {each.node}"
        said.append(place if spanish else f"entry {each.entry} of node {each.node}")
    click.echo(f"  {'?' if each.at_ms is None else '*'} {at}  {', '.join(said)}")
    if each.here_ms is not None:
        here = zulu_ms(each.here_ms)
        session.say(
            f"    {here}  llegó aquí, asiento {each.here_entry}",
            f"    {here}  came here, entry {each.here_entry}",
        )
    if doubt := each.more.get("doubt"):
        words = _DOUBTS[doubt][not spanish]
        session.say(f"    !!! No vale: {words} !!!", f"    !!! Not gone by: {words} !!!")


def _said(session: Session, each: Step) -> str:
    codes, lang, spanish = world.codes(), session.lang, session.lang == "es"
    if each.step in _STEPS:
        said = _STEPS[each.step][not spanish].format(who=each.who)
        if each.more.get("late"):
            said += ", vencido el plazo" if spanish else ", too late"
        return f"{said} [{each.id}]"
    if each.step == "acknowledged":
        outcome = codes.words("ack-outcomes", each.more["outcome"], lang)
        officer = f" ({each.more['officer']})" if each.more["officer"] else ""
        said = f"Acuse de {each.who}{officer}" if spanish else f"{each.who}{officer}"
        return f"{said}: {outcome}"
    said = codes.words("news", each.step, lang)
    if each.more.get("recipient"):
        said += f": {each.more['recipient']}"
    code = each.more.get("code")
    if code and each.step in OF_RECIPIENT:
        said += f": {abroad.reason(code, session)}"
    elif each.step == "deemed" and code:
        said += f" ({codes.words('case-states', code, lang)})"
    clock = each.more.get("clock")
    if clock is not None:
        said += f", {'hasta' if spanish else 'until'} {zulu(clock.due)}"
    return f"{said} ({'lo dice el nodo' if spanish else 'says node'} {each.who})"
