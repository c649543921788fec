"""Guard-rails on people's data: who may be named, and why."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from exchange.errors import Code, Refusal
from exchange.model.bulletin import (
    amendments,
    corrections,
    flow_rules,
    networks,
    people,
    shape,
    wanted,
)
from exchange.model.bulletin.checkdigits import ledger_address, mrz
from exchange.model.bulletin.demands import must

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from exchange.model.bulletin.kinds import AnyBulletin
    from exchange.model.bulletin.shape import Shape
    from exchange.model.bulletin.strangers import Unknown

RULES = (
    "change-whole-person",
    "vehicle-described",
    "protection-told",
    "notice-role",
    "account-number",
    "asylum-nationality",
    "document-check",
    "no-pictures",
    "notice-subject",
    "notice-warrant",
    "person-named",
    "persons-declared",
    "protected-declared",
    "protected-elsewhere",
    "ref-known",
    "ref-once",
    "suspicion-basis",
    "valid-period",
    "wallet-address",
)
# The code of a country that is not known.
UNKNOWN = "XXX"
# Of these nobody need be under suspicion.
_UNSUSPECTED = frozenset({"victim", "witness", "missing"})
# Types about people on the move: no image of them travels, nor a voice, beside these or what
# corrects or answers them. What cannot be told from one does not either.
_WITHOUT_PICTURES = frozenset({"mig", "smg"})
_READABLE = frozenset({"application/geo+json", "application/pdf", "text/csv", "text/plain"})


def persons(
    bulletin: AnyBulletin, unknown: Iterable[Unknown] = ()
) -> Iterator[tuple[str, people.Person]]:
    """Yield everybody a bulletin names, with the JSON pointer of each.

    What a correction says of a person names them too, as it was and as it is; and so does what
    is ``unknown`` here, of a newer version, wherever it has a person's role.

    Raises:
        Refusal: what a correction tells is not of the type of its place, or what has a role in
            the event does not read as a person.
    """
    if isinstance(bulletin.content, amendments.Correction):
        for side in corrections.sides(bulletin.content):
            if side.form is not None and _may_name(side.form):
                yield from _named(side.form, side.typed(), side.at)
    else:
        yield from _named(shape.of_struct(type(bulletin)), bulletin, "")
    yield from apart(bulletin, unknown)


def apart(
    bulletin: AnyBulletin, unknown: Iterable[Unknown]
) -> Iterator[tuple[str, people.Person]]:
    """Yield whoever stands where a newer version has a place, and we know of none."""
    for at, found in unplaced(bulletin, unknown):
        # A newer version may only add to a person: what reads as none hides somebody.
        if corrections.OF_PEOPLE & found.keys():
            yield at, corrections.typed(shape.of_struct(people.Person), found, at)


def unplaced(
    bulletin: AnyBulletin, unknown: Iterable[Unknown]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object that stands where we know of no place, with its JSON pointer."""
    for each in unknown:
        yield from _objects(each.value, each.at)
    if isinstance(bulletin.content, amendments.Correction):
        for side in corrections.sides(bulletin.content):
            if side.form is None:
                yield from _objects(side.value, side.at)


def _objects(value: Any, at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield at, value
        for name, inner in value.items():
            yield from _objects(inner, f"{at}/{name}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _objects(inner, f"{at}/{place}")


def _named(form: Shape, value: Any, at: str) -> Iterator[tuple[str, people.Person]]:
    if isinstance(value, people.Person):
        yield at, value
    elif form.kind == "list":
        for place, each in enumerate(value):
            yield from _named(form.items[0], each, f"{at}/{place}")
    else:
        struct: type = type(value)
        for name, inner in _holders(struct):
            if (held := getattr(value, name)) is not None:
                yield from _named(inner, held, f"{at}/{name}")


@cache
def _holders(struct: type) -> list[tuple[str, Shape]]:
    """Return the members of a struct in which somebody may be named, by name."""
    members = shape.of_struct(struct).members
    return [(each.name, each.shape) for each in members if _may_name(each.shape)]


def _may_name(form: Shape) -> bool:
    return any(each.struct is people.Person for each in shape.every(form))


def check(bulletin: AnyBulletin, unknown: Sequence[Unknown]) -> None:
    """Hold a whole bulletin to the rules on people.

    Args:
        bulletin: decoded.
        unknown: what of it is of a newer version: whoever is there is guarded all the same.

    Raises:
        Refusal: see ``rules.check``.
    """
    named = list(persons(bulletin, unknown))
    elsewhere = [at for at, _ in apart(bulletin, unknown)]
    about = _about(bulletin)
    for at, found in unplaced(bulletin, unknown):
        flow_rules.check_apart(found, at, in_flow="mig" in about)
    flow_rules.check_alone(bulletin)
    flow_rules.check_sums(bulletin, unknown)
    must(not named or "persons" in bulletin.declares, "/declares", "persons-declared")
    guarded = [(at, person) for at, person in named if person.protections]
    for at, person in guarded:
        # A newer version may name them elsewhere; for every other rule it is as ever.
        may = at in elsewhere or _may_protect(bulletin)
        must(may, f"{at}/protections", "protected-elsewhere")
        is_asylum = "asylum-seeker" in person.protections
        known = person.nationality not in (None, UNKNOWN) or not is_asylum
        must(known, f"{at}/nationality", "asylum-nationality")
    declared = "protected-person" in bulletin.declares
    must(not guarded or declared, "/declares", "protected-declared")
    for place, each in enumerate(bulletin.attachments if about & _WITHOUT_PICTURES else ()):
        may = each.media_type in _READABLE
        must(may, f"/attachments/{place}/media_type", "no-pictures")


def check_added(
    bulletin: AnyBulletin, values: dict[str, Any], unknown: Iterable[Unknown]
) -> None:
    """Hold what a newer version adds to an object that is known here: it names nobody.

    Args:
        bulletin: decoded.
        values: it as it was written.
        unknown: what of these is not known here, with its place in them.

    Raises:
        Refusal: ``unknown-member``: it makes a person of what is none; or see ``rules.check``.
    """
    in_flow = "mig" in _about(bulletin)
    for each in unknown:
        *path, name = shape.steps(each.at)
        if each.is_code:
            continue
        if name in corrections.OF_PEOPLE:
            raise Refusal(Code.UNKNOWN_MEMBER, each.at, name=name)
        if name in flow_rules.OF_COUNTS:
            holder: Any = values
            for step in path:
                holder = holder[int(step)] if isinstance(holder, list) else holder[step]
            flow_rules.check_apart(holder, each.at.rpartition("/")[0], in_flow=in_flow)


def _about(bulletin: AnyBulletin) -> set[str]:
    """Return the type of a bulletin, and of what it is about."""
    target = getattr(bulletin.content, "target", None)
    return {bulletin.type, target.type if target is not None else ""}


def _may_protect(bulletin: AnyBulletin) -> bool:
    content = bulletin.content
    if isinstance(content, amendments.Correction):
        return content.target.type in ("smg", "crm")
    if isinstance(content, wanted.CommonCrime):
        return content.notice_class == "missing-person"
    return bulletin.type == "smg"


def _person(person: people.Person, at: str) -> None:
    called = (person.surname, person.given_names, person.native_name, *person.aliases)
    must(any(name is not None for name in called), at, "person-named")
    told = person.suspicion is not None or person.person_role in _UNSUSPECTED
    must(told, f"{at}/suspicion", "suspicion-basis")
    if person.person_role == "victim":
        must("victim" in person.protections, f"{at}/protections", "protection-told")
    if any(each.document_kind == "refugee-document" for each in person.documents):
        must("asylum-seeker" in person.protections, f"{at}/protections", "protection-told")


def _document(document: people.TravelDocument, at: str) -> None:
    given = document.check_digit
    holds = given is None or given == mrz(document.document_number)
    must(holds, f"{at}/check_digit", "document-check")


def _network(content: networks.CrimeNetwork, at: str) -> None:
    known: set[str] = set()
    for name in ("persons", "organizations", "accounts", "wallets", "properties"):
        for place, each in enumerate(getattr(content, name)):
            must(each.ref not in known, f"{at}/{name}/{place}/ref", "ref-once")
            known.add(each.ref)
    for name in ("links", "transfers"):
        for place, each in enumerate(getattr(content, name)):
            for end in ("from_ref", "to_ref"):
                there = getattr(each, end) in known
                must(there, f"{at}/{name}/{place}/{end}", "ref-known")


def _account(account: networks.Account, at: str) -> None:
    by_number = account.account_number is not None and (account.bic or account.aba)
    must(account.iban is not None or bool(by_number), at, "account-number")


def _wallet(wallet: networks.Wallet, at: str) -> None:
    must(ledger_address(wallet.chain, wallet.address), f"{at}/address", "wallet-address")


def _link(link: networks.Link, at: str) -> None:
    start, end = link.valid_from, link.valid_until
    must(start is None or end is None or start < end, f"{at}/valid_until", "valid-period")


def _notice(content: wanted.CommonCrime, at: str) -> None:
    about = _SUBJECTS.get(content.notice_class)
    if about is None:
        # Of a newer version: what it is about is not known here.
        return
    for name in ("person", "vehicle", "vessel", "firearm", "document", "imei"):
        is_given = getattr(content, name) is not None
        # A vessel may be known by her hull number alone.
        is_given = is_given or (name == "vessel" and content.hull_id is not None)
        # Somebody is looked for with what they have; a thing alone.
        beside = about == "person" and is_given
        must(beside or is_given == (name == about), f"{at}/{name}", "notice-subject")
    if content.person is not None:
        fits = content.person.person_role == _ROLES.get(content.notice_class)
        must(fits, f"{at}/person/person_role", "notice-role")
    if content.vehicle is not None:
        must(content.vehicle != wanted.Vehicle(), f"{at}/vehicle", "vehicle-described")
    if content.notice_class == "wanted-person":
        told = content.warrant and content.court and content.offences
        must(bool(told), at, "notice-warrant")


_ROLES = {"wanted-person": "wanted", "missing-person": "missing"}
_SUBJECTS = {
    "wanted-person": "person",
    "missing-person": "person",
    "stolen-vehicle": "vehicle",
    "stolen-vessel": "vessel",
    "firearm": "firearm",
    "document": "document",
    "phone": "imei",
}

# Whatever a newer version adds: nobody is named without a reason, a check digit is one.
GUARDS: dict[type, Callable[[Any, str], None]] = {
    people.Person: _person,
    people.TravelDocument: _document,
    networks.Wallet: _wallet,
}
OF_STRUCT: dict[type, Callable[[Any, str], None]] = {
    networks.CrimeNetwork: _network,
    networks.SmugglingNetwork: _network,
    networks.Account: _account,
    networks.Link: _link,
    wanted.CommonCrime: _notice,
}
