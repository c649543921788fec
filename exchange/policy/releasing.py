"""Who may release what another has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from exchange.model.objects import Release
    from exchange.model.view import Standing


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
