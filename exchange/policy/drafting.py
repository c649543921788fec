"""Who may send a sealed draft to whom, and who is shown it: all of them of one member."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.policy.rules import known_recipient

if TYPE_CHECKING:
    from exchange.model.objects import SealedDraft
    from exchange.model.view import Standing, View


def may_submit(draft: SealedDraft, standing: Standing, view: View) -> list[Standing]:
    """Hold a sealed draft to who sends it and to whom: author and releasers of one member.

    Args:
        draft: verified.
        standing: of who signed it.
        view: the trust documents in force.

    Returns:
        Those that it is sealed to, in order; nobody of a withdrawal, which seals nothing.

    Raises:
        Refusal: ``missing-role``, ``unknown-recipient``, ``endpoint-suspended``,
            ``origin-mismatch``, ``own-release``; ``wrong-value``: declined to more than one.
    """
    if draft.step == "withdrawn":
        return []
    needed = "poster" if draft.step == "asked" else "releaser"
    if needed not in standing.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, "/endpoint", name=needed)
    if draft.step == "declined" and len(draft.to) != 1:
        raise Refusal(Code.WRONG_VALUE, "/to", expected=1, found=len(draft.to))
    return [_addressee(draft, view, name, f"/to/{n}") for n, name in enumerate(draft.to)]


def _addressee(draft: SealedDraft, view: View, name: str, at: str) -> Standing:
    found = known_recipient(name, view, at)
    if found.member.member != draft.origin:
        raise Refusal(Code.ORIGIN_MISMATCH, at, expected=draft.origin)
    if name == draft.endpoint:
        raise Refusal(Code.OWN_RELEASE, at, name=name)
    if draft.step == "asked" and "releaser" not in found.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, at, name="releaser")
    return found


def must_be_shown(draft: SealedDraft, name: str, view: View) -> None:
    """Hold one who asks for a sealed draft to what it was sent it for, now.

    Raises:
        Refusal: as at the door; ``not-a-recipient``; or ``missing-role``: it releases nothing
            any more.
    """
    standing = view.standing(name, "")
    if name not in draft.to:
        raise Refusal(Code.NOT_A_RECIPIENT, "", name=name)
    if draft.step == "asked" and "releaser" not in standing.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, "", name="releaser")
