"""Rows of an inbox that are no bulletins and no acknowledgements: grants, releases, notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchange import render
from exchange.cli import world
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
from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from exchange.cli.main import Session
    from exchange.model.objects import Consent, Notice, Request

_STEPS = {
    "asked": ("Pide que se autorice su salida", "Asks to be released"),
    "declined": ("Se rechazó autorizar su salida", "Its release was declined"),
    "withdrawn": ("Su autor retiró el borrador", "Its author withdrew the draft"),
}


def row(item: News, session: Session, taken: str) -> dict[str, Any]:
    """Return what is shown of one piece of news; ``taken`` is its time as it is shown."""
    common = {
        "index": item.index,
        "position": item.position,
        "taken": taken,
        "precedence": "",
        "state": "",
    }
    spanish = session.lang == "es"
    told: dict[str, Any]
    match item:
        case Granted(grant=grant):
            to = grant.to
            told = {
                "kind": "grant",
                "type": "grant",
                "origin": grant.endpoint,
                "title": f"Concedido a {to}" if spanish else f"Granted to {to}",
                "to": to,
                "id": grant.of.id,
            }
        case Released(release=release):
            by = f" ({release.officer})" if release.officer else ""
            told = {
                "kind": "release",
                "type": "release",
                "origin": release.endpoint,
                "title": f"Salida autorizada{by}" if spanish else f"Released{by}",
                "id": release.of.id,
            }
        case Drafted(draft=draft):
            by = f" ({draft.officer})" if draft.officer else ""
            return {
                **common,
                "kind": "draft",
                "type": "draft",
                "origin": draft.endpoint,
                "title": f"{_STEPS[draft.step][0 if spanish else 1]}{by}",
                "step": draft.step,
                "id": draft.id,
            }
        case Confirmed(confirmation=confirmation):
            told = {
                "kind": "confirmation",
                "type": "confirm",
                "origin": confirmation.endpoint,
                "title": "Confirmado: sigue vigente"
                if spanish
                else "Confirmed: it still holds",
                "id": confirmation.of.id,
            }
        case Consented(consent=consent):
            told = {
                "kind": "consent",
                "type": "consent",
                "origin": consent.endpoint,
                "title": _consented(consent, session),
                "by": consent.by,
                "to": consent.to,
                "until": None if consent.until is None else zulu(consent.until),
                "id": consent.of.id,
            }
        case Requested(request=request):
            told = {
                "kind": "request",
                "type": "request",
                "origin": request.endpoint,
                "title": _requested(request, session),
                "step": request.step,
                "reason": request.reason,
                "id": request.of.id if request.of else request.id,
            }
        case PurgeOrdered(of=of, cause=cause, rule=rule):
            why = world.codes().words("purge-causes", cause, session.lang)
            named = f"{why} ({rule})" if rule else why
            told = {
                "kind": "purge",
                "type": "purge",
                "origin": "",
                "title": (
                    f"Se ordenó purgar el asiento {of}: {named}"
                    if spanish
                    else f"Entry {of} was ordered to be purged: {named}"
                ),
                "of": of,
                "cause": cause,
                "rule": rule,
                "id": "",
            }
        case Noticed(notice=notice):
            told = {
                "kind": "notice",
                "type": "notice",
                "origin": notice.node,
                "title": _told(notice, session),
                "about": notice.about,
                "code": notice.code,
                "id": notice.of.id,
            }
    return {**common, **told}


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
    if notice.code and notice.about == "refused":
        said.append(_reason(notice.code, session))
    elif notice.code:
        said.append(notice.code)
    return ": ".join(said)


def _reason(code: str, session: Session) -> str:
    """Return the words of a refusal; a code that only a newer node knows is shown as it is."""
    try:
        known = Refusal(Code(code))
    except ValueError:
        return code
    return render.refusal(known, session.lang, world.codes()).what
