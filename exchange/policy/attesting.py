"""Where a person must be named: an endpoint acts by whoever has the watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from exchange.model.objects import Outcome
    from exchange.model.trust import Arrangement


def must_name_officer(outcome: Outcome, officer: str | None, agreed: Arrangement) -> None:
    """Hold an acknowledgement to naming an officer, where the arrangement asks for one.

    Raises:
        Refusal: ``officer-required``.
    """
    if officer is None and outcome in (agreed.officers or ()):
        raise Refusal(Code.OFFICER_REQUIRED, "/officer", name=outcome)
