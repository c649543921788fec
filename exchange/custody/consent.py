"""Consent: what one custodian signed of a proposal, as a file; and all of them put together.

Each custodian signs on a machine of their own and carries one file away. In which order they
sign, and in which order the files come, makes no difference: signatures stand in the order in
which the documents list their custodians.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
from tuf.api.metadata import Metadata

from exchange.custody import proposal as proposals
from exchange.errors import Code, Refusal
from exchange.model import codec, metadata
from exchange.model.identity import ALPHA3, Digest, Word, digest
from exchange.seal import trust, trust_keys
from exchange.seal.trust_keys import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.custody.proposal import Proposal, Step
    from exchange.model.identity import Nation, Signatory
    from exchange.model.view import View
    from exchange.seal.jws import Signer

MAX_CONSENT_BYTES = 1024 * 1024
_MAX_KEYS = 2


class Consent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One custodian's signatures: of each part those that it is theirs to sign, else none."""

    v: Literal["xb1-consent"]
    proposal: Digest
    name: Word
    parts: list[Annotated[list[metadata.Signature], msgspec.Meta(max_length=_MAX_KEYS)]]


class Agreed(NamedTuple):
    """A proposal that everybody it takes has signed: its bundles, and who signed which part."""

    bundles: list[bytes]
    names: list[list[str]]
    view: View


def sign(proposal: Proposal, steps: Sequence[Step], signer: Signer) -> bytes:
    """Return a custodian's consent to a proposal, as a file.

    Raises:
        Refusal: ``not-a-custodian``: nothing in it is theirs to sign.
    """
    parts, names = [], set()
    for step in steps:
        mine = _mine(step, signer)
        names |= {mine.name} if mine else set()
        payload = step.part.payload
        parts.append(trust_keys.signatures(payload, [signer]) if mine else [])
    if not names:
        raise Refusal(Code.NOT_A_CUSTODIAN, "", expected=_asked(steps))
    made = Consent("xb1-consent", proposal.digest, min(names), parts)
    return msgspec.json.encode(made, order="sorted") + b"\n"


def _mine(step: Step, signer: Signer) -> Signatory | None:
    kids = [key.kid for key in signer.keys]
    everyone = (each for _, each in step.signatories)
    return next((each for each in everyone if [key.kid for key in each.keys] == kids), None)


def _asked(steps: Sequence[Step]) -> str:
    return ", ".join(sorted({nation for step in steps for nation, _ in step.signatories}))


def read(raw: bytes) -> Consent:
    """Read a consent; nothing of it is verified.

    Raises:
        Refusal: it is none, or in another spelling than its one.
    """
    if len(raw) > MAX_CONSENT_BYTES:
        raise Refusal(Code.OVERSIZED, limit=MAX_CONSENT_BYTES, found=len(raw))
    line = raw.removesuffix(b"\n")
    try:
        found = msgspec.json.decode(line, type=Consent)
    except msgspec.ValidationError as error:
        raise codec.refusal_of(error, data=line) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(Code.MALFORMED, expected="consent") from None
    if msgspec.json.encode(found, order="sorted") != line:
        raise Refusal(Code.MALFORMED, expected="compact-json")
    return found


def verify(consent: Consent, proposal: Proposal, steps: Sequence[Step]) -> None:
    """Verify one custodian's file: every signature that is theirs to give, and no other.

    Raises:
        Refusal: ``consent-other``: to another proposal; ``not-a-custodian``;
            ``signature-count``: partial; ``bad-signature``: altered.
    """
    if consent.proposal != proposal.digest:
        raise Refusal(Code.CONSENT_OTHER, "/proposal", name=consent.name)
    if len(consent.parts) != len(steps):
        raise Refusal(
            Code.SIGNATURE_COUNT, "/parts", expected=len(steps), found=len(consent.parts)
        )
    asked = 0
    for place, (step, given) in enumerate(zip(steps, consent.parts, strict=True)):
        found = _named(step, consent.name)
        keyids = [key_of(jwk).keyid for jwk in found.keys] if found else []
        asked += len(keyids)
        at = f"/parts/{place}"
        if [each.keyid for each in given] != keyids:
            expected, count = len(keyids), len(given)
            raise Refusal(Code.SIGNATURE_COUNT, at, expected=expected, found=count)
        if given:
            _must_hold(step, given, at)
    if not asked:
        raise Refusal(Code.NOT_A_CUSTODIAN, "/name", name=consent.name, expected=_asked(steps))


def _named(step: Step, name: str) -> Signatory | None:
    return next((each for _, each in step.signatories if each.name == name), None)


def _must_hold(step: Step, given: Sequence[metadata.Signature], at: str) -> None:
    """Hold each signature to the key that it names, as the files above list it."""
    role, (raw, *_) = step.part.role, step.part.bundle(given).split(b"\n")
    file: Metadata[Any] = Metadata.from_bytes(raw)
    signed: set[str] = set()
    for view in (step.before, step.after):
        if above := view.files.get("targets" if role in ALPHA3 else "root"):
            result = above.signed.get_verification_result(
                role, step.part.payload, file.signatures
            )
            signed |= result.signed.keys()
    for number, each in enumerate(given):
        if each.keyid not in signed:
            raise Refusal(Code.BAD_SIGNATURE, f"{at}/{number}", kid=each.keyid)


def missing(steps: Sequence[Step], names: Sequence[str]) -> Mapping[str, dict[Nation, int]]:
    """Return, of each role, how many custodians of each nation have still to sign."""
    found: dict[str, dict[Nation, int]] = {}
    for step in steps:
        for circles in proposals.terms(step.part.role, step.before, step.after):
            for nation, circle in circles.items():
                signed = [each for each in circle.signatories if each.name in names]
                if (left := circle.threshold - len(signed)) > 0:
                    mine = found.setdefault(step.part.role, {})
                    mine[nation] = max(left, mine.get(nation, 0))
    return found


def agree(
    proposal: Proposal, steps: Sequence[Step], consents: Sequence[Consent], now: int
) -> Agreed:
    """Put all consents together, and judge the documents as a node will.

    At a founding everybody who is named signs: who cannot sign has shown no key, and the
    anchor is a digest that leaves nobody out. Later the thresholds are enough.

    Raises:
        Refusal: what a consent is refused with; ``consent-missing``: names who has not signed;
            or what a node would refuse the documents with.
    """
    for each in consents:
        verify(each, proposal, steps)
    given = {each.name: each for each in consents}
    if len(given) != len(consents):
        twice = next(each.name for each in consents if given[each.name] is not each)
        raise Refusal(Code.CONSENT_TWICE, "", name=twice)
    _must_be_there(proposal, steps, given)
    view, bundles, names = steps[0].before, [], []
    for place, step in enumerate(steps):
        mine = [each.name for _, each in step.signatories if each.name in given]
        signatures = [each for name in mine for each in given[name].parts[place]]
        bundle = step.part.bundle(signatures)
        if proposal.is_founding and not place:
            view = msgspec.structs.replace(view, anchor=digest(bundle))
        view = view.after(trust.judge(bundle, view, now), view.index + 1)
        bundles.append(bundle)
        names.append(mine)
    return Agreed(bundles, names, view)


def _must_be_there(
    proposal: Proposal, steps: Sequence[Step], given: Mapping[str, Consent]
) -> None:
    everyone = {each.name for step in steps for _, each in step.signatories}
    absent = sorted(everyone - given.keys())
    if proposal.is_founding and absent:
        raise Refusal(Code.CONSENT_MISSING, "", name=", ".join(absent))
    for role, nations in missing(steps, list(given)).items():
        nation, left = min(nations.items())
        raise Refusal(Code.CONSENT_MISSING, f"/{role}", name=nation, expected=left)
