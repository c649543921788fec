"""Trust documents at the door: who may bring one, and whether it may take effect next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Refusal
from exchange.journal import quorum
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.model.objects import Subscription
from exchange.model.trust import Arrangement
from exchange.policy import choices
from exchange.policy.book import must_cohere
from exchange.seal import trust

if TYPE_CHECKING:
    from exchange.broker.intake import Arrival
    from exchange.model.view import Change, View


class Established(NamedTuple):
    """A trust document that may take effect next."""

    change: Change
    blob: Blob


def metadata(arrival: Arrival, view: View, now: int) -> Established:
    """Return what metadata brings that its caller may bring.

    Raises:
        Refusal: ``missing-role``; or as ``trust_document``.
    """
    # The node's own operator brings the first documents, before there is any endpoint. The role
    # is asked first: judging a large document is work that not everybody may cause.
    is_operator = (
        not arrival.caller or "operator" in view.standing(arrival.caller).endpoint.roles
    )
    if not is_operator:
        raise Refusal(Code.MISSING_ROLE, "", name="operator")
    return trust_document(arrival.raw, view, now)


def subscription(arrival: Arrival, view: View, now: int) -> Established:
    """Return an endpoint's own choice of feeds.

    Raises:
        Refusal: ``not-yours``; or as ``trust_document``.
    """
    established = trust_document(arrival.raw, view, now)
    endpoint = established.change.name.removeprefix("subscriptions/")
    if endpoint != arrival.caller:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=endpoint)
    return established


def trust_document(
    raw: bytes, view: View, now: int, *, is_recorded: bool = False
) -> Established:
    """Return a trust document that may take effect next; see ``seal.trust.judge``.

    Raises:
        Refusal: as there; or an arrangement names what it does not hold, or its witnesses are
            not spelled as they must be; or a choice is beyond what its endpoint may read.
    """
    change = trust.judge(raw, view, now, is_recorded=is_recorded)
    for place, document in enumerate(change.documents):
        if isinstance(document, Arrangement):
            _must_cohere(document, f"/files/{place}")
        if isinstance(document, Subscription):
            choices.decide(document.endpoint, document.feeds, view)
    return Established(change, Blob(digest(raw), len(raw)))


def _must_cohere(arrangement: Arrangement, at: str) -> None:
    try:
        must_cohere(arrangement)
        quorum.of(arrangement)
    except Refusal as refusal:
        raise Refusal(refusal.code, f"{at}{refusal.at}", **refusal.facts) from None
