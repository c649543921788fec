"""Which window may write a draft: none puts back what another kept, nor what went."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from exchange.desk.holding import Holding
    from exchange.desk.kept_drafts import Kept, KeptDrafts


class Window(NamedTuple):
    """One page with a form: which version of the draft it goes on from, and its own name.

    What another window kept since then is not put back by it.
    """

    changed: int
    name: str


def must_be_open(drafts: KeptDrafts, holding: Holding, identity: str, changed: int) -> None:
    """Hold to it that a draft may be written: it is here and not on its way, or begins now.

    Args:
        drafts: what is kept.
        holding: what is held, and what went.
        identity: the draft's.
        changed: the version that whoever writes goes on from; 0: it was never kept.

    Raises:
        Refusal: ``draft-sent``: it went, is about to, or was deleted.
    """
    drafts.must_be_written_yet(identity)
    held = holding.get(identity)
    is_leaving = held is not None and held.state == "held"
    is_over = not drafts.has(identity) and (changed > 0 or held is not None)
    if is_leaving or is_over:
        raise Refusal(Code.DRAFT_SENT)


def newest(drafts: KeptDrafts, holding: Holding, identity: str, window: Window) -> Kept | None:
    """Return a draft as it is kept, which a window may go on from; None: it begins with this.

    Raises:
        Refusal: ``draft-changed``: another window kept something since; ``draft-sent``.
    """
    must_be_open(drafts, holding, identity, window.changed)
    if not drafts.has(identity):
        return None
    kept = drafts.get(identity)
    if window.changed != kept.version and (not kept.window or window.name != kept.window):
        raise Refusal(Code.DRAFT_CHANGED)
    return kept


def has_left(drafts: KeptDrafts, holding: Holding, identity: str) -> bool:
    """Tell whether what became of a draft is to be looked at, and not the draft any more."""
    held = holding.get(identity)
    if held is None:
        return False
    return held.state == "held" or not drafts.has(identity) or bool(drafts.get(identity).went)
