"""Where a person must be named: an endpoint acts by whoever has the watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from typing import Literal

    from exchange.model.objects import Outcome
    from exchange.model.trust import Arrangement


def must_name_officer(
    outcome: Outcome | Literal["released"], officer: str | None, agreed: Arrangement
) -> None:
    """Hold what a person answers for to naming an officer, where the arrangement asks for one.

    That is an acknowledgement, by its outcome; and as ``released`` a release, what asks for
    one, and what declines it.

    Raises:
        Refusal: ``officer-required``.
    """
    if officer is None and outcome in (agreed.officers or ()):
        raise Refusal(Code.OFFICER_REQUIRED, "/officer", name=outcome)


def is_same(one: str | None, other: str | None) -> bool:
    """Tell whether two officers are one person, as far as their names say."""
    return one is not None and other is not None and one.lower() == other.lower()
