"""Who may release what another has written, and what must not go without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.policy.book import book

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.model.header import Header
    from exchange.model.objects import Release
    from exchange.model.view import Standing, View


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


def needs_release(header: Header, view: View) -> bool:
    """Tell whether the arrangement in force asks for a release of a bulletin."""
    return book(view).needs_release(header)


def must_be_released(header: Header, view: View, by: Iterable[str]) -> str | None:
    """Hold a bulletin to its release, where the arrangement asks for one.

    Args:
        header: verified; of an author who is in the directory.
        view: the trust documents in force.
        by: the endpoints that released just this header, by what is on record.

    Returns:
        The first of them that may release it now; None where none is asked for.

    Raises:
        Refusal: ``release-required``: there is none, or none of it holds any more.
    """
    if not needs_release(header, view):
        return None
    for name in by:
        if _may(name, header, view):
            return name
    raise Refusal(Code.RELEASE_REQUIRED)


def _may(name: str, header: Header, view: View) -> bool:
    standing = view.endpoints.get(name)
    return (
        standing is not None
        and name != header.endpoint
        and standing.member.member == header.origin
        and standing.endpoint.status == "active"
        and "releaser" in standing.endpoint.roles
    )
