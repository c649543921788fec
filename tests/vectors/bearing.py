"""Cases of what updates a bulletin, and of what bears on one before it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from exchange.errors import Code
from exchange.model.header import Reference
from exchange.model.identity import digest
from exchange.seal.close import Envelope
from tests.builders import COAST, WATCH, World, new_id, refers
from tests.vectors.case import Case, Posted, again


def _updates(world: World, first: Envelope, **changes: Any) -> Envelope:
    usual: dict[str, Any] = {"verb": "update", "refs": refers("supersedes", first)}
    return world.envelope(**{**usual, **changes})


def _updated_after_cancellation(world: World) -> Posted:
    first = world.envelope()
    cancellation = world.envelope(type="can", verb="cancel", refs=refers("cancels", first))
    before = (world.arrival(first), world.arrival(cancellation))
    return Posted(world.arrival(_updates(world, first)), (), before)


def _early(
    verb: Any, rel: Any, identity: str | None = None, **changes: Any
) -> Callable[[World], Posted]:
    """A bulletin that comes after what bears on it, and names it by its id or by another."""

    def make(world: World) -> Posted:
        target = world.envelope()
        refs = refers(rel, target)
        if identity:
            refs = [msgspec.structs.replace(refs[0], id=identity)]
        first = world.envelope(verb=verb, refs=refs, **changes)
        return Posted(world.arrival(target), (), (world.arrival(first),))

    return make


REFUSED = [
    Case(
        "update-by-another-member",
        "an update of another member's bulletin",
        Code.TARGET_MISMATCH,
        "/refs",
        again(lambda w, f: _updates(w, f, endpoint=COAST, to=[WATCH])),
    ),
    Case(
        "update-under-another-id",
        "an update whose id and digest are of two bulletins",
        Code.TARGET_MISMATCH,
        "/refs",
        again(
            lambda w, f: _updates(
                w, f, refs=[Reference("supersedes", new_id(), digest(f.header))]
            )
        ),
    ),
    Case(
        "update-of-another-type",
        "a seizure said to update a vessel of interest",
        Code.TARGET_MISMATCH,
        "/refs",
        again(lambda w, f: _updates(w, f, type="szr")),
    ),
    Case(
        "update-of-what-was-cancelled",
        "an update of a bulletin whose originator cancelled it",
        Code.TARGET_CANCELLED,
        "/refs",
        _updated_after_cancellation,
    ),
]
ACCEPTED = [
    Case(
        "correction-first",
        "a correction that comes before its target",
        None,
        "",
        _early("correct", "corrects", type="cor"),
    ),
    Case(
        "update",
        "an update, owed to every holder of what it supersedes",
        None,
        "",
        again(lambda w, f: _updates(w, f, to=["us.jiatfs/desk"])),
    ),
    Case(
        "update-first",
        "an update that comes before what it supersedes",
        None,
        "",
        _early("update", "supersedes"),
    ),
    Case(
        "cancellation-first-under-another-id",
        "a bulletin after a cancellation that names its digest and another id: not cancelled",
        None,
        "",
        _early("cancel", "cancels", new_id(), type="can"),
    ),
    Case(
        "correction-first-under-another-id",
        "a bulletin after a correction that names its digest and another id: not corrected",
        None,
        "",
        _early("correct", "corrects", new_id(), type="cor"),
    ),
    Case(
        "update-first-of-another-type",
        "a bulletin after an update of another type: not superseded",
        None,
        "",
        _early("update", "supersedes", type="szr"),
    ),
]
