"""Networks: organized crime and its finances (OCN), smuggling and trafficking (SMG).

Persons, organizations and what they own have names of the bulletin's own (``ref``), by which
its links and transfers speak of them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from exchange.model.bulletin import words as w
from exchange.model.bulletin.blocks import Block, Grading, Money, Place, Text, Vessel
from exchange.model.bulletin.people import Person


class Organization(Block, frozen=True):
    """A company or a group; a company number is of the country that registered it."""

    ref: w.Ref
    name: w.Line
    registered_in: w.Country | None = None
    company_number: w.Line | None = None
    lei: w.Lei | None = None
    description: Text | None = None


class Account(Block, frozen=True):
    """A bank account: by IBAN, or by its number with the bank's BIC or ABA number."""

    ref: w.Ref
    iban: w.Iban | None = None
    account_number: w.Line | None = None
    bic: w.Bic | None = None
    aba: w.Aba | None = None
    bank: w.Line | None = None


class Wallet(Block, frozen=True):
    """An address on a public ledger."""

    ref: w.Ref
    chain: w.Chain
    address: w.LedgerAddress


class Property(Block, frozen=True):
    """What the network owns or uses."""

    ref: w.Ref
    property_kind: w.PropertyKind
    description: Text
    place: Place | None = None
    vessel: Vessel | None = None
    worth: Money | None = None


class Link(Block, frozen=True):
    """What one has to do with another, from when to when, and how well that is known."""

    from_ref: w.Ref
    link_kind: w.LinkKind
    to_ref: w.Ref
    valid_from: w.Time | None = None
    valid_until: w.Time | None = None
    grading: Grading | None = None


class Transfer(Block, frozen=True):
    """Money that moved."""

    from_ref: w.Ref
    to_ref: w.Ref
    money: Money
    at: w.Time | None = None
    description: Text | None = None


class CrimeNetwork(Block, frozen=True):
    """A network, its people, its companies and its money."""

    network: w.Line
    typologies: Annotated[list[w.Typology], Meta(min_length=1, max_length=10)]
    purpose: Text
    summary: Text
    persons: Annotated[list[Person], Meta(max_length=100)] = field(default_factory=list)
    organizations: Annotated[list[Organization], Meta(max_length=100)] = field(
        default_factory=list
    )
    accounts: Annotated[list[Account], Meta(max_length=200)] = field(default_factory=list)
    wallets: Annotated[list[Wallet], Meta(max_length=200)] = field(default_factory=list)
    properties: Annotated[list[Property], Meta(max_length=100)] = field(default_factory=list)
    links: Annotated[list[Link], Meta(max_length=500)] = field(default_factory=list)
    transfers: Annotated[list[Transfer], Meta(max_length=500)] = field(default_factory=list)


class SmugglingNetwork(CrimeNetwork, frozen=True, kw_only=True):
    """A network that smuggles or traffics people: the one type that may name the protected."""

    smuggling_kind: w.SmugglingKind
    stages: Annotated[list[Place], Meta(max_length=50)] = field(default_factory=list)
