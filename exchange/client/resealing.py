"""Seal anew what the node refused because a key had changed: the same id, accepted once.

Only after a refusal that the node proved: it takes no id, so the id is free (the protocol,
"Replay"). To the same readers as its author was shown, and with the same text. The rules are
the node's to judge by again; what they have against it is for its author to mend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client import compose
from exchange.client.outcomes import About
from exchange.errors import Code, Fault
from exchange.model import bulletin as bulletins
from exchange.model.header import Header, TrustPoint
from exchange.model.identity import digest
from exchange.seal import jws
from exchange.seal.close import close_with_key
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.client.attaching import Attached
    from exchange.client.compose import Prepared
    from exchange.model.view import View
    from exchange.seal.close import Closed, Envelope

# Of a recipient: the key that was sealed to. Of ourselves: the key that signed.
CALLS_FOR_IT = frozenset(
    {Code.RECIPIENT_KEY_UNFIT, Code.WRAPS_MISMATCH, Code.UNKNOWN_KEY, Code.KEY_NOT_VALID}
)


class _Anew(msgspec.Struct, frozen=True):
    """The header, but for the seal; the text; and the keys that it was sealed to."""

    header: Header
    text: bytes
    kids: list[str]


def reviewed(prepared: Prepared, files: Sequence[str]) -> str:
    """Return the digest of what its author reviewed: the same to the same readers, or not.

    Args:
        prepared: with its files by name, kind and size.
        files: the digest of what is in each: see ``attaching.digests``.
    """
    told = msgspec.json.encode(prepared.header), bulletins.encode(prepared.bulletin)
    kids = msgspec.json.encode([reader.key.kid for reader in prepared.readers])
    named = [(str(each.path), each.size) for each in prepared.files]
    held = [(*each, within) for each, within in zip(named, files, strict=True)]
    return digest(b"\0".join([*told, kids, msgspec.json.encode(held)]))


def remember(prepared: Prepared, attached: Sequence[Attached]) -> bytes:
    """Return what sealing it anew will take."""
    told = compose.with_attached(prepared, attached)
    kids = [reader.key.kid for reader in prepared.readers]
    return msgspec.json.encode(_Anew(told.header, bulletins.encode(told.bulletin), kids))


class _Said(msgspec.Struct, frozen=True):
    text: str


class _Titled(msgspec.Struct, frozen=True):
    """Of a bulletin's text, its title."""

    title: _Said


def about(anew: bytes | None) -> About | None:
    """Return what a bulletin is known by, of what ``remember`` returned; None: of nothing.

    Raises:
        Fault: ``mail-damaged``.
    """
    if anew is None:
        return None
    was = _read(anew)
    title = msgspec.json.decode(was.text, type=_Titled).title.text
    return About(was.header.type, was.header.to, title)


def reseal(  # noqa: PLR0913, PLR0917  (the world arrives as arguments)
    anew: bytes,
    refused: Envelope,
    view: View,
    signer: jws.Signer,
    now: int,
    randomness: Callable[[int], bytes],
) -> tuple[Closed, bytes] | None:
    """Return it sealed with the keys in force, and what the next time takes.

    None where these are no others.

    Args:
        anew: as ``remember`` returned it.
        refused: the envelope that the node refused, with proof.
        view: the trust documents in force.
        signer: ours.
        now: seconds UTC.
        randomness: returns that many unpredictable bytes.

    Raises:
        Refusal: a reader has no key to be sealed to.
        Fault: ``mail-damaged``.
    """
    was = _read(anew)
    header = was.header
    if signer.suite != header.suite:
        return None
    alg = SUITES[header.suite].wrap
    keys = [compose.reader(name, view, "", alg, now).key for name in header.to]
    signed = jws.read(refused.header, len(refused.header))
    before = ([claim.kid for claim in signed.claims], was.kids)
    if before == ([key.kid for key in signer.keys], [key.kid for key in keys]):
        return None
    trust = TrustPoint(view.position, view.heads[-1])
    header = msgspec.structs.replace(header, trust=trust)
    closed = close_with_key(was.text, header, keys, signer, randomness)
    now_known = _Anew(header, was.text, [key.kid for key in keys])
    return closed, msgspec.json.encode(now_known)


def _read(anew: bytes) -> _Anew:
    try:
        return msgspec.json.decode(anew, type=_Anew)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Fault(Code.MAIL_DAMAGED, found="anew") from error
