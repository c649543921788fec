"""Which roles open which route: asked of every request, and again of every page and event.

What is posted needs a role of its own besides, by what it is: see ``docs/roles.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from exchange.errors import Code, Refusal
from exchange.model.trust import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.model.view import Standing

# What every endpoint needs that may do anything at all.
ANY: Final[frozenset[Role]] = frozenset(get_args(Role))
_POSTER: Final[frozenset[Role]] = frozenset({"poster"})
# Who is to release something must be able to look at it.
_READERS: Final[frozenset[Role]] = frozenset({"reader", "releaser"})
# And whoever asked for that, at why it was declined.
_TOLD: Final[frozenset[Role]] = frozenset({"poster", "reader", "releaser"})

ROLES: Final[Mapping[tuple[str, str], frozenset[Role]]] = {
    ("POST", "/v1/objects"): ANY,
    ("POST", "/v1/batch"): ANY,
    ("GET", "/v1/inbox"): ANY,
    ("GET", "/v1/events"): ANY,
    ("GET", "/v1/trust"): ANY,
    ("GET", "/v1/blobs/{digest}"): _TOLD,
    ("GET", "/v1/uploads/{digest}"): _POSTER,
    ("PATCH", "/v1/uploads/{digest}"): _POSTER,
    ("DELETE", "/v1/uploads/{digest}"): _POSTER,
    ("GET", "/v1/granted"): _READERS,
    ("GET", "/v1/receipts/{id}"): ANY,
    ("GET", "/v1/posted/{id}"): ANY,
    ("GET", "/v1/posted/{id}/bearing"): ANY,
    ("GET", "/v1/checkpoint"): ANY,
    ("GET", "/v1/tile/{path}"): ANY,
    ("GET", "/v1/proof"): ANY,
    ("GET", "/v1/heads"): ANY,
    ("GET", "/v1/heads/{node}"): ANY,
    ("GET", "/v1/journal"): frozenset({"auditor"}),
    ("GET", "/v1/invitations"): frozenset({"operator"}),
    ("GET", "/v1/invitations/receipts"): frozenset({"operator"}),
}


def must_have(standing: Standing, method: str, route: str) -> None:
    """Hold a caller to a role that opens a route.

    Raises:
        Refusal: ``missing-role``, naming those that would; ``not-found`` where nothing says
            who may come in.
    """
    roles = ROLES.get((method, route))
    if roles is None:
        raise Refusal(Code.NOT_FOUND)
    if not roles & set(standing.endpoint.roles):
        raise Refusal(Code.MISSING_ROLE, name=", ".join(sorted(roles)))
