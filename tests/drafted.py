"""Sealed drafts as an author asks with them, a releaser declines and an author withdraws."""

from __future__ import annotations

from typing import Any

import msgspec

from exchange.model.objects import DRAFT_TYP, DraftStep, SealedDraft
from exchange.seal.close import Envelope, close_draft
from tests.builders import DAY, DESK, NOW, OPS, Randomness, World, digest, new_id

TEXT = b"EXERCISE: what is to be released, or why not"


def drafted(
    world: World,
    of: Envelope,
    by: str = OPS,
    step: DraftStep = "asked",
    text: bytes = TEXT,
    **changes: Any,
) -> Envelope:
    """A sealed draft of an envelope: asked of the desk, or declined to the author."""
    usual = SealedDraft(
        v="xb1",
        suite=world.suite(by),
        id=new_id(),
        origin=by.partition("/")[0],
        endpoint=by,
        step=step,
        of=digest(of.header),
        to=[OPS] if step == "declined" else [DESK],
        body=None,
        attachments=[],
        until=NOW + DAY,
        at=NOW,
        officer=None,
    )
    draft = msgspec.structs.replace(usual, **changes)
    if step == "withdrawn":
        return Envelope(world.sign(draft, DRAFT_TYP, by), b"")
    keys = [world.key(each, draft.suite) for each in draft.to]
    return close_draft(text, draft, keys, world.signers[by], Randomness(draft.id))


def declined(world: World, of: Envelope, **changes: Any) -> Envelope:
    return drafted(world, of, DESK, "declined", **changes)


def withdrawn(world: World, of: Envelope, **changes: Any) -> Envelope:
    return drafted(world, of, OPS, "withdrawn", **changes)
