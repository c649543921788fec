"""What was spent of the budgets: kept at the door, before anything posted is looked at.

Each front keeps its own: a caller that goes to all of them has as many times the budget as
there are fronts. Nothing is refused that the arrangement allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.model import header as headers
from exchange.model import objects
from exchange.policy import limits
from exchange.policy.limits import Rate, Spent

if TYPE_CHECKING:
    from exchange.model.view import Standing, View


class Budgets:
    """How much endpoints and members have spent. Used in the event loop's thread only."""

    def __init__(self) -> None:
        """Begin with nothing spent."""
        # By whether it is urgent, and by name: an endpoint's has a slash, a member's has none.
        self._spent: dict[tuple[bool, str], int] = {}
        # By the digest of an invitation whose proof was given, of which there are few; and by
        # whether the request was on record.
        self._attempts: dict[tuple[str, bool], int] = {}

    def attempt(self, invitation: str, now_ms: int, *, is_known: bool) -> None:
        """Take a request by an invitation off what its holder may ask.

        Args:
            invitation: its digest.
            now_ms: ms UTC.
            is_known: the request is on record, and only how it stands is asked; each other one
                may be recorded, and costs more.

        Raises:
            Refusal: ``too-many``, as ``take``.
        """
        budget, asked = limits.AGAIN if is_known else limits.ATTEMPTS, (invitation, is_known)
        spent = self._attempts.get(asked, 0)
        after = limits.spend(Rate(now_ms, Spent(spent, spent)), (budget, budget))
        self._attempts[asked] = after.endpoint

    def take(self, raw: bytes, caller: Standing, view: View, now_ms: int) -> None:
        """Take what is posted off the budgets of its caller: bulletins, and drafts of them.

        It goes by what the bulletin says of itself, verified or not: that is the caller's own.
        A draft that asks for a release says nothing of urgency, as that is sealed.

        Raises:
            Refusal: ``too-many``, saying when to come again. It is not recorded: a record of
                each would be what budgets protect from.
        """
        said = headers.urgency(raw)
        if view.arrangement is None or (said is None and not objects.is_asking(raw)):
            return
        urgent = said is not None and limits.is_urgent(*said)
        mine, ours = (urgent, caller.endpoint.id), (urgent, caller.member.member)
        spent = Spent(self._spent.get(mine, 0), self._spent.get(ours, 0))
        budgets = limits.budgets_of(view.arrangement, urgent=urgent)
        after = limits.spend(Rate(now_ms, spent), budgets)
        self._spent[mine], self._spent[ours] = after
