"""Who must sign a metadata file, and that they did: our rule over TUF's thresholds.

TUF counts keys, so enough keys of one nation would outvote the other. Here each nation is
counted by itself, by custodians: one counts only when every signature of the suite is there and
holds. Every signature in a file is somebody's, holds, and stands in its place, so that nobody
on the way can make other bytes of the same agreement, but by leaving out a custodian that it
does not take.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from tuf.api.metadata import Metadata
from tuf.api.serialization import DeserializationError

from exchange.errors import Code, Refusal
from exchange.model.identity import ALPHA3, Nation, Signatory
from exchange.model.view import Custodians
from exchange.seal.suites import check_signature_key, suite_of
from exchange.seal.trust_keys import check_spelling, jwk_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exchange.model.identity import Jwk
    from exchange.model.metadata import Delegated, Key, Named, Online, Role


class Mandate(NamedTuple):
    """A role as one file names it: who may sign it.

    ``delegator`` is the file as ``tuf.api.metadata`` has it. Each of ``groups`` is of a nation,
    or of none for the nodes: names, their keys' ids, and how many of them it takes.
    """

    delegator: Any
    role: str
    groups: Mapping[str, tuple[list[Named], int]]


def parsed(raw: bytes, role: str, now: int, at: str = "") -> Metadata[Any]:
    """Return a metadata file as TUF has it, once it holds at a time.

    Raises:
        Refusal: ``malformed``: it is no metadata for TUF; or ``trust-expired``.
    """
    try:
        file: Metadata[Any] = Metadata.from_bytes(raw)
    except DeserializationError:
        raise Refusal(Code.MALFORMED, at) from None
    if file.signed.is_expired(datetime.fromtimestamp(now, UTC)):
        until = file.signed.expires.date().isoformat()
        raise Refusal(Code.TRUST_EXPIRED, f"{at}/signed/expires", name=role, until=until)
    return file


def mandate(delegator: Any, name: str, role: Role | Delegated) -> Mandate:
    """Return what a file says of who signs a role."""
    groups: dict[str, tuple[list[Named], int]] = {
        nation: (circle.signatories, circle.threshold)
        for nation, circle in role.custodians.items()
    }
    return Mandate(delegator, name, groups)


def check_signed(
    file: Metadata[Any], payload: bytes, judged: Sequence[Mandate]
) -> tuple[str, ...]:
    """Verify a file's signatures on each of these terms; return who signed.

    Args:
        file: as ``tuf.api.metadata`` read it.
        payload: the bytes that the signatures are over.
        judged: the terms in force, and of a new root its own too.

    Raises:
        Refusal: ``trust-not-signed``, ``signature-count`` or ``bad-signature``.
    """
    due = [
        each
        for terms in judged
        for signatories, _ in terms.groups.values()
        for each in signatories
    ]
    whole = _in_order([*file.signatures], due)
    for terms in judged:
        for nation, (signatories, threshold) in terms.groups.items():
            count = len({each.name for each in signatories if tuple(each.keyids) in whole})
            if count < threshold:
                raise Refusal(
                    Code.TRUST_NOT_SIGNED,
                    "/signatures",
                    name=nation or terms.role,
                    expected=threshold,
                    found=count,
                )
    _must_verify(file, payload, judged)
    return tuple(dict.fromkeys(each.name for each in due if tuple(each.keyids) in whole))


def _in_order(found: Sequence[str], due: Iterable[Named]) -> set[tuple[str, ...]]:
    """Return whose signatures are there, once nothing else is, and all stand in their order."""
    place, whole = 0, set[tuple[str, ...]]()
    left = iter(dict.fromkeys(tuple(each.keyids) for each in due))
    while place < len(found):
        # Nobody looked at a signature that is nobody's: it would make other bytes of one file.
        kids = next((kids for kids in left if kids[0] == found[place]), None)
        if kids is None:
            raise Refusal(Code.TRUST_NOT_SIGNED, f"/signatures/{place}", kid=found[place])
        if tuple(found[place : place + len(kids)]) != kids:
            if len(mine := set(kids).intersection(found)) < len(kids):
                # Stock libraries accept what lost its post-quantum signature. Not here.
                raise Refusal(
                    Code.SIGNATURE_COUNT, "/signatures", expected=len(kids), found=len(mine)
                )
            raise Refusal(Code.TRUST_NOT_SIGNED, f"/signatures/{place}", kid=found[place])
        whole.add(kids)
        place += len(kids)
    return whole


def _must_verify(file: Metadata[Any], payload: bytes, judged: Sequence[Mandate]) -> None:
    signed = {}
    for terms in judged:
        result = terms.delegator.get_verification_result(terms.role, payload, file.signatures)
        signed.update(result.signed)
        if not result.verified and signed.keys() >= file.signatures.keys():
            raise Refusal(Code.TRUST_NOT_SIGNED, "/signatures", expected=result.threshold)
    for place, (keyid, signature) in enumerate(file.signatures.items()):
        if keyid not in signed:
            raise Refusal(Code.BAD_SIGNATURE, f"/signatures/{place}", kid=keyid)
        check_spelling(place, signed[keyid].keytype, bytes.fromhex(signature.signature))


# -- what a file says of who signs ----------------------------------------------------------


def custodians(
    role: Role | Delegated,
    keys: Mapping[str, Key],
    nations: Sequence[str],
    at: str,
    *,
    is_known: bool,
) -> dict[Nation, Custodians]:
    """Return a role's custodians, once they are enough, and nobody is counted twice.

    Args:
        role: as the file lists it.
        keys: of the file.
        nations: those that must sign it, and no other.
        at: JSON pointer of the role.
        is_known: its keys were found fit before (see ``trust.apply``).

    Raises:
        Refusal: ``trust-invalid``, or a key that is weak or malformed.
    """
    if sorted(role.custodians) != sorted(nations):
        raise Refusal(Code.TRUST_INVALID, f"{at}/custodians", expected=", ".join(nations))
    found, sizes = {}, []
    for nation, circle in role.custodians.items():
        place = f"{at}/custodians/{nation}"
        people = [
            _signatory(each, keys, f"{place}/signatories/{number}", is_known=is_known)
            for number, each in enumerate(circle.signatories)
        ]
        # The name says whose it is wherever it is shown, also where the nation is not.
        if strange := [each.name for each in people if each.name.partition("-")[0] != nation]:
            raise Refusal(Code.TRUST_INVALID, f"{place}/signatories", name=strange[0])
        if len({each.name for each in people}) < max(circle.threshold, len(people)):
            raise Refusal(Code.TRUST_INVALID, f"{place}/threshold")
        sizes += sorted(len(each.keys) for each in people)[: circle.threshold]
        found[nation] = Custodians(circle.threshold, tuple(people))
    listed = [each for circle in role.custodians.values() for each in circle.signatories]
    _check_keyids(role, listed, sum(sizes), at)
    return found


def online(
    role: Online, keys: Mapping[str, Key], at: str, *, is_known: bool
) -> dict[str, Signatory]:
    """Return the nodes that sign snapshots and timestamps; each must sign with all its keys."""
    found = {}
    for place, each in enumerate(role.nodes):
        where = f"{at}/nodes/{place}"
        found[each.name] = _signatory(each, keys, where, is_known=is_known)
        # The name says whose it is, as it does of the node's own document.
        if each.name.partition("-")[0] not in ALPHA3:
            raise Refusal(Code.TRUST_INVALID, f"{where}/name", name=each.name)
    if len(found) != len(role.nodes):
        raise Refusal(Code.TRUST_INVALID, f"{at}/nodes")
    smallest = min((len(each.keys) for each in found.values()), default=1)
    _check_keyids(role, role.nodes, smallest, at)
    return found


def _check_keyids(
    role: Role | Delegated | Online, listed: Sequence[Named], threshold: int, at: str
) -> None:
    keyids = [keyid for each in listed for keyid in each.keyids]
    # One custodian's key counted for another would be a custodian fewer than it takes.
    if role.keyids != keyids or len(set(keyids)) != len(keyids):
        raise Refusal(Code.TRUST_INVALID, f"{at}/keyids")
    if role.threshold != threshold:
        raise Refusal(Code.TRUST_INVALID, f"{at}/threshold", expected=threshold)


def _signatory(each: Named, keys: Mapping[str, Key], at: str, *, is_known: bool) -> Signatory:
    jwks = []
    for keyid in each.keyids:
        if keyid not in keys:
            raise Refusal(Code.TRUST_INVALID, f"{at}/keyids", name=each.name)
        jwks.append(jwk_of(keyid, keys[keyid], "/signed"))
    if suite_of([jwk.alg for jwk in jwks]) is None:
        raise Refusal(Code.TRUST_INVALID, f"{at}/keyids", name=each.name)
    for place, jwk in enumerate(jwks):
        if not is_known:
            check_signature_key(jwk, f"{at}/keyids/{place}")
    return Signatory(each.name, jwks)


def check_no_others(
    keys: Mapping[str, Key], roles: Iterable[Role | Delegated | Online], at: str
) -> None:
    """Refuse keys that no role of the file lists.

    Raises:
        Refusal: ``trust-invalid``.
    """
    if set(keys) != {keyid for role in roles for keyid in role.keyids}:
        raise Refusal(Code.TRUST_INVALID, f"{at}/keys")


def place_of(keys: Iterable[Jwk], circle: Custodians | None) -> int:
    """Return the place of a custodian's signatures among those of a file; others last."""
    kids = [key.kid for key in keys]
    people = [[key.kid for key in each.keys] for each in circle.signatories] if circle else []
    return people.index(kids) if kids in people else len(people)
