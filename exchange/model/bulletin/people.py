"""People, a restricted block: named for a stated reason and time, without biometrics.

Of fingerprints, faces and the like only a pointer to another system may be given.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from exchange.model.bulletin import words as w
from exchange.model.bulletin.blocks import Block, Text


class TravelDocument(Block, frozen=True):
    """A travel or identity document; its check digit as in ICAO 9303."""

    document_kind: w.DocumentKind
    document_number: w.DocumentNumber
    issued_by: w.Country
    check_digit: w.CheckDigit | None = None
    expires_on: w.Date | None = None


class RecordPointer(Block, frozen=True):
    """Where another system keeps what may not be written here."""

    system: w.Line
    record: w.Line


class Person(Block, frozen=True):
    """One person, by a name of this bulletin's own (``ref``), and why they are named.

    ``protections`` are what the person is protected as: it narrows who may have the bulletin.
    """

    ref: w.Ref
    person_role: w.PersonRole
    review_by: w.Time
    suspicion: Text | None = None
    surname: w.MrzName | None = None
    given_names: w.MrzName | None = None
    native_name: w.Line | None = None
    aliases: Annotated[list[w.Line], Meta(max_length=20)] = field(default_factory=list)
    birth_date: w.Date | None = None
    sex: w.Sex | None = None
    nationality: w.Country | None = None
    documents: Annotated[list[TravelDocument], Meta(max_length=10)] = field(
        default_factory=list
    )
    # More than there are: a newer version may protect somebody as something else as well.
    protections: Annotated[list[w.Protection], Meta(max_length=10)] = field(
        default_factory=list
    )
    records: Annotated[list[RecordPointer], Meta(max_length=10)] = field(default_factory=list)
