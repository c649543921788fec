"""Rows of an inbox that are no bulletins and no acknowledgements: grants, releases, notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import UNSET

from exchange.cli import abroad, world
from exchange.cli.times import zulu
from exchange.client.reading import (
    Confirmed,
    Consented,
    Drafted,
    Granted,
    News,
    Noticed,
    PurgeOrdered,
    Released,
    Requested,
)
from exchange.model.objects import OF_RECIPIENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.cli.main import Session
    from exchange.model.objects import Consent, Notice, Request

_STEPS = {
    "asked": ("Pide que se autorice su salida", "Asks to be released"),
    "declined": ("Se rechazó autorizar su salida", "Its release was declined"),
    "withdrawn": ("Su autor retiró el borrador", "Its author withdrew the draft"),
}


class _Piece(NamedTuple):
    """What is said of one piece: its kind, who says it, in words, about which id; and more."""

    kind: str
    origin: str
    title: str
    id: str
    more: Mapping[str, Any] = {}


def row(item: News, session: Session, taken: str) -> dict[str, Any]:
    """Return what is shown of one piece of news; ``taken`` is its time as it is shown."""
    found = _piece(item, session)
    return {
        "index": item.index,
        "position": item.position,
        "taken": taken,
        "precedence": "",
        "state": "",
        "kind": found.kind,
        # The column is narrow.
        "type": "confirm" if found.kind == "confirmation" else found.kind,
        "origin": found.origin,
        "title": found.title,
        "id": found.id,
        **found.more,
    }


def _piece(item: News, session: Session) -> _Piece:
    def say(spanish: str, english: str) -> str:
        return spanish if session.lang == "es" else english

    found: _Piece
    match item:
        case Granted(grant=grant):
            title = say(f"Concedido a {grant.to}", f"Granted to {grant.to}")
            found = _Piece("grant", grant.endpoint, title, grant.of.id, {"to": grant.to})
        case Released(release=release):
            title = say("Salida autorizada", "Released") + _by(release.officer)
            found = _Piece("release", release.endpoint, title, release.of.id)
        case Drafted(draft=draft):
            title = say(*_STEPS[draft.step]) + _by(draft.officer)
            found = _Piece("draft", draft.endpoint, title, draft.id, {"step": draft.step})
        case Confirmed(confirmation=made):
            title = say("Confirmado: sigue vigente", "Confirmed: it still holds")
            found = _Piece("confirmation", made.endpoint, title, made.of.id)
        case Consented(consent=consent):
            until = None if consent.until is None else zulu(consent.until)
            more = {"by": consent.by, "to": consent.to, "until": until}
            title = _consented(consent, session)
            found = _Piece("consent", consent.endpoint, title, consent.of.id, more)
        case Requested(request=request):
            about = request.of.id if request.of else request.id
            title = _requested(request, session)
            asked = {"step": request.step, "reason": request.reason}
            found = _Piece("request", request.endpoint, title, about, asked)
        case PurgeOrdered(of=of, cause=cause, rule=rule):
            why = world.codes().words("purge-causes", cause, session.lang)
            named = f"{why} ({rule})" if rule else why
            title = say(
                f"Se ordenó purgar el asiento {of}: {named}",
                f"Entry {of} was ordered to be purged: {named}",
            )
            found = _Piece("purge", "", title, "", {"of": of, "cause": cause, "rule": rule})
        case Noticed(notice=notice):
            code = {"about": notice.about, "code": notice.code}
            found = _Piece("notice", notice.node, _told(notice, session), notice.of.id, code)
    return found


def _by(officer: str | None) -> str:
    return f" ({officer})" if officer else ""


def _consented(consent: Consent, session: Session) -> str:
    spanish, passed = session.lang == "es", f"{consent.by} > {consent.to}"
    if consent.until is None:
        return (
            f"Consentimiento RETIRADO: {passed}" if spanish else f"Consent WITHDRAWN: {passed}"
        )
    until = zulu(consent.until)
    return (
        f"Consiente en la entrega {passed}, hasta {until}"
        if spanish
        else f"Consents that it is passed on, {passed}, until {until}"
    )


def _requested(request: Request, session: Session) -> str:
    codes, spanish = world.codes(), session.lang == "es"
    if request.step == "asked":
        asks = f"Solicita {request.feed}" if spanish else f"Asks for {request.feed}"
        said = f"{asks} ({zulu(request.since or 0)})"
        return f"{said}: {request.bulletin}" if request.bulletin else said
    said = codes.words("request-states", request.step, session.lang)
    if request.reason:
        said += f": {codes.words('decline-reasons', request.reason, session.lang)}"
    return f"Solicitud: {said}" if spanish else f"Request: {said}"


def _told(notice: Notice, session: Session) -> str:
    said = [world.codes().words("news", notice.about, session.lang)]
    if notice.recipient:
        said.append(notice.recipient)
    if notice.code and notice.about in OF_RECIPIENT:
        said.append(abroad.reason(notice.code, session))
    elif notice.code:
        said.append(notice.code)
    if notice.clock is not UNSET:
        until = zulu(notice.clock.due)
        said.append(f"hasta {until}" if session.lang == "es" else f"until {until}")
    return ": ".join(said)
