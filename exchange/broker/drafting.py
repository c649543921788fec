"""Consider a sealed draft: who signed it, what is sealed beside it, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.policy import limits
from exchange.policy import sealed as came
from exchange.policy.ageing import must_be_past
from exchange.policy.attesting import must_name_officer
from exchange.policy.book import book
from exchange.policy.drafting import may_submit
from exchange.seal import body, jws
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from exchange.model.entry import Drafted as DraftedFacts
    from exchange.model.objects import SealedDraft
    from exchange.model.view import View
    from exchange.seal.body import Seen


class Drafted(NamedTuple):
    """What was read of a sealed draft, and of its body, if it has one."""

    draft: SealedDraft
    seen: Seen | None


class Submitted(NamedTuple):
    """A sealed draft that its author or a releaser did sign; its place is settled later."""

    draft: SealedDraft
    digest: str
    seen: Seen | None


def read(signed: jws.Signed, raw: bytes) -> Drafted:
    """Read a sealed draft and what came with it; nothing is verified yet.

    Raises:
        Refusal: its form is not what it should be, or it lacks its body.
    """
    jws.must_be(signed, objects.DRAFT_TYP, objects.MAX_OBJECT_BYTES)
    draft = objects.decode_draft(signed.payload)
    if bool(raw) != (draft.body is not None):
        raise Refusal(Code.BAD_FRAMING if raw else Code.MISSING_BLOB, "/body")
    return Drafted(draft, body.look(raw, draft.suite, body.MAX_DRAFT_BYTES) if raw else None)


def recorded(signed: jws.Signed, facts: DraftedFacts) -> Drafted:
    """Return a draft as its entry says that it came.

    Raises:
        Refusal: ``bad-proof``: with a body that it does not have, or without its own.
    """
    draft = objects.decode_draft(signed.payload)
    if bool(facts.blobs) != (draft.body is not None):
        raise Refusal(Code.BAD_PROOF, "/blobs")
    return Drafted(draft, body.Seen(facts.blobs[0], facts.wraps) if facts.blobs else None)


def judge(signed: jws.Signed, drafted: Drafted, caller: str, view: View, now: int) -> Submitted:
    """Hold a sealed draft to its signer, its sealed body and to whom it is sealed.

    Raises:
        Refusal: the first check that fails.
    """
    jws.must_be(signed, objects.DRAFT_TYP, objects.MAX_OBJECT_BYTES)
    said, seen = drafted
    standing = view.signatory(said.origin, said.endpoint, said.suite)
    if said.endpoint != caller:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=said.endpoint)
    jws.verify_by(signed, standing, now)
    view.must_hold(standing.member.nation, now, "/endpoint")
    limits.must_fit_draft(said, book(view).sizes)
    if said.body is not None and seen is not None:
        if seen.blob.size != said.body.size:
            raise Refusal(Code.SIZE_MISMATCH, "/body/size", expected=said.body.size)
        if seen.blob.digest != said.body.digest:
            raise Refusal(Code.DIGEST_MISMATCH, "/body/digest", expected=said.body.digest)
    named = may_submit(said, standing, view)
    if seen is not None:
        came.wraps(seen.wraps, named, SUITES[said.suite].wrap, now)
    must_be_past(said.at, view, now)
    # What is taken back waits for nothing, and for nobody's name either.
    if said.step != "withdrawn":
        must_name_officer("released", said.officer, view.agreed())
        _must_end(said.until, view, now)
    return Submitted(said, signed.digest, seen)


def _must_end(until: int, view: View, now: int) -> None:
    if until <= now:
        raise Refusal(Code.EXPIRED, "/until", found=until)
    if until > now + (longest := view.agreed().limits.lifetime_s):
        raise Refusal(Code.LIFETIME, "/until", limit=longest, found=until - now)
