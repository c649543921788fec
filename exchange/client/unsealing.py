"""Open a bulletin that is sealed to us, and hold its text to its header and to its readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client.judging import under_of
from exchange.errors import Code, Refusal
from exchange.model import bulletin as bulletins
from exchange.model.header import RELATION_OF
from exchange.policy import rules
from exchange.policy import sealed as came
from exchange.seal import body as bodies
from exchange.seal.open import granted_wrap, open_body
from exchange.seal.open_attachment import must_match
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.client.opening import Ours
    from exchange.client.reading import Delivered
    from exchange.client.trust import TrustLog
    from exchange.model.bulletin import AnyBulletin
    from exchange.model.bulletin.strangers import Unknown
    from exchange.model.codes import Codes
    from exchange.model.header import Header


def unseal(
    item: Delivered,
    sealed: tuple[bytes, bytes],
    ours: Ours,
) -> Delivered:
    """Return a delivered bulletin opened, or locked with the reason.

    Args:
        item: verified.
        sealed: the body as fetched; and the wrapped key of its grant, empty without one.
        ours: our keys, and what it is held to.
    """
    body, wrap = sealed
    try:
        granted = granted_wrap(item.grant, item.header, wrap) if item.grant else None
        opened = open_body(item.header, body, ours.openers, granted)
        _check_wraps(item, body, ours.trust)
        item = msgspec.structs.replace(item, opened=opened)
        bulletin, unknown = read_text(item.header, opened.text, ours.codes, ours.held)
    except Refusal as refusal:
        return msgspec.structs.replace(item, locked=refusal)
    return msgspec.structs.replace(item, bulletin=bulletin, not_understood=unknown)


def read_text(
    header: Header, text: bytes, codes: Codes, held: Mapping[str, Header]
) -> tuple[AnyBulletin, list[Unknown]]:
    """Return a bulletin as its header says it is, and what of it is not known here.

    Raises:
        Refusal: it is no bulletin, or another than its header says.
    """
    bulletin, unknown = _read_text(text, codes, header.schema)
    check_repeated(header, bulletin)
    _check_target(header, bulletin, held)
    bulletins.check_audience(bulletin, header.marking, header.issued, unknown=unknown)
    return bulletin, unknown


def _read_text(text: bytes, codes: Codes, schema: str) -> tuple[AnyBulletin, list[Unknown]]:
    """Return a bulletin, and what of it is not known here: of a newer version there may be."""
    try:
        read = bulletins.Newer(bulletins.SCHEMA, bulletins.decode(text, codes), [])
    except Refusal as refusal:
        if refusal.code is not Code.SCHEMA_NOT_KNOWN:
            raise
        read = bulletins.decode_newer(text, codes, schema)
    if read.schema != schema:
        raise Refusal(Code.HEADER_BODY_MISMATCH, "/schema", found=read.schema)
    return read.bulletin, read.unknown


def _check_wraps(item: Delivered, body: bytes, trust: TrustLog) -> None:
    """Count for ourselves who else can open it: those it names, and nobody besides."""
    header, by = item.header, under_of(item, trust)
    owed = [
        rules.known_recipient(name, by.view, f"/to/{place}")
        for place, name in enumerate(header.to)
    ]
    seen = bodies.look(body, header.suite)
    came.wraps(seen.wraps, owed, SUITES[header.suite].wrap, by.now)


def check_repeated(header: Header, bulletin: AnyBulletin) -> None:
    """Hold a bulletin to what its header says of it in the clear.

    Raises:
        Refusal: ``header-body-mismatch``, naming the member.
    """
    for name, value in bulletins.repeated(bulletin).items():
        if getattr(header, name) != value:
            raise Refusal(Code.HEADER_BODY_MISMATCH, f"/{name}")
    must_match(header.attachments, bulletin.attachments)


def _check_target(header: Header, bulletin: AnyBulletin, held: Mapping[str, Header]) -> None:
    """Hold what a text says that it cancels, corrects or answers to its header, and to that.

    Nodes and holders act by the header alone, on what none of them would be told here.

    Raises:
        Refusal: ``header-body-mismatch``.
    """
    target = getattr(bulletin.content, "target", None)
    if target is None or header.verb in ("new", "update"):
        # Of these it is but what the text refers to.
        return
    named = header.reference(RELATION_OF[header.verb])
    known = held.get(named.header_digest) if named else None
    if (
        named is None
        or not target.is_of(named)
        or (header.verb != "reply" and target.origin != header.origin)
        or (known is not None and (known.origin, known.type) != (target.origin, target.type))
    ):
        raise Refusal(Code.HEADER_BODY_MISMATCH, "/content/target")
