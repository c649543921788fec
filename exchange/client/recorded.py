"""Hold what a node recorded of an object to the object: its kind, its digest, what it names.

A node that signs for another entry than it should has signed for nothing that its poster meant.
"""

from __future__ import annotations

from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import metadata, objects
from exchange.model.entry import Facts
from exchange.model.identity import digest
from exchange.model.objects import Receipt
from exchange.seal import jws

_KINDS: dict[str, type[Facts]] = {
    headers.TYP: entries.Accepted,
    objects.ACK_TYP: entries.Acknowledged,
    objects.GRANT_TYP: entries.Granted,
    objects.RELEASE_TYP: entries.Released,
    objects.DRAFT_TYP: entries.Drafted,
    objects.CONFIRMATION_TYP: entries.Confirmed,
    objects.CONSENT_TYP: entries.Consented,
    objects.REQUEST_TYP: entries.Requested,
    objects.INVITATION_TYP: entries.Invited,
    objects.ENROLMENT_TYP: entries.EnrolmentAsked,
    objects.VERDICT_TYP: entries.Decided,
    objects.SUBSCRIPTION_TYP: entries.Trust,
}


def entry_of(receipt: Receipt, posted: bytes) -> bytes:
    """Return the entry that a receipt is for, from what was posted.

    Raises:
        Refusal: ``bad-proof``: it is not of this object.
    """
    line = receipt.facts.encode() + b"\n"
    return line + object_in(entries.decode(line).facts, posted)


def object_in(facts: Facts, posted: bytes) -> bytes:
    """Return what the entry holds of the object: all, or only its digest among the facts.

    Raises:
        Refusal: ``bad-proof``: these are not the facts of this object.
    """
    match facts:
        case (
            entries.Noticed()
            | entries.PurgeOrdered()
            | entries.Purged()
            | entries.TrustReceived()
            | entries.EpochOpened()
            | entries.Checkpointed()
            | entries.InboxHeads()
            | entries.AuditRead()
            | entries.Lost()
        ):
            raise Refusal(Code.BAD_PROOF, "/facts", found=entries.kind_of(facts))
        case entries.Refused():
            # What was refused need not be readable at all.
            _must(facts.digest == digest(posted) and facts.size == len(posted), "/facts/digest")
            return b""
        case entries.Trust():
            _must(
                facts.document == headers.Blob(digest(posted), len(posted)), "/facts/document"
            )
        case _:
            # The proof of another object: said of the whole, as frozen vectors do.
            _must(facts.digest == digest(posted), "")
    if isinstance(facts, entries.Trust) and posted.startswith(metadata.BEGINS):
        _must((facts.name, facts.version) == _named(posted), "/facts/name")
        return b""
    signed = jws.read(posted, objects.MAX_OBJECT_BYTES)
    must_be_its_kind(facts, signed.typ)
    match facts:
        case entries.Accepted():
            header = headers.decode(signed.payload)
            _must(facts.blobs == [header.body, *header.attachments], "/facts/blobs")
        case entries.Drafted():
            draft = objects.decode_draft(signed.payload)
            bodies = [] if draft.body is None else [draft.body]
            _must(facts.blobs == [*bodies, *draft.attachments], "/facts/blobs")
        case entries.Granted():
            _must(facts.wrap == objects.decode_grant(signed.payload).wrap, "/facts/wrap")
        case entries.Trust():
            chosen = objects.decode_subscription(signed.payload)
            named = (f"subscriptions/{chosen.endpoint}", chosen.version)
            _must((facts.name, facts.version) == named, "/facts/name")
            return b""
        case _:
            pass
    return posted


def must_be_its_kind(facts: Facts, typ: str) -> None:
    """Hold an entry to the kind that an object of this ``typ`` becomes when it is taken in.

    Raises:
        Refusal: ``bad-proof``.
    """
    if typ not in _KINDS or not isinstance(facts, _KINDS[typ]):
        raise Refusal(Code.BAD_PROOF, "/facts", found=entries.kind_of(facts))


def _named(bundle: bytes) -> tuple[str, int]:
    """Return name and version of what custodians signed; a node posts no timestamp here."""
    match metadata.read(bundle).file.signed:
        case metadata.Root(version=version):
            return "root", version
        case metadata.Targets() as targets:
            return targets.role, targets.version
        case _:
            raise Refusal(Code.BAD_PROOF, "/facts/name")


def _must(holds: bool, at: str) -> None:
    if not holds:
        raise Refusal(Code.BAD_PROOF, at)
