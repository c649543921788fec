"""Who may release what another has written, and what must not go without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.model.identity import member_of
from exchange.policy.book import book

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from exchange.model.header import Header
    from exchange.model.objects import Release
    from exchange.model.view import Standing, View
    from exchange.policy.rules import Asked, Given


def may_release(release: Release, standing: Standing) -> None:
    """Hold a release to its releaser: of the author's member, with the role, not the author.

    Raises:
        Refusal: ``own-release``, ``origin-mismatch`` or ``missing-role``.
    """
    author = release.of.endpoint
    if author == release.endpoint:
        raise Refusal(Code.OWN_RELEASE, "/of/endpoint", name=author)
    if author.partition("/")[0] != standing.member.member:
        raise Refusal(Code.ORIGIN_MISMATCH, "/of/endpoint", expected=standing.member.member)
    if "releaser" not in standing.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, "/endpoint", name="releaser")


def is_marked(header: Header, view: View) -> bool:
    """Tell whether the arrangement in force may ask for a release of a bulletin."""
    return book(view).is_marked(header)


def needs_release(header: Header, view: View, holders: Collection[str] | None) -> bool:
    """Tell whether the arrangement in force asks for a release of a bulletin.

    Args:
        header: verified.
        view: the trust documents in force.
        holders: of what cancels, as ``released_for`` of what it cancels; None where that is
            not here.
    """
    return book(view).needs_release(header, holders)


def released_for(header: Header, holders: Collection[str], view: View) -> Collection[str]:
    """Return to whom a cancellation may go that nobody releases: who holds what it cancels.

    That is nobody where its target bears no mark: no second person ever saw to whom it went.

    Args:
        header: of the target.
        holders: of the target.
        view: the trust documents in force.
    """
    return holders if is_marked(header, view) else ()


def is_new_audience(
    header: Header, given: Given | None, recipient: str | None, view: View
) -> bool:
    """Tell whether an originator gives what bears a mark to one it was not released for.

    What another holder passes on, its marking and the originator's consent bind.
    """
    return (
        given is not None
        and recipient not in header.to
        and member_of(given.by) == header.origin
        and not given.holds
        and is_marked(header, view)
    )


def must_be_released(header: Header, author: str, view: View, by: Iterable[str]) -> str:
    """Hold what needs a release, a bulletin or a grant of it, to having one.

    Args:
        header: of the bulletin, verified; of an author who is in the directory.
        author: who signed what was to be released.
        view: the trust documents in force.
        by: the endpoints that released just this, by what is on record.

    Returns:
        The first of them that may release it now.

    Raises:
        Refusal: ``release-required``: there is none, or none of it holds any more.
    """
    for name in by:
        if name != author and _may(name, header, view):
            return name
    raise Refusal(Code.RELEASE_REQUIRED)


def _may(name: str, header: Header, view: View) -> bool:
    standing = view.endpoints.get(name)
    return (
        standing is not None
        and standing.member.member == header.origin
        and standing.endpoint.status == "active"
        and "releaser" in standing.endpoint.roles
    )


# -- rule 28 of ``docs/policy.md``, of each act that it is asked of ----------------------------


def of_bulletin(asked: Asked) -> None:
    """Hold what is to be taken in to its release."""
    header, by = asked.header, asked.released
    if by is not None and asked.book.needs_release(header, asked.holders):
        must_be_released(header, header.endpoint, asked.view, by)


def of_grant(asked: Asked) -> None:
    """Hold a grant to a release of its own: the audience that was released is the audience."""
    given, by = _to_new_audience(asked), asked.released
    if given is not None and by is not None:
        must_be_released(asked.header, given.by, asked.view, by)


def from_abroad(asked: Asked) -> None:
    """Hold what comes from abroad to its release, for one recipient.

    Whether its releaser was active there and had the role, its home's directory said. So did
    its home whether what it cancels was there, where it is not here; and, by grants that never
    cross, whether the others in ``to`` hold that.
    """
    header, given = asked.header, _to_new_audience(asked)
    is_held = asked.holders is None or asked.recipient in asked.holders
    if given is None and not asked.book.needs_release(header, header.to if is_held else ()):
        return
    author = given.by if given else header.endpoint
    by = asked.released or ()
    if not any(each != author and member_of(each) == header.origin for each in by):
        raise Refusal(Code.RELEASE_REQUIRED)


def _to_new_audience(asked: Asked) -> Given | None:
    given = asked.given
    is_new = is_new_audience(asked.header, given, asked.recipient, asked.view)
    return given if is_new else None
