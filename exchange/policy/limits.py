"""Budgets: how many bulletins an endpoint and its member may post, and when to come again.

Each budget is one number, the time by which what was taken so far is paid off at one bulletin
every ``every_ms``. Who is ahead of that by no more than ``burst`` may post.

Source: the generic cell rate algorithm, ITU-T I.371, annex A (virtual scheduling).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.trust import Budget, Budgets, Sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.header import Blob, Precedence, Verb
    from exchange.model.objects import SealedDraft
    from exchange.model.trust import Arrangement

# Of an arrangement that names none: far above what people write, and what a program that ran
# wild reaches within the minute. What one endpoint may post is never all that its member may.
DEFAULT_BUDGETS: Final = Budgets(
    endpoint=Budget(burst=250_000, every_ms=2),
    member=Budget(burst=500_000, every_ms=1),
    urgent_endpoint=Budget(burst=20_000, every_ms=20),
    urgent_member=Budget(burst=40_000, every_ms=10),
)
# Requests by one invitation: a slip may be mended at once, and no link fills a journal.
ATTEMPTS: Final = Budget(burst=8, every_ms=600_000)
# How often who waits may ask how its request stands: each is a few look-ups.
AGAIN: Final = Budget(burst=30, every_ms=10_000)
# What a node takes at all: an arrangement that names more changes nothing at the door.
DEFAULT_SIZES: Final = Sizes(
    body=512 * 1024, attachment=129 * 1024 * 1024, attachments=16 * 129 * 1024 * 1024
)


# Of a sealed draft: what stands before the bulletin's text and pads it, and its wrapped keys.
_DRAFT_ROOM_BYTES: Final = 192 * 1024


def must_fit(body: int, attachments: Sequence[Blob], most: Sizes) -> None:
    """Hold a sealed body of so many bytes, and what is attached, to their sizes.

    Raises:
        Refusal: ``oversized``, naming the first that is.
    """
    if body > most.body:
        raise Refusal(Code.OVERSIZED, "/body/size", limit=most.body, found=body)
    total = 0
    for place, blob in enumerate(attachments):
        if blob.size > most.attachment:
            at = f"/attachments/{place}/size"
            raise Refusal(Code.OVERSIZED, at, limit=most.attachment, found=blob.size)
        total += blob.size
    if total > most.attachments:
        raise Refusal(Code.OVERSIZED, "/attachments", limit=most.attachments, found=total)


def must_fit_draft(draft: SealedDraft, most: Sizes) -> None:
    """Hold a sealed draft to the sizes of its bulletin, with room for what is shown with it.

    Its padding may double what the bulletin's does.

    Raises:
        Refusal: ``oversized``.
    """
    room = msgspec.structs.replace(most, body=2 * most.body + _DRAFT_ROOM_BYTES)
    must_fit(draft.body.size if draft.body else 0, draft.attachments, room)


class Spent(NamedTuple):
    """What was spent so far of an endpoint's budget and of its member's: times in ms UTC."""

    endpoint: int = 0
    member: int = 0


class Rate(NamedTuple):
    """Of which budgets a bulletin is to be taken, and when (ms UTC)."""

    now_ms: int
    spent: Spent


def is_urgent(precedence: Precedence, verb: Verb) -> bool:
    """Tell whether a bulletin goes by the budgets apart: nobody's flood may hold it up."""
    return precedence == "flash" or verb == "cancel"


def budgets_of(arrangement: Arrangement, *, urgent: bool) -> tuple[Budget, Budget]:
    """Return the budgets in force: of an endpoint, and of its member."""
    agreed = arrangement.budgets or DEFAULT_BUDGETS
    if urgent:
        return agreed.urgent_endpoint, agreed.urgent_member
    return agreed.endpoint, agreed.member


def spend(rate: Rate, budgets: tuple[Budget, Budget]) -> Spent:
    """Return what is spent once one more bulletin is taken; of neither, if not of both.

    Raises:
        Refusal: ``too-many``, with ``wait``: after so many seconds there is room for it.
    """
    now_ms, spent = rate
    waits = [
        paid_at - now_ms - (budget.burst - 1) * budget.every_ms
        for budget, paid_at in zip(budgets, spent, strict=True)
    ]
    if (longest := max(waits)) > 0:
        short = budgets[waits.index(longest)]
        raise Refusal(Code.TOO_MANY, limit=short.burst, wait=-(-longest // 1000))
    mine, ours = budgets
    return Spent(
        max(spent.endpoint, now_ms) + mine.every_ms, max(spent.member, now_ms) + ours.every_ms
    )
