"""What is under another's control is not cited to who may not have it, as far as a node sees.

It sees a reference to its header, and its ciphertext named as an attachment or a body. What is
quoted inside a sealed text, or sealed anew, no node can see: ``docs/policy.md`` says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker import consents, holding, keys
from exchange.errors import Code, Refusal
from exchange.model.header import Header
from exchange.model.identity import member_of
from exchange.policy import rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from exchange.broker.holding import Find, Target
    from exchange.model.objects import SealedDraft


def lookups(said: Header | SealedDraft) -> list[bytes]:
    """Return the keys of what is cited, and those by which a bulletin may be cited itself."""
    blobs = [*([said.body] if said.body else []), *said.attachments]
    refs = said.refs if isinstance(said, Header) else ()
    return [
        *(keys.controlled(each.digest) for each in blobs),
        *(keys.by_digest(each.header_digest) for each in refs),
    ]


def kept(header: Header, find: Find) -> list[bytes]:
    """Return the keys by which the ciphertext of what is under control will be found.

    Named before by another bulletin under control, it is found as that one's for ever.
    """
    named = (keys.controlled(each) for each in _sealed(header))
    return [key for key in named if find(key) is None]


def _sealed(header: Header) -> Sequence[str]:
    if not header.marking.is_controlled:
        return ()
    blobs = (header.body, *header.attachments)
    return tuple(dict.fromkeys(each.digest for each in blobs))


def must_stay_within(
    said: Header | SealedDraft,
    recipients: Collection[str],
    now: int,
    find: Find,
    at: str = "",
) -> None:
    """Hold what a bulletin cites of others to the audience that their originators gave it.

    Args:
        said: the header of the bulletin that cites; or a sealed draft of it, whose references
            are sealed.
        recipients: who is to have that.
        now: taken time, seconds UTC.
        find: returns the entry that a key leads to.
        at: the place to be told instead of that of the citation.

    Raises:
        Refusal: ``originator-control``, or why a consent does not hold.
    """
    body = said.body
    if body is not None and _of_another(keys.controlled(body.digest), said.origin, find):
        # Sealed for another header, it is of no honest use under this one, to nobody.
        raise Refusal(Code.ORIGINATOR_CONTROL, at or "/body")
    repeated, told = _before(said, find)
    for place, by, cited, knowing in _cited(said, find):
        known = {
            *knowing,
            *_known(cited, recipients, find),
            *(told if by in repeated else ()),
        }
        others = [each for each in recipients if each not in known]
        # Of all, before any is refused: who looks up beforehand is to ask for all at once.
        leave = [consents.newest(cited.digest, said.endpoint, each, find) for each in others]
        for name, consent in zip(others, leave, strict=True):
            if consent is None:
                raise Refusal(Code.ORIGINATOR_CONTROL, at or place, name=name)
            rules.must_consent(consent[1], now, at or place, name)


def _known(cited: Target, names: Collection[str], find: Find) -> list[str]:
    """Return who of these wrote what is cited, or holds it now."""
    origin = cited.header.origin
    return [
        each for each in names if member_of(each) == origin or holding.holds(cited, each, find)
    ]


def _before(said: Header | SealedDraft, find: Find) -> tuple[set[str], Collection[str]]:
    """Return what the target of a cancellation cites, and who was told of that: all it is owed.

    To them it says nothing new; and that something is wrong must not wait for a consent.
    """
    if not isinstance(said, Header) or said.verb != "cancel":
        return set(), ()
    reference = holding.target_of(said)
    found = find(keys.by_digest(reference.header_digest)) if reference else None
    target = holding.read(found) if found else None
    if target is None:
        return set(), ()
    refs = {each.header_digest for each in target.header.refs}
    attached = {each.digest for each in target.header.attachments}
    return refs | attached, holding.holders(target, find)


def _cited(
    said: Header | SealedDraft, find: Find
) -> Iterator[tuple[str, str, Target, Collection[str]]]:
    """Yield what is cited of others and is under their control: where, and who knows of it.

    The second is the digest by which it is cited.
    """
    refs = said.refs if isinstance(said, Header) else ()
    for place, each in enumerate(refs):
        cited = _of_another(keys.by_digest(each.header_digest), said.origin, find)
        if cited is not None:
            yield f"/refs/{place}", each.header_digest, cited, cited.owed
    for place, blob in enumerate(said.attachments):
        cited = _of_another(keys.controlled(blob.digest), said.origin, find)
        if cited is not None:
            yield f"/attachments/{place}", blob.digest, cited, cited.header.to


def _of_another(key: bytes, origin: str, find: Find) -> Target | None:
    found = find(key)
    cited = holding.read(found) if found else None
    if cited is None or cited.header.origin == origin:
        return None
    return cited if cited.header.marking.is_controlled else None
