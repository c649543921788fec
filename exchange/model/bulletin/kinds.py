"""The bulletin types: what all have in common, and one struct for each.

A new type is one struct of content, one class here, its codes and its labels; decoding, rules,
schema, template and page follow from the struct.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from exchange.model.bulletin import words as w
from exchange.model.bulletin.amendments import Cancellation, Correction
from exchange.model.bulletin.blocks import Attachment, Block, Grading, Text
from exchange.model.bulletin.boarding import BoardingReply, BoardingRequest, BoardingResult
from exchange.model.bulletin.migration import MigrationFlow
from exchange.model.bulletin.networks import CrimeNetwork, SmugglingNetwork
from exchange.model.bulletin.operational import Seizure, VesselOfInterest
from exchange.model.bulletin.operations import Deconfliction, JointOperation
from exchange.model.bulletin.records import Dialogue, Statistics
from exchange.model.bulletin.requests import (
    InformationReply,
    InformationRequest,
    ReleaseConsent,
)
from exchange.model.bulletin.wanted import CommonCrime
from exchange.model.header import MAX_ATTACHMENTS, Verb


class _Bulletin(
    Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    kw_only=True,
    tag_field="type",
):
    """What every bulletin says. ``observed``, ``due``, ``regime`` and ``declares`` are repeated
    in the header, where a node can enforce them; of ``attachments`` the header names the
    ciphertexts, in the same order.
    """  # noqa: D205

    schema: w.Schema
    id: w.Id
    origin: w.Member
    observed: w.Time | None
    due: w.Time | None
    regime: w.Regime | None
    declares: Annotated[list[w.Declaration], Meta(max_length=3)]
    title: Text
    grading: Grading | None
    remarks: Text | None
    attachments: Annotated[list[Attachment], Meta(max_length=MAX_ATTACHMENTS)] = field(
        default_factory=list
    )

    @property
    def type(self) -> str:
        """The type's code on the wire, such as ``voi``."""
        return str(self.__struct_config__.tag)


class Voi(_Bulletin, frozen=True, kw_only=True, tag="voi"):
    """A vessel of interest."""

    content: VesselOfInterest


class Szr(_Bulletin, frozen=True, kw_only=True, tag="szr"):
    """A seizure."""

    content: Seizure


class Rfi(_Bulletin, frozen=True, kw_only=True, tag="rfi"):
    """A request for information."""

    content: InformationRequest


class Rpy(_Bulletin, frozen=True, kw_only=True, tag="rpy"):
    """A reply to a request for information."""

    content: InformationReply


class Cor(_Bulletin, frozen=True, kw_only=True, tag="cor"):
    """A correction."""

    content: Correction


class Can(_Bulletin, frozen=True, kw_only=True, tag="can"):
    """A cancellation."""

    content: Cancellation


class Sta(_Bulletin, frozen=True, kw_only=True, tag="sta"):
    """Half-yearly statistics."""

    content: Statistics


class Dlg(_Bulletin, frozen=True, kw_only=True, tag="dlg"):
    """The record of a dialogue."""

    content: Dialogue


class Brq(_Bulletin, frozen=True, kw_only=True, tag="brq"):
    """A boarding request to the flag State."""

    content: BoardingRequest


class Brp(_Bulletin, frozen=True, kw_only=True, tag="brp"):
    """The flag State's reply to a boarding request."""

    content: BoardingReply


class Brr(_Bulletin, frozen=True, kw_only=True, tag="brr"):
    """The result of a boarding."""

    content: BoardingResult


class Mig(_Bulletin, frozen=True, kw_only=True, tag="mig"):
    """An irregular migration flow, aggregate only."""

    content: MigrationFlow


class Smg(_Bulletin, frozen=True, kw_only=True, tag="smg"):
    """A smuggling or trafficking network."""

    content: SmugglingNetwork


class Ocn(_Bulletin, frozen=True, kw_only=True, tag="ocn"):
    """An organized-crime network and its finances."""

    content: CrimeNetwork


class Opn(_Bulletin, frozen=True, kw_only=True, tag="opn"):
    """A joint operation."""

    content: JointOperation


class Dcf(_Bulletin, frozen=True, kw_only=True, tag="dcf"):
    """Deconfliction."""

    content: Deconfliction


class Crm(_Bulletin, frozen=True, kw_only=True, tag="crm"):
    """Common crime: wanted, missing, stolen."""

    content: CommonCrime


class Con(_Bulletin, frozen=True, kw_only=True, tag="con"):
    """Third-party release consent."""

    content: ReleaseConsent


class Unread(Block, frozen=True):
    """The content of a type that is not known here."""


Bulletin = (
    Voi
    | Brq
    | Brp
    | Brr
    | Szr
    | Mig
    | Smg
    | Ocn
    | Opn
    | Dcf
    | Crm
    | Rfi
    | Rpy
    | Con
    | Cor
    | Can
    | Sta
    | Dlg
)


class OfNewerType(_Bulletin, frozen=True, kw_only=True, tag="newer"):
    """One of a type that a newer version has: what is common to all; its content is not known.

    Only ``newer.decode`` makes it; ``newer_type`` is its code on the wire.
    """

    content: Unread
    newer_type: Annotated[str, Meta(pattern=r"^[a-z]{3}$")]

    @property
    def type(self) -> str:
        """The type's code on the wire."""
        return self.newer_type


# What a reader may hold.
AnyBulletin = Bulletin | OfNewerType

# In the order of the list of types.
TYPES: dict[str, type[Bulletin]] = {
    "voi": Voi,
    "brq": Brq,
    "brp": Brp,
    "brr": Brr,
    "szr": Szr,
    "mig": Mig,
    "smg": Smg,
    "ocn": Ocn,
    "opn": Opn,
    "dcf": Dcf,
    "crm": Crm,
    "rfi": Rfi,
    "rpy": Rpy,
    "con": Con,
    "cor": Cor,
    "can": Can,
    "sta": Sta,
    "dlg": Dlg,
}

_REPORT: tuple[Verb, ...] = ("new", "update")

# The verbs of the header that go with a type; the first is what a draft means by default.
VERBS: dict[str, tuple[Verb, ...]] = {
    **dict.fromkeys(TYPES, _REPORT),
    "cor": ("correct",),
    "can": ("cancel",),
    "rpy": ("reply",),
    "brp": ("reply",),
}


# Where a report says in its content when it was seen to happen.
_SEEN: dict[str, tuple[str, ...]] = {
    "voi": ("seen", "at"),
    "brq": ("seen", "at"),
    "brr": ("boarded_at",),
    "szr": ("seized_at",),
}


def seen_at(type_: str, content: Any) -> Any:
    """Return when a report says that it happened, as JSON says it; None if it does not."""
    if type_ not in _SEEN:
        return None
    for step in _SEEN[type_]:
        content = content.get(step) if isinstance(content, dict) else None
    return content


def repeated(bulletin: AnyBulletin) -> dict[str, str | int | list[str] | None]:
    """Return what the header repeats, in its own form: times are integer seconds UTC."""
    return {
        "id": bulletin.id,
        "origin": bulletin.origin,
        "type": bulletin.type,
        "observed": None if bulletin.observed is None else int(bulletin.observed.timestamp()),
        "due": None if bulletin.due is None else int(bulletin.due.timestamp()),
        "regime": bulletin.regime,
        "declares": list(bulletin.declares),
    }
