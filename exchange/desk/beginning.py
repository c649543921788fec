"""How a draft begins: empty, as a reply to what came, or about what was sent from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exchange.client import story
from exchange.client.reading import Delivered
from exchange.desk import addressing, composing
from exchange.errors import Code, Refusal
from exchange.model.bulletin import Rfi
from exchange.model.bulletin import shape as shapes
from exchange.model.bulletin.kinds import TYPES
from exchange.web import frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.desk.station import Station
    from exchange.model.header import Header

# What answers a bulletin, where the language has an answer of its own.
REPLIES: Final = {"rfi": "rpy", "brq": "brp"}
_TARGET: Final = "/content/target"
_ACKNOWLEDGEMENT: Final = "/content/acknowledgement"


def reply_type(station: Station, index: str) -> str:
    """Return the type that answers what came under an entry; empty: its author chooses.

    Raises:
        Refusal: ``not-found``.
    """
    return REPLIES.get(_came(station, index).header.type, "")


def written(station: Station, code: str, asked: Mapping[str, str]) -> dict[str, list[str]]:
    """Return what stands in a fresh form.

    Args:
        station: whose draft it is.
        code: its type.
        asked: ``reply``, the entry of what is answered; or ``correct`` or ``cancel``, the id of
            a bulletin that was sent from here.

    Raises:
        Refusal: ``not-found``; or as ``addressing.defaults``.
    """
    if code not in TYPES:
        raise Refusal(Code.NOT_FOUND, found=code)
    view, endpoint = station.agency.trust.newest, station.agency.profile.endpoint
    begun = addressing.defaults(code, view, endpoint) | _only_answers(code)
    if "reply" in asked:
        item = _came(station, asked["reply"])
        to = {view.standing(endpoint).alpha3, view.standing(item.header.endpoint).alpha3}
        post = {"to": [item.header.endpoint], "marking": {"releasable_to": sorted(to)}}
        begun |= _like(item.header) | composing.texts_of(post, addressing.AT)
        begun |= _about(code, item.header, item.digest) | _answers(code, item)
    for name in ("correct", "cancel"):
        if name in asked:
            sent = story.posted(station.agency.world.outbox, asked[name])
            if sent is None:
                raise Refusal(Code.NOT_FOUND, found=asked[name])
            marking = {"releasable_to": sent.header.marking.releasable_to}
            post = {"feed": sent.header.feed, "to": sent.header.to, "marking": marking}
            begun |= _like(sent.header) | composing.texts_of(post, addressing.AT)
            begun |= _about(code, sent.header, sent.digest)
    return begun


def _only_answers(code: str) -> dict[str, list[str]]:
    """Return what has one answer alone, and must have it: nobody is asked for that."""
    form = shapes.at(shapes.of(code), _ACKNOWLEDGEMENT)
    if form is None or not form.codes:
        return {}
    return {f"{composing.BULLETIN}{_ACKNOWLEDGEMENT}": ["compulsory"]}


def _came(station: Station, index: str) -> Delivered:
    entry = frame.number(index)
    row = None if entry is None else station.shelf.row(entry)
    if row is None or not isinstance(row.item, Delivered):
        raise Refusal(Code.NOT_FOUND, found=index)
    return row.item


def _like(header: Header) -> dict[str, list[str]]:
    """Return the posting of an answer: as urgent and as closely held as what it is about."""
    marking = {
        "tlp": header.marking.tlp,
        "handling": list(header.marking.handling),
        "originator_control": header.marking.originator_control,
    }
    post = {"precedence": header.precedence, "status": header.status, "marking": marking}
    return composing.texts_of(post, addressing.AT)


def _about(code: str, header: Header, header_digest: str) -> dict[str, list[str]]:
    if shapes.at(shapes.of(code), _TARGET) is None:
        return {}
    target = {
        "id": header.id,
        "origin": header.origin,
        "type": header.type,
        "header_digest": header_digest,
    }
    return composing.texts_of(target, f"{composing.BULLETIN}{_TARGET}")


def _answers(code: str, item: Delivered) -> dict[str, list[str]]:
    """Return a row for each question, with its number."""
    if code != "rpy" or not isinstance(item.bulletin, Rfi):
        return {}
    rows: list[dict[str, Any]] = [{"n": each.n} for each in item.bulletin.content.questions]
    return composing.texts_of(rows, f"{composing.BULLETIN}/content/answers")
