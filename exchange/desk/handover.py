"""Handing over the watch: what is open, signed by who leaves and accepted by who comes.

Both sign with the key of the endpoint, whose people they are; the names tell which of them. The
record names bulletins by entry and digest and holds no text of theirs, so it may be kept when
they are purged. It never travels: it lies sealed in the officer's cabinet, and may be printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.bulletin.words import Prose
from exchange.model.identity import EndpointId
from exchange.model.objects import Officer
from exchange.seal import jws

if TYPE_CHECKING:
    from exchange.client.cabinet import Cabinet
    from exchange.model.view import Standing

HANDOVER_TYP: Final = "xb-handover+jws"
ACCEPTANCE_TYP: Final = "xb-handover-accepted+jws"
MAX_BYTES: Final = 256 * 1024
# As many as fit, signed, in so many bytes.
MAX_OPEN: Final = 800
_DRAWER: Final = "handovers"

Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Matter = Literal["flash", "request", "boarding", "release", "draft", "overdue"]


class Open(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that is open: what it is, which bulletin, and by when.

    Attributes:
        matter: why it is on the list.
        id: of the bulletin, the draft or the case.
        entry: in this node's journal; None of what was not posted.
        digest: of the bulletin's header; empty of a draft.
        by: when it is due, in seconds UTC.
    """

    matter: Matter
    id: str
    entry: int | None = None
    digest: str = ""
    by: Seconds | None = None


class Handover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is handed over at a time.

    Attributes:
        officer: who leaves.
        at: when, in seconds UTC.
        held, newest: how many items of the inbox are here, and the last one's entry, or -1.
        proven: whether nothing is missing up to there, as the desk had last proved.
        open: what is open.
        remarks: what the list does not say.
        more: how much else is open that did not fit on the list.
    """

    v: Literal["xb1"]
    endpoint: EndpointId
    officer: Officer
    at: Seconds
    held: int
    newest: int
    proven: bool
    open: Annotated[list[Open], msgspec.Meta(max_length=MAX_OPEN)]
    remarks: Prose | None = None
    more: Annotated[int, msgspec.Meta(ge=0)] = 0


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who took over which handover, and when (seconds UTC)."""

    v: Literal["xb1"]
    endpoint: EndpointId
    officer: Officer
    at: Seconds
    of: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]


class Kept(msgspec.Struct, frozen=True):
    """A handover as it is kept: its signed bytes, and those of its acceptance; empty: none."""

    handover: bytes
    acceptance: bytes = b""


_T = TypeVar("_T", Handover, Acceptance)


def name(kept: Kept) -> str:
    """Return the digest that names a handover."""
    return jws.read(kept.handover, MAX_BYTES).digest


def read(kept: Kept, standing: Standing) -> tuple[Handover, Acceptance | None]:
    """Return a handover and its acceptance, both verified.

    Keys that are over since count as they were when it was signed.

    Raises:
        Refusal: a signature or what is signed does not hold; or the acceptance is of another.
    """
    digest, handover = _verified(kept.handover, HANDOVER_TYP, Handover, standing)
    if not kept.acceptance:
        return handover, None
    _, acceptance = _verified(kept.acceptance, ACCEPTANCE_TYP, Acceptance, standing)
    if acceptance.of != digest:
        raise Refusal(Code.WRONG_VALUE, "/of", expected="header-digest")
    return handover, acceptance


def _verified(raw: bytes, typ: str, kind: type[_T], standing: Standing) -> tuple[str, _T]:
    signed = jws.read(raw, MAX_BYTES)
    jws.must_be(signed, typ, MAX_BYTES)
    try:
        said = msgspec.json.decode(signed.payload, type=kind)
    except msgspec.MsgspecError as error:
        raise Refusal(Code.MALFORMED) from error
    if said.endpoint != standing.endpoint.id:
        raise Refusal(Code.WRONG_VALUE, "/endpoint", found=said.endpoint)
    jws.verify_by(signed, standing, said.at)
    return signed.digest, said


def sign(handover: Handover, signer: jws.Signer) -> bytes:
    """Return a handover, signed by the endpoint of who leaves."""
    return jws.sign(msgspec.json.encode(handover), HANDOVER_TYP, [signer])


def accept(handover: bytes, officer: Officer, now: int, signer: jws.Signer) -> bytes:
    """Return the acceptance of a handover, signed.

    Raises:
        Refusal: ``wrong-value``: who leaves cannot be who comes.
    """
    signed = jws.read(handover, MAX_BYTES)
    said = msgspec.json.decode(signed.payload, type=Handover)
    if said.officer == officer:
        raise Refusal(Code.WRONG_VALUE, "/officer", found=officer)
    accepted = Acceptance("xb1", said.endpoint, officer, now, signed.digest)
    return jws.sign(msgspec.json.encode(accepted), ACCEPTANCE_TYP, [signer])


class Handovers:
    """The handovers of one endpoint, sealed at rest; each is kept under its digest."""

    def __init__(self, cabinet: Cabinet) -> None:
        """Use its drawer."""
        self._cabinet = cabinet

    def keep(self, handover: bytes, acceptance: bytes = b"") -> str:
        """Keep a handover, or its acceptance beside it; return the digest that names it."""
        name = jws.read(handover, MAX_BYTES).digest
        self._cabinet.put(_DRAWER, name, msgspec.json.encode(Kept(handover, acceptance)))
        return name

    def get(self, name: str) -> Kept | None:
        """Return a handover by its digest."""
        found = self._cabinet.get(_DRAWER, name)
        return None if found is None else msgspec.json.decode(found, type=Kept)

    def every(self) -> list[Kept]:
        """Return what is kept, the oldest first."""
        rows = self._cabinet.rows(_DRAWER)
        return [msgspec.json.decode(value, type=Kept) for _, value in rows]
