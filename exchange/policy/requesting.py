"""Who may ask for a grant, whom, and who may answer. Nothing is granted by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.policy import choices, rules
from exchange.policy.book import book

if TYPE_CHECKING:
    from exchange.model.objects import Request
    from exchange.model.view import Standing, View


def may_ask(request: Request, view: View) -> None:
    """Hold a request to what its asker may read, and to one who posts it.

    Whether there is anything to grant is not looked at: nobody learns by asking.

    Raises:
        Refusal: as ``choices.decide``, at ``/feed``; ``unknown-recipient``,
            ``endpoint-suspended`` or ``may-not-post`` at ``/to``.
    """
    feed = request.feed or ""
    try:
        choices.decide(request.endpoint, [feed], view)
    except Refusal as refusal:
        at = "/feed" if refusal.at == "/feeds/0" else refusal.at
        raise Refusal(refusal.code, at, **refusal.facts) from None
    asked = rules.known_recipient(request.to, view, "/to")
    is_poster = "poster" in asked.endpoint.roles
    if not is_poster or asked.member.member not in book(view).feeds[feed].post:
        raise Refusal(Code.MAY_NOT_POST, "/to", name=feed)


def may_answer(standing: Standing) -> None:
    """Hold an answer to an endpoint that posts for its member.

    Raises:
        Refusal: ``missing-role``.
    """
    if "poster" not in standing.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, "/endpoint", name="poster")
