"""What an inbox tells besides bulletins, in words: grants, releases, notices and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import UNSET

from exchange import render
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
from exchange.render.times import zulu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.model.codes import Codes, Lang
    from exchange.model.objects import Consent, Notice, Request

_STEPS: Final = {
    "asked": ("Pide que se autorice su salida", "Asks to be released"),
    "declined": ("Se rechazó autorizar su salida", "Its release was declined"),
    "withdrawn": ("Su autor retiró el borrador", "Its author withdrew the draft"),
}


class Piece(NamedTuple):
    """What is said of one piece: its kind, who says it, in words, about which id; and more."""

    kind: str
    origin: str
    title: str
    id: str
    more: Mapping[str, Any] = {}


def piece(item: News, lang: Lang, codes: Codes) -> Piece:
    """Return one piece of news in the reader's language; ``more`` is what programs are told."""

    def say(spanish: str, english: str) -> str:
        return spanish if lang == "es" else english

    found: Piece
    match item:
        case Granted(grant=grant):
            title = say(f"Concedido a {grant.to}", f"Granted to {grant.to}")
            found = Piece("grant", grant.endpoint, title, grant.of.id, {"to": grant.to})
        case Released(release=release):
            title = say("Salida autorizada", "Released") + _by(release.officer)
            found = Piece("release", release.endpoint, title, release.of.id)
        case Drafted(draft=draft):
            title = say(*_STEPS[draft.step]) + _by(draft.officer)
            found = Piece("draft", draft.endpoint, title, draft.id, {"step": draft.step})
        case Confirmed(confirmation=made):
            title = say("Confirmado: sigue vigente", "Confirmed: it still holds")
            found = Piece("confirmation", made.endpoint, title, made.of.id)
        case Consented(consent=consent):
            until = None if consent.until is None else zulu(consent.until)
            more = {"by": consent.by, "to": consent.to, "until": until}
            title = _consented(consent, lang)
            found = Piece("consent", consent.endpoint, title, consent.of.id, more)
        case Requested(request=request):
            about = request.of.id if request.of else request.id
            title = _requested(request, lang, codes)
            asked = {"step": request.step, "reason": request.reason}
            found = Piece("request", request.endpoint, title, about, asked)
        case PurgeOrdered(of=of, cause=cause, rule=rule):
            why = codes.words("purge-causes", cause, lang)
            named = f"{why} ({rule})" if rule else why
            title = say(
                f"Se ordenó purgar el asiento {of}: {named}",
                f"Entry {of} was ordered to be purged: {named}",
            )
            found = Piece("purge", "", title, "", {"of": of, "cause": cause, "rule": rule})
        case Noticed(notice=notice):
            code = {"about": notice.about, "code": notice.code}
            title = _told(notice, lang, codes)
            found = Piece("notice", notice.node, title, notice.of.id, code)
    return found


def _by(officer: str | None) -> str:
    return f" ({officer})" if officer else ""


def _consented(consent: Consent, lang: Lang) -> str:
    spanish, passed = lang == "es", f"{consent.by} > {consent.to}"
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


def _requested(request: Request, lang: Lang, codes: Codes) -> str:
    spanish = lang == "es"
    if request.step == "asked":
        asks = f"Solicita {request.feed}" if spanish else f"Asks for {request.feed}"
        said = f"{asks} ({zulu(request.since or 0)})"
        return f"{said}: {request.bulletin}" if request.bulletin else said
    said = codes.words("request-states", request.step, lang)
    if request.reason:
        said += f": {codes.words('decline-reasons', request.reason, lang)}"
    return f"Solicitud: {said}" if spanish else f"Request: {said}"


def _told(notice: Notice, lang: Lang, codes: Codes) -> str:
    said = [codes.words("news", notice.about, lang)]
    if notice.recipient:
        said.append(notice.recipient)
    if notice.code and notice.about in OF_RECIPIENT:
        said.append(render.reason(notice.code, lang, codes))
    elif notice.code:
        said.append(notice.code)
    if notice.clock is not UNSET:
        until = zulu(notice.clock.due)
        said.append(f"hasta {until}" if lang == "es" else f"until {until}")
    return ": ".join(said)
