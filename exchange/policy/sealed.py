"""What comes with a header is counted against it: keys it is wrapped to, and attachments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from exchange.model.header import Blob
    from exchange.model.view import Standing


def attached(named: Sequence[Blob], held: Collection[Blob]) -> None:
    """Hold a header to what its author uploaded: each attachment is here, whole and verified.

    Args:
        named: its attachments, or those of a sealed draft.
        held: which of them are here, by digest and size: a fact from outside.

    Raises:
        Refusal: ``missing-blob``, naming the first that is not.
    """
    for place, blob in enumerate(named):
        if blob not in held:
            raise Refusal(Code.MISSING_BLOB, f"/attachments/{place}", digest=blob.digest)


def wrap(kid: str, standing: Standing, now: int) -> None:
    """Hold one more wrapped key to its recipient: a key of theirs, for this, valid now.

    Raises:
        Refusal: ``wraps-mismatch``, or ``recipient-key-unfit`` naming the recipient.
    """
    if kid not in standing.keys:
        raise Refusal(Code.WRAPS_MISMATCH, "/body/header/kid", kid=kid)
    if not _is_fit(kid, standing, now):
        raise Refusal(Code.RECIPIENT_KEY_UNFIT, "/to", name=standing.endpoint.id)


def _is_fit(kid: str, standing: Standing, now: int) -> bool:
    key = standing.keys[kid]
    return key.use == "enc" and key.since <= now < key.until


def wraps(seen: Sequence[str], owed: Sequence[Standing], alg: str, now: int) -> None:
    """Hold the wrapped keys to the recipients: one valid key each, and no key besides.

    Args:
        seen: thumbprints of the keys that the body is wrapped to.
        owed: its recipients.
        alg: how the sender's suite wraps: a key of another could open nothing.
        now: taken time, seconds UTC.

    Raises:
        Refusal: ``wraps-mismatch``, or ``recipient-key-unfit`` naming the recipient.
    """
    left = set(seen)
    for place, standing in enumerate(owed):
        mine = left & standing.keys.keys()
        fit = {
            kid
            for kid in mine
            if _is_fit(kid, standing, now) and standing.keys[kid].jwk.alg == alg
        }
        if mine and not fit:
            raise Refusal(Code.RECIPIENT_KEY_UNFIT, f"/to/{place}", name=standing.endpoint.id)
        if len(mine) != 1:
            raise Refusal(Code.WRAPS_MISMATCH, f"/to/{place}", name=standing.endpoint.id)
        left -= mine
    if left:
        raise Refusal(Code.WRAPS_MISMATCH, "/body/recipients", kid=min(left))
